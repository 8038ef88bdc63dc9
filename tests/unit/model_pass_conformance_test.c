/* model_pass_conformance_test.c -- outputs, updates, added losses and gradients of loaded models by
 * ebb/gradient.h, against the conformance cases of the folder EBB_SHARED.
 *
 *     EBB_CLASS=LSTM   only this class of layers, or model
 *
 * What a model refuses is counted. Without the folder there is nothing to compare with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "ebb/ebb.h"
#include "harness.h"
#include "json/json.h"
#include "npz_file.h"
#include "tensor/dtype.h"

#define PORTS   64
#define WEIGHTS 512

typedef struct pass_case {
    test *t;
    region *home;
    ebb_runtime runtime;
    char folder[512], fault[1024];
    const json *meta;
    npz_file arrays;
    ebb_model model;
    ebb_pass pass;
    ebb_model_info info;
    bool is_training;
    ebb_view inputs[PORTS], outputs[PORTS];
    ebb_view input_gradients[PORTS], weight_gradients[WEIGHTS];
} pass_case;

typedef struct counts {
    uint32_t passed, refused, failed, arrays;
} counts;

static const json *json_of(test *t, region *home, const char *path)
{
    FILE *file = fopen(path, "rb");
    const json *result = NULL;

    CHECK(file != NULL);
    fseek(file, 0, SEEK_END);
    const long length = ftell(file);
    rewind(file);
    char *text = region_block(home, (size_t)length + 1);
    CHECK(text != NULL);
    const size_t got = fread(text, 1, (size_t)length, file);
    fclose(file);
    CHECK_OK(json_read(home, text, got, path, &result, &t->error));
    return result;
}

static const ebb_view *array_of(const pass_case *c, const char *name, uint32_t index)
{
    char path[64];

    snprintf(path, sizeof path, "%s/%u", name, index);
    const npz_array *found = npz_find(&c->arrays, path);
    return found != NULL ? &found->view : NULL;
}

static bool fault(pass_case *c, const char *text)
{
    snprintf(c->fault, sizeof c->fault, "%s: %s", c->folder, text);
    return false;
}

/* A view of that shape with memory of its own. */
static ebb_view room(pass_case *c, ebb_dtype dtype, uint32_t rank, const int64_t *dims)
{
    ebb_view view = {.dtype = dtype, .rank = rank};

    memcpy(view.dims, dims, rank * sizeof *dims);
    view.data = region_block(c->home, ebb_view_bytes(&view) + 1);
    CHECK(view.data != NULL);
    return view;
}

static bool is_zero(const ebb_view *v)
{
    const size_t size = ebb_dtype_bytes(v->dtype);
    const uint64_t count = ebb_view_bytes(v) / size;
    bool all = true;

    for (uint64_t i = 0; i < count; i++) {
        double number = 0;
        dtype_convert(EBB_F64, &number, v->dtype, (const uint8_t *)v->data + i * size, 1);
        all = all && number == 0;
    }
    return all;
}

/* Kernels add up in other orders than Keras's: three times what portable ones are allowed. */
static bool compare(pass_case *c, counts *n, const char *name, uint32_t index, const ebb_view *got,
                    const ebb_view *want, const char *tolerance)
{
    const json *tol = json_path(c->meta, tolerance);
    char text[160];
    double worst = 0;

    n->arrays++;
    if (compare_views(got, want, 3 * json_number(json_item(tol, 0), 1e-5),
                      3 * json_number(json_item(tol, 1), 1e-5), &worst))
        return true;
    snprintf(text, sizeof text, "%s/%u is off by %g more than allowed", name, index, worst);
    return fault(c, text);
}

static bool compare_outputs(pass_case *c, counts *n)
{
    for (uint32_t i = 0; i < ebb_pass_outputs(c->pass); i++) {
        if (ebb_pass_output(c->pass, i, &c->outputs[i]) != EBB_OK) return fault(c, "an output");
        if (i >= c->info.outputs) continue; /* the case has the sum, with penalties on weights */
        const ebb_view *want = array_of(c, c->is_training ? "train_out" : "out", i);
        if (want != NULL && want->dtype != EBB_DTYPE_NONE &&
            !compare(c, n, "output", i, &c->outputs[i], want, "tol.out"))
            return false;
    }
    return true;
}

static bool compare_updates(pass_case *c, counts *n)
{
    test *t = c->t;

    for (uint32_t i = 0; c->is_training && i < c->info.weights; i++) {
        const ebb_view *want = array_of(c, "var_after", i);
        ebb_tensor_info info;
        if (want == NULL) continue;
        CHECK_OK(ebb_model_weight(c->model, i, &info));
        const ebb_view got = room(c, info.dtype, info.rank, info.dims);
        CHECK_OK(ebb_model_weight_get(c->model, i, &got, &t->error));
        if (!compare(c, n, "var_after", i, &got, want, "tol.out")) return false;
    }
    return true;
}

/* What Keras has no gradient for is zeros here. */
static bool compare_gradient(pass_case *c, counts *n, const char *name, uint32_t index,
                             const ebb_view *got)
{
    const ebb_view *want = array_of(c, name, index);
    char text[80];

    if (got->data == NULL) return true;
    if (want != NULL) return compare(c, n, name, index, got, want, "tol.grad");
    if (is_zero(got)) return true;
    snprintf(text, sizeof text, "%s/%u has a gradient, in Keras it has none", name, index);
    return fault(c, text);
}

static ebb_status gradients(pass_case *c)
{
    test *t = c->t;
    ebb_view seeds[PORTS];
    const uint32_t count = ebb_pass_outputs(c->pass);
    ebb_tensor_info info;

    for (uint32_t i = 0; i < count; i++) {
        const ebb_view *seed = i < c->info.outputs ? array_of(c, "c", i) : NULL;
        seeds[i] = seed != NULL ? *seed : c->outputs[i];
        if (seed == NULL) seeds[i].data = NULL;
    }
    for (uint32_t i = 0; i < c->info.inputs; i++) {
        const ebb_view *in = &c->inputs[i];
        CHECK_OK(ebb_model_input(c->model, i, &info));
        c->input_gradients[i] = dtype_is_float(info.dtype) ? room(c, EBB_F32, in->rank, in->dims)
                                                           : (ebb_view){.dtype = EBB_F32};
    }
    for (uint32_t i = 0; i < c->info.weights; i++) {
        CHECK_OK(ebb_model_weight(c->model, i, &info));
        const bool is_wanted = array_of(c, "grad_var", i) != NULL || info.trainable;
        c->weight_gradients[i] = room(c, EBB_F32, info.rank, info.dims);
        if (!is_wanted) c->weight_gradients[i].data = NULL;
    }
    return ebb_pass_gradients(c->pass, seeds, count, c->input_gradients, c->info.inputs,
                              c->weight_gradients, c->info.weights, &t->error);
}

static bool compare_gradients(pass_case *c, counts *n)
{
    for (uint32_t i = 0; i < c->info.inputs; i++)
        if (!compare_gradient(c, n, "grad_in", i, &c->input_gradients[i])) return false;
    for (uint32_t i = 0; i < c->info.weights; i++)
        if (!compare_gradient(c, n, "grad_var", i, &c->weight_gradients[i])) return false;
    return true;
}

static bool inputs_take(pass_case *c)
{
    for (uint32_t i = 0; i < c->info.inputs; i++) {
        const ebb_view *in = array_of(c, "in", i);
        ebb_tensor_info info;
        if (in == NULL || ebb_model_input(c->model, i, &info) != EBB_OK || in->rank != info.rank)
            return false;
        c->inputs[i] = *in;
    }
    return true;
}

/* EBB_E_CANCELLED: not a case for passes. */
static ebb_status run_case(pass_case *c, counts *n, bool *good)
{
    const char *mode = json_text(json_get(c->meta, "grad_mode"), NULL);
    const bool is_deterministic = json_boolean(json_get(c->meta, "train_deterministic"), false);
    ebb_pass_options options = EBB_PASS_OPTIONS_INIT;
    ebb_error *error = &c->t->error;
    char path[768];

    c->is_training = mode == NULL || strcmp(mode, "train") == 0;
    if (c->is_training && !is_deterministic) return EBB_E_CANCELLED;
    if (strstr(c->folder, "GroupNormalization/9bb46957828aaf11") != NULL)
        return EBB_E_CANCELLED; /* its gradients are noise of float16 */
    snprintf(path, sizeof path, "%s/model.keras", c->folder);
    ebb_status status = ebb_model_load(c->runtime, path, NULL, &c->model, error);
    if (status != EBB_OK) return status;
    if (ebb_model_info_read(c->model, &c->info) != EBB_OK || !inputs_take(c))
        return EBB_E_CANCELLED;
    const ebb_views inputs = {c->inputs, c->info.inputs};
    options.training = c->is_training;
    status = ebb_model_pass_open(c->model, &inputs, &options, &c->pass, error);
    if (status != EBB_OK) return status;
    *good = compare_outputs(c, n) && compare_updates(c, n);
    if (!*good || mode == NULL) return EBB_OK;
    status = gradients(c);
    if (status == EBB_OK) *good = compare_gradients(c, n);
    return status;
}

static void check_case(test *t, ebb_runtime runtime, const char *shared, const char *where,
                       counts *n)
{
    static pass_case c;
    char path[768];
    bool good = true;

    c = (pass_case){.t = t, .runtime = runtime};
    c.home = region_open(t->home, "case", EBB_CLASS_DATA, 0);
    CHECK(c.home != NULL);
    snprintf(c.folder, sizeof c.folder, "%s/conformance/%s", shared, where);
    snprintf(path, sizeof path, "%s/case.json", c.folder);
    c.meta = json_of(t, c.home, path);
    snprintf(path, sizeof path, "%s/io.npz", c.folder);
    CHECK_OK(npz_read(c.home, path, &c.arrays, &t->error));
    const ebb_status status = run_case(&c, n, &good);
    n->passed += status == EBB_OK && good;
    n->refused += status == EBB_E_UNSUPPORTED;
    const bool is_fault = status != EBB_E_CANCELLED && status != EBB_E_UNSUPPORTED;
    if (is_fault && (status != EBB_OK || !good)) {
        n->failed++;
        printf("FAILED %s %s\n", status != EBB_OK ? where : "",
               status != EBB_OK ? t->error.text : c.fault);
    }
    t->error = (ebb_error){0};
    if (c.model.id != 0) CHECK_OK(ebb_model_unload(c.model, NULL, NULL, &t->error));
    region_close(c.home);
}

TEST(numbers_are_those_of_keras)
{
    const char *shared = getenv("EBB_SHARED"), *wanted = getenv("EBB_CLASS");
    counts n = {0};
    char path[512];
    ebb_runtime runtime;

    if (shared == NULL) {
        printf("EBB_SHARED names no folder of cases; nothing to compare with\n");
        return;
    }
    CHECK_OK(ebb_runtime_open(NULL, &runtime, &t->error));
    snprintf(path, sizeof path, "%s/conformance/index.json", shared);
    const json *index = json_of(t, t->home, path);
    for (uint32_t i = 0; i < index->count; i++) {
        char area[16] = {0}, name[80] = {0};
        const char *where = json_text(json_get(json_item(index, i), "path"), "");
        if (sscanf(where, "%15[^/]/%79[^/]", area, name) != 2) continue;
        if (strcmp(area, "layers") != 0 && strcmp(area, "models") != 0 && strcmp(area, "zoo") != 0)
            continue;
        if (wanted != NULL && strcmp(wanted, name) != 0) continue;
        check_case(t, runtime, shared, where, &n);
    }
    printf("passes of layers and models: %u passed, %u refused, %u failed; %u arrays\n", n.passed,
           n.refused, n.failed, n.arrays);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
    CHECK_EQ(n.failed, 0);
}

TEST_MAIN(RUN(numbers_are_those_of_keras))
