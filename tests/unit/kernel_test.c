/* kernel_test.c -- every kernel row of the CPU against golden values made by TensorFlow and Keras.
 *
 * golden/make_kernels.py describes the format. Each case runs on every row of its op that takes it,
 * on one thread and on two; the last row of an op, the portable one, has to take it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "kernel_case.h"

#define KEYS_MAX    12
#define NUMBERS_MAX 8
#define TENSORS_MAX 8

typedef struct golden_key {
    char name[24];
    uint32_t count;
    double numbers[NUMBERS_MAX];
} golden_key;

typedef struct golden {
    char name[64], op[24], kind[24], functions[2][24];
    golden_key keys[KEYS_MAX];
    uint32_t key_count;
    double relative, absolute;
    case_tensor inputs[TENSORS_MAX], outputs[TENSORS_MAX];
    uint32_t input_count, output_count;
} golden;

/* Attributes of every op a case may have. */
typedef union any_attributes {
    unary_attributes unary;
    binary_attributes binary;
    compare_attributes compare;
    cast_attributes cast;
    matmul_attributes matmul;
    conv_attributes conv;
    conv_transpose_attributes conv_transpose;
    pool_attributes pool;
    reduce_attributes reduce;
    arg_reduce_attributes arg_reduce;
    softmax_attributes softmax;
    normalize_attributes normalize;
    reshape_attributes reshape;
    transpose_attributes transpose;
    broadcast_attributes broadcast;
    concat_attributes concat;
    slice_attributes slice;
    pad_attributes pad;
    gather_attributes gather;
    one_hot_attributes one_hot;
    cumulative_attributes cumulative;
    resize_attributes resize;
    rnn_attributes rnn;
    iota_attributes iota;
} any_attributes;

/* -- reading attributes ----------------------------------------------------------------------- */

static double number_of(const golden *g, const char *key, uint32_t index)
{
    for (uint32_t i = 0; i < g->key_count; i++) {
        if (strcmp(g->keys[i].name, key) == 0 && index < g->keys[i].count)
            return g->keys[i].numbers[index];
    }
    return 0;
}

static uint32_t count_of(const golden *g, const char *key)
{
    for (uint32_t i = 0; i < g->key_count; i++) {
        if (strcmp(g->keys[i].name, key) == 0) return g->keys[i].count;
    }
    return 0;
}

static void lengths_of(const golden *g, const char *key, int64_t *lengths)
{
    const uint32_t count = count_of(g, key);

    for (uint32_t i = 0; i < count; i++) lengths[i] = (int64_t)number_of(g, key, i);
}

static uint32_t index_of(const char *const *names, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) return i;
    }
    harness_fail(__FILE__, __LINE__, "golden values name an unknown kind: %s", name);
    return 0;
}

#define NAME_ENTRY(name) #name,
static const char *const unary_kinds[] = {UNARY_MAP(NAME_ENTRY)};
static const char *const binary_kinds[] = {BINARY_MAP(NAME_ENTRY)};
static const char *const compare_kinds[] = {"EQUAL",      "NOT_EQUAL", "LESS",
                                            "LESS_EQUAL", "GREATER",   "GREATER_EQUAL"};
static const char *const pool_kinds[] = {"MAX", "AVERAGE"};
static const char *const reduce_kinds[] = {"SUM",  "MEAN", "MAX", "MIN",
                                           "PROD", "ANY",  "ALL", "LOG_SUM_EXP"};
static const char *const pad_kinds[] = {"CONSTANT", "REFLECT", "SYMMETRIC"};
static const char *const resize_kinds[] = {"NEAREST", "BILINEAR", "BICUBIC", "LANCZOS3",
                                           "LANCZOS5"};
static const char *const rnn_kinds[] = {"SIMPLE", "LSTM", "GRU"};
#define KIND_OF(names, text) index_of(names, sizeof names / sizeof names[0], text)

static unary_attributes unary_of(const golden *g, const char *kind)
{
    const unary_attributes a = {.kind = (unary_kind)KIND_OF(unary_kinds, kind),
                                .alpha = (float)number_of(g, "alpha", 0),
                                .beta = (float)number_of(g, "beta", 0),
                                .gamma = (float)number_of(g, "gamma", 0)};
    return a;
}

/* "activation" in a case means RELU with gamma. */
static unary_attributes activation_of(const golden *g)
{
    return unary_of(g, number_of(g, "activation", 0) != 0 ? "RELU" : "IDENTITY");
}

/* An activation of a recurrent cell, with Keras's default attributes. */
static unary_attributes function_of(const char *kind)
{
    unary_attributes a = {.kind = (unary_kind)KIND_OF(unary_kinds, kind), .gamma = INFINITY};

    if (a.kind == UNARY_HARD_SIGMOID) {
        a.alpha = 1.0f / 6.0f;
        a.beta = 0.5f;
    }
    return a;
}

static void fill_unary(const golden *g, any_attributes *a)
{
    a->unary = unary_of(g, g->kind);
}

static void fill_binary(const golden *g, any_attributes *a)
{
    a->binary.kind = (binary_kind)KIND_OF(binary_kinds, g->kind);
    a->binary.activation = activation_of(g);
}

static void fill_compare(const golden *g, any_attributes *a)
{
    a->compare.kind = (compare_kind)KIND_OF(compare_kinds, g->kind);
}

static void fill_cast(const golden *g, any_attributes *a)
{
    a->cast.to = g->outputs[0].desc.dtype;
}

static void fill_matmul(const golden *g, any_attributes *a)
{
    a->matmul.transpose_a = number_of(g, "transpose", 0) != 0;
    a->matmul.transpose_b = number_of(g, "transpose", 1) != 0;
    a->matmul.epilogue.activation = activation_of(g);
}

static void fill_conv(const golden *g, any_attributes *a)
{
    a->conv.spatial = (uint32_t)number_of(g, "spatial", 0);
    a->conv.same = number_of(g, "same", 0) != 0;
    a->conv.groups = (int64_t)number_of(g, "groups", 0);
    a->conv.epilogue.activation = activation_of(g);
    lengths_of(g, "strides", a->conv.strides);
    lengths_of(g, "dilations", a->conv.dilations);
}

static void fill_conv_transpose(const golden *g, any_attributes *a)
{
    conv_transpose_attributes *const c = &a->conv_transpose;

    c->spatial = (uint32_t)number_of(g, "spatial", 0);
    c->epilogue.activation = activation_of(g);
    lengths_of(g, "strides", c->strides);
    lengths_of(g, "dilations", c->dilations);
    lengths_of(g, "before", c->pad_before);
    lengths_of(g, "after", c->pad_after);
    lengths_of(g, "output_padding", c->output_padding);
}

static void fill_pool(const golden *g, any_attributes *a)
{
    a->pool.kind = (pool_kind)KIND_OF(pool_kinds, g->kind);
    a->pool.spatial = (uint32_t)number_of(g, "spatial", 0);
    a->pool.same = number_of(g, "same", 0) != 0;
    lengths_of(g, "window", a->pool.window);
    lengths_of(g, "strides", a->pool.strides);
}

static void fill_reduce(const golden *g, any_attributes *a)
{
    a->reduce.kind = (reduce_kind)KIND_OF(reduce_kinds, g->kind);
    a->reduce.axes = (uint32_t)number_of(g, "axes", 0);
    a->reduce.keep_dims = number_of(g, "keep", 0) != 0;
}

static void fill_arg_reduce(const golden *g, any_attributes *a)
{
    a->arg_reduce.is_max = number_of(g, "largest", 0) != 0;
    a->arg_reduce.axis = (uint32_t)number_of(g, "axis", 0);
}

static void fill_softmax(const golden *g, any_attributes *a)
{
    a->softmax.axes = (uint32_t)number_of(g, "axes", 0);
    a->softmax.is_log = number_of(g, "log", 0) != 0;
}

static void fill_normalize(const golden *g, any_attributes *a)
{
    a->normalize.axis_count = (uint32_t)number_of(g, "count", 0);
    a->normalize.epsilon = (float)number_of(g, "epsilon", 0);
    a->normalize.is_rms = number_of(g, "rms", 0) != 0;
}

static void fill_reshape(const golden *g, any_attributes *a)
{
    a->reshape.to.rank = count_of(g, "to");
    lengths_of(g, "to", a->reshape.to.dims);
}

static void fill_broadcast(const golden *g, any_attributes *a)
{
    a->broadcast.to.rank = count_of(g, "to");
    lengths_of(g, "to", a->broadcast.to.dims);
}

static void fill_transpose(const golden *g, any_attributes *a)
{
    for (uint32_t i = 0; i < count_of(g, "order"); i++) {
        a->transpose.order[i] = (uint32_t)number_of(g, "order", i);
    }
}

static void fill_concat(const golden *g, any_attributes *a)
{
    a->concat.axis = (uint32_t)number_of(g, "axis", 0);
}

static void fill_slice(const golden *g, any_attributes *a)
{
    lengths_of(g, "start", a->slice.start);
    lengths_of(g, "length", a->slice.length);
    lengths_of(g, "step", a->slice.step);
}

static void fill_pad(const golden *g, any_attributes *a)
{
    a->pad.kind = (pad_kind)KIND_OF(pad_kinds, g->kind);
    a->pad.number = (float)number_of(g, "number", 0);
    lengths_of(g, "before", a->pad.before);
    lengths_of(g, "after", a->pad.after);
}

static void fill_gather(const golden *g, any_attributes *a)
{
    a->gather.axis = (uint32_t)number_of(g, "axis", 0);
    a->gather.batch_dims = (uint32_t)number_of(g, "batch", 0);
    a->gather.wrap = number_of(g, "wrap", 0) != 0;
}

static void fill_one_hot(const golden *g, any_attributes *a)
{
    a->one_hot.depth = (int64_t)number_of(g, "depth", 0);
}

static void fill_cumulative(const golden *g, any_attributes *a)
{
    a->cumulative.is_product = number_of(g, "product", 0) != 0;
    a->cumulative.axis = (uint32_t)number_of(g, "axis", 0);
    a->cumulative.reverse = number_of(g, "reverse", 0) != 0;
    a->cumulative.exclusive = number_of(g, "exclusive", 0) != 0;
}

static void fill_resize(const golden *g, any_attributes *a)
{
    a->resize.kind = (resize_kind)KIND_OF(resize_kinds, g->kind);
    a->resize.antialias = number_of(g, "antialias", 0) != 0;
    a->resize.height = (int64_t)number_of(g, "size", 0);
    a->resize.width = (int64_t)number_of(g, "size", 1);
}

static void fill_rnn(const golden *g, any_attributes *a)
{
    a->rnn.kind = (rnn_kind)KIND_OF(rnn_kinds, g->kind);
    a->rnn.units = (int64_t)number_of(g, "units", 0);
    a->rnn.activation = function_of(g->functions[0]);
    a->rnn.recurrent_activation = function_of(g->functions[1]);
    a->rnn.reset_after = number_of(g, "reset_after", 0) != 0;
    a->rnn.go_backwards = number_of(g, "backwards", 0) != 0;
    a->rnn.return_sequences = number_of(g, "sequences", 0) != 0;
    a->rnn.zero_output_for_mask = number_of(g, "zero", 0) != 0;
}

static void fill_iota(const golden *g, any_attributes *a)
{
    a->iota.length = (int64_t)number_of(g, "length", 0);
}

static const struct {
    const char *op;
    op_id id;
    void (*fill)(const golden *g, any_attributes *a);
} families[] = {{"unary", OP_unary, fill_unary},
                {"binary", OP_binary, fill_binary},
                {"compare", OP_compare, fill_compare},
                {"select", OP_select, NULL},
                {"cast", OP_cast, fill_cast},
                {"matmul", OP_matmul, fill_matmul},
                {"conv", OP_conv, fill_conv},
                {"conv_transpose", OP_conv_transpose, fill_conv_transpose},
                {"pool", OP_pool, fill_pool},
                {"reduce", OP_reduce, fill_reduce},
                {"arg_reduce", OP_arg_reduce, fill_arg_reduce},
                {"softmax", OP_softmax, fill_softmax},
                {"normalize", OP_normalize, fill_normalize},
                {"reshape", OP_reshape, fill_reshape},
                {"transpose", OP_transpose, fill_transpose},
                {"broadcast", OP_broadcast, fill_broadcast},
                {"concat", OP_concat, fill_concat},
                {"slice", OP_slice, fill_slice},
                {"pad", OP_pad, fill_pad},
                {"gather", OP_gather, fill_gather},
                {"one_hot", OP_one_hot, fill_one_hot},
                {"cumulative", OP_cumulative, fill_cumulative},
                {"resize", OP_resize, fill_resize},
                {"rnn", OP_rnn, fill_rnn},
                {"iota", OP_iota, fill_iota}};
#define FAMILIES (sizeof families / sizeof families[0])

/* -- reading cases ---------------------------------------------------------------------------- */

static ebb_dtype dtype_of(const char *name)
{
    static const char *const names[] = {"f32", "i32", "bool", "u8", "i64"};
    static const ebb_dtype dtypes[] = {EBB_F32, EBB_I32, EBB_BOOL, EBB_U8, EBB_I64};

    return dtypes[KIND_OF(names, name)];
}

static case_tensor read_tensor(region *home, FILE *bin, char *words)
{
    int64_t dims[EBB_RANK_MAX];
    uint32_t rank = 0;
    const char *name = strtok(words, " \n");

    if (strcmp(name, "none") == 0) return (case_tensor){0};
    CHECK_EQ(fseek(bin, strtol(strtok(NULL, " \n"), NULL, 10), SEEK_SET), 0);
    for (const char *word; (word = strtok(NULL, " \n")) != NULL;)
        dims[rank++] = strtoll(word, NULL, 10);
    const case_tensor x = case_tensor_make(home, dtype_of(name), rank, dims);
    const size_t bytes = (size_t)tensor_desc_bytes(&x.desc);
    CHECK_EQ(fread(x.data, 1, bytes, bin), bytes);
    return x;
}

static void read_key(golden *g, char *words)
{
    golden_key *const key = &g->keys[g->key_count++];

    CHECK(g->key_count <= KEYS_MAX);
    snprintf(key->name, sizeof key->name, "%s", strtok(words, " \n"));
    for (const char *word; (word = strtok(NULL, " \n")) != NULL;) {
        CHECK(key->count < NUMBERS_MAX);
        key->numbers[key->count++] = strtod(word, NULL);
    }
}

/* The next case; false at the end. */
static bool read_case(region *home, FILE *text, FILE *bin, golden *g)
{
    char line[256];

    *g = (golden){.relative = 1e-5, .absolute = 1e-6};
    while (fgets(line, sizeof line, text) != NULL) {
        if (strncmp(line, "end", 3) == 0) return true;
        if (strncmp(line, "case", 4) == 0)
            sscanf(line, "case %63s %23s %23s", g->name, g->op, g->kind);
        if (line[1] != ' ') continue;
        switch (line[0]) {
        case 'a': read_key(g, line + 2); break;
        case 'f': sscanf(line, "f %23s %23s", g->functions[0], g->functions[1]); break;
        case 't': sscanf(line, "t %lf %lf", &g->relative, &g->absolute); break;
        case 'i': g->inputs[g->input_count++] = read_tensor(home, bin, line + 2); break;
        default: g->outputs[g->output_count++] = read_tensor(home, bin, line + 2); break;
        }
    }
    return false;
}

/* -- running ---------------------------------------------------------------------------------- */

/* Rows of the CPU for the case; returns how many took it. */
static uint32_t run_rows(const golden *g, graph *made, op_id op)
{
    const device d = kernel_case_device(ISA_AVX512);
    uint32_t count = 0, taken = 0;
    const kernel_def *const *rows = d.def->kernels(&d, op, &count);
    char name[160];

    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t threads = 1; threads <= 2; threads++) {
            case_tensor found[OP_OUTPUTS_MAX];
            const bool ran =
                kernel_case_run(rows[i], made, &made->nodes[0], g->inputs, found, threads);

            if (i + 1 == count && !ran) harness_fail(__FILE__, __LINE__, "%s: not taken", g->name);
            if (!ran) continue;
            taken++;
            for (uint32_t k = 0; k < g->output_count; k++) {
                snprintf(name, sizeof name, "%s by %s, output %u, %u threads", g->name,
                         rows[i]->name, k, threads);
                case_tensor_check(name, &found[k], &g->outputs[k], g->relative, g->absolute);
            }
        }
    }
    return taken;
}

TEST(kernels_give_the_numbers_of_keras)
{
    FILE *const text = fopen(EBB_GOLDEN "/kernels/kernels.txt", "r");
    FILE *const bin = fopen(EBB_GOLDEN "/kernels/kernels.bin", "rb");
    uint32_t seen[FAMILIES] = {0};
    golden g;

    test_threads_stay(t);
    CHECK(text != NULL && bin != NULL);
    for (;;) {
        region *const home = region_open(t->home, "case", EBB_CLASS_META, 0);
        any_attributes attributes;
        uint32_t family = 0;

        memset(&attributes, 0, sizeof attributes);
        if (!read_case(home, text, bin, &g)) break;
        while (family < FAMILIES && strcmp(families[family].op, g.op) != 0) family++;
        CHECK(family < FAMILIES);
        if (families[family].fill != NULL) families[family].fill(&g, &attributes);
        graph *const made = kernel_case_graph(home, families[family].id,
                                              families[family].fill == NULL ? NULL : &attributes,
                                              g.inputs, g.input_count);
        CHECK(made != NULL);
        seen[family] += run_rows(&g, made, families[family].id);
        region_close(home);
    }
    fclose(text);
    fclose(bin);
    for (uint32_t i = 0; i < FAMILIES; i++) {
        if (seen[i] == 0) harness_fail(__FILE__, __LINE__, "no golden case of %s", families[i].op);
    }
}

TEST_MAIN(RUN(kernels_give_the_numbers_of_keras))
