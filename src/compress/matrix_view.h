/* matrix_view.h -- as which matrix a weight is packed: what its layer's product multiplies with, so
 * that the product can read it packed, and so that scales go by what comes out of it.
 *
 *     Dense, EinsumDense, attention   the matrix of the matmul: a scale per column, a unit each
 *     convolutions                    the last axis by all others: a scale per filter
 *     transposed convolutions, and matrices read transposed      a scale per row
 *     embeddings                      one row per entry: a scale per row
 *     recurrent layers, others        the last axis by all others: a scale per column
 *
 * Source of the axes: _get_kernel_... and quantize() of keras/src/layers/core/dense.py,
 * einsum_dense.py, embedding.py. */
#ifndef EBB_COMPRESS_MATRIX_VIEW_H
#define EBB_COMPRESS_MATRIX_VIEW_H

#include "graph/graph.h"
#include "tensor/packed.h"

/* Sets rows, columns and is_by_row, from the first node that reads the weight, directly, unpacked,
 * or reshaped. */
void matrix_view_find(const graph *g, value weight, packed_layout *l);

#endif
