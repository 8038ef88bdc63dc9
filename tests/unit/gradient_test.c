/* gradient_test.c -- the gradient rule of every op against central differences, over the whole op
 * list and every attribute.
 *
 * Each round builds one small graph (tests/gradient_case.h). The last test walks op/list.inc: an op
 * without a rule must be named here, and an op with a rule must have been differentiated. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gradient_case.h"
#include "harness.h"
#include "row_run.h"

#define DIMS(...)                                                                                  \
    (const int64_t[])                                                                              \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static bool seen[OP_COUNT];
static uint64_t seed = 11;

static gradient_case begin(test *t)
{
    return gradient_case_open(test_round_home(t), &seed);
}

static void finish(gradient_case *c, const char *name)
{
    region *const home = c->g->home;

    for (uint32_t i = 0; i < c->g->node_count; i++) seen[c->g->nodes[i].op] = true;
    gradient_case_check(c, name);
    region_close(home);
}

static void finish_with(gradient_case *c, value y, const char *name)
{
    gradient_case_output(c, y);
    finish(c, name);
}

/* -- elementwise ------------------------------------------------------------------------------ */

/* Where a function is defined and far from its kinks; the default is -2 to 2. */
static void domain_of(unary_kind kind, double *low, double *high)
{
    static const struct {
        unary_kind kind;
        double low, high;
    } domains[] = {{UNARY_SQRT, 0.3, 3},     {UNARY_RSQRT, 0.3, 3},    {UNARY_RECIPROCAL, 0.4, 2},
                   {UNARY_LOG, 0.3, 3},      {UNARY_LOG1P, -0.7, 3},   {UNARY_TAN, -1.2, 1.2},
                   {UNARY_ASIN, -0.9, 0.9},  {UNARY_ACOS, -0.9, 0.9},  {UNARY_ACOSH, 1.2, 3},
                   {UNARY_ATANH, -0.9, 0.9}, {UNARY_POWER, 0.3, 2},    {UNARY_HARD_SIGMOID, -4, 4},
                   {UNARY_HARD_SILU, -4, 4}, {UNARY_GELU, -4, 4},      {UNARY_GELU_TANH, -4, 4},
                   {UNARY_MISH, -4, 4},      {UNARY_SILU, -4, 4},      {UNARY_ELU, -4, 4},
                   {UNARY_SOFTPLUS, -6, 6},  {UNARY_SQUAREPLUS, -4, 4}};

    *low = -2;
    *high = 2;
    for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++) {
        if (domains[i].kind != kind) continue;
        *low = domains[i].low;
        *high = domains[i].high;
    }
}

static bool is_stepwise(unary_kind kind)
{
    return kind == UNARY_FLOOR || kind == UNARY_CEIL || kind == UNARY_ROUND || kind == UNARY_TRUNC;
}

TEST(unary_functions)
{
    for (unary_kind kind = 0; kind < UNARY_LOGICAL_NOT; kind++) {
        gradient_case c = begin(t);
        double low, high;

        if (is_stepwise(kind)) continue;
        domain_of(kind, &low, &high);
        const value x = gradient_case_input(&c, 2, DIMS(3, 8), low, high);
        finish_with(&c, op_unary(c.g, kind, x), unary_name(kind));
    }
}

TEST(unary_functions_with_parameters)
{
    static const unary_attributes variants[] = {{UNARY_RELU, 0.25f, 0, INFINITY},
                                                {UNARY_RELU, -0.5f, 0, INFINITY},
                                                {UNARY_RELU, 0, 0, 6},
                                                {UNARY_RELU, 0, 0, 1},
                                                {UNARY_RELU, 0.25f, 0.5f, 1.5f},
                                                {UNARY_RELU, 0, -0.5f, INFINITY},
                                                {UNARY_ELU, 0.5f, 0, 0},
                                                {UNARY_ELU, -0.5f, 0, 0},
                                                {UNARY_CELU, 2, 0, 0},
                                                {UNARY_HARD_SIGMOID, 0.5f, 0.5f, 0},
                                                {UNARY_HARD_SHRINK, 1, 0, 0},
                                                {UNARY_SOFT_SHRINK, 0.25f, 0, 0},
                                                {UNARY_SQUAREPLUS, 1, 0, 0},
                                                {UNARY_THRESHOLD, 0.5f, 0.5f, 0},
                                                {UNARY_CLIP, -1, 0.5f, 0},
                                                {UNARY_AFFINE, -3, 2, 0},
                                                {UNARY_POWER, 2, 0, 0},
                                                {UNARY_POWER, 3, 0, 0}};

    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        gradient_case c = begin(t);
        const bool is_wide = variants[i].gamma == 6;
        const value x = gradient_case_input(&c, 2, DIMS(3, 8), is_wide ? -8 : -2, is_wide ? 8 : 2);
        finish_with(&c, op_unary_with(c.g, variants[i], x), unary_name(variants[i].kind));
    }
}

TEST(binary_functions)
{
    static const struct {
        double low[2], high[2];
    } domains[BINARY_COUNT] = {[BINARY_DIV] = {{-1, 0.5}, {1, 2}},
                               [BINARY_MOD] = {{3.1, 1.15}, {3.3, 1.5}},
                               [BINARY_POW] = {{0.3, -2}, {2, 2}},
                               [BINARY_ATAN2] = {{0.3, -2}, {2, 2}}};
    static const struct {
        uint32_t rank[2];
        int64_t dims[2][3];
    } shapes[] = {{{2, 2}, {{2, 3}, {2, 3}}}, {{2, 1}, {{2, 3}, {3}}},
                  {{2, 2}, {{2, 1}, {1, 3}}}, {{0, 2}, {{0}, {2, 3}}},
                  {{3, 0}, {{1, 2, 3}, {0}}}, {{3, 3}, {{2, 1, 3}, {1, 4, 1}}},
                  {{1, 3}, {{1}, {2, 1, 2}}}};

    for (binary_kind kind = 0; kind < BINARY_COUNT; kind++) {
        const bool is_plain = domains[kind].high[0] == 0;

        if (kind == BINARY_FLOOR_DIV || (kind >= BINARY_AND && kind <= BINARY_XOR)) continue;
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
            gradient_case c = begin(t);
            value x[2];

            for (uint32_t k = 0; k < 2; k++) { /* apart, so that maxima have no ties */
                const double shift = is_plain && k == 1 ? 0.07 : 0;
                x[k] = gradient_case_input(&c, shapes[i].rank[k], shapes[i].dims[k],
                                           is_plain ? -1.5 + shift : domains[kind].low[k],
                                           is_plain ? 1.5 + shift : domains[kind].high[k]);
            }
            finish_with(&c, op_binary(c.g, kind, x[0], x[1]), binary_name(kind));
        }
    }
}

TEST(one_value_on_both_sides)
{
    gradient_case c = begin(t);
    const value x = gradient_case_input(&c, 1, DIMS(5), 0.5, 2);

    gradient_case_output(&c, op_mul(c.g, x, x));
    gradient_case_output(&c, op_div(c.g, op_add(c.g, x, x), op_unary(c.g, UNARY_EXP, x)));
    finish(&c, "x * x");
}

TEST(selections)
{
    static const uint32_t ranks[][3] = {{2, 2, 2}, {1, 2, 2}, {2, 0, 2}, {2, 2, 1}, {2, 2, 0}};
    static const int64_t dims[][3][2] = {{{2, 3}, {2, 3}, {2, 3}},
                                         {{3}, {2, 3}, {2, 1}},
                                         {{2, 3}, {0}, {2, 3}},
                                         {{2, 1}, {2, 3}, {3}},
                                         {{1, 3}, {2, 1}, {0}}};

    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        gradient_case c = begin(t);
        const case_tensor condition =
            case_tensor_random(c.g->home, EBB_BOOL, ranks[i][0], dims[i][0], &seed);
        const value which = gradient_case_given(&c, &condition);
        const value a = gradient_case_input(&c, ranks[i][1], dims[i][1], -1, 1);
        const value b = gradient_case_input(&c, ranks[i][2], dims[i][2], -1, 1);
        finish_with(&c, op_select(c.g, which, a, b), "select");
    }
}

/* -- contractions ----------------------------------------------------------------------------- */

TEST(matrix_products)
{
    static const uint32_t ranks[][2] = {{2, 2}, {3, 2}, {3, 3}, {2, 3}, {4, 3}, {4, 2}};

    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        for (uint32_t turned = 0; turned < 4; turned++) {
            const int64_t a[2][2] = {{2, 4}, {4, 2}}, b[2][2] = {{4, 3}, {3, 4}};
            int64_t dims[2][4] = {{2, 1, 0, 0}, {3, 0, 0, 0}};
            gradient_case c = begin(t);
            value x[2];

            if (ranks[i][0] == 3) dims[0][0] = ranks[i][1] == 3 ? 1 : 3;
            memcpy(dims[0] + ranks[i][0] - 2, a[turned & 1], sizeof a[0]);
            memcpy(dims[1] + ranks[i][1] - 2, b[turned >> 1], sizeof b[0]);
            for (uint32_t k = 0; k < 2; k++)
                x[k] = gradient_case_input(&c, ranks[i][k], dims[k], -1, 1);
            finish_with(&c, op_matmul(c.g, x[0], x[1], turned & 1, turned >> 1), "matmul");
        }
    }
}

typedef struct conv_case {
    const char *name;
    int64_t x[5], kernel[5];
    conv_attributes a;
} conv_case;

static const conv_case conv_cases[] = {
    {"1D valid",
     {2, 5, 2},
     {3, 2, 2},
     {.spatial = 1, .strides = {1}, .dilations = {1}, .groups = 1}},
    {"1D same, stride",
     {2, 6, 2},
     {3, 2, 3},
     {.spatial = 1, .strides = {2}, .dilations = {1}, .same = true, .groups = 1}},
    {"1D causal, dilated",
     {1, 6, 2},
     {2, 2, 2},
     {.spatial = 1, .strides = {1}, .dilations = {2}, .pad_before = {2}, .groups = 1}},
    {"2D same",
     {1, 4, 5, 2},
     {3, 2, 2, 2},
     {.spatial = 2, .strides = {1, 1}, .dilations = {1, 1}, .same = true, .groups = 1}},
    {"2D strides that leave a rest",
     {2, 6, 5, 1},
     {2, 3, 1, 2},
     {.spatial = 2, .strides = {3, 2}, .dilations = {1, 1}, .groups = 1}},
    {"2D padded by hand",
     {1, 3, 4, 2},
     {2, 3, 2, 2},
     {.spatial = 2,
      .strides = {2, 1},
      .dilations = {1, 2},
      .pad_before = {1, 3},
      .pad_after = {2, 1},
      .groups = 1}},
    {"2D of one cell",
     {2, 3, 3, 3},
     {1, 1, 3, 2},
     {.spatial = 2, .strides = {1, 1}, .dilations = {1, 1}, .groups = 1}},
    {"2D of one cell, stride",
     {1, 4, 5, 3},
     {1, 1, 3, 2},
     {.spatial = 2, .strides = {2, 2}, .dilations = {1, 1}, .same = true, .groups = 1}},
    {"2D groups",
     {1, 4, 4, 4},
     {3, 3, 2, 6},
     {.spatial = 2, .strides = {1, 2}, .dilations = {1, 1}, .same = true, .groups = 2}},
    {"2D depthwise",
     {1, 4, 4, 3},
     {3, 3, 1, 3},
     {.spatial = 2, .strides = {1, 1}, .dilations = {1, 1}, .same = true, .groups = 3}},
    {"2D depthwise, multiplier, stride",
     {2, 5, 4, 2},
     {2, 3, 1, 4},
     {.spatial = 2, .strides = {2, 2}, .dilations = {1, 1}, .same = true, .groups = 2}},
    {"2D larger than the image",
     {1, 2, 2, 1},
     {5, 3, 1, 2},
     {.spatial = 2, .strides = {1, 1}, .dilations = {1, 1}, .same = true, .groups = 1}},
    {"3D same",
     {1, 3, 2, 3, 2},
     {2, 2, 3, 2, 2},
     {.spatial = 3, .strides = {1, 2, 1}, .dilations = {1, 1, 1}, .same = true, .groups = 1}},
    {"3D dilated",
     {1, 3, 4, 3, 1},
     {2, 2, 1, 1, 2},
     {.spatial = 3, .strides = {1, 1, 2}, .dilations = {2, 1, 1}, .groups = 1}}};

TEST(convolutions)
{
    for (size_t i = 0; i < sizeof conv_cases / sizeof conv_cases[0]; i++) {
        const conv_case *const k = &conv_cases[i];
        gradient_case c = begin(t);
        const value x = gradient_case_input(&c, k->a.spatial + 2, k->x, -1, 1);
        const value kernel = gradient_case_input(&c, k->a.spatial + 2, k->kernel, -1, 1);

        finish_with(&c, op_conv(c.g, x, kernel, &k->a), k->name);
    }
}

TEST(transposed_convolutions)
{
    static const struct {
        int64_t x[5], kernel[5];
        conv_transpose_attributes a;
    } cases[] = {{{2, 3, 2}, {3, 2, 2}, {.spatial = 1, .strides = {2}, .dilations = {1}}},
                 {{1, 4, 2},
                  {3, 1, 2},
                  {.spatial = 1,
                   .strides = {2},
                   .dilations = {1},
                   .pad_before = {1},
                   .pad_after = {1},
                   .output_padding = {1}}},
                 {{1, 2, 3, 2},
                  {3, 2, 2, 2},
                  {.spatial = 2,
                   .strides = {2, 1},
                   .dilations = {1, 2},
                   .pad_before = {1, 0},
                   .pad_after = {0, 1}}},
                 {{1, 2, 2, 1},
                  {2, 2, 2, 1},
                  {.spatial = 2, .strides = {1, 2}, .dilations = {1, 1}, .output_padding = {2, 3}}},
                 {{1, 2, 2, 2, 1},
                  {2, 1, 2, 2, 1},
                  {.spatial = 3, .strides = {2, 2, 1}, .dilations = {1, 1, 1}}}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gradient_case c = begin(t);
        const value x = gradient_case_input(&c, cases[i].a.spatial + 2, cases[i].x, -1, 1);
        const value kernel =
            gradient_case_input(&c, cases[i].a.spatial + 2, cases[i].kernel, -1, 1);

        finish_with(&c, op_conv_transpose(c.g, x, kernel, &cases[i].a), "conv_transpose");
    }
}

/* -- reductions ------------------------------------------------------------------------------- */

TEST(pools)
{
    static const struct {
        int64_t x[5];
        pool_attributes a;
    } cases[] = {{{2, 6, 2}, {.spatial = 1, .window = {2}, .strides = {2}}},
                 {{1, 5, 2}, {.spatial = 1, .window = {3}, .strides = {1}, .same = true}},
                 {{2, 4, 5, 3}, {.spatial = 2, .window = {2, 2}, .strides = {2, 2}}},
                 {{1, 4, 5, 2}, {.spatial = 2, .window = {3, 2}, .strides = {1, 2}, .same = true}},
                 {{1, 5, 5, 33}, {.spatial = 2, .window = {1, 3}, .strides = {3, 3}, .same = true}},
                 {{1, 3, 4, 2, 2}, {.spatial = 3, .window = {2, 2, 2}, .strides = {1, 2, 1}}}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (pool_kind kind = POOL_MAX; kind <= POOL_AVERAGE; kind++) {
            gradient_case c = begin(t);
            pool_attributes a = cases[i].a;
            const double wide = i == 4 ? 30 : 2; /* elements lie further apart than the step */
            const value x = gradient_case_input(&c, a.spatial + 2, cases[i].x, -wide, wide);

            a.kind = kind;
            finish_with(&c, op_pool(c.g, x, &a), "pool");
        }
    }
}

TEST(reductions)
{
    static const uint32_t axes[] = {0, 1, 2, 4, 5, 6, 7};

    for (reduce_kind kind = REDUCE_SUM; kind <= REDUCE_LOG_SUM_EXP; kind++) {
        if (kind == REDUCE_ANY || kind == REDUCE_ALL) continue;
        for (size_t i = 0; i < sizeof axes / sizeof axes[0]; i++) {
            gradient_case c = begin(t);
            const value x = gradient_case_input(&c, 3, DIMS(2, 3, 2), -1, 1.3);

            finish_with(&c, op_reduce(c.g, kind, x, axes[i], i % 2 == 0), "reduce");
        }
    }
}

TEST(products_with_a_zero)
{
    gradient_case c = begin(t);
    case_tensor x = case_tensor_random(c.g->home, EBB_F32, 2, DIMS(3, 4), &seed);

    ((float *)x.data)[1] = ((float *)x.data)[4] = ((float *)x.data)[6] = 0;
    finish_with(&c, op_reduce(c.g, REDUCE_PROD, gradient_case_given(&c, &x), 2, false), "prod");
}

TEST(softmax_and_running_sums)
{
    for (uint32_t axes = 1; axes < 8; axes++) {
        for (uint32_t log = 0; log < 2; log++) {
            gradient_case c = begin(t);
            const value x = gradient_case_input(&c, 3, DIMS(2, 3, 2), -2, 2);
            finish_with(&c, op_softmax(c.g, x, axes, log == 1), "softmax");
        }
    }
    for (uint32_t bits = 0; bits < 8; bits++) {
        for (uint32_t axis = 0; axis < 2; axis++) {
            const cumulative_attributes a = {.is_product = bits & 1,
                                             .reverse = (bits & 2) != 0,
                                             .exclusive = (bits & 4) != 0,
                                             .axis = axis};
            gradient_case c = begin(t);
            const value x = gradient_case_input(&c, 2, DIMS(3, 4), 0.3, 1.7);
            finish_with(&c, op_cumulative(c.g, x, &a), "cumulative");
        }
    }
}

TEST(normalisations)
{
    for (uint32_t bits = 0; bits < 16; bits++) {
        const bool is_rms = (bits & 8) != 0;
        const normalize_attributes a = {
            .axis_count = 1 + (bits & 1), .epsilon = 1e-3f, .is_rms = is_rms};
        gradient_case c = begin(t);
        const value x = gradient_case_input(&c, 3, DIMS(3, 2, 4), -2, 2);
        const int64_t *const last = DIMS(2, 4) + (a.axis_count == 1);
        const value scale =
            (bits & 2) != 0 ? gradient_case_input(&c, a.axis_count, last, 0.5, 2) : VALUE_NONE;
        const value offset = (bits & 4) != 0 && !is_rms
                                 ? gradient_case_input(&c, a.axis_count, last, -1, 1)
                                 : VALUE_NONE;
        finish_with(&c, op_normalize(c.g, x, scale, offset, &a), "normalize");
    }
}

/* -- layout ----------------------------------------------------------------------------------- */

TEST(moves)
{
    static const uint32_t order[] = {2, 0, 1};
    gradient_case c = begin(t);
    const value x = gradient_case_input(&c, 3, DIMS(2, 3, 2), -1, 1);
    const value y = gradient_case_input(&c, 3, DIMS(2, 1, 2), -1, 1);

    gradient_case_output(&c, op_transpose(c.g, op_unary(c.g, UNARY_EXP, x), order));
    gradient_case_output(&c, op_concat(c.g, (const value[]){x, y, x}, 3, 1));
    gradient_case_output(&c, op_broadcast(c.g, y, &(shape){4, {3, 2, 5, 2}}));
    gradient_case_output(
        &c, op_unary(c.g, UNARY_TANH, op_reshape(c.g, x, &(shape){.rank = 2, .dims = {4, 3}})));
    finish(&c, "moves");
}

TEST(slices)
{
    static const slice_attributes cases[] = {{{0, 1}, {2, 3}, {1, 1}},  {{1, 4}, {1, 3}, {1, -2}},
                                             {{3, 0}, {4, 2}, {-1, 3}}, {{0, 1}, {2, 2}, {2, 2}},
                                             {{1, 2}, {0, 3}, {1, 1}},  {{3, 4}, {2, 5}, {-3, -1}}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gradient_case c = begin(t);
        const value x = gradient_case_input(&c, 2, DIMS(4, 5), -1, 1);
        finish_with(&c, op_slice(c.g, x, &cases[i]), "slice");
    }
}

TEST(pads)
{
    static const pad_attributes cases[] = {{.before = {1, 2}, .after = {0, 1}},
                                           {.before = {2, 1}, .after = {1, 2}},
                                           {.before = {0, 3}, .after = {0, 0}},
                                           {.before = {0, 2}, .after = {2, 3}}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (pad_kind kind = PAD_CONSTANT; kind <= PAD_SYMMETRIC; kind++) {
            gradient_case c = begin(t);
            pad_attributes a = cases[i];
            const value x = gradient_case_input(&c, 2, DIMS(3, 4), -1, 1);

            a.kind = kind;
            a.number = kind == PAD_CONSTANT ? 0.5f : 0;
            finish_with(&c, op_pad(c.g, x, &a), "pad");
        }
    }
}

TEST(gathers)
{
    static const int32_t indices[] = {2, 0, 2, 1, -1, 5, 0, 2};
    static const struct {
        gather_attributes a;
        uint32_t rank;
        int64_t dims[3];
    } cases[] = {{{.axis = 0}, 1, {4}},
                 {{.axis = 1}, 2, {2, 3}},
                 {{.axis = 1, .wrap = true}, 1, {8}},
                 {{.axis = 2}, 0, {0}},
                 {{.axis = 1, .batch_dims = 1}, 2, {3, 2}},
                 {{.axis = 2, .batch_dims = 2}, 3, {3, 1, 2}},
                 {{.axis = 0, .wrap = true}, 2, {2, 4}}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gradient_case c = begin(t);
        const int64_t middle = cases[i].a.batch_dims == 2 ? 1 : 3;
        case_tensor picks = case_tensor_make(c.g->home, EBB_I32, cases[i].rank, cases[i].dims);
        const value x = gradient_case_input(&c, 3, DIMS(3, middle, 3), -1, 1);

        memcpy(picks.data, indices, (size_t)tensor_desc_bytes(&picks.desc));
        finish_with(&c, op_gather_with(c.g, x, gradient_case_given(&c, &picks), &cases[i].a),
                    "gather");
    }
}

TEST(resizes)
{
    static const dim sizes[][2] = {{7, 5}, {2, 3}, {4, 9}, {1, 1}};

    for (resize_kind kind = RESIZE_NEAREST; kind <= RESIZE_LANCZOS5; kind++) {
        for (uint32_t i = 0; i < 8; i++) {
            const resize_attributes a = {.kind = kind,
                                         .antialias = i % 2,
                                         .height = sizes[i / 2][0],
                                         .width = sizes[i / 2][1]};
            gradient_case c = begin(t);
            const value x = gradient_case_input(&c, 4, DIMS(2, 4, 5, 1), -1, 1);
            finish_with(&c, op_resize(c.g, x, &a), "resize");
        }
    }
}

/* -- recurrent -------------------------------------------------------------------------------- */

enum {
    WITH_BIAS = 1,
    WITH_MASK = 2,
    WITH_STATES = 4,
    BACKWARDS = 8,
    SEQUENCES = 16,
    ZEROED = 32,
    DROPS = 64
};

static void check_rnn(test *t, rnn_attributes a, uint32_t bits)
{
    const int64_t u = 2, n = 2, steps = 4, d = 3;
    const int64_t gates = a.kind == RNN_SIMPLE ? u : a.kind == RNN_LSTM ? 4 * u : 3 * u;
    const bool has_rows = a.kind == RNN_GRU && a.reset_after;
    gradient_case c = begin(t);
    rnn_operands o = {.x = gradient_case_input(&c, 3, DIMS(n, steps, d), -1, 1),
                      .kernel = gradient_case_input(&c, 2, DIMS(d, gates), -1, 1),
                      .recurrent = gradient_case_input(&c, 2, DIMS(u, gates), -1, 1)};
    case_tensor mask = case_tensor_make(c.g->home, EBB_BOOL, 2, DIMS(n, steps));

    memcpy(mask.data, (const uint8_t[]){0, 1, 0, 1, 1, 1, 0, 0}, 8);
    a.units = u;
    a.go_backwards = (bits & BACKWARDS) != 0;
    a.return_sequences = (bits & SEQUENCES) != 0;
    a.zero_output_for_mask = (bits & ZEROED) != 0;
    if ((bits & WITH_BIAS) != 0)
        o.bias = has_rows ? gradient_case_input(&c, 2, DIMS(2, gates), -1, 1)
                          : gradient_case_input(&c, 1, DIMS(gates), -1, 1);
    if ((bits & WITH_MASK) != 0) o.mask = gradient_case_given(&c, &mask);
    if ((bits & WITH_STATES) != 0) o.h0 = gradient_case_input(&c, 2, DIMS(n, u), -1, 1);
    if ((bits & WITH_STATES) != 0 && a.kind == RNN_LSTM)
        o.c0 = gradient_case_input(&c, 2, DIMS(n, u), -1, 1);
    case_tensor drop = case_tensor_make(c.g->home, EBB_F32, 2, DIMS(n, gates));
    for (int64_t i = 0; i < n * gates; i++)
        ((float *)drop.data)[i] = i % 3 == 1 ? 0.0f : 1.0f - 0.1f * (float)(i % 4);
    if ((bits & DROPS) != 0) {
        const shape s = {.rank = 2, .dims = {n, gates}};
        o.drop = graph_constant(c.g, EBB_F32, &s, drop.data);
    }
    const value y = op_rnn(c.g, &o, &a);
    gradient_case_output(&c, y);
    if (bits % 3 != 0) gradient_case_output(&c, y + 1);
    if (bits % 3 == 1) gradient_case_output(&c, y + 2);
    finish(&c, "rnn");
}

TEST(recurrent_cells)
{
    static const unary_attributes tanh = {.kind = UNARY_TANH}, sigmoid = {.kind = UNARY_SIGMOID},
                                  silu = {.kind = UNARY_SILU}, softplus = {.kind = UNARY_SOFTPLUS};
    static const rnn_attributes cells[] = {{.kind = RNN_SIMPLE},
                                           {.kind = RNN_LSTM},
                                           {.kind = RNN_GRU},
                                           {.kind = RNN_GRU, .reset_after = true}};

    for (uint32_t cell = 0; cell < 4; cell++) {
        for (uint32_t bits = 0; bits < 64; bits++) {
            rnn_attributes a = cells[cell];

            if ((bits & ZEROED) != 0 && (bits & WITH_MASK) == 0) continue;
            a.activation = bits % 5 == 4 ? silu : tanh;
            a.recurrent_activation = bits % 5 == 4 ? softplus : sigmoid;
            check_rnn(t, a, bits);
        }
    }
    for (uint32_t cell = 0; cell < 4; cell++) {
        for (uint32_t bits = 0; bits < 64; bits++) {
            rnn_attributes a = cells[cell];

            if ((bits & ZEROED) != 0 && (bits & WITH_MASK) == 0) continue;
            a.activation = tanh;
            a.recurrent_activation = sigmoid;
            check_rnn(t, a, bits | DROPS);
        }
    }
}

static void check_conv_lstm(test *t, uint32_t spatial, uint32_t bits)
{
    const int64_t x[3][6] = {{2, 3, 4, 8}, {2, 3, 3, 2, 8}, {1, 2, 2, 2, 3, 4}};
    const int64_t kernel[3][5] = {{3, 2, 8}, {2, 3, 2, 8}, {1, 2, 2, 1, 4}};
    const int64_t f = kernel[spatial - 1][spatial];
    int64_t state[5] = {x[spatial - 1][0]};
    gradient_case c = begin(t);
    conv_lstm_operands o = {.x = gradient_case_input(&c, spatial + 3, x[spatial - 1], -1, 1),
                            .kernel =
                                gradient_case_input(&c, spatial + 2, kernel[spatial - 1], -1, 1)};
    const conv_lstm_attributes a = {.spatial = spatial,
                                    .activation = {.kind = UNARY_TANH},
                                    .recurrent_activation = {.kind = UNARY_SIGMOID},
                                    .go_backwards = (bits & BACKWARDS) != 0,
                                    .return_sequences = (bits & SEQUENCES) != 0,
                                    .zero_output_for_mask = (bits & ZEROED) != 0};
    case_tensor mask = case_tensor_make(c.g->home, EBB_BOOL, 2, x[spatial - 1]);

    memcpy(mask.data, (const uint8_t[]){0, 1, 0, 1, 1, 0}, (size_t)tensor_desc_bytes(&mask.desc));
    for (uint32_t i = 1; i <= spatial; i++) state[i] = x[spatial - 1][i + 1];
    state[spatial + 1] = f;
    if ((bits & WITH_MASK) != 0) o.mask = gradient_case_given(&c, &mask);
    if ((bits & WITH_STATES) != 0) o.h0 = gradient_case_input(&c, spatial + 2, state, -1, 1);
    if ((bits & WITH_STATES) != 0) o.c0 = gradient_case_input(&c, spatial + 2, state, -1, 1);
    const value y = op_conv_lstm(c.g, &o, &a);
    gradient_case_output(&c, y);
    if ((bits & WITH_STATES) != 0) gradient_case_output(&c, y + 1);
    if ((bits & WITH_STATES) != 0) gradient_case_output(&c, y + 2);
    finish(&c, "conv_lstm");
}

TEST(convolutional_cells)
{
    for (uint32_t spatial = 1; spatial <= 3; spatial++) {
        check_conv_lstm(t, spatial, 0);
        check_conv_lstm(t, spatial, WITH_STATES | SEQUENCES);
        check_conv_lstm(t, spatial, WITH_MASK | SEQUENCES);
        check_conv_lstm(t, spatial, WITH_MASK | WITH_STATES | BACKWARDS);
        check_conv_lstm(t, spatial, WITH_MASK | SEQUENCES | BACKWARDS | ZEROED);
    }
}

TEST(label_sequences)
{
    gradient_case c = begin(t);
    case_tensor labels = case_tensor_make(c.g->home, EBB_I32, 2, DIMS(3, 3));

    memcpy(labels.data, (const int32_t[]){1, 1, 2, 3, 2, 0, 0, 0, 0}, 9 * sizeof(int32_t));
    const value x = gradient_case_input(&c, 3, DIMS(3, 6, 4), -2, 2);
    finish_with(&c, op_ctc(c.g, x, gradient_case_given(&c, &labels)), "ctc");
}

/* -- the list --------------------------------------------------------------------------------- */

TEST(every_op_has_a_gradient_or_a_reason)
{
    /* integers and conditions, numbers from nowhere, the end of the road, what gradients are
     * made of, and what reads packed weights */
    static const op_id without[] = {OP_compare,
                                    OP_arg_reduce,
                                    OP_one_hot,
                                    OP_iota,
                                    OP_random,
                                    OP_stop,
                                    OP_unary_gradient,
                                    OP_conv_gradient_input,
                                    OP_pool_gradient,
                                    OP_normalize_gradient,
                                    OP_conv_gradient_kernel,
                                    OP_slice_gradient,
                                    OP_scatter_add,
                                    OP_resize_gradient,
                                    OP_rnn_gradient,
                                    OP_conv_lstm_gradient,
                                    OP_fused,
                                    OP_unpack,
                                    OP_packed_matmul,
                                    OP_packed_gather};

    seen[OP_cast] = true; /* casts_pass_gradients_on */
    seen[OP_scan] = true; /* scan_test.c: refused */
    for (op_id op = OP_NONE + 1; op < OP_COUNT; op++) {
        bool is_listed = false;

        for (size_t i = 0; i < sizeof without / sizeof without[0]; i++)
            is_listed |= without[i] == op;
        if (is_listed == (op_find(op)->gradient != NULL))
            harness_fail(__FILE__, __LINE__, "%s: %s", op_find(op)->name,
                         is_listed ? "has a gradient" : "has no gradient");
        if (!is_listed && !seen[op])
            harness_fail(__FILE__, __LINE__, "%s: its gradient is not tested", op_find(op)->name);
    }
}

TEST_MAIN(RUN(unary_functions), RUN(unary_functions_with_parameters), RUN(binary_functions),
          RUN(one_value_on_both_sides), RUN(selections), RUN(matrix_products), RUN(convolutions),
          RUN(transposed_convolutions), RUN(pools), RUN(reductions), RUN(products_with_a_zero),
          RUN(softmax_and_running_sums), RUN(normalisations), RUN(moves), RUN(slices), RUN(pads),
          RUN(gathers), RUN(resizes), RUN(recurrent_cells), RUN(convolutional_cells),
          RUN(label_sequences), RUN(every_op_has_a_gradient_or_a_reason))
