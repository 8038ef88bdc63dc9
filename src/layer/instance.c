/* instance.c -- one layer object: made from its configuration, then called as often as the model
 * says.
 *
 * A layer sees inputs of F32, I32 and BOOL only, and its outputs get dtype, declared dtype and mask
 * here by the rules every layer shares. Source: keras/src/layers/layer.py, Layer.__call__. */
#include <string.h>

#include "base/status.h"
#include "format/keras/model_config.h"
#include "format/keras/upgrade.h"
#include "layer/assembly.h"

/* -- making ---------------------------------------------------------------------------------------
 */

static void activations_for_version(const layer_def *def, void *config, uint32_t keras_major)
{
    for (const layer_field *f = def->fields; f != NULL && f->key != NULL; f++) {
        if (f->kind != FIELD_ACTIVATION) continue;
        activation_for_version((activation *)(void *)((char *)config + f->offset), keras_major);
    }
}

static bool config_fill(assembly *a, layer_instance *i, const layer_def *def)
{
    ebb_error *error = &a->graph->error;
    i->config = region_alloc(a->home, 1, def->config_bytes > 0 ? def->config_bytes : 1);
    if (i->config == NULL) return assembly_no_memory(a, i->title);
    const json *config = i->source->config;
    if (!i->source->is_operation &&
        layer_policy_read(config, i->title, &i->compute, &i->variable_dtype, error) != EBB_OK) {
        return false;
    }
    if (layer_config_read(def, a->home, config, i->title, i->config, error) != EBB_OK) return false;
    activations_for_version(def, i->config, a->keras_major);
    return true;
}

/* Reads what the instance is made of; false: a fault. */
static bool instance_fill(assembly *a, layer_instance *i, uint32_t depth)
{
    const layer_config *config = i->source;
    const layer_def *def = NULL;
    if (depth > LAYER_DEPTH_MAX) {
        return assembly_fail(a, EBB_E_FORMAT, i->title, "layers are nested more than %d deep",
                             LAYER_DEPTH_MAX);
    }
    if (layer_resolve(config, i->title, &def, &a->graph->error) != EBB_OK) return false;
    if (config->model != NULL) {
        i->model = nested_make(a, config->model, i->path, i->title, i->trainable, depth + 1);
        return i->model != NULL;
    }
    if (!config_fill(a, i, def)) return false;
    i->def = def;
    return true;
}

layer_instance *instance_make(assembly *a, const layer_config *config, const char *path,
                              const char *title, bool trainable, uint32_t depth)
{
    layer_instance *i = region_new(a->home, layer_instance, 1);
    if (i == NULL) return assembly_no_memory(a, title), NULL;
    i->source = config;
    i->name = config->name != NULL ? config->name : title;
    i->title = title;
    i->class_name = config->class_name;
    i->path = path;
    i->trainable = trainable && json_boolean(json_get(config->config, "trainable"), true);
    const assemble_options *o = a->options;
    if (o->is_trainable != NULL)
        i->trainable = o->is_trainable(o->trainable_context, title, i->trainable);
    i->compute = i->variable_dtype = EBB_F32;
    bool good = instance_fill(a, i, depth);
    if (!good && !assembly_goes_on(a)) return NULL;
    if (i->model == NULL && !wrapped_check(a, config->config, title)) {
        if (!assembly_goes_on(a)) return NULL;
        i->def = NULL;
    }
    return i;
}

/* The format reader has brought the object up to date; nested models are read now. */
static layer_config *config_from_json(assembly *a, const json *object, const char *title)
{
    layer_config *config = region_new(a->home, layer_config, 1);
    bool failed = false;
    if (config == NULL) return assembly_no_memory(a, title), NULL;
    config->class_name = json_text(json_get(object, "class_name"), "");
    config->module = json_text(json_get(object, "module"), "");
    config->registered_name = custom_class(a->home, object, &failed);
    config->config = json_get(object, "config");
    config->name = json_text(json_get(config->config, "name"), title);
    if (failed) return assembly_no_memory(a, title), NULL;
    if (config->registered_name != NULL || !class_is_model(config->class_name)) return config;
    ebb_error *error = &a->graph->error;
    if (model_config_read(a->home, object, a->keras_major, &config->model, error) != EBB_OK) {
        fail_within(error, title);
        return NULL;
    }
    return config;
}

layer_instance *instance_make_json(assembly *a, const json *object, const char *path,
                                   const char *title, bool trainable, uint32_t depth)
{
    if (depth > LAYER_DEPTH_MAX) {
        assembly_fail(a, EBB_E_FORMAT, title, "layers are nested more than %d deep",
                      LAYER_DEPTH_MAX);
        return NULL;
    }
    const layer_config *config = config_from_json(a, object, title);
    return config != NULL ? instance_make(a, config, path, title, trainable, depth) : NULL;
}

bool instance_works(const layer_instance *i)
{
    return i->def != NULL || i->model != NULL;
}

/* -- calling --------------------------------------------------------------------------------------
 */

static bool shapes_keep(assembly *a, layer_instance *i, const layer_call *call)
{
    shape *shapes = region_new(a->home, shape, call->output_count);
    if (shapes == NULL) return assembly_no_memory(a, i->title);
    for (uint32_t k = 0; k < call->output_count; k++) {
        shapes[k] = *graph_shape(a->graph, call->outputs[k].v);
    }
    if (i->last_shapes == NULL) i->output_shape = shapes[0];
    i->last_shapes = shapes;
    i->last_shape_count = call->output_count;
    return true;
}

static bool outputs_complete(assembly *a, const layer_instance *i, layer_call *call)
{
    for (uint32_t k = 0; k < call->output_count; k++) {
        layer_tensor *t = &call->outputs[k];
        if (t->v == VALUE_NONE) {
            return assembly_fail(a, EBB_E_INTERNAL, i->title, "%s left output %u unset",
                                 i->class_name, k);
        }
        output_complete(a->graph, i, call, t);
        if (i->model != NULL) continue;
        for (uint32_t n = 0; n < call->input_count; n++) {
            t->is_mask_lost |= call->inputs[n].is_mask_lost;
        }
        if (i->def->masking == MASK_OWN) continue;
        const bool passes = i->def->masking == MASK_PASSES && call->input_count > 0;
        t->mask = passes ? call->inputs[0].mask : VALUE_NONE;
    }
    return true;
}

/* Low-rank adapters are merged into the weight they adapt as a file is read; Keras trains the
 * adapters and not the weight. */
static bool adapters_check(assembly *a, const layer_instance *i)
{
    const json *rank = json_get(i->source->config, "lora_rank");

    if (!a->options->is_training || !i->trainable || json_is_null(rank)) return true;
    return assembly_fail(a, EBB_E_UNSUPPORTED, i->title,
                         "lora_rank: low-rank adapters cannot be trained; freeze the layer, or "
                         "leave lora_rank out to train its whole kernel");
}

static bool training_is_on(const assembly *a)
{
    return a->training == TRAINING_OPEN ? a->options->is_training : a->training == TRAINING_ON;
}

/* Written in a layer's own call, training=True holds also where the model predicts, for the layer
 * and all in it; an ordinary `training` of a functional model gives way (assemble_options). The
 * argument is taken out. */
static void training_fix(assembly *a, layer_call *call)
{
    const uint32_t last = call->argument_count - 1;

    if (call->argument_count == 0 || call->arguments[last].name == NULL ||
        strcmp(call->arguments[last].name, "training_fixed") != 0)
        return;
    a->training = json_boolean(call->arguments[last].literal, false) ? TRAINING_ON : TRAINING_OFF;
    call->argument_count = last;
}

static bool layer_build_call(assembly *a, layer_instance *i, uint32_t depth, layer_call *call)
{
    if (!adapters_check(a, i)) return false;
    layer_build b = {.graph = a->graph,
                     .home = a->home,
                     .instance = i,
                     .keras_major = a->keras_major,
                     .scope = "",
                     .depth = depth,
                     .is_training = training_is_on(a),
                     .assembly = a};
    if (i->def->build(&b, i->config, call) && graph_ok(a->graph) &&
        (call->is_bare || activities_penalize(&b, call)))
        return true;
    if (graph_ok(a->graph) && a->problem_count == 0) {
        return assembly_fail(a, EBB_E_INTERNAL, i->title, "%s failed without a reason",
                             i->class_name);
    }
    return false;
}

static bool rank_adjust(graph *g, layer_tensor *t, uint32_t wanted)
{
    const shape *s = graph_shape(g, t->v);
    shape to = *s;
    if (s->rank == wanted + 1 && s->rank > 0 && s->dims[s->rank - 1] == 1)
        to.rank--;
    else if (s->rank + 1 == wanted && wanted <= EBB_RANK_MAX)
        to.dims[to.rank++] = 1;
    else
        return true;
    t->v = op_reshape(g, t->v, &to);
    return graph_ok(g);
}

/* A model as a layer takes [n] for [n, 1] and the other way round: Functional._adjust_input_rank.
 */
static bool model_input_adjust(assembly *a, const layer_config *input, layer_tensor *t)
{
    const json *dims = json_get(input->config, "batch_shape");
    if (dims == NULL || dims->kind != JSON_ARRAY || dims->count == 0) return true;
    const json *last = json_item(dims, dims->count - 1);
    const bool shrinks = graph_rank(a->graph, t->v) > dims->count;
    if (!shrinks && json_integer(last, 0) != 1) return true;
    return rank_adjust(a->graph, t, dims->count);
}

static const layer_tensor *input_by_name(const call_argument *list, const char *name)
{
    for (uint32_t k = 0; k < list->item_count; k++) {
        const call_argument *item = &list->items[k];
        if (item->kind != CALL_TENSOR || item->name == NULL) return NULL;
        if (strcmp(item->name, name) == 0) return &item->tensor;
    }
    return NULL;
}

static bool model_call(assembly *a, layer_instance *i, uint32_t depth, layer_call *call)
{
    const model_config *m = i->model->config;
    if (call->input_count != m->input_count) {
        return assembly_fail(a, EBB_E_SHAPE, i->title, "the model has %u inputs, the call gives %u",
                             m->input_count, call->input_count);
    }
    if (m->output_count == 0 || m->output_count > LAYER_OUTPUTS_MAX) {
        return assembly_fail(a, EBB_E_UNSUPPORTED, i->title, "a nested model with %u outputs",
                             m->output_count);
    }
    layer_tensor *inputs = region_new(a->home, layer_tensor, m->input_count + 1);
    if (inputs == NULL) return assembly_no_memory(a, i->title);
    for (uint32_t k = 0; k < m->input_count; k++) {
        const layer_tensor *named = call->argument_count > 0 && call->arguments[0].kind == CALL_LIST
                                        ? input_by_name(&call->arguments[0], m->inputs[k].name)
                                        : NULL;
        inputs[k] = named != NULL ? *named : call->inputs[k];
        const layer_config *layer = &m->layers[m->inputs[k].ref.layer];
        if (!model_input_adjust(a, layer, &inputs[k])) return false;
    }
    call->output_count = m->output_count;
    return nested_run(a, i->model, inputs, call->outputs, depth);
}

static bool outputs_exist(const layer_call *call)
{
    for (uint32_t k = 0; k < call->output_count; k++) {
        if (call->outputs[k].v == VALUE_NONE) return false;
    }
    return true;
}

bool instance_call(assembly *a, layer_instance *i, uint32_t depth, layer_call *call)
{
    if (!graph_ok(a->graph) || !instance_works(i)) return false;
    if (depth > LAYER_DEPTH_MAX) {
        return assembly_fail(a, EBB_E_FORMAT, i->title, "layers are nested more than %d deep",
                             LAYER_DEPTH_MAX);
    }
    if (++a->call_count > ASSEMBLY_CALLS_MAX) {
        return assembly_fail(a, EBB_E_UNSUPPORTED, i->title,
                             "the model makes more than %d layer calls", ASSEMBLY_CALLS_MAX);
    }
    const char *outer = a->graph->scope;
    const int training = a->training;
    a->graph->scope = i->title;
    training_fix(a, call);
    if (call->output_count == 0) call->output_count = 1;
    bool good =
        i->model != NULL ? model_call(a, i, depth, call) : layer_build_call(a, i, depth, call);
    if (good && i->model != NULL && !outputs_exist(call)) good = false;
    good = good && outputs_complete(a, i, call) && shapes_keep(a, i, call);
    a->graph->scope = outer;
    a->training = training;
    return good;
}
