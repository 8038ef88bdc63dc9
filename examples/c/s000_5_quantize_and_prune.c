/* s000_5_quantize_and_prune.c -- quantizing and pruning make a model itself smaller.
 *
 * TensorFlow                                       here
 * model.quantize("int8")                           ebb_model_quantize
 * (its pruning package does not know Keras 3)      ebb_model_prune
 *
 * Both happen in place, on a loaded model that is not compiled, and the small form is what is kept:
 * int8 with a scale for each unit, or the weights without their zeros. The ledger says by how much.
 * From the shell:  ebb quantize model.keras small.keras --dtype int8
 *                  ebb compare model.keras small.keras */
#include <ebb/ebb.h>
#include <math.h>

#include "example.h"

#define UNITS   (LARGE < 1024 ? LARGE : 1024)
#define BY_HAND 8 /* rows that are computed here as well, from the weights that the model tells */

static ebb_model build_trained(ebb_runtime runtime, float *x, float *y)
{
    const ebb_model model = build_model(runtime, UNITS, (ebb_scope){0});
    ebb_error error;

    train_model(model, x, y, 3);
    must(ebb_model_uncompile(model, NULL, &error), &error); /* the optimizer goes, weights stay */
    return model;
}

static void weight_read(ebb_model model, uint32_t index, float *value, int64_t rows,
                        int64_t columns)
{
    const ebb_view matrix = {EBB_F32, 2, {rows, columns}, value},
                   bias = {EBB_F32, 1, {columns}, value};
    ebb_error error;

    must(ebb_model_weight_get(model, index, rows > 0 ? &matrix : &bias, &error), &error);
}

/* One layer: out = x @ kernel + bias, with relu or sigmoid. */
static void dense(const float *x, int in, const float *kernel, const float *bias, int units,
                  bool is_last, float *out)
{
    for (int row = 0; row < BY_HAND; row++) {
        for (int unit = 0; unit < units; unit++) {
            float sum = bias[unit];
            for (int i = 0; i < in; i++) sum += x[row * in + i] * kernel[i * units + unit];
            out[row * units + unit] = is_last ? 1 / (1 + expf(-sum)) : sum > 0 ? sum : 0;
        }
    }
}

/* model.get_weights() and the forward pass in plain C. */
static void compute_by_hand(ebb_model model, const float *x, float *answers)
{
    static float kernel[UNITS * UNITS], bias[UNITS], hidden[2][BY_HAND * UNITS];

    weight_read(model, 0, kernel, COLUMNS, UNITS);
    weight_read(model, 1, bias, 0, UNITS);
    dense(x, COLUMNS, kernel, bias, UNITS, false, hidden[0]);
    weight_read(model, 2, kernel, UNITS, UNITS);
    weight_read(model, 3, bias, 0, UNITS);
    dense(hidden[0], UNITS, kernel, bias, UNITS, false, hidden[1]);
    weight_read(model, 4, kernel, UNITS, 1);
    weight_read(model, 5, bias, 0, 1);
    dense(hidden[1], UNITS, kernel, bias, 1, true, answers);
}

static void quantize(ebb_runtime runtime, float *x, float *y)
{
    static float full[ROWS], small[ROWS];
    const ebb_model model = build_trained(runtime, x, y);
    const uint64_t live = live_bytes(runtime);
    ebb_shrink_report report;
    ebb_error error;

    ask(model, x, ROWS, full);
    must(ebb_model_quantize(model, NULL, &report, &error), &error); /* int8 */
    ask(model, x, ROWS, small);
    printf("int8: %" PRIu64 " of %" PRIu64 " bytes\n", report.weights_after, report.weights_before);
    expect(report.weights_after < 0.27 * (double)report.weights_before, "a quarter of the bytes");
    expect((double)(live - live_bytes(runtime)) > 0.7 * (double)report.weights_before,
           "as much on the ledger");
    expect(difference(full, small, ROWS) < 0.02F, "answers as before");
    must(ebb_model_unload(model, NULL, NULL, &error), &error);
}

static void prune(ebb_runtime runtime, float *x, float *y)
{
    static float answers[ROWS], by_hand[BY_HAND];
    const ebb_model model = build_trained(runtime, x, y);
    const uint64_t live = live_bytes(runtime);
    ebb_prune_options options = EBB_PRUNE_OPTIONS_INIT;
    ebb_shrink_report report;
    ebb_error error;

    options.sparsity = 0.8;
    must(ebb_model_prune(model, &options, &report, &error), &error);
    ask(model, x, ROWS, answers);
    printf("pruned: %" PRIu64 " of %" PRIu64 " bytes\n", report.weights_after,
           report.weights_before);
    expect(report.sparsity > 0.79 && report.sparsity < 0.81, "zeros at 80 %");
    expect((double)(live - live_bytes(runtime)) > 0.4 * (double)report.weights_before,
           "less on the ledger");
    compute_by_hand(model, x, by_hand);
    expect(difference(answers, by_hand, BY_HAND) < 1e-5F, "the answers of these weights");
    must(ebb_model_unload(model, NULL, NULL, &error), &error);
}

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS];
    ebb_runtime runtime;
    ebb_error error;

    make_rows(x, y);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    quantize(runtime, x, y);
    prune(runtime, x, y);
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
