/* s004_1_session_closure.c -- a session gives back what it holds when it is closed.
 *
 * TensorFlow                                       here
 * with tf.compat.v1.Session() as sess:             ebb_session_open
 *     a = tf.constant([1.0, 2.0, 3.0])             ebb_graph_constant
 *     c = a + b                                    ebb_add
 *     result = sess.run(c)                         ebb_session_fetch (ebb_session_run for several)
 * (end of the block, or sess.close())              ebb_session_close
 *
 * Constants belong to the graph and stay with it. A closed session is a stale handle: a run is
 * refused, a second close as well, and neither does harm. */
#include <ebb/ebb.h>

#include "example.h"

int main(void)
{
    float first[] = {1, 2, 3}, second[] = {4, 5, 6}, result[3];
    const ebb_view a_view = {EBB_F32, 1, {3}, first}, b_view = {EBB_F32, 1, {3}, second};
    const ebb_view out = {EBB_F32, 1, {3}, result};
    ebb_runtime runtime;
    ebb_graph graph;
    ebb_session sess;
    ebb_error error;

    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    /* Define the computation graph */
    must(ebb_graph_default(runtime, &graph, &error), &error);
    const ebb_tensor a = ebb_graph_constant(graph, &a_view, "a");
    const ebb_tensor b = ebb_graph_constant(graph, &b_view, "b");
    const ebb_tensor c = ebb_add(graph, a, b);
    const uint64_t with_graph = live_bytes(runtime);

    must(ebb_session_open(graph, NULL, &sess, &error), &error);
    must(ebb_session_fetch(sess, c, &out, &error), &error);
    print_vector(result, 3);
    must(ebb_session_close(sess, NULL, &error), &error);
    expect(live_bytes(runtime) == with_graph, "that the session left nothing");

    expect(ebb_session_fetch(sess, c, &out, &error) == EBB_E_STALE,
           "that a closed session says so");
    expect(ebb_session_close(sess, NULL, &error) == EBB_E_STALE, "once more does no harm");
    must(ebb_graph_close(graph, NULL, &error), &error); /* the constants belong to the graph */
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
