/* engine.h -- what the loop of fit needs of a compiled model. The runtime implements it for loaded
 * models; tests implement it with a few lines.
 *
 * Every call is made by the thread of fit. Results are doubles in the order of `titles`: the loss
 * first, as the step itself computed them: `loss` entries of this batch alone, metrics since the
 * last reset. The loop turns losses into means over the epoch, weighted by rows, as Keras does.
 */
#ifndef EBB_TRAIN_ENGINE_H
#define EBB_TRAIN_ENGINE_H

#include "base/log.h"
#include "ebb/train.h"
#include "json/json.h"
#include "mem/region.h"

typedef struct engine engine;

typedef struct engine_def {
    /* One step. `results` of result_count. Batches are checked here: shapes, types, classes. */
    ebb_status (*train)(engine *e, const ebb_batch *batch, double *results, ebb_error *error);
    ebb_status (*test)(engine *e, const ebb_batch *batch, double *results, ebb_error *error);
    void (*reset_metrics)(engine *e);
    ebb_status (*learning_rate)(engine *e, double *rate, ebb_error *error);
    ebb_status (*learning_rate_set)(engine *e, double rate, ebb_error *error);
    /* All weights (and with the optimizer its state) into / from a file; format by the ending. */
    ebb_status (*save)(engine *e, const char *path, bool weights_only, ebb_error *error);
    ebb_status (*restore)(engine *e, const char *path, ebb_error *error);
    /* A copy of the model's weights in memory, and back. */
    uint64_t (*weights_bytes)(const engine *e);
    void (*weights_read)(const engine *e, void *bytes);
    void (*weights_write)(engine *e, const void *bytes);
    /* fit has ended well or early: optimizers with moving averages put them into the weights. */
    void (*finish)(engine *e);
    /* SwapEMAWeights: exchanges weights and moving averages. E_STATE: the optimizer keeps none. */
    ebb_status (*swap_averages)(engine *e, ebb_error *error);
    bool (*is_cancelled)(const engine *e);
    /* optimizer.iterations; NULL: not known, callbacks count the steps of this fit. */
    uint64_t (*iterations)(const engine *e);
} engine_def;

struct engine {
    const engine_def *def;
    region *home; /* of training: scratch children may be opened in it */
    ebb_model model;
    const char *const *titles;
    uint32_t result_count, loss_count; /* the first loss_count results are losses of one batch */
    uint32_t output_count;
    const char *const *output_names;
    uint32_t input_count;
    const char *const *input_names;
    /* What EBB_DTYPE_NONE means in views of x and y, by input and output; NULL: F32. */
    const ebb_dtype *input_dtypes, *output_dtypes;
    const log_sink *log; /* warnings of callbacks; NULL: nobody listens */
};

#endif
