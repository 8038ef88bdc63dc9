/* ledger.h -- inside of mem/: the ledger's lock, its page source and its table of region structs.
 * Others see region.h only.
 *
 *     first page                        further pages, only while they are needed
 *     ┌───────┬────────┬──────┬──────┐  ┌───────┬──────┬──────┬──────┬──────┐
 *     │ table │ ledger │ slot │ slot │  │ table │ slot │ slot │ slot │ slot │
 *     └───────┴────────┴──────┴──────┘  └───────┴──────┴──────┴──────┴──────┘
 *
 * A slot holds one region struct, an account, or the overflow of a region's list of blocks. Table
 * pages are "fixed": they are never part of live, of a class or of a limit. So opening a region or
 * an account costs no live byte, and the live bytes of a model do not depend on how many regions
 * others have open. A table page goes back to the system with its last slot; the first page with
 * the ledger.
 *
 * A few single pages that regions gave back are kept for the next ones: most regions are scratch
 * that lives for a moment, and two calls of the system cost more than all it does. Spare pages are
 * fixed too. They go with the ledger, or when it rests; a caller with hooks of its own sees every
 * page come and go.
 */
#ifndef EBB_MEM_LEDGER_H
#define EBB_MEM_LEDGER_H

#include "mem/account.h"

#define REGION_TAG_BYTES 32
#define REGION_BLOCKS    8

typedef struct block {
    void *memory; /* NULL: a free place in the list */
    size_t bytes;
} block;

typedef struct block_list {
    struct block_list *next;
    block items[REGION_BLOCKS];
} block_list;

typedef struct chunk {
    struct chunk *next;
    size_t bytes; /* whole chunk, this header included */
} chunk;

typedef enum refusal_kind {
    REFUSAL_NONE,
    REFUSAL_SIZE, /* count * size does not fit */
    REFUSAL_SEALED,
    REFUSAL_HOOK,    /* the caller's admit hook */
    REFUSAL_LIMIT,   /* bytes_max of this region or of one above */
    REFUSAL_ACCOUNT, /* bytes_max of the account: the device is full */
    REFUSAL_SYSTEM   /* no pages */
} refusal_kind;

/* Why the last allocation failed; read by region_fail(). */
typedef struct refusal {
    refusal_kind kind;
    uint64_t asked, live, limit;
    char tag[REGION_TAG_BYTES];
} refusal;

/* Guarded by the ledger's lock, `owner` never changes. */
struct account {
    ledger *owner;
    account *next, *previous; /* of the ledger's accounts, the first one not among them */
    uint64_t bytes_live, bytes_peak, bytes_max;
    char name[REGION_TAG_BYTES];
};

/* Guarded by the ledger's lock, except what only the region's own thread uses: chunks, cursor,
 * blocks. */
struct region {
    ledger *owner;
    account *account; /* where its pages are */
    region *parent, *child_first, *next, *previous; /* siblings in no order that matters */
    uint64_t bytes_own;                             /* pages of this region alone */
    uint64_t bytes_live;                            /* bytes_own + bytes_live of every child */
    uint64_t bytes_peak, bytes_max, bytes_measured;
    chunk *chunks;
    char *cursor, *end; /* free part of the chunk being filled */
    size_t chunk_bytes; /* size of the next chunk */
    ebb_class class_index;
    bool sealed, cached;
    bool is_group;   /* its children are owners of their own; see observer.h */
    uint64_t serial; /* number of the region in its ledger, never used again */
    char tag[REGION_TAG_BYTES];
    refusal refused;
    uint64_t refusals;
    block_list blocks;
};

void ledger_lock(const ledger *l);
void ledger_unlock(const ledger *l);

/* The page source; use under the lock only. */
const ebb_allocator *ledger_source(const ledger *l);

/* Zeroed pages for a region, and back; see pages.h. Under the lock. */
void *ledger_pages_take(ledger *l, size_t bytes, size_t alignment);
void ledger_pages_give(ledger *l, void *memory, size_t bytes);

/* A zeroed slot; NULL: no page. Under the lock. */
void *ledger_slot_take(ledger *l);
void ledger_slot_give(ledger *l, void *slot);

/* The list of accounts. Under the lock. */
void ledger_account_link(ledger *l, account *a);
void ledger_account_unlink(ledger *l, account *a);

/* One region more or less. Under the lock. */
void ledger_region_counted(ledger *l, bool opened);

/* A number that no region of this ledger had before. Under the lock. */
uint64_t ledger_serial_next(ledger *l);
/* Tells the observer of r's bytes, if there is one. Under the lock. */
void ledger_notice(const region *r, int64_t bytes);

#endif
