/* training_case.h -- a case of the areas training, resume and history: what it trains on, what
 * Keras got, and how near is near enough. */
#ifndef EBB_TESTS_TRAINING_CASE_H
#define EBB_TESTS_TRAINING_CASE_H

#include "suite.h"

typedef struct training_case {
    suite *s;
    region *home;
    const char *where; /* the model file of the moment */
    const json *meta, *fit;
    npz_file arrays;
    ebb_view x[PORTS], y[PORTS], validation_x[PORTS], validation_y[PORTS];
    uint32_t x_count, y_count, validation_x_count, validation_y_count;
    const npz_array *sample_weight, *losses; /* NULL: none */
    uint32_t batch_size, epochs;
} training_case;

/* Everything that was written must be what Keras wrote: names of files and texts of the case, in
 * the working folder. */
verdict compare_files(const training_case *c);
/* Loss of step `index`. */
verdict compare_loss(const training_case *c, uint64_t index, double loss);
verdict compare_weights(const training_case *c, ebb_model model);
/* Saves the model and compares the optimizer's variables in the file. */
verdict compare_optimizer(const training_case *c, ebb_model model);
verdict compare_history(const training_case *c, ebb_model model);
/* Results of an evaluation, named by ebb_model_metric(). */
verdict compare_evaluation(const training_case *c, ebb_model model, const double *results,
                           size_t count);

#endif
