/* s004_3_device_placement.c -- operations are placed on a CPU and a GPU, and run in one session.
 *
 * TensorFlow                                       here
 * with tf.device('/CPU:0'):                        ebb_graph_device_push, ebb_graph_device_pop
 *     c = a + b                                    ebb_add
 * with tf.device('/GPU:0'):                        the same
 *     z = x * y                                    ebb_mul
 * cpu, gpu = sess.run([c, z])                      ebb_session_run with two fetches
 *
 * Whether a device is there is asked when the session runs. With soft placement an absent one
 * becomes the CPU; without, the run is EBB_E_NOT_FOUND and names the devices that there are. */
#include <ebb/ebb.h>

#include "example.h"

static ebb_tensor pair(ebb_graph graph, float first, float second)
{
    float values[] = {first, second};
    const ebb_view view = {EBB_F32, 1, {2}, values};

    return ebb_graph_constant(graph, &view, NULL);
}

int main(void)
{
    float cpu_result[2], gpu_result[2];
    const ebb_view outputs[] = {{EBB_F32, 1, {2}, cpu_result}, {EBB_F32, 1, {2}, gpu_result}};
    ebb_session_options options = EBB_SESSION_OPTIONS_INIT;
    ebb_operation_info operation;
    ebb_runtime runtime;
    ebb_graph graph;
    ebb_session sess;
    ebb_error error;

    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);
    must(ebb_graph_default(runtime, &graph, &error), &error);

    /* Explicitly place these on the CPU */
    must(ebb_graph_device_push(graph, "/CPU:0", &error), &error);
    const ebb_tensor c = ebb_add(graph, pair(graph, 1, 2), pair(graph, 3, 4));
    expect(ebb_graph_device_pop(graph) == EBB_OK, "a scope to end");

    /* Assume a GPU is available */
    must(ebb_graph_device_push(graph, "/GPU:0", &error), &error);
    const ebb_tensor z = ebb_mul(graph, pair(graph, 5, 6), pair(graph, 7, 8));
    expect(ebb_graph_device_pop(graph) == EBB_OK, "a scope to end");

    options.soft_placement = true;
    must(ebb_session_open(graph, &options, &sess, &error), &error);
    must(ebb_session_run(sess, NULL, 0, (ebb_tensor[]){c, z}, outputs, 2, NULL, 0, &error), &error);
    printf("CPU Result: ");
    print_vector(cpu_result, 2);
    printf("GPU Result: ");
    print_vector(gpu_result, 2);
    must(ebb_session_close(sess, NULL, &error), &error);

    for (uint32_t i = 0; ebb_graph_operation_read(graph, i, &operation) == EBB_OK; i++) {
        const bool is_gpu = i >= ebb_graph_operation_count(graph) / 2;
        expect(strcmp(operation.device, is_gpu ? "GPU:0" : "CPU:0") == 0, "where it was placed");
    }
    must(ebb_graph_close(graph, NULL, &error), &error);
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
