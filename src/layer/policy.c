/* policy.c -- Keras's dtype policy: in which type a layer computes, in which type its variables
 * are.
 *
 * "mixed_float16" computes in float16 over float32 variables; a plain name is both. ebb computes in
 * float32 all the same and casts at the border. Source: keras/src/dtype_policies/dtype_policy.py.
 */
#include <string.h>

#include "base/status.h"
#include "layer/layer.h"
#include "tensor/dtype.h"

static const char quantized_policies[] = "QuantizedDTypePolicy|QuantizedFloat8DTypePolicy|"
                                         "Int4DTypePolicy|GPTQDTypePolicy|AWQDTypePolicy";

static ebb_status policy_named(const char *name, const char *where, ebb_dtype *compute,
                               ebb_dtype *variable, ebb_error *error)
{
    *compute = *variable = EBB_F32;
    if (name_among("_infer|infer|float|None", name)) return EBB_OK;
    if (strcmp(name, "mixed_float16") == 0 || strcmp(name, "mixed_bfloat16") == 0) {
        *compute = strcmp(name, "mixed_float16") == 0 ? EBB_F16 : EBB_BF16;
        return EBB_OK;
    }
    if (strcmp(name, "string") == 0) {
        *compute = *variable = EBB_DTYPE_NONE;
        return EBB_OK;
    }
    *compute = *variable = dtype_from_name(name);
    if (*compute != EBB_DTYPE_NONE) return EBB_OK;
    return fail(error, EBB_E_UNSUPPORTED, where, "the dtype policy '%.60s' is not supported", name);
}

static ebb_status policy_object(const json *object, const char *where, ebb_dtype *compute,
                                ebb_dtype *variable, ebb_error *error)
{
    const char *class_name = json_text(json_get(object, "class_name"), "");
    if (name_among("DTypePolicy|FloatDTypePolicy|Policy|PolicyV1", class_name)) {
        return policy_named(json_text(json_path(object, "config.name"), "float32"), where, compute,
                            variable, error);
    }
    if (strcmp(class_name, "DTypePolicyMap") == 0) {
        const json *map = json_path(object, "config.policy_map");
        if (map == NULL || map->count == 0) {
            const json *inner = json_path(object, "config.default_policy");
            const char *name =
                json_text(inner, json_text(json_path(inner, "config.name"), "float32"));
            return policy_named(name, where, compute, variable, error);
        }
    }
    if (name_among(quantized_policies, class_name)) {
        return fail(error, EBB_E_UNSUPPORTED, where,
                    "quantized weights (%s) cannot be loaded; save the model before quantizing it",
                    class_name);
    }
    return fail(error, EBB_E_UNSUPPORTED, where,
                "the dtype policy %.60s is not supported; give the layer one policy of floats and "
                "save the model "
                "again",
                class_name[0] != '\0' ? class_name : "without a class name");
}

ebb_status layer_policy_read(const json *config, const char *where, ebb_dtype *compute,
                             ebb_dtype *variable, ebb_error *error)
{
    *compute = *variable = EBB_F32;
    const json *policy = json_get(config, "dtype");
    if (json_is_null(policy)) return EBB_OK;
    if (policy->kind == JSON_STRING) {
        return policy_named(policy->as.string, where, compute, variable, error);
    }
    if (policy->kind == JSON_OBJECT) return policy_object(policy, where, compute, variable, error);
    char text[80];
    return fail(error, EBB_E_FORMAT, where, "key 'dtype': expected a name or a policy, found %s",
                json_describe(policy, text, sizeof text));
}
