/* attachment.h -- what lives in a runtime and goes with it: arrays, builders, graphs, sessions ...
 *
 * An object has an attachment as a member. Closing the runtime closes what is still there, the
 * newest first, by the function that the attachment names. */
#ifndef EBB_RUNTIME_ATTACHMENT_H
#define EBB_RUNTIME_ATTACHMENT_H

#include <stdbool.h>

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
    /* Around a fork, NULL: nothing to do. The first takes the object's locks if that needs no
     * waiting: false, it is asked again. The second gives them back, in parent and child. */
    bool (*fork_lock)(void *object);
    void (*fork_unlock)(void *object, bool is_child);
    /* For ebb_trim(), under the runtime's mutex: gives back what is kept for speed, unless it is in
     * use. Returns bytes. NULL: nothing. */
    uint64_t (*trim)(void *object);
    /* NULL, or called in a forked child, the runtime's mutex held: other threads are gone. */
    void (*after_fork)(void *object);
} attachment;

struct runtime;
void runtime_attach(struct runtime *r, attachment *a);
void runtime_detach(struct runtime *r, attachment *a);

#endif
