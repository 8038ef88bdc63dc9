/* shrink_models.h -- models with weights of every kind that is shrunk in its own way, and what
 * tests of shrinking ask them. */
#ifndef EBB_TESTS_SHRINK_MODELS_H
#define EBB_TESTS_SHRINK_MODELS_H

#include "ebb/ebb.h"
#include "harness.h"

#define SHRINK_NUMBERS_MAX 16384

/* ids [rows, 8] -> Embedding 200 x 32 -> LSTM 24 -> Dense 70 -> Dense 10. */
ebb_model shrink_text_model(test *t, ebb_runtime runtime);
/* image [rows, 12, 12, 3] -> Conv2D, one with SpectralNormalization, DepthwiseConv2D,
 * BatchNormalization, Conv2DTranspose, pooling, Dense. */
ebb_model shrink_image_model(test *t, ebb_runtime runtime);
/* sequence [rows, 6, 16] -> MultiHeadAttention, EinsumDense, Dense. */
ebb_model shrink_attention_model(test *t, ebb_runtime runtime);

/* Numbers of the first output for `rows` rows of made-up inputs; their count. */
uint32_t shrink_predict(test *t, ebb_model model, int64_t rows, float *numbers);
/* Class weights on the ledger of the model; all live bytes. */
uint64_t shrink_weights_bytes(ebb_model model);
uint64_t shrink_live_bytes(ebb_model model);
/* Number of a weight by its whole name ("dense/kernel"). */
uint32_t shrink_weight_find(test *t, ebb_model model, const char *name);
/* Its elements, in t->home. */
float *shrink_weight_read(test *t, ebb_model model, uint32_t index, uint64_t *count);

#endif
