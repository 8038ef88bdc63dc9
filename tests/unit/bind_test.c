/* bind_test.c -- which tensor of a file fills which weight: by path or by order; what is missing.
 */
#include <stdio.h>

#include "layer/bind.h"
#include "layer_model.h"
#include "tensor/dtype.h"

/* A tensor in memory: floats 0, 1, 2 ... plus an offset. */
typedef struct memory_tensor {
    float numbers[64];
} memory_tensor;

static ebb_status memory_read(const tensor_entry *entry, uint64_t first, uint64_t count,
                              void *bytes, ebb_error *error)
{
    (void)error;
    const memory_tensor *m = entry->context;
    dtype_convert(entry->dtype, bytes, EBB_F32, m->numbers + first, (size_t)count);
    return EBB_OK;
}

static tensor_entry tensor(test *t, const char *path, ebb_dtype dtype, float offset, uint32_t rank,
                           int64_t a, int64_t b)
{
    memory_tensor *m = region_new(t->home, memory_tensor, 1);
    CHECK(m != NULL);
    for (int k = 0; k < 64; k++) m->numbers[k] = offset + (float)k;
    tensor_entry e = {.path = path, .name = path, .dtype = dtype, .rank = rank, .dims = {a, b}};
    e.read = memory_read;
    e.context = m;
    return e;
}

static tensor_group group(test *t, const char *name, uint32_t count, const tensor_entry *tensors)
{
    tensor_entry *copy = region_new(t->home, tensor_entry, count + 1);
    CHECK(copy != NULL);
    if (count > 0) memcpy(copy, tensors, count * sizeof *copy);
    return (tensor_group){name, copy, count};
}

#define TENSORS(...)                                                                               \
    (const tensor_entry[])                                                                         \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define TWO_DENSE                                                                                  \
    MODEL_SEQUENTIAL(3, MODEL_LAYER("Dense", "'name':'a','units':2") "," MODEL_LAYER(              \
                            "Dense", "'name':'b','units':4"))

static void check_weight(test *t, const built_model *m, const weight_source *sources,
                         uint32_t index, float first)
{
    float numbers[2] = {0};
    CHECK_OK(bind_read(t->home, &sources[index], m->weights[index], 1, 2, numbers, &t->error));
    CHECK_NEAR(numbers[0], first + 1, 0);
    CHECK_NEAR(numbers[1], first + 2, 0);
}

TEST(bind_by_path)
{
    description d = model_description(t, TWO_DENSE);
    built_model *m = NULL;
    tensor_group groups[] = {
        group(t, "layers/dense_1", 2,
              TENSORS(tensor(t, "k2", EBB_F32, 300, 2, 2, 4),
                      tensor(t, "b2", EBB_F32, 400, 1, 4, 0))),
        group(t, "layers/dense", 3,
              TENSORS(tensor(t, "k1", EBB_F16, 100, 2, 3, 2), tensor(t, "odd", EBB_F32, 0, 1, 9, 0),
                      tensor(t, "b1", EBB_F32, 200, 1, 2, 0))),
    };
    d.groups = groups;
    d.group_count = 2;
    weight_source *sources = NULL;
    CHECK_OK(assemble_model(t->home, &d, NULL, &m, &t->error));
    CHECK_OK(bind_weights(t->home, &d, m, NULL, NULL, &sources, &t->error));
    check_weight(t, m, sources, 0, 100);
    check_weight(t, m, sources, 2, 300);
    check_weight(t, m, sources, 3, 400);
    float two[2];
    CHECK_OK(bind_read(t->home, &sources[1], m->weights[1], 0, 2, two, &t->error));
    CHECK_NEAR(two[1], 201, 0);
}

/* One object, two attributes: "query_dense" and "_query_dense". */
TEST(bind_by_path_knows_both_names_of_an_attribute)
{
    description d = model_description(
        t, MODEL_FUNCTIONAL(MODEL_INPUT("x", "[null,5,2]", "float32") "," MODEL_NODE(
                                "keras.layers", "MultiHeadAttention", "a",
                                ",'num_heads':1,'key_dim':2,'use_bias':false",
                                MODEL_CALL(MODEL_TENSOR("x", 0, 0) "," MODEL_TENSOR("x", 0, 0))),
                            "[['x',0,0]]", "[['a',0,0]]"));
    built_model *m = NULL;
    tensor_entry kernels[4];
    for (int k = 0; k < 4; k++) {
        kernels[k] = tensor(t, "k", EBB_F32, 100 * (float)k, 3, k < 3 ? 2 : 1, k < 3 ? 1 : 2);
        kernels[k].dims[2] = 2;
    }
    tensor_group groups[] = {
        group(t, "layers/multi_head_attention/_key_dense", 1, &kernels[1]),
        group(t, "layers/multi_head_attention/_query_dense", 1, &kernels[0]),
        group(t, "layers/multi_head_attention/output_dense", 1, &kernels[3]),
        group(t, "layers/multi_head_attention/value_dense", 1, &kernels[2]),
    };
    d.groups = groups;
    d.group_count = 4;
    weight_source *sources = NULL;
    CHECK_OK(assemble_model(t->home, &d, NULL, &m, &t->error));
    CHECK_OK(bind_weights(t->home, &d, m, NULL, NULL, &sources, &t->error));
    CHECK_EQ(m->weight_count, 4);
    for (uint32_t k = 0; k < 4; k++) check_weight(t, m, sources, k, 100 * (float)k);
}

typedef struct faults {
    uint32_t count;
    char text[400];
} faults;

static void fault_note(void *context, const char *layer, const char *text)
{
    faults *f = context;
    snprintf(f->text, sizeof f->text, "%s: %s", layer, text);
    f->count++;
}

TEST(bind_by_path_names_every_fault)
{
    description d = model_description(t, TWO_DENSE);
    built_model *m = NULL;
    tensor_group groups[] = {
        group(t, "layers/dense", 1, TENSORS(tensor(t, "k1", EBB_F32, 0, 2, 3, 5)))};
    d.groups = groups;
    d.group_count = 1;
    weight_source *sources = NULL;
    faults f = {0};
    CHECK_OK(assemble_model(t->home, &d, NULL, &m, &t->error));
    CHECK_STATUS(bind_weights(t->home, &d, m, NULL, NULL, &sources, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "(3, 2)");
    CHECK_CONTAINS(t->error.text, "(3, 5)");
    CHECK_CONTAINS(t->error.text, "kernel");
    CHECK(sources == NULL);
    CHECK_STATUS(bind_weights(t->home, &d, m, fault_note, &f, &sources, &t->error), EBB_E_SHAPE);
    CHECK_EQ(f.count, 4);
    CHECK_CONTAINS(f.text, "layers/dense_1");
    CHECK_CONTAINS(f.text, "no group");
}

/* Order of .h5: the k-th layer with weights takes the k-th group with tensors, whatever they are
 * called. */
TEST(bind_by_order)
{
    description d = model_description(
        t, MODEL_SEQUENTIAL(
               3, MODEL_LAYER("Dense", "'name':'a','units':2") "," MODEL_LAYER(
                      "Dropout", "'name':'no','rate':0.5") "," MODEL_LAYER("BatchNormalization",
                                                                           "'name':'bn'")));
    built_model *m = NULL;
    tensor_group groups[] = {
        group(
            t, "first", 2,
            TENSORS(tensor(t, "k", EBB_F32, 100, 2, 3, 2), tensor(t, "b", EBB_F32, 200, 1, 2, 0))),
        group(t, "empty", 0, NULL),
        group(t, "second", 4,
              TENSORS(tensor(t, "g", EBB_F32, 10, 1, 2, 0), tensor(t, "b", EBB_F32, 20, 1, 2, 0),
                      tensor(t, "m", EBB_F32, 30, 1, 2, 0), tensor(t, "v", EBB_F32, 40, 1, 2, 0))),
    };
    d.layout = WEIGHTS_BY_ORDER;
    d.groups = groups;
    d.group_count = 3;
    weight_source *sources = NULL;
    CHECK_OK(assemble_model(t->home, &d, NULL, &m, &t->error));
    CHECK_OK(bind_weights(t->home, &d, m, NULL, NULL, &sources, &t->error));
    check_weight(t, m, sources, 0, 100);
    CHECK_TEXT(m->weights[4]->name, "moving_mean");
    float two[2];
    CHECK_OK(bind_read(t->home, &sources[4], m->weights[4], 0, 2, two, &t->error));
    CHECK_NEAR(two[0], 30, 0);
    d.group_count = 1;
    CHECK_STATUS(bind_weights(t->home, &d, m, NULL, NULL, &sources, &t->error), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "2 layers with weights");
}

#define CONV_INPUT MODEL_LAYER("InputLayer", "'batch_shape':[null,8,8,2],'name':'in'")

/* A model inside a model is one group: all its trainable weights first, then the rest. */
TEST(bind_by_order_of_nested_models)
{
    description d = model_description(
        t,
        MODEL_SEQUENTIAL(
            2, "{'class_name':'Sequential','config':{'name':'sub','trainable':true,'layers':"
               "[" MODEL_LAYER("InputLayer", "'batch_shape':[null,2],'name':'si'") "," MODEL_LAYER(
                   "BatchNormalization",
                   "'name':'bn'") "," MODEL_LAYER("Dense",
                                                  "'name':'e','units':2,'use_bias':false") "]}}"));
    built_model *m = NULL;
    tensor_group groups[] = {
        group(t, "sub", 5,
              TENSORS(tensor(t, "g", EBB_F32, 10, 1, 2, 0), tensor(t, "b", EBB_F32, 20, 1, 2, 0),
                      tensor(t, "k", EBB_F32, 30, 2, 2, 2), tensor(t, "m", EBB_F32, 40, 1, 2, 0),
                      tensor(t, "v", EBB_F32, 50, 1, 2, 0)))};
    static const struct {
        const char *name;
        float first;
    } want[] = {
        {"gamma", 10}, {"beta", 20}, {"moving_mean", 40}, {"moving_variance", 50}, {"kernel", 30}};
    d.layout = WEIGHTS_BY_ORDER;
    d.groups = groups;
    d.group_count = 1;
    weight_source *sources = NULL;
    CHECK_OK(assemble_model(t->home, &d, NULL, &m, &t->error));
    CHECK_OK(bind_weights(t->home, &d, m, NULL, NULL, &sources, &t->error));
    for (uint32_t k = 0; k < 5; k++) {
        float number = 0;
        CHECK_TEXT(m->weights[k]->name, want[k].name);
        CHECK_OK(bind_read(t->home, &sources[k], m->weights[k], 0, 1, &number, &t->error));
        CHECK_NEAR(number, want[k].first, 0);
    }
}

/* A kernel that Theano saved is turned by 180 degrees. */
TEST(bind_converts_old_kernels)
{
    description d = model_description(
        t, "{'class_name':'Sequential','config':{'name':'s','layers':[" CONV_INPUT "," MODEL_LAYER(
               "Conv2D", "'name':'c','filters':2,'kernel_size':[2,2],'use_bias':false") "]}}");
    built_model *m = NULL;
    tensor_entry kernel = tensor(t, "c/kernel:0", EBB_F32, 0, 4, 2, 2);
    kernel.dims[2] = kernel.dims[3] = 2;
    tensor_group groups[] = {group(t, "c", 1, &kernel)};
    d.layout = WEIGHTS_BY_ORDER;
    d.keras_major = 2;
    d.backend = "theano";
    d.groups = groups;
    d.group_count = 1;
    weight_source *sources = NULL;
    CHECK_OK(assemble_model(t->home, &d, NULL, &m, &t->error));
    CHECK_OK(bind_weights(t->home, &d, m, NULL, NULL, &sources, &t->error));
    CHECK(sources[0].entry == NULL);
    float numbers[16];
    const uint64_t before = region_bytes_live(t->home);
    CHECK_OK(bind_read(t->home, &sources[0], m->weights[0], 0, 16, numbers, &t->error));
    CHECK_EQ(region_bytes_live(t->home), before);
    CHECK_NEAR(numbers[0], 12, 0);
    CHECK_NEAR(numbers[15], 3, 0);
    CHECK_OK(bind_read(t->home, &sources[0], m->weights[0], 4, 1, numbers, &t->error));
    CHECK_NEAR(numbers[0], 8, 0);
    test_fail_allocation(t, 0);
    CHECK_STATUS(bind_read(t->home, &sources[0], m->weights[0], 0, 16, numbers, &t->error),
                 EBB_E_MEMORY);
    test_fail_allocation(t, -1);
    CHECK_EQ(region_bytes_live(t->home), before);
}

TEST(bind_survives_failed_allocations)
{
    description d = model_description(
        t, "{'class_name':'Sequential','config':{'name':'s','layers':[" CONV_INPUT "," MODEL_LAYER(
               "Conv2D", "'name':'c','filters':2,'kernel_size':[2,2],'use_bias':false") "]}}");
    built_model *m = NULL;
    tensor_entry kernel = tensor(t, "c/kernel:0", EBB_F32, 0, 4, 2, 2);
    kernel.dims[2] = kernel.dims[3] = 2;
    tensor_group groups[] = {group(t, "c", 1, &kernel)};
    d.layout = WEIGHTS_BY_ORDER;
    d.keras_major = 2;
    d.backend = "theano";
    d.groups = groups;
    d.group_count = 1;
    CHECK_OK(assemble_model(t->home, &d, NULL, &m, &t->error));
    const uint64_t before = region_bytes_live(t->home);
    ebb_status status = EBB_E_MEMORY;
    for (int64_t n = 0; status != EBB_OK; n++) {
        weight_source *sources = NULL;
        test_fail_allocation(t, n);
        region *home = region_open(t->home, "bind", EBB_CLASS_META, 0);
        status = home == NULL ? EBB_E_MEMORY
                              : bind_weights(home, &d, m, NULL, NULL, &sources, &t->error);
        const bool has_failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, has_failed ? EBB_E_MEMORY : EBB_OK);
        region_close(home);
        CHECK_EQ(region_bytes_live(t->home), before);
    }
}

TEST_MAIN(RUN(bind_by_path), RUN(bind_by_path_knows_both_names_of_an_attribute),
          RUN(bind_by_path_names_every_fault), RUN(bind_by_order),
          RUN(bind_by_order_of_nested_models), RUN(bind_converts_old_kernels),
          RUN(bind_survives_failed_allocations))
