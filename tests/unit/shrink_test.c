/* shrink_test.c -- quantize, prune and expand of loaded models: fewer bytes, right answers, nothing
 * left behind. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "built_models.h"
#include "shrink_models.h"
#include "temporary.h"

static const char *const dtypes[] = {"int8", "float16", "bfloat16"};
static ebb_model (*const makers[])(test *t, ebb_runtime runtime) = {
    shrink_text_model, shrink_image_model, shrink_attention_model};
#define MAKERS 3

static ebb_shrink_report quantize(test *t, ebb_model model, const char *dtype)
{
    ebb_quantize_options options = EBB_QUANTIZE_OPTIONS_INIT;
    ebb_shrink_report report;

    options.dtype = dtype;
    options.elements_min = 32;
    CHECK_OK(ebb_model_quantize(model, &options, &report, &t->error));
    return report;
}

static ebb_shrink_report prune(test *t, ebb_model model, double sparsity)
{
    ebb_prune_options options = EBB_PRUNE_OPTIONS_INIT;
    ebb_shrink_report report;

    options.sparsity = sparsity;
    options.elements_min = 32;
    CHECK_OK(ebb_model_prune(model, &options, &report, &t->error));
    return report;
}

typedef struct lines {
    char text[16384];
    size_t length;
} lines;

static bool collect(void *context, const char *text, size_t length)
{
    lines *l = context;

    CHECK(l->length + length < sizeof l->text);
    memcpy(l->text + l->length, text, length);
    l->length += length;
    l->text[l->length] = '\0';
    return true;
}

static double largest_difference(const float *a, const float *b, uint64_t count)
{
    double largest = 0;

    for (uint64_t i = 0; i < count; i++) {
        const double difference = fabs((double)a[i] - b[i]);
        if (difference > largest || isnan(difference)) largest = difference;
    }
    return largest;
}

/* What the weights say when they are read back is what the model computes with. */
TEST(answers_are_those_of_the_weights_read_back)
{
    static float shrunk[SHRINK_NUMBERS_MAX], plain[SHRINK_NUMBERS_MAX];
    const ebb_runtime r = built_runtime(t);

    for (int m = 0; m < MAKERS; m++) {
        for (int d = 0; d < 6; d++) {
            const ebb_model model = makers[m](t, r);
            if (d >= 3) (void)prune(t, model, 0.6);
            (void)quantize(t, model, dtypes[d % 3]);
            for (int64_t rows = 1; rows <= 20; rows += 19) {
                const uint32_t count = shrink_predict(t, model, rows, shrunk);
                ebb_model copy;
                CHECK_OK(ebb_model_clone(model, NULL, &copy, &t->error));
                CHECK_OK(ebb_model_expand(copy, NULL, &t->error));
                CHECK_EQ(shrink_predict(t, copy, rows, plain), count);
                CHECK_NEAR(largest_difference(shrunk, plain, count), 0, 2e-5);
                CHECK_OK(ebb_model_unload(copy, NULL, NULL, &t->error));
            }
            CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
        }
    }
    built_close(t, r);
}

TEST(weights_take_fewer_bytes)
{
    const ebb_runtime r = built_runtime(t);
    const uint64_t before = built_live(r);

    for (int d = 0; d < 3; d++) {
        const ebb_model model = shrink_text_model(t, r);
        const uint64_t plain = shrink_weights_bytes(model), all = shrink_live_bytes(model);
        const ebb_shrink_report report = quantize(t, model, dtypes[d]);
        CHECK_EQ(report.weights_before, plain);
        CHECK_EQ(report.total_before, all);
        CHECK_EQ(report.weights_after, shrink_weights_bytes(model));
        CHECK_EQ(report.total_after, shrink_live_bytes(model));
        CHECK(report.weights_after * 10 <= plain * (d == 0 ? 4 : 6));
        CHECK_EQ(report.changed, 5);
        CHECK_EQ(report.kept, 3);
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
        CHECK_EQ(built_live(r), before);
    }
    built_close(t, r);
}

TEST(int8_is_within_half_a_step)
{
    const ebb_runtime r = built_runtime(t);
    const ebb_model model = shrink_text_model(t, r);
    const uint32_t table = shrink_weight_find(t, model, "table/embeddings");
    const uint32_t hidden = shrink_weight_find(t, model, "hidden/kernel");
    uint64_t count, again;
    const float *rows = shrink_weight_read(t, model, table, &count);
    const float *units = shrink_weight_read(t, model, hidden, &count);
    const ebb_shrink_report report = quantize(t, model, NULL);
    const float *small_rows = shrink_weight_read(t, model, table, &again);
    const float *small_units = shrink_weight_read(t, model, hidden, &again);
    double largest = 0;

    for (int row = 0; row < 200; row++) { /* an embedding by its rows */
        float most = 0;
        for (int i = 0; i < 32; i++) most = fmaxf(most, fabsf(rows[row * 32 + i]));
        for (int i = 0; i < 32; i++)
            CHECK_NEAR(small_rows[row * 32 + i], rows[row * 32 + i], 0.501 * most / 127);
    }
    for (int unit = 0; unit < 70; unit++) { /* a dense layer by its units */
        float most = 0;
        for (int i = 0; i < 24; i++) most = fmaxf(most, fabsf(units[i * 70 + unit]));
        for (int i = 0; i < 24; i++)
            CHECK_NEAR(small_units[i * 70 + unit], units[i * 70 + unit], 0.501 * most / 127);
    }
    for (uint64_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)small_units[i] - units[i]));
    CHECK(report.error >= largest && report.error < 0.01);
    CHECK(strlen(report.error_weight) > 0);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    built_close(t, r);
}

TEST(pruning_reaches_its_part)
{
    const ebb_runtime r = built_runtime(t);
    const ebb_model model = shrink_text_model(t, r);
    const uint32_t hidden = shrink_weight_find(t, model, "hidden/kernel");
    uint64_t count, zeros = 0;
    const float *old = shrink_weight_read(t, model, hidden, &count);
    const ebb_shrink_report report = prune(t, model, 0.8);
    const float *now = shrink_weight_read(t, model, hidden, &count);
    float largest_gone = 0, least_kept = INFINITY;

    CHECK_NEAR(report.sparsity, 0.8, 0.001);
    CHECK_EQ(report.zeros, (uint64_t)(report.sparsity * (double)report.elements + 0.5));
    CHECK(report.weights_after * 10 <= report.weights_before * 4);
    for (uint64_t i = 0; i < count; i++) {
        zeros += now[i] == 0;
        if (now[i] == 0)
            largest_gone = fmaxf(largest_gone, fabsf(old[i]));
        else
            least_kept = fminf(least_kept, fabsf(old[i]));
        CHECK(now[i] == 0 || now[i] == old[i]);
    }
    CHECK_EQ(zeros, (24 * 70 * 8 + 5) / 10);
    CHECK(largest_gone <= least_kept);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    built_close(t, r);
}

TEST(one_limit_for_all_and_groups)
{
    const ebb_runtime r = built_runtime(t);
    ebb_prune_options options = EBB_PRUNE_OPTIONS_INIT;
    ebb_shrink_report report;
    uint64_t count;
    ebb_model model = shrink_text_model(t, r);

    options.elements_min = 32;
    options.sparsity = 0.7;
    options.is_global = true;
    CHECK_OK(ebb_model_prune(model, &options, &report, &t->error));
    CHECK_EQ(report.zeros, (uint64_t)(0.7 * (double)report.elements + 0.5));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    model = shrink_text_model(t, r);
    options.keep = 2;
    options.of = 4;
    CHECK_OK(ebb_model_prune(model, &options, &report, &t->error));
    const float *x =
        shrink_weight_read(t, model, shrink_weight_find(t, model, "hidden/kernel"), &count);
    for (int unit = 0; unit < 70; unit++) {
        for (int i = 0; i < 24; i += 4) {
            int kept = 0;
            for (int k = 0; k < 4; k++) kept += x[(i + k) * 70 + unit] != 0;
            CHECK(kept <= 2);
        }
    }
    CHECK_NEAR(report.sparsity, 0.5, 0.01);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    built_close(t, r);
}

/* Zeros where they were, values in fewer bits: in either order. */
TEST(pruned_models_are_quantized_and_the_other_way_round)
{
    const ebb_runtime r = built_runtime(t);

    for (int order = 0; order < 2; order++) {
        const ebb_model model = shrink_text_model(t, r);
        const uint64_t plain = shrink_weights_bytes(model);
        if (order == 0) (void)prune(t, model, 0.8);
        (void)quantize(t, model, "int8");
        if (order == 1) (void)prune(t, model, 0.8);
        CHECK(shrink_weights_bytes(model) * 5 <= plain);
        ebb_tensor_info info;
        CHECK_EQ(ebb_model_weight(model, shrink_weight_find(t, model, "lstm/cell/kernel"), &info),
                 EBB_OK);
        CHECK_EQ(info.stored, EBB_I8);
        CHECK_EQ(info.dtype, EBB_F32);
        static lines summary;
        summary = (lines){.length = 0};
        CHECK_OK(ebb_model_summary(model, collect, &summary, &t->error));
        CHECK_CONTAINS(summary.text, " Kept small: 5 weights");
        CHECK_CONTAINS(summary.text, "(pruned int8)");
        CHECK(info.sparse && info.stored_bytes < 32 * 96 * 4 / 3);
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    built_close(t, r);
}

/* -- what is left alone ------------------------------------------------------------------------ */

typedef struct told {
    uint32_t count, changed, stop_at;
    char text[2048];
} told;

static bool tell(void *context, const ebb_shrink_step *step)
{
    told *c = context;
    const size_t used = strlen(c->text);

    c->count++;
    c->changed += step->is_changed;
    (void)snprintf(c->text + used, sizeof c->text - used, "%s %s %s;", step->weight,
                   step->class_name, step->is_changed ? "yes" : step->reason);
    return c->stop_at == 0 || c->count < c->stop_at;
}

TEST(lists_choose_layers_classes_and_weights)
{
    const ebb_runtime r = built_runtime(t);
    const ebb_model model = shrink_text_model(t, r);
    static const char *const only[] = {"Dense", "lstm/cell/kernel"};
    static const char *const skip[] = {"head"};
    static const char *const wrong[] = {"Conv2D"};
    ebb_quantize_options options = EBB_QUANTIZE_OPTIONS_INIT;
    ebb_shrink_report report;
    told c = {0};

    options.only = only;
    options.only_count = 2;
    options.skip = skip;
    options.skip_count = 1;
    options.report = tell;
    options.context = &c;
    CHECK_OK(ebb_model_quantize(model, &options, &report, &t->error));
    CHECK_EQ(report.changed, 2);
    CHECK_EQ(c.count, 8);
    CHECK_CONTAINS(c.text, "hidden/kernel Dense yes;");
    CHECK_CONTAINS(c.text, "hidden/bias Dense bias;");
    CHECK_CONTAINS(c.text, "lstm/cell/kernel LSTM yes;");
    CHECK_CONTAINS(c.text, "table/embeddings Embedding not chosen;");
    CHECK_CONTAINS(c.text, "head/kernel Dense skipped;");
    options.skip = wrong;
    CHECK_STATUS(ebb_model_quantize(model, &options, &report, &t->error), EBB_E_NOT_FOUND);
    CHECK_CONTAINS(t->error.text, "Conv2D");
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    built_close(t, r);
}

TEST(cancelling_changes_nothing)
{
    const ebb_runtime r = built_runtime(t);
    const ebb_model model = shrink_text_model(t, r);
    const uint64_t bytes = shrink_live_bytes(model), live = built_live(r);
    ebb_quantize_options options = EBB_QUANTIZE_OPTIONS_INIT;
    told c = {.stop_at = 3};

    options.report = tell;
    options.context = &c;
    CHECK_STATUS(ebb_model_quantize(model, &options, NULL, &t->error), EBB_E_CANCELLED);
    CHECK_EQ(shrink_live_bytes(model), bytes);
    CHECK_EQ(built_live(r), live);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    built_close(t, r);
}

TEST(bad_options_are_named)
{
    const ebb_runtime r = built_runtime(t);
    const ebb_model model = shrink_text_model(t, r);
    ebb_quantize_options q = EBB_QUANTIZE_OPTIONS_INIT;
    ebb_prune_options p = EBB_PRUNE_OPTIONS_INIT;

    q.dtype = "int4";
    CHECK_STATUS(ebb_model_quantize(model, &q, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "int4");
    p.sparsity = 1;
    CHECK_STATUS(ebb_model_prune(model, &p, NULL, &t->error), EBB_E_ARGUMENT);
    p.sparsity = -0.5;
    CHECK_STATUS(ebb_model_prune(model, &p, NULL, &t->error), EBB_E_ARGUMENT);
    p.sparsity = NAN;
    CHECK_STATUS(ebb_model_prune(model, &p, NULL, &t->error), EBB_E_ARGUMENT);
    p.sparsity = 0;
    p.keep = 3;
    p.of = 3;
    CHECK_STATUS(ebb_model_prune(model, &p, NULL, &t->error), EBB_E_ARGUMENT);
    p.keep = 0;
    p.of = 4;
    CHECK_STATUS(ebb_model_prune(model, &p, NULL, &t->error), EBB_E_ARGUMENT);
    q.struct_size = 0;
    CHECK_STATUS(ebb_model_quantize(model, &q, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_STATUS(ebb_model_quantize(model, NULL, NULL, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_model_prune(model, NULL, NULL, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_model_expand(model, NULL, &t->error), EBB_E_STALE);
    built_close(t, r);
}

static void weight_fill(test *t, ebb_model model, const char *name, float number)
{
    const uint32_t index = shrink_weight_find(t, model, name);
    ebb_tensor_info info;
    uint64_t count;
    float *x = shrink_weight_read(t, model, index, &count);
    ebb_view view = {.dtype = EBB_F32, .data = x};

    CHECK_EQ(ebb_model_weight(model, index, &info), EBB_OK);
    view.rank = info.rank;
    memcpy(view.dims, info.dims, sizeof view.dims);
    x[count / 2] = number;
    CHECK_OK(ebb_model_weight_set(model, index, &view, &t->error));
}

TEST(numbers_that_do_not_fit_are_named)
{
    const ebb_runtime r = built_runtime(t);
    const ebb_model model = shrink_text_model(t, r);
    ebb_quantize_options options = EBB_QUANTIZE_OPTIONS_INIT;

    weight_fill(t, model, "hidden/kernel", 70000);
    options.dtype = "float16";
    CHECK_STATUS(ebb_model_quantize(model, &options, NULL, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.where, "hidden");
    CHECK_CONTAINS(t->error.text, "70000");
    weight_fill(t, model, "hidden/kernel", INFINITY);
    options.dtype = "int8";
    CHECK_STATUS(ebb_model_quantize(model, &options, NULL, &t->error), EBB_E_UNSUPPORTED);
    options.dtype = "bfloat16";
    CHECK_OK(ebb_model_quantize(model, &options, NULL, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    built_close(t, r);
}

/* -- what shrunk models do --------------------------------------------------------------------- */

TEST(shrunk_weights_cannot_be_set_or_trained)
{
    const ebb_runtime r = built_runtime(t);
    const ebb_model model = shrink_text_model(t, r), other = shrink_text_model(t, r);
    ebb_compile_options compile = EBB_COMPILE_OPTIONS_INIT;
    float x[70] = {1};
    ebb_view bias = {.dtype = EBB_F32, .rank = 1, .dims = {70}, .data = x};

    (void)quantize(t, model, "int8");
    const uint32_t kernel = shrink_weight_find(t, model, "hidden/kernel");
    uint64_t count;
    float *numbers = shrink_weight_read(t, model, kernel, &count);
    const ebb_view view = {EBB_F32, 2, {24, 70}, numbers};
    CHECK_STATUS(ebb_model_weight_set(model, kernel, &view, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "int8");
    CHECK_CONTAINS(t->error.text, "ebb_model_expand");
    CHECK_OK(
        ebb_model_weight_set(model, shrink_weight_find(t, model, "hidden/bias"), &bias, &t->error));
    CHECK_STATUS(ebb_model_weights_copy(other, model, NULL, NULL, &t->error), EBB_E_UNSUPPORTED);
    CHECK_OK(ebb_model_weights_copy(model, other, NULL, NULL, &t->error));
    compile.optimizer = "sgd";
    compile.loss = "mse";
    CHECK_STATUS(ebb_model_compile(model, &compile, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "cannot be trained");
    CHECK_OK(ebb_model_compile(other, &compile, &t->error));
    CHECK_STATUS(ebb_model_quantize(other, NULL, NULL, &t->error), EBB_E_STATE);
    CHECK_CONTAINS(t->error.text, "compiled");
    CHECK_OK(ebb_model_uncompile(other, NULL, &t->error));
    (void)quantize(t, other, "int8");
    CHECK_OK(ebb_model_expand(model, NULL, &t->error));
    CHECK_OK(ebb_model_compile(model, &compile, &t->error));
    CHECK_OK(
        ebb_model_weight_get(model, shrink_weight_find(t, model, "hidden/bias"), &bias, &t->error));
    CHECK_NEAR(x[0], 1, 0);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(other, NULL, NULL, &t->error));
    built_close(t, r);
}

TEST(clones_are_shrunk_too)
{
    static float a[SHRINK_NUMBERS_MAX], b[SHRINK_NUMBERS_MAX];
    const ebb_runtime r = built_runtime(t);
    const ebb_model model = shrink_text_model(t, r);
    ebb_build_options fresh = EBB_BUILD_OPTIONS_INIT;
    ebb_model copy;

    (void)prune(t, model, 0.5);
    (void)quantize(t, model, "int8");
    CHECK_OK(ebb_model_clone(model, NULL, &copy, &t->error));
    CHECK_EQ(shrink_weights_bytes(copy), shrink_weights_bytes(model));
    const uint32_t count = shrink_predict(t, model, 3, a);
    CHECK_EQ(shrink_predict(t, copy, 3, b), count);
    CHECK_EQ(memcmp(a, b, count * sizeof *a), 0);
    CHECK_OK(ebb_model_unload(copy, NULL, NULL, &t->error));
    fresh.new_weights = true;
    CHECK_OK(ebb_model_clone(model, &fresh, &copy, &t->error));
    CHECK(shrink_weights_bytes(copy) > shrink_weights_bytes(model));
    CHECK_OK(ebb_model_unload(copy, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    built_close(t, r);
}

TEST(expanding_gives_the_bytes_of_a_plain_model)
{
    const ebb_runtime r = built_runtime(t);
    const ebb_model model = shrink_text_model(t, r);
    const uint64_t plain = shrink_weights_bytes(model);
    ebb_shrink_report report;

    (void)quantize(t, model, "int8");
    CHECK_OK(ebb_model_expand(model, &report, &t->error));
    CHECK_EQ(report.weights_after, plain);
    CHECK_EQ(shrink_weights_bytes(model), plain);
    CHECK_OK(ebb_model_expand(model, &report, &t->error)); /* nothing to do */
    CHECK_EQ(report.changed, 0);
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    built_close(t, r);
}

TEST(shrinking_again_and_again_does_not_grow)
{
    const ebb_runtime r = built_runtime(t);
    const ebb_model model = shrink_text_model(t, r);
    uint64_t live = 0;

    for (int i = 0; i < 6; i++) {
        (void)prune(t, model, 0.5);
        if (i == 1) live = built_live(r);
        if (i > 1) CHECK_EQ(built_live(r), live);
    }
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    built_close(t, r);
}

/* -- others meanwhile -------------------------------------------------------------------------- */

typedef struct crowd {
    ebb_model model;
    float answers[2][16];
    atomic_bool stop;
    atomic_uint calls, wrong;
} crowd;

static void *predict_on(void *context)
{
    crowd *c = context;
    int32_t ids[8] = {3, 1, 4, 1, 5, 9, 2, 6};
    float y[16];
    const ebb_view input = {EBB_I32, 2, {1, 8}, ids}, output = {.data = y};
    const ebb_views inputs = {&input, 1}, outputs = {&output, 1};

    while (!atomic_load(&c->stop)) {
        if (ebb_model_predict(c->model, &inputs, &outputs, NULL) != EBB_OK) {
            atomic_fetch_add(&c->wrong, 1);
            continue;
        }
        const bool is_old = memcmp(y, c->answers[0], 10 * sizeof *y) == 0;
        const bool is_new = memcmp(y, c->answers[1], 10 * sizeof *y) == 0;
        if (!is_old && !is_new) atomic_fetch_add(&c->wrong, 1);
        atomic_fetch_add(&c->calls, 1);
    }
    return NULL;
}

static void answer(test *t, ebb_model model, float *y)
{
    int32_t ids[8] = {3, 1, 4, 1, 5, 9, 2, 6};
    const ebb_view input = {EBB_I32, 2, {1, 8}, ids}, output = {.data = y};
    const ebb_views inputs = {&input, 1}, outputs = {&output, 1};

    CHECK_OK(ebb_model_predict(model, &inputs, &outputs, &t->error));
}

/* Every prediction is all old or all new, and none is refused. */
TEST(predictions_go_on)
{
    enum { THREADS = 3 };
    const ebb_runtime r = built_runtime(t);
    crowd c = {.model = shrink_text_model(t, r)};
    pthread_t threads[THREADS];
    ebb_model copy;

    answer(t, c.model, c.answers[0]);
    CHECK_OK(ebb_model_clone(c.model, NULL, &copy, &t->error));
    (void)quantize(t, copy, "int8");
    answer(t, copy, c.answers[1]);
    CHECK(memcmp(c.answers[0], c.answers[1], sizeof c.answers[0]) != 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, predict_on, &c), 0);
    while (atomic_load(&c.calls) < 50) continue;
    (void)quantize(t, c.model, "int8");
    const uint32_t calls = atomic_load(&c.calls);
    while (atomic_load(&c.calls) < calls + 50) continue;
    atomic_store(&c.stop, true);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&c.wrong), 0);
    answer(t, c.model, c.answers[0]);
    CHECK_EQ(memcmp(c.answers[0], c.answers[1], 10 * sizeof(float)), 0);
    CHECK_OK(ebb_model_unload(c.model, NULL, NULL, &t->error));
    CHECK_OK(ebb_model_unload(copy, NULL, NULL, &t->error));
    built_close(t, r);
}

/* -- failure injection ------------------------------------------------------------------------- */

typedef ebb_status (*shrink_call)(ebb_model model, ebb_error *error);

static ebb_status call_quantize(ebb_model model, ebb_error *error)
{
    ebb_quantize_options options = EBB_QUANTIZE_OPTIONS_INIT;

    options.elements_min = 32;
    return ebb_model_quantize(model, &options, NULL, error);
}

static ebb_status call_prune(ebb_model model, ebb_error *error)
{
    ebb_prune_options options = EBB_PRUNE_OPTIONS_INIT;

    options.elements_min = 32;
    options.is_global = true;
    return ebb_model_prune(model, &options, NULL, error);
}

static ebb_status call_expand(ebb_model model, ebb_error *error)
{
    return ebb_model_expand(model, NULL, error);
}

/* Whichever allocation fails: the old model is there, whole, and nothing else. */
TEST(failures_leave_the_old_model)
{
    static const shrink_call calls[] = {call_quantize, call_prune, call_expand};
    static float before[SHRINK_NUMBERS_MAX], after[SHRINK_NUMBERS_MAX];
    const ebb_runtime r = built_runtime(t);
    const ebb_model model = shrink_attention_model(t, r);

    for (int k = 0; k < 3; k++) {
        const uint32_t count = shrink_predict(t, model, 2, before);
        const uint64_t live = built_live(r);
        for (int64_t n = 0;; n++) {
            test_fail_allocation(t, n);
            const ebb_status status = calls[k](model, &t->error);
            const bool failed = test_allocation_failed(t);
            test_fail_allocation(t, -1);
            CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
            if (!failed) break;
            CHECK_EQ(built_live(r), live);
            if (n % 16 != 0) continue;
            CHECK_EQ(shrink_predict(t, model, 2, after), count);
            CHECK_EQ(memcmp(before, after, count * sizeof *before), 0);
        }
    }
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    built_close(t, r);
}

TEST_MAIN(RUN(answers_are_those_of_the_weights_read_back), RUN(weights_take_fewer_bytes),
          RUN(int8_is_within_half_a_step), RUN(pruning_reaches_its_part),
          RUN(one_limit_for_all_and_groups),
          RUN(pruned_models_are_quantized_and_the_other_way_round),
          RUN(lists_choose_layers_classes_and_weights), RUN(cancelling_changes_nothing),
          RUN(bad_options_are_named), RUN(numbers_that_do_not_fit_are_named),
          RUN(shrunk_weights_cannot_be_set_or_trained), RUN(clones_are_shrunk_too),
          RUN(expanding_gives_the_bytes_of_a_plain_model),
          RUN(shrinking_again_and_again_does_not_grow), RUN(predictions_go_on),
          RUN(failures_leave_the_old_model))
