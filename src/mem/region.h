/* region.h -- memory with an owner, a class, a limit, and a count that is always exact.
 *
 *     ledger (one per runtime: page source, lock, limit)
 *       └─ region "runtime"
 *            └─ region "mobilenet" ─┬─ "weights"      one block, 2 MB pages
 *                                   ├─ "lane 0"       one block: the activation arena
 *                                   ├─ "meta"         graph, plan, names: bump allocated
 *                                   └─ "plans"        cached: executables for other shapes
 *
 * A region takes pages from the ledger's source: large pieces as blocks of their own, small pieces
 * by bumping inside chunks of its own pages. Closing gives all of it back, children first, in any
 * order between siblings, at once. Nothing is shared between regions and there is no general heap.
 *
 * Invariants: bytes_live(r) == pages mapped by r and its children, in bytes; never above bytes_max
 * of r or of any region above it. Counting is in whole pages: what the process really holds.
 * Lifecycle: open -> alloc ... -> seal -> close. After sealing, an allocation in r or in a child
 * that existed when it was sealed fails; a child opened later has its own life.
 * Threads: one region is used by one thread at a time; different regions of one ledger by any.
 */
#ifndef EBB_MEM_REGION_H
#define EBB_MEM_REGION_H

#include "ebb/memory.h"

typedef struct ledger ledger;
typedef struct region region;

#define PAGE_BYTES      ((size_t)4096)
#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define BLOCK_ALIGNMENT ((size_t)64) /* of every block and every tensor in an arena */

/* -- ledger: the page source and the counters of one runtime ---------------------------------- */

/* NULL: no memory, or map without unmap. `allocator` is copied; all NULL means mmap.
 * bytes_max 0 = no limit. */
ledger *ledger_open(const ebb_allocator *allocator, uint64_t bytes_max);
/* Requires that every region is closed. Gives the ledger's own page back. */
void    ledger_close(ledger *l);
region *ledger_root(ledger *l);

/* Threads and descriptors are counted by whoever starts and opens them. */
void     ledger_thread_started(ledger *l);
void     ledger_thread_ended(ledger *l);
void     ledger_descriptor_opened(ledger *l);
void     ledger_descriptor_closed(ledger *l);
uint32_t ledger_threads(const ledger *l);
uint32_t ledger_descriptors(const ledger *l);

/* Pages of the ledger itself: its own one, the table of region structs, and spare ones (64 KiB at
 * most). Never part of live. */
uint64_t ledger_bytes_fixed(const ledger *l);
/* Gives the spare pages back to the system. */
void ledger_rest(ledger *l);
/* Open regions, the root not counted. */
uint32_t ledger_regions(const ledger *l);
/* Holds the lock over a fork: before it, after it in the parent, after it in the child. */
void ledger_before_fork(ledger *l);
void ledger_after_fork_parent(ledger *l);
void ledger_after_fork_child(ledger *l);

/* -- region --------------------------------------------------------------------------------- */

/* A child of `parent` (never NULL). `tag` is copied (31 characters). bytes_max 0 = no limit of its
 * own. NULL: no memory. Takes no page until the first allocation: the struct lives in the ledger's
 * table. */
region *region_open(region *parent, const char *tag, ebb_class class_index, uint64_t bytes_max);

/* Zeroed memory for `count` items of `size` bytes, aligned to 16; NULL: too much, limit, sealed. */
void *region_alloc(region *r, size_t count, size_t size);

/* A block of its own pages, aligned to 64, zeroed; 2 MB aligned with huge pages advised from 4 MB
 * on. Touches nothing. The size counted is region_block_bytes(bytes). NULL: as above. */
void    *region_block(region *r, size_t bytes);
uint64_t region_block_bytes(size_t bytes);

/* Copies of text into the region; NULL when `text` is NULL or there is no memory. */
char *region_text(region *r, const char *text);
char *region_text_length(region *r, const char *text, size_t length);
char *region_format(region *r, const char *format, ...) EBB_PRINTF(2, 3);

void region_seal(region *r);
/* Frees children and pages; NULL is a no-op. */
void region_close(region *r);
/* Gives one block of region_block() back early. */
void region_block_release(region *r, void *block);

/* Marks what `cached` reports: this region and its children count as cached. */
void region_mark_cached(region *r);

uint64_t region_bytes_live(const region *r);
uint64_t region_bytes_peak(const region *r); /* highest live since open or region_peak_reset() */
void     region_peak_reset(region *r);
uint64_t region_bytes_max(const region *r);
void     region_limit(region *r, uint64_t bytes_max);
/* Adds r and its children to the report: live, by_class, cached. Leaves the other fields alone. */
void    region_read(const region *r, ebb_memory *memory);
/* The regions right below r with what each holds, its own children included: at most `capacity` of
 * them, the newest first. Returns how many there are. */
typedef struct region_entry {
    const region *r; /* for comparing only: it may be gone */
    char tag[32];
    ebb_memory memory; /* live, by_class, cached, peak, limit */
} region_entry;
uint32_t region_children_read(const region *r, region_entry *entries, uint32_t capacity);
ledger *region_ledger(const region *r);
/* Measured bytes (JIT code inside a library): reported in by_class[CODE], not part of live. */
void region_measured(region *r, uint64_t bytes);

/* How many allocations in r were refused since it was opened: tells a caller of code that answers
 * only yes or no whether a no meant memory. */
uint64_t region_refusals(const region *r);

#define region_new(r, T, count) ((T *)region_alloc((r), (count), sizeof(T)))

/* Why the last region_alloc/region_block/region_open failed is worth telling: fills error with
 * E_MEMORY naming the limit that was hit and by how much, or the system. Returns E_MEMORY. After a
 * failed region_open ask the parent. */
ebb_status region_fail(const region *r, ebb_error *error, const char *where, const char *what);

#endif
