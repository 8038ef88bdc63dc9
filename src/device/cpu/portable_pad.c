/* portable_pad.c -- padding with a number or with reflected elements, of any element size.
 *
 * For each axis the plan lists, for every output position, the input position it shows, or -1 for
 * the number. Reflections go back and forth as often as needed, so padding longer than the input is
 * fine.
 */
#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"
#include "tensor/dtype.h"

typedef struct pad_state {
    size_t bytes; /* per element */
    char fill[8];
    tensor_desc x, y;
    int64_t strides[EBB_RANK_MAX];  /* of x */
    int64_t *sources[EBB_RANK_MAX]; /* per axis [y->dims]: input position times stride, or -1 */
    int64_t before;                 /* of the last axis */
    bool copies; /* the last axis has one run of plain elements and numbers around it */
} pad_state;

typedef struct pad_work {
    const pad_state *s;
    const char *x;
    char *y;
} pad_work;

/* Position `i` (of any sign) in 0 1 2 ... n-1 going back and forth; the ends are repeated by
 * SYMMETRIC. */
static int64_t reflect(int64_t i, int64_t length, pad_kind kind)
{
    const int64_t period = kind == PAD_SYMMETRIC ? 2 * length : 2 * length - 2;

    if (period == 0) return 0;
    i %= period;
    if (i < 0) i += period;
    if (i < length) return i;
    return kind == PAD_SYMMETRIC ? period - 1 - i : period - i;
}

static void fill_run(const pad_state *s, char *y, size_t count)
{
    for (size_t i = 0; i < count; i++) memcpy(y + i * s->bytes, s->fill, s->bytes);
}

/* One line along the last axis; `x` is where its line of the input begins, NULL if all of it is
 * padding. */
static void pad_line(const pad_state *s, const char *x, char *y)
{
    const uint32_t last = s->y.rank - 1;
    const size_t length = (size_t)s->y.dims[last];
    const int64_t *const from = s->sources[last];

    if (x == NULL) {
        fill_run(s, y, length);
    } else if (s->copies) {
        const size_t before = (size_t)s->before, middle = (size_t)s->x.dims[last];

        fill_run(s, y, before);
        memcpy(y + before * s->bytes, x, middle * s->bytes);
        fill_run(s, y + (before + middle) * s->bytes, length - before - middle);
    } else {
        for (size_t i = 0; i < length; i++) {
            memcpy(y + i * s->bytes, x + (size_t)from[i] * s->bytes, s->bytes);
        }
    }
}

static void pad_range(void *context, size_t begin, size_t end)
{
    const pad_work *const k = context;
    const pad_state *const s = k->s;
    const uint32_t last = s->y.rank - 1;
    const size_t line = (size_t)s->y.dims[last] * s->bytes;

    for (size_t i = begin; i < end; i++) {
        size_t rest = i;
        int64_t offset = 0;
        bool inside = true;

        for (uint32_t axis = last; axis-- > 0;) {
            const int64_t from = s->sources[axis][rest % (size_t)s->y.dims[axis]];

            rest /= (size_t)s->y.dims[axis];
            inside &= from >= 0;
            offset += from;
        }
        pad_line(s, inside ? k->x + offset * (int64_t)s->bytes : NULL, k->y + i * line);
    }
}

static bool pad_axis(pad_state *s, kernel_plan *plan, uint32_t axis)
{
    const pad_attributes *const a = plan->node->attributes;
    const int64_t length = s->x.dims[axis];

    if (!plan_dim(plan, a->before[axis], &s->before)) return false;
    s->sources[axis] = region_new(plan->home, int64_t, (size_t)s->y.dims[axis] + 1);
    if (s->sources[axis] == NULL) return false;
    for (int64_t i = 0; i < s->y.dims[axis]; i++) {
        const int64_t at = i - s->before;
        const bool inside = at >= 0 && at < length;

        s->sources[axis][i] = inside                    ? at * s->strides[axis]
                              : a->kind == PAD_CONSTANT ? -1
                              : length == 0             ? -1
                                            : reflect(at, length, a->kind) * s->strides[axis];
    }
    return true;
}

static bool pad_plan(kernel_plan *plan)
{
    const pad_attributes *const a = plan->node->attributes;

    if (!plan_weights_are_plain(plan)) return false;
    pad_state *const s = region_new(plan->home, pad_state, 1);
    if (s == NULL) return false;
    s->x = plan->inputs[0];
    s->y = plan->outputs[0];
    s->bytes = ebb_dtype_bytes(s->x.dtype);
    desc_strides(&s->x, s->strides);
    dtype_convert(s->x.dtype, s->fill, EBB_F32, &a->number, 1);
    for (uint32_t i = 0; i < s->y.rank; i++) {
        if (!pad_axis(s, plan, i)) return false;
    }
    s->copies = a->kind == PAD_CONSTANT;
    plan->state = s;
    return true;
}

static void pad_run(const kernel_call *call)
{
    const pad_state *const s = call->state;
    pad_work k = {s, call->inputs[0], call->outputs[0]};

    if (s->y.rank == 0) {
        memcpy(k.y, k.x, s->bytes);
        return;
    }
    const size_t length = (size_t)s->y.dims[s->y.rank - 1];
    if (length == 0) return;
    parallel_for(call->threads, (size_t)tensor_desc_count(&s->y) / length,
                 GRAIN_ELEMENTS / length + 1, pad_range, &k);
}

const kernel_def kernel_portable_pad = {
    .name = "portable.pad", .op = OP_pad, .plan = pad_plan, .run = pad_run};
