/* handle.h -- generational handles with a count of users.
 *
 * One table per process (the only process-wide state of ebb, with the fork hooks): a stale handle
 * must be an answer even after its runtime is gone. An id is generation << 32 | slot; a slot's
 * generation only grows, so an id is never issued again; a slot whose generation is used up is
 * retired.
 *
 * One 64-bit atomic word per slot holds generation, closing bit and user count, so acquire and
 * release are one compare-and-swap and never touch freed memory. Slots live in chunks of one page
 * that are never freed ("fixed" of the process: 24 bytes a slot, reused).
 */
#ifndef EBB_MEM_HANDLE_H
#define EBB_MEM_HANDLE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum handle_kind {
    HANDLE_RUNTIME = 1,
    HANDLE_MODEL,
    HANDLE_GRAPH,
    HANDLE_SESSION,
    HANDLE_ARRAYS,
    HANDLE_BUILDER,
    HANDLE_SCOPE,
    HANDLE_FUNCTION,
    HANDLE_REGISTRY,
    HANDLE_LAZY,
    HANDLE_MONITOR,
    HANDLE_PROFILER,
    HANDLE_SPILL,
    HANDLE_TIMER,
    HANDLE_ARRAY,
    HANDLE_PASS,
    HANDLE_OPTIMIZER
} handle_kind;

/* 0: no slot left or no memory for a chunk. */
uint64_t handle_issue(handle_kind kind, void *object);

/* The object, pinned until handle_release(); NULL if stale, of another kind, or closing. */
void *handle_acquire(handle_kind kind, uint64_t id);
void  handle_release(uint64_t id);
/* The same, also while somebody waits to close it and others still use it. */
void *handle_acquire_in_use(handle_kind kind, uint64_t id);

/* Is somebody taking it apart, or waiting to? False before that and afterwards. */
bool handle_is_going(handle_kind kind, uint64_t id);

/* True while acquire would succeed. */
bool handle_alive(handle_kind kind, uint64_t id);

/* Begins closing: from now on acquire fails. Waits until no user is left: true. When `deadline_ns`
 * (monotonic, absolute; 0 = for ever) passes first, the closing is taken back: false with *object
 * set (not pinned: a sign, not to be used). Only one closer wins: false with *object NULL for
 * stale, other kind, or when somebody else is closing. The caller must not hold the handle
 * acquired. */
bool handle_close_begin(handle_kind kind, uint64_t id, uint64_t deadline_ns, void **object);
/* Takes a successful begin back: the handle is usable again. */
void handle_close_cancel(uint64_t id);
/* Ends the id for ever. */
void handle_close_end(uint64_t id);

/* Begins putting another object in the place of this one: from now on who acquires waits. True once
 * nobody uses it; *object is the old one. False with *object set: users were left at the deadline
 * (taken back); with *object NULL: stale, other kind, closing, or being replaced already. The
 * caller must not hold the handle acquired, nor wait meanwhile for anybody who may want it. */
bool handle_replace_begin(handle_kind kind, uint64_t id, uint64_t deadline_ns, void **object);
/* Ends a successful begin: whoever waited gets `object`. */
void handle_replace_end(uint64_t id, void *object);

/* Around a fork: before it (takes the table's lock), after it in the parent. */
void handle_before_fork(void);
void handle_after_fork_parent(void);
/* In a forked child: nobody but the forking thread exists, so no slot has users. A handle that
 * another thread was waiting to close is usable again; one that was being taken apart stays
 * closing. */
void handle_after_fork(void);

/* Bytes of the table. */
uint64_t handle_bytes_fixed(void);

#endif
