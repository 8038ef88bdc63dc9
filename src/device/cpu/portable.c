/* portable.c -- walks, strided copies and plan checks of the portable kernels. */
#include "device/cpu/portable.h"

#include <string.h>

#include "device/cpu/parallel.h"

void desc_strides(const tensor_desc *t, int64_t strides[EBB_RANK_MAX])
{
    int64_t stride = 1;

    for (uint32_t i = t->rank; i-- > 0;) {
        strides[i] = stride;
        stride *= t->dims[i];
    }
}

bool desc_equal_dims(const tensor_desc *a, const tensor_desc *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]) == 0;
}

size_t desc_product(const tensor_desc *t, uint32_t first, uint32_t end)
{
    size_t product = 1;

    for (uint32_t i = first; i < end; i++) product *= (size_t)t->dims[i];
    return product;
}

/* Can `axis` be merged into the last axis taken so far? */
static bool axes_merge(const walk *w, int64_t strides[WALK_OPERANDS][EBB_RANK_MAX], uint32_t axis,
                       int64_t length)
{
    if (w->rank == 0) return false;
    for (uint32_t k = 0; k < w->operands; k++) {
        if (w->strides[k][w->rank - 1] != strides[k][axis] * length) return false;
    }
    return true;
}

void walk_make(walk *w, uint32_t rank, const int64_t *dims, uint32_t operands,
               int64_t strides[WALK_OPERANDS][EBB_RANK_MAX])
{
    *w = (walk){.operands = operands, .count = 1};
    for (uint32_t i = 0; i < rank; i++) {
        w->count *= (size_t)dims[i];
        if (dims[i] == 1) continue;
        const bool merge = axes_merge(w, strides, i, dims[i]);
        if (!merge) w->dims[w->rank++] = 1;
        w->dims[w->rank - 1] *= (size_t)dims[i];
        for (uint32_t k = 0; k < operands; k++) {
            w->strides[k][w->rank - 1] = (ptrdiff_t)strides[k][i];
        }
    }
    if (w->rank == 0) {
        w->rank = 1;
        w->dims[0] = 1;
    }
}

void walk_broadcast(walk *w, const tensor_desc *output, const tensor_desc *inputs,
                    uint32_t operands)
{
    int64_t strides[WALK_OPERANDS][EBB_RANK_MAX] = {{0}};

    for (uint32_t k = 0; k < operands; k++) {
        int64_t own[EBB_RANK_MAX];
        const uint32_t missing = output->rank - inputs[k].rank;

        desc_strides(&inputs[k], own);
        for (uint32_t i = 0; i < inputs[k].rank; i++) {
            strides[k][missing + i] = inputs[k].dims[i] == 1 ? 0 : own[i];
        }
    }
    walk_make(w, output->rank, output->dims, operands, strides);
}

void walk_seek(const walk *w, size_t element, walk_cursor *c)
{
    memcpy(c->offset, w->start, sizeof c->offset);
    for (uint32_t i = w->rank; i-- > 0;) {
        c->index[i] = element % w->dims[i];
        element /= w->dims[i];
        for (uint32_t k = 0; k < w->operands; k++) {
            c->offset[k] += (ptrdiff_t)c->index[i] * w->strides[k][i];
        }
    }
    c->run = w->dims[w->rank - 1] - c->index[w->rank - 1];
}

void walk_move(const walk *w, walk_cursor *c, size_t count)
{
    uint32_t axis = w->rank - 1;

    c->index[axis] += count;
    for (uint32_t k = 0; k < w->operands; k++) {
        c->offset[k] += (ptrdiff_t)count * w->strides[k][axis];
    }
    while (axis > 0 && c->index[axis] == w->dims[axis]) {
        for (uint32_t k = 0; k < w->operands; k++) {
            c->offset[k] +=
                w->strides[k][axis - 1] - (ptrdiff_t)w->dims[axis] * w->strides[k][axis];
        }
        c->index[axis] = 0;
        c->index[--axis]++;
    }
    c->run = w->dims[w->rank - 1] - c->index[w->rank - 1];
}

axes_split axes_split_make(const tensor_desc *x, uint32_t axes)
{
    int64_t own[EBB_RANK_MAX], dims[2][EBB_RANK_MAX];
    int64_t strides[2][WALK_OPERANDS][EBB_RANK_MAX] = {{{0}}};
    uint32_t ranks[2] = {0, 0};
    axes_split split;

    desc_strides(x, own);
    for (uint32_t i = 0; i < x->rank; i++) {
        const uint32_t side = axes == 0 || (axes >> i & 1) != 0;

        dims[side][ranks[side]] = x->dims[i];
        strides[side][0][ranks[side]++] = own[i];
    }
    walk_make(&split.kept, ranks[0], dims[0], 1, strides[0]);
    walk_make(&split.reduced, ranks[1], dims[1], 1, strides[1]);
    return split;
}

/* -- strided copies --------------------------------------------------------------------------- */

typedef struct copy {
    const walk *w;
    size_t bytes; /* per element */
    const char *x;
    char *y;
} copy;

#define COPY_LINE(name, type)                                                                      \
    static void name(const char *x, char *y, ptrdiff_t stride, size_t count)                       \
    {                                                                                              \
        const type *const from = (const type *)(const void *)x;                                    \
        type *const to = (type *)(void *)y;                                                        \
                                                                                                   \
        for (size_t i = 0; i < count; i++) to[i] = from[(ptrdiff_t)i * stride];                    \
    }
COPY_LINE(copy_line_1, uint8_t)
COPY_LINE(copy_line_2, uint16_t)
COPY_LINE(copy_line_4, uint32_t)
COPY_LINE(copy_line_8, uint64_t)

static void copy_line(size_t bytes, const char *x, char *y, ptrdiff_t stride, size_t count)
{
    if (stride == 1) {
        memcpy(y, x, count * bytes);
    } else if (bytes == 4) {
        copy_line_4(x, y, stride, count);
    } else if (bytes == 1) {
        copy_line_1(x, y, stride, count);
    } else if (bytes == 8) {
        copy_line_8(x, y, stride, count);
    } else {
        copy_line_2(x, y, stride, count);
    }
}

static void copy_range(void *context, size_t begin, size_t end)
{
    const copy *const c = context;
    const ptrdiff_t stride = c->w->strides[0][c->w->rank - 1];
    const ptrdiff_t bytes = (ptrdiff_t)c->bytes;
    walk_cursor at;

    walk_seek(c->w, begin, &at);
    for (size_t i = begin; i < end;) {
        const size_t run = size_min(at.run, end - i);

        copy_line(c->bytes, c->x + at.offset[0] * bytes, c->y + i * c->bytes, stride, run);
        walk_move(c->w, &at, run);
        i += run;
    }
}

/* The last two axes are crossed in small squares when x is contiguous along the second last: both
 * sides stay in cache. Works on planes [begin, end) of those two axes. */
#define SQUARE_SIDE ((size_t)16)
static void copy_planes(void *context, size_t begin, size_t end)
{
    const copy *const c = context;
    const walk *const w = c->w;
    const size_t rows = w->dims[w->rank - 2], columns = w->dims[w->rank - 1];
    const ptrdiff_t stride = w->strides[0][w->rank - 1];
    const ptrdiff_t bytes = (ptrdiff_t)c->bytes;

    for (size_t plane = begin; plane < end; plane++) {
        walk_cursor at;

        walk_seek(w, plane * rows * columns, &at);
        const char *const x = c->x + at.offset[0] * bytes;
        char *const y = c->y + plane * rows * columns * c->bytes;
        for (size_t j = 0; j < columns; j += SQUARE_SIDE) {
            const size_t width = size_min(SQUARE_SIDE, columns - j);

            for (size_t i = 0; i < rows; i++) {
                copy_line(c->bytes, x + ((ptrdiff_t)i + (ptrdiff_t)j * stride) * bytes,
                          y + (i * columns + j) * c->bytes, stride, width);
            }
        }
    }
}

void copy_walk(const walk *w, size_t element_bytes, const void *x, void *y, uint32_t threads)
{
    const uint32_t last = w->rank - 1;
    copy c = {w, element_bytes, x, y};

    if (w->count == 0) return;
    if (w->rank >= 2 && w->strides[0][last - 1] == 1 && w->strides[0][last] != 1) {
        const size_t plane = w->dims[last] * w->dims[last - 1];

        parallel_for(threads, w->count / plane, GRAIN_ELEMENTS / plane + 1, copy_planes, &c);
    } else {
        parallel_for(threads, w->count, GRAIN_ELEMENTS, copy_range, &c);
    }
}

bool plan_weights_are_plain(const kernel_plan *plan)
{
    for (uint32_t i = 0; i < plan->node->input_count; i++) {
        if (plan->weights[i].is_decided && plan->weights[i].form != WEIGHT_PLAIN) return false;
    }
    return true;
}

bool plan_dim(const kernel_plan *plan, dim d, int64_t *number)
{
    if (!dim_known(d) && plan->dim_values == NULL) return false;
    *number = dim_known(d) ? d : dim_value(d, plan->dim_values);
    return true;
}

uint64_t plan_scratch(kernel_plan *plan, uint64_t bytes)
{
    const uint64_t offset =
        (plan->scratch_bytes + BLOCK_ALIGNMENT - 1) & ~(uint64_t)(BLOCK_ALIGNMENT - 1);

    plan->scratch_bytes = offset + bytes;
    return offset;
}

plain_weight plain_weight_plan(kernel_plan *plan, uint32_t input)
{
    plain_weight w = {WEIGHT_PLAIN, 0};

    if (input >= plan->node->input_count || !plan->weights[input].is_decided) return w;
    w.form = plan->weights[input].form;
    if (w.form != WEIGHT_PLAIN)
        w.offset = plan_scratch(plan, tensor_desc_bytes(&plan->inputs[input]));
    return w;
}

const void *plain_weight_find(const plain_weight *w, const kernel_call *call, uint32_t input)
{
    if (w->form == WEIGHT_PLAIN) return call->inputs[input];
    void *const plain = call_scratch(call, w->offset);
    /* A packing that could be made can be undone: the form was used before. */
    (void)w->form->unpack(w->form, &call->input_descs[input], call->inputs[input], plain);
    return plain;
}
