/* compare.h -- the tolerance rule of the conformance data. */
#ifndef EBB_TESTS_COMPARE_H
#define EBB_TESTS_COMPARE_H

#include "ebb/tensor.h"

/* |got - want| <= atol * max(1, max|want|) + rtol * |want| for floats; exact otherwise; NaN equals
 * NaN. False: *worst is the largest excess over the allowance (or infinity for a shape or type
 * fault). */
bool compare_views(const ebb_view *got, const ebb_view *want, double rtol, double atol,
                   double *worst);

#endif
