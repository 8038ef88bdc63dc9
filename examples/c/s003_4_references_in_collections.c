/* s003_4_references_in_collections.c -- a functional model that a list refers to as well.
 *
 * TensorFlow                                       here
 * inputs = keras.Input((10,))                      x = ebb_build_input(...)
 * hidden = Dense(2048, "relu")(inputs)             x = ebb_build_layer(b, "Dense", "...", x)
 * model = keras.Model(inputs, outputs)             ebb_build_finish(b, &x, 1, ...)
 * models = [model]                                 ebb_model models[] = {model}
 * del model                                        nothing: a variable owns nothing
 * models.clear()                                   ebb_model_unload(models[0], ...)
 * weakref.ref(model)                               ebb_model_weak(model)
 *
 * In Python a model stays while any name, list or closure refers to it, and one that is forgotten
 * is a leak. Here copies of a handle are as good as each other and hold nothing: the model goes
 * with one call, by any of them, and all the others are stale from then on. */
#include <ebb/ebb.h>

#include "example.h"

static ebb_model build_functional(ebb_runtime runtime)
{
    ebb_builder b;
    ebb_model model;
    ebb_error error;

    must(ebb_build_open(runtime, NULL, &b, &error), &error);
    ebb_tensor x = ebb_build_input(b, NULL, EBB_F32, 1, (int64_t[]){COLUMNS});
    x = ebb_build_layer_format(b, "Dense", x, "units=%d, activation='relu'", LARGE);
    x = ebb_build_layer_format(b, "Dense", x, "units=%d, activation='relu'", LARGE);
    x = ebb_build_layer(b, "Dense", "units=1, activation='sigmoid'", x);
    must(ebb_build_finish(b, &x, 1, NULL, &model, &error), &error);
    return model; /* the builder and its tensors are gone: they hold no layer */
}

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], answers[ROWS], again[ROWS];
    ebb_runtime runtime;
    ebb_model found;
    ebb_error error;

    make_rows(x, y);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    ebb_model model = build_functional(runtime);
    const uint64_t one = live_bytes(runtime);
    ask(model, x, ROWS, answers);

    const ebb_model models[] = {model};
    const ebb_weak reference = ebb_model_weak(model);
    expect(live_bytes(runtime) == one, "that a second handle is no second model");
    model = (ebb_model){0}; /* forgets the name, not the model */
    expect(ebb_weak_get(reference, &found) && found.id == models[0].id, "the model in the list");
    ask(models[0], x, ROWS, again);
    expect(difference(answers, again, ROWS) == 0, "one model behind both");
    printf("two handles, one model\n");

    must(ebb_model_unload(models[0], NULL, NULL, &error), &error);
    expect(!ebb_weak_get(reference, &found), "that the weak reference is empty at once");
    expect(live_bytes(runtime) == before, "every byte when the list lets go");
    expect(ebb_model_unload(models[0], NULL, NULL, &error) == EBB_E_STALE,
           "that a second unload is refused and harms nothing");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
