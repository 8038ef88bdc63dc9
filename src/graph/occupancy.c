/* occupancy.c -- see occupancy.h. */
#include "graph/occupancy.h"

#include <string.h>

#define NEIGHBOURS_MAX       1024u
#define ALIVE_PER_BUFFER     32u
#define PLACED_PER_NEIGHBOUR 24u /* a neighbour found by time costs as much as so many by place */

/* -- chunks ----------------------------------------------------------------------------------- */

static chunk *new_chunk(occupancy *o)
{
    chunk *c = o->free;

    if (c != NULL)
        o->free = c->next;
    else
        c = region_new(o->home, chunk, 1);
    if (c == NULL) return NULL;
    c->next = NULL;
    c->count = 0;
    return c;
}

/* Buffers by their first step: counts, then places (`begins` ends up as where each step starts). */
static void order_by_first(occupancy *o)
{
    for (uint32_t i = 0; i < o->count; i++) o->begins[o->first[i] + 1]++;
    for (uint32_t s = 0; s < o->steps; s++) o->begins[s + 1] += o->begins[s];
    for (uint32_t i = 0; i < o->count; i++) o->by_first[o->begins[o->first[i]]++] = i;
    for (uint32_t s = o->steps; s > 0; s--) o->begins[s] = o->begins[s - 1];
    o->begins[0] = 0;
}

/* For each 64th step the buffers that began before it and live then; none when they would be many
 * more than the buffers themselves, as then nothing has few neighbours. */
static bool list_alive(occupancy *o)
{
    const uint32_t lists = o->steps / ALIVE_STEPS + 1;
    uint64_t total = 0;

    for (uint32_t i = 0; i < o->count; i++)
        total += (uint32_t)(o->last[i] / (int32_t)ALIVE_STEPS - o->first[i] / (int32_t)ALIVE_STEPS);
    if (total > (uint64_t)ALIVE_PER_BUFFER * o->count) return true;
    o->alive_from = region_new(o->home, uint32_t, (size_t)lists + 2);
    o->alive = region_new(o->home, uint32_t, (size_t)total + 1);
    if (o->alive_from == NULL || o->alive == NULL) return false;
    for (uint32_t fill = 0; fill < 2; fill++) { /* counts, then numbers */
        for (uint32_t i = 0; i < o->count; i++)
            for (uint32_t l = (uint32_t)o->first[i] / ALIVE_STEPS + 1;
                 l <= (uint32_t)o->last[i] / ALIVE_STEPS; l++) {
                if (fill == 0)
                    o->alive_from[l + 1]++;
                else
                    o->alive[o->alive_from[l]++] = i;
            }
        if (fill == 0)
            for (uint32_t l = 0; l <= lists; l++) o->alive_from[l + 1] += o->alive_from[l];
    }
    memmove(o->alive_from + 1, o->alive_from, ((size_t)lists + 1) * sizeof *o->alive_from);
    o->alive_from[0] = 0;
    return true;
}

bool occupancy_open(occupancy *o, region *home, const int32_t *first, const int32_t *last,
                    uint32_t count, uint32_t steps)
{
    *o = (occupancy){.home = home, .count = count, .steps = steps, .first = first, .last = last};
    o->chunks = new_chunk(o);
    o->start = region_new(home, uint64_t, 2 * (size_t)count);
    o->by_first = region_new(home, uint32_t, (size_t)count + steps + 2);
    o->neighbours_max = count < NEIGHBOURS_MAX ? count : NEIGHBOURS_MAX;
    o->neighbours = region_new(home, neighbour, 2 * (size_t)o->neighbours_max);
    if (o->chunks == NULL || o->start == NULL || o->by_first == NULL || o->neighbours == NULL)
        return false;
    o->end = o->start + count;
    o->begins = o->by_first + count;
    o->sorted = o->neighbours + o->neighbours_max;
    order_by_first(o);
    return list_alive(o);
}

void occupancy_clear(occupancy *o)
{
    while (o->chunks->next != NULL) {
        chunk *const c = o->chunks->next;

        o->chunks->next = c->next;
        c->next = o->free;
        o->free = c;
    }
    o->chunks->count = 0;
    o->placed = 0;
    memset(o->end, 0, o->count * sizeof *o->end);
}

static void summarize(chunk *c)
{
    uint64_t end = c->start[0];

    c->first_least = c->first_most = c->first[0];
    c->last_least = c->last_most = c->last[0];
    c->gap_most = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->first[i] < c->first_least) c->first_least = c->first[i];
        if (c->first[i] > c->first_most) c->first_most = c->first[i];
        if (c->last[i] < c->last_least) c->last_least = c->last[i];
        if (c->last[i] > c->last_most) c->last_most = c->last[i];
        if (c->start[i] > end && c->start[i] - end > c->gap_most) c->gap_most = c->start[i] - end;
        if (c->end[i] > end) end = c->end[i];
    }
    c->end_most = end;
}

/* Moves pieces from `from` on to the place `to` of another chunk or the same one. */
static void move_pieces(chunk *target, uint32_t to, const chunk *source, uint32_t from,
                        uint32_t count)
{
    memmove(&target->first[to], &source->first[from], count * sizeof target->first[0]);
    memmove(&target->last[to], &source->last[from], count * sizeof target->last[0]);
    memmove(&target->start[to], &source->start[from], count * sizeof target->start[0]);
    memmove(&target->end[to], &source->end[from], count * sizeof target->end[0]);
}

static bool split(occupancy *o, chunk *c)
{
    chunk *const upper = new_chunk(o);

    if (upper == NULL) return false;
    upper->next = c->next;
    c->next = upper;
    c->count = CHUNK_PIECES / 2;
    upper->count = CHUNK_PIECES - c->count;
    move_pieces(upper, 0, c, c->count, upper->count);
    summarize(c);
    summarize(upper);
    return true;
}

bool occupancy_take(occupancy *o, uint32_t buffer, uint64_t start, uint64_t end)
{
    chunk *c = o->chunks;

    o->start[buffer] = start;
    o->end[buffer] = end;
    o->placed++;

    while (c->next != NULL && c->next->start[0] <= start) c = c->next;
    if (c->count == CHUNK_PIECES) {
        if (!split(o, c)) return false;
        if (c->next->start[0] <= start) c = c->next;
    }
    uint32_t place = c->count;
    while (place > 0 && c->start[place - 1] > start) place--;
    move_pieces(c, place + 1, c, place, c->count - place);
    c->first[place] = o->first[buffer];
    c->last[place] = o->last[buffer];
    c->start[place] = start;
    c->end[place] = end;
    c->count++;
    summarize(c);
    return true;
}

/* -- gaps ------------------------------------------------------------------------------------- */

typedef struct search {
    int32_t first, last;
    uint64_t bytes, end, best, best_size;
} search;

/* The next piece that lives at these steps. True: a gap of just the size was before it. */
static inline bool pass_piece(search *s, uint64_t start, uint64_t end)
{
    if (start > s->end) {
        const uint64_t gap = start - s->end;
        if (gap >= s->bytes && gap < s->best_size) {
            s->best = s->end;
            s->best_size = gap;
            if (gap == s->bytes) return true;
        }
    }
    if (end > s->end) s->end = end;
    return false;
}

static bool pass_chunk(search *s, const chunk *c)
{
    uint8_t meets[CHUNK_PIECES] = {0};
    uint64_t eight;

    for (uint32_t i = 0; i < c->count; i++)
        meets[i] = (c->first[i] <= s->last) & (c->last[i] >= s->first);
    for (uint32_t i = 0; i < c->count; i += sizeof eight) {
        memcpy(&eight, &meets[i], sizeof eight);
        if (eight == 0) continue;
        for (uint32_t k = i; k < i + sizeof eight; k++)
            if (meets[k] != 0 && pass_piece(s, c->start[k], c->end[k])) return true;
    }
    return false;
}

static void find_by_place(search *s, const occupancy *o)
{
    for (const chunk *c = o->chunks; c != NULL && c->count > 0; c = c->next) {
        if (c->first_least > s->last || c->last_most < s->first) continue;
        const bool all_meet = c->first_most <= s->last && c->last_least >= s->first;
        if (all_meet && c->gap_most < s->bytes) {
            if (pass_piece(s, c->start[0], c->end_most)) return;
        } else if (pass_chunk(s, c)) {
            return;
        }
    }
}

/* Neighbours in order of their places: merges from the bottom. Returns the array that holds the
 * result. */
static const neighbour *sort_neighbours(occupancy *o, uint32_t count)
{
    neighbour *from = o->neighbours, *to = o->sorted;

    for (uint32_t run = 1; run < count; run *= 2) {
        for (uint32_t start = 0; start < count; start += 2 * run) {
            const uint32_t middle = start + run < count ? start + run : count;
            const uint32_t end = start + 2 * run < count ? start + 2 * run : count;
            uint32_t i = start, k = middle;

            for (uint32_t place = start; place < end; place++) {
                const bool take_left = k == end || (i < middle && from[i].start <= from[k].start);
                to[place] = take_left ? from[i++] : from[k++];
            }
        }
        neighbour *const sorted = to;
        to = from;
        from = sorted;
    }
    return from;
}

/* Adds those of a list of buffers that live at these steps. False: too many. */
static bool add_neighbours(occupancy *o, const search *s, const uint32_t *buffers, uint32_t count,
                           uint32_t *found)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t b = buffers[i];

        if (o->end[b] == 0 || o->last[b] < s->first) continue;
        if (*found == o->neighbours_max) return false;
        o->neighbours[(*found)++] = (neighbour){o->start[b], o->end[b]};
    }
    return true;
}

/* False: they are too many for this way to be the shorter one. */
static bool find_by_time(search *s, occupancy *o)
{
    if (o->alive == NULL) return false;
    const uint32_t list = (uint32_t)s->first / ALIVE_STEPS;
    const uint32_t *alive = &o->alive[o->alive_from[list]];
    const uint32_t alive_count = o->alive_from[list + 1] - o->alive_from[list];
    const uint32_t from = o->begins[list * ALIVE_STEPS], to = o->begins[s->last + 1];
    uint32_t found = 0;

    if ((uint64_t)alive_count + (to - from) > o->placed / PLACED_PER_NEIGHBOUR) return false;
    if (!add_neighbours(o, s, alive, alive_count, &found) ||
        !add_neighbours(o, s, &o->by_first[from], to - from, &found))
        return false;
    const neighbour *items = sort_neighbours(o, found);
    for (uint32_t i = 0; i < found; i++)
        if (pass_piece(s, items[i].start, items[i].end)) break;
    return true;
}

uint64_t occupancy_find(occupancy *o, uint32_t buffer, uint64_t bytes)
{
    search s = {.first = o->first[buffer],
                .last = o->last[buffer],
                .bytes = bytes,
                .best = UINT64_MAX,
                .best_size = UINT64_MAX};

    if (!find_by_time(&s, o)) find_by_place(&s, o);
    return s.best != UINT64_MAX ? s.best : s.end;
}
