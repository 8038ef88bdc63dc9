/* refuse.c -- from a class name to its table entry, or to the reason why there is none.
 *
 * Python code in a file is never run, so custom classes and Lambda are refused by name, whatever
 * their class is called. */
#include <string.h>

#include "base/status.h"
#include "layer/layer.h"

typedef struct refusal_entry {
    const char *names, *reason;
} refusal_entry;

static const refusal_entry refusals[] = {
    {"Lambda",
     "holds Python code, which is never run; replace the layer by Keras layers or operations "
     "that compute the same, and save the model again"},
    {"TFSMLayer|JaxLayer|FlaxLayer|TorchModuleWrapper",
     "runs a model of another framework; rebuild that part from Keras layers"},
    {"TFOpLambda|SlicingOpLambda|ClassMethod|InstanceProperty|InstanceMethod|TensorFlowOpLayer|"
     "AddLoss|AddMetric",
     "is a TensorFlow operation recorded by Keras 2; open the model in Keras 3 and save it as "
     ".keras"},
    {"TernaryDense|QuantizedDense", "computes with quantized weights, which cannot be loaded"},
};

/* The name a custom class was registered under, or its module and name; NULL for classes of Keras.
 */
static const char *custom_origin(const layer_config *config)
{
    if (config->registered_name != NULL && strchr(config->registered_name, '>') != NULL) {
        return config->registered_name;
    }
    return strchr(config->class_name, '>') != NULL ? config->class_name : NULL;
}

ebb_status layer_resolve(const layer_config *config, const char *where, const layer_def **def,
                         ebb_error *error)
{
    *def = NULL;
    const char *name = config->class_name != NULL ? config->class_name : "";
    if (name[0] == '\0') return fail(error, EBB_E_FORMAT, where, "has no class name");
    const char *origin = custom_origin(config);
    if (origin != NULL) {
        return fail(error, EBB_E_UNSUPPORTED, where,
                    "%.80s is a custom class (%.120s): its Python code is never run; replace it by "
                    "Keras layers and save the model again",
                    name, origin);
    }
    if (config->model != NULL) return EBB_OK;
    *def = config->is_operation ? operation_find(name) : layer_find(name);
    if (*def != NULL) return EBB_OK;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (name_among(refusals[i].names, name)) {
            return fail(error, EBB_E_UNSUPPORTED, where, "%.80s %s", name, refusals[i].reason);
        }
    }
    return fail(error, EBB_E_UNSUPPORTED, where, "the %s %.120s is not supported",
                config->is_operation ? "operation keras.ops" : "layer class", name);
}
