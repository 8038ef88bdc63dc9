/* initializer_test.c -- every initializer against Keras: exact values, or mean, deviation and
 * limits of the random ones (golden/initializers.json, made by golden/make_optimizers.py, and the
 * conformance vectors); seeds, types, faults, failing memory. */
#include <math.h>

#include "table_goldens.h"
#include "tensor/dtype.h"
#include "train/initializer/initializer.h"

#define DRAWS 16

static const float *filled(test *t, const train_object *o, uint64_t seed, uint32_t rank,
                           const int64_t *dims, uint64_t *count)
{
    *count = 1;
    for (uint32_t i = 0; i < rank; i++) *count *= (uint64_t)dims[i];
    float *const numbers = region_new(t->home, float, *count + 1);
    CHECK(numbers != NULL);
    numbers[*count] = -77;
    CHECK_OK(initializer_fill(o, t->home, seed, EBB_F32, rank, dims, numbers, "w", &t->error));
    CHECK_NEAR(numbers[*count], -77, 0);
    return numbers;
}

/* The sum of products of vectors i and j of the shorter axis. */
static double gram(const float *x, uint64_t rows, uint64_t columns, uint64_t i, uint64_t j)
{
    double sum = 0;

    if (rows <= columns) {
        for (uint64_t k = 0; k < columns; k++) {
            sum += (double)x[i * columns + k] * x[j * columns + k];
        }
    } else {
        for (uint64_t k = 0; k < rows; k++) sum += (double)x[k * columns + i] * x[k * columns + j];
    }
    return sum;
}

static void check_orthogonal(const float *x, uint64_t count, int64_t last, double gain)
{
    const uint64_t columns = (uint64_t)last, rows = count / columns;
    const uint64_t fewer = rows < columns ? rows : columns;

    for (uint64_t i = 0; i < fewer; i++) {
        for (uint64_t j = 0; j <= i; j++) {
            CHECK_NEAR(gram(x, rows, columns, i, j), i == j ? gain * gain : 0, 1e-5);
        }
    }
}

/* Of many numbers by DRAWS seeds. */
static void check_distribution(test *t, const char *name, const json *item, const train_object *o,
                               uint32_t rank, const int64_t *dims)
{
    const double least = json_number(json_get(item, "min"), 0);
    const double most = json_number(json_get(item, "max"), 0);
    const double want = json_number(json_get(item, "mean"), 0);
    const double spread = json_number(json_get(item, "std"), 0);
    const bool is_limited =
        strcmp(name, "RandomNormal") != 0 && strcmp(name, "Orthogonal") != 0 &&
        !json_is_text(json_path(item, "config.distribution"), "untruncated_normal");
    const double limit = 0.05 * (most - least);
    double sum = 0, squares = 0;
    uint64_t count = 0;

    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        const float *const x = filled(t, o, seed, rank, dims, &count);
        for (uint64_t i = 0; i < count; i++) {
            sum += (double)x[i];
            squares += (double)x[i] * x[i];
            if (is_limited && !(x[i] >= least - limit && x[i] <= most + limit))
                harness_fail(__FILE__, __LINE__, "%s: %g is outside %g ... %g", name, (double)x[i],
                             least, most);
        }
        if (strcmp(name, "Orthogonal") == 0) {
            check_orthogonal(x, count, dims[rank - 1],
                             json_number(json_path(item, "config.gain"), 1));
        }
    }
    const double mean = sum / (double)(count * DRAWS);
    const double deviation = sqrt(squares / (double)(count * DRAWS) - mean * mean);
    CHECK_NEAR(mean, want, json_number(json_get(item, "mean_tolerance"), 0));
    CHECK_NEAR(deviation, spread, json_number(json_get(item, "std_tolerance"), 0));
}

static void check_case(test *t, const char *class_name, const json *item)
{
    const json *given = json_case_configured(t->home, item, class_name);
    const json *expected = json_get(item, "value"), *sizes = json_get(item, "shape");
    int64_t dims[EBB_RANK_MAX];
    train_object o;
    uint64_t count;

    CHECK(sizes != NULL && sizes->count <= EBB_RANK_MAX);
    for (uint32_t i = 0; i < sizes->count; i++) dims[i] = json_integer(json_item(sizes, i), -1);
    CHECK_OK(initializer_read(t->home, given, "layer", &o, &t->error));
    if (expected == NULL) {
        check_distribution(t, class_name, item, &o, sizes->count, dims);
        return;
    }
    const float *const x = filled(t, &o, 1, sizes->count, dims, &count);
    json_case_check(class_name, x, count, EBB_F32, expected, t->home);
}

TEST(initializers_are_those_of_keras)
{
    golden_file(t, &initializer_table, EBB_GOLDEN "/initializers.json", check_case);
}

TEST(conformance_vectors)
{
    const uint32_t count = golden_shared(t, &initializer_table, "initializers", check_case);

    CHECK(count == 0 || count >= 36);
}

static train_object initializer_of(test *t, const char *text)
{
    train_object o;

    CHECK_OK(initializer_read(t->home, golden_json(t, text), "layer", &o, &t->error));
    return o;
}

TEST(same_seed_same_numbers)
{
    const train_object glorot = initializer_of(t, "'glorot_uniform'");
    const train_object own = initializer_of(t, "{'class_name':'HeNormal','config':{'seed':7}}");
    const train_object generator =
        initializer_of(t, "{'class_name':'HeNormal','config':{'seed':"
                          "{'class_name':'SeedGenerator','config':{'seed':7}}}}");
    const int64_t dims[] = {7, 5}, more[] = {2000, 5};
    uint64_t count;
    const float *const a = filled(t, &glorot, 3, 2, dims, &count);
    const float *const b = filled(t, &glorot, 3, 2, dims, &count);
    const float *const c = filled(t, &glorot, 4, 2, dims, &count);
    const float *const d = filled(t, &own, 3, 2, dims, &count);
    const float *const e = filled(t, &generator, 4, 2, dims, &count);
    uint32_t different = 0, repeated = 0;

    for (uint64_t i = 0; i < count; i++) {
        CHECK_NEAR(a[i], b[i], 0);
        CHECK_NEAR(d[i], e[i], 0);
        different += a[i] != c[i];
    }
    CHECK(different > 30);
    const float *const f = filled(t, &glorot, 3, 2, more, &count);
    for (uint64_t i = 1024; i < count; i++) repeated += f[i] == f[i - 1024];
    CHECK(repeated < 10);
}

TEST(types_other_than_float32)
{
    const train_object o = initializer_of(t, "'random_normal'");
    const train_object ones = initializer_of(t, "'ones'");
    const int64_t dims[] = {1500};
    uint64_t count;
    const float *const whole = filled(t, &o, 3, 1, dims, &count);
    uint16_t *const half = region_new(t->home, uint16_t, count);
    int64_t integers[3] = {0};

    CHECK_OK(initializer_fill(&o, t->home, 3, EBB_F16, 1, dims, half, "w", &t->error));
    for (uint64_t i = 0; i < count; i++) CHECK_EQ(half[i], float_to_half(whole[i]));
    CHECK_OK(initializer_fill(&ones, t->home, 3, EBB_I64, 1, (const int64_t[]){3}, integers, "w",
                              &t->error));
    CHECK_EQ(integers[2], 1);
    CHECK_OK(initializer_fill(&ones, t->home, 3, EBB_F32, 0, NULL, half, "w", &t->error));
    CHECK_OK(initializer_fill(&o, t->home, 3, EBB_F32, 2, (const int64_t[]){0, 4}, NULL, "w",
                              &t->error));
}

TEST(old_names)
{
    static const struct {
        const char *text, *name;
    } items[] = {
        {"'normal'", "RandomNormal"},
        {"'uniform'", "RandomUniform"},
        {"'zero'", "Zeros"},
        {"'one'", "Ones"},
        {"'lecun_normal'", "LecunNormal"},
        {"'IdentityInitializer'", "Identity"},
        {"'STFTInitializer'", "STFT"},
        {"'OrthogonalInitializer'", "Orthogonal"},
        {"'he_uniform'", "HeUniform"},
        {"'constant'", "Constant"},
    };
    train_object o;

    for (uint32_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        o = initializer_of(t, items[i].text);
        CHECK_TEXT(o.entry->name, items[i].name);
    }
}

TEST(faults)
{
    static const golden_fault faults[] = {
        {"'glorot'", EBB_E_UNSUPPORTED, "no initializer is called 'glorot'"},
        {"{'class_name':'VarianceScaling','config':{'scale':0}}", EBB_E_ARGUMENT, "scale"},
        {"{'class_name':'VarianceScaling','config':{'mode':'fan'}}", EBB_E_FORMAT, "fan_avg"},
        {"{'class_name':'VarianceScaling','config':{'distribution':'x'}}", EBB_E_FORMAT,
         "untruncated_normal"},
        {"{'class_name':'STFT','config':{'window':'kaiser'}}", EBB_E_UNSUPPORTED, "kaiser"},
        {"{'class_name':'STFT','config':{'scaling':'x'}}", EBB_E_ARGUMENT, "scaling"},
        {"{'class_name':'STFT','config':{'side':'left'}}", EBB_E_FORMAT, "real|imag"},
        {"{'class_name':'RandomNormal','config':{'mean':'x'}}", EBB_E_FORMAT, "mean"},
    };
    static const struct {
        const char *text;
        uint32_t rank;
        int64_t dims[4];
    } wrong[] = {
        {"'orthogonal'", 1, {4}},
        {"'identity'", 3, {2, 2, 2}},
        {"'STFT'", 2, {4, 4}},
        {"'STFT'", 3, {4, 2, 4}},
        {"{'class_name':'STFT','config':{'window':[1,2]}}", 3, {4, 1, 4}},
        {"{'class_name':'Constant','config':{'value':[1,2]}}", 1, {3}},
        {"{'class_name':'Constant','config':{'value':[[1],[2]]}}", 1, {2}},
        {"{'class_name':'Constant','config':{'value':[[1],2]}}", 2, {2, 1}},
        {"{'class_name':'Constant','config':{'value':'x'}}", 1, {3}},
        {"{'class_name':'HeNormal','config':{'input_axes':[5],'output_axes':[0]}}", 2, {2, 2}},
    };
    float numbers[64];

    golden_faults(t, &initializer_table, faults, sizeof faults / sizeof faults[0]);
    for (uint32_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const train_object o = initializer_of(t, wrong[i].text);
        CHECK_STATUS(initializer_fill(&o, t->home, 1, EBB_F32, wrong[i].rank, wrong[i].dims,
                                      numbers, "dense/kernel", &t->error),
                     EBB_E_SHAPE);
        CHECK_CONTAINS(t->error.where, "dense/kernel");
    }
}

TEST(failing_memory_leaves_nothing)
{
    const train_object o = initializer_of(t, "'orthogonal'");
    const uint64_t before = region_bytes_live(t->home);
    static float numbers[4096];

    for (int64_t n = 0;; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = initializer_fill(
            &o, t->home, 1, EBB_F32, 2, (const int64_t[]){64, 64}, numbers, "w", &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(region_bytes_live(t->home), before);
        if (!failed) break;
    }
}

TEST_MAIN(RUN(initializers_are_those_of_keras), RUN(conformance_vectors),
          RUN(same_seed_same_numbers), RUN(types_other_than_float32), RUN(old_names), RUN(faults),
          RUN(failing_memory_leaves_nothing))
