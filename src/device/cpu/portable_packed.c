/* portable_packed.c -- unpack, packed_matmul and packed_gather: packed weights are expanded a piece
 * of a panel at a time. See tensor/packed.h for the layout. */
#include "device/cpu/gemm.h"
#include "device/cpu/packed_rows.h"
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

#define DEPTH     ((uint64_t)128) /* rows of a panel that are expanded together: 32 KB */
#define TILE_ROWS ((size_t)64)

const packed_layout *packed_input(const kernel_plan *plan, uint32_t input)
{
    return graph_value(plan->graph, plan->node->inputs[input])->packing;
}

/* -- unpack ------------------------------------------------------------------------------------ */

typedef struct unpack_state {
    packed_layout layout;
    vector_expand expand;
} unpack_state;

typedef struct unpack_work {
    const unpack_state *s;
    const void *block;
    float *y;
} unpack_work;

static void unpack_blocks(void *context, size_t begin, size_t end)
{
    const unpack_work *const w = context;
    const packed_layout *const l = &w->s->layout;
    const uint64_t first = begin * PACKED_ROWS;
    const uint64_t last = end * PACKED_ROWS < l->rows ? end * PACKED_ROWS : l->rows;

    for (uint64_t p = 0; p < packed_panels(l); p++)
        w->s->expand(l, w->block, p, first, last - first,
                     w->y + first * l->columns + p * PACKED_PANEL, (size_t)l->columns);
}

bool packed_unpack_plan(kernel_plan *plan, vector_expand expand)
{
    const packed_layout *const l = packed_input(plan, 0);

    if (l == NULL) return false;
    unpack_state *const s = region_new(plan->home, unpack_state, 1);
    if (s == NULL) return false;
    *s = (unpack_state){*l, expand};
    plan->state = s;
    return true;
}

void packed_unpack_run(const kernel_call *call)
{
    const unpack_state *const s = call->state;
    const packed_layout *const l = &s->layout;
    unpack_work w = {s, call->inputs[0], call->outputs[0]};

    parallel_for(call->threads, (size_t)((l->rows + PACKED_ROWS - 1) / PACKED_ROWS),
                 GRAIN_ELEMENTS / (size_t)(l->columns * PACKED_ROWS) + 1, unpack_blocks, &w);
}

static bool unpack_plan(kernel_plan *plan)
{
    return packed_unpack_plan(plan, packed_unpack_panel);
}

const kernel_def kernel_portable_unpack = {
    .name = "portable.unpack", .op = OP_unpack, .plan = unpack_plan, .run = packed_unpack_run};

/* -- packed_matmul ----------------------------------------------------------------------------- */

typedef struct product_state {
    packed_layout layout;
    size_t m;
    epilogue epilogue;
    uint32_t input_count;
} product_state;

typedef struct product_work {
    const product_state *s;
    const float *a;
    const void *block;
    epilogue_operands operands;
    float *y;
} product_work;

/* Rows [row, row + rows) of y, the columns of one panel. */
static void product_tile(const product_work *w, size_t row, size_t rows, uint64_t panel)
{
    const packed_layout *const l = &w->s->layout;
    const size_t n = (size_t)l->columns, k = (size_t)l->rows, j = (size_t)(panel * PACKED_PANEL);
    const epilogue_operands *const o = &w->operands;
    float *const y = w->y + row * n + j;
    float piece[DEPTH * PACKED_PANEL];
    gemm g = {.m = rows,
              .n = (size_t)packed_width(l, panel),
              .a_row = (ptrdiff_t)k,
              .a_column = 1,
              .b = piece,
              .b_row = (ptrdiff_t)PACKED_PANEL,
              .b_column = 1,
              .c = y,
              .c_row = (ptrdiff_t)n};

    gemm_clear(y, g.c_row, g.m, g.n);
    for (uint64_t at = 0; at < k; at += DEPTH) {
        g.k = size_min(DEPTH, k - at);
        g.a = w->a + row * k + at;
        packed_unpack_panel(l, w->block, panel, at, g.k, piece, PACKED_PANEL);
        gemm_add(&g);
    }
    const epilogue_operands here = {o->scale == NULL ? NULL : o->scale + j,
                                    o->bias == NULL ? NULL : o->bias + j,
                                    o->residual == NULL ? NULL : o->residual + row * n + j};
    epilogue_apply(&w->s->epilogue, &here, y, g.m, g.n, n);
}

static void product_tiles(void *context, size_t begin, size_t end)
{
    const product_work *const w = context;
    const size_t panels = (size_t)packed_panels(&w->s->layout);

    for (size_t t = begin; t < end; t++) {
        const size_t row = t / panels * TILE_ROWS;
        product_tile(w, row, size_min(TILE_ROWS, w->s->m - row), t % panels);
    }
}

static bool product_plan(kernel_plan *plan)
{
    const packed_layout *const l = packed_input(plan, 1);
    const tensor_desc *const a = &plan->inputs[0];

    if (l == NULL) return false;
    product_state *const s = region_new(plan->home, product_state, 1);
    if (s == NULL) return false;
    *s = (product_state){.layout = *l,
                         .m = desc_product(a, 0, a->rank - 1),
                         .epilogue =
                             ((const packed_matmul_attributes *)plan->node->attributes)->epilogue,
                         .input_count = plan->node->input_count};
    plan->state = s;
    return true;
}

static void product_run(const kernel_call *call)
{
    const product_state *const s = call->state;
    product_work w = {s, call->inputs[0], call->inputs[1], call_epilogue(call, s->input_count),
                      call->outputs[0]};

    if (s->m == 0) return;
    parallel_for(call->threads, ((s->m - 1) / TILE_ROWS + 1) * (size_t)packed_panels(&s->layout), 1,
                 product_tiles, &w);
}

const kernel_def kernel_portable_packed_matmul = {.name = "portable.packed_matmul",
                                                  .op = OP_packed_matmul,
                                                  .plan = product_plan,
                                                  .run = product_run};

/* -- packed_gather ----------------------------------------------------------------------------- */

typedef struct pick_state {
    packed_layout layout;
    vector_expand expand;
    size_t picks;
    bool wrap;
} pick_state;

typedef struct pick_work {
    const pick_state *s;
    const void *block;
    const int32_t *indices;
    float *y;
} pick_work;

static void pick_rows(void *context, size_t begin, size_t end)
{
    const pick_work *const w = context;
    const packed_layout *const l = &w->s->layout;
    const int64_t length = (int64_t)l->rows;

    for (size_t i = begin; i < end; i++) {
        const int64_t index = w->indices[i];
        const int64_t at = w->s->wrap && index < 0 ? index + length : index;
        const int64_t row = at < 0 ? 0 : at >= length ? length - 1 : at;
        for (uint64_t p = 0; p < packed_panels(l); p++)
            w->s->expand(l, w->block, p, (uint64_t)row, 1, w->y + i * l->columns + p * PACKED_PANEL,
                         (size_t)l->columns);
    }
}

bool packed_gather_plan(kernel_plan *plan, vector_expand expand)
{
    const packed_layout *const l = packed_input(plan, 0);
    const packed_gather_attributes *const a = plan->node->attributes;

    if (l == NULL) return false;
    pick_state *const s = region_new(plan->home, pick_state, 1);
    if (s == NULL) return false;
    *s = (pick_state){*l, expand, (size_t)tensor_desc_count(&plan->inputs[1]), a->wrap};
    plan->state = s;
    return true;
}

void packed_gather_run(const kernel_call *call)
{
    const pick_state *const s = call->state;
    pick_work w = {s, call->inputs[0], call->inputs[1], call->outputs[0]};

    parallel_for(call->threads, s->picks, GRAIN_ELEMENTS / (size_t)s->layout.columns + 1, pick_rows,
                 &w);
}

static bool gather_plan(kernel_plan *plan)
{
    return packed_gather_plan(plan, packed_unpack_panel);
}

const kernel_def kernel_portable_packed_gather = {.name = "portable.packed_gather",
                                                  .op = OP_packed_gather,
                                                  .plan = gather_plan,
                                                  .run = packed_gather_run};
