/* unary_gradient_math.h -- derivatives of the unary functions over an array. */
#ifndef EBB_DEVICE_CPU_UNARY_GRADIENT_MATH_H
#define EBB_DEVICE_CPU_UNARY_GRADIENT_MATH_H

#include "graph/op.h"

/* dx = dy * f'. `v` is f(x) for kinds with op_unary_gradient_by_result(), else x. dx may be v or
 * dy. Kinds before UNARY_LOGICAL_NOT. */
void unary_gradient_apply(const unary_attributes *attributes, const float *v, const float *dy,
                          float *dx, size_t count);

#endif
