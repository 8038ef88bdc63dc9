/* built_models.h -- models for tests of ebb/build.h, made with the builder; the first four are
 * those of golden/make_build.py. */
#ifndef EBB_TESTS_BUILT_MODELS_H
#define EBB_TESTS_BUILT_MODELS_H

#include "ebb/ebb.h"
#include "harness.h"

typedef struct built_case {
    const char *name;
    /* Layers up to the outputs; their number. */
    uint32_t (*make)(ebb_builder b, ebb_tensor *outputs);
} built_case;

#define BUILT_CASES       4
#define BUILT_OUTPUTS_MAX 4
#define BUILT_NUMBERS_MAX 256

extern const built_case built_cases[BUILT_CASES];

/* A small chain: 6 numbers -> Dense "hidden" 5 -> BatchNormalization -> Dense "head" 3. */
ebb_model built_small(test *t, ebb_runtime runtime, const char *name, uint64_t seed);
/* Any builder function, finished. */
ebb_model built_finish(test *t, ebb_runtime runtime, const built_case *c,
                       const ebb_build_options *options);

/* Weights by the formula of make_build.py; predictions on its inputs, outputs one after another. */
void built_fill(test *t, ebb_model model);
uint32_t built_predict(test *t, ebb_model model, float numbers[BUILT_NUMBERS_MAX]);
/* Weight number `index` as floats; their number. */
uint32_t built_weight(test *t, ebb_model model, uint32_t index, float *numbers);

ebb_runtime built_runtime(test *t);
uint64_t built_live(ebb_runtime runtime);
/* Closes it and checks that nothing was left. */
void built_close(test *t, ebb_runtime runtime);

#endif
