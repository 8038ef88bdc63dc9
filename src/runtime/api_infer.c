/* api_infer.c -- ebb/infer.h: a configuration assembled as far as its graph, told, thrown away. */
#include "ebb/infer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "json/json.h"
#include "runtime/recipe.h"

static void put_type(text_writer *w, ebb_dtype dtype)
{
    text_put(w, ", \"dtype\": ");
    text_json_string(w, ebb_dtype_name(dtype));
}

static void put_dims(text_writer *w, const shape *s)
{
    for (uint32_t k = 0; k < s->rank; k++) {
        if (k > 0) text_put(w, ", ");
        if (dim_known(s->dims[k]))
            text_format(w, "%" PRId64, s->dims[k]);
        else
            text_put(w, "null");
    }
}

static void put_outputs(text_writer *w, const built_model *built)
{
    const graph *g = built->graph;

    text_put(w, ", \"outputs\": [");
    for (uint32_t i = 0; i < built->output_count; i++) {
        text_put(w, i > 0 ? ", {\"name\": " : "{\"name\": ");
        text_json_string(w, built->outputs[i].name != NULL ? built->outputs[i].name : "");
        put_type(w, built->outputs[i].dtype);
        text_put(w, ", \"shape\": [");
        put_dims(w, graph_shape(g, g->outputs[i]));
        text_put(w, built->outputs[i].mask != VALUE_NONE ? "], \"mask\": true}"
                                                         : "], \"mask\": false}");
    }
    text_put(w, "]");
}

/* Writes what one call gave; the context is the text. */
static void put_call(void *context, const graph *g, const char *layer, uint32_t call,
                     const layer_tensor *outputs, uint32_t count)
{
    text_writer *w = context;

    if (w->failed) return;
    text_put(w, w->text[w->length - 1] == '[' ? "{\"layer\": " : ", {\"layer\": ");
    text_json_string(w, layer);
    text_format(w, ", \"call\": %" PRIu32 ", \"tensors\": [", call);
    for (uint32_t i = 0; i < count; i++) {
        text_put(w, i > 0 ? ", {\"dtype\": " : "{\"dtype\": ");
        text_json_string(w, ebb_dtype_name(outputs[i].declared));
        text_put(w, ", \"shape\": [");
        put_dims(w, graph_shape(g, outputs[i].v));
        text_put(w, "]}");
    }
    text_put(w, "]}");
}

/* How many outputs the last call of each layer had. */
static void put_calls(text_writer *w, const built_model *built)
{
    text_put(w, ", \"calls\": {");
    for (uint32_t i = 0; i < built->top->layer_count; i++) {
        const layer_instance *layer = built->top->layers[i];
        if (i > 0) text_put(w, ", ");
        text_json_string(w, layer != NULL ? layer->name : "");
        text_format(w, ": %" PRIu32, layer != NULL ? layer->last_shape_count : 0);
    }
    text_put(w, "}");
}

static void put_weights(text_writer *w, const built_model *built)
{
    text_put(w, ", \"weights\": [");
    for (uint32_t i = 0; i < built->weight_count; i++) {
        const layer_weight *v = built->weights[i];
        text_put(w, i > 0 ? ", {\"name\": " : "{\"name\": ");
        const size_t length = strlen(v->title) + strlen(v->name) + 2;
        char *name = region_alloc(w->home, length, 1);
        if (name == NULL) {
            w->failed = true;
            return;
        }
        snprintf(name, length, "%s%s%s", v->title, v->title[0] != 0 ? "/" : "", v->name);
        text_json_string(w, name);
        put_type(w, v->dtype);
        text_put(w, ", \"shape\": [");
        for (uint32_t k = 0; k < v->rank; k++)
            text_format(w, k > 0 ? ", %" PRId64 : "%" PRId64, v->dims[k]);
        text_put(w, v->trainable ? "], \"trainable\": true}" : "], \"trainable\": false}");
    }
    text_put(w, "]}");
}

static ebb_status infer(region *work, const recipe *p, text_writer *w, ebb_error *error)
{
    description *d = NULL;
    built_model *built = NULL;
    const assemble_options options = {.called = put_call, .called_context = w};
    ebb_status status = recipe_read(work, p, &d, error);

    text_begin(w, work);
    text_put(w, "{\"told\": [");
    if (status == EBB_OK) status = assemble_model(work, d, &options, &built, error);
    if (status != EBB_OK) return status;
    text_put(w, "]");
    put_outputs(w, built);
    put_calls(w, built);
    put_weights(w, built);
    return w->failed ? region_fail(work, error, p->name, "its shapes") : EBB_OK;
}

ebb_status ebb_config_infer(ebb_runtime handle, const char *text, size_t length,
                            ebb_text_function write, void *context, ebb_error *error)
{
    static const char where[] = "ebb_config_infer";
    text_writer w;

    if (text == NULL || write == NULL)
        return fail(error, EBB_E_ARGUMENT, where, "expected a text and a text function");
    runtime *r = runtime_acquire(handle, where, error);
    if (r == NULL) return EBB_E_STALE;
    const recipe p = {
        .name = "model.json", .text = text, .length = length != 0 ? length : strlen(text)};
    region *work = region_open(r->root, "infer", EBB_CLASS_SCRATCH, 0);
    ebb_status status = work == NULL ? region_fail(r->root, error, where, "a configuration")
                                     : infer(work, &p, &w, error);
    if (status == EBB_OK && !write(context, w.text, w.length))
        status = fail(error, EBB_E_CANCELLED, where, "the text function ended it");
    if (work != NULL) region_close(work);
    handle_release(handle.id);
    return status;
}
