/* digits.h -- the committed example models as a test fixture: a runtime, sixteen images, Keras's
 * answers. */
#ifndef EBB_TESTS_DIGITS_H
#define EBB_TESTS_DIGITS_H

#include "ebb/ebb.h"
#include "harness.h"

#define DIGITS_ROWS    16
#define DIGITS_PIXELS  64
#define DIGITS_CLASSES 10

typedef struct digits {
    ebb_runtime runtime;
    float x[DIGITS_ROWS][DIGITS_PIXELS];
    float mlp_y[DIGITS_ROWS][DIGITS_CLASSES], cnn_y[DIGITS_ROWS][DIGITS_CLASSES]; /* by Keras */
} digits;

extern const char *const digits_mlp; /* path of a .keras file */
extern const char *const digits_cnn; /* path of an .h5 file */

/* Opens a runtime with these options (NULL = defaults) and reads the arrays. */
void digits_open(test *t, digits *d, const ebb_runtime_options *options);
/* Closes it and checks that nothing was left. */
void digits_close(test *t, digits *d);

/* Predicts the first `rows` images into y. */
ebb_status digits_predict(const digits *d, ebb_model model, int64_t rows, float *y,
                          ebb_error *error);
/* Largest difference to what Keras answered. */
double digits_error(const float *y, const float *expected, int64_t rows);
uint64_t digits_live(const digits *d);
/* Copies a file. */
void digits_copy(const char *from, const char *to);

#endif
