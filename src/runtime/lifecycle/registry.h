/* registry.h -- names, versions, and which version is active.
 *
 *     registry ── scope "registry" (limit; the models)
 *       └─ name "digits" (active 2, earlier 1)
 *            ├─ version 2   path, model, leases
 *            └─ version 1   path
 *
 * Everything is guarded by the runtime's mutex. Who changes a name (is_changing) is alone with its
 * versions, also while the mutex is let go for a load or an unload: nobody else takes one away.
 * Leases come and go meanwhile. */
#ifndef EBB_RUNTIME_LIFECYCLE_REGISTRY_H
#define EBB_RUNTIME_LIFECYCLE_REGISTRY_H

#include "ebb/build.h"
#include "ebb/manage.h"
#include "runtime/lifecycle/managed.h"

#define REGISTRY_HISTORY_MAX 16u

typedef struct registry_version {
    struct registry_version *next; /* of the name, highest number first */
    uint64_t number, serial;       /* the serial is never given again */
    region *home;
    const char *path;
    const char *folder; /* its own, around the file; NULL: none */
    ebb_load_options load;
    uint64_t model; /* 0: not loaded */
    uint32_t leases;
    bool is_leaving;           /* goes with its last lease */
    bool is_scanned, was_seen; /* known from a folder; in the scan that runs */
} registry_version;

typedef struct registry_name {
    struct registry_name *next; /* by name */
    region *home;
    char text[EBB_REGISTRY_NAME_MAX + 1];
    registry_version *versions;
    uint64_t active;                        /* number; 0: none */
    uint64_t earlier[REGISTRY_HISTORY_MAX]; /* active before, the last one last */
    uint32_t earlier_count;
    bool is_changing;
} registry_name;

typedef struct registry {
    managed base;
    uint64_t scope;
    const char *folder;
    ebb_load_options load;
    bool old_first, keeps_previous, is_closing;
    uint64_t deadline_ns;
    uint64_t serials;
    registry_name *names;
} registry;

ebb_status registry_open(runtime *r, const ebb_registry_options *options, uint64_t *id,
                         ebb_error *error);
ebb_status registry_close(ebb_registry handle, const ebb_unload_options *options,
                          ebb_receipt *receipt, ebb_error *error);

/* -- what is known; the mutex is held -----------------------------------------------------------
 */

registry_name *registry_find_name(const registry *g, const char *name);
/* Number 0: the highest. */
registry_version *registry_find_version(const registry_name *n, uint64_t number);
/* The mutex is held. E_STATE: it is known; E_MEMORY. */
ebb_status registry_insert(registry *g, const char *name, uint64_t number, const char *path,
                           const char *folder, const ebb_load_options *load,
                           registry_version **result, ebb_error *error);
/* Takes a version away, and its name with the last one unless it is being changed. */
void registry_drop(registry *g, registry_name *n, registry_version *v);
void registry_drop_empty(registry *g, registry_name *n);
/* E_NOT_FOUND in words that list what is known. `n` NULL: the name is not. */
ebb_status registry_unknown(const registry *g, const registry_name *n, const char *name,
                            uint64_t number, ebb_error *error);
/* Waits for leases; false: still out at the deadline. */
bool registry_wait_leases(registry *g, const registry_version *v, uint64_t deadline_ns);

/* -- calls of ebb/manage.h; arguments are checked -----------------------------------------------
 */

ebb_status registry_add(registry *g, const char *name, uint64_t number, const char *path,
                        const ebb_load_options *load, ebb_error *error);
ebb_status registry_scan(registry *g, const char *folder, ebb_registry_changes *changes,
                         ebb_error *error);
ebb_status registry_load(registry *g, const char *name, uint64_t number, ebb_error *error);
ebb_status registry_activate(registry *g, const char *name, uint64_t number, ebb_receipt *receipt,
                             ebb_error *error);
ebb_status registry_rollback(registry *g, const char *name, ebb_receipt *receipt, ebb_error *error);
/* A lease, counted if `is_held`. */
ebb_status registry_lease(registry *g, const char *name, uint64_t number, bool is_held,
                          ebb_lease *lease, ebb_error *error);
ebb_status registry_return(registry *g, uint64_t serial);
ebb_status registry_unload(registry *g, const char *name, uint64_t number, ebb_receipt *receipt,
                           ebb_error *error);
ebb_status registry_forget(registry *g, const char *name, uint64_t number, ebb_receipt *receipt,
                           ebb_error *error);
ebb_status registry_delete(registry *g, const char *name, uint64_t number, bool even_loaded,
                           ebb_receipt *receipt, ebb_error *error);
void registry_list(registry *g, const char *name, ebb_registry_entry *entries, size_t *count);

#endif
