/* portable_matmul.c -- batched matrix multiplication with an epilogue.
 *
 * The output is cut into tiles of one batch item; a tile is cleared, accumulated and finished by
 * one thread. When all items share one b and a is not transposed, the batch is rows of one large
 * matrix.
 */
#include "device/cpu/gemm.h"
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

enum { MATMUL_A, MATMUL_B };

#define TILE_ROWS    ((size_t)64)
#define TILE_COLUMNS ((size_t)64)

typedef struct matmul_state {
    size_t m, n, k;
    ptrdiff_t a_row, a_column, b_row, b_column;
    walk batch; /* operand offsets count matrices */
    epilogue epilogue;
    plain_weight a, b;
    uint32_t input_count;
} matmul_state;

typedef struct matmul_work {
    const matmul_state *s;
    const float *a, *b;
    epilogue_operands operands;
    float *y;
} matmul_work;

static size_t tiles_in(size_t length, size_t tile)
{
    return length == 0 ? 0 : (length - 1) / tile + 1;
}

static void matmul_tiles(void *context, size_t begin, size_t end)
{
    const matmul_work *const w = context;
    const matmul_state *const s = w->s;
    const size_t across = tiles_in(s->n, TILE_COLUMNS);
    const size_t in_item = tiles_in(s->m, TILE_ROWS) * across;

    for (size_t t = begin; t < end; t++) {
        const size_t item = t / in_item, i = t % in_item / across * TILE_ROWS;
        const size_t j = t % across * TILE_COLUMNS, to = (item * s->m + i) * s->n + j;
        const ptrdiff_t row = (ptrdiff_t)i, column = (ptrdiff_t)j;
        walk_cursor at;

        walk_seek(&s->batch, item, &at);
        const gemm g = {.m = size_min(TILE_ROWS, s->m - i),
                        .n = size_min(TILE_COLUMNS, s->n - j),
                        .k = s->k,
                        .a = w->a + at.offset[0] * (ptrdiff_t)(s->m * s->k) + row * s->a_row,
                        .a_row = s->a_row,
                        .a_column = s->a_column,
                        .b = w->b + at.offset[1] * (ptrdiff_t)(s->k * s->n) + column * s->b_column,
                        .b_row = s->b_row,
                        .b_column = s->b_column,
                        .c = w->y + to,
                        .c_row = (ptrdiff_t)s->n};
        const epilogue_operands *const o = &w->operands;
        const epilogue_operands here = {o->scale == NULL ? NULL : o->scale + j,
                                        o->bias == NULL ? NULL : o->bias + j,
                                        o->residual == NULL ? NULL : o->residual + to};

        gemm_clear(g.c, g.c_row, g.m, g.n);
        gemm_add(&g);
        epilogue_apply(&s->epilogue, &here, g.c, g.m, g.n, s->n);
    }
}

/* The leading dims of a matrix operand as a tensor of its own. */
static tensor_desc batch_of(const tensor_desc *t)
{
    tensor_desc batch = *t;

    batch.rank = t->rank - 2;
    return batch;
}

static void matmul_shape(matmul_state *s, const kernel_plan *plan)
{
    const matmul_attributes *const attributes = plan->node->attributes;
    const tensor_desc *const y = &plan->outputs[0], *const a = &plan->inputs[MATMUL_A];
    const bool ta = attributes->transpose_a, tb = attributes->transpose_b;
    const tensor_desc operands[2] = {batch_of(a), batch_of(&plan->inputs[MATMUL_B])};
    tensor_desc batch = batch_of(y);

    s->m = (size_t)y->dims[y->rank - 2];
    s->n = (size_t)y->dims[y->rank - 1];
    s->k = (size_t)a->dims[ta ? a->rank - 2 : a->rank - 1];
    if (!ta && tensor_desc_count(&operands[1]) == 1 &&
        tensor_desc_count(&operands[0]) == tensor_desc_count(&batch)) {
        s->m *= (size_t)tensor_desc_count(&batch);
        batch.rank = 0;
    }
    if (batch.rank == 0) {
        s->batch = (walk){.rank = 1, .count = 1, .operands = 2, .dims = {1}};
    } else {
        walk_broadcast(&s->batch, &batch, operands, 2);
    }
    s->a_row = ta ? 1 : (ptrdiff_t)s->k;
    s->a_column = ta ? (ptrdiff_t)s->m : 1;
    s->b_row = tb ? 1 : (ptrdiff_t)s->n;
    s->b_column = tb ? (ptrdiff_t)s->k : 1;
}

static bool matmul_plan(kernel_plan *plan)
{
    if (plan->inputs[MATMUL_A].dtype != EBB_F32 || plan->inputs[MATMUL_B].dtype != EBB_F32)
        return false;
    matmul_state *const s = region_new(plan->home, matmul_state, 1);
    if (s == NULL) return false;
    s->epilogue = ((const matmul_attributes *)plan->node->attributes)->epilogue;
    s->a = plain_weight_plan(plan, MATMUL_A);
    s->b = plain_weight_plan(plan, MATMUL_B);
    matmul_shape(s, plan);
    s->input_count = plan->node->input_count;
    plan->state = s;
    return true;
}

static void matmul_run(const kernel_call *call)
{
    const matmul_state *const s = call->state;
    matmul_work w = {s, plain_weight_find(&s->a, call, MATMUL_A),
                     plain_weight_find(&s->b, call, MATMUL_B), call_epilogue(call, s->input_count),
                     call->outputs[0]};

    parallel_for(call->threads,
                 s->batch.count * tiles_in(s->m, TILE_ROWS) * tiles_in(s->n, TILE_COLUMNS), 1,
                 matmul_tiles, &w);
}

const kernel_def kernel_portable_matmul = {
    .name = "portable.matmul", .op = OP_matmul, .plan = matmul_plan, .run = matmul_run};
