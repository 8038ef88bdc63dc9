/* op.h -- the op table, the attributes of every op, and one builder function per op.
 *
 * Layout is channels-last throughout: convolutions and pools see [batch, spatial..., channels]. A
 * layer with channels_first transposes around the op; a pass removes pairs of transposes.
 * Compute types are F32, I32 and BOOL; everything else is cast at the border.
 *
 * To add an op: a line in op/list.inc, an attribute struct here, `const op_def op_def_<name>` and
 * its builder in graph/op/<family>.c, and a portable kernel in device/cpu/.
 */
#ifndef EBB_GRAPH_OP_H
#define EBB_GRAPH_OP_H

#include "graph/graph.h"

#define OP_INPUTS_MAX  64 /* concat of more values is done in a tree */
#define OP_OUTPUTS_MAX 8
#define SPATIAL_MAX    3

typedef struct op_def {
    const char *name;
    uint32_t attribute_bytes;
    uint32_t inputs_min, inputs_max; /* optional ones count into max and may be VALUE_NONE */
    uint32_t output_count;
    /* Derives output dtypes and shapes; checks ranks, dtypes, attributes. Fault: graph_fail. */
    bool (*infer)(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes);
    /* Floating point operations, given concrete output/input dims; NULL: one per output element. */
    uint64_t (*flops)(const graph *g, const node *n, const int64_t *dim_values);
    bool is_random; /* never folded or shared: random numbers, loops */
    /* Are start, padding, ... numbers? NULL: there are none, or the shapes of the results tell. */
    bool (*is_fixed)(const node *n);
    /* Attributes in words for graph_print(); NULL: none. Writes at most `capacity` characters. */
    void (*describe)(const graph *g, const node *n, char *text, uint32_t capacity);
    /* Emits the gradients of the inputs from those of the outputs (graph/op/gradient_rule.h);
     * false: the failure is in the graph. NULL: no gradient passes. */
    bool (*gradient)(graph *g, const node *n, const value *output_gradients,
                     value *input_gradients);
} op_def;

/* A node's inputs array has inputs_max places, unused ones VALUE_NONE; concat's has as many as it
 * joins. */

const op_def *op_find(op_id op);

/* -- elementwise ------------------------------------------------------------------------------ */

/* clang-format off */
/* Every unary function: name, expression in words of x, a, b (attributes alpha, beta). F32 ->
 * F32. */
#define UNARY_MAP(X)                                                                               \
    X(IDENTITY) /* x */                                                                            \
    X(NEG)      /* -x */                                                                           \
    X(ABS)                                                                                         \
    X(SIGN) X(SQUARE) X(SQRT) X(RSQRT) X(RECIPROCAL) X(EXP) X(EXPM1) X(LOG) X(LOG1P) X(SIN) X(     \
        COS) X(TAN) X(ASIN) X(ACOS) X(ATAN) X(SINH) X(COSH) X(TANH) X(ASINH) X(ACOSH) X(ATANH)     \
        X(ERF) X(FLOOR) X(CEIL) X(ROUND) X(TRUNC) X(                                               \
            RELU) /* generalised: x >= max ? max : x > threshold ? x : slope*(x-threshold);     \
                        alpha = negative slope, beta = threshold, gamma = max (INFINITY: none) */  \
        X(ELU)    /* x > 0 ? x : alpha*(exp(x)-1) */                                               \
        X(SELU)   /* 1.05070098735548 * (x > 0 ? x : 1.67326324235438*(exp(x)-1)) */               \
        X(CELU)   /* max(0,x) + min(0, alpha*(exp(x/alpha)-1)) */                                  \
        X(GELU)   /* exact, with erf */                                                            \
        X(GELU_TANH) /* approximate */                                                             \
        X(SILU) X(SIGMOID) X(LOG_SIGMOID) X(SOFTPLUS) X(SOFTSIGN)                                  \
            X(HARD_SIGMOID) /* clip(alpha*x + beta, 0, 1); Keras 3: 1/6, 1/2; Keras 2: 0.2, 0.5 */ \
        X(HARD_SILU)        /* x * clip(x/6 + 0.5, 0, 1) */                                        \
        X(HARD_TANH)        /* clip(x, -1, 1) */                                                   \
        X(TANH_SHRINK) X(HARD_SHRINK)                 /* |x| > alpha ? x : 0 */                    \
        X(SOFT_SHRINK)                                /* sign(x) * max(|x|-alpha, 0) */            \
        X(MISH) X(SQUAREPLUS)                         /* (x + sqrt(x*x + alpha)) / 2 */            \
        X(SPARSE_PLUS) X(SPARSE_SIGMOID) X(THRESHOLD) /* x > alpha ? x : beta */                   \
        X(CLIP)                                       /* min(max(x, alpha), beta) */               \
        X(AFFINE)                                     /* alpha*x + beta */                         \
        X(POWER)                                      /* x ** alpha */                             \
        X(LOGICAL_NOT)                                /* BOOL -> BOOL */                           \
        X(IS_NAN) X(IS_FINITE) X(IS_INF)              /* F32 -> BOOL */
/* clang-format on */

typedef enum unary_kind {
#define UNARY_ENTRY(name) UNARY_##name,
    UNARY_MAP(UNARY_ENTRY)
#undef UNARY_ENTRY
        UNARY_COUNT
} unary_kind;

typedef struct unary_attributes {
    unary_kind kind;
    float alpha, beta, gamma;
} unary_attributes;

const char *unary_name(unary_kind kind); /* "RELU" */
/* Parameters as Keras's defaults where it has some. I32 for NEG, ABS, SIGN, SQUARE, IDENTITY. */
value op_unary(graph *g, unary_kind kind, value x);
value op_unary_with(graph *g, unary_attributes attributes, value x);

/* clang-format off */
/* Same dtypes in (F32 or I32; AND, OR, XOR: BOOL), broadcasting as numpy. */
#define BINARY_MAP(X)                                                                              \
    X(ADD)                                                                                         \
    X(SUB) X(MUL) X(DIV) X(FLOOR_DIV) X(MOD) /* sign of the divisor, as numpy */                   \
        X(MAX) X(MIN) X(POW) X(ATAN2) X(AND) X(OR) X(XOR) X(SQUARED_DIFFERENCE)
/* clang-format on */

typedef enum binary_kind {
#define BINARY_ENTRY(name) BINARY_##name,
    BINARY_MAP(BINARY_ENTRY)
#undef BINARY_ENTRY
        BINARY_COUNT
} binary_kind;

typedef struct binary_attributes {
    binary_kind kind;
    unary_attributes activation; /* fused afterwards; IDENTITY = none */
} binary_attributes;

const char *binary_name(binary_kind kind); /* "ADD" */
value op_binary(graph *g, binary_kind kind, value a, value b);
value op_add(graph *g, value a, value b);
value op_sub(graph *g, value a, value b);
value op_mul(graph *g, value a, value b);
value op_div(graph *g, value a, value b);

/* Same dtypes in (F32, I32, BOOL) -> BOOL, broadcasting. */
typedef enum compare_kind {
    COMPARE_EQUAL,
    COMPARE_NOT_EQUAL,
    COMPARE_LESS,
    COMPARE_LESS_EQUAL,
    COMPARE_GREATER,
    COMPARE_GREATER_EQUAL
} compare_kind;
typedef struct compare_attributes {
    compare_kind kind;
} compare_attributes;
value op_compare(graph *g, compare_kind kind, value a, value b);

/* condition BOOL ? a : b, all three broadcast together. */
value op_select(graph *g, value condition, value a, value b);

/* Any dtype to any; identity if equal. */
typedef struct cast_attributes {
    ebb_dtype to;
} cast_attributes;
value op_cast(graph *g, value x, ebb_dtype to);

/* -- contractions ----------------------------------------------------------------------------- */

/* What is done to each output element before it is stored:
 * y = activation(accumulated * scale[c] + bias[c] + residual), each part optional. */
typedef struct epilogue {
    unary_attributes activation; /* IDENTITY = none */
} epilogue;

/* [..., m, k] x [..., k, n] -> [..., m, n]; leading dims broadcast. Inputs: a, b, bias [n],
 * residual (shape of y), scale [n]; the last three optional (VALUE_NONE). rank >= 2 each. */
typedef struct matmul_attributes {
    bool transpose_a, transpose_b; /* of the last two dims */
    epilogue epilogue;
} matmul_attributes;
value op_matmul(graph *g, value a, value b, bool transpose_a, bool transpose_b);

/* x [n, spatial..., c], kernel [spatial..., c / groups, filters] -> [n, spatial'..., filters].
 * Inputs: x, kernel, bias [filters], residual (shape of y), scale [filters]; the last three
 * optional. Depthwise: groups == c, kernel [spatial..., 1, c * multiplier] (same bytes as Keras's
 * [spatial..., c, multiplier]). */
typedef struct conv_attributes {
    uint32_t spatial; /* 1, 2 or 3 */
    int64_t strides[SPATIAL_MAX], dilations[SPATIAL_MAX];
    bool same; /* TensorFlow SAME: padding from the lengths; else pad_* */
    int64_t pad_before[SPATIAL_MAX], pad_after[SPATIAL_MAX];
    int64_t groups;
    epilogue epilogue;
} conv_attributes;
value op_conv(graph *g, value x, value kernel, const conv_attributes *attributes);

/* The gradient of conv with respect to its input, as Keras's Conv*DTranspose uses it.
 * x [n, spatial..., c], kernel [spatial..., filters, c] -> y [n, spatial'..., filters]
 * length' = (length - 1) * stride + (k - 1) * dilation + 1 - pad_before - pad_after +
 * output_padding. Inputs as conv. groups is 1. */
typedef struct conv_transpose_attributes {
    uint32_t spatial;
    int64_t strides[SPATIAL_MAX], dilations[SPATIAL_MAX];
    int64_t pad_before[SPATIAL_MAX], pad_after[SPATIAL_MAX], output_padding[SPATIAL_MAX];
    epilogue epilogue;
} conv_transpose_attributes;
value op_conv_transpose(graph *g, value x, value kernel,
                        const conv_transpose_attributes *attributes);

/* -- reductions ------------------------------------------------------------------------------- */

typedef enum pool_kind { POOL_MAX, POOL_AVERAGE } pool_kind;
/* x [n, spatial..., c]. Average divides by the number of real cells in the window (never by
 * padding). */
typedef struct pool_attributes {
    pool_kind kind;
    uint32_t spatial;
    int64_t window[SPATIAL_MAX], strides[SPATIAL_MAX];
    bool same; /* TensorFlow SAME, else VALID */
} pool_attributes;
value op_pool(graph *g, value x, const pool_attributes *attributes);

typedef enum reduce_kind {
    REDUCE_SUM,
    REDUCE_MEAN,
    REDUCE_MAX,
    REDUCE_MIN,
    REDUCE_PROD, /* F32, I32 (MEAN: F32) */
    REDUCE_ANY,
    REDUCE_ALL,        /* BOOL */
    REDUCE_LOG_SUM_EXP /* F32 */
} reduce_kind;
/* `axes` bit i = axis i; 0 = all. */
typedef struct reduce_attributes {
    reduce_kind kind;
    uint32_t axes;
    bool keep_dims;
} reduce_attributes;
value op_reduce(graph *g, reduce_kind kind, value x, uint32_t axes, bool keep_dims);

typedef struct arg_reduce_attributes {
    bool is_max; /* argmax, else argmin; first of equals; I32 result without the axis */
    uint32_t axis;
} arg_reduce_attributes;
value op_arg_reduce(graph *g, bool is_max, value x, int axis);

/* Over the axes in the bit mask together (softmax of several axes is one distribution). */
typedef struct softmax_attributes {
    uint32_t axes;
    bool is_log;
} softmax_attributes;
value op_softmax(graph *g, value x, uint32_t axes, bool is_log);

/* y = (x - mean) / sqrt(variance + epsilon) * scale + offset over the trailing `axis_count` axes;
 * biased variance. Inputs: x, scale, offset (optional; shape of the normalised axes). is_rms: no
 * mean, y = x / sqrt(mean(x^2) + eps) * scale. */
typedef struct normalize_attributes {
    uint32_t axis_count;
    float epsilon;
    bool is_rms;
} normalize_attributes;
value op_normalize(graph *g, value x, value scale, value offset,
                   const normalize_attributes *attributes);

/* -- shape ------------------------------------------------------------------------------------ */

/* Same elements, new dims; `to` may hold expressions; their product is checked when evaluated. */
typedef struct reshape_attributes {
    shape to;
} reshape_attributes;
value op_reshape(graph *g, value x, const shape *to);

typedef struct transpose_attributes {
    uint32_t order[EBB_RANK_MAX]; /* output axis i is input axis order[i] */
} transpose_attributes;
value op_transpose(graph *g, value x, const uint32_t *order);

/* numpy broadcasting to exactly `to`. */
typedef struct broadcast_attributes {
    shape to;
} broadcast_attributes;
value op_broadcast(graph *g, value x, const shape *to);

typedef struct concat_attributes {
    uint32_t axis;
} concat_attributes;
value op_concat(graph *g, const value *items, uint32_t count, int axis);

/* y[i] = x[start + i * step] per axis, `length` items (expressions allowed in start and length).
 * step may be negative (reverse). Bounds are checked when evaluated. */
typedef struct slice_attributes {
    dim start[EBB_RANK_MAX], length[EBB_RANK_MAX];
    int64_t step[EBB_RANK_MAX];
} slice_attributes;
value op_slice(graph *g, value x, const slice_attributes *attributes);
/* One axis only; negative axis counts from the end. */
value op_slice_axis(graph *g, value x, int axis, dim start, dim length, int64_t step);
value op_reverse(graph *g, value x, int axis);

typedef enum pad_kind { PAD_CONSTANT, PAD_REFLECT, PAD_SYMMETRIC } pad_kind;
typedef struct pad_attributes {
    pad_kind kind;
    dim before[EBB_RANK_MAX], after[EBB_RANK_MAX];
    float number; /* CONSTANT */
} pad_attributes;
value op_pad(graph *g, value x, const pad_attributes *attributes);

/* y[..., i..., ...] = x[..., indices[i...], ...] on `axis`: shape x[:axis] + indices.shape +
 * x[axis+1:]. indices I32; negative ones count from the end when wrap, else clamp (embedding: out
 * of range is clamped). */
typedef struct gather_attributes {
    uint32_t axis;
    uint32_t batch_dims; /* leading dims shared by x and indices: 0 or axis */
    bool wrap;
} gather_attributes;
value op_gather(graph *g, value x, value indices, int axis);
/* x [..., n], indices [..., k] with equal leading dims -> [..., k] (take_along_axis on the last
 * axis) is gather with batch_dims == axis == rank - 1. */
value op_gather_with(graph *g, value x, value indices, const gather_attributes *attributes);

/* I32 [...] -> F32 [..., depth]: 1 where equal, 0 elsewhere (also for out of range). */
typedef struct one_hot_attributes {
    int64_t depth;
} one_hot_attributes;
value op_one_hot(graph *g, value indices, int64_t depth);

typedef struct cumulative_attributes {
    bool is_product;
    uint32_t axis;
    bool reverse, exclusive;
} cumulative_attributes;
value op_cumulative(graph *g, value x, const cumulative_attributes *attributes);

/* Spatial resize of [n, h, w, c]. Half-pixel centres as tf.image.resize (v2); antialias as
 * there. */
typedef enum resize_kind {
    RESIZE_NEAREST,
    RESIZE_BILINEAR,
    RESIZE_BICUBIC,
    RESIZE_LANCZOS3,
    RESIZE_LANCZOS5
} resize_kind;
typedef struct resize_attributes {
    resize_kind kind;
    bool antialias;
    dim height, width;
} resize_attributes;
value op_resize(graph *g, value x, const resize_attributes *attributes);

/* shape-only values: I32 [length] start, start + 1 ... (positions, causal masks). No inputs. */
typedef struct iota_attributes {
    dim length, start;
} iota_attributes;
value op_iota(graph *g, dim length);
/* A length as a number: I32 scalar, a constant where the length is known. */
value op_length(graph *g, dim length);

/* Random numbers of a shape, from a counter-based generator (training, random layers). Input: the
 * stream, an I32 scalar; the numbers are then a function of seed and stream, and of nothing else.
 * Without it the stream is the number of the run, which no other run of the model has. */
typedef enum random_kind { RANDOM_UNIFORM, RANDOM_NORMAL, RANDOM_TRUNCATED_NORMAL } random_kind;
typedef struct random_attributes {
    random_kind kind;
    shape to;
    float low, high; /* UNIFORM: range; NORMAL: mean, standard deviation */
    uint64_t seed;
} random_attributes;
value op_random(graph *g, const random_attributes *attributes);
value op_random_stream(graph *g, const random_attributes *attributes, value stream);

/* -- recurrent --------------------------------------------------------------------------------- */

typedef enum rnn_kind { RNN_SIMPLE, RNN_LSTM, RNN_GRU } rnn_kind;

/* x [n, t, d]; kernel [d, G*u]; recurrent [u, G*u]; bias: SIMPLE [u], LSTM [4u], GRU [3u] or
 * reset_after [2, 3u]; gate order i,f,c,o (LSTM), z,r,h (GRU). Inputs: x, kernel, recurrent,
 * bias?, mask? BOOL [n, t], h0? [n, u], c0? [n, u], drop? [n, G*u]: what the state is multiplied
 * with, gate by gate, before its product (recurrent dropout; it has no gradient). Outputs: y
 * ([n, t, u] if return_sequences, else [n, u]), last h [n, u], last c [n, u] (LSTM; else a copy of
 * h). Masked steps hold the state; the output repeats the previous output (zeros before the first),
 * or is zero with zero_output_for_mask. go_backwards reverses time and mask; the returned sequence
 * stays reversed. */
typedef struct rnn_attributes {
    rnn_kind kind;
    int64_t units;
    unary_attributes activation, recurrent_activation;
    bool reset_after, go_backwards, return_sequences, zero_output_for_mask;
} rnn_attributes;
typedef struct rnn_operands {
    value x, kernel, recurrent, bias, mask, h0, c0, drop;
} rnn_operands;
/* Returns y; y + 1 and y + 2 are the states. */
value op_rnn(graph *g, const rnn_operands *operands, const rnn_attributes *attributes);

/* An LSTM whose products are convolutions, over a sequence: x [n, t, spatial..., 4f] are the
 * products of the input with their bias; kernel [k..., f, 4f] goes over the state with stride 1
 * and TensorFlow's SAME padding; gates i,f,c,o. Inputs: x, kernel, mask? BOOL [n, t],
 * h0? [n, spatial..., f], c0?. Outputs: y ([n, t, spatial..., f] if return_sequences, else without
 * t), last h, last c. Masks and go_backwards as rnn. */
typedef struct conv_lstm_attributes {
    uint32_t spatial; /* 1, 2 or 3 */
    unary_attributes activation, recurrent_activation;
    bool go_backwards, return_sequences, zero_output_for_mask;
} conv_lstm_attributes;
typedef struct conv_lstm_operands {
    value x, kernel, mask, h0, c0;
} conv_lstm_operands;
/* Returns y; y + 1 and y + 2 are the states. */
value op_conv_lstm(graph *g, const conv_lstm_operands *operands,
                   const conv_lstm_attributes *attributes);

/* -- loops ------------------------------------------------------------------------------------ */

/* A graph run once for each step of a sequence: what recurrent layers with cells of their own need.
 *
 *     inputs of the node   carried first values..., sequences [steps, ...]..., invariants...
 *     inputs of the body   carried now...,          elements [...]...,         invariants...
 *     outputs of the body  carried next...,         elements of the results...
 *     outputs of the node  carried last...,         results [steps, ...]...
 *
 * Carried values keep their shape. The body is a graph of its own without weights and variables:
 * what it reads from outside are invariants. Its symbols are told by the shapes of its inputs; axes
 * that always have one length should share one symbol (rows are then followed through the loop).
 * With 0 steps the carried values are those given, the results are empty. go_backwards: the last
 * step first, and results in the order of the elements. If has_index, the body's last input is an
 * I32 scalar, the number of the step, and no input of the node. No gradient. */
#define SCAN_DEPTH_MAX   4 /* loops in loops */
#define SCAN_SYMBOLS_MAX 64
typedef struct scan_attributes {
    const graph *body;
    uint32_t carried, sequences, results;
    dim steps; /* checked against the sequences */
    bool go_backwards, has_index;
} scan_attributes;
/* Returns the first output; the others follow. carried + results is 1 .. OP_OUTPUTS_MAX. */
value op_scan(graph *g, const value *inputs, uint32_t input_count,
              const scan_attributes *attributes);
/* Values of the body's symbols, SCAN_SYMBOLS_MAX at most, for evaluated lengths of the graph. */
void op_scan_symbols(const graph *g, const node *n, const int64_t *dim_values, int64_t *symbols);

/* -- sequences of labels -------------------------------------------------------------------- */

/* Connectionist temporal classification. logits F32 [n, t, classes], class 0 the blank; labels I32
 * [n, l], of which those that are not 0 count. Outputs: the losses [n], and their gradients with
 * respect to the logits [n, t, classes]. A label that is no class: NaN. Returns the first. */
value op_ctc(graph *g, value logits, value labels);

/* -- gradients --------------------------------------------------------------------------------- */

/* What the gradient rules emit when other ops cannot say it well. They have no gradient of their
 * own. `to` is the shape of the result where the operands do not tell it. */

/* x itself, through which no gradient passes. Any dtype. */
value op_stop(graph *g, value x);

/* dy * f'(x). Kinds for which op_unary_gradient_by_result() take y = f(x) instead of x, so that x
 * need not be kept. Attributes: unary_attributes. */
bool op_unary_gradient_by_result(const unary_attributes *attributes);
value op_unary_gradient(graph *g, const unary_attributes *attributes, value x_or_y, value dy);

/* Of conv. Inputs dy, kernel -> shape of x; x, dy -> shape of the kernel. The epilogue is unused.
 */
typedef struct conv_gradient_attributes {
    conv_attributes conv;
    shape to;
} conv_gradient_attributes;
value op_conv_gradient_input(graph *g, value dy, value kernel, const conv_attributes *conv,
                             const shape *to);
value op_conv_gradient_kernel(graph *g, value x, value dy, const conv_attributes *conv,
                              const shape *to);

/* Of pool. Inputs dy, x (MAX only, else VALUE_NONE). The first of equal maxima of a window gets
 * all; is_shared: each of them does, as in TensorFlow's three-dimensional pool. */
typedef struct pool_gradient_attributes {
    pool_attributes pool;
    bool is_shared;
    shape to;
} pool_gradient_attributes;
value op_pool_gradient(graph *g, value dy, value x, const pool_gradient_attributes *attributes);

/* Of normalize. Inputs x, dy, scale?. Outputs: gradients of x, scale, offset. Attributes:
 * normalize_attributes. Returns the first; + 1 and + 2 are the others. */
value op_normalize_gradient(graph *g, value x, value dy, value scale,
                            const normalize_attributes *attributes);

/* Of slice: zeros of shape `to` with the elements of dy where the slice took them. F32. */
typedef struct slice_gradient_attributes {
    slice_attributes slice;
    shape to;
} slice_gradient_attributes;
value op_slice_gradient(graph *g, value dy, const slice_attributes *slice, const shape *to);

/* Of gather: zeros of shape `to`, to which each element of dy is added where gather with the same
 * indices took it. Inputs dy F32, indices. */
typedef struct scatter_add_attributes {
    gather_attributes gather;
    shape to;
} scatter_add_attributes;
value op_scatter_add(graph *g, value dy, value indices, const gather_attributes *gather,
                     const shape *to);

/* Of resize. Input dy. */
typedef struct resize_gradient_attributes {
    resize_attributes resize;
    shape to;
} resize_gradient_attributes;
value op_resize_gradient(graph *g, value dy, const resize_attributes *resize, const shape *to);

/* Of rnn, the part that goes step by step; the rest are matrix products of its outputs. Inputs:
 * those of rnn, then the gradients of its three outputs, each optional. Runs the cells again.
 * Outputs, in the order of time of x:
 *     0  [n, t, G*u]  gradient of x . kernel + bias
 *     1  [n, t, u]    h before each step
 *     2  [n, u]       gradient of h0
 *     3  LSTM [n, u]  gradient of c0
 *        GRU [n, t, u]  reset_after: gradient of the candidate's part of h . recurrent + bias[1];
 *                       else reset * h, which the candidate's recurrent product took
 *        SIMPLE [n, u]  zeros
 * Attributes: rnn_attributes. Returns the first. */
value op_rnn_gradient(graph *g, const rnn_operands *operands, const value *output_gradients,
                      const rnn_attributes *attributes);

/* Of conv_lstm, likewise: inputs of conv_lstm, then three gradients. Outputs: gradient of x; h
 * before each step [n, t, spatial..., f]; gradients of h0 and c0. Returns the first. */
value op_conv_lstm_gradient(graph *g, const conv_lstm_operands *operands,
                            const value *output_gradients, const conv_lstm_attributes *attributes);

/* -- fused elementwise work ------------------------------------------------------------------- */

/* A small program that makes each element of up to OP_OUTPUTS_MAX results from the elements in the
 * same place of its inputs; pass fuse_elementwise makes these nodes. A register is an input
 * (0 .. inputs - 1) or the result of a step (inputs ...); bools are 1 and 0 inside. Inputs are F32
 * or BOOL and either of the results' shape, or of its last axes, then the same for all others. */
#define FUSED_INPUTS_MAX 24
#define FUSED_STEPS_MAX  40
#define FUSED_RESULTS_MAX 4

typedef enum fused_kind {
    FUSED_UNARY,   /* function: unary_kind */
    FUSED_SLOPE,   /* unary_gradient: a is x or y, b is dy */
    FUSED_BINARY,  /* binary_kind */
    FUSED_COMPARE, /* compare_kind */
    FUSED_SELECT   /* a ? b : c */
} fused_kind;

typedef struct fused_step {
    fused_kind kind;
    uint32_t function;
    uint32_t a, b, c; /* registers made before this step; unused ones 0 */
    float alpha, beta, gamma;
} fused_step;

typedef struct fused_result {
    uint32_t source;      /* a step's register */
    ebb_dtype dtype;      /* F32 or BOOL */
    uint32_t summed_axes; /* not 0: F32, summed over so many leading axes, the same in all results
                             that are summed; the result has the others */
    bool is_mean;         /* the sum is divided by how many there were */
} fused_result;

typedef struct fused_attributes {
    uint32_t step_count, result_count;
    fused_step steps[FUSED_STEPS_MAX];
    fused_result results[FUSED_RESULTS_MAX]; /* outputs beyond the count are F32 of shape (0,) */
} fused_attributes;
/* Returns the first result; the others follow. */
value op_fused(graph *g, const value *inputs, uint32_t input_count,
               const fused_attributes *attributes);
/* May a value of shape `s` be an input where the results have shape `to`? */
bool op_fused_takes(const shape *s, const shape *to);

/* -- packed weights ---------------------------------------------------------------------------- */

/* Of a weight with value_info.packing. Never computed ahead: what comes out is larger than what
 * goes in. Nothing but these reads such a weight; they have no gradients. */

/* The weight as F32. */
value op_unpack(graph *g, value weight);

/* a [..., m, k] x weight, seen as [k, n] (its layout's rows and columns) -> [..., m, n]. Inputs: a,
 * weight, bias [n], residual (shape of y), scale [n], as matmul. */
typedef struct packed_matmul_attributes {
    epilogue epilogue;
} packed_matmul_attributes;
/* `inputs` has the five places of matmul. */
value op_packed_matmul(graph *g, const value *inputs, const epilogue *e);

/* Rows of a weight [length, ...] by indices I32, as gather along axis 0. */
typedef struct packed_gather_attributes {
    bool wrap;
} packed_gather_attributes;
value op_packed_gather(graph *g, value weight, value indices, bool wrap);

/* -- helpers on top of ops --------------------------------------------------------------------- */

/* Broadcast shape of two shapes into *result; false (and graph_fail) if they cannot match. */
bool shape_broadcast(graph *g, const shape *a, const shape *b, shape *result);
bool shape_equal(const shape *a, const shape *b);
dim shape_count(graph *g, const shape *s); /* product of dims, an expression */
/* "(batch, 28, 1)" into text. Returns text. */
char *shape_text(const graph *g, const shape *s, char *text, uint32_t capacity);
/* Elements for evaluated lengths; UINT64_MAX when they do not fit. */
uint64_t shape_count_at(const shape *s, const int64_t *dim_values);

#endif
