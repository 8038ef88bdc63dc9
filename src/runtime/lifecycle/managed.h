/* managed.h -- what the objects of ebb/manage.h have in common: a handle, a region of their own,
 * and a place among the attachments of their runtime. Such an object begins with a `managed`. */
#ifndef EBB_RUNTIME_LIFECYCLE_MANAGED_H
#define EBB_RUNTIME_LIFECYCLE_MANAGED_H

#include "runtime/model.h"

typedef struct managed {
    attachment link; /* its id, and how it is closed */
    runtime *owner;
    region *home;
} managed;

/* A zeroed object of `bytes` bytes in a region of its own. Until managed_issue() it is undone by
 * region_close(). */
ebb_status managed_make(runtime *r, handle_kind kind, const char *tag, size_t bytes,
                        void (*close)(void *object, ebb_receipt *receipt), managed **result,
                        ebb_error *error);
/* Gives it a handle: from now on others find it. On failure it is as it was. */
ebb_status managed_issue(managed *m, uint64_t *id, ebb_error *error);

/* The object, it and its runtime pinned; NULL and E_STALE. */
void *managed_acquire(handle_kind kind, uint64_t id, const char *where, ebb_error *error);
void managed_release(managed *m);

/* Waits until nobody uses it (deadline as in handle.h) and closes it. E_STALE; E_BUSY. */
ebb_status managed_close(handle_kind kind, uint64_t id, const char *where, uint64_t deadline_ns,
                         ebb_receipt *receipt, ebb_error *error);
/* The end of a close function: off the list, its region's bytes to the receipt. */
void managed_end(managed *m, ebb_receipt *receipt);

/* A caller's load options, texts and all, into `home`; NULL = defaults. */
ebb_status load_options_keep(region *home, const ebb_load_options *options,
                             ebb_load_options *result, ebb_error *error);
/* As ebb_model_unload() with the runtime pinned already. */
ebb_status model_unload_pinned(uint64_t id, uint64_t wait_ns, ebb_receipt *receipt,
                               ebb_error *error);
/* Would a call with this model find it? */
bool model_is_there(uint64_t id);
/* Its live bytes; 0 when it is gone. */
uint64_t model_bytes(uint64_t id);

#endif
