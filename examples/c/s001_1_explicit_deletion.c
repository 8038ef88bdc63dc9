/* s001_1_explicit_deletion.c -- a large model is loaded, used and deleted.
 *
 * TensorFlow                                       here
 * try: ... except Exception as e: print(e)         every call returns a status and fills an error
 * model = load_model('my_large_model.h5')          ebb_model_load
 * del model                                        ebb_model_unload, with a receipt
 * tf.compat.v1.reset_default_graph()               nothing to do
 *
 * "Observe memory usage after this block": that is live_bytes(). Nothing is kept in a cache of the
 * library. The same from the shell:  ebb leakcheck my_large_model.h5 --cycles 1 */
#include <ebb/ebb.h>

#include "example.h"

#define FILE_NAME "my_large_model.h5"

static ebb_status use(ebb_runtime runtime, float *x, ebb_error *error)
{
    static float answers[ROWS];
    ebb_plan plan;
    ebb_memory memory;
    ebb_receipt receipt;
    ebb_model model;

    /* What the load will take is known before it happens, to the byte ... */
    ebb_status status = ebb_model_plan(runtime, FILE_NAME, NULL, &plan, error);
    if (status == EBB_OK) status = ebb_model_load(runtime, FILE_NAME, NULL, &model, error);
    if (status != EBB_OK) return status;
    expect(ebb_model_memory_read(model, &memory) == EBB_OK && memory.live == plan.total,
           "exactly as much as was planned");
    /* ... perform model operations ... */
    ask(model, x, ROWS, answers);
    /* ... and what comes back is written down. */
    status = ebb_model_unload(model, NULL, &receipt, error);
    expect(status != EBB_OK || receipt.bytes_total >= plan.total, "a receipt of all of it");
    return status;
}

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS];
    ebb_runtime runtime;
    ebb_error error;

    enter_folder();
    make_rows(x, y);
    write_model_file(FILE_NAME, LARGE, x, y, NULL);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    if (use(runtime, x, &error) != EBB_OK) printf("An error occurred: %s\n", error.text);

    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
