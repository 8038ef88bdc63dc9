/* traced.c -- see traced.h. */
#include "layer/traced.h"

#include "layer/assembly.h"

#define TRACED_INPUTS_MAX 4u

value traced_emit(graph *g, const json *model, const char *title, const value *inputs,
                  uint32_t count)
{
    const assemble_options options = {0};
    assembly a = {.home = g->home, .graph = g, .keras_major = 3, .options = &options};
    layer_tensor tensors[TRACED_INPUTS_MAX];
    layer_call call = {.inputs = tensors, .input_count = count, .output_count = 1};

    if (!graph_ok(g)) return VALUE_NONE;
    if (model == NULL || count > TRACED_INPUTS_MAX) {
        (void)assembly_fail(&a, EBB_E_FORMAT, title, "there is no traced model to compute");
        return VALUE_NONE;
    }
    for (uint32_t k = 0; k < count; k++) {
        const ebb_dtype dtype = graph_value(g, inputs[k])->dtype;
        tensors[k] = (layer_tensor){.v = inputs[k], .dtype = dtype, .declared = dtype};
    }
    layer_instance *const i = instance_make_json(&a, model, "", title, false, 0);
    if (i == NULL || !instance_call(&a, i, 0, &call) || !graph_ok(g)) return VALUE_NONE;
    if (i->model == NULL || instance_weight_count(i) > 0 || call.output_count != 1) {
        (void)assembly_fail(&a, EBB_E_FORMAT, title,
                            "expected a model without weights and with one output");
        return VALUE_NONE;
    }
    return call.outputs[0].v;
}
