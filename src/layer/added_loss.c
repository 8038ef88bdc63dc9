/* added_loss.c -- AddLoss: what Layer.add_loss() of a layer written by somebody else adds, for
 * whoever traces such a layer to a functional model. Keras has no such layer.
 *
 * It is called with a list: its output is the first tensor as it is, the sum of each other one is a
 * loss of the model. The losses are made where those of activity regularizers are:
 * build_training.c.
 */
#include "layer/lowering.h"

static bool add_loss_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    if (call->input_count < 2)
        return layer_fail(b, EBB_E_ARGUMENT, "expected a list of a tensor and losses");
    call->outputs[0] = (layer_tensor){.v = call->inputs[0].v, .mask = call->inputs[0].mask};
    call->output_count = 1;
    return graph_ok(b->graph);
}

const layer_def layer_def_add_loss = {"AddLoss", "core",      NULL,          0,
                                      NULL,      MASK_PASSES, add_loss_build};
