/* s002_2_session_management.c -- each of a hundred loads is inside a session of its own.
 *
 * TensorFlow                                       here
 * with tf.compat.v1.Session() as sess:             ebb_session_open
 *     set_session(sess)                            ebb_session_scope: models loaded in this scope
 *                                                  are the session's
 *     model = keras.models.load_model(path)        ebb_model_load
 *     clear_session(); sess.close()                ebb_session_close: the model goes with it
 * del model; gc.collect()                          nothing
 *
 * In TensorFlow 2 these lines no longer run together. Here a session may own models: closing it
 * gives back its variables, its plans and its models, with one receipt. */
#include <ebb/ebb.h>

#include "example.h"

#define SESSIONS 100

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], stored[ROWS], answers[ROWS];
    ebb_runtime runtime;
    ebb_graph graph;
    ebb_session sess;
    ebb_model model;
    ebb_receipt receipt;
    ebb_error error;

    enter_folder();
    make_rows(x, y);
    write_model_file("my_model.h5", 64, x, y, stored);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    must(ebb_graph_default(runtime, &graph, &error), &error);
    const uint64_t before = live_bytes(runtime);

    for (int i = 0; i < SESSIONS; i++) {
        ebb_load_options load = EBB_LOAD_OPTIONS_INIT;

        must(ebb_session_open(graph, NULL, &sess, &error), &error);
        must(ebb_session_scope(sess, &load.scope, &error), &error);
        must(ebb_model_load(runtime, "my_model.h5", &load, &model, &error), &error);
        ask(model, x, ROWS, answers);
        expect(difference(answers, stored, ROWS) < 1e-5F, "the stored answers");

        must(ebb_session_close(sess, &receipt, &error), &error);
        expect(receipt.models == 1 && !ebb_model_alive(model), "that the model went with it");
        expect(live_bytes(runtime) == before, "every byte after every session");
    }
    printf("%d sessions\n", SESSIONS);
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
