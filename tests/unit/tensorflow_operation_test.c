/* tensorflow_operation_test.c -- every operation of the table against TensorFlow's own numbers, and
 * what is refused.
 *
 * A case runs twice: with its placeholders as inputs of the graph, and with constants in their
 * place, which makes lengths of integers wherever that is possible. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph_run.h"
#include "tensor/dtype.h"
#include "tensorflow/tf_build.h"
#include "tensorflow_case.h"

#define NODES_MAX     256
#define VARIABLES_MAX 4
#define RELATIVE      2e-5
#define ABSOLUTE      2e-6

/* One graph that is built. */
typedef struct walk {
    test *t;
    const json *item;
    const char *name;
    tf_graph_def *def;
    graph *g;
    tf_build b;
    tf_tensor *outputs[NODES_MAX];
    uint32_t counts[NODES_MAX];
    const tf_constant *fed[NODES_MAX]; /* by input of the graph */
    int64_t symbols[16];
    bool has_symbols;
    value variables[VARIABLES_MAX], next[VARIABLES_MAX];
    const char *variable_names[VARIABLES_MAX];
    const tf_constant *before[VARIABLES_MAX];
    uint32_t variable_count;
} walk;

static const json *cases(test *t)
{
    char path[1024];

    (void)snprintf(path, sizeof path, "%s/tensorflow.json", EBB_GOLDEN);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    char *text = region_alloc(t->home, 1, (size_t)4 << 20);
    CHECK(text != NULL);
    const size_t length = fread(text, 1, (size_t)4 << 20, file);
    fclose(file);
    const json *root;
    CHECK_OK(json_read(t->home, text, length, path, &root, &t->error));
    return json_get(root, "cases");
}

static value read_variable(void *context, uint32_t resource)
{
    walk *w = context;

    return w->next[resource - 1] != VALUE_NONE ? w->next[resource - 1] : w->variables[resource - 1];
}

static bool assign_variable(void *context, uint32_t resource, value next)
{
    walk *w = context;

    w->next[resource - 1] = next;
    return true;
}

static void walk_open(walk *w, test *t, const json *item)
{
    *w = (walk){.t = t, .item = item, .name = json_text(json_get(item, "name"), "?")};
    w->def = tensorflow_graph(t->home, item);
    CHECK(w->def->node_count <= NODES_MAX);
    w->g = graph_open(t->home);
    CHECK(w->g != NULL);
    w->b = (tf_build){.graph = w->g, .home = t->home, .seed = 5};
    w->b.variables = (tf_variables){read_variable, assign_variable, w};
    if (json_get(item, "random") != NULL) w->b.random = graph_scalar_i32(w->g, 3);
}

static void walk_failed(const walk *w, const char *node)
{
    harness_fail(__FILE__, __LINE__, "%s: node %s: %s: %s", w->name, node, w->g->error.where,
                 w->g->error.text);
}

/* "node:1" or "node". */
static const tf_tensor *tensor_at(const walk *w, const char *source)
{
    const char *colon = strchr(source, ':');
    const size_t length = colon != NULL ? (size_t)(colon - source) : strlen(source);
    const uint32_t place = colon != NULL ? (uint32_t)(colon[1] - '0') : 0;

    for (uint32_t i = 0; i < w->def->node_count; i++) {
        const char *name = w->def->nodes[i].name;
        if (strncmp(name, source, length) != 0 || name[length] != '\0') continue;
        if (place >= w->counts[i])
            harness_fail(__FILE__, __LINE__, "%s: %s has %u outputs", w->name, name, w->counts[i]);
        return &w->outputs[i][colon != NULL && colon[2] != '\0'
                                  ? (uint32_t)(colon[2] - '0') + 10 * place
                                  : place];
    }
    harness_fail(__FILE__, __LINE__, "%s: no tensor %s", w->name, source);
    return NULL;
}

/* A placeholder as an input, or its numbers as a constant. */
static void make_placeholder(walk *w, uint32_t i, bool as_constant)
{
    const tf_node *n = &w->def->nodes[i];
    const tf_constant *x =
        tensorflow_tensor(w->t->home, json_get(json_get(w->item, "feeds"), n->name));
    const tf_shape *declared = &tf_attribute_find(n, "shape")->values[0].shape;
    shape s = {.rank = x->shape.rank};

    w->counts[i] = 1;
    if (as_constant) {
        if (!tf_tensor_constant(&w->b, x, w->outputs[i])) walk_failed(w, n->name);
        return;
    }
    for (uint32_t k = 0; k < s.rank; k++) {
        s.dims[k] = x->shape.dims[k];
        if (declared->dims[k] >= 0) continue;
        w->symbols[dim_symbol_count(w->g)] = s.dims[k];
        w->has_symbols = true;
        s.dims[k] = dim_symbol(w->g, "rows");
    }
    const value v = graph_input(w->g, tf_type_dtype(x->type), &s);
    w->fed[w->g->input_count - 1] = x;
    const ebb_dtype compute = x->type == TF_BOOL                       ? EBB_BOOL
                              : dtype_is_float(tf_type_dtype(x->type)) ? EBB_F32
                                                                       : EBB_I32;
    *w->outputs[i] = tf_tensor_of(&w->b, op_cast(w->g, v, compute), x->type);
}

static void make_variable(walk *w, uint32_t i)
{
    const tf_node *n = &w->def->nodes[i];
    const json *known = json_get(json_get(w->item, "variables"), n->name);
    const uint32_t number = w->variable_count++;
    shape s = {.rank = 0};

    CHECK(number < VARIABLES_MAX && known != NULL);
    const tf_constant *x = tensorflow_tensor(w->t->home, json_item(known, 0));
    for (; s.rank < x->shape.rank; s.rank++) s.dims[s.rank] = x->shape.dims[s.rank];
    w->before[number] = x;
    w->variable_names[number] = n->name;
    w->variables[number] = graph_variable(w->g, tf_type_dtype(x->type), &s, number);
    *w->outputs[i] = (tf_tensor){.type = TF_RESOURCE, .resource = number + 1};
    w->counts[i] = 1;
}

static void make_operation(walk *w, uint32_t i)
{
    const tf_node *n = &w->def->nodes[i];
    tf_tensor *inputs = region_new(w->t->home, tf_tensor, n->input_count + 1);
    uint32_t count = 0;

    CHECK(inputs != NULL);
    for (uint32_t k = 0; k < n->input_count; k++)
        if (n->inputs[k][0] != '^') inputs[count++] = *tensor_at(w, n->inputs[k]);
    tf_call call = {.op = n->op,
                    .name = n->name,
                    .inputs = inputs,
                    .input_count = count,
                    .attributes = n->attributes,
                    .attribute_count = n->attribute_count,
                    .outputs = w->outputs[i]};
    if (!tf_operation(&w->b, &call)) walk_failed(w, n->name);
    w->counts[i] = call.output_count;
}

static void walk_build(walk *w, bool as_constants)
{
    for (uint32_t i = 0; i < w->def->node_count; i++) {
        const char *op = w->def->nodes[i].op;
        w->outputs[i] = region_new(w->t->home, tf_tensor, TF_OUTPUTS_MAX);
        CHECK(w->outputs[i] != NULL);
        if (strcmp(op, "Placeholder") == 0)
            make_placeholder(w, i, as_constants);
        else if (strcmp(op, "VarHandleOp") == 0 || strcmp(op, "VariableV2") == 0)
            make_variable(w, i);
        else
            make_operation(w, i);
    }
}

/* -- numbers ----------------------------------------------------------------------------------- */

/* Mean, deviation and range of many random numbers. */
static void check_random(const walk *w, const float *x, uint64_t count)
{
    const json *wanted = json_get(w->item, "random");
    const double mean = json_number(json_item(wanted, 0), 0),
                 deviation = json_number(json_item(wanted, 1), 0);
    double sum = 0, squares = 0;

    for (uint64_t i = 0; i < count; i++) {
        CHECK(x[i] >= (float)json_number(json_item(wanted, 2), 0) &&
              x[i] <= (float)json_number(json_item(wanted, 3), 0));
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    const double found = sum / (double)count;
    CHECK_NEAR(found, mean, 5 * deviation / sqrt((double)count));
    CHECK_NEAR(sqrt(squares / (double)count - found * found), deviation, 0.05 * deviation);
}

static void check_fetch(walk *w, graph_run *r, value v, const tf_constant *expected)
{
    const value_info *info = graph_value(w->g, v);
    int64_t values[DIM_UNKNOWN_MAX];

    CHECK_OK(dim_evaluate(w->g, w->symbols, values, &w->t->error));
    CHECK_EQ(info->shape.rank, expected->shape.rank);
    for (uint32_t k = 0; k < info->shape.rank; k++)
        if (dim_value(info->shape.dims[k], values) != expected->shape.dims[k])
            harness_fail(__FILE__, __LINE__, "%s: axis %u is %lld, expected %lld", w->name, k,
                         (long long)dim_value(info->shape.dims[k], values),
                         (long long)expected->shape.dims[k]);
    if (json_get(w->item, "random") != NULL) {
        float *x = region_new(w->t->home, float, expected->count + 1);
        CHECK(x != NULL);
        dtype_convert(EBB_F32, x, info->dtype, graph_run_value(r, v), expected->count);
        check_random(w, x, expected->count);
        return;
    }
    tensorflow_check(w->name, graph_run_value(r, v), info->dtype,
                     shape_count_at(&info->shape, values), expected, RELATIVE, ABSOLUTE);
}

static void walk_run(walk *w)
{
    const json *fetches = json_get(w->item, "fetches");
    value values[64];
    const uint32_t count = fetches->count;

    CHECK(count <= 64);
    for (uint32_t i = 0; i < count; i++) {
        const tf_tensor *t = tensor_at(w, json_text(json_item(json_item(fetches, i), 0), ""));
        const tf_constant *x = tensorflow_tensor(w->t->home, json_item(json_item(fetches, i), 1));
        if (t->type != x->type && t->type != TF_RESOURCE)
            harness_fail(__FILE__, __LINE__, "%s: the type is %s, expected %s", w->name,
                         tf_type_name(t->type), tf_type_name(x->type));
        values[i] = tf_value(&w->b, t);
        if (values[i] == VALUE_NONE) walk_failed(w, "a fetch");
        graph_output(w->g, values[i]);
    }
    for (uint32_t i = 0; i < w->variable_count; i++)
        if (w->next[i] != VALUE_NONE) graph_update(w->g, w->variables[i], w->next[i]);
    if (!graph_ok(w->g)) walk_failed(w, "-");
    graph_run *r = graph_run_open_at(w->t, w->g, w->symbols);
    for (uint32_t i = 0; i < w->g->input_count; i++) graph_run_input(r, i, w->fed[i]->data);
    for (uint32_t i = 0; i < w->variable_count; i++)
        graph_run_variable(r, w->variables[i], w->before[i]->data);
    graph_run_step(r);
    for (uint32_t i = 0; i < count; i++)
        check_fetch(w, r, values[i],
                    tensorflow_tensor(w->t->home, json_item(json_item(fetches, i), 1)));
    for (uint32_t i = 0; i < w->variable_count; i++) {
        const json *known = json_get(json_get(w->item, "variables"), w->variable_names[i]);
        const tf_constant *after = tensorflow_tensor(w->t->home, json_item(known, 1));
        tensorflow_check(w->name, graph_run_value(r, w->variables[i]), EBB_F32, after->count, after,
                         RELATIVE, ABSOLUTE);
    }
}

/* Goal: the numbers, shapes and types that TensorFlow gives. */
TEST(operations_give_the_numbers_of_tensorflow)
{
    const json *list = cases(t);
    walk w;

    CHECK(list->count > 300);
    for (uint32_t i = 0; i < list->count; i++) {
        const json *item = json_item(list, i);
        for (int as_constants = 0; as_constants < 2; as_constants++) {
            const char *only = json_text(json_get(item, "only"), "");
            if (strcmp(only, as_constants ? "run" : "const") == 0) continue;
            walk_open(&w, t, item);
            walk_build(&w, as_constants != 0);
            walk_run(&w);
        }
    }
}

/* Goal: an entry of the table without a golden case fails. */
TEST(every_operation_has_a_case)
{
    const json *list = cases(t);
    tf_operation_info info;

    for (uint32_t i = 0; tf_operation_at(i, &info); i++) {
        bool found = false;
        for (uint32_t k = 0; k < list->count && !found; k++) {
            const json *nodes = json_get(json_item(list, k), "nodes");
            for (uint32_t n = 0; n < nodes->count && !found; n++)
                found = json_is_text(json_get(json_item(nodes, n), "op"), info.name);
        }
        if (!found) harness_fail(__FILE__, __LINE__, "%s has no golden case", info.name);
        CHECK_EQ(tf_operation_find(info.name), i);
    }
    CHECK_EQ(tf_operation_find("NoSuchOperation"), UINT32_MAX);
    CHECK(!tf_operation_at(tf_operation_count(), &info));
}

TEST_MAIN(RUN(operations_give_the_numbers_of_tensorflow), RUN(every_operation_has_a_case))
