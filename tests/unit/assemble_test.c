/* assemble_test.c -- descriptions become graphs: names, nodes, shared layers, masks, refusals. */
#include <stdio.h>

#include "layer_model.h"

#define ADD(calls) MODEL_NODE("keras.src.ops.numpy", "Add", "add", "", calls)
#define X_INPUT MODEL_INPUT("x", "[null,4]", "float32")
#define DENSE(name, units)                                                                         \
    MODEL_NODE("keras.layers", "Dense", name, ",'units':" #units,                                  \
               MODEL_CALL(MODEL_TENSOR("x", 0, 0)))

TEST(sequential_of_layers)
{
    const built_model *m = model_assemble(
        t, MODEL_SEQUENTIAL(3, MODEL_LAYER("Dense", "'name':'a','units':5,'activation':'relu'") ","
                               MODEL_LAYER("Dense", "'name':'b','units':2,'trainable':false")));
    CHECK_EQ(m->input_count, 1);
    CHECK_EQ(m->output_count, 1);
    CHECK_TEXT(model_output_shape(t, m, 0), "(batch, 2)");
    CHECK_EQ(m->weight_count, 4);
    CHECK_EQ(m->parameters, 3 * 5 + 5 + 5 * 2 + 2);
    CHECK_EQ(m->parameters_trainable, 3 * 5 + 5);
    CHECK_TEXT(m->weights[0]->path, "layers/dense");
    CHECK_TEXT(m->weights[3]->path, "layers/dense_1");
    CHECK_TEXT(m->weights[3]->name, "bias");
    CHECK_EQ(m->weights[3]->variable, 1);
    CHECK(m->weights[1]->trainable && !m->weights[2]->trainable);
    for (uint32_t k = 0; k < m->weight_count; k++) {
        CHECK_EQ(m->weights[k]->index, k);
        CHECK_EQ(graph_value(m->graph, m->weights[k]->v)->index, k);
    }
}

TEST(layers_may_come_before_what_they_need)
{
    const built_model *m = model_assemble(
        t, MODEL_FUNCTIONAL(
               ADD(MODEL_CALL(MODEL_TENSOR("p", 0, 0) "," MODEL_TENSOR("q", 0, 0))) "," DENSE("p",
                   2) ","
               DENSE("q", 2) "," X_INPUT, "[['x',0,0]]", "[['add',0,0]]"));
    CHECK_TEXT(model_output_shape(t, m, 0), "(batch, 2)");
    CHECK_EQ(m->weight_count, 4);
    CHECK_TEXT(m->weights[0]->path, "layers/dense");
}

TEST(cycles_are_refused)
{
    CHECK_STATUS(model_refused(t, MODEL_FUNCTIONAL(
        ADD(MODEL_CALL(MODEL_TENSOR("x", 0, 0) "," MODEL_TENSOR("b", 0, 0))) ","
        MODEL_NODE("keras.layers", "Dense", "b", ",'units':4", MODEL_CALL(MODEL_TENSOR("add", 0,
            0))) "," X_INPUT,
        "[['x',0,0]]", "[['add',0,0]]")), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "cyclic");
}

TEST(shared_layers_have_their_weights_once)
{
    const built_model *m = model_assemble(
        t, MODEL_FUNCTIONAL(X_INPUT "," MODEL_INPUT("y", "[null,4]", "float32") ","
               MODEL_NODE("keras.layers", "Dense", "d", ",'units':2",
                          MODEL_CALL(MODEL_TENSOR("x", 0, 0)) "," MODEL_CALL(MODEL_TENSOR("y", 0,
                              0))),
               "[['x',0,0],['y',0,0]]", "[['d',0,0],['d',1,0]]"));
    CHECK_EQ(m->weight_count, 2);
    CHECK_EQ(m->output_count, 2);
    CHECK(m->outputs[0].v != m->outputs[1].v);
    CHECK_TEXT(m->inputs[1].name, "y");
}

TEST(shared_layers_must_see_equal_widths)
{
    CHECK_STATUS(model_refused(t, MODEL_FUNCTIONAL(X_INPUT "," MODEL_INPUT("y", "[null,5]",
        "float32") ","
        MODEL_NODE("keras.layers", "Dense", "d", ",'units':2",
                   MODEL_CALL(MODEL_TENSOR("x", 0, 0)) "," MODEL_CALL(MODEL_TENSOR("y", 0, 0))),
        "[['x',0,0],['y',0,0]]", "[['d',0,0],['d',1,0]]")), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "kernel");
    CHECK_CONTAINS(t->error.text, "(4, 2)");
    CHECK_CONTAINS(t->error.text, "(5, 2)");
}

#define INNER                                                                                      \
    "{'module':'keras.src.models.functional','class_name':'Functional','config':{'name':'inner',"  \
    "'trainable':true,'layers':["                                                                  \
    MODEL_INPUT("i", "[null,4]", "float32") ","                                                    \
    MODEL_NODE("keras.layers", "Dense", "d", ",'units':4", MODEL_CALL(MODEL_TENSOR("i", 0, 0)))    \
    "],'input_layers':[['i',0,0]],'output_layers':[['d',0,0]]},'registered_name':'Functional',"    \
    "'name':'inner','inbound_nodes':["                                                             \
    MODEL_CALL(MODEL_TENSOR("x", 0, 0)) "," MODEL_CALL(MODEL_TENSOR("inner", 0, 0)) "]}"

TEST(nested_models_are_inlined_per_call)
{
    const built_model *m = model_assemble(
        t, MODEL_FUNCTIONAL(X_INPUT "," INNER "," DENSE("d", 3), "[['x',0,0]]",
            "[['inner',2,0],['d',0,0]]"));
    CHECK_EQ(m->weight_count, 4);
    CHECK_TEXT(m->weights[0]->path, "layers/functional/layers/dense");
    CHECK_TEXT(m->weights[2]->path, "layers/dense");
    uint32_t products = 0;
    for (uint32_t k = 0; k < m->graph->node_count; k++) {
        const node *n = &m->graph->nodes[k];
        if (n->op == OP_matmul && strcmp(n->name, "inner/d") == 0) products++;
    }
    CHECK_EQ(products, 2);
}

TEST(inputs_and_outputs_have_their_declared_types)
{
    const built_model *m = model_assemble(
        t, MODEL_FUNCTIONAL(MODEL_INPUT("n", "[null,2]", "int64") "," MODEL_INPUT("h", "[null,2]",
            "float16") ","
               ADD(MODEL_CALL(MODEL_TENSOR("n", 0, 0) "," MODEL_TENSOR("h", 0, 0))) ","
               MODEL_NODE("keras.src.ops.numpy", "Multiply", "twice", "",
                   MODEL_CALL(MODEL_TENSOR("n", 0, 0) ",2")) ","
               MODEL_NODE("keras.src.ops.numpy", "Equal", "same", "", MODEL_CALL(MODEL_TENSOR("n",
                   0, 0) ",2")),
               "[['n',0,0],['h',0,0]]", "[['add',0,0],['twice',0,0],['same',0,0],['h',0,0]]"));
    static const ebb_dtype want[] = {EBB_F16, EBB_I64, EBB_BOOL, EBB_F16};
    CHECK_EQ(m->inputs[0].dtype, EBB_I64);
    CHECK_EQ(m->inputs[1].dtype, EBB_F16);
    for (uint32_t k = 0; k < 4; k++) {
        CHECK_EQ(m->outputs[k].dtype, want[k]);
        CHECK_EQ(graph_value(m->graph, m->outputs[k].v)->dtype, want[k]);
    }
}

TEST(unknown_axes_are_symbols_and_the_rows_are_shared)
{
    const built_model *m = model_assemble(
        t, MODEL_FUNCTIONAL(MODEL_INPUT("a", "[null,null,3]", "float32") "," MODEL_INPUT("b",
            "[null,1,3]", "float32")
               "," ADD(MODEL_CALL(MODEL_TENSOR("a", 0, 0) "," MODEL_TENSOR("b", 0, 0))),
               "[['a',0,0],['b',0,0]]", "[['add',0,0]]"));
    CHECK_TEXT(model_output_shape(t, m, 0), "(batch, a axis 1, 3)");
    CHECK_EQ(dim_symbol_count(m->graph), 2);
}

TEST(constants_inside_calls)
{
    const built_model *m = model_assemble(
        t, MODEL_FUNCTIONAL(X_INPUT ","
               ADD(MODEL_CALL(MODEL_TENSOR("x", 0, 0)
                   ",{'class_name':'__numpy__','config':{'value':[[1.5],[2]],'dtype':'float32'}}")),
               "[['x',0,0]]", "[['add',0,0]]"));
    const node *n = &m->graph->nodes[m->graph->node_count - 1];
    CHECK_EQ(n->op, OP_binary);
    const value_info *constant = graph_value(m->graph, n->inputs[1]);
    CHECK_EQ(constant->kind, VALUE_CONSTANT);
    CHECK_NEAR(((const float *)constant->data)[0], 1.5, 0);
    CHECK_NEAR(((const float *)constant->data)[1], 2, 0);
}

TEST(broken_references_are_refused)
{
    CHECK_STATUS(model_refused(t, MODEL_FUNCTIONAL(X_INPUT "," DENSE("d", 2), "[['x',0,0]]",
        "[['d',0,1]]")), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "output");
    CHECK_STATUS(model_refused(t, MODEL_FUNCTIONAL(X_INPUT "," MODEL_INPUT("y", "[null,1]",
        "float32") ","
        ADD(MODEL_CALL(MODEL_TENSOR("x", 0, 0) "," MODEL_TENSOR("y", 0, 0))), "[['x',0,0]]",
        "[['add',0,0]]")), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "among its inputs");
}

typedef struct problems {
    uint32_t count;
    char     layers[8][64], texts[8][200];
} problems;

static void problem_note(void *context, const char *layer, const char *text)
{
    problems *p = context;
    if (p->count < 8) {
        snprintf(p->layers[p->count], sizeof p->layers[0], "%s", layer);
        snprintf(p->texts[p->count], sizeof p->texts[0], "%s", text);
    }
    p->count++;
}

/* Goal: everything wrong with a file is told at once, and nothing twice.
 * The wrong layers: an unknown class, a bad field behind it, one wrapped in a layer that is never
 * called, one in a nested model; the good layer behind them is left out in silence. */
TEST(all_problems_are_reported_at_once)
{
    const description d = model_description(
        t, MODEL_FUNCTIONAL(X_INPUT ","
               MODEL_NODE("keras.layers", "Mystery", "m", "", MODEL_CALL(MODEL_TENSOR("x", 0, 0)))
                   ","
               MODEL_NODE("keras.layers", "Dense", "bad", ",'units':'many'",
                   MODEL_CALL(MODEL_TENSOR("m", 0, 0))) ","
               MODEL_NODE("keras.layers", "SpectralNormalization", "wrap",
                   ",'layer':{'class_name':'Enigma','config':{'name':'e'}}",
                       MODEL_CALL(MODEL_TENSOR("bad", 0, 0))) ","
               "{'class_name':'Sequential','config':{'name':'sub','layers':["
               MODEL_LAYER("InputLayer", "'batch_shape':[null,4],'name':'si'") ","
               MODEL_LAYER("Riddle", "'name':'r'") "]},'name':'sub','inbound_nodes':["
                   MODEL_CALL(MODEL_TENSOR("x", 0, 0)) "]},"
               MODEL_NODE("keras.layers", "Dense", "good", ",'units':2",
                   MODEL_CALL(MODEL_TENSOR("wrap", 0, 0))),
               "[['x',0,0]]", "[['good',0,0],['sub',1,0]]"));
    problems     p = {0};
    built_model *m = NULL;
    const assemble_options options = {.problem = problem_note, .context = &p};
    CHECK_STATUS(assemble_model(t->home, &d, &options, &m, &t->error), EBB_E_UNSUPPORTED);
    CHECK(m == NULL);
    CHECK_EQ(p.count, 4);
    static const char *const layers[] = {"m", "bad", "wrap/layer", "sub/r"}, *const texts[] =
        {"Mystery", "units", "Enigma", "Riddle"};
    for (uint32_t k = 0; k < 4; k++) {
        CHECK_TEXT(p.layers[k], layers[k]);
        CHECK_CONTAINS(p.texts[k], texts[k]);
    }
    CHECK_CONTAINS(t->error.text, "Mystery");
    CHECK_STATUS(assemble_model(t->home, &d, NULL, &m, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "Mystery");
}

TEST(a_shape_clash_is_one_problem)
{
    const description d = model_description(
        t, MODEL_FUNCTIONAL(X_INPUT "," DENSE("p", 2) "," DENSE("q", 3) ","
               ADD(MODEL_CALL(MODEL_TENSOR("p", 0, 0) "," MODEL_TENSOR("q", 0, 0))) ","
               MODEL_NODE("keras.layers", "Dense", "after", ",'units':2",
                   MODEL_CALL(MODEL_TENSOR("add", 0, 0))),
               "[['x',0,0]]", "[['after',0,0]]"));
    problems     p = {0};
    built_model *m = NULL;
    const assemble_options options = {.problem = problem_note, .context = &p};
    CHECK_STATUS(assemble_model(t->home, &d, &options, &m, &t->error), EBB_E_SHAPE);
    CHECK_EQ(p.count, 1);
    CHECK_CONTAINS(p.layers[0], "add");
}

TEST(weights_only_files_need_an_architecture)
{
    const description d = {.path = "w.h5"};
    built_model      *m = NULL;
    CHECK_STATUS(assemble_model(t->home, &d, NULL, &m, &t->error), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "architecture");
}

TEST(every_failed_allocation_is_an_error)
{
    const description d = model_description(
        t, MODEL_FUNCTIONAL(X_INPUT "," INNER "," DENSE("d", 3) ","
               MODEL_NODE("keras.layers", "SpectralNormalization", "wrap",
                   ",'layer':{'class_name':'Dense','config':{'name':'e','units':3}}",
                       MODEL_CALL(MODEL_TENSOR("inner", 1, 0)))
               "," ADD(MODEL_CALL(MODEL_TENSOR("d", 0, 0) "," MODEL_TENSOR("wrap", 0, 0))),
               "[['x',0,0]]", "[['add',0,0]]"));
    const uint64_t before = region_bytes_live(t->home);
    ebb_status     status = EBB_E_MEMORY;
    for (int64_t n = 0; status != EBB_OK; n++) {
        built_model *m = NULL;
        test_fail_allocation(t, n);
        region *home = region_open(t->home, "model", EBB_CLASS_META, 0);
        status = home == NULL ? EBB_E_MEMORY : assemble_model(home, &d, NULL, &m, &t->error);
        const bool has_failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, has_failed ? EBB_E_MEMORY : EBB_OK);
        region_close(home);
        CHECK_EQ(region_bytes_live(t->home), before);
    }
}

TEST_MAIN(RUN(sequential_of_layers), RUN(layers_may_come_before_what_they_need),
    RUN(cycles_are_refused),
          RUN(shared_layers_have_their_weights_once), RUN(shared_layers_must_see_equal_widths),
          RUN(nested_models_are_inlined_per_call),
              RUN(inputs_and_outputs_have_their_declared_types),
          RUN(unknown_axes_are_symbols_and_the_rows_are_shared), RUN(constants_inside_calls),
          RUN(broken_references_are_refused), RUN(all_problems_are_reported_at_once),
          RUN(a_shape_clash_is_one_problem), RUN(weights_only_files_need_an_architecture),
          RUN(every_failed_allocation_is_an_error))
