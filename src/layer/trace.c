/* trace.c -- see trace.h. An assembly without a model around it. */
#include "layer/trace.h"

#include <string.h>

#include "base/status.h"
#include "layer/assembly.h"

struct trace {
    assembly a;
    assemble_options options;
    model_config model; /* no layers: nobody knows yet what inputs are used for */
};

typedef struct finder {
    trace_find find;
    void *context;
} finder;

trace *trace_open(region *home)
{
    trace *t = region_new(home, trace, 1);

    if (t == NULL) return NULL;
    t->a = (assembly){.home = home, .keras_major = 3, .options = &t->options, .model = &t->model};
    t->a.graph = graph_open(home);
    return t->a.graph != NULL ? t : NULL;
}

layer_instance *trace_layer(trace *t, const layer_config *config)
{
    const char *path = region_format(t->a.home, "layers/%s", config->name);

    if (path == NULL) return assembly_no_memory(&t->a, config->name), NULL;
    return instance_make(&t->a, config, path, config->name, true, 0);
}

static bool tensor_find(void *context, const argument_source *s, const tensor_ref *ref,
                        layer_tensor *tensor, bool *is_missing)
{
    const finder *f = context;
    const layer_tensor *outputs = NULL;
    const uint32_t count = f->find(f->context, *ref, &outputs);

    *is_missing = false;
    if (ref->tensor >= count) {
        return assembly_fail(s->a, EBB_E_ARGUMENT, s->title,
                             "takes output %u of a call that has %u", ref->tensor, count);
    }
    *tensor = outputs[ref->tensor];
    return true;
}

bool trace_call(trace *t, layer_instance *layer, const call_config *call, trace_find find,
                void *context, const layer_tensor **outputs, uint32_t *count)
{
    finder f = {find, context};
    const argument_source source = {
        .a = &t->a, .home = t->a.home, .title = layer->title, .find = tensor_find, .context = &f};
    layer_call made = {0};
    bool is_missing = false;

    if (!call_arguments_make(&source, call, &made, &is_missing) ||
        !instance_call(&t->a, layer, 1, &made)) {
        return false;
    }
    layer_tensor *kept = region_new(t->a.home, layer_tensor, made.output_count);
    if (kept == NULL) return assembly_no_memory(&t->a, layer->title);
    memcpy(kept, made.outputs, made.output_count * sizeof *kept);
    *outputs = kept;
    *count = made.output_count;
    return true;
}

const graph *trace_graph(const trace *t)
{
    return t->a.graph;
}
