/* s004_4_several_sessions.c -- several sessions, each closed in its own time.
 *
 * TensorFlow                                       here
 * sess = tf.compat.v1.Session(graph=tf.Graph())    ebb_graph_open, ebb_session_open
 * x = placeholder(tf.float32, [None, 1024])        ebb_graph_placeholder, -1 = any length
 * w = get_variable("w", ..., ones)                 ebb_graph_variable_from
 * sess.run(y, {x: row})                            ebb_session_run with a feed
 * sess.close()                                     ebb_session_close
 * del sess (never closed)                          ebb_runtime_close takes what is still open
 *
 * A session waits for nobody and holds what is its own: here a variable of 4 MiB. */
#include <ebb/ebb.h>

#include "example.h"

#define SIDE 1024

typedef struct opened {
    ebb_graph graph;
    ebb_session session;
    ebb_tensor x, y;
} opened;

/* A session on a graph of its own. */
static opened open_one(ebb_runtime runtime)
{
    opened o;
    ebb_error error;

    must(ebb_graph_open(runtime, NULL, &o.graph, &error), &error);
    o.x = ebb_graph_placeholder(o.graph, "x", EBB_F32, 2, (int64_t[]){-1, SIDE});
    const ebb_tensor ones = ebb_fill(o.graph, 2, (int64_t[]){SIDE, SIDE}, 1);
    o.y = ebb_matmul(o.graph, o.x, ebb_graph_variable_from(o.graph, "w", ones));
    must(ebb_session_open(o.graph, NULL, &o.session, &error), &error);
    must(ebb_session_target(o.session, ebb_graph_initializer(o.graph), &error), &error);
    return o;
}

static ebb_status run(const opened *o, float *result, ebb_error *error)
{
    static float row[SIDE], product[SIDE];
    const ebb_feed feed = {o->x, {EBB_F32, 2, {1, SIDE}, row}};
    const ebb_view out = {EBB_F32, 2, {1, SIDE}, product};

    for (int i = 0; i < SIDE; i++) row[i] = 1;
    const ebb_status status = ebb_session_run(o->session, &feed, 1, &o->y, &out, 1, NULL, 0, error);
    *result = product[0];
    return status;
}

static void close_one(opened *o)
{
    ebb_error error;

    must(ebb_session_close(o->session, NULL, &error), &error);
    must(ebb_graph_close(o->graph, NULL, &error), &error);
}

int main(void)
{
    ebb_runtime runtime, other;
    ebb_receipt receipt;
    ebb_error error;
    float result;

    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t empty = live_bytes(runtime);

    opened first = open_one(runtime);
    const uint64_t before = live_bytes(runtime);
    opened second = open_one(runtime);
    must(run(&second, &result, &error), &error);
    printf("%g\n", result);
    close_one(&second);
    expect(live_bytes(runtime) == before, "every byte of the second, the first still open");

    must(run(&first, &result, &error), &error);
    printf("%g\n", result);
    close_one(&first);
    if (run(&first, &result, &error) == EBB_E_STALE) printf("session: closed\n");
    expect(error.status == EBB_E_STALE, "that a closed session does not run");

    /* A session that nobody closes goes with its runtime */
    must(ebb_runtime_open(NULL, &other, &error), &error);
    open_one(other);
    expect(ebb_runtime_close(other, &receipt) == EBB_OK && receipt.bytes_kept == 0 &&
               receipt.bytes_total >= 4 * SIDE * SIDE,
           "its variable on the receipt");
    print_left(runtime, empty);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
