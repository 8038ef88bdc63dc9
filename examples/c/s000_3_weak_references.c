/* s000_3_weak_references.c -- weak references tell whether a deleted model is gone.
 *
 * TensorFlow                                       here
 * model_refs.append(weakref.ref(model1))           ebb_model_weak, or ebb_monitor_watch with label
 * del model1; clear_session(); gc.collect()        ebb_model_unload
 * if ref() is None: print("... collected")         ebb_weak_get, or ebb_monitor_check
 * else: print("Warning: ... leak detected!")
 *
 * The document's check warns of model2, which is merely in use. The monitor says the document's
 * words, and beneath them how many bytes the model holds: whether that is a leak, its owner knows.
 * What would be one is counted apart: a model that is unloaded and still has bytes. */
#include <ebb/ebb.h>

#include "example.h"

static bool print_text(void *context, const char *text, size_t length)
{
    (void)context;
    return fwrite(text, 1, length, stdout) == length;
}

static ebb_model build_trained(ebb_runtime runtime, float *x, float *y)
{
    static float answers[ROWS];
    const ebb_model model = build_model(runtime, LARGE, (ebb_scope){0});

    train_model(model, x, y, 1);
    ask(model, x, ROWS, answers);
    return model;
}

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS];
    static const char *const names[] = {"model1", "model2"};
    ebb_weak references[2]; /* list to track models with weak references */
    ebb_runtime runtime;
    ebb_monitor monitor;
    ebb_monitor_report report;
    ebb_model found;
    ebb_error error;

    make_rows(x, y);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);
    must(ebb_monitor_open(runtime, &monitor, &error), &error);

    const ebb_model model1 = build_trained(runtime, x, y);
    references[0] = ebb_model_weak(model1);
    must(ebb_monitor_watch(monitor, model1, "model1", &error), &error);
    must(ebb_model_unload(model1, NULL, NULL, &error), &error);

    const ebb_model model2 = build_trained(runtime, x, y);
    references[1] = ebb_model_weak(model2);
    must(ebb_monitor_watch(monitor, model2, "model2", &error), &error);

    /* Check for dangling references (debugging) */
    expect(ebb_monitor_check(monitor, print_text, NULL, &report, &error) == EBB_OK, "a check");
    expect(report.gone == 1 && report.loaded == 1 && report.leaked == 0, "one gone, one in use");
    for (int i = 0; i < 2; i++)
        printf("%s: %s\n", names[i], ebb_weak_get(references[i], &found) ? "in use" : "unloaded");
    expect(!ebb_model_alive(model1), "a stale handle");

    must(ebb_model_unload(model2, NULL, NULL, &error), &error);
    expect(!ebb_weak_get(references[1], &found), "that model2 is gone as well");
    expect(ebb_monitor_close(monitor) == EBB_OK, "a monitor to close");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
