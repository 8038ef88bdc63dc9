/* fold.h -- computes constant expressions (values that depend on weights only) with portable
 * kernels. */
#ifndef EBB_EXEC_FOLD_H
#define EBB_EXEC_FOLD_H

#include "exec/weights.h"

/* Gives the plain bytes of a weight or literal, in memory that lives as long as `scratch`. */
typedef struct fold_leaf {
    ebb_status (*read)(void *context, region *scratch, value v, const void **bytes,
                       ebb_error *error);
    void *context;
} fold_leaf;

/* Evaluates `v` into `result` (tensor_desc_bytes of its shape). Everything else goes with
 * `scratch`. */
ebb_status fold_evaluate(const device *device, const graph *g, value v, region *scratch,
                         const fold_leaf *leaf, void *result, ebb_error *error);

/* Concrete desc of a constant value: its dims are numbers. */
tensor_desc desc_of_constant(const graph *g, value v);
/* Desc of any value for evaluated dims. */
tensor_desc desc_of(const graph *g, value v, const int64_t *dim_values);

#endif
