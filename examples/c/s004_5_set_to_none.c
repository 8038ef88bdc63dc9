/* s004_5_set_to_none.c -- a model whose last handle was forgotten goes with its scope.
 *
 * TensorFlow                                       here
 * model = None                                     model = (ebb_model){0}: frees nothing, as in C
 * (is not enough there)                            ebb_scope_close(scope, ...): frees everything
 *                                                  that was made in the scope
 * tensor = None; output = None                     arrays are the caller's own, as in all of C
 *
 * A handle that is overwritten frees nothing: C has no destructors. That is what scopes are for. A
 * model lives in the scope that its options name, and closing the scope needs no handle to it. The
 * runtime is the outermost scope: closing it takes everything. */
#include <ebb/ebb.h>

#include "example.h"

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], output[ROWS];
    ebb_scope_options options = EBB_SCOPE_OPTIONS_INIT;
    ebb_runtime runtime;
    ebb_scope scope;
    ebb_receipt receipt;
    ebb_memory memory;
    ebb_error error;

    make_rows(x, y);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    options.tag = "experiment";
    must(ebb_scope_open(runtime, &options, &scope, &error), &error);
    ebb_model model = build_model(runtime, LARGE, scope);
    train_model(model, x, y, 1);
    ask(model, x, ROWS, output);

    model = (ebb_model){0};
    expect(ebb_scope_memory_read(scope, &memory) == EBB_OK &&
               memory.live >= 3 * 4 * LARGE * LARGE && memory.live <= live_bytes(runtime) - before,
           "that the model is still there: weights and optimizer");
    expect(ebb_model_unload(model, NULL, NULL, &error) == EBB_E_STALE, "no handle to unload it by");

    must(ebb_scope_close(scope, &receipt, &error), &error);
    expect(receipt.models == 1 && receipt.bytes_total >= 3 * 4 * LARGE * LARGE, "a receipt");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
