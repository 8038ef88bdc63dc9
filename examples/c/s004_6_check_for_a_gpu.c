/* s004_6_check_for_a_gpu.c -- whether there is a GPU is asked before it is named.
 *
 * TensorFlow                                            here
 * tf.config.list_physical_devices("GPU")                ebb_device_exists(runtime, "GPU")
 * with tf.device(place): tf.matmul(...)                 ebb_graph_device_push, ebb_matmul
 * tf.config.set_soft_device_placement(False)            soft_placement of the session's options;
 *                                                       strict is the default
 * except tf.errors.InvalidArgumentError                 EBB_E_NOT_FOUND, which names what is there
 *
 * From the shell:  ebb devices */
#include <ebb/ebb.h>

#include "example.h"

/* 1 + 1 on a device that is not there. */
static ebb_status run_elsewhere(ebb_graph graph, bool soft_placement, ebb_error *error)
{
    float result = 0;
    const ebb_view out = {EBB_F32, 0, {0}, &result};
    ebb_session_options options = EBB_SESSION_OPTIONS_INIT;
    ebb_session sess;

    must(ebb_graph_device_push(graph, "/GPU:63", error), error);
    const ebb_tensor sum = ebb_add(graph, ebb_graph_number(graph, 1), ebb_graph_number(graph, 1));
    expect(ebb_graph_device_pop(graph) == EBB_OK, "a scope to end");
    options.soft_placement = soft_placement;
    must(ebb_session_open(graph, &options, &sess, error), error);
    const ebb_status status = ebb_session_fetch(sess, sum, &out, error);
    expect(status != EBB_OK || result == 2, "1 + 1");
    ebb_session_close(sess, NULL, NULL);
    return status;
}

int main(void)
{
    float values[] = {0, 1, 2, 3, 4, 5}, p[4];
    const ebb_view view = {EBB_F32, 2, {2, 3}, values}, out = {EBB_F32, 2, {2, 2}, p};
    ebb_runtime runtime;
    ebb_graph graph;
    ebb_session sess;
    ebb_error error;

    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);
    const char *const place = ebb_device_exists(runtime, "GPU") ? "/GPU:0" : "/CPU:0";

    must(ebb_graph_open(runtime, NULL, &graph, &error), &error);
    must(ebb_graph_device_push(graph, "/CPU:0", &error), &error); /* what is not critical */
    const ebb_tensor rows = ebb_graph_constant(graph, &view, "rows");
    expect(ebb_graph_device_pop(graph) == EBB_OK, "a scope to end");
    must(ebb_graph_device_push(graph, place, &error), &error);
    const ebb_tensor product = ebb_matmul(graph, rows, ebb_transpose(graph, rows, NULL));
    expect(ebb_graph_device_pop(graph) == EBB_OK, "a scope to end");

    must(ebb_session_open(graph, NULL, &sess, &error), &error);
    must(ebb_session_fetch(sess, product, &out, &error), &error);
    printf("[[%.1f, %.1f], [%.1f, %.1f]]\n", p[0], p[1], p[2], p[3]);
    must(ebb_session_close(sess, NULL, &error), &error);

    must(run_elsewhere(graph, true, &error), &error); /* soft: an absent device falls back */
    if (run_elsewhere(graph, false, &error) == EBB_E_NOT_FOUND) printf("no such device\n");
    expect(error.status == EBB_E_NOT_FOUND, "that a strict placement is kept or refused");

    must(ebb_graph_close(graph, NULL, &error), &error);
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
