/* portable_binary.c -- binary functions, comparisons and select, with numpy broadcasting.
 *
 * Each function is a loop over one line of the walk; an operand's step along it is 1, or 0 where it
 * is broadcast. Integers wrap; division by zero gives 0 and never traps. FLOOR_DIV of floats is
 * floor(a / b), MOD has the sign of the divisor, as in TensorFlow.
 */
#include <math.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

/* The three loops let the compiler see steps of 1 and 0. */
#define BINARY_LOOP(loop_name, in_type, out_type, expression)                                      \
    static void loop_name(const void *a, ptrdiff_t a_step, const void *b, ptrdiff_t b_step,        \
                          void *y, size_t count)                                                   \
    {                                                                                              \
        const in_type *const as = a, *const bs = b;                                                \
        out_type *const ys = y;                                                                    \
                                                                                                   \
        if (a_step == 1 && b_step == 1) {                                                          \
            LOOP_INDEPENDENT                                                                       \
            for (size_t i = 0; i < count; i++) {                                                   \
                const in_type p = as[i], q = bs[i];                                                \
                ys[i] = (out_type)(expression);                                                    \
            }                                                                                      \
        } else if (a_step == 1) {                                                                  \
            const in_type q = bs[0];                                                               \
            LOOP_INDEPENDENT                                                                       \
            for (size_t i = 0; i < count; i++) {                                                   \
                const in_type p = as[i];                                                           \
                ys[i] = (out_type)(expression);                                                    \
            }                                                                                      \
        } else {                                                                                   \
            const in_type p = as[0];                                                               \
            for (size_t i = 0; i < count; i++) {                                                   \
                const in_type q = bs[(ptrdiff_t)i * b_step];                                       \
                ys[i] = (out_type)(expression);                                                    \
            }                                                                                      \
        }                                                                                          \
    }

/* -- functions -------------------------------------------------------------------------------- */

static inline float mod_f32(float a, float b)
{
    const float rest = fmodf(a, b);

    return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;
}
static inline int32_t div_i32(int32_t a, int32_t b)
{
    return b == 0 ? 0 : b == -1 ? (int32_t)(0u - (uint32_t)a) : a / b;
}
static inline int32_t mod_i32(int32_t a, int32_t b)
{
    if (b == 0 || b == -1) return 0;
    const int32_t rest = a % b;
    return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;
}
static inline int32_t floor_div_i32(int32_t a, int32_t b)
{
    const int32_t quotient = div_i32(a, b);

    return b != 0 && b != -1 && a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}
static int32_t pow_i32(int32_t a, int32_t b)
{
    uint32_t result = 1, base = (uint32_t)a;

    if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 == 0 ? 1 : -1) : 0;
    for (; b > 0; b /= 2) {
        if (b % 2 != 0) result *= base;
        base *= base;
    }
    return (int32_t)result;
}
static inline int32_t squared_i32(int32_t a, int32_t b)
{
    const uint32_t difference = (uint32_t)a - (uint32_t)b;

    return (int32_t)(difference * difference);
}

BINARY_LOOP(add_f32, float, float, p + q)
BINARY_LOOP(sub_f32, float, float, p - q)
BINARY_LOOP(mul_f32, float, float, p *q)
BINARY_LOOP(div_f32, float, float, p / q)
BINARY_LOOP(floor_div_f32, float, float, floorf(p / q))
BINARY_LOOP(remainder_f32, float, float, mod_f32(p, q))
BINARY_LOOP(max_f32, float, float, p > q || p != p ? p : q)
BINARY_LOOP(min_f32, float, float, p < q || p != p ? p : q)
BINARY_LOOP(power_f32, float, float, powf(p, q))
BINARY_LOOP(atan2_f32, float, float, atan2f(p, q))
BINARY_LOOP(squared_f32, float, float, (p - q) * (p - q))
BINARY_LOOP(add_i32, int32_t, int32_t, (uint32_t)p + (uint32_t)q)
BINARY_LOOP(sub_i32, int32_t, int32_t, (uint32_t)p - (uint32_t)q)
BINARY_LOOP(mul_i32, int32_t, int32_t, (uint32_t)p *(uint32_t)q)
BINARY_LOOP(quotient_i32, int32_t, int32_t, div_i32(p, q))
BINARY_LOOP(floor_quotient_i32, int32_t, int32_t, floor_div_i32(p, q))
BINARY_LOOP(remainder_i32, int32_t, int32_t, mod_i32(p, q))
BINARY_LOOP(max_i32, int32_t, int32_t, p > q ? p : q)
BINARY_LOOP(min_i32, int32_t, int32_t, p < q ? p : q)
BINARY_LOOP(power_i32, int32_t, int32_t, pow_i32(p, q))
BINARY_LOOP(difference_i32, int32_t, int32_t, squared_i32(p, q))
BINARY_LOOP(and_bool, uint8_t, uint8_t, p != 0 && q != 0)
BINARY_LOOP(or_bool, uint8_t, uint8_t, p != 0 || q != 0)
BINARY_LOOP(xor_bool, uint8_t, uint8_t, (p != 0) != (q != 0))

static const binary_line lines_f32[BINARY_COUNT] = {[BINARY_ADD] = add_f32,
                                                    [BINARY_SUB] = sub_f32,
                                                    [BINARY_MUL] = mul_f32,
                                                    [BINARY_DIV] = div_f32,
                                                    [BINARY_FLOOR_DIV] = floor_div_f32,
                                                    [BINARY_MOD] = remainder_f32,
                                                    [BINARY_MAX] = max_f32,
                                                    [BINARY_MIN] = min_f32,
                                                    [BINARY_POW] = power_f32,
                                                    [BINARY_ATAN2] = atan2_f32,
                                                    [BINARY_SQUARED_DIFFERENCE] = squared_f32};
binary_line portable_binary_line(binary_kind kind)
{
    return lines_f32[kind];
}

static const binary_line lines_i32[BINARY_COUNT] = {[BINARY_ADD] = add_i32,
                                                    [BINARY_SUB] = sub_i32,
                                                    [BINARY_MUL] = mul_i32,
                                                    [BINARY_DIV] = quotient_i32,
                                                    [BINARY_FLOOR_DIV] = floor_quotient_i32,
                                                    [BINARY_MOD] = remainder_i32,
                                                    [BINARY_MAX] = max_i32,
                                                    [BINARY_MIN] = min_i32,
                                                    [BINARY_POW] = power_i32,
                                                    [BINARY_SQUARED_DIFFERENCE] = difference_i32};
static const binary_line lines_bool[BINARY_COUNT] = {
    [BINARY_AND] = and_bool, [BINARY_OR] = or_bool, [BINARY_XOR] = xor_bool};

#define COMPARE_LOOPS(kind, operator)                                                              \
    BINARY_LOOP(kind##_f32, float, uint8_t, p operator q)                                          \
    BINARY_LOOP(kind##_i32, int32_t, uint8_t, p operator q)                                        \
    BINARY_LOOP(kind##_bool, uint8_t, uint8_t, (p != 0) operator(q != 0))
COMPARE_LOOPS(equal, ==)
COMPARE_LOOPS(not_equal, !=)
COMPARE_LOOPS(less, <)
COMPARE_LOOPS(less_equal, <=)
COMPARE_LOOPS(greater, >)
COMPARE_LOOPS(greater_equal, >=)

#define COMPARE_ENTRIES(type)                                                                      \
    {                                                                                              \
        [COMPARE_EQUAL] = equal_##type, [COMPARE_NOT_EQUAL] = not_equal_##type,                    \
        [COMPARE_LESS] = less_##type, [COMPARE_LESS_EQUAL] = less_equal_##type,                    \
        [COMPARE_GREATER] = greater_##type, [COMPARE_GREATER_EQUAL] = greater_equal_##type         \
    }
#define COMPARE_KINDS 6
static const binary_line compares_f32[COMPARE_KINDS] = COMPARE_ENTRIES(f32);
static const binary_line compares_i32[COMPARE_KINDS] = COMPARE_ENTRIES(i32);
static const binary_line compares_bool[COMPARE_KINDS] = COMPARE_ENTRIES(bool);

/* -- binary and compare rows ------------------------------------------------------------------ */

typedef struct binary_state {
    binary_line line;
    size_t in_bytes, out_bytes; /* per element */
    unary_attributes activation;
    walk w;
} binary_state;

typedef struct binary_work {
    const binary_state *s;
    const char *a, *b;
    char *y;
} binary_work;

/* Elements between two activations: what was just written is still in the first cache. */
#define ACTIVATION_ELEMENTS ((size_t)2048)

static void binary_block(const binary_work *k, walk_cursor *at, size_t begin, size_t end)
{
    const binary_state *const s = k->s;
    const uint32_t last = s->w.rank - 1;
    const ptrdiff_t bytes = (ptrdiff_t)s->in_bytes;

    for (size_t i = begin; i < end;) {
        const size_t run = size_min(at->run, end - i);

        s->line(k->a + at->offset[0] * bytes, s->w.strides[0][last], k->b + at->offset[1] * bytes,
                s->w.strides[1][last], k->y + i * s->out_bytes, run);
        walk_move(&s->w, at, run);
        i += run;
    }
    if (s->activation.kind != UNARY_IDENTITY) {
        float *const y = (float *)(void *)k->y + begin;

        unary_apply(&s->activation, y, y, end - begin);
    }
}

static void binary_range(void *context, size_t begin, size_t end)
{
    const binary_work *const k = context;
    const size_t step = k->s->activation.kind == UNARY_IDENTITY ? end - begin : ACTIVATION_ELEMENTS;
    walk_cursor at;

    walk_seek(&k->s->w, begin, &at);
    for (size_t i = begin; i < end; i += step) {
        binary_block(k, &at, i, i + size_min(step, end - i));
    }
}

static bool binary_state_make(kernel_plan *plan, binary_line line, unary_attributes activation)
{
    if (line == NULL || !plan_weights_are_plain(plan)) return false;
    if (plan->inputs[0].dtype != plan->inputs[1].dtype) return false;
    binary_state *const s = region_new(plan->home, binary_state, 1);
    if (s == NULL) return false;
    s->line = line;
    s->in_bytes = ebb_dtype_bytes(plan->inputs[0].dtype);
    s->out_bytes = ebb_dtype_bytes(plan->outputs[0].dtype);
    s->activation = activation;
    walk_broadcast(&s->w, &plan->outputs[0], plan->inputs, 2);
    plan->state = s;
    plan->in_place = s->in_bytes == s->out_bytes &&
                     tensor_desc_count(&plan->inputs[0]) == tensor_desc_count(&plan->outputs[0]);
    return true;
}

static binary_line line_of(const binary_line *f32, const binary_line *i32,
                           const binary_line *booleans, ebb_dtype dtype, uint32_t kind)
{
    const binary_line *const lines = dtype == EBB_F32    ? f32
                                     : dtype == EBB_I32  ? i32
                                     : dtype == EBB_BOOL ? booleans
                                                         : NULL;

    return lines == NULL ? NULL : lines[kind];
}

static bool binary_plan(kernel_plan *plan)
{
    const binary_attributes *const a = plan->node->attributes;
    const ebb_dtype dtype = plan->inputs[0].dtype;

    if (dtype != EBB_F32 && a->activation.kind != UNARY_IDENTITY) return false;
    return binary_state_make(plan, line_of(lines_f32, lines_i32, lines_bool, dtype, a->kind),
                             a->activation);
}

static bool compare_plan(kernel_plan *plan)
{
    const compare_attributes *const a = plan->node->attributes;
    const ebb_dtype dtype = plan->inputs[0].dtype;
    const unary_attributes none = {.kind = UNARY_IDENTITY};

    return binary_state_make(
        plan, line_of(compares_f32, compares_i32, compares_bool, dtype, a->kind), none);
}

static void binary_run(const kernel_call *call)
{
    const binary_state *const s = call->state;
    binary_work w = {s, call->inputs[0], call->inputs[1], call->outputs[0]};

    parallel_for(call->threads, s->w.count, GRAIN_ELEMENTS, binary_range, &w);
}

const kernel_def kernel_portable_binary = {
    .name = "portable.binary", .op = OP_binary, .plan = binary_plan, .run = binary_run};
const kernel_def kernel_portable_compare = {
    .name = "portable.compare", .op = OP_compare, .plan = compare_plan, .run = binary_run};
