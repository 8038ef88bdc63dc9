/* layer_training_conformance_test.c -- outputs, updates, losses and gradients of models in
 * training, against the conformance cases of the folder EBB_SHARED.
 *
 *     EBB_CLASS=LSTM   only this class of layers, or model
 *     EBB_TABLE=1      a line for every class
 *
 * Every case is one graph on portable kernels: nothing is folded or fused. A wrong number fails;
 * what layers refuse is counted. Without the folder there is nothing to compare with. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "compare.h"
#include "format/format.h"
#include "graph/gradient.h"
#include "graph_run.h"
#include "layer/bind.h"
#include "npz_file.h"
#include "tensor/dtype.h"
#include "train/regularizer/regularizer.h"

#define PORTS_MAX 64
#define ROWS_MAX  512

typedef struct row {
    char name[80];
    uint32_t passed, refused, failed;
} row;

typedef struct suite {
    test *t;
    const char *shared;
    row rows[ROWS_MAX];
    uint32_t row_count;
    uint32_t arrays; /* compared */
} suite;

/* One case: the data, the model, what is asked of it. */
typedef struct training_case {
    suite *s;
    test *t;
    const char *folder;
    const json *meta;
    npz_file arrays;
    description *d;
    built_model *model;
    weight_source *sources;
    bool has_gradients, is_training;
    value penalty; /* of the whole model */
    value wrt[512], gradients[512], steps[512];
    graph_run *run;
    int64_t *dims; /* of all expressions of lengths */
    char fault[1024];
} training_case;

static const json *json_of(test *t, const char *path)
{
    FILE *file = fopen(path, "rb");
    const json *result = NULL;

    if (file == NULL) return NULL;
    fseek(file, 0, SEEK_END);
    const long length = ftell(file);
    rewind(file);
    char *text = region_block(t->home, (size_t)length + 1);
    CHECK(text != NULL);
    const size_t got = fread(text, 1, (size_t)length, file);
    fclose(file);
    CHECK_OK(json_read(t->home, text, got, path, &result, &t->error));
    return result;
}

static bool fault(training_case *c, const char *text)
{
    snprintf(c->fault, sizeof c->fault, "%s: %s", c->folder, text);
    return false;
}

static const ebb_view *array_of(const training_case *c, const char *name, uint32_t index)
{
    char path[64];

    snprintf(path, sizeof path, "%s/%u", name, index);
    const npz_array *found = npz_find(&c->arrays, path);
    return found != NULL ? &found->view : NULL;
}

/* -- the graph ----------------------------------------------------------------------------------
 */

static value sum_up(graph *g, value sum, value v)
{
    return sum == VALUE_NONE ? v : op_add(g, sum, v);
}

/* Regularizers of weights that are trained, and the losses of activities. */
static value model_penalty(training_case *c)
{
    const built_model *m = c->model;
    graph *g = m->graph;
    value sum = VALUE_NONE;

    for (uint32_t i = 0; i < m->weight_count; i++) {
        const layer_weight *w = m->weights[i];
        if (w->regularizer == NULL || !w->trainable) continue;
        sum = sum_up(
            g, sum,
            penalty_emit(g, c->t->home, w->regularizer, w->title, op_cast(g, w->latest, EBB_F32)));
    }
    for (uint32_t i = 0; i < m->loss_count; i++) sum = sum_up(g, sum, m->losses[i]);
    return sum;
}

static value seed_of(training_case *c, uint32_t output)
{
    const ebb_view *v = array_of(c, "c", output);
    shape s = {.rank = 0};

    if (v == NULL) return VALUE_NONE;
    s.rank = v->rank;
    for (uint32_t i = 0; i < v->rank; i++) s.dims[i] = v->dims[i];
    const uint64_t count = ebb_view_bytes(v) / ebb_dtype_bytes(v->dtype);
    float *numbers = region_block(c->t->home, count * sizeof *numbers + 4);
    CHECK(numbers != NULL);
    dtype_convert(EBB_F32, numbers, v->dtype, v->data, count);
    return graph_constant(c->model->graph, EBB_F32, &s, numbers);
}

static bool emit_gradients(training_case *c)
{
    built_model *m = c->model;
    value outputs[PORTS_MAX], seeds[PORTS_MAX];
    uint32_t count = 0, wanted = 0;

    for (uint32_t i = 0; i < m->output_count; i++) {
        const value seed = seed_of(c, i);
        if (seed == VALUE_NONE) continue;
        outputs[count] = m->outputs[i].v;
        seeds[count++] = seed;
    }
    for (uint32_t i = 0; i < m->input_count; i++) c->wrt[wanted++] = m->inputs[i].v;
    for (uint32_t i = 0; i < m->weight_count; i++) c->wrt[wanted++] = m->weights[i]->latest;
    return graph_gradients(m->graph, outputs, seeds, count, c->wrt, c->gradients, wanted);
}

static bool case_graph(training_case *c)
{
    const assemble_options options = {
        .is_training = c->is_training, .has_variables = true, .penalty = penalty_emit};
    char path[768];
    ebb_error *error = &c->t->error;

    snprintf(path, sizeof path, "%s/model.keras", c->folder);
    if (format_read(c->t->home, path, NULL, &c->d, error) != EBB_OK ||
        assemble_model(c->t->home, c->d, &options, &c->model, error) != EBB_OK ||
        bind_weights(c->t->home, c->d, c->model, NULL, NULL, &c->sources, error) != EBB_OK)
        return false;
    CHECK(c->model->weight_count + c->model->input_count <= 512);
    c->penalty = model_penalty(c);
    if (c->has_gradients) (void)emit_gradients(c);
    if (graph_ok(c->model->graph)) return true;
    *error = c->model->graph->error;
    return false;
}

/* -- running ------------------------------------------------------------------------------------
 */

static void case_run(training_case *c)
{
    built_model *m = c->model;
    graph *g = m->graph;
    int64_t symbols[64] = {0};

    CHECK(dim_symbol_count(g) < 64);
    for (uint32_t i = 0; i < m->input_count; i++) {
        const ebb_view *in = array_of(c, "in", i);
        const shape *s = graph_shape(g, m->inputs[i].v);
        CHECK(in != NULL && in->rank == s->rank);
        for (uint32_t k = 0; k < s->rank; k++) {
            const int64_t number = dim_symbol_number(g, s->dims[k]);
            if (number >= 0) symbols[number] = in->dims[k];
        }
    }
    c->dims = region_new(c->t->home, int64_t, (size_t)dim_count(g) + 1);
    CHECK(c->dims != NULL);
    CHECK_OK(dim_evaluate(g, symbols, c->dims, &c->t->error));
    c->run = graph_run_open_at(c->t, g, symbols);
    for (uint32_t i = 0; i < m->weight_count; i++) {
        const layer_weight *w = m->weights[i];
        uint64_t count = 1;
        for (uint32_t k = 0; k < w->rank; k++) count *= (uint64_t)w->dims[k];
        void *bytes = region_block(c->t->home, count * 8 + 8);
        CHECK(bytes != NULL);
        CHECK_OK(bind_read(c->t->home, &c->sources[i], w, 0, count, bytes, &c->t->error));
        graph_run_variable(c->run, w->v, bytes);
    }
    for (uint32_t i = 0; i < m->input_count; i++) {
        const ebb_view *in = array_of(c, "in", i);
        const ebb_dtype dtype = graph_value(g, m->inputs[i].v)->dtype;
        const uint64_t count = ebb_view_bytes(in) / ebb_dtype_bytes(in->dtype);
        void *bytes = region_block(c->t->home, count * 8 + 8);
        CHECK(bytes != NULL);
        dtype_convert(dtype, bytes, in->dtype, in->data, count);
        graph_run_input(c->run, i, bytes);
    }
    graph_run_step(c->run);
}

/* -- comparing ----------------------------------------------------------------------------------
 */

static ebb_view view_of(const training_case *c, value v)
{
    const value_info *info = graph_value(c->model->graph, v);
    ebb_view view = {.dtype = info->dtype, .rank = info->shape.rank};

    for (uint32_t i = 0; i < view.rank; i++) view.dims[i] = dim_value(info->shape.dims[i], c->dims);
    view.data = (void *)(uintptr_t)graph_run_value(c->run, v);
    return view;
}

static bool compare_value(training_case *c, const char *name, uint32_t index, value v,
                          const ebb_view *want, const char *tolerance)
{
    const json *tol = json_path(c->meta, tolerance);
    const ebb_view got = view_of(c, v);
    char text[160];
    double worst;

    c->s->arrays++;
    if (compare_views(&got, want, json_number(json_item(tol, 0), 1e-5),
                      json_number(json_item(tol, 1), 1e-5), &worst))
        return true;
    snprintf(text, sizeof text, "%s/%u is off by %g more than allowed", name, index, worst);
    return fault(c, text);
}

static bool compare_outputs(training_case *c, const char *name)
{
    const built_model *m = c->model;

    for (uint32_t i = 0; i < m->output_count; i++) {
        const ebb_view *want = array_of(c, name, i);
        if (want == NULL || want->dtype == EBB_DTYPE_NONE) continue;
        if (!compare_value(c, name, i, m->outputs[i].v, want, "tol.out")) return false;
    }
    return true;
}

static bool compare_updates(training_case *c)
{
    const built_model *m = c->model;
    bool is_updated[512] = {false};

    for (uint32_t i = 0; i < m->update_count; i++) {
        const uint32_t index = m->updates[i].weight->index;
        if (index >= m->weight_count) continue;
        const ebb_view *want = array_of(c, "var_after", index);
        is_updated[index] = true;
        if (want != NULL &&
            !compare_value(c, "var_after", index, m->updates[i].next, want, "tol.out"))
            return false;
    }
    for (uint32_t i = 0; i < m->weight_count; i++) {
        if (!is_updated[i] && array_of(c, "var_after", i) != NULL)
            return fault(c, "a weight must change in training, and does not");
    }
    return true;
}

static bool view_is_zero(const ebb_view *v)
{
    const uint64_t count = ebb_view_bytes(v) / ebb_dtype_bytes(v->dtype);
    bool all = true;

    for (uint64_t i = 0; i < count; i++) {
        double number = 0;
        const size_t bytes = ebb_dtype_bytes(v->dtype);
        dtype_convert(EBB_F64, &number, v->dtype, (const uint8_t *)v->data + i * bytes, 1);
        all = all && number == 0;
    }
    return all;
}

/* What Keras has no gradient for may be zeros here, and the other way round. */
static bool compare_gradient(training_case *c, const char *name, uint32_t index, value v)
{
    const ebb_view *want = array_of(c, name, index);
    char text[80];

    if (want == NULL && v == VALUE_NONE) return true;
    if (want == NULL || v == VALUE_NONE) {
        const ebb_view own = want == NULL ? view_of(c, v) : *want;
        if (view_is_zero(&own)) return true;
        snprintf(text, sizeof text, "%s/%u %s", name, index,
                 want == NULL ? "has a gradient, in Keras it has none" : "has no gradient");
        return fault(c, text);
    }
    return compare_value(c, name, index, v, want, "tol.grad");
}

static bool compare_gradients(training_case *c)
{
    const built_model *m = c->model;

    for (uint32_t i = 0; i < m->input_count; i++) {
        if (!dtype_is_float(graph_value(m->graph, m->inputs[i].v)->dtype)) continue;
        if (!compare_gradient(c, "grad_in", i, c->gradients[i])) return false;
    }
    for (uint32_t i = 0; i < m->weight_count; i++) {
        const bool is_given = array_of(c, "grad_var", i) != NULL;
        if (!is_given && !m->weights[i]->trainable) continue;
        if (!compare_gradient(c, "grad_var", i, c->gradients[m->input_count + i])) return false;
    }
    return true;
}

static bool compare_losses(training_case *c)
{
    const npz_array *want = npz_find(&c->arrays, "added_loss");

    if (want == NULL) return true;
    if (c->penalty == VALUE_NONE) return fault(c, "no losses were added");
    return compare_value(c, "added_loss", 0, c->penalty, &want->view, "tol.out");
}

/* -- cases --------------------------------------------------------------------------------------
 */

typedef enum verdict { PASSED, REFUSED, FAILED, SKIPPED } verdict;

/* Inputs of another rank are for executors to bring into shape. */
static bool inputs_fit(const training_case *c)
{
    for (uint32_t i = 0; i < c->model->input_count; i++) {
        const ebb_view *in = array_of(c, "in", i);
        if (in == NULL || in->rank != graph_rank(c->model->graph, c->model->inputs[i].v))
            return false;
    }
    return true;
}

/* Gradients that are 0 but for rounding, which Keras's float16 has more of: a constant input of
 * 70000 to GroupNormalization. */
static bool is_noise(const training_case *c)
{
    return strstr(c->folder, "GroupNormalization/9bb46957828aaf11") != NULL;
}

static verdict case_check(training_case *c)
{
    const char *mode = json_text(json_get(c->meta, "grad_mode"), NULL);
    const bool is_deterministic = json_boolean(json_get(c->meta, "train_deterministic"), false);
    ebb_error *error = &c->t->error;

    c->has_gradients = mode != NULL;
    c->is_training = mode == NULL || strcmp(mode, "train") == 0;
    if (c->is_training && !is_deterministic) return SKIPPED;
    if (!case_graph(c)) {
        snprintf(c->fault, sizeof c->fault, "%s: %s: %s", c->folder, error->where, error->text);
        return error->status == EBB_E_UNSUPPORTED ? REFUSED : FAILED;
    }
    if (!inputs_fit(c) || is_noise(c)) return SKIPPED;
    case_run(c);
    bool good = compare_outputs(c, c->is_training ? "train_out" : "out");
    if (good && c->is_training) good = compare_updates(c);
    if (good && c->has_gradients) good = compare_gradients(c);
    return good && compare_losses(c) ? PASSED : FAILED;
}

static row *row_of(suite *s, const char *name)
{
    for (uint32_t i = 0; i < s->row_count; i++) {
        if (strcmp(s->rows[i].name, name) == 0) return &s->rows[i];
    }
    row *r = &s->rows[s->row_count < ROWS_MAX - 1 ? s->row_count++ : ROWS_MAX - 1];
    snprintf(r->name, sizeof r->name, "%s", name);
    return r;
}

static void case_run_at(suite *s, const char *where, const char *name)
{
    char folder[512], path[768];
    region *outer = s->t->home;
    training_case *c;

    s->t->home = region_open(outer, "case", EBB_CLASS_DATA, 0);
    CHECK(s->t->home != NULL);
    c = region_new(s->t->home, training_case, 1);
    CHECK(c != NULL);
    snprintf(folder, sizeof folder, "%s/conformance/%s", s->shared, where);
    *c = (training_case){.s = s, .t = s->t, .folder = folder};
    snprintf(path, sizeof path, "%s/case.json", folder);
    c->meta = json_of(s->t, path);
    snprintf(path, sizeof path, "%s/io.npz", folder);
    CHECK(c->meta != NULL);
    CHECK_OK(npz_read(s->t->home, path, &c->arrays, &s->t->error));
    const verdict v = case_check(c);
    row *r = row_of(s, name);
    r->passed += v == PASSED;
    r->refused += v == REFUSED;
    r->failed += v == FAILED;
    if (v == FAILED || (v == REFUSED && getenv("EBB_TABLE") != NULL))
        printf("%s %s\n", v == FAILED ? "FAILED" : "refused", c->fault);
    fflush(stdout);
    s->t->error = (ebb_error){0};
    if (c->d != NULL) description_close(c->d);
    region_close(s->t->home);
    s->t->home = outer;
}

static void report(const suite *s)
{
    uint32_t passed = 0, refused = 0, failed = 0;

    for (uint32_t i = 0; i < s->row_count; i++) {
        const row *r = &s->rows[i];
        passed += r->passed;
        refused += r->refused;
        failed += r->failed;
        if (getenv("EBB_TABLE") != NULL)
            printf("training-mode %-38s %5u passed %5u refused %5u failed\n", r->name, r->passed,
                   r->refused, r->failed);
    }
    printf("training of layers and models: %u passed, %u refused, %u failed; %u arrays\n", passed,
           refused, failed, s->arrays);
    CHECK_EQ(failed, 0);
}

TEST(numbers_are_those_of_keras)
{
    static suite s;
    const char *wanted = getenv("EBB_CLASS");
    char path[512];

    s = (suite){.t = t, .shared = getenv("EBB_SHARED")};
    if (s.shared == NULL) {
        printf("EBB_SHARED names no folder of cases; nothing to compare with\n");
        return;
    }
    snprintf(path, sizeof path, "%s/conformance/index.json", s.shared);
    const json *index = json_of(t, path);
    for (uint32_t i = 0; index != NULL && i < index->count; i++) {
        char area[16] = {0}, name[80] = {0};
        const char *where = json_text(json_get(json_item(index, i), "path"), "");
        if (sscanf(where, "%15[^/]/%79[^/]", area, name) != 2) continue;
        if (strcmp(area, "layers") != 0 && strcmp(area, "models") != 0 && strcmp(area, "zoo") != 0)
            continue;
        if (wanted != NULL && strcmp(wanted, name) != 0) continue;
        case_run_at(&s, where, name);
    }
    report(&s);
}

TEST_MAIN(RUN(numbers_are_those_of_keras))
