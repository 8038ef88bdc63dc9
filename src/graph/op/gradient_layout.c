/* gradient_layout.c -- gradients of reshape, transpose, broadcast, concat, slice, pad, gather,
 * resize: each element goes back to where it came from. */
#include "graph/op/gradient_rule.h"

GRADIENT_RULE(reshape)
{
    const shape to = *graph_shape(g, n->inputs[0]);

    input_gradients[0] = op_reshape(g, output_gradients[0], &to);
    return graph_ok(g);
}

GRADIENT_RULE(transpose)
{
    const transpose_attributes *t = n->attributes;
    uint32_t back[EBB_RANK_MAX] = {0};

    for (uint32_t i = 0; i < graph_rank(g, n->inputs[0]); i++) back[t->order[i]] = i;
    input_gradients[0] = op_transpose(g, output_gradients[0], back);
    return graph_ok(g);
}

GRADIENT_RULE(broadcast)
{
    const shape to = *graph_shape(g, n->inputs[0]);

    input_gradients[0] = gradient_sum_to(g, output_gradients[0], &to);
    return graph_ok(g);
}

GRADIENT_RULE(concat)
{
    const int axis = (int)((const concat_attributes *)n->attributes)->axis;
    dim start = 0;

    for (uint32_t i = 0; i < n->input_count; i++) {
        const dim length = graph_dim(g, n->inputs[i], axis);

        if (gradient_wanted(input_gradients, i))
            input_gradients[i] = op_slice_axis(g, output_gradients[0], axis, start, length, 1);
        start = dim_make(g, DIM_ADD, start, length);
    }
    return graph_ok(g);
}

GRADIENT_RULE(slice)
{
    const shape to = *graph_shape(g, n->inputs[0]);

    input_gradients[0] = op_slice_gradient(g, output_gradients[0], n->attributes, &to);
    return graph_ok(g);
}

/* -- pad -------------------------------------------------------------------------------------- */

/* `count` elements of d that were mirrored at one end of an axis, turned back and put where they
 * were read: `lead` from that end of the `length` elements. */
static value mirrored(graph *g, value d, int axis, bool is_end, dim count, dim length, dim lead)
{
    const dim all = graph_dim(g, d, axis);
    const dim from = is_end ? dim_make(g, DIM_SUB, all, count) : 0;
    const dim rest = dim_make(g, DIM_SUB, dim_make(g, DIM_SUB, length, count), lead);
    const value turned = op_reverse(g, op_slice_axis(g, d, axis, from, count, 1), axis);
    pad_attributes pad = {.kind = PAD_CONSTANT};

    pad.before[axis] = is_end ? rest : lead;
    pad.after[axis] = is_end ? lead : rest;
    return op_pad(g, turned, &pad);
}

GRADIENT_RULE(pad)
{
    const pad_attributes *p = n->attributes;
    const shape to = *graph_shape(g, n->inputs[0]);
    const dim lead = p->kind == PAD_REFLECT ? 1 : 0;
    value d = output_gradients[0];

    for (uint32_t i = 0; i < to.rank && graph_ok(g); i++) {
        const dim before = p->before[i], after = p->after[i], length = to.dims[i];
        value kept;

        if (before == 0 && after == 0) continue;
        kept = op_slice_axis(g, d, (int)i, before, length, 1);
        if (p->kind != PAD_CONSTANT && before != 0)
            kept = op_add(g, kept, mirrored(g, d, (int)i, false, before, length, lead));
        if (p->kind != PAD_CONSTANT && after != 0)
            kept = op_add(g, kept, mirrored(g, d, (int)i, true, after, length, lead));
        d = kept;
    }
    input_gradients[0] = d;
    return graph_ok(g);
}

/* -- gather, resize --------------------------------------------------------------------------- */

GRADIENT_RULE(gather)
{
    const shape to = *graph_shape(g, n->inputs[0]);

    if (gradient_wanted(input_gradients, 0))
        input_gradients[0] =
            op_scatter_add(g, output_gradients[0], n->inputs[1], n->attributes, &to);
    return graph_ok(g);
}

GRADIENT_RULE(resize)
{
    const shape to = *graph_shape(g, n->inputs[0]);

    input_gradients[0] = op_resize_gradient(g, output_gradients[0], n->attributes, &to);
    return graph_ok(g);
}
