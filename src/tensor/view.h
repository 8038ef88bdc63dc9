/* view.h -- checks and small sums over views. */
#ifndef EBB_TENSOR_VIEW_H
#define EBB_TENSOR_VIEW_H

#include "base/size.h"
#include "ebb/tensor.h"

/* Product of dims; false on a negative dim or overflow. */
bool dims_count(uint32_t rank, const int64_t *dims, uint64_t *count);
/* "(2, 3, ?)" into text[capacity]; -1 prints as ?. Returns text. */
char *dims_text(uint32_t rank, const int64_t *dims, char *text, size_t capacity);

#endif
