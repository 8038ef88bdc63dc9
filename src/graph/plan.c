/* plan.c -- offsets of buffers in one arena: largest first, each into the smallest gap that fits.
 *
 * Placed buffers are kept in order of their offsets, so the gaps left by those that share a step
 * with the next buffer are found in one walk: count * count / 2 steps at most, 2,000 buffers in a
 * few milliseconds. Ties are broken by the buffer's number, so equal input gives equal plans
 * everywhere.
 */
#include "graph/plan.h"

#include <string.h>

#include "base/size.h"
#include "base/status.h"

/* -- order ------------------------------------------------------------------------------------ */

static bool goes_first(const plan_buffer *buffers, uint32_t a, uint32_t b)
{
    const plan_buffer *x = &buffers[a], *y = &buffers[b];

    if (x->bytes != y->bytes) return x->bytes > y->bytes;
    const uint32_t x_steps = x->last - x->first, y_steps = y->last - y->first;
    return x_steps != y_steps ? x_steps > y_steps : a < b;
}

/* Merge sort from the bottom; `other` is as large as `order`. Returns the one that holds the
 * result. */
static uint32_t *sort_by_size(const plan_buffer *buffers, uint32_t count, uint32_t *order,
                              uint32_t *other)
{
    for (uint32_t i = 0; i < count; i++) order[i] = i;
    for (uint64_t run = 1; run < count; run *= 2) {
        for (uint64_t start = 0; start < count; start += 2 * run) {
            const uint64_t middle = start + run < count ? start + run : count;
            const uint64_t end = start + 2 * run < count ? start + 2 * run : count;
            uint64_t i = start, k = middle;

            for (uint64_t place = start; place < end; place++) {
                const bool take_left =
                    k == end || (i < middle && !goes_first(buffers, order[k], order[i]));
                other[place] = take_left ? order[i++] : order[k++];
            }
        }
        uint32_t *const sorted = other;
        other = order;
        order = sorted;
    }
    return order;
}

/* -- places ----------------------------------------------------------------------------------- */

static bool share_a_step(const plan_buffer *a, const plan_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Bytes a buffer takes in the arena. */
static uint64_t room_of(const plan_buffer *b)
{
    return (b->bytes + (BLOCK_ALIGNMENT - 1)) & ~(uint64_t)(BLOCK_ALIGNMENT - 1);
}

/* Smallest gap between the placed buffers (in order of offsets) that live while `b` does. */
static uint64_t find_gap(const plan_buffer *buffers, const uint32_t *placed, uint32_t placed_count,
                         const plan_buffer *b)
{
    uint64_t best = UINT64_MAX, best_size = UINT64_MAX, end = 0;
    const uint64_t room = room_of(b);

    for (uint32_t i = 0; i < placed_count; i++) {
        const plan_buffer *other = &buffers[placed[i]];

        if (!share_a_step(other, b)) continue;
        if (other->offset > end) {
            const uint64_t gap = other->offset - end;
            if (gap >= room && gap < best_size) {
                best = end;
                best_size = gap;
            }
        }
        const uint64_t other_end = other->offset + room_of(other);
        if (other_end > end) end = other_end;
    }
    return best != UINT64_MAX ? best : end;
}

static void insert_by_offset(const plan_buffer *buffers, uint32_t *placed, uint32_t count,
                             uint32_t index)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (buffers[placed[middle]].offset <= buffers[index].offset)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(&placed[low + 1], &placed[low], (count - low) * sizeof *placed);
    placed[low] = index;
}

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

ebb_status plan_arena(region *home, plan_buffer *buffers, uint32_t count, uint64_t *arena_bytes,
                      ebb_error *error)
{
    *arena_bytes = 0;
    const ebb_status status = check_buffers(buffers, count, error);
    if (status != EBB_OK || count == 0) return status;

    region *scratch = region_open(home, "planner", EBB_CLASS_SCRATCH, 0);
    uint32_t *memory = scratch != NULL ? region_new(scratch, uint32_t, 3 * (size_t)count) : NULL;
    if (memory == NULL) {
        (void)region_fail(scratch != NULL ? scratch : home, error, "memory plan", "the planner");
        region_close(scratch);
        return EBB_E_MEMORY;
    }
    const uint32_t *order = sort_by_size(buffers, count, memory, memory + count);
    uint32_t *placed = memory + 2 * (size_t)count;
    for (uint32_t i = 0; i < count; i++) {
        plan_buffer *b = &buffers[order[i]];

        if (b->bytes == 0) { /* needs no place */
            b->offset = 0;
            continue;
        }
        b->offset = find_gap(buffers, placed, i, b);
        insert_by_offset(buffers, placed, i, order[i]);
        if (b->offset + room_of(b) > *arena_bytes) *arena_bytes = b->offset + room_of(b);
    }
    region_close(scratch);
    return EBB_OK;
}

bool plan_check(const plan_buffer *buffers, uint32_t count, uint32_t *first, uint32_t *second)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = i + 1; k < count; k++) {
            const plan_buffer *a = &buffers[i], *b = &buffers[k];

            if (share_a_step(a, b) && a->bytes > 0 && b->bytes > 0 &&
                a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes) {
                *first = i;
                *second = k;
                return false;
            }
        }
    return true;
}
