/* einsum.h -- Einstein sums lowered to reduce, transpose, reshape and matmul. */
#ifndef EBB_LAYER_EINSUM_H
#define EBB_LAYER_EINSUM_H

#include "layer/build.h"

#define EINSUM_OPERANDS_MAX 8

/* "abc,cde->abde", with "..." and without "->" as numpy reads them. F32 operands. Repeated letters
 * within one operand (diagonals) are refused. VALUE_NONE after a fault. */
value einsum_build(layer_build *b, const char *equation, value x, value y);
value einsum_build_many(layer_build *b, const char *equation, const value *operands,
                        uint32_t count);

#endif
