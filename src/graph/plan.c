/* plan.c -- offsets of buffers in one arena: in some order, each into the smallest gap that fits.
 *
 * Largest first is the order that mostly is best. It can leave gaps that nothing fills; then the
 * buffer that lies on top is moved towards the front, again and again, and other measures of size
 * are tried (bytes times steps, steps). The bound -- the most that is alive at once -- ends the
 * search early. Ties are broken by the buffer's number. Live ranges are first written in terms of
 * the steps at which a buffer begins, which are all that matter.
 */
#include "graph/plan.h"

#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "graph/occupancy.h"

#define BUFFERS_MAX ((uint32_t)1 << 28)
#define LEVELS      6u                   /* of a set of buffers: 64^6 are more than there can be */
#define MEASURES    3u                   /* bytes, bytes times steps, steps */
#define TRIES_MAX   72u                  /* orders tried for a plan above the bound */
#define TRIES_WORK  ((uint64_t)64000000) /* tries times count times count: bounds the time */

typedef struct planner {
    region *scratch;
    const plan_buffer *buffers;
    uint32_t count, steps;
    int32_t *first, *last;   /* by buffer: as numbers of beginnings */
    uint32_t *order, *other; /* of buffers */
    uint64_t *keys;          /* by buffer: larger ones are placed earlier */
    uint64_t *offsets, *best_offsets;
    uint64_t bound, best;
    occupancy taken;
} planner;

/* -- order ------------------------------------------------------------------------------------ */

static bool goes_first(const planner *p, uint32_t a, uint32_t b)
{
    if (p->keys[a] != p->keys[b]) return p->keys[a] > p->keys[b];
    const int32_t a_steps = p->last[a] - p->first[a], b_steps = p->last[b] - p->first[b];
    return a_steps != b_steps ? a_steps > b_steps : a < b;
}

/* Largest keys first, of equal ones those that live longer: merges from the bottom. Returns the one
 * of the two arrays that holds the result. */
static uint32_t *sort_by_key(const planner *p)
{
    uint32_t *order = p->order, *other = p->other;

    for (uint32_t i = 0; i < p->count; i++) order[i] = i;
    for (uint64_t run = 1; run < p->count; run *= 2) {
        for (uint64_t start = 0; start < p->count; start += 2 * run) {
            const uint64_t middle = start + run < p->count ? start + run : p->count;
            const uint64_t end = start + 2 * run < p->count ? start + 2 * run : p->count;
            uint64_t i = start, k = middle;

            for (uint64_t place = start; place < end; place++) {
                const bool take_left =
                    k == end || (i < middle && !goes_first(p, order[k], order[i]));
                other[place] = take_left ? order[i++] : order[k++];
            }
        }
        uint32_t *const sorted = other;
        other = order;
        order = sorted;
    }
    return order;
}

/* Bytes a buffer takes in the arena. */
static uint64_t room_of(const plan_buffer *b)
{
    return (b->bytes + (BLOCK_ALIGNMENT - 1)) & ~(uint64_t)(BLOCK_ALIGNMENT - 1);
}

/* -- steps ------------------------------------------------------------------------------------ */

/* The sum of all sizes must fit, then no offset can overflow. */
static ebb_status check_buffers(const plan_buffer *buffers, uint32_t count, ebb_error *error)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (buffers[i].first > buffers[i].last)
            return fail(error, EBB_E_ARGUMENT, "memory plan",
                        "buffer %u lives from step %u to step %u", i, buffers[i].first,
                        buffers[i].last);
        if (buffers[i].bytes > UINT64_MAX - BLOCK_ALIGNMENT ||
            !u64_add(total, room_of(&buffers[i]), &total) || total > INT64_MAX)
            return fail(
                error, EBB_E_MEMORY, "memory plan",
                "the buffers together do not fit into 64 bits of address; give a smaller input");
    }
    return EBB_OK;
}

/* Two ranges meet exactly when one holds the beginning of the other, so a range is as good as the
 * beginnings it holds. */
static void number_steps(planner *p)
{
    for (uint32_t i = 0; i < p->count; i++) p->keys[i] = UINT32_MAX - p->buffers[i].first;
    uint32_t *const sorted = sort_by_key(p);
    uint32_t *const begins = sorted; /* written behind where it is read */

    for (uint32_t i = 0; i < p->count; i++) {
        const uint32_t b = sorted[i], first = p->buffers[b].first;

        if (p->steps == 0 || begins[p->steps - 1] != first) begins[p->steps++] = first;
        p->first[b] = (int32_t)p->steps - 1;
    }
    for (uint32_t i = 0; i < p->count; i++) {
        uint32_t low = (uint32_t)p->first[i], high = p->steps; /* the last beginning up to `last` */

        while (high - low > 1) {
            const uint32_t middle = low + (high - low) / 2;
            if (begins[middle] <= p->buffers[i].last)
                low = middle;
            else
                high = middle;
        }
        p->last[i] = (int32_t)low;
    }
}

/* Most bytes alive at once; `changes` has a place a step and one more. */
static uint64_t find_bound(const planner *p, uint64_t *changes)
{
    uint64_t live = 0, most = 0;

    memset(changes, 0, (p->steps + 1) * sizeof *changes);
    for (uint32_t i = 0; i < p->count; i++) {
        changes[p->first[i]] += room_of(&p->buffers[i]);
        changes[p->last[i] + 1] -= room_of(&p->buffers[i]); /* sums wrap back to what is right */
    }
    for (uint32_t s = 0; s < p->steps; s++) {
        live += changes[s];
        if (live > most) most = live;
    }
    return most;
}

static ebb_status planner_open(planner *p, region *home, const plan_buffer *buffers, uint32_t count,
                               ebb_error *error)
{
    *p = (planner){.buffers = buffers, .count = count, .best = UINT64_MAX};
    const ebb_status status = check_buffers(buffers, count, error);
    if (status != EBB_OK) return status;
    if (count > BUFFERS_MAX)
        return fail(error, EBB_E_UNSUPPORTED, "memory plan", "%u buffers are too many", count);
    p->scratch = region_open(home, "planner", EBB_CLASS_SCRATCH, 0);
    if (p->scratch == NULL) return region_fail(home, error, "memory plan", "the planner");
    const size_t items = (size_t)count + 1;
    p->first = region_new(p->scratch, int32_t, 2 * items);
    p->order = region_new(p->scratch, uint32_t, 2 * items);
    p->keys = region_new(p->scratch, uint64_t, 3 * items);
    if (p->first == NULL || p->order == NULL || p->keys == NULL)
        return region_fail(p->scratch, error, "memory plan", "the planner");
    p->last = p->first + items;
    p->other = p->order + items;
    p->offsets = p->keys + items;
    p->best_offsets = p->offsets + items;
    number_steps(p);
    p->bound = find_bound(p, p->keys);
    return EBB_OK;
}

/* -- places ----------------------------------------------------------------------------------- */

/* Places the buffers in this order; *top: the one that ends last. False: no memory. */
static bool place_all(planner *p, const uint32_t *order, uint32_t *top)
{
    uint64_t arena = 0;

    *top = order[0];
    occupancy_clear(&p->taken);
    for (uint32_t i = 0; i < p->count; i++) {
        const uint32_t b = order[i];
        const uint64_t room = room_of(&p->buffers[b]);

        p->offsets[b] = 0;
        if (room == 0) continue; /* needs no place */
        p->offsets[b] = occupancy_find(&p->taken, b, room);
        const uint64_t end = p->offsets[b] + room;
        if (!occupancy_take(&p->taken, b, p->offsets[b], end)) return false;
        if (end > arena) {
            arena = end;
            *top = b;
        }
    }
    if (arena < p->best) {
        p->best = arena;
        memcpy(p->best_offsets, p->offsets, p->count * sizeof *p->offsets);
    }
    return true;
}

/* Halves the distance of a buffer to the front. */
static void move_forward(uint32_t *order, uint32_t count, uint32_t buffer)
{
    uint32_t from = 0;

    while (from + 1 < count && order[from] != buffer) from++;
    const uint32_t to = from / 2;
    memmove(&order[to + 1], &order[to], (from - to) * sizeof *order);
    order[to] = buffer;
}

/* Larger keys are placed earlier. */
static uint64_t key_of(const planner *p, uint32_t buffer, uint32_t measure)
{
    const uint64_t bytes = p->buffers[buffer].bytes;
    const uint64_t steps = (uint64_t)(p->last[buffer] - p->first[buffer]) + 1;
    uint64_t area;

    if (measure == 1) return u64_mul(bytes, steps, &area) ? area : UINT64_MAX;
    return measure == 2 ? steps : bytes;
}

/* How many orders are tried. */
static uint64_t tries_of(const planner *p)
{
    const uint64_t fitting = TRIES_WORK / ((uint64_t)p->count * p->count);

    return fitting < TRIES_MAX ? fitting : TRIES_MAX;
}

/* Largest first; then, while that is above the bound, the same with what lies on top moved
 * forward, and the other measures. */
static ebb_status place(planner *p, ebb_error *error)
{
    const uint64_t tries = tries_of(p);

    if (!occupancy_open(&p->taken, p->scratch, p->first, p->last, p->count, p->steps))
        return region_fail(p->scratch, error, "memory plan", "the planner");
    for (uint32_t measure = 0; measure < MEASURES; measure++) {
        if (measure > 0 && tries < MEASURES) break;
        for (uint32_t i = 0; i < p->count; i++) p->keys[i] = key_of(p, i, measure);
        uint32_t *const order = sort_by_key(p);

        for (uint64_t i = 0; i == 0 || i < tries / MEASURES; i++) {
            uint32_t top = 0;

            if (!place_all(p, order, &top))
                return region_fail(p->scratch, error, "memory plan", "the planner");
            if (p->best == p->bound) return EBB_OK;
            move_forward(order, p->count, top);
        }
    }
    return EBB_OK;
}

ebb_status plan_arena(region *home, plan_buffer *buffers, uint32_t count, uint64_t *arena_bytes,
                      ebb_error *error)
{
    planner p;

    *arena_bytes = 0;
    if (count == 0) return EBB_OK;
    ebb_status status = planner_open(&p, home, buffers, count, error);
    if (status == EBB_OK) status = place(&p, error);
    for (uint32_t i = 0; i < count && status == EBB_OK; i++) buffers[i].offset = p.best_offsets[i];
    if (status == EBB_OK) *arena_bytes = p.best;
    region_close(p.scratch);
    return status;
}

ebb_status plan_bound(region *home, const plan_buffer *buffers, uint32_t count, uint64_t *bytes,
                      ebb_error *error)
{
    planner p;

    *bytes = 0;
    if (count == 0) return EBB_OK;
    const ebb_status status = planner_open(&p, home, buffers, count, error);
    if (status == EBB_OK) *bytes = p.bound;
    region_close(p.scratch);
    return status;
}

/* -- check ------------------------------------------------------------------------------------ */

/* A set of numbers below `count` that finds neighbours: a bit for each, and above it a bit for
 * each word that is not empty, and so on. */
typedef struct number_set {
    uint64_t *levels[LEVELS];
} number_set;

static bool set_open(number_set *s, region *home, uint64_t count)
{
    for (uint32_t i = 0; i < LEVELS; i++) {
        count = count / 64 + 1;
        s->levels[i] = region_new(home, uint64_t, (size_t)count);
        if (s->levels[i] == NULL) return false;
    }
    return true;
}

static void set_add(number_set *s, uint32_t number)
{
    for (uint32_t i = 0; i < LEVELS; i++, number /= 64)
        s->levels[i][number / 64] |= (uint64_t)1 << number % 64;
}

static void set_remove(number_set *s, uint32_t number)
{
    for (uint32_t i = 0; i < LEVELS; i++, number /= 64) {
        s->levels[i][number / 64] &= ~((uint64_t)1 << number % 64);
        if (s->levels[i][number / 64] != 0) return;
    }
}

/* The next member above or below; UINT32_MAX: none. */
static uint32_t set_neighbour(const number_set *s, uint32_t number, bool is_above)
{
    uint64_t at = number;

    for (uint32_t i = 0; i < LEVELS; i++, at /= 64) {
        const uint32_t bit = at % 64;
        const uint64_t sides = is_above ? ~(uint64_t)0 << bit << 1 : ((uint64_t)1 << bit) - 1;
        uint64_t word = s->levels[i][at / 64] & (is_above && bit == 63 ? 0 : sides);

        if (word == 0) continue;
        at = at / 64 * 64;
        for (;; i--) { /* down again, to the nearest member of that word */
            at +=
                is_above ? (uint64_t)__builtin_ctzll(word) : 63u - (uint64_t)__builtin_clzll(word);
            if (i == 0) return (uint32_t)at;
            word = s->levels[i - 1][at];
            at *= 64;
        }
    }
    return UINT32_MAX;
}

typedef struct checker {
    const planner *p;
    uint32_t *by_first, *by_last, *by_offset, *place; /* orders; place: by buffer, in by_offset */
    number_set live;                                  /* places of those alive */
} checker;

static ebb_status check_pair(const checker *c, uint32_t a, uint32_t b, ebb_error *error)
{
    const plan_buffer *x = &c->p->buffers[a], *y = &c->p->buffers[b];

    if (x->offset >= y->offset + y->bytes || y->offset >= x->offset + x->bytes) return EBB_OK;
    return fail(error, EBB_E_INTERNAL, "memory plan", "buffers %u and %u overlap at step %u",
                a < b ? a : b, a < b ? b : a, x->first > y->first ? x->first : y->first);
}

/* Goes through the steps; each buffer that begins is compared with its neighbours among those
 * alive, which do not overlap each other. */
static ebb_status sweep(checker *c, ebb_error *error)
{
    const planner *const p = c->p;
    uint32_t ended = 0;

    for (uint32_t i = 0; i < p->count; i++) {
        const uint32_t b = c->by_first[i];

        for (; p->buffers[c->by_last[ended]].last < p->buffers[b].first; ended++)
            if (p->buffers[c->by_last[ended]].bytes > 0)
                set_remove(&c->live, c->place[c->by_last[ended]]);
        if (p->buffers[b].bytes == 0) continue;
        for (uint32_t side = 0; side < 2; side++) {
            const uint32_t other = set_neighbour(&c->live, c->place[b], side == 1);
            if (other == UINT32_MAX) continue;
            const ebb_status status = check_pair(c, c->by_offset[other], b, error);
            if (status != EBB_OK) return status;
        }
        set_add(&c->live, c->place[b]);
    }
    return EBB_OK;
}

static void sort_into(planner *p, uint32_t *to, uint64_t (*key)(const plan_buffer *b))
{
    for (uint32_t i = 0; i < p->count; i++) p->keys[i] = ~key(&p->buffers[i]);
    memcpy(to, sort_by_key(p), p->count * sizeof *to);
}

static uint64_t first_of(const plan_buffer *b)
{
    return b->first;
}
static uint64_t last_of(const plan_buffer *b)
{
    return b->last;
}
static uint64_t offset_of(const plan_buffer *b)
{
    return b->offset;
}

ebb_status plan_check(region *home, const plan_buffer *buffers, uint32_t count, ebb_error *error)
{
    planner p;
    checker c = {.p = &p};

    if (count == 0) return EBB_OK;
    ebb_status status = planner_open(&p, home, buffers, count, error);
    if (status == EBB_OK) {
        c.by_first = region_new(p.scratch, uint32_t, 4 * (size_t)count);
        if (c.by_first == NULL || !set_open(&c.live, p.scratch, count))
            status = region_fail(p.scratch, error, "memory plan", "the check");
    }
    if (status == EBB_OK) {
        c.by_last = c.by_first + count;
        c.by_offset = c.by_last + count;
        c.place = c.by_offset + count;
        sort_into(&p, c.by_first, first_of);
        sort_into(&p, c.by_last, last_of);
        sort_into(&p, c.by_offset, offset_of);
        for (uint32_t i = 0; i < count; i++) c.place[c.by_offset[i]] = i;
        status = sweep(&c, error);
    }
    region_close(p.scratch);
    return status;
}
