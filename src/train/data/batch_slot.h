/* batch_slot.h -- room for one batch of rows, and gathering them. Inside of data/.
 *
 * Filling allocates nothing and touches only its slot, so that a thread may do it while the caller
 * reads the other slot. */
#ifndef EBB_TRAIN_DATA_BATCH_SLOT_H
#define EBB_TRAIN_DATA_BATCH_SLOT_H

#include "train/data/class_weight.h"
#include "train/data/data_set.h"

/* What all slots of a feed have in common. */
typedef struct batch_rows {
    const data_set *set;
    int64_t first, count, batch; /* rows of the set, rows of a batch */
    bool shuffles;
    uint64_t seed;
    const class_weights *weights; /* NULL: none */
} batch_rows;

typedef struct batch_slot {
    ebb_view *views; /* by column, and last the weights by class */
    void **buffers;  /* by column; NULL: borrowed from the column */
    float *weights;  /* NULL: no weights by class */
    uint64_t pass, number;
    bool is_filled;
    ebb_batch batch;
} batch_slot;

ebb_status batch_slot_open(region *home, const batch_rows *rows, batch_slot *slot,
                           ebb_error *error);
/* Which batch it is to hold: number `number` of pass `pass`. */
void batch_slot_aim(batch_slot *slot, uint64_t pass, uint64_t number);
ebb_status batch_slot_fill(const batch_rows *rows, batch_slot *slot, ebb_error *error);

/* Weights by class for the batches of a function: memory that grows with them. */
typedef struct batch_weights {
    region *home;
    float *values;
    uint64_t bytes;
    ebb_view view;
} batch_weights;

/* Replaces batch->sample_weight. */
ebb_status batch_weights_set(batch_weights *w, const class_weights *weights, const engine *e,
                             ebb_batch *batch, ebb_error *error);

#endif
