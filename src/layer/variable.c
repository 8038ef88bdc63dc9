/* variable.c -- Variable: a weight as a tensor, for whoever writes a layer of its own as a
 * functional model of operations. Keras has no such layer.
 *
 *     {"name": "mine", "shape": [4, 3], "weight": "kernel", "dtype": "float32", "trainable": true,
 *      "initializer": "glorot_uniform", "regularizer": null, "constraint": null}
 *
 * The weight is called "mine/kernel" ("mine/variable" without `weight`). Its tensor has the
 * weight's shape, without rows. Tensors that it is called with give it a place behind them and
 * nothing else.
 */
#include "layer/lowering.h"

#include <inttypes.h>
#include <string.h>

typedef struct variable {
    int_list shape;
    const char *weight;
} variable;

static const layer_field variable_fields[] = {
    {"shape", FIELD_INTS, offsetof(variable, shape), true, 0, NULL},
    {"weight", FIELD_TEXT, offsetof(variable, weight), false, 0, "variable"},
    FIELD_INITIALIZER(initializer),
    FIELD_INITIALIZER(regularizer),
    FIELD_INITIALIZER(constraint),
    FIELD_END,
};

static bool variable_build(layer_build *b, const void *config, layer_call *call)
{
    const variable *c = config;

    if (c->shape.count > EBB_RANK_MAX) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "shape: at most %d axes are possible, got %u",
                          EBB_RANK_MAX, c->shape.count);
    }
    for (uint32_t i = 0; i < c->shape.count; i++) {
        if (c->shape.items[i] >= 0) continue;
        return layer_fail(b, EBB_E_FORMAT,
                          "shape: expected known lengths, got %" PRId64 " as axis %u",
                          c->shape.items[i] == INT_LIST_NULL ? -1 : c->shape.items[i], i);
    }
    if (c->weight == NULL || c->weight[0] == '\0' || strchr(c->weight, '/') != NULL)
        return layer_fail(b, EBB_E_FORMAT, "weight: expected a name without '/'");
    return lowering_done(b, call, build_weight(b, c->weight, c->shape.count, c->shape.items, NULL));
}

const layer_def layer_def_variable = {"Variable",      "core",     NULL,          sizeof(variable),
                                      variable_fields, MASK_DROPS, variable_build};
