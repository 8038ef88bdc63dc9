/* s004_8_wrapped_model.c -- a model in a wrapper: it is loaded on first use and goes afterwards.
 *
 * TensorFlow                                       here
 * with loaded("my_large_model.h5") as model:       ebb_lazy_open, ebb_lazy_acquire
 *     model.predict(x)                             ebb_model_predict
 * (end of the block)                               ebb_lazy_release, ebb_lazy_close
 * an error inside the block                        the same two calls on the way out
 *
 * The wrapper belongs to the code that uses it, the model to the wrapper. Between uses an idle one
 * is unloaded (idle_ns, or when room is needed), and comes back by itself at the next use. */
#include <ebb/ebb.h>

#include "example.h"

#define FILE_NAME "my_large_model.h5"

/* The block of the `with`: whatever happens inside, what it took is back when it returns. */
static ebb_status with_loaded(ebb_runtime runtime, ebb_status (*block)(ebb_model, ebb_error *),
                              ebb_model *kept, ebb_error *error)
{
    ebb_receipt receipt;
    ebb_lazy lazy;
    ebb_status status = ebb_lazy_open(runtime, FILE_NAME, NULL, &lazy, error);

    if (status != EBB_OK) return status;
    status = ebb_lazy_acquire(lazy, kept, error);
    if (status == EBB_OK) {
        status = block(*kept, error);
        ebb_lazy_release(lazy);
    }
    ebb_lazy_close(lazy, NULL, &receipt, NULL);
    expect(receipt.bytes_total >= 4 * LARGE * LARGE, "a receipt with the weights");
    return status;
}

static float x[ROWS * COLUMNS], y[ROWS], stored[ROWS], answers[ROWS];

static ebb_status predict(ebb_model model, ebb_error *error)
{
    (void)error;
    ask(model, x, ROWS, answers);
    expect(difference(answers, stored, ROWS) < 1e-5F, "the stored answers");
    return EBB_OK;
}

/* Rows of 11 columns: the model takes 10. */
static ebb_status predict_wrongly(ebb_model model, ebb_error *error)
{
    const ebb_view in = {EBB_F32, 2, {1, COLUMNS + 1}, x}, out = {EBB_F32, 2, {1, 1}, answers};
    const ebb_views inputs = {&in, 1}, outputs = {&out, 1};

    return ebb_model_predict(model, &inputs, &outputs, error);
}

int main(void)
{
    ebb_runtime runtime;
    ebb_model model;
    ebb_error error;

    enter_folder();
    make_rows(x, y);
    write_model_file(FILE_NAME, LARGE, x, y, stored);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    must(with_loaded(runtime, predict, &model, &error), &error);
    expect(live_bytes(runtime) == before, "every byte after the block");
    if (predict_wrongly(model, &error) == EBB_E_STALE) printf("model: stale handle\n");
    expect(error.status == EBB_E_STALE, "that a handle kept from the block is refused");

    expect(with_loaded(runtime, predict_wrongly, &model, &error) == EBB_E_SHAPE,
           "the error of the block");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
