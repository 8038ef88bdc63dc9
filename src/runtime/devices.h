/* devices.h -- the devices of a runtime: physical ones, the logical ones they are divided into, and
 * how a device string finds one. Public face: ebb/device.h. Semantics: TensorFlow's tf.config.
 *
 *     physical CPU:0 ──┬─ logical CPU:0   (account, limit)      kernels of the physical device
 *                      └─ logical CPU:1   (account, limit)
 *
 * Until the first use (a load, a session's run, a list of logical devices) the configuration may be
 * changed; from then on it is fixed for the life of the runtime (E_STATE).
 *
 * The first logical device has the ledger's first account, and so everything that no model owns.
 * The lists are laid out anew with every change of the configuration and never after the first use:
 * from then on they are read without a lock.
 */
#ifndef EBB_RUNTIME_DEVICES_H
#define EBB_RUNTIME_DEVICES_H

#include <stdatomic.h>

#include "device/device.h"
#include "ebb/device.h"
#include "mem/account.h"
#include "runtime/runtime.h"

#define DEVICE_PARTS_MAX  64u  /* logical devices of one physical device */
#define ARRAY_SIZES       4u   /* of places for small arrays */
#define DEVICE_SCOPES_MAX 200u /* open at once, of all threads: they fit a page */

/* One logical device. Its address is good for the life of the runtime. */
typedef struct logical_device {
    char name[32];        /* "CPU:1" */
    uint32_t index;       /* in the order of ebb_devices_list() */
    uint32_t physical;    /* in the order of ebb_physical_devices_list() */
    const device *device; /* kernels and threads: the same for all parts of a physical device */
    account *account;
    struct slab *array_room[ARRAY_SIZES]; /* array_room.h: pages with room; the runtime's mutex */
} logical_device;

/* How a physical device is divided. */
typedef struct division {
    const uint64_t *limits; /* [count]; NULL: none, and not configured */
    uint32_t count;         /* 1 at first */
    bool is_visible;
} division;

typedef struct physical_device {
    device device;
    division division;
    bool growth_is_set, has_growth;
} physical_device;

typedef struct transfers {
    atomic_uint_fast64_t count, bytes;
} transfers;

/* A device scope of a thread. */
typedef struct placement {
    pthread_t thread;
    logical_device *device;
} placement;

/* Guarded by the runtime's mutex until the first use, as said above; the scopes always. */
typedef struct devices {
    physical_device *physical;
    uint32_t physical_count;
    region *home; /* of the three lists once they were configured; NULL: in the runtime's page */
    logical_device *logical;
    uint32_t logical_count;
    transfers *transfers; /* [from * logical_count + to] */
    atomic_bool is_used, is_soft;
    region *scopes_home; /* while there are scopes */
    placement *scopes;   /* oldest first */
    atomic_uint scope_count;
} devices;

/* The devices of these kinds that the machine has, each whole, in the runtime's page. */
ebb_status devices_open(runtime *r, const device_def *const *kinds, uint32_t kind_count,
                        const device_options *options, ebb_error *error);
/* What devices_open() opened; the accounts go with the ledger. */
void devices_close(runtime *r);

/* The device that a string names, in any of TensorFlow's forms: "CPU:1", "/CPU:1", "/cpu:1",
 * "/device:CPU:1", "/job:localhost/replica:0/task:0/device:CPU:1"; a missing number is 0. NULL or
 * "": the first one. This is a first use. E_ARGUMENT: does not parse; E_NOT_FOUND names the devices
 * that are there (with soft placement an absent one becomes the first). */
ebb_status devices_find(runtime *r, const char *text, logical_device **result, ebb_error *error);
/* The same text checked and written in the short form, without a look at what is there; "" if it
 * names no kind. */
ebb_status device_text_read(const char *text, char name[32], ebb_error *error);

/* Fixes the configuration. E_ARGUMENT: memory growth differs. */
ebb_status devices_use(runtime *r, ebb_error *error);
uint32_t devices_count(runtime *r); /* logical ones; a first use */
logical_device *devices_at(runtime *r, uint32_t index);
/* The physical device of a string; E_NOT_FOUND. */
ebb_status devices_physical_find(runtime *r, const char *text, uint32_t *index, ebb_error *error);

/* Where the calling thread puts what names no device: its innermost scope's, or the first one.
 * After the first use. */
logical_device *devices_here(runtime *r);
/* Only the scope's; NULL: the thread has none. */
logical_device *devices_scope(runtime *r);
ebb_status devices_scope_push(runtime *r, const char *text, ebb_error *error);
ebb_status devices_scope_pop(runtime *r, ebb_error *error);
/* In a forked child, the runtime's mutex held: scopes of threads that are not there any more. */
void devices_after_fork(runtime *r);

/* Copies between devices are counted, by pair; within one device, and from or to those of another
 * runtime, they are none. Any thread. */
void devices_copied(runtime *r, const logical_device *from, const logical_device *to,
                    uint64_t bytes);

/* -- configuration, by the rules of ebb/device.h ------------------------------------------------
 */

ebb_status devices_divide(runtime *r, const char *text, const uint64_t *limits, size_t count,
                          ebb_error *error);
ebb_status devices_show(runtime *r, const char *text, bool is_visible, ebb_error *error);
ebb_status devices_grow(runtime *r, const char *text, bool has_growth, ebb_error *error);

/* How many models are on it. The runtime's mutex is held. */
uint32_t devices_models(const runtime *r, const logical_device *device);

#endif
