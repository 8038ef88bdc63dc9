/* vector_depthwise.c -- depthwise convolution (one filter per channel) of [n, (height,) width,
 * channels], on the plain kernel: channels are the lanes, so Keras's layout is the best there
 * is. Any kernel, stride, dilation. */
#include "device/cpu/parallel.h"
#include "device/cpu/vector.h"

#include <math.h>

enum { INPUT_X, INPUT_KERNEL, INPUT_BIAS, INPUT_RESIDUAL, INPUT_SCALE };

struct depthwise_row;

typedef struct depthwise_state {
    size_t batch, height, width, channels, result_height, result_width;
    int64_t kernel_y, kernel_x, stride_y, stride_x, dilation_y, dilation_x, pad_y, pad_x;
    size_t inside_begin, inside_end; /* results whose taps all exist along x */
    bool has[5], is_relu;
    float relu_max;
    unary_attributes attributes;
    vector_unary activation; /* NULL: none, or is_relu */
    void (*run)(const struct depthwise_row *row);
    void (*four)(const struct depthwise_row *row, size_t at); /* four results at once; NULL: none */
    size_t grain;
} depthwise_state;

/* One row of results. */
typedef struct depthwise_row {
    const depthwise_state *state;
    const float *x;                                 /* of this image */
    const float *weights, *scale, *bias, *residual; /* residual: of this row */
    float *y;
    int64_t top, tap_begin, tap_end; /* first input row, and the rows of the kernel that exist */
} depthwise_row;

#if VECTOR_X86
/* Taps t of [0, kernel) with 0 <= first + t * dilation < length. */
static void depthwise_taps(int64_t first, int64_t dilation, int64_t length, int64_t kernel,
                           int64_t *begin, int64_t *end)
{
    *begin = first < 0 ? (-first + dilation - 1) / dilation : 0;
    *end = first >= length ? 0 : (length - 1 - first) / dilation + 1;
    if (*end > kernel) *end = kernel;
    if (*begin > *end) *begin = *end;
}

#include <immintrin.h>

#if defined(__clang__)
#define VECTOR_UNROLL _Pragma("clang loop unroll(full)")
#else
#define VECTOR_UNROLL _Pragma("GCC unroll 16")
#endif

#define VECTOR_LANES 8
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_depthwise.inc"
#undef VECTOR_LANES
#define VECTOR_LANES 16
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_depthwise.inc"
#undef VECTOR_LANES

static void run_rows(void *context, size_t begin, size_t end)
{
    const kernel_call *call = context;
    const depthwise_state *s = call->state;
    const size_t image = s->height * s->width * s->channels,
                 row_length = s->result_width * s->channels;
    depthwise_row r = {.state = s, .weights = call->inputs[INPUT_KERNEL]};

    r.scale = s->has[INPUT_SCALE] ? call->inputs[INPUT_SCALE] : NULL;
    r.bias = s->has[INPUT_BIAS] ? call->inputs[INPUT_BIAS] : NULL;
    for (size_t i = begin; i < end; i++) {
        r.x = (const float *)call->inputs[INPUT_X] + i / s->result_height * image;
        r.y = (float *)call->outputs[0] + i * row_length;
        if (s->has[INPUT_RESIDUAL])
            r.residual = (const float *)call->inputs[INPUT_RESIDUAL] + i * row_length;
        r.top = (int64_t)(i % s->result_height) * s->stride_y - s->pad_y;
        depthwise_taps(r.top, s->dilation_y, (int64_t)s->height, s->kernel_y, &r.tap_begin,
                       &r.tap_end);
        s->run(&r);
        if (s->activation != NULL) s->activation(&s->attributes, r.y, r.y, row_length);
    }
}

static void fill_shape(depthwise_state *s, const kernel_plan *plan, const conv_attributes *a)
{
    const tensor_desc *x = &plan->inputs[INPUT_X], *y = &plan->outputs[0],
                      *k = &plan->inputs[INPUT_KERNEL];
    const uint32_t i = a->spatial - 1; /* the axis x */
    int64_t pad[SPATIAL_MAX];

    for (uint32_t d = 0; d < a->spatial; d++) {
        const int64_t reach = (k->dims[d] - 1) * a->dilations[d] + 1;
        const int64_t total = (y->dims[1 + d] - 1) * a->strides[d] + reach - x->dims[1 + d];

        pad[d] = !a->same ? a->pad_before[d] : total > 0 ? total / 2 : 0;
    }
    s->batch = (size_t)x->dims[0];
    s->height = a->spatial == 2 ? (size_t)x->dims[1] : 1;
    s->result_height = a->spatial == 2 ? (size_t)y->dims[1] : 1;
    s->kernel_y = a->spatial == 2 ? k->dims[0] : 1;
    s->stride_y = a->spatial == 2 ? a->strides[0] : 1;
    s->dilation_y = a->spatial == 2 ? a->dilations[0] : 1;
    s->pad_y = a->spatial == 2 ? pad[0] : 0;
    s->width = (size_t)x->dims[1 + i];
    s->channels = (size_t)x->dims[2 + i];
    s->result_width = (size_t)y->dims[1 + i];
    s->kernel_x = k->dims[i];
    s->stride_x = a->strides[i];
    s->dilation_x = a->dilations[i];
    s->pad_x = pad[i];
    s->inside_begin = (size_t)((s->pad_x + s->stride_x - 1) / s->stride_x);
    const int64_t last = (int64_t)s->width - 1 + s->pad_x - (s->kernel_x - 1) * s->dilation_x;
    s->inside_end = last < 0 ? 0 : (size_t)(last / s->stride_x + 1);
    const size_t work = s->result_width * s->channels * (size_t)(s->kernel_x * s->kernel_y);
    s->grain = ((size_t)1 << 17) / (work + 1) + 1;
}

static void choose_code(depthwise_state *s, cpu_isa isa)
{
    s->run = isa == ISA_AVX512 ? depthwise_row_avx512 : depthwise_row_avx2;
    s->four = isa == ISA_AVX512 ? find_four_avx512(s) : find_four_avx2(s);
}
#else
static void run_rows(void *context, size_t begin, size_t end)
{
    (void)context, (void)begin, (void)end;
}
static void fill_shape(depthwise_state *s, const kernel_plan *plan, const conv_attributes *a)
{
    (void)s, (void)plan, (void)a;
}
static void choose_code(depthwise_state *s, cpu_isa isa)
{
    (void)s, (void)isa;
}
#endif

static bool plan_depthwise(kernel_plan *plan)
{
    const conv_attributes *a = plan->node->attributes;
    const unary_attributes *u = &a->epilogue.activation;

    if (!vector_plan_fits(plan) || a->spatial > 2 ||
        a->groups != plan->inputs[INPUT_X].dims[a->spatial + 1] ||
        a->groups != plan->outputs[0].dims[a->spatial + 1] || a->groups == 1)
        return false;
    depthwise_state *s = region_new(plan->home, depthwise_state, 1);
    if (s == NULL) return false;
    fill_shape(s, plan, a);
    for (uint32_t i = 0; i <= INPUT_SCALE; i++) s->has[i] = vector_has_input(plan, i);
    s->attributes = *u;
    s->is_relu = u->kind == UNARY_RELU && u->alpha == 0 && u->beta == 0;
    s->relu_max = u->gamma;
    if (!s->is_relu && u->kind != UNARY_IDENTITY)
        s->activation = vector_unary_find(plan->device->isa, u);
    choose_code(s, plan->device->isa);
    plan->state = s;
    return true;
}

static void run_depthwise(const kernel_call *call)
{
    const depthwise_state *s = call->state;

    parallel_for(call->threads, s->batch * s->result_height, s->grain, run_rows, (void *)call);
}

const kernel_def kernel_vector_depthwise = {
    "vector.depthwise", OP_conv, plan_depthwise, NULL, NULL, run_depthwise, NULL, NULL,
};
