/* build_operation.c -- operations of keras.ops as layers of a builder: nodes that a functional
 * model is saved with.
 *
 * Keras finds a class again by its module, so the module belongs to the name. Source: the classes
 * of keras/src/ops. */
#include <string.h>

#include "base/status.h"
#include "format/keras/config_edit.h"
#include "format/keras/upgrade.h"
#include "runtime/model_builder.h"
#include "train/nearest.h"

#define NONE UINT32_MAX

typedef struct operation_module {
    const char *module, *classes; /* "|A|B|" */
} operation_module;

/* Everything else is of keras.src.ops.numpy. */
static const operation_module modules[] = {
    {"keras.src.ops.nn",
     "|Relu|Relu6|Selu|Silu|HardSilu|Sigmoid|HardSigmoid|LogSigmoid|Softplus|Softsign|"
     "HardTanh|TanhShrink|SparsePlus|SparseSigmoid|LeakyRelu|Elu|Celu|HardShrink|"
     "SoftShrink|Squareplus|Threshold|Gelu|Mish|Softmax|LogSoftmax|Glu|Sparsemax|Moments|OneHot|"},
    {"keras.src.ops.math", "|Rsqrt|Erf|Logsumexp|"},
    {"keras.src.ops.core", "|StopGradient|Cast|ConvertToTensor|Unstack|Slice|"},
    {"keras.src.ops.linalg", "|Norm|"},
    {"keras.src.ops.random",
     "|RandomNormal|RandomTruncatedNormal|RandomUniform|RandomInteger|RandomCategorical|"
     "RandomDropout|RandomShuffle|Length|Filled|InTraining|"},
};

static const char *module_of(const char *class_name)
{
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        if (name_in(modules[i].classes, class_name)) return modules[i].module;
    }
    return "keras.src.ops.numpy";
}

static const layer_def *class_find(builder *b, const char *class_name)
{
    char names[160];
    const layer_def *def = operation_find(class_name);

    if (def != NULL || !builder_good(b)) return def;
    nearest n = nearest_begin(class_name);
    for (uint32_t i = 0; i < operation_table_count(); i++)
        nearest_consider(&n, operation_table_at(i)->name);
    builder_fail(b, EBB_E_UNSUPPORTED, class_name,
                 "there is no operation class '%.60s'; nearest are %s", class_name,
                 nearest_text(&n, names, sizeof names));
    return NULL;
}

static bool key_is_known(const layer_def *def, const char *key)
{
    if (strcmp(key, "name") == 0) return true;
    for (const layer_field *f = def->fields; f != NULL && f->key != NULL; f++) {
        if (strcmp(f->key, key) == 0) return true;
    }
    return false;
}

static bool keys_check(builder *b, const layer_def *def, const char *where, const json *config)
{
    char names[160];
    nearest n;

    for (uint32_t i = 0; i < config->count; i++) {
        const char *key = config->as.members[i].key;
        if (key_is_known(def, key)) continue;
        n = nearest_begin(key);
        nearest_consider(&n, "name");
        for (const layer_field *f = def->fields; f != NULL && f->key != NULL; f++)
            nearest_consider(&n, f->key);
        return builder_fail(b, EBB_E_ARGUMENT, where,
                            "%s has no argument '%.60s'; nearest are %s; tensors and numbers to "
                            "compute with are given to the call",
                            def->name, key, nearest_text(&n, names, sizeof names));
    }
    return true;
}

static bool values_check(builder *b, const layer_def *def, const char *where, const json *config)
{
    region *work = region_open(b->home, "check", EBB_CLASS_META, 0);
    void *read = work == NULL ? NULL : region_alloc(work, 1, (size_t)def->config_bytes + 1);

    if (read == NULL)
        builder_no_memory(b, where);
    else
        layer_config_read(def, work, config, where, read, &b->error);
    region_close(work);
    return builder_good(b);
}

static const char *operation_name(builder *b, const char *class_name, const json *given)
{
    const json *name = json_get(given, "name");

    if (json_is_null(name)) return builder_default_name(b, class_name);
    if (name->kind == JSON_STRING) return name->as.string;
    builder_fail(b, EBB_E_ARGUMENT, class_name, "name: expected a text, found %s",
                 json_kind_name(name->kind));
    return NULL;
}

uint32_t builder_operation_make(builder *b, const char *class_name, const char *arguments)
{
    config_edit e;

    if (!builder_good(b)) return NONE;
    if (class_name == NULL) {
        builder_fail(b, EBB_E_ARGUMENT, "operation", "expected the name of a class, got NULL");
        return NONE;
    }
    const layer_def *def = class_find(b, class_name);
    const json *given = def == NULL ? NULL : builder_arguments_read(b, arguments, class_name);
    const char *name = given == NULL ? NULL : operation_name(b, class_name, given);
    if (name == NULL || !keys_check(b, def, name, given) || !values_check(b, def, name, given))
        return NONE;
    json *config = region_new(b->home, json, 1);
    const char *own = region_text(b->home, class_name);
    edit_begin(&e, b->home, given);
    edit_set(&e, "name", json_of_text(name));
    if (config == NULL || own == NULL || !edit_finish(&e, config))
        return builder_no_memory(b, name), NONE;
    builder_layer *layer = builder_layer_add(b, name);
    if (layer == NULL) return NONE;
    layer->config.class_name = own;
    layer->config.module = module_of(class_name);
    layer->config.is_operation = true;
    layer->config.config = config;
    return b->layer_count - 1;
}
