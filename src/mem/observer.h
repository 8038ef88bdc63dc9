/* observer.h -- who holds which bytes, told by the ledger itself: for the profiler and the leak
 * monitor.
 *
 * Every region has a serial number that its ledger gives once. The owner of a region's bytes is the
 * region that stands directly below the root, or below a group (a scope, whose models are owners of
 * their own):
 *
 *     region "runtime" ─┬─ "mnist" ── "weights"           owner "mnist"
 *                       └─ "fold 1" (group) ── "mnist"    owner "fold 1/mnist"
 */
#ifndef EBB_MEM_OBSERVER_H
#define EBB_MEM_OBSERVER_H

#include <stdbool.h>

#include "mem/region.h"

#define REGION_GROUPS_MAX 20 /* groups inside each other that a name has room for */

/* `bytes` came to region r (or went: negative). Called under the ledger's lock: it may use the
 * functions of this header that say so, nothing else of regions. */
typedef void (*ledger_observer)(void *context, const region *r, int64_t bytes);

/* Tells the observer of what is there, calls `started`, then tells of every change until
 * ledger_observe_end(). False: there is one already. */
bool ledger_observe(ledger *l, ledger_observer observer, void (*started)(void *context),
                    void *context);
void ledger_observe_end(ledger *l);
/* Runs while the observer does not. */
void ledger_with_lock(const ledger *l, void (*run)(void *context), void *context);

/* Its children are owners. */
void region_mark_group(region *r);

/* Never changes. */
uint64_t region_serial(const region *r);
ebb_class region_class(const region *r);
/* Live bytes of the region of that number and all below it; false: it is closed. */
bool ledger_region_bytes(ledger *l, uint64_t serial, uint64_t *bytes);

/* Under the lock: */
const region *region_owner(const region *r);
uint64_t region_bytes_below(const region *r); /* its own and those of the regions below */
void region_owner_name(const region *owner, char *text, size_t capacity);
/* `look` is called for each region below and including `top` that holds bytes. */
void region_each(const region *top, ledger_observer look, void *context);

#endif
