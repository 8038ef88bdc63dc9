/* dtype.h -- data types inside: names, conversion. Sizes and names come from EBB_DTYPE_MAP. */
#ifndef EBB_TENSOR_DTYPE_H
#define EBB_TENSOR_DTYPE_H

#include "ebb/tensor.h"

ebb_dtype dtype_from_name(const char *name); /* "float32" ...; EBB_DTYPE_NONE if unknown */
bool      dtype_is_float(ebb_dtype dtype);
bool      dtype_is_integer(ebb_dtype dtype); /* not bool */

/* Converts `count` elements. Any type to any type, as numpy's astype (float to integer truncates,
 * to bool is != 0; f16 and bf16 round to nearest even). Source and destination may be unaligned and
 * must not overlap, except that they may be the same memory when the types are equal in size. */
void dtype_convert(ebb_dtype to, void *destination, ebb_dtype from, const void *source,
                   size_t count);

float    half_to_float(uint16_t half);
uint16_t float_to_half(float value);
float    bfloat_to_float(uint16_t bfloat);
uint16_t float_to_bfloat(float value);

#endif
