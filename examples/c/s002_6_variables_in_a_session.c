/* s002_6_variables_in_a_session.c -- variables live in the session and go with it.
 *
 * TensorFlow                                           here
 * sess = tf.compat.v1.Session(graph=tf.Graph())        ebb_graph_open, ebb_session_open
 * v = get_variable("v", [4096, 1024], zeros)           ebb_graph_variable_from
 * increment = assign_add(v, tf.ones([4096, 1024]))     ebb_assign_add
 * sess.run(global_variables_initializer())             ebb_session_target, ebb_graph_initializer
 * total = sess.run(increment)                          ebb_session_fetch
 * sess.close()                                         ebb_session_close
 *
 * The graph says that there is a variable; its 16 MiB are the session's. */
#include <ebb/ebb.h>

#include "example.h"

#define HEIGHT 4096
#define WIDTH  1024

int main(void)
{
    static float total[HEIGHT * WIDTH];
    const int64_t dims[] = {HEIGHT, WIDTH};
    const ebb_view out = {EBB_F32, 2, {HEIGHT, WIDTH}, total};
    ebb_runtime runtime;
    ebb_graph graph;
    ebb_session sess;
    ebb_memory memory;
    ebb_receipt receipt;
    ebb_error error;

    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    must(ebb_graph_open(runtime, NULL, &graph, &error), &error);
    const ebb_tensor v = ebb_graph_variable_from(graph, "v", ebb_fill(graph, 2, dims, 0));
    const ebb_tensor increment = ebb_assign_add(graph, v, ebb_fill(graph, 2, dims, 1));
    must(ebb_session_open(graph, NULL, &sess, &error), &error);
    must(ebb_session_target(sess, ebb_graph_initializer(graph), &error), &error);
    for (int step = 0; step < 3; step++)
        must(ebb_session_fetch(sess, increment, &out, &error), &error);

    for (int i = 0; i < HEIGHT * WIDTH; i++) expect(total[i] == 3, "3 everywhere");
    printf("%g\n", total[0]);
    expect(ebb_session_memory_read(sess, &memory) == EBB_OK && memory.live >= sizeof total,
           "the variable in the session");

    must(ebb_session_close(sess, &receipt, &error), &error);
    expect(receipt.bytes_total >= sizeof total, "the variable on the receipt");
    expect(live_bytes(runtime) - before < 1 << 20, "only the description");
    must(ebb_graph_close(graph, NULL, &error), &error);
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
