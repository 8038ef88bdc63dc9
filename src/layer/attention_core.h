/* attention_core.h -- what the attention layers share: their call's tensors and masks, causal
 * masks, and the scaled dot product over heads. */
#ifndef EBB_LAYER_ATTENTION_CORE_H
#define EBB_LAYER_ATTENTION_CORE_H

#include "layer/lowering.h"

/* Is the argument given, and true? Numbers count as Python counts them. */
bool attention_flag(const layer_call *call, uint32_t index, const char *name);
/* As BOOL: anything but 0 is true. VALUE_NONE stays. */
value attention_bool(layer_build *b, value mask);
/* The mask Keras finds on a tensor when the model runs. */
value attention_mask_of(layer_build *b, const layer_tensor *t);
/* Both masks together, broadcast; either may be VALUE_NONE. */
value attention_and(layer_build *b, value x, value y);
/* BOOL [1, rows, columns]: may row i see column j? Causal: j <= i; a window: |i - j| < window (0:
 * no limit). */
value attention_triangle(layer_build *b, dim rows, dim columns, bool is_causal, int64_t window);

/* -- dot products over heads
 * --------------------------------------------------------------------------- */

/* Projected tensors [batch, axes..., heads, size]; key and value may have fewer heads, each for
 * `repeats` heads of the query in a row. */
typedef struct attention_heads {
    value query, key, value;
    uint32_t axes[EBB_RANK_MAX]; /* those attended over */
    uint32_t axis_count;
    int64_t repeats;
    value mask;     /* BOOL, of the shape of the scores or broadcast to it; VALUE_NONE: none */
    double dropout; /* of the scores, after the softmax */
    bool is_fused;  /* as keras.ops.dot_product_attention: what sees nothing looks everywhere alike,
                       not nowhere */
} attention_heads;

/* The result [batch, axes of the query..., heads, size of value], in *scores [batch, other axes...,
 * heads, axes of the query..., axes of the key...]. */
value attention_heads_build(layer_build *b, const attention_heads *h, value *scores);

#endif
