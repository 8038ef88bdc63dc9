/* arithmetic.h -- pieces of formulas that the emitters of training share: a few nodes each.
 *
 * All are sticky like the graph builder. Values are F32 unless said otherwise. Names follow
 * keras.ops where there is one. */
#ifndef EBB_TRAIN_ARITHMETIC_H
#define EBB_TRAIN_ARITHMETIC_H

#include "graph/op.h"
#include "json/json.h"

#define KERAS_EPSILON 1e-7f

value arith_affine(graph *g, value x, float factor, float offset); /* factor * x + offset */
value arith_clip(graph *g, value x, float low, float high);
value arith_at_least(graph *g, value x, float low);
value arith_complement(graph *g, value x); /* 1 - x */
value arith_square(graph *g, value x);
value arith_power(graph *g, value x, float exponent); /* x ** exponent */
value arith_power_of(graph *g, float base, value x);  /* base ** x */
value arith_max(graph *g, value a, value b);
value arith_min(graph *g, value a, value b);
/* The root of the sum of squares over the axes of the bit mask, which stay; 0: of all, a scalar. */
value arith_norm(graph *g, value x, uint32_t axes);
/* a / b, and 0 where b is 0. */
value arith_divide_no_nan(graph *g, value a, value b);
/* BOOL x -> BOOL. */
value arith_both(graph *g, value a, value b);
value arith_not(graph *g, value x);
/* x as F32 or I32, whatever it was; F32 -> I32 cuts the fraction off. */
value arith_float(graph *g, value x);
value arith_integer(graph *g, value x);

/* Over the last axis, which goes away. */
value arith_last(graph *g, reduce_kind kind, value x);
/* Over the axes from `first` on, which go away; x itself when there are none. */
value arith_from(graph *g, reduce_kind kind, value x, uint32_t first);
/* Over everything: a scalar. */
value arith_all(graph *g, reduce_kind kind, value x);
/* A length as a scalar F32. */
value arith_length(graph *g, dim length);

/* The same elements with a length of one put in at `axis` (negative: from the end, of the
 * result), or the last axis taken away. */
value arith_expand(graph *g, value x, int axis);
value arith_squeeze_last(graph *g, value x);
/* One vector of all elements. */
value arith_flat(graph *g, value x);
/* Keras's squeeze_or_expand_to_same_rank: ranks that differ by one are made equal when the larger
 * one ends in a 1. */
void arith_same_rank(graph *g, value *a, value *b, bool expand_rank_1);

/* The bit of an axis; 0 and a failure naming `what` when x has no such axis. */
uint32_t arith_axis(graph *g, value x, int64_t axis, const char *what);
/* The same for null (all axes), a number or a list of numbers. */
uint32_t arith_axes(graph *g, value x, const json *axes, const char *what);

/* y_true and y_pred of an elementwise formula: same rank, lengths that broadcast. False after the
 * failure. */
bool arith_check_pair(graph *g, const char *what, value y_true, value y_pred);

#endif
