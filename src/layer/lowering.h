/* lowering.h -- small steps that many layers share when they lower to ops, and field lines they
 * share.
 *
 * Every step is sticky like the builders of graph/op.h: after a failure it does nothing and answers
 * VALUE_NONE, -1 or false, so a build function may go on and ask lowering_done() at its end. */
#ifndef EBB_LAYER_LOWERING_H
#define EBB_LAYER_LOWERING_H

#include <stddef.h>

#include "layer/build.h"

/* -- lines of field tables --------------------------------------------------------------------- */

/* clang-format off */
#define FIELD_END {NULL, FIELD_I64, 0, false, 0, NULL}
/* Read by weight_settings.c, when the weight is made. */
#define FIELD_INITIALIZER(key) {#key, FIELD_TRAINING, 0, false, 0, NULL}
/* Known, and of no consequence for what the layer computes at inference. */
#define FIELD_UNUSED(key) {key, FIELD_TRAINING, 0, false, 0, NULL}
#define FIELD_DATA_FORMAT(T)                                                                       \
    {"data_format", FIELD_CHOICE, offsetof(T, data_format), false, 0,                              \
     "channels_last|channels_first"}
/* clang-format on */
enum { CHANNELS_LAST, CHANNELS_FIRST };

/* -- inputs and outputs ------------------------------------------------------------------------ */

/* The single input tensor, of a rank in the given range. */
value lowering_input(layer_build *b, const layer_call *call, uint32_t rank_min, uint32_t rank_max);
/* The same as F32. */
value lowering_input_f32(layer_build *b, const layer_call *call, uint32_t rank_min,
                         uint32_t rank_max);
/* Sets the first output; false after a failure. */
bool lowering_done(layer_build *b, layer_call *call, value y);
/* For layers that give back what they get: every input is an output. */
bool lowering_identity(layer_build *b, const void *config, layer_call *call);
/* The mask for the layer's call: argument `mask` when given, else what the first input carries;
 * VALUE_NONE. */
value lowering_mask(const layer_call *call, uint32_t position);
/* For MASK_OWN layers that pass a mask on: keyword argument `mask` if given, else the input's. */
void lowering_pass_mask(layer_call *call);

/* -- configuration ----------------------------------------------------------------------------- */

/* A list of `count` numbers >= `least` into result; a single one stands for all; an empty list
 * gives `otherwise`. */
bool lowering_ints(layer_build *b, const int_list *list, uint32_t count, int64_t least,
                   int64_t otherwise, const char *what, int64_t *result);
/* A number, also as a serialized array of one; NaN and layer_fail if it is something else. */
double lowering_number(layer_build *b, const json *config, double otherwise, const char *what);
/* A number or nested list of numbers (also a serialized array) as an F32 constant of that shape. */
value lowering_constant(layer_build *b, const json *config, const char *what);
/* Axes of a number or list (NULL: `otherwise`) as a bit mask; 0 and layer_fail if one is out of
 * range. */
uint32_t lowering_axes(layer_build *b, value v, const json *config, int64_t otherwise);

/* -- shapes ------------------------------------------------------------------------------------ */

value lowering_expand(layer_build *b, value v,
                      uint32_t axis); /* an axis of length 1 before `axis` */
value lowering_squeeze(layer_build *b, value v, uint32_t axis); /* without an axis of length 1 */
value lowering_reshape(layer_build *b, value v, uint32_t rank, const dim *dims);
/* [c] as [c, 1, 1]: lined up with `axis` of a tensor of the given rank. */
value lowering_align(layer_build *b, value v, uint32_t rank, uint32_t axis);
/* Moves an axis to another place, the others keep their order. */
value lowering_move_axis(layer_build *b, value v, uint32_t from, uint32_t to);
/* A vector or tensor of one number. */
value lowering_filled(layer_build *b, ebb_dtype dtype, bool on, const shape *s);

/* The shape of dropout's noise: lengths as given, x's where they are null; none given: as x. */
bool lowering_noise(layer_build *b, const int_list *given, value x, shape *noise);

/* -- arithmetic -------------------------------------------------------------------------------- */

/* x / max(|x|, epsilon) over the axes together, |x| the Euclidean norm. */
value lowering_unit(layer_build *b, value x, uint32_t axes, double epsilon);
/* Rounded and cut off at the ends of an integer type, as I32: what images of integers stay. */
value lowering_saturate(layer_build *b, value x, ebb_dtype dtype);
/* All F32, or all I32 when none is F32. */
void lowering_promote(layer_build *b, value *items, uint32_t count);

#endif
