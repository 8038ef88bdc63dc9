/* training_graph.h -- small training graphs of known lengths, and whether two of them do the same:
 * what tests of the order of nodes and of recomputation are made of.
 *
 * A graph is a function of kind, optimizer and seed, so that a test can build it twice, change one
 * and compare.
 */
#ifndef EBB_TESTS_TRAINING_GRAPH_H
#define EBB_TESTS_TRAINING_GRAPH_H

#include "graph_run.h"

typedef enum training_kind {
    TRAINING_MLP,
    TRAINING_CNN, /* convolutions, batch statistics with moving averages, pooling */
    TRAINING_LSTM,
    TRAINING_ATTENTION, /* attention with residuals, dropout from a stream */
    TRAINING_RANDOM,    /* any nodes over a few shapes */
    TRAINING_KINDS
} training_kind;

typedef struct training_options {
    training_kind kind;
    uint32_t layers;       /* 0: 4 */
    int64_t rows, width;   /* 0: 8 and 16 */
    const char *optimizer; /* NULL: "adam" */
    bool has_passes;       /* runs the passes over it */
    uint64_t seed;
} training_options;

/* Forward, loss, gradients, updates. Faults end the test. */
graph *training_graph_make(test *t, region *home, const training_options *options);

/* Runs both for some steps from the same numbers: every result and every variable must have the
 * same bytes. Outputs and updates are compared by number. */
void training_graph_compare(test *t, graph *a, graph *b);

#endif
