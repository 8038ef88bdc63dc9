/* unary_math.h -- every unary function over an array, and the epilogue of contractions.
 *
 * Shared by the portable rows (unary, binary, matmul, conv, rnn) and by faster rows for the kinds
 * they have no own code for. The formulas are those of graph/op.h; edge values (nan, inf, -0) come
 * out as TensorFlow's do.
 */
#ifndef EBB_DEVICE_CPU_UNARY_MATH_H
#define EBB_DEVICE_CPU_UNARY_MATH_H

#include "graph/op.h"

/* Before a loop whose iterations touch no element of one another (in place at the same index is
 * fine). Clang warns about every such loop that it cannot vectorise, so it is not told. */
#if defined(__clang__)
#define LOOP_INDEPENDENT
#else
#define LOOP_INDEPENDENT _Pragma("GCC ivdep")
#endif

/* F32 -> F32 for every kind but the last four of UNARY_MAP; those write 0 and 1. y may be x. */
void unary_apply(const unary_attributes *attributes, const float *x, float *y, size_t count);

/* I32 -> I32, wrapping: IDENTITY, NEG, ABS, SIGN, SQUARE; false for other kinds. y may be x. */
bool unary_apply_i32(unary_kind kind, const int32_t *x, int32_t *y, size_t count);

/* F32 -> BOOL: IS_NAN, IS_FINITE, IS_INF; false for other kinds. */
bool unary_apply_test(unary_kind kind, const float *x, uint8_t *y, size_t count);

/* What a row of a contraction needs after accumulation; NULL where a part is absent. */
typedef struct epilogue_operands {
    const float *scale, *bias; /* [columns] */
    const float *residual;     /* [rows, columns] */
} epilogue_operands;

/* y = activation(y * scale + bias + residual) over rows x columns; y and residual have the same row
 * stride (elements). The pointers in `operands` are those of the first row and column. */
void epilogue_apply(const epilogue *e, const epilogue_operands *operands, float *y, size_t rows,
                    size_t columns, size_t row_stride);

/* True when the epilogue changes nothing. */
bool epilogue_is_empty(const epilogue *e, const epilogue_operands *operands);

#endif
