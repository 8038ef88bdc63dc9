/* handle.c -- the process-wide table of generational handles.
 *
 *     word of a slot:  generation 32 | closing 1 | replacing 1 | users 30
 *
 * free      closing, users 0, generation = that of the next id; in the free list
 * open      not closing; acquire and release move the users
 * closing   closing, users fall to 0; acquire fails
 * replacing not closing; users fall to 0; acquire waits, then gets the new object
 * retired   closing, generation used up; in no list
 *
 * The word decides; object and kind are written before the word that opens the slot (release) and
 * read after the word was seen (acquire), so they belong to the generation that was compared.
 * Generations only grow: a compare-and-swap that succeeds proves that nothing was reissued in
 * between. A releaser touches nothing but the word, and the lock when it was the last user a closer
 * waits for. */
#include "mem/handle.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "mem/pages.h"
#include "mem/region.h"

#define CLOSING     ((uint64_t)1 << 31)
#define REPLACING   ((uint64_t)1 << 30)
#define USERS       (REPLACING - 1)
#define CHUNK_SLOTS ((uint32_t)(PAGE_BYTES / sizeof(slot)))
#define CHUNKS_MAX  4096 /* 696,320 handles at a time */
#define NO_SLOT     UINT32_MAX

typedef struct slot {
    _Atomic uint64_t word;
    void *_Atomic object;
    _Atomic uint32_t kind;
    uint32_t next_free;
} slot;

/* The one process-wide state, besides the fork hooks: an id must be stale after its runtime. */
static struct {
    pthread_once_t once;
    pthread_mutex_t lock; /* free list, new chunks, waiting */
    pthread_cond_t idle;  /* the last user of a closing slot has gone */
    slot *_Atomic chunks[CHUNKS_MAX];
    _Atomic uint32_t chunk_count;
    uint32_t free_first;
} table = {.once = PTHREAD_ONCE_INIT};

static void idle_prepare(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&table.idle, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void table_prepare(void)
{
    pthread_mutex_init(&table.lock, NULL);
    idle_prepare();
    table.free_first = NO_SLOT;
}

static void lock(void)
{
    pthread_once(&table.once, table_prepare);
    pthread_mutex_lock(&table.lock);
}

static void unlock(void)
{
    pthread_mutex_unlock(&table.lock);
}

static slot *slot_at(uint32_t index)
{
    if (index / CHUNK_SLOTS >= CHUNKS_MAX) return NULL;
    slot *chunk = atomic_load_explicit(&table.chunks[index / CHUNK_SLOTS], memory_order_acquire);
    return chunk != NULL ? &chunk[index % CHUNK_SLOTS] : NULL;
}

static slot *slot_of(uint64_t id)
{
    return slot_at((uint32_t)id);
}

/* Does the word belong to this id, and is it open? */
static bool is_open(uint64_t word, uint64_t id)
{
    return word >> 32 == id >> 32 && (word & CLOSING) == 0;
}

static bool is_replacing(uint64_t word, uint64_t id)
{
    return is_open(word, id) && (word & REPLACING) != 0;
}

/* Until the new object is there; returns the word of then. */
static uint64_t replaced_wait(slot *s, uint64_t id)
{
    uint64_t word;

    lock();
    while (is_replacing(word = atomic_load_explicit(&s->word, memory_order_acquire), id))
        pthread_cond_wait(&table.idle, &table.lock);
    unlock();
    return word;
}

/* -- issue ------------------------------------------------------------------------------------- */

/* Under the lock. A fresh slot begins with generation 1, so 0 is never an id. */
static bool chunk_add(void)
{
    const ebb_allocator system = {NULL, NULL, NULL, NULL};
    const uint32_t count = atomic_load_explicit(&table.chunk_count, memory_order_relaxed);
    if (count == CHUNKS_MAX) return false;
    slot *chunk = pages_map(&system, PAGE_BYTES, PAGE_BYTES);
    if (chunk == NULL) return false;
    for (uint32_t i = CHUNK_SLOTS; i > 0; i--) {
        atomic_init(&chunk[i - 1].word, (uint64_t)1 << 32 | CLOSING);
        chunk[i - 1].next_free = table.free_first;
        table.free_first = count * CHUNK_SLOTS + i - 1;
    }
    atomic_store_explicit(&table.chunks[count], chunk, memory_order_release);
    atomic_store_explicit(&table.chunk_count, count + 1, memory_order_release);
    return true;
}

uint64_t handle_issue(handle_kind kind, void *object)
{
    lock();
    if (table.free_first == NO_SLOT && !chunk_add()) {
        unlock();
        return 0;
    }
    const uint32_t index = table.free_first;
    slot *s = slot_at(index);
    table.free_first = s->next_free;
    unlock();

    const uint64_t word = atomic_load_explicit(&s->word, memory_order_relaxed) &
                          ~(CLOSING | REPLACING | USERS);
    atomic_store_explicit(&s->object, object, memory_order_relaxed);
    atomic_store_explicit(&s->kind, (uint32_t)kind, memory_order_relaxed);
    atomic_store_explicit(&s->word, word, memory_order_release);
    return word | index;
}

/* -- use --------------------------------------------------------------------------------------- */

/* Who closes it waits until nobody uses it, so as long as somebody does it is there. */
static bool is_in_use(uint64_t word, uint64_t id)
{
    return word >> 32 == id >> 32 && (word & USERS) != 0;
}

static void *acquire(handle_kind kind, uint64_t id, bool also_closing)
{
    slot *s = slot_of(id);
    if (s == NULL) return NULL;
    uint64_t word = atomic_load_explicit(&s->word, memory_order_acquire);
    do {
        if (is_replacing(word, id) && !(also_closing && is_in_use(word, id)))
            word = replaced_wait(s, id);
        if (!is_open(word, id) && !(also_closing && is_in_use(word, id))) return NULL;
        if ((word & USERS) == USERS) return NULL;
        if (atomic_load_explicit(&s->kind, memory_order_relaxed) != (uint32_t)kind) return NULL;
    } while (!atomic_compare_exchange_weak_explicit(&s->word, &word, word + 1, memory_order_acq_rel,
                                                    memory_order_acquire));
    return atomic_load_explicit(&s->object, memory_order_relaxed);
}

void *handle_acquire(handle_kind kind, uint64_t id)
{
    return acquire(kind, id, false);
}

void *handle_acquire_in_use(handle_kind kind, uint64_t id)
{
    return acquire(kind, id, true);
}

/* A user that forked while it held the handle releases in the child what handle_after_fork() has
 * already taken from it; so a release without users does nothing. */
void handle_release(uint64_t id)
{
    slot *s = slot_of(id);
    if (s == NULL) return;
    uint64_t word = atomic_load_explicit(&s->word, memory_order_relaxed);
    do {
        if (word >> 32 != id >> 32 || (word & USERS) == 0) return;
    } while (!atomic_compare_exchange_weak_explicit(&s->word, &word, word - 1, memory_order_release,
                                                    memory_order_relaxed));
    if ((word & (CLOSING | REPLACING)) != 0 && (word & USERS) == 1) {
        lock();
        pthread_cond_broadcast(&table.idle);
        unlock();
    }
}

bool handle_alive(handle_kind kind, uint64_t id)
{
    slot *s = slot_of(id);
    return s != NULL && is_open(atomic_load_explicit(&s->word, memory_order_acquire), id) &&
           atomic_load_explicit(&s->kind, memory_order_relaxed) == (uint32_t)kind;
}

bool handle_is_going(handle_kind kind, uint64_t id)
{
    slot *s = slot_of(id);
    const uint64_t word = s == NULL ? 0 : atomic_load_explicit(&s->word, memory_order_acquire);

    return s != NULL && word >> 32 == id >> 32 && (word & CLOSING) != 0 &&
           atomic_load_explicit(&s->kind, memory_order_relaxed) == (uint32_t)kind;
}

/* -- close ------------------------------------------------------------------------------------- */

static bool wait_idle(slot *s, uint64_t deadline_ns)
{
    const struct timespec deadline = {(time_t)(deadline_ns / 1000000000u),
                                      (long)(deadline_ns % 1000000000u)};
    int result = 0;
    lock();
    while ((atomic_load_explicit(&s->word, memory_order_acquire) & USERS) != 0 && result == 0) {
        if (deadline_ns == 0) {
            pthread_cond_wait(&table.idle, &table.lock);
        } else {
            result = pthread_cond_timedwait(&table.idle, &table.lock, &deadline);
        }
    }
    unlock();
    return (atomic_load_explicit(&s->word, memory_order_acquire) & USERS) == 0;
}

bool handle_close_begin(handle_kind kind, uint64_t id, uint64_t deadline_ns, void **object)
{
    *object = NULL;
    slot *s = slot_of(id);
    if (s == NULL) return false;
    uint64_t word = atomic_load_explicit(&s->word, memory_order_acquire);
    do {
        if (is_replacing(word, id)) word = replaced_wait(s, id);
        if (!is_open(word, id)) return false;
        if (atomic_load_explicit(&s->kind, memory_order_relaxed) != (uint32_t)kind) return false;
    } while (!atomic_compare_exchange_weak_explicit(&s->word, &word, word | CLOSING,
                                                    memory_order_acq_rel, memory_order_acquire));
    *object = atomic_load_explicit(&s->object, memory_order_relaxed);
    if (wait_idle(s, deadline_ns)) return true;
    handle_close_cancel(id);
    return false;
}

void handle_close_cancel(uint64_t id)
{
    slot *s = slot_of(id);
    if (s != NULL) atomic_fetch_and_explicit(&s->word, ~CLOSING, memory_order_release);
}

void handle_close_end(uint64_t id)
{
    slot *s = slot_of(id);
    if (s == NULL) return;
    const uint64_t generation = id >> 32;
    atomic_store_explicit(&s->object, NULL, memory_order_relaxed);
    if (generation == UINT32_MAX) return; /* retired: stays closing for ever */
    lock();
    atomic_store_explicit(&s->word, (generation + 1) << 32 | CLOSING, memory_order_release);
    s->next_free = table.free_first;
    table.free_first = (uint32_t)id;
    unlock();
}

/* -- replace ----------------------------------------------------------------------------------- */

bool handle_replace_begin(handle_kind kind, uint64_t id, uint64_t deadline_ns, void **object)
{
    *object = NULL;
    slot *s = slot_of(id);
    if (s == NULL) return false;
    uint64_t word = atomic_load_explicit(&s->word, memory_order_acquire);
    do {
        if (!is_open(word, id) || is_replacing(word, id)) return false;
        if (atomic_load_explicit(&s->kind, memory_order_relaxed) != (uint32_t)kind) return false;
    } while (!atomic_compare_exchange_weak_explicit(&s->word, &word, word | REPLACING,
                                                    memory_order_acq_rel, memory_order_acquire));
    *object = atomic_load_explicit(&s->object, memory_order_relaxed);
    if (wait_idle(s, deadline_ns)) return true;
    handle_replace_end(id, *object);
    return false;
}

void handle_replace_end(uint64_t id, void *object)
{
    slot *s = slot_of(id);
    if (s == NULL) return;
    atomic_store_explicit(&s->object, object, memory_order_relaxed);
    atomic_fetch_and_explicit(&s->word, ~REPLACING, memory_order_release);
    lock();
    pthread_cond_broadcast(&table.idle);
    unlock();
}

/* -- fork -------------------------------------------------------------------------------------- */

void handle_before_fork(void)
{
    lock();
}

void handle_after_fork_parent(void)
{
    unlock();
}

/* The lock may be held by a thread that does not exist here, so it is made anew. */
void handle_after_fork(void)
{
    pthread_mutex_init(&table.lock, NULL);
    idle_prepare();
    const uint32_t count = atomic_load(&table.chunk_count) * CHUNK_SLOTS;
    for (uint32_t i = 0; i < count; i++) {
        slot *s = slot_at(i);
        const uint64_t word = atomic_load(&s->word);
        if ((word & CLOSING) == 0 || (word & USERS) != 0) {
            atomic_store(&s->word, word & ~(CLOSING | REPLACING | USERS));
        }
    }
}

uint64_t handle_bytes_fixed(void)
{
    return (uint64_t)atomic_load(&table.chunk_count) * PAGE_BYTES;
}
