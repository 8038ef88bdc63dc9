/* attachment.h -- what lives in a runtime and goes with it: arrays, builders, graphs, sessions ...
 *
 * An object has an attachment as a member. Closing the runtime closes what is still there, the
 * newest first, by the function that the attachment names. */
#ifndef EBB_RUNTIME_ATTACHMENT_H
#define EBB_RUNTIME_ATTACHMENT_H

#include "ebb/memory.h"
#include "mem/handle.h"

typedef struct attachment {
    struct attachment *next, *previous; /* in runtime->attachments */
    handle_kind kind;
    uint64_t id;
    void *object;
    /* Gives everything of the object back; its handle is closed already, nobody uses it. Detaches.
     * Adds what came back to *receipt (never NULL). */
    void (*close)(void *object, ebb_receipt *receipt);
} attachment;

struct runtime;
void runtime_attach(struct runtime *r, attachment *a);
void runtime_detach(struct runtime *r, attachment *a);

#endif
