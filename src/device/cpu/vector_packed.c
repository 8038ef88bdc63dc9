/* vector_packed.c -- rows for packed weights. For few rows of a the product goes through each panel
 * once, in registers; for more, pieces of panels are expanded into the cache and used for all rows
 * (vector_gemm.c). */
#include <string.h>

#include "device/cpu/packed_rows.h"
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

#if VECTOR_X86
#include <cpuid.h>
#include <immintrin.h>

#if defined(__clang__)
#define VECTOR_UNROLL _Pragma("clang loop unroll(full)")
#else
#define VECTOR_UNROLL _Pragma("GCC unroll 8")
#endif

#define VECTOR_LANES 8
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_packed.inc"
#undef VECTOR_LANES
#define VECTOR_LANES 16
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_packed.inc"
#undef VECTOR_LANES

/* Every processor with AVX2 has both, but a virtual machine may hide them. clang 14 does not know
 * the name of the first. */
static bool has_halves(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0 &&
           __builtin_cpu_supports("bmi2") != 0;
}

vector_expand vector_expand_find(cpu_isa isa)
{
    if (isa == ISA_PORTABLE || !has_halves()) return packed_unpack_panel;
    return isa == ISA_AVX512 ? expand_panel_avx512 : expand_panel_avx2;
}

vector_packed_run vector_packed_find(cpu_isa isa, const packed_layout *l)
{
    if (isa == ISA_PORTABLE || !has_halves()) return NULL;
    return isa == ISA_AVX512 ? product_find_avx512(l) : product_find_avx2(l);
}
#else
vector_expand vector_expand_find(cpu_isa isa)
{
    (void)isa;
    return packed_unpack_panel;
}

vector_packed_run vector_packed_find(cpu_isa isa, const packed_layout *l)
{
    (void)isa;
    (void)l;
    return NULL;
}
#endif

/* -- unpack and gather ------------------------------------------------------------------------- */

static bool unpack_plan(kernel_plan *plan)
{
    const cpu_isa isa = plan->device->isa;
    return isa != ISA_PORTABLE && packed_unpack_plan(plan, vector_expand_find(isa));
}

const kernel_def kernel_vector_unpack = {
    .name = "vector.unpack", .op = OP_unpack, .plan = unpack_plan, .run = packed_unpack_run};

static bool gather_plan(kernel_plan *plan)
{
    const cpu_isa isa = plan->device->isa;
    return isa != ISA_PORTABLE && packed_gather_plan(plan, vector_expand_find(isa));
}

const kernel_def kernel_vector_packed_gather = {.name = "vector.packed_gather",
                                                .op = OP_packed_gather,
                                                .plan = gather_plan,
                                                .run = packed_gather_run};

/* -- packed_matmul ----------------------------------------------------------------------------- */

/* Multiplications below which a second thread costs more than it brings. */
#define PARALLEL_WORK ((uint64_t)1 << 18)

typedef struct product_state {
    packed_layout layout;
    size_t m;
    bool has[5];
    unary_attributes attributes;
    vector_unary activation; /* NULL: none */
    vector_packed_run run;   /* for few rows */
    vector_gemm_run gemm;    /* for more */
    vector_expand expand;
} product_state;

enum { INPUT_A, INPUT_WEIGHT, INPUT_BIAS, INPUT_RESIDUAL, INPUT_SCALE };

static bool product_plan(kernel_plan *plan)
{
    const packed_matmul_attributes *const t = plan->node->attributes;
    const packed_layout *const l = packed_input(plan, INPUT_WEIGHT);
    const tensor_desc *const a = &plan->inputs[INPUT_A];
    const cpu_isa isa = plan->device->isa;
    const size_t m = desc_product(a, 0, a->rank - 1);

    if (l == NULL || m == 0) return false;
    const vector_packed_run run = vector_packed_find(isa, l);
    if (run == NULL) return false;
    product_state *const s = region_new(plan->home, product_state, 1);
    if (s == NULL) return false;
    *s = (product_state){.layout = *l,
                         .m = m,
                         .attributes = t->epilogue.activation,
                         .run = run,
                         .gemm = vector_gemm_find(isa),
                         .expand = vector_expand_find(isa)};
    for (uint32_t i = 0; i <= INPUT_SCALE; i++) s->has[i] = vector_has_input(plan, i);
    if (s->attributes.kind != UNARY_IDENTITY)
        s->activation = vector_unary_find(isa, &s->attributes);
    plan->state = s;
    return true;
}

typedef struct product_job {
    const product_state *s;
    const kernel_call *call;
} product_job;

static const float *operand(const product_job *j, uint32_t input)
{
    return j->s->has[input] ? j->call->inputs[input] : NULL;
}

/* What the gemm asks for. */
static void copy_piece(const void *source, size_t k, size_t depth, size_t column, size_t width,
                       float *panel)
{
    const product_job *const j = source;

    (void)width;
    j->s->expand(&j->s->layout, j->call->inputs[INPUT_WEIGHT], column / PACKED_PANEL, k, depth,
                 panel, VECTOR_GEMM_COLUMNS);
}

/* The epilogue of columns [begin, end) of one row. */
static void finish_row(const product_job *j, size_t row, size_t begin, size_t end)
{
    const product_state *const s = j->s;
    const float *scale = operand(j, INPUT_SCALE), *bias = operand(j, INPUT_BIAS);
    const float *residual = operand(j, INPUT_RESIDUAL);
    const size_t n = (size_t)s->layout.columns;
    float *const y = (float *)j->call->outputs[0] + row * n;

    for (size_t i = begin; scale != NULL && i < end; i++) y[i] *= scale[i];
    for (size_t i = begin; bias != NULL && i < end; i++) y[i] += bias[i];
    for (size_t i = begin; residual != NULL && i < end; i++) y[i] += residual[row * n + i];
    if (s->activation != NULL) s->activation(&s->attributes, y + begin, y + begin, end - begin);
}

static void run_panels(void *context, size_t begin, size_t end)
{
    const product_job *const j = context;
    const packed_layout *const l = &j->s->layout;
    const size_t n = (size_t)l->columns, k = (size_t)l->rows;
    const vector_packed p = {.layout = l,
                             .block = j->call->inputs[INPUT_WEIGHT],
                             .m = j->s->m,
                             .a_stride = k,
                             .y_stride = n,
                             .a = j->call->inputs[INPUT_A],
                             .y = j->call->outputs[0]};

    j->s->run(&p, begin, end);
    for (size_t r = 0; r < p.m; r++)
        finish_row(j, r, begin * (size_t)PACKED_PANEL, size_min(end * (size_t)PACKED_PANEL, n));
}

static void product_run(const kernel_call *call)
{
    const product_state *const s = call->state;
    const size_t n = (size_t)s->layout.columns, k = (size_t)s->layout.rows;
    product_job job = {s, call};

    if (s->m <= VECTOR_PACKED_ROWS) {
        const bool is_small = (uint64_t)s->m * n * k < PARALLEL_WORK;
        parallel_for(is_small ? 1 : call->threads, (size_t)packed_panels(&s->layout), 1, run_panels,
                     &job);
        return;
    }
    const vector_gemm g = {.m = s->m,
                           .n = n,
                           .k = k,
                           .a_stride = k,
                           .c_stride = n,
                           .a = call->inputs[INPUT_A],
                           .c = call->outputs[0],
                           .scale = operand(&job, INPUT_SCALE),
                           .bias = operand(&job, INPUT_BIAS),
                           .residual = operand(&job, INPUT_RESIDUAL),
                           .attributes = &s->attributes,
                           .activation = s->activation,
                           .copy = copy_piece,
                           .source = &job};
    vector_gemm_parallel(s->gemm, &g, call->threads);
}

const kernel_def kernel_vector_packed_matmul = {.name = "vector.packed_matmul",
                                                .op = OP_packed_matmul,
                                                .plan = product_plan,
                                                .run = product_run};
