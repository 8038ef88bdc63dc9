/* activation_vector_test.c -- activations and their gradients against the conformance vectors
 * (units/activations), arguments included. Without the data there is nothing to compare with. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "graph/gradient.h"
#include "graph_run.h"
#include "json_case.h"
#include "layer/layer.h"

/* What keras.activations calls the numbers of a unary op. */
static void put_arguments(activation *a, const json *args)
{
    static const char *const first[] = {"alpha", "negative_slope", "threshold", "b"};
    unary_attributes *u = &a->attributes;

    for (uint32_t i = 0; i < sizeof first / sizeof *first; i++)
        u->alpha = (float)json_number(json_get(args, first[i]), (double)u->alpha);
    if (u->kind == UNARY_RELU && json_get(args, "threshold") != NULL) {
        u->alpha = (float)json_number(json_get(args, "negative_slope"), 0);
        u->beta = (float)json_number(json_get(args, "threshold"), 0);
        u->gamma = (float)json_number(json_get(args, "max_value"), (double)u->gamma);
    }
    if (u->kind == UNARY_GELU && json_boolean(json_get(args, "approximate"), false))
        u->kind = UNARY_GELU_TANH;
}

static activation read_activation(test *t, const char *name, const json *args)
{
    static const activation_def threshold = {.name = "threshold"};
    activation a = {.def = &threshold};

    if (strcmp(name, "threshold") == 0) { /* no layer can name it: it has no defaults */
        a.attributes.kind = UNARY_THRESHOLD;
        a.attributes.alpha = (float)json_number(json_get(args, "threshold"), 0);
        a.attributes.beta = (float)json_number(json_get(args, "default_value"), 0);
        return a;
    }
    CHECK_OK(activation_named(name, name, &a, &t->error));
    if (a.def != NULL && a.def->build == NULL) put_arguments(&a, args);
    return a;
}

/* Those along an axis look along the last one: another one is brought there and back. */
static value emit(graph *g, const activation *a, value x, int64_t axis)
{
    const uint32_t rank = graph_rank(g, x);
    uint32_t order[EBB_RANK_MAX];

    if (axis < 0) return activation_build(g, a, x);
    for (uint32_t i = 0; i < rank; i++) order[i] = i;
    order[axis] = rank - 1;
    order[rank - 1] = (uint32_t)axis;
    return op_transpose(g, activation_build(g, a, op_transpose(g, x, order)), order);
}

static void check_case(test *t, const char *name, const json *item)
{
    const json *args = json_get(item, "args");
    const activation a = read_activation(t, name, args);
    const case_tensor x = json_case_floats(t->home, json_get(item, "x"));
    const case_tensor c = json_case_floats(t->home, json_get(item, "c"));
    graph *g = graph_open(t->home);
    char what[120];

    CHECK(g != NULL);
    snprintf(what, sizeof what, "%s %s", name, json_text(json_get(item, "key"), ""));
    const value in = json_case_input(g, &x), factor = json_case_input(g, &c);
    const value out = emit(g, &a, in, json_integer(json_get(args, "axis"), -1));
    const uint32_t all = (1U << graph_rank(g, out)) - 1;
    const value sum = op_reduce(g, REDUCE_SUM, op_mul(g, out, factor), all, false);
    value gradient = VALUE_NONE;
    if (graph_ok(g)) CHECK(graph_gradients(g, &sum, NULL, 1, &in, &gradient, 1));
    if (!graph_ok(g)) harness_fail(__FILE__, __LINE__, "%s: %s", what, g->error.text);
    graph_output(g, out);
    graph_output(g, gradient);
    graph_run *r = graph_run_open(t, g);
    graph_run_input(r, 0, x.data);
    graph_run_input(r, 1, c.data);
    graph_run_step(r);
    json_case_check(what, graph_run_value(r, out), shape_count_at(graph_shape(g, out), NULL),
                    EBB_F32, json_get(item, "y"), t->home);
    strncat(what, ", gradient", sizeof what - strlen(what) - 1);
    json_case_check(what, graph_run_value(r, gradient), tensor_desc_count(&x.desc), EBB_F32,
                    json_get(item, "grad_x"), t->home);
}

static uint32_t check_file(test *t, const char *folder, const char *file)
{
    char path[2048], name[64] = {0};
    test inner = *t;

    inner.home = region_open(t->home, "cases", EBB_CLASS_META, 0);
    CHECK(inner.home != NULL);
    snprintf(path, sizeof path, "%s/%s", folder, file);
    memcpy(name, file, strcspn(file, ".") < sizeof name ? strcspn(file, ".") : 0);
    const json *cases = json_get(json_case_file(inner.home, path), "cases");
    for (uint32_t i = 0; i < cases->count; i++) check_case(&inner, name, json_item(cases, i));
    test_table("units", "activations", name, cases->count);
    const uint32_t count = cases->count;
    region_close(inner.home);
    return count;
}

TEST(conformance_vectors)
{
    char folder[1024];
    uint32_t count = 0;

    if (!test_shared("conformance/units/activations", folder)) return;
    DIR *files = opendir(folder);
    CHECK(files != NULL);
    for (struct dirent *entry = readdir(files); entry != NULL; entry = readdir(files)) {
        if (strstr(entry->d_name, ".json") != NULL) count += check_file(t, folder, entry->d_name);
    }
    closedir(files);
    CHECK(count > 70);
}

TEST_MAIN(RUN(conformance_vectors))
