/* gradient_rows.h -- gradients of look-up tables as the rows that were looked up.
 *
 * TensorFlow keeps the gradient of an embedding as IndexedSlices: a row for each look-up, added up
 * only where something dense is needed. What Keras computes of it element by element before that is
 * computed row by row: the square of a gradient is the sum of the squares of its rows, which is not
 * the square of the sum when a row was looked up twice. Only for optimizer/. */
#ifndef EBB_TRAIN_OPTIMIZER_GRADIENT_ROWS_H
#define EBB_TRAIN_OPTIMIZER_GRADIENT_ROWS_H

#include "graph/op.h"

#define ROW_SOURCES_MAX 32

typedef struct row_source {
    value rows, indices;
    gather_attributes how;
} row_source;

typedef struct gradient_rows {
    shape to; /* of the table */
    uint32_t count;
    row_source sources[ROW_SOURCES_MAX];
} gradient_rows;

/* Is the gradient made of look-ups alone? False: it is dense. */
bool gradient_rows_find(const graph *g, value gradient, gradient_rows *result);
/* rows = make(rows, operand) for all. */
void gradient_rows_map(graph *g, gradient_rows *rows, value (*make)(graph *g, value x, value y),
                       value operand);
void gradient_rows_clip(graph *g, gradient_rows *rows, float limit);
/* The table of sums of kind(row); UNARY_IDENTITY: the gradient itself. */
value gradient_rows_sum(graph *g, const gradient_rows *rows, unary_kind kind);
/* The sum of the squares of all elements of all rows, a scalar. */
value gradient_rows_squares(graph *g, const gradient_rows *rows);

#endif
