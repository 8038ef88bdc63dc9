/* account.h -- bytes by device: which device's memory a region's pages are, and how many that
 * device may hold.
 *
 * Every region charges one account: that of its parent, unless it was opened with
 * region_open_on(). The tree says who owns bytes, accounts say where they are; limits of both are
 * kept.
 *
 *     region "runtime" ─┬─ "mnist"     account CPU:0
 *                       └─ "session" ──┬─ "arena"    account CPU:0
 *                                      └─ "arena 1"  account CPU:1
 *
 * The root charges the ledger's first account, which is always there. Accounts live in the ledger's
 * table of structs ("fixed"), so they cost no live byte.
 */
#ifndef EBB_MEM_ACCOUNT_H
#define EBB_MEM_ACCOUNT_H

#include "mem/region.h"

typedef struct account account;

/* `name` is copied (31 characters): "CPU:1". bytes_max 0 = none but the ledger's. NULL: no page. */
account *account_open(ledger *l, const char *name, uint64_t bytes_max);
/* Requires that no region charges it any more. The first account goes with the ledger. */
void account_close(account *a);
account *ledger_account(ledger *l); /* the first one; its name is "CPU:0" until it gets another */
void account_name(account *a, const char *name);

/* A child of `parent` whose pages are those of `a` (NULL: its parent's); otherwise as
 * region_open(). */
region *region_open_on(region *parent, account *a, const char *tag, ebb_class class_index,
                       uint64_t bytes_max);
account *region_account(const region *r);
/* The bytes of r, and of the regions below it that charge the same account, become those of `to`;
 * what charges another account stays. False: `to` has no room for them (region_fail() tells), and
 * nothing has changed. No page moves: for accounts of one memory. */
bool region_charge(region *r, account *to);

uint64_t account_bytes_live(const account *a);
uint64_t account_bytes_peak(const account *a); /* highest live since open or account_peak_reset() */
void account_peak_reset(account *a);
uint64_t account_bytes_max(const account *a);
void account_limit(account *a, uint64_t bytes_max);
/* Adds the live bytes of all regions that charge it to the report: live, by_class, cached. */
void account_read(const account *a, ebb_memory *memory);
/* The same for one region and those below it: its part of what the account holds. NULL: of all
 * accounts. */
void region_read_account(const region *r, const account *a, ebb_memory *memory);

#endif
