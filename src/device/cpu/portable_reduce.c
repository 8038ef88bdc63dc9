/* portable_reduce.c -- reductions over any set of axes.
 *
 * Where the last axis of x is kept, up to 64 neighbouring outputs are accumulated together, going
 * down the reduced axes; otherwise one output at a time, along them, in 8 partial sums. Floats are
 * accumulated as doubles. Integers wrap. A nan in makes a nan out, for MAX and MIN too, as in
 * TensorFlow.
 */
#include <math.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

#define WIDTH 64
#define PARTS 8

/* sum of exp(x - max) so far */
typedef struct log_sum {
    double max, sum;
} log_sum;

typedef union sums {
    double f64[WIDTH];
    uint64_t u64[WIDTH];
    int64_t i64[WIDTH];
    log_sum log[WIDTH];
} sums;

typedef struct reducer {
    void (*clear)(sums *s, size_t width);
    void (*down)(sums *s, const void *x, size_t width);                  /* s[j] with x[j] */
    void (*along)(sums *s, const void *x, ptrdiff_t step, size_t count); /* s[0] with all */
    void (*store)(const sums *s, void *y, size_t width, size_t count);
} reducer;

#define REDUCE_LOOPS(name, in_type, sum_type, member, first, combine)                              \
    static void name##_clear(sums *s, size_t width)                                                \
    {                                                                                              \
        for (size_t j = 0; j < width; j++) s->member[j] = first;                                   \
    }                                                                                              \
    static void name##_down(sums *s, const void *x, size_t width)                                  \
    {                                                                                              \
        const in_type *const from = x;                                                             \
                                                                                                   \
        for (size_t j = 0; j < width; j++) {                                                       \
            const sum_type p = s->member[j], q = (sum_type)from[j];                                \
            s->member[j] = combine;                                                                \
        }                                                                                          \
    }                                                                                              \
    static void name##_along(sums *s, const void *x, ptrdiff_t step, size_t count)                 \
    {                                                                                              \
        const in_type *from = x;                                                                   \
        sum_type parts[PARTS];                                                                     \
        size_t i = 0;                                                                              \
                                                                                                   \
        for (size_t j = 0; j < PARTS; j++) parts[j] = first;                                       \
        for (; i + PARTS <= count; i += PARTS, from += PARTS * step) {                             \
            for (size_t j = 0; j < PARTS; j++) {                                                   \
                const sum_type p = parts[j], q = (sum_type)from[(ptrdiff_t)j * step];              \
                parts[j] = combine;                                                                \
            }                                                                                      \
        }                                                                                          \
        for (size_t j = 0; i < count; i++, j++) {                                                  \
            const sum_type p = parts[j], q = (sum_type)from[(ptrdiff_t)j * step];                  \
            parts[j] = combine;                                                                    \
        }                                                                                          \
        for (size_t j = 0; j < PARTS; j++) {                                                       \
            const sum_type p = s->member[0], q = parts[j];                                         \
            s->member[0] = combine;                                                                \
        }                                                                                          \
    }

#define REDUCE_STORE(name, out_type, member, expression)                                           \
    static void name(const sums *s, void *y, size_t width, size_t count)                           \
    {                                                                                              \
        out_type *const to = y;                                                                    \
                                                                                                   \
        (void)count;                                                                               \
        for (size_t j = 0; j < width; j++) to[j] = (out_type)(expression);                         \
    }

REDUCE_LOOPS(sum_f32, float, double, f64, 0.0, p + q)
REDUCE_LOOPS(product_f32, float, double, f64, 1.0, p *q)
REDUCE_LOOPS(max_f32, float, double, f64, -INFINITY, q > p || q != q ? q : p)
REDUCE_LOOPS(min_f32, float, double, f64, INFINITY, q < p || q != q ? q : p)
REDUCE_LOOPS(sum_i32, int32_t, uint64_t, u64, 0, p + q)
REDUCE_LOOPS(product_i32, int32_t, uint64_t, u64, 1, p *q)
REDUCE_LOOPS(max_i32, int32_t, int64_t, i64, INT32_MIN, q > p ? q : p)
REDUCE_LOOPS(min_i32, int32_t, int64_t, i64, INT32_MAX, q < p ? q : p)
REDUCE_LOOPS(any_bool, uint8_t, uint64_t, u64, 0, p != 0 || q != 0)
REDUCE_LOOPS(all_bool, uint8_t, uint64_t, u64, 1, p != 0 && q != 0)

REDUCE_STORE(store_f32, float, f64, s->f64[j])
REDUCE_STORE(store_mean_f32, float, f64, s->f64[j] / (double)count)
REDUCE_STORE(store_i32, int32_t, u64, (uint32_t)s->u64[j])
REDUCE_STORE(store_bool, uint8_t, u64, s->u64[j] != 0)
REDUCE_STORE(store_log_sum, float, log, s->log[j].max + log(s->log[j].sum))

static void log_sum_clear(sums *s, size_t width)
{
    for (size_t j = 0; j < width; j++) s->log[j] = (log_sum){-INFINITY, 0};
}

/* Equal values first: they may be infinite and have no difference. */
static inline void log_sum_add(log_sum *l, double x)
{
    if (x == -INFINITY) return;
    if (x == l->max) {
        l->sum += 1;
    } else if (x > l->max) {
        l->sum = l->sum * exp(l->max - x) + 1;
        l->max = x;
    } else {
        l->sum += exp(x - l->max);
    }
}

static void log_sum_down(sums *s, const void *x, size_t width)
{
    const float *const from = x;

    for (size_t j = 0; j < width; j++) log_sum_add(&s->log[j], from[j]);
}

static void log_sum_along(sums *s, const void *x, ptrdiff_t step, size_t count)
{
    const float *const from = x;

    for (size_t i = 0; i < count; i++) log_sum_add(&s->log[0], from[(ptrdiff_t)i * step]);
}

#define REDUCER(name, store)                                                                       \
    {                                                                                              \
        name##_clear, name##_down, name##_along, store                                             \
    }
static const reducer reducers_f32[] = {[REDUCE_SUM] = REDUCER(sum_f32, store_f32),
                                       [REDUCE_MEAN] = REDUCER(sum_f32, store_mean_f32),
                                       [REDUCE_MAX] = REDUCER(max_f32, store_f32),
                                       [REDUCE_MIN] = REDUCER(min_f32, store_f32),
                                       [REDUCE_PROD] = REDUCER(product_f32, store_f32),
                                       [REDUCE_LOG_SUM_EXP] = REDUCER(log_sum, store_log_sum)};
static const reducer reducers_i32[REDUCE_LOG_SUM_EXP + 1] = {
    [REDUCE_SUM] = REDUCER(sum_i32, store_i32),
    [REDUCE_MAX] = REDUCER(max_i32, store_i32),
    [REDUCE_MIN] = REDUCER(min_i32, store_i32),
    [REDUCE_PROD] = REDUCER(product_i32, store_i32)};
static const reducer reducers_bool[REDUCE_LOG_SUM_EXP + 1] = {
    [REDUCE_ANY] = REDUCER(any_bool, store_bool), [REDUCE_ALL] = REDUCER(all_bool, store_bool)};

static const reducer *reducer_of(ebb_dtype dtype, reduce_kind kind)
{
    const reducer *const all = dtype == EBB_F32    ? reducers_f32
                               : dtype == EBB_I32  ? reducers_i32
                               : dtype == EBB_BOOL ? reducers_bool
                                                   : NULL;

    return all == NULL || all[kind].clear == NULL ? NULL : &all[kind];
}

typedef struct reduce_state {
    const reducer *r;
    axes_split axes;
    size_t in_bytes, out_bytes;
} reduce_state;

typedef struct reduce_work {
    const reduce_state *s;
    const char *x;
    char *y;
} reduce_work;

/* Folds everything that belongs to `width` neighbouring outputs into `sums`. */
static void reduce_fold(const reduce_state *s, const char *x, sums *result, size_t width, bool down)
{
    const walk *const w = &s->axes.reduced;
    const ptrdiff_t step = w->strides[0][w->rank - 1], bytes = (ptrdiff_t)s->in_bytes;
    walk_cursor at;

    s->r->clear(result, width);
    if (w->count == 0) return;
    walk_seek(w, 0, &at);
    for (size_t i = 0; i < w->count;) {
        const size_t run = at.run;
        const char *const line = x + at.offset[0] * bytes;

        if (!down) s->r->along(result, line, step, run);
        for (size_t j = 0; down && j < run; j++) {
            s->r->down(result, line + (ptrdiff_t)j * step * bytes, width);
        }
        walk_move(w, &at, run);
        i += run;
    }
}

static void reduce_range(void *context, size_t begin, size_t end)
{
    const reduce_work *const k = context;
    const reduce_state *const s = k->s;
    const walk *const kept = &s->axes.kept;
    const bool down = kept->strides[0][kept->rank - 1] == 1 && kept->dims[kept->rank - 1] > 1;
    walk_cursor at;

    walk_seek(kept, begin, &at);
    for (size_t i = begin; i < end;) {
        const size_t width = down ? size_min(size_min(at.run, WIDTH), end - i) : 1;
        sums result;

        reduce_fold(s, k->x + at.offset[0] * (ptrdiff_t)s->in_bytes, &result, width, down);
        s->r->store(&result, k->y + i * s->out_bytes, width, s->axes.reduced.count);
        walk_move(kept, &at, width);
        i += width;
    }
}

static bool reduce_plan(kernel_plan *plan)
{
    const reduce_attributes *const a = plan->node->attributes;
    const reducer *const r = reducer_of(plan->inputs[0].dtype, a->kind);

    if (r == NULL || !plan_weights_are_plain(plan)) return false;
    reduce_state *const s = region_new(plan->home, reduce_state, 1);
    if (s == NULL) return false;
    s->r = r;
    s->axes = axes_split_make(&plan->inputs[0], a->axes);
    s->in_bytes = ebb_dtype_bytes(plan->inputs[0].dtype);
    s->out_bytes = ebb_dtype_bytes(plan->outputs[0].dtype);
    plan->state = s;
    return true;
}

static void reduce_run(const kernel_call *call)
{
    const reduce_state *const s = call->state;
    reduce_work k = {s, call->inputs[0], call->outputs[0]};
    const size_t grain = (GRAIN_ELEMENTS / (s->axes.reduced.count + 1) / WIDTH + 1) * WIDTH;

    parallel_for(call->threads, s->axes.kept.count, grain, reduce_range, &k);
}

const kernel_def kernel_portable_reduce = {
    .name = "portable.reduce", .op = OP_reduce, .plan = reduce_plan, .run = reduce_run};
