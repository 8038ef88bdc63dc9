/* portable_scatter.c -- what slice and gather took, put back: slice_gradient, scatter_add.
 *
 *     dx       [batch, outer, length, inner]     as in portable_gather.c
 *     indices  [batch, picks]
 *     dy       [batch, outer, picks, inner]
 *
 * Threads take whole [length, inner] blocks, or columns of the only one, so that no two add to the
 * same element and the order of sums is always the same.
 */
#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

typedef struct scatter_state {
    size_t blocks, outer, length, picks, inner;
    bool wrap;
} scatter_state;

typedef struct scatter_work {
    const scatter_state *s;
    const float *dy;
    const int32_t *indices;
    float *dx;
} scatter_work;

static size_t index_inside(const scatter_state *s, int32_t index)
{
    const int64_t length = (int64_t)s->length;
    const int64_t at = s->wrap && index < 0 ? index + length : index;

    return at < 0 ? 0 : at >= length ? s->length - 1 : (size_t)at;
}

/* Columns [first, end) of one block. */
static void scatter_block(const scatter_work *k, size_t block, size_t first, size_t end)
{
    const scatter_state *const s = k->s;
    const int32_t *const indices = k->indices + block / s->outer * s->picks;
    float *const dx = k->dx + block * s->length * s->inner;
    const float *const dy = k->dy + block * s->picks * s->inner;

    for (size_t row = 0; row < s->length; row++)
        memset(dx + row * s->inner + first, 0, (end - first) * sizeof *dx);
    for (size_t pick = 0; pick < s->picks; pick++) {
        float *const to = dx + index_inside(s, indices[pick]) * s->inner;
        const float *const from = dy + pick * s->inner;

        LOOP_INDEPENDENT
        for (size_t i = first; i < end; i++) to[i] += from[i];
    }
}

static void scatter_blocks(void *context, size_t begin, size_t end)
{
    const scatter_work *const k = context;

    for (size_t block = begin; block < end; block++) scatter_block(k, block, 0, k->s->inner);
}

static void scatter_columns(void *context, size_t begin, size_t end)
{
    scatter_block(context, 0, begin, end);
}

static bool scatter_plan(kernel_plan *plan)
{
    const scatter_add_attributes *const a = plan->node->attributes;
    const tensor_desc *const x = &plan->outputs[0], *const indices = &plan->inputs[1];

    if (!plan_weights_are_plain(plan)) return false;
    scatter_state *const s = region_new(plan->home, scatter_state, 1);
    if (s == NULL) return false;
    s->outer = desc_product(x, a->gather.batch_dims, a->gather.axis);
    s->blocks = desc_product(x, 0, a->gather.axis);
    s->length = (size_t)x->dims[a->gather.axis];
    s->picks = desc_product(indices, a->gather.batch_dims, indices->rank);
    s->inner = desc_product(x, a->gather.axis + 1, x->rank);
    s->wrap = a->gather.wrap;
    plan->state = s;
    return true;
}

static void scatter_run(const kernel_call *call)
{
    const scatter_state *const s = call->state;
    scatter_work k = {s, call->inputs[0], call->inputs[1], call->outputs[0]};

    if (s->blocks == 0 || s->length == 0 || s->inner == 0) return;
    if (s->blocks == 1) {
        parallel_for(call->threads, s->inner, 16, scatter_columns, &k);
    } else {
        parallel_for(call->threads, s->blocks, 1, scatter_blocks, &k);
    }
}

const kernel_def kernel_portable_scatter_add = {
    .name = "portable.scatter_add", .op = OP_scatter_add, .plan = scatter_plan, .run = scatter_run};

/* -- slice_gradient --------------------------------------------------------------------------- */

static bool slice_gradient_plan(kernel_plan *plan)
{
    const slice_gradient_attributes *const a = plan->node->attributes;
    const tensor_desc *const dy = &plan->inputs[0], *const dx = &plan->outputs[0];
    int64_t own[EBB_RANK_MAX], strides[WALK_OPERANDS][EBB_RANK_MAX] = {{0}}, first = 0;

    if (!plan_weights_are_plain(plan)) return false;
    desc_strides(dx, own);
    for (uint32_t i = 0; i < dx->rank; i++) {
        const int64_t step = a->slice.step[i];
        int64_t start;

        if (!plan_dim(plan, a->slice.start[i], &start)) return false;
        const int64_t last = start + (dy->dims[i] - 1) * step;
        if (dy->dims[i] > 0 &&
            (start < 0 || start >= dx->dims[i] || last < 0 || last >= dx->dims[i]))
            return false;
        first += start * own[i];
        strides[0][i] = step * own[i];
    }
    walk *const w = region_new(plan->home, walk, 1);
    if (w == NULL) return false;
    walk_make(w, dy->rank, dy->dims, 1, strides);
    w->start[0] = (ptrdiff_t)first;
    plan->state = w;
    return true;
}

static void slice_gradient_run(const kernel_call *call)
{
    const walk *const w = call->state;
    const ptrdiff_t step = w->strides[0][w->rank - 1];
    const float *const dy = call->inputs[0];
    float *const dx = call->outputs[0];
    walk_cursor at;

    if (tensor_desc_count(&call->output_descs[0]) == 0) return;
    memset(dx, 0, (size_t)tensor_desc_bytes(&call->output_descs[0]));
    if (w->count == 0) return;
    walk_seek(w, 0, &at);
    for (size_t i = 0; i < w->count;) {
        const size_t run = size_min(at.run, w->count - i);
        float *const to = dx + at.offset[0];

        if (step == 1) {
            memcpy(to, dy + i, run * sizeof *dy);
        } else {
            for (size_t j = 0; j < run; j++) to[(ptrdiff_t)j * step] = dy[i + j];
        }
        walk_move(w, &at, run);
        i += run;
    }
}

const kernel_def kernel_portable_slice_gradient = {.name = "portable.slice_gradient",
                                                   .op = OP_slice_gradient,
                                                   .plan = slice_gradient_plan,
                                                   .run = slice_gradient_run};
