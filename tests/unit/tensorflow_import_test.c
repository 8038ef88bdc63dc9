/* tensorflow_import_test.c -- whole graphs of SavedModel folders: the numbers of TensorFlow, what
 * is refused, graphs that nobody should have written, every allocation failing in turn. */
#include <stdio.h>
#include <string.h>

#include "exec/executable.h"
#include "harness.h"
#include "kernel_case.h"
#include "tensorflow/tf_build.h"
#include "tensorflow_case.h"

#define PORTS_MAX   8
#define RELATIVE    2e-5
#define ABSOLUTE    2e-6
#define SYMBOLS_MAX 16
#define FILE_BYTES  ((size_t)4 << 20)

static const json *cases(test *t)
{
    char path[1024];

    (void)snprintf(path, sizeof path, "%s/tensorflow_graphs.json", EBB_GOLDEN);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    char *text = region_alloc(t->home, 1, FILE_BYTES);
    CHECK(text != NULL);
    const size_t length = fread(text, 1, FILE_BYTES, file);
    fclose(file);
    const json *root;
    CHECK_OK(json_read(t->home, text, length, path, &root, &t->error));
    return json_get(root, "cases");
}

/* -- a case as a saved graph ------------------------------------------------------------------- */

typedef struct scene {
    tf_saved_graph saved;
    tf_variable_shape *shapes;
    const tf_constant **contents; /* of variables */
} scene;

static tf_signature_port *ports_of(test *t, const json *list, uint32_t *count)
{
    tf_signature_port *ports = region_new(t->home, tf_signature_port, list->count + 1);

    CHECK(ports != NULL);
    *count = list->count;
    for (uint32_t i = 0; i < list->count; i++) {
        const json *x = json_item(list, i), *dims = json_item(x, 3);
        ports[i] = (tf_signature_port){.name = json_text(json_item(x, 0), ""),
                                       .tensor = json_text(json_item(x, 1), ""),
                                       .type = (tf_type)json_integer(json_item(x, 2), 0)};
        ports[i].shape.has_rank = dims->kind == JSON_ARRAY;
        for (uint32_t k = 0; k < dims->count; k++)
            ports[i].shape.dims[ports[i].shape.rank++] = json_integer(json_item(dims, k), -1);
    }
    return ports;
}

static void scene_open(test *t, const json *item, scene *s)
{
    const json *list = json_get(item, "variables");
    tf_variable *variables = region_new(t->home, tf_variable, list->count + 1);

    *s = (scene){.shapes = region_new(t->home, tf_variable_shape, list->count + 1)};
    s->contents = region_new(t->home, const tf_constant *, list->count + 1);
    CHECK(variables != NULL && s->shapes != NULL && s->contents != NULL);
    s->saved.def = tensorflow_graph(t->home, item);
    s->saved.signature = "serving_default";
    s->saved.inputs = ports_of(t, json_path(item, "signature.inputs"), &s->saved.input_count);
    s->saved.outputs = ports_of(t, json_path(item, "signature.outputs"), &s->saved.output_count);
    s->saved.variables = variables;
    s->saved.variable_count = list->count;
    for (uint32_t i = 0; i < list->count; i++) {
        const json *x = json_item(list, i);
        const tf_constant *content = tensorflow_tensor(t->home, json_item(x, 2));
        variables[i] = (tf_variable){.node = json_text(json_item(x, 0), ""),
                                     .name = json_text(json_item(x, 1), "")};
        s->contents[i] = content;
        s->shapes[i] =
            (tf_variable_shape){.dtype = tf_type_dtype(content->type), .rank = content->shape.rank};
        for (uint32_t k = 0; k < content->shape.rank; k++)
            s->shapes[i].dims[k] = content->shape.dims[k];
    }
}

static ebb_status read_weight(void *context, region *scratch, uint32_t index, uint64_t first,
                              uint64_t count, void *bytes, ebb_error *error)
{
    const scene *s = context;
    const uint64_t size = ebb_dtype_bytes(s->shapes[index].dtype);

    (void)scratch;
    (void)error;
    memcpy(bytes, (const uint8_t *)s->contents[index]->data + first * size, count * size);
    return EBB_OK;
}

/* -- running ----------------------------------------------------------------------------------- */

static ebb_view view_of(const tf_constant *x, void *data)
{
    ebb_view v = {.dtype = tf_type_dtype(x->type), .rank = x->shape.rank, .data = data};

    for (uint32_t i = 0; i < v.rank; i++) v.dims[i] = x->shape.dims[i];
    return v;
}

static void symbols_find(const graph *g, const tf_constant **feeds, int64_t *symbols)
{
    CHECK(dim_symbol_count(g) <= SYMBOLS_MAX);
    for (uint32_t i = 0; i < g->input_count; i++) {
        const shape *s = graph_shape(g, g->inputs[i]);
        for (uint32_t k = 0; k < s->rank; k++) {
            const int64_t symbol = dim_symbol_number(g, s->dims[k]);
            if (symbol >= 0) symbols[symbol] = feeds[i]->shape.dims[k];
        }
    }
}

static executable *executable_of(test *t, const device *cpu, const scene *s, graph *g,
                                 const int64_t *symbols)
{
    weights *w = NULL;
    executable *e = NULL;

    CHECK_OK(weights_open(t->home, cpu, g, false, &w, &t->error));
    const executable_options options = {.home = t->home,
                                        .device = cpu,
                                        .graph = g,
                                        .weights = w,
                                        .symbols = symbols,
                                        .threads = 1,
                                        .lanes = 1};
    CHECK_OK(executable_make(&options, &e, &t->error));
    CHECK_OK(weights_layout(w, &t->error));
    const weight_reader reader = {read_weight, (void *)(uintptr_t)s};
    CHECK_OK(weights_fill(w, t->home, t->home, &reader, &t->error));
    void *arena = region_block(t->home, (size_t)e->arena_bytes + 1);
    CHECK(arena != NULL);
    CHECK_OK(executable_open(e, &t->error));
    CHECK_OK(executable_bind(e, 0, arena, &t->error));
    return e;
}

static void run_case(test *t, const json *item, const scene *s, tf_imported *m)
{
    const char *name = json_text(json_get(item, "name"), "");
    const device_options options = {.isa = "portable", .no_jit = true, .threads = 1};
    device cpu = {.def = device_def_find("CPU")};
    const tf_constant *feeds[PORTS_MAX], *results[PORTS_MAX];
    ebb_view inputs[PORTS_MAX], outputs[PORTS_MAX];
    int64_t symbols[SYMBOLS_MAX] = {0};

    CHECK_EQ(m->graph->input_count, s->saved.input_count);
    CHECK_EQ(m->graph->output_count, s->saved.output_count);
    CHECK_OK(cpu.def->open(&cpu, &options, &t->error));
    for (uint32_t i = 0; i < m->graph->input_count; i++) {
        feeds[i] = tensorflow_tensor(t->home, json_item(json_get(item, "feeds"), i));
        CHECK_EQ(m->input_dtypes[i], tf_type_dtype(feeds[i]->type));
        inputs[i] = view_of(feeds[i], (void *)(uintptr_t)feeds[i]->data);
    }
    symbols_find(m->graph, feeds, symbols);
    executable *e = executable_of(t, &cpu, s, m->graph, symbols);
    for (uint32_t i = 0; i < m->graph->output_count; i++) {
        results[i] = tensorflow_tensor(t->home, json_item(json_get(item, "results"), i));
        CHECK_EQ(m->output_dtypes[i], tf_type_dtype(results[i]->type));
        void *data = region_block(t->home, results[i]->count * 8 + 64);
        CHECK(data != NULL);
        outputs[i] = view_of(results[i], data);
        CHECK_EQ(e->outputs[i].rank, results[i]->shape.rank);
        for (uint32_t k = 0; k < e->outputs[i].rank; k++)
            CHECK_EQ(e->outputs[i].dims[k], results[i]->shape.dims[k]);
    }
    executable_run(e, 0, inputs, outputs);
    const double looser = strcmp(name, "half") == 0 ? 500 : 1;
    for (uint32_t i = 0; i < m->graph->output_count; i++)
        tensorflow_check(name, outputs[i].data, outputs[i].dtype, results[i]->count, results[i],
                         RELATIVE * looser, ABSOLUTE * looser);
    executable_close(e);
}

static void count_problem(void *context, const char *node, const char *text)
{
    CHECK(node != NULL && text != NULL);
    ++*(uint32_t *)context;
}

/* Goal: layers of Keras, loops, calls and branches give the numbers of TensorFlow; what cannot be
 * said is refused with its reason. */
TEST(graphs_give_the_numbers_of_tensorflow)
{
    const json *list = cases(t);
    scene s;

    CHECK(list->count > 20);
    for (uint32_t i = 0; i < list->count; i++) {
        const json *item = json_item(list, i);
        const char *refused = json_text(json_get(item, "refused"), NULL);
        tf_imported *m = NULL;
        scene_open(t, item, &s);
        t->error = (ebb_error){0};
        const ebb_status status = tf_import(t->home, &s.saved, s.shapes, NULL, NULL, &m, &t->error);
        if (refused != NULL) {
            CHECK_STATUS(status, EBB_E_UNSUPPORTED);
            CHECK_CONTAINS(t->error.text, refused);
            CHECK(m == NULL);
            continue;
        }
        if (status != EBB_OK)
            harness_fail(__FILE__, __LINE__, "%s: %s: %s", json_text(json_get(item, "name"), ""),
                         t->error.where, t->error.text);
        run_case(t, item, &s, m);
    }
}

static const json *case_named(test *t, const char *name)
{
    const json *list = cases(t);

    for (uint32_t i = 0; i < list->count; i++)
        if (json_is_text(json_get(json_item(list, i), "name"), name)) return json_item(list, i);
    harness_fail(__FILE__, __LINE__, "no case %s", name);
    return NULL;
}

/* Goal: rows of all inputs are one symbol, variables are weights of their numbers. */
TEST(an_import_tells_its_parts)
{
    scene s;
    tf_imported *m;

    scene_open(t, case_named(t, "lstm of unknown length"), &s);
    CHECK_OK(tf_import(t->home, &s.saved, s.shapes, NULL, NULL, &m, &t->error));
    const shape *in = graph_shape(m->graph, m->graph->inputs[0]);
    CHECK(m->batch != 0 && in->dims[0] == m->batch && in->dims[1] != m->batch);
    for (uint32_t i = 0; i < s.saved.variable_count; i++) {
        CHECK(m->weights[i] != VALUE_NONE);
        CHECK_EQ(graph_value(m->graph, m->weights[i])->index, i);
    }
    uint32_t scans = 0;
    for (uint32_t i = 0; i < m->graph->node_count; i++) scans += m->graph->nodes[i].op == OP_scan;
    CHECK_EQ(scans, 1);
    scene_open(t, case_named(t, "two inputs"), &s);
    CHECK_OK(tf_import(t->home, &s.saved, s.shapes, NULL, NULL, &m, &t->error));
    CHECK_EQ(graph_dim(m->graph, m->graph->inputs[0], 0), m->batch);
    CHECK_EQ(graph_dim(m->graph, m->graph->inputs[1], 0), m->batch);
}

/* Goal: every operation that is not there is told, once each. */
TEST(all_problems_are_told)
{
    scene s;
    tf_imported *m;
    uint32_t problems = 0;

    scene_open(t, case_named(t, "an operation that is not there"), &s);
    CHECK_STATUS(tf_import(t->home, &s.saved, s.shapes, count_problem, &problems, &m, &t->error),
                 EBB_E_UNSUPPORTED);
    CHECK_EQ(problems, 1);
}

/* -- bad graphs -------------------------------------------------------------------------------- */

#define NODE_INPUTS_MAX 4

static const tf_attribute_value float_type = {.type = TF_FLOAT};
static const tf_attribute type_attribute = {
    .name = "T", .kind = TF_ATTRIBUTE_TYPE, .count = 1, .values = &float_type};

/* A node of one type with up to two inputs. */
static tf_node node_of(const char *name, const char *op, const char *const *inputs, uint32_t count)
{
    return (tf_node){.name = name,
                     .op = op,
                     .device = "",
                     .inputs = inputs,
                     .input_count = count,
                     .attributes = &type_attribute,
                     .attribute_count = 1};
}

static ebb_status import_nodes(test *t, const tf_graph_def *def, const char *output)
{
    const tf_signature_port in = {.name = "x",
                                  .tensor = "x:0",
                                  .type = TF_FLOAT,
                                  .shape = {.has_rank = true, .rank = 2, .dims = {-1, 3}}};
    const tf_signature_port out = {.name = "y", .tensor = output, .type = TF_FLOAT};
    const tf_saved_graph saved = {.def = def,
                                  .signature = "serve",
                                  .inputs = &in,
                                  .outputs = &out,
                                  .input_count = 1,
                                  .output_count = 1};
    region *home = region_open(t->home, "graph", EBB_CLASS_META, 0);
    tf_imported *m;

    CHECK(home != NULL);
    t->error = (ebb_error){0};
    const ebb_status status = tf_import(home, &saved, NULL, NULL, NULL, &m, &t->error);
    CHECK(status == EBB_OK || m == NULL);
    region_close(home);
    return status;
}

TEST(bad_graphs_are_refused)
{
    static const char *const x[] = {"x"}, *const a[] = {"a"}, *const c[] = {"c"},
                             *const gone[] = {"gone"}, *const far[] = {"x:7"},
                             *const odd[] = {"x:y:z"};
    const tf_node input = node_of("x", "Placeholder", NULL, 0);
    const tf_node cycle[] = {input, node_of("a", "Relu", c, 1), node_of("c", "Relu", a, 1)};
    const tf_node missing[] = {input, node_of("a", "Relu", gone, 1)};
    const tf_node twice[] = {input, node_of("a", "Relu", x, 1), node_of("a", "Relu", x, 1)};
    const tf_node place[] = {input, node_of("a", "Relu", far, 1)};
    const tf_node name[] = {input, node_of("a", "Relu", odd, 1)};
    const tf_node fine[] = {input, node_of("a", "Relu", x, 1)};
    const tf_node self[] = {input, node_of("a", "Relu", a, 1)};
    const tf_node other[] = {input, node_of("a", "Placeholder", NULL, 0)};
    const tf_node more[] = {input, node_of("a", "MatMul", x, 1)};
    const struct {
        const tf_node *nodes;
        uint32_t count;
        const char *output, *text;
    } bad[] = {{cycle, 3, "a:0", "cycle"},
               {self, 2, "a", "cycle"},
               {missing, 2, "a:0", "gone"},
               {twice, 3, "a:0", "two nodes"},
               {place, 2, "a:0", "inputs"},
               {name, 2, "a:0", "not in the graph"},
               {fine, 2, "b:0", "no such"},
               {fine, 2, "a:3", "outputs"},
               {other, 2, "a", "not in the signature"},
               {more, 2, "a", "takes 2 inputs"}};

    CHECK_OK(import_nodes(t, &(tf_graph_def){.nodes = fine, .node_count = 2}, "a:0"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const tf_graph_def def = {.nodes = bad[i].nodes, .node_count = bad[i].count};
        CHECK(import_nodes(t, &def, bad[i].output) != EBB_OK);
        if (i == 4) continue; /* an input has no outputs of its own beyond the first */
        CHECK_CONTAINS(t->error.text, bad[i].text);
    }
}

/* Goal: a chain of any length is walked without recursion. */
TEST(a_long_chain_is_no_recursion)
{
    enum { COUNT = 30000 };
    tf_node *nodes = region_new(t->home, tf_node, COUNT + 1);
    char(*names)[16] = region_alloc(t->home, COUNT + 1, sizeof *names);
    const char **inputs = region_new(t->home, const char *, COUNT + 1);

    CHECK(nodes != NULL && names != NULL && inputs != NULL);
    (void)snprintf(names[0], sizeof names[0], "x");
    nodes[0] = node_of(names[0], "Placeholder", NULL, 0);
    for (uint32_t i = 1; i <= COUNT; i++) {
        (void)snprintf(names[i], sizeof names[i], "n%u", i);
        inputs[i] = names[i - 1];
        nodes[i] = node_of(names[i], "Neg", &inputs[i], 1);
    }
    const tf_graph_def def = {.nodes = nodes, .node_count = COUNT + 1};
    CHECK_OK(import_nodes(t, &def, names[COUNT]));
}

/* Goal: functions that call each other for ever, or too often, end. */
TEST(calls_are_bounded)
{
    static const char *const argument[] = {"u"}, *const x[] = {"x"}, *const both[] = {"p", "q"};
    const tf_attribute_value called = {.s = {"f", 1}}, again = {.s = {"f", 1}};
    const tf_attribute f = {
        .name = "f", .kind = TF_ATTRIBUTE_FUNCTION, .count = 1, .values = &called};
    const tf_attribute own = {
        .name = "f", .kind = TF_ATTRIBUTE_FUNCTION, .count = 1, .values = &again};
    tf_node inner[] = {node_of("p", "PartitionedCall", argument, 1),
                       node_of("q", "PartitionedCall", argument, 1), node_of("z", "Add", both, 2)};
    tf_node outer[] = {node_of("x", "Placeholder", NULL, 0), node_of("a", "PartitionedCall", x, 1)};
    const tf_port in = {.name = "u", .type = TF_FLOAT},
                  out = {.name = "v", .type = TF_FLOAT, .source = "z:z:0"};
    const tf_function function = {.name = "f",
                                  .arguments = &in,
                                  .results = &out,
                                  .argument_count = 1,
                                  .result_count = 1,
                                  .nodes = inner,
                                  .node_count = 3};
    inner[0].attributes = inner[1].attributes = &own;
    outer[1].attributes = &f;
    const tf_graph_def def = {
        .nodes = outer, .node_count = 2, .functions = &function, .function_count = 1};
    CHECK_STATUS(import_nodes(t, &def, "a:0"), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "depth");
    const tf_graph_def none = {.nodes = outer, .node_count = 2};
    CHECK_STATUS(import_nodes(t, &none, "a:0"), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "missing");
}

/* -- random faults ----------------------------------------------------------------------------- */

#ifndef BREAK_ROUNDS
#define BREAK_ROUNDS 12
#endif

static uint32_t drawn(uint64_t *seed, uint32_t below)
{
    return below == 0 ? 0 : (uint32_t)(case_random(seed) % below);
}

/* One fault in a node: another operation, inputs of somebody else, attributes that are gone or of
 * other values. */
static void break_node(tf_node *nodes, uint32_t count, uint64_t *seed)
{
    tf_node *n = &nodes[drawn(seed, count)];
    const tf_node *other = &nodes[drawn(seed, count)];
    tf_operation_info info;

    switch (drawn(seed, 6)) {
    case 0: n->op = other->op; break;
    case 1:
        CHECK(tf_operation_at(drawn(seed, tf_operation_count()), &info));
        n->op = info.name;
        break;
    case 2:
        n->inputs = other->inputs;
        n->input_count = other->input_count;
        break;
    case 3: n->attribute_count = drawn(seed, n->attribute_count + 1); break;
    case 4:
        n->attributes = other->attributes;
        n->attribute_count = other->attribute_count;
        break;
    case 5:
        if (n->input_count > 0) n->input_count = drawn(seed, n->input_count + 1);
        break;
    }
}

/* Numbers in attributes are changed: axes, masks, strides, small constants. */
static void break_number(const tf_node *nodes, uint32_t count, uint64_t *seed)
{
    static const int64_t odd[] = {0,  -1, 1,         2,         3,         7,
                                  64, -9, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    const tf_node *n = &nodes[drawn(seed, count)];

    if (n->attribute_count == 0) return;
    const tf_attribute *a = &n->attributes[drawn(seed, n->attribute_count)];
    if (a->count == 0) return;
    tf_attribute_value *v = (tf_attribute_value *)(uintptr_t)&a->values[drawn(seed, a->count)];
    const int64_t number = odd[drawn(seed, sizeof odd / sizeof odd[0])];
    if (a->kind == TF_ATTRIBUTE_INT || a->kind == TF_ATTRIBUTE_BOOL) v->i = number;
    if (a->kind == TF_ATTRIBUTE_TYPE) v->type = (tf_type)drawn(seed, 25);
    if (a->kind != TF_ATTRIBUTE_TENSOR || v->tensor->count == 0) return;
    const uint64_t at = drawn(seed, (uint32_t)v->tensor->count);
    if (v->tensor->type == TF_INT32) ((int32_t *)(uintptr_t)v->tensor->data)[at] = (int32_t)number;
    if (v->tensor->type == TF_INT64) ((int64_t *)(uintptr_t)v->tensor->data)[at] = number;
}

/* Goal: whatever a graph says, the import ends with a graph that holds or with an error. */
TEST(broken_graphs_end)
{
    const json *list = cases(t);
    uint64_t seed = 99;

    for (uint32_t round = 0; round < BREAK_ROUNDS; round++) {
        for (uint32_t i = 0; i < list->count; i++) {
            region *outer = t->home;
            t->home = region_open(outer, "round", EBB_CLASS_META, 0);
            CHECK(t->home != NULL);
            scene s;
            tf_imported *m = NULL;
            scene_open(t, json_item(list, i), &s);
            const tf_graph_def *def = s.saved.def;
            for (uint32_t k = drawn(&seed, 3) + 1; k > 0; k--) {
                const uint32_t which = drawn(&seed, def->function_count + 1);
                tf_node *nodes =
                    (tf_node *)(uintptr_t)(which == 0 ? def->nodes
                                                      : def->functions[which - 1].nodes);
                const uint32_t count =
                    which == 0 ? def->node_count : def->functions[which - 1].node_count;
                if (drawn(&seed, 2) == 0)
                    break_node(nodes, count, &seed);
                else
                    break_number(nodes, count, &seed);
            }
            t->error = (ebb_error){0};
            const ebb_status status =
                tf_import(t->home, &s.saved, s.shapes, NULL, NULL, &m, &t->error);
            CHECK((status == EBB_OK) == (m != NULL));
            CHECK(status == EBB_OK || t->error.text[0] != '\0');
            CHECK(status != EBB_E_INTERNAL);
            region_close(t->home);
            t->home = outer;
        }
    }
}

/* Goal: whichever allocation fails, the error says memory and nothing is kept. */
TEST(every_allocation_may_fail)
{
    static const char *const names[] = {"masked gru, backwards", "other places, several results",
                                        "branches of lengths"};

    for (uint32_t i = 0; i < 3; i++) {
        scene s;
        scene_open(t, case_named(t, names[i]), &s);
        const uint64_t before = region_bytes_live(ledger_root(t->ledger));
        for (int64_t n = 0;; n++) {
            tf_imported *m;
            region *home = region_open(t->home, "graph", EBB_CLASS_META, 0);
            CHECK(home != NULL);
            test_fail_allocation(t, n);
            const ebb_status status =
                tf_import(home, &s.saved, s.shapes, NULL, NULL, &m, &t->error);
            const bool failed = test_allocation_failed(t);
            test_fail_allocation(t, -1);
            region_close(home);
            CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
            CHECK_EQ(region_bytes_live(ledger_root(t->ledger)), before);
            if (!failed) break;
        }
    }
}

TEST_MAIN(RUN(graphs_give_the_numbers_of_tensorflow), RUN(an_import_tells_its_parts),
          RUN(all_problems_are_told), RUN(bad_graphs_are_refused),
          RUN(a_long_chain_is_no_recursion), RUN(calls_are_bounded), RUN(broken_graphs_end),
          RUN(every_allocation_may_fail))
