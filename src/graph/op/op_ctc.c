/* op_ctc.c -- connectionist temporal classification (Graves et al., 2006): the loss of logits
 * against a shorter sequence of labels, and its gradient in the same pass. */
#include "graph/op/gradient_rule.h"

#include "base/size.h"

enum { CTC_LOGITS, CTC_LABELS };

static bool ctc_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    dim batch;

    if (!expect_dtype(g, "ctc", "the logits", n->inputs[CTC_LOGITS], EBB_F32) ||
        !expect_rank(g, "ctc", "the logits", n->inputs[CTC_LOGITS], 3) ||
        !expect_dtype(g, "ctc", "the labels", n->inputs[CTC_LABELS], EBB_I32) ||
        !expect_rank(g, "ctc", "the labels", n->inputs[CTC_LABELS], 2))
        return false;
    const shape x = *graph_shape(g, n->inputs[CTC_LOGITS]);
    if (!expect_same(g, "ctc", "batches", x.dims[0], graph_dim(g, n->inputs[CTC_LABELS], 0),
                     &batch))
        return false;
    dtypes[0] = dtypes[1] = EBB_F32;
    shapes[0] = (shape){.rank = 1, .dims = {batch}};
    shapes[1] = x;
    return true;
}

/* Two states a label, a handful of logarithms a state and step. */
static uint64_t ctc_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    const shape *x = graph_shape(g, n->inputs[CTC_LOGITS]);
    const shape *labels = graph_shape(g, n->inputs[CTC_LABELS]);
    const shape steps = {.rank = 2, .dims = {x->dims[0], x->dims[1]}};
    const uint64_t states = 2 * ((uint64_t)dim_value(labels->dims[1], dim_values) + 1);
    uint64_t flops;

    (void)u64_mul(shape_count_at(&steps, dim_values), 40 * states, &flops);
    return flops;
}

static bool ctc_gradient(graph *g, const node *n, const value *output_gradients,
                         value *input_gradients)
{
    const shape losses = *graph_shape(g, n->outputs[0]);
    const shape to = {.rank = 3, .dims = {losses.dims[0], 1, 1}};

    if (gradient_wanted(input_gradients, CTC_LOGITS) && output_gradients[0] != VALUE_NONE)
        input_gradients[CTC_LOGITS] =
            op_mul(g, n->outputs[1], op_reshape(g, output_gradients[0], &to));
    return graph_ok(g);
}

const op_def op_def_ctc = {.name = "ctc",
                           .inputs_min = 2,
                           .inputs_max = 2,
                           .output_count = 2,
                           .infer = ctc_infer,
                           .flops = ctc_flops,
                           .gradient = ctc_gradient};

value op_ctc(graph *g, value logits, value labels)
{
    return graph_node(g, OP_ctc, (const value[]){logits, labels}, 2, NULL);
}
