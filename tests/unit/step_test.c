/* step_test.c -- whole training and evaluation steps against Keras: losses by step, metrics,
 * weights and slots afterwards.
 *
 * golden/steps.json (made by golden/make_steps.py) has small models for what compile() and layers
 * can ask of a step; the conformance data's training/ and resume/ are run when they are there. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "format/format.h"
#include "json_case.h"
#include "layer/bind.h"
#include "layer_model.h"
#include "npz_file.h"
#include "step_run.h"

#define OUTPUTS  8u
#define RESULTS  16u
#define RELATIVE 1e-4
#define ABSOLUTE 1e-5

/* -- golden/steps.json ------------------------------------------------------------------------- */

static uint32_t views_of(region *home, const json *list, ebb_view *views)
{
    const uint32_t count = json_is_null(list) ? 0 : list->count;

    CHECK(count <= OUTPUTS);
    for (uint32_t i = 0; i < count; i++) {
        const case_tensor x = json_case_tensor(home, json_item(list, i));
        views[i] = (ebb_view){.dtype = x.desc.dtype, .rank = x.desc.rank, .data = x.data};
        memcpy(views[i].dims, x.desc.dims, sizeof views[i].dims);
    }
    return count;
}

typedef struct batch {
    ebb_view x[OUTPUTS], y[OUTPUTS], weights[OUTPUTS];
    const ebb_view *sample_weight;
} batch;

static batch batch_of(region *home, const json *item)
{
    batch b = {.sample_weight = NULL};
    const json *weights = json_get(item, "sample_weight");
    const uint32_t outputs = views_of(home, json_get(item, "y"), b.y);

    views_of(home, json_get(item, "x"), b.x);
    CHECK(json_is_null(weights) || views_of(home, weights, b.weights) == outputs);
    return b;
}

static void check_results(const char *name, const step_run *r, const double *found,
                          const json *titles, const json *wanted)
{
    char text[160];

    CHECK_EQ(titles->count, r->step.result_count);
    for (uint32_t i = 0; i < titles->count; i++) {
        const char *title = json_text(json_item(titles, i), "");
        const float value = (float)found[step_run_title(r, title)];
        snprintf(text, sizeof text, "%s: %s", name, title);
        json_case_check_within(text, &value, 1, EBB_F32, json_item(wanted, i), r->step.emit.home,
                               RELATIVE, ABSOLUTE);
    }
}

static void check_weights(const char *name, step_run *r, const json *wanted)
{
    char text[160];

    CHECK_EQ(wanted->count, r->step.model->weight_count);
    for (uint32_t k = 0; k < wanted->count; k++) {
        const layer_weight *w = r->step.model->weights[k];
        uint64_t count = 1;
        for (uint32_t i = 0; i < w->rank; i++) count *= (uint64_t)w->dims[i];
        snprintf(text, sizeof text, "%s: %s/%s", name, w->title, w->name);
        json_case_check_within(text, step_run_weight_read(r, k), count, w->dtype,
                               json_item(wanted, k), r->step.emit.home, RELATIVE, ABSOLUTE);
    }
}

static void check_variables(const step_run *r, const json *paths)
{
    const train_emit *e = &r->step.emit;

    CHECK_EQ(paths->count, e->variable_count - r->step.optimizer_first);
    for (uint32_t i = 0; i < paths->count; i++) {
        const char *path = json_text(json_item(paths, i), "");
        const char *own = e->variables[r->step.optimizer_first + i].name;
        /* Without an own name, or without the optimizer's in it, it depends on when it was made. */
        if (strstr(path, "variable") == NULL && strchr(own, '/') != NULL) CHECK_TEXT(own, path);
    }
}

static void weights_set(step_run *r, const json *list)
{
    for (uint32_t k = 0; k < list->count; k++) {
        const case_tensor w = json_case_floats(r->step.emit.home, json_item(list, k));
        CHECK_EQ(r->step.model->weights[k]->dtype, EBB_F32);
        step_run_weight(r, k, w.data);
    }
}

static void check_case(test *t, const json *item)
{
    const char *key = json_text(json_get(item, "key"), "");
    const description d = step_run_description(t, json_get(item, "model"));
    const settings s = step_run_settings(t, &d, d.compile_config);
    batch b = batch_of(t->home, item);
    const json *steps = json_get(item, "steps"), *titles = json_get(item, "titles");
    double results[RESULTS];
    char name[80];

    if (!json_is_null(json_get(item, "sample_weight"))) b.sample_weight = b.weights;
    step_run *const train = step_run_open(t, &d, &s, true, b.x, b.y, b.sample_weight);
    step_run *const evaluate = step_run_open(t, &d, &s, false, b.x, b.y, b.sample_weight);
    CHECK_EQ(evaluate->step.optimizer_first, evaluate->step.emit.variable_count);
    CHECK_EQ(evaluate->step.optimizer_first, train->step.optimizer_first);
    check_variables(train, json_get(item, "variables"));
    weights_set(train, json_get(item, "weights"));
    step_run_begin(train);
    for (uint32_t i = 0; i < steps->count; i++) {
        step_run_step(train, b.x, b.y, b.sample_weight, results);
        snprintf(name, sizeof name, "%s, step %u", key, i);
        check_results(name, train, results, titles, json_item(steps, i));
    }
    check_weights(key, train, json_get(item, "final"));
    step_run_begin(evaluate);
    step_run_take(evaluate, train, false);
    step_run_step(evaluate, b.x, b.y, b.sample_weight, results);
    snprintf(name, sizeof name, "%s, evaluated", key);
    check_results(name, evaluate, results, titles, json_get(item, "tested"));
}

TEST(step_trains_and_evaluates_as_keras)
{
    const json *file = json_case_file(t->home, EBB_GOLDEN "/steps.json");
    const json *cases = json_get(file, "cases");

    CHECK(cases != NULL && cases->count > 0);
    for (uint32_t i = 0; i < cases->count; i++) check_case(t, json_item(cases, i));
}

/* -- the conformance data ---------------------------------------------------------------------- */

typedef struct conformance_case {
    description *d;
    const json *meta;
    npz_file arrays;
    settings settings;
    weight_source *sources;
    uint32_t rows; /* of a batch */
} conformance_case;

static const ebb_view *array_of(const conformance_case *c, const char *prefix, uint32_t index)
{
    char name[32];

    snprintf(name, sizeof name, "%s/%u", prefix, index);
    const npz_array *found = npz_find(&c->arrays, name);
    return found != NULL ? &found->view : NULL;
}

/* Rows [first, first + count) of all arrays of that name. */
static uint32_t rows_of(const conformance_case *c, const char *prefix, uint32_t first,
                        uint32_t count, ebb_view *views)
{
    uint32_t found = 0;

    for (; found < OUTPUTS; found++) {
        const ebb_view *all = array_of(c, prefix, found);
        if (all == NULL) break;
        ebb_view *const part = &views[found];
        *part = *all;
        part->dims[0] = count;
        part->data = (char *)all->data + (uint64_t)first * (ebb_view_bytes(part) / count);
    }
    return found;
}

static conformance_case conformance_read(test *t, const char *folder)
{
    conformance_case c = {0};
    built_model *m = NULL;
    char path[1200];

    snprintf(path, sizeof path, "%s/model.keras", folder);
    CHECK_OK(format_read(t->home, path, NULL, &c.d, &t->error));
    c.settings = step_run_settings(t, c.d, c.d->compile_config);
    CHECK_OK(assemble_model(t->home, c.d, NULL, &m, &t->error));
    CHECK_OK(bind_weights(t->home, c.d, m, NULL, NULL, &c.sources, &t->error));
    snprintf(path, sizeof path, "%s/case.json", folder);
    c.meta = json_case_file(t->home, path);
    snprintf(path, sizeof path, "%s/io.npz", folder);
    CHECK_OK(npz_read(t->home, path, &c.arrays, &t->error));
    c.rows = (uint32_t)json_integer(json_path(c.meta, "fit.batch_size"), 32);
    return c;
}

/* Every case of an area by `run`, each in a region of its own; `least` of them must be there. */
typedef bool (*conformance_function)(test *t, const char *folder, char *text, size_t size);
static void conformance_area(test *t, const char *area, uint32_t least, conformance_function run);

static void weights_load(test *t, const conformance_case *c, step_run *r)
{
    for (uint32_t k = 0; k < r->step.model->weight_count; k++) {
        const layer_weight *w = r->step.model->weights[k];
        const ebb_view size =
            array_of(c, "final", k) != NULL ? *array_of(c, "final", k) : (ebb_view){0};
        void *const bytes = region_block(t->home, ebb_view_bytes(&size) + 64);
        CHECK(bytes != NULL && size.dtype == w->dtype);
        const uint64_t count = ebb_view_bytes(&size) / ebb_dtype_bytes(w->dtype);
        CHECK_OK(bind_read(t->home, &c->sources[k], w, 0, count, bytes, &t->error));
        step_run_weight(r, k, bytes);
    }
}

/* Counters are I64 in Keras and I32 here. */
static ebb_view as_stored(test *t, const ebb_view *given)
{
    ebb_view v = *given;

    if (given->dtype != EBB_I64) return v;
    int32_t *const numbers = region_alloc(t->home, ebb_view_bytes(given) / 8 + 1, 4);
    CHECK(numbers != NULL);
    for (uint64_t i = 0; i < ebb_view_bytes(given) / 8; i++)
        numbers[i] = (int32_t)((const int64_t *)given->data)[i];
    v.dtype = EBB_I32;
    v.data = numbers;
    return v;
}

static void slots_load(test *t, const conformance_case *c, step_run *r)
{
    const train_emit *e = &r->step.emit;

    for (uint32_t k = 0; r->step.optimizer_first + k < e->variable_count; k++) {
        const ebb_view *given = array_of(c, "opt_before", k);
        if (k == 0 && given == NULL) return;
        CHECK(given != NULL);
        const ebb_view stored = as_stored(t, given);
        CHECK_EQ(stored.dtype, e->variables[r->step.optimizer_first + k].dtype);
        step_run_variable(r, r->step.optimizer_first + k, stored.data);
    }
}

/* How far `found` is from `wanted` beyond what `tol` allows; 0: near enough. */
static bool is_near(const conformance_case *c, const char *tol, const ebb_view *found,
                    const ebb_view *wanted, const char *name, char *text, size_t size)
{
    const json *pair = json_get(json_get(c->meta, "tol"), tol);
    double worst = 0;

    if (compare_views(found, wanted, json_number(json_item(pair, 0), 0),
                      json_number(json_item(pair, 1), 0), &worst)) {
        return true;
    }
    snprintf(text, size, "%s is off by %g more than allowed", name, worst);
    return false;
}

/* fit has ended: moving averages become the weights. */
static void averages_take(step_run *r)
{
    for (uint32_t i = 0; i < r->step.trained_count; i++) {
        const value average = optimizer_average(r->step.optimizer, i);
        if (average != VALUE_NONE)
            step_run_weight(r, r->step.trained[i], graph_run_value(r->graph, average));
    }
}

static bool is_after(test *t, const conformance_case *c, step_run *r, char *text, size_t size)
{
    const train_emit *e = &r->step.emit;
    char name[160];

    for (uint32_t k = 0; k < r->step.model->weight_count; k++) {
        const layer_weight *w = r->step.model->weights[k];
        const ebb_view *wanted = array_of(c, "final", k);
        ebb_view found = *wanted;
        found.data = (void *)(uintptr_t)step_run_weight_read(r, k);
        snprintf(name, sizeof name, "%.80s/%.60s", w->title, w->name);
        if (!is_near(c, "weights", &found, wanted, name, text, size)) return false;
    }
    for (uint32_t k = r->step.optimizer_first; k < e->variable_count; k++) {
        const ebb_view *given = array_of(c, "opt", k - r->step.optimizer_first);
        CHECK(given != NULL);
        const ebb_view wanted = as_stored(t, given);
        ebb_view found = wanted;
        found.data = (void *)(uintptr_t)step_run_variable_read(r, k);
        if (!is_near(c, "weights", &found, &wanted, e->variables[k].name, text, size)) return false;
    }
    return true;
}

static bool conformance_train(test *t, const char *folder, char *text, size_t size)
{
    conformance_case c = conformance_read(t, folder);
    const npz_array *losses = npz_find(&c.arrays, "loss");
    ebb_view x[OUTPUTS], y[OUTPUTS];
    double results[RESULTS];
    char name[40];

    CHECK(losses != NULL);
    const uint32_t all = (uint32_t)array_of(&c, "x", 0)->dims[0];
    const uint32_t outputs = rows_of(&c, "y", 0, c.rows, y);
    CHECK(rows_of(&c, "x", 0, c.rows, x) > 0 && outputs > 0 && all % c.rows == 0);
    step_run *const r = step_run_open(t, c.d, &c.settings, true, x, y, NULL);
    weights_load(t, &c, r);
    step_run_begin(r);
    slots_load(t, &c, r);
    for (uint32_t i = 0; i < losses->view.dims[0]; i++) {
        const uint32_t first = i * c.rows % all;
        rows_of(&c, "x", first, c.rows, x);
        rows_of(&c, "y", first, c.rows, y);
        step_run_step(r, x, y, NULL, results);
        float loss = (float)results[0];
        ebb_view found = {.dtype = EBB_F32, .data = &loss}, wanted = found;
        wanted.data = (float *)losses->view.data + i;
        snprintf(name, sizeof name, "loss of step %u", i);
        if (!is_near(&c, "loss", &found, &wanted, name, text, size)) return false;
    }
    averages_take(r);
    const bool good = is_after(t, &c, r, text, size);
    description_close(c.d);
    return good;
}

/* Results over all rows, batch by batch: the loss is the mean over rows; Keras, which does not know
 * the rows of a batch at that place, makes those of single outputs means over batches. */
static step_run *evaluate_all(test *t, const conformance_case *c, double *results)
{
    ebb_view x[OUTPUTS], y[OUTPUTS];
    const uint32_t all = (uint32_t)array_of(c, "x", 0)->dims[0];
    double losses[RESULTS] = {0};
    step_run *r = NULL;

    for (uint32_t first = 0, batches = 1; first < all; first += c->rows, batches++) {
        const uint32_t rows = all - first < c->rows ? all - first : c->rows;
        CHECK(rows_of(c, "x", first, rows, x) > 0 && rows_of(c, "y", first, rows, y) > 0);
        if (r == NULL || rows != c->rows) {
            step_run *const next = step_run_open(t, c->d, &c->settings, false, x, y, NULL);
            step_run_begin(next);
            if (r != NULL) step_run_take(next, r, true);
            for (uint32_t k = 0; r == NULL && k < next->step.model->weight_count; k++)
                step_run_weight(next, k, array_of(c, "final", k)->data);
            r = next;
        }
        step_run_step(r, x, y, NULL, results);
        losses[0] += results[0] * rows;
        results[0] = losses[0] / (first + rows);
        for (uint32_t i = 1; i < r->step.model->output_count + 1 && c->settings.shows_losses; i++) {
            losses[i] += results[i];
            results[i] = losses[i] / batches;
        }
    }
    return r;
}

static bool conformance_evaluate(test *t, const char *folder, char *text, size_t size)
{
    conformance_case c = conformance_read(t, folder);
    const json *wanted = json_get(c.meta, "evaluate_after");
    double results[RESULTS];
    bool good = true;

    step_run *const r = evaluate_all(t, &c, results);
    CHECK(wanted != NULL);
    CHECK_EQ(wanted->count, r->step.result_count);
    for (uint32_t i = 0; i < wanted->count && good; i++) {
        const json_member *m = &wanted->as.members[i];
        float found = (float)results[step_run_title(r, m->key)];
        float number = m->value.kind == JSON_STRING ? strtof(m->value.as.string, NULL)
                                                    : (float)json_number(&m->value, 0);
        const ebb_view a = {.dtype = EBB_F32, .data = &found},
                       b = {.dtype = EBB_F32, .data = &number};
        good = is_near(&c, "loss", &a, &b, m->key, text, size);
    }
    description_close(c.d);
    return good;
}

static void conformance_area(test *t, const char *area, uint32_t least, conformance_function run)
{
    char root[1024], folder[1100], text[300];
    uint32_t passed = 0, failed = 0;
    region *const home = t->home;
    DIR *classes, *cases;

    snprintf(text, sizeof text, "conformance/%s", area);
    if (!test_shared(text, root)) return;
    CHECK((classes = opendir(root)) != NULL);
    for (const struct dirent *at = readdir(classes); at != NULL; at = readdir(classes)) {
        if (at->d_name[0] == '.') continue;
        snprintf(folder, sizeof folder, "%.800s/%.100s", root, at->d_name);
        CHECK((cases = opendir(folder)) != NULL);
        for (const struct dirent *own = readdir(cases); own != NULL; own = readdir(cases)) {
            if (own->d_name[0] == '.') continue;
            snprintf(folder, sizeof folder, "%.800s/%.100s/%.100s", root, at->d_name, own->d_name);
            t->home = region_open(home, "case", EBB_CLASS_META, 0);
            CHECK(t->home != NULL);
            const bool good = run(t, folder, text, sizeof text);
            region_close(t->home);
            t->home = home;
            if (!good) printf("%s/%s/%s: %s\n", area, at->d_name, own->d_name, text);
            passed += good;
            failed += !good;
        }
        closedir(cases);
    }
    closedir(classes);
    printf("%s: %u passed, %u failed\n", area, passed, failed);
    CHECK_EQ(failed, 0);
    CHECK(passed >= least);
}

TEST(step_passes_the_conformance_data_of_training)
{
    conformance_area(t, "training", 41, conformance_train);
}

TEST(step_passes_the_conformance_data_of_resuming)
{
    conformance_area(t, "resume", 23, conformance_train);
}

TEST(step_passes_the_conformance_data_of_evaluating)
{
    conformance_area(t, "history", 34, conformance_evaluate);
}

/* -- the rest ---------------------------------------------------------------------------------- */

#define TWO_OUTPUTS MODEL_TWO_OUTPUTS(",'units':3,'activation':'softmax'", ",'units':2")

static const ebb_view two_targets[] = {{.dtype = EBB_I64, .rank = 1, .dims = {4}},
                                       {.dtype = EBB_F64, .rank = 2, .dims = {4, 2}}};

static ebb_status make(test *t, const char *config, const ebb_view *y, bool is_training,
                       const step_trainable *trainable, train_step *step)
{
    const description d = model_description(t, TWO_OUTPUTS);
    const settings s = step_run_settings(t, &d, model_json(t, config));
    const step_inputs inputs = {.y = y};

    return step_make(t->home, &d, &s, &inputs, is_training, 0, trainable, step, &t->error);
}

TEST(step_tells_its_inputs_results_and_variables)
{
    train_step s;

    CHECK_OK(make(t,
                  "{'optimizer':{'class_name':'SGD','config':{'momentum':0.5}},'loss':"
                  "['sparse_categorical_crossentropy','mse'],'metrics':[['accuracy'],null]}",
                  two_targets, true, NULL, &s));
    CHECK_EQ(s.x_count, 1);
    CHECK_EQ(s.y_count, 2);
    CHECK_EQ(s.weight_count, 0);
    CHECK_EQ(s.y_output[1], 1);
    CHECK_EQ(s.emit.graph->input_count, 3);
    CHECK_EQ(graph_value(s.emit.graph, s.emit.graph->inputs[1])->dtype, EBB_I64);
    CHECK_EQ(s.class_counts[0], 3);
    CHECK_EQ(s.class_counts[1], 0);
    CHECK_EQ(s.result_count, 4);
    CHECK_TEXT(s.titles[0], "loss");
    CHECK_TEXT(s.titles[1], "left_loss");
    CHECK_TEXT(s.titles[2], "right_loss");
    CHECK_TEXT(s.titles[3], "left_accuracy");
    CHECK_EQ(s.emit.weight_first, 4);
    CHECK_TEXT(s.emit.variables[0].name, "random");
    CHECK_EQ(s.metric_first, 1);
    CHECK_EQ(s.optimizer_first, 3);
    CHECK_TEXT(s.emit.variables[3].name, "sgd/iteration");
    CHECK_EQ(s.emit.variable_count, 3 + 2 + 4);
    CHECK_EQ(s.trained_count, 4);
    CHECK_EQ(s.emit.graph->output_count - s.emit.graph->update_count, 4);
    CHECK_EQ(s.emit.graph->update_count, 4 + 1 + 2 + 1 + 4);
}

TEST(targets_nobody_needs_are_no_inputs)
{
    train_step s;

    CHECK_OK(make(t, "{'optimizer':'sgd','loss':[null,'mse']}", two_targets, true, NULL, &s));
    CHECK_EQ(s.y_count, 1);
    CHECK_EQ(s.y_output[0], 1);
    CHECK_EQ(s.result_count, 1);
    CHECK_OK(make(t, "{'optimizer':'sgd','loss':[null,'mse'],'metrics':[['mae'],[]]}",
                  (const ebb_view[]){{.dtype = EBB_F32, .rank = 2, .dims = {4, 3}},
                                     {.dtype = EBB_F32, .rank = 2, .dims = {4, 2}}},
                  false, NULL, &s));
    CHECK_EQ(s.y_count, 2);
}

static bool is_left(void *context, const char *title, bool otherwise)
{
    *(bool *)context |= otherwise;
    return strcmp(title, "left") == 0;
}

TEST(layers_are_frozen_by_name)
{
    bool was_free = false;
    const step_trainable trainable = {is_left, &was_free};
    train_step s;

    CHECK_OK(make(t, "{'optimizer':'sgd','loss':['sparse_categorical_crossentropy','mse']}",
                  two_targets, true, &trainable, &s));
    CHECK(was_free);
    CHECK_EQ(s.trained_count, 2);
    CHECK_TEXT(s.model->weights[s.trained[0]]->title, "left");
    CHECK_TEXT(s.model->weights[s.trained[1]]->title, "left");
}

TEST(nothing_to_train_is_no_fault)
{
    bool was_free = false;
    const step_trainable trainable = {is_left, &was_free};
    const description d =
        model_description(t, MODEL_SEQUENTIAL(2, MODEL_LAYER("Dense", "'name':'out','units':1")));
    const settings s = step_run_settings(t, &d, model_json(t, "{'optimizer':'adam','loss':'mse'}"));
    const step_inputs inputs = {
        .y = (const ebb_view[]){{.dtype = EBB_F32, .rank = 2, .dims = {4, 1}}}};
    train_step step;

    CHECK_OK(step_make(t->home, &d, &s, &inputs, true, 0, &trainable, &step, &t->error));
    CHECK_EQ(step.trained_count, 0);
    CHECK_EQ(step.emit.graph->update_count, 1);
}

static void check_refused(test *t, const char *config, const ebb_view *y, ebb_status status,
                          const char *where, const char *text)
{
    train_step s;

    CHECK_STATUS(make(t, config, y, true, NULL, &s), status);
    CHECK_CONTAINS(t->error.where, where);
    CHECK_CONTAINS(t->error.text, text);
}

TEST(faults)
{
    const ebb_view wide[] = {{.dtype = EBB_F32, .rank = 2, .dims = {4, 5}},
                             {.dtype = EBB_F32, .rank = 2, .dims = {4, 5}}};
    const ebb_view flat[] = {{.dtype = EBB_F32}, {.dtype = EBB_F32}};

    check_refused(t, "{'optimizer':'sgd','loss':[null,'mse']}", wide, EBB_E_SHAPE,
                  "loss of output 'right'", "5");
    check_refused(t, "{'optimizer':'sgd','loss':[null,'mse'],'metrics':[['mae'],null]}",
                  (const ebb_view[]){wide[0], two_targets[1]}, EBB_E_SHAPE,
                  "metrics of output 'left'", "5");
    check_refused(t, "{'optimizer':'sgd','loss':[null,'mse']}", flat, EBB_E_SHAPE, "",
                  "target of output 'right'");
    check_refused(t, "{'optimizer':'sgd','metrics':[null,['mae']]}", two_targets, EBB_E_STATE, "",
                  "no loss");
    check_refused(t, "{'loss':[null,'mse']}", two_targets, EBB_E_STATE, "", "without an optimizer");
    check_refused(t,
                  "{'optimizer':'sgd','loss':['sparse_categorical_crossentropy',{'class_name':"
                  "'MeanSquaredError','config':{'reduction':'none'}}]}",
                  two_targets, EBB_E_UNSUPPORTED, "", "reduction 'none'");
    check_refused(t,
                  "{'optimizer':'sgd','loss':[null,'mse'],'metrics':[null,[{'class_name':'F1Score',"
                  "'config':{'average':null}}]]}",
                  two_targets, EBB_E_UNSUPPORTED, "metrics of output 'right'", "number per class");
}

TEST(failing_memory_is_told)
{
    const description d = model_description(t, TWO_OUTPUTS);
    const settings s = step_run_settings(
        t, &d,
        model_json(t, "{'optimizer':'adam','loss':['sparse_categorical_crossentropy','mse'],"
                      "'metrics':[['accuracy'],null],'loss_weights':[1,2]}"));
    const step_inputs inputs = {.y = two_targets};
    region *const home = t->home;

    for (int64_t n = 0;; n++) {
        region *const own = region_open(home, "own", EBB_CLASS_META, 0);
        train_step step;
        CHECK(own != NULL);
        test_fail_allocation(t, n);
        const ebb_status status = step_make(own, &d, &s, &inputs, true, 0, NULL, &step, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        region_close(own);
        if (!failed) break;
    }
}

TEST_MAIN(RUN(step_trains_and_evaluates_as_keras),
          RUN(step_passes_the_conformance_data_of_training),
          RUN(step_passes_the_conformance_data_of_resuming),
          RUN(step_passes_the_conformance_data_of_evaluating),
          RUN(step_tells_its_inputs_results_and_variables), RUN(targets_nobody_needs_are_no_inputs),
          RUN(layers_are_frozen_by_name), RUN(nothing_to_train_is_no_fault), RUN(faults),
          RUN(failing_memory_is_told))
