/* account.c -- see account.h. The counters change with those of the regions, under the ledger's
 * lock, where pages come and go (region.c): an allocation that needs no page never sees them.
 * Invariant: the live bytes of all accounts add up to those of the root. */
#include "mem/account.h"

#include <stdio.h>

#include "mem/ledger.h"
#include "mem/pages.h"

account *account_open(ledger *l, const char *name, uint64_t bytes_max)
{
    ledger_lock(l);
    account *a = pages_admit(ledger_source(l), sizeof *a) ? ledger_slot_take(l) : NULL;
    if (a != NULL) {
        a->owner = l;
        a->bytes_max = bytes_max;
        snprintf(a->name, sizeof a->name, "%s", name != NULL ? name : "");
        ledger_account_link(l, a);
    }
    ledger_unlock(l);
    return a;
}

void account_close(account *a)
{
    if (a == NULL || a == ledger_account(a->owner)) return;
    ledger *l = a->owner;
    ledger_lock(l);
    ledger_account_unlink(l, a);
    ledger_slot_give(l, a);
    ledger_unlock(l);
}

static uint64_t read_locked(const account *a, const uint64_t *field)
{
    ledger_lock(a->owner);
    const uint64_t value = *field;
    ledger_unlock(a->owner);
    return value;
}

uint64_t account_bytes_live(const account *a)
{
    return read_locked(a, &a->bytes_live);
}

uint64_t account_bytes_peak(const account *a)
{
    return read_locked(a, &a->bytes_peak);
}

uint64_t account_bytes_max(const account *a)
{
    return read_locked(a, &a->bytes_max);
}

void account_peak_reset(account *a)
{
    ledger_lock(a->owner);
    a->bytes_peak = a->bytes_live;
    ledger_unlock(a->owner);
}

void account_limit(account *a, uint64_t bytes_max)
{
    ledger_lock(a->owner);
    a->bytes_max = bytes_max;
    ledger_unlock(a->owner);
}

void account_name(account *a, const char *name)
{
    ledger_lock(a->owner);
    snprintf(a->name, sizeof a->name, "%s", name);
    ledger_unlock(a->owner);
}

void account_read(const account *a, ebb_memory *memory)
{
    region_read_account(ledger_root(a->owner), a, memory);
}
