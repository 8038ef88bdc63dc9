/* batch.h -- inputs and room for outputs of one prediction: random ones for measuring, or given
 * ones. */
#ifndef EBB_CLI_BATCH_H
#define EBB_CLI_BATCH_H

#include "ebb/ebb.h"

typedef struct batch {
    ebb_view *inputs, *outputs;
    uint32_t input_count, output_count;
    bool owns_inputs;
    uint64_t output_bytes; /* of all outputs */
} batch;

/* What the random inputs shall look like. */
typedef struct batch_choice {
    uint32_t rows; /* 0 = the batch the model is planned for; a fixed number of rows has its way */
    uint32_t sequence; /* length of other unknown axes; 0 = 32 */
    uint64_t seed;
} batch_choice;

/* Numbers in 0..1; whole numbers are 0 or 1, which every embedding has. */
ebb_status batch_make_random(batch *b, ebb_model model, const batch_choice *choice,
                             ebb_error *error);
/* Inputs that the caller keeps, in the model's order. */
ebb_status batch_make(batch *b, ebb_model model, const ebb_view *inputs, uint32_t count,
                      ebb_error *error);
ebb_status batch_predict(const batch *b, ebb_model model, ebb_error *error);
/* Copies all outputs, one behind the other, into output_bytes bytes; or compares them bit for bit.
 */
void batch_copy(const batch *b, void *answer);
bool batch_equals(const batch *b, const void *answer);
void batch_free(batch *b);

/* Fills *error and returns its status: what the library does, for faults of the command itself. */
ebb_status refuse(ebb_error *error, ebb_status status, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
