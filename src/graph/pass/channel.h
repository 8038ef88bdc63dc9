/* channel.h -- the pattern shared by folding and fusing: a convolution or matmul followed by one
 * step per channel.
 *
 *     y = conv(x);  z = y * vector      z = y + vector      z = alpha * y + beta
 *
 * where vector is constant and has one element per channel, the last axis of y (or one for all). */
#ifndef EBB_GRAPH_PASS_CHANNEL_H
#define EBB_GRAPH_PASS_CHANNEL_H

#include "graph/pass/rewrite.h"

typedef enum channel_kind {
    CHANNEL_NONE,
    CHANNEL_SCALE,
    CHANNEL_OFFSET,
    CHANNEL_AFFINE
} channel_kind;

typedef struct channel_step {
    channel_kind kind;
    uint32_t contraction; /* the node that computes y */
    int64_t channels;
    value vector;      /* SCALE, OFFSET: as found, any shape that is one element per channel */
    bool is_negative;  /* OFFSET: y - vector */
    float alpha, beta; /* AFFINE */
} channel_step;

/* The step that node `index` is; CHANNEL_NONE if it is none. */
channel_step channel_match(const graph *g, uint32_t index);

/* What the step multiplies and adds, as [channels] vectors; VALUE_NONE where it does not. */
value channel_scale(graph *g, const channel_step *s);
value channel_offset(graph *g, const channel_step *s);

/* The contraction's bias behind the step: bias * scale + offset. Sets the input. */
void channel_move_bias(graph *g, const channel_step *s, value scale, value offset);

#endif
