/* feed.h -- batches of a data set, epoch by epoch.
 *
 *     feed_begin(f, epoch);
 *     while (feed_next(f, &batch, &error) == EBB_OK && batch != NULL) ...
 *     feed_end(f, &error);
 *
 * Rows that lie in memory and are not shuffled are borrowed, never copied. Others are gathered into
 * staging of class data, one batch of them; with files two, of which one is filled by a thread
 * while the other one trains.
 *
 * Steps: an epoch is one pass over the data; with steps_per_epoch it has that many batches and the
 * next epoch goes on behind them, and where the data end early the epoch ends with a warning.
 * Source: keras/src/trainers/epoch_iterator.py. */
#ifndef EBB_TRAIN_DATA_FEED_H
#define EBB_TRAIN_DATA_FEED_H

#include "train/data/class_weight.h"
#include "train/data/data_set.h"

typedef struct feed feed;

typedef struct feed_options {
    int64_t first, rows; /* of the set; rows 0: all from `first` on */
    uint32_t batch_size; /* 0: by steps, else 32 */
    uint64_t steps;      /* of an epoch; 0: one pass */
    bool shuffles;
    uint64_t seed;
    const class_weights *weights; /* NULL: none */
} feed_options;

/* Borrows the set. */
ebb_status feed_open(region *parent, const engine *e, data_set *set, const feed_options *options,
                     feed **result, ebb_error *error);
/* Stops its thread and gives its memory back. NULL is a no-op. */
void feed_close(feed *f);

/* Steps of an epoch; 0: not known (a function). */
uint64_t feed_steps(const feed *f);

/* An epoch. Numbers of epochs choose the order of shuffled rows. */
void feed_begin(feed *f, uint32_t epoch);
/* *batch is NULL at the end of the epoch; else borrowed until the next call. */
ebb_status feed_next(feed *f, const ebb_batch **batch, ebb_error *error);
/* After each epoch, also one that was left early. */
ebb_status feed_end(feed *f, ebb_error *error);

/* The next epoch begins at the first row. */
void feed_restart(feed *f);
/* For a run that goes on: as if `epochs` epochs before this one had run, and `steps` of it; call
 * right after feed_begin(). Functions are asked for the batches of this epoch and those are
 * dropped. */
ebb_status feed_skip(feed *f, uint32_t epochs, uint64_t steps, ebb_error *error);

#endif
