/* s004_2_reset_between_models.c -- the default graph is reset between two computations.
 *
 * TensorFlow                                       here
 * a = tf.constant([1.0, 2.0])                      ebb_graph_constant(default graph, ...)
 * c = a * b                                        ebb_mul
 * tf.compat.v1.reset_default_graph()               ebb_graph_reset
 *
 * After the reset the tensors of before are stale: using one is an error, never a wrong result. A
 * session that is open meanwhile stays open and is empty too. */
#include <ebb/ebb.h>

#include "example.h"

typedef ebb_tensor (*operation)(ebb_graph graph, ebb_tensor a, ebb_tensor b);

static ebb_tensor pair(ebb_graph graph, float first, float second)
{
    float values[] = {first, second};
    const ebb_view view = {EBB_F32, 1, {2}, values};

    return ebb_graph_constant(graph, &view, NULL); /* copied */
}

/* A graph of two constants and one operation, run in a session of its own. */
static ebb_tensor run_one(ebb_graph graph, operation op, ebb_tensor a, ebb_tensor b,
                          const char *label)
{
    float result[2];
    const ebb_view out = {EBB_F32, 1, {2}, result};
    const ebb_tensor c = op(graph, a, b);
    ebb_session sess;
    ebb_error error;

    must(ebb_session_open(graph, NULL, &sess, &error), &error);
    must(ebb_session_fetch(sess, c, &out, &error), &error);
    printf("%s: ", label);
    print_vector(result, 2);
    must(ebb_session_close(sess, NULL, &error), &error);
    return c;
}

int main(void)
{
    float result[2];
    const ebb_view out = {EBB_F32, 1, {2}, result};
    ebb_runtime runtime;
    ebb_graph graph;
    ebb_session sess;
    ebb_error error;

    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    must(ebb_graph_default(runtime, &graph, &error), &error);
    const uint64_t before = live_bytes(runtime);

    /* First model */
    const ebb_tensor c = run_one(graph, ebb_mul, pair(graph, 1, 2), pair(graph, 3, 4), "Result 1");
    must(ebb_graph_reset(graph, NULL, &error), &error);
    expect(live_bytes(runtime) == before, "every byte of the first graph");

    /* Second model (independent from the first) */
    const ebb_tensor z = run_one(graph, ebb_add, pair(graph, 5, 6), pair(graph, 7, 8), "Result 2");

    must(ebb_session_open(graph, NULL, &sess, &error), &error);
    must(ebb_session_fetch(sess, z, &out, &error), &error);
    expect(result[0] == 12 && result[1] == 14, "the second graph in a third session");
    expect(ebb_session_fetch(sess, c, &out, &error) == EBB_E_STALE,
           "that an operation of the graph that is gone does not run");
    must(ebb_session_close(sess, NULL, &error), &error);

    must(ebb_graph_reset(graph, NULL, &error), &error);
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
