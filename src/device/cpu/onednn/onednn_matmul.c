/* onednn_matmul.c -- matmul through oneDNN: as one matrix when b has no batch, else batched over
 * equal leading dims. */
#include <string.h>

#include "device/cpu/onednn/onednn_step.h"

/* From this many rows on a transposed b is worth turning first: measured with 2.6. */
#define REORDER_ROWS 512

/* a [batch, m, k] x b [batch, k, n]; batch 1 and rank 2 when b is one matrix. */
typedef struct matmul_shape {
    int64_t batch, m, k, n;
    bool is_batched;
} matmul_shape;

static bool shape_of(const kernel_plan *plan, const matmul_attributes *t, matmul_shape *s)
{
    const tensor_desc *a = &plan->inputs[0], *b = &plan->inputs[1];
    int64_t batch_b = 1;

    *s = (matmul_shape){.batch = 1};
    for (uint32_t i = 0; i + 2 < a->rank; i++) s->batch *= a->dims[i];
    for (uint32_t i = 0; i + 2 < b->rank; i++) batch_b *= b->dims[i];
    s->m = a->dims[a->rank - (t->transpose_a ? 1 : 2)];
    s->k = a->dims[a->rank - (t->transpose_a ? 2 : 1)];
    s->n = b->dims[b->rank - (t->transpose_b ? 2 : 1)];
    if (batch_b == 1 && (s->batch == 1 || !t->transpose_a)) {
        s->m *= s->batch;
        s->batch = 1;
        return true;
    }
    s->is_batched = true;
    if (a->rank != b->rank || batch_b != s->batch) return false;
    for (uint32_t i = 0; i + 2 < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

/* [batch, rows, columns], stored transposed or not; without the batch axis unless is_batched. */
static void matrix_dims(const matmul_shape *s, int64_t rows, int64_t columns, bool is_transposed,
                        int64_t *dims, int64_t *strides)
{
    const int64_t all[] = {s->batch, rows, columns};
    const int64_t steps[] = {rows * columns, is_transposed ? 1 : columns, is_transposed ? rows : 1};
    const uint32_t skip = s->is_batched ? 0 : 1;

    memcpy(dims, all + skip, (3 - skip) * sizeof *dims);
    memcpy(strides, steps + skip, (3 - skip) * sizeof *strides);
}

/* Rows of a are cut, or the matrices of a batch, then those of b as well. */
static void set_cut(onednn_contraction *c, const kernel_plan *plan, const matmul_shape *s,
                    const matmul_attributes *t)
{
    c->cut.rank = c->rank;
    c->cut.window = ONEDNN_NO_WINDOW;
    c->is_weights_cut = s->is_batched;
    matrix_dims(s, s->m, s->k, t->transpose_a, c->cut.source_dims, c->cut.source_strides);
    matrix_dims(s, s->m, s->n, false, c->cut.result_dims, c->cut.result_strides);
    matrix_dims(s, s->k, s->n, t->transpose_b, c->weights_dims, c->weights_strides);
    c->is_plain_best = !t->transpose_b || s->m < REORDER_ROWS;
    c->cut.is_fixed = s->is_batched && plan->weights[INPUT_WEIGHTS].is_weight;
}

static dnnl_primitive_desc_t make_work(const onednn_operands *o, const onednn_window *w)
{
    (void)w;
    return onednn_matmul_work(o);
}

static bool is_supported(const kernel_plan *plan)
{
    if (!onednn_ready(plan->device)) return false;
    for (uint32_t i = 0; i < plan->node->input_count; i++) {
        if (plan->inputs[i].dtype == EBB_DTYPE_NONE) continue;
        if (plan->inputs[i].dtype != EBB_F32 || tensor_desc_count(&plan->inputs[i]) == 0)
            return false;
        if (i != INPUT_WEIGHTS && plan->weights[i].form != WEIGHT_PLAIN) return false;
    }
    return tensor_desc_count(&plan->outputs[0]) != 0;
}

static bool matmul_plan(kernel_plan *plan)
{
    const matmul_attributes *t = plan->node->attributes;
    onednn_contraction c = {.make = make_work, .epilogue = &t->epilogue};
    matmul_shape s;

    if (!is_supported(plan) || !shape_of(plan, t, &s)) return false;
    const uint32_t rank = s.is_batched ? 3 : 2;
    const int64_t ones[] = {1, 1, s.n}, steps[] = {s.n, s.n, 1};

    c.rank = c.weights_rank = rank;
    c.rows = (uint64_t)(s.batch * s.m);
    c.columns = (uint64_t)s.n;
    set_cut(&c, plan, &s, t);
    const bool good =
        onednn_desc_make(&c.source, rank, c.cut.source_dims, c.cut.source_strides) &&
        onednn_desc_make(&c.weights, rank, c.weights_dims, c.weights_strides) &&
        onednn_desc_make(&c.destination, rank, c.cut.result_dims, c.cut.result_strides) &&
        onednn_desc_make(&c.bias, rank, ones + 3 - rank, steps + 3 - rank) &&
        onednn_desc_make(&c.vector, rank, ones + 3 - rank, steps + 3 - rank) &&
        onednn_contraction_plan(plan, &c);
    onednn_contraction_drop(&c);
    return good;
}

const kernel_def kernel_onednn_matmul = {
    "onednn.matmul",  OP_matmul,       matmul_plan,        onednn_step_open,
    onednn_step_bind, onednn_step_run, onednn_step_unbind, onednn_step_close,
};
