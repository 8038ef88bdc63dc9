/* s000_2_clear_session.c -- one model after another; between them all is cleared.
 *
 * TensorFlow                               here
 * model1 = Sequential([...])               ebb_build_open, ebb_build_layer, ebb_build_finish
 * model1.compile("adam", "binary_...")     ebb_model_compile
 * model1.fit(x, y)                         ebb_model_fit
 * del model1                               ebb_model_unload
 * tf.keras.backend.clear_session()         nothing: there is no session of Keras's behind the model
 * gc.collect()                             nothing: unload has given everything back
 *
 * What models share in TensorFlow, they have apart here: graph, weights, the optimizer's state and
 * workspace belong to one model and go with it. To clear several models at once, load or build them
 * in a scope and close that (s004_5_set_to_none.c). */
#include <ebb/ebb.h>

#include "example.h"

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], answers[2][ROWS];
    ebb_runtime runtime;
    ebb_receipt receipt;
    ebb_error error;

    make_rows(x, y);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    for (int i = 1; i <= 2; i++) {
        const ebb_model model = build_model(runtime, LARGE, (ebb_scope){0});

        train_model(model, x, y, 1);
        ask(model, x, ROWS, answers[i - 1]);
        printf("model%d trained\n", i);
        must(ebb_model_unload(model, NULL, &receipt, &error), &error);

        /* The receipt says what came back: at least the weights and Adam's two moments of each. */
        const uint64_t weights = receipt.bytes[EBB_CLASS_WEIGHTS];
        expect(weights >= 4 * LARGE * LARGE, "a receipt with the weights");
        expect(receipt.bytes[EBB_CLASS_OPTIMIZER] >= 2 * 4 * LARGE * LARGE, "and the optimizer");
        print_left(runtime, before);
    }
    expect(memcmp(answers[0], answers[1], sizeof answers[0]) == 0,
           "that model2 learned what model1 did: no state is left of it");
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
