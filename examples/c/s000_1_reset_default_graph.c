/* s000_1_reset_default_graph.c -- one model after another; between them the default graph is reset.
 *
 * TensorFlow                                       here
 * model1 = Sequential([...])                       ebb_build_layer, ebb_build_finish
 * model1.compile("adam", "binary_crossentropy")    ebb_model_compile
 * model1.fit(x, y)                                 ebb_model_fit
 * del model1                                       ebb_model_unload
 * tf.compat.v1.reset_default_graph()               ebb_graph_reset: not needed for models
 * gc.collect()                                     nothing: unload has given everything back
 *
 * The document calls the reset "aggressive", since whatever else was in the graph goes too. Here no
 * model is in it: a reset gives back what was put into that graph, and touches nothing else. */
#include <ebb/ebb.h>

#include "example.h"

static void use_one(ebb_runtime runtime, const char *name, float *x, float *y)
{
    static float answers[ROWS];
    const ebb_model model = build_model(runtime, LARGE, (ebb_scope){0});
    ebb_error error;

    train_model(model, x, y, 1);
    ask(model, x, ROWS, answers);
    printf("%s trained\n", name);
    must(ebb_model_unload(model, NULL, NULL, &error), &error);
}

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS];
    ebb_runtime runtime;
    ebb_graph graph;
    ebb_receipt receipt;
    ebb_error error;

    make_rows(x, y);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    must(ebb_graph_default(runtime, &graph, &error), &error);
    const uint64_t before = live_bytes(runtime);

    /* Something for the reset to take: the table as a constant of the default graph */
    const ebb_view table = {EBB_F32, 2, {ROWS, COLUMNS}, x};
    ebb_graph_constant(graph, &table, "table");
    must(ebb_graph_error(graph, &error), &error);
    const uint64_t with_table = live_bytes(runtime);

    use_one(runtime, "model1", x, y);
    expect(live_bytes(runtime) == with_table, "every byte of model1, before any reset");
    must(ebb_graph_reset(graph, &receipt, &error), &error);
    expect(ebb_graph_operation_count(graph) == 0, "an empty graph");
    expect(receipt.bytes_total >= with_table - before, "the graph's bytes on the receipt");
    print_left(runtime, before);

    use_one(runtime, "model2", x, y);
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
