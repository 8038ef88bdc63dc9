/* build_shapes.c -- shapes and types of a builder's tensors, before there is a model.
 *
 * Calls are traced when somebody asks for what they lead to, each once: a builder that is asked
 * after every layer takes no longer for it than the layers themselves. A fault ends the trace, and
 * the next question begins a new one, so that it is told again and nothing else suffers. */
#include <string.h>

#include "base/status.h"
#include "layer/trace.h"
#include "runtime/model_builder.h"

typedef struct traced_call {
    const layer_tensor *outputs; /* NULL: not traced yet */
    uint32_t count;
    bool is_wanted;
} traced_call;

struct builder_shapes {
    region *home;
    trace *trace;
    layer_instance **layers; /* by layer of the builder; NULL: not called yet */
    traced_call *calls;      /* by node */
    uint32_t layer_capacity, call_capacity;
};

static ebb_status no_memory(const builder *b, ebb_error *error)
{
    const region *home = b->shapes != NULL ? b->shapes->home : b->home;

    return region_fail(home, error, b->name != NULL ? b->name : "model", "shapes of its tensors");
}

static bool shapes_open(builder *b)
{
    if (b->shapes != NULL) return true;
    region *home = region_open(b->home, "shapes", EBB_CLASS_META, 0);
    builder_shapes *s = home == NULL ? NULL : region_new(home, builder_shapes, 1);
    if (s != NULL) *s = (builder_shapes){.home = home, .trace = trace_open(home)};
    if (s == NULL || s->trace == NULL) {
        region_close(home);
        return false;
    }
    b->shapes = s;
    return true;
}

static void shapes_close(builder *b)
{
    if (b->shapes != NULL) region_close(b->shapes->home);
    b->shapes = NULL;
}

/* A list with room for `wanted` items; the old one stays in the region. */
static bool list_grow(region *home, void **items, uint32_t *capacity, uint32_t wanted, size_t bytes)
{
    if (wanted <= *capacity) return true;
    const uint32_t larger = wanted < 16 ? 16 : wanted * 2;
    void *copy = region_alloc(home, larger, bytes);
    if (copy == NULL) return false;
    if (*capacity > 0) memcpy(copy, *items, *capacity * bytes);
    *items = copy;
    *capacity = larger;
    return true;
}

static bool lists_grow(builder *b)
{
    builder_shapes *s = b->shapes;
    void *layers = s->layers, *calls = s->calls;

    const bool good =
        list_grow(s->home, &layers, &s->layer_capacity, b->layer_count, sizeof(layer_instance *)) &&
        list_grow(s->home, &calls, &s->call_capacity, b->node_count, sizeof(traced_call));
    s->layers = layers;
    s->calls = calls;
    return good;
}

static uint32_t call_find_traced(void *context, tensor_ref ref, const layer_tensor **outputs)
{
    const builder_shapes *s = context;

    *outputs = s->calls[ref.layer].outputs;
    return s->calls[ref.layer].count;
}

/* False: a fault in the graph. */
static bool node_trace(builder *b, uint32_t node)
{
    builder_shapes *s = b->shapes;
    const builder_node *n = &b->nodes[node];
    traced_call *call = &s->calls[node];

    if (s->layers[n->layer] == NULL)
        s->layers[n->layer] = trace_layer(s->trace, &b->layers[n->layer].config);
    return s->layers[n->layer] != NULL &&
           trace_call(s->trace, s->layers[n->layer], &n->call, call_find_traced, s, &call->outputs,
                      &call->count);
}

/* Nodes are made after what they need: one pass down finds what is missing, one up traces it. */
static bool nodes_trace(builder *b, uint32_t last)
{
    traced_call *calls = b->shapes->calls;
    uint32_t open = calls[last].outputs == NULL, first = last;

    calls[last].is_wanted = open > 0;
    for (uint32_t i = last; open > 0; i--) {
        const builder_node *n = &b->nodes[i];
        if (!calls[i].is_wanted) continue;
        first = i;
        open--;
        for (uint32_t k = 0; k < n->parent_count; k++) {
            traced_call *parent = &calls[n->parents[k]];
            if (parent->outputs != NULL || parent->is_wanted) continue;
            parent->is_wanted = true;
            open++;
        }
    }
    for (uint32_t i = first; i <= last; i++) {
        if (calls[i].is_wanted && !node_trace(b, i)) return false;
        calls[i].is_wanted = false;
    }
    return true;
}

static void info_fill(const builder *b, tensor_ref ref, const layer_tensor *tensor,
                      ebb_tensor_info *info)
{
    const graph *g = trace_graph(b->shapes->trace);
    const shape *s = graph_shape(g, tensor->v);
    const char *name = b->layers[b->nodes[ref.layer].layer].config.name;
    const size_t length = strnlen(name, sizeof info->name - 1);

    memcpy(info->name, name, length);
    info->dtype = tensor->declared;
    info->rank = s->rank;
    for (uint32_t i = 0; i < s->rank; i++) info->dims[i] = dim_known(s->dims[i]) ? s->dims[i] : -1;
}

ebb_status builder_tensor_info(builder *b, ebb_tensor x, ebb_tensor_info *info, ebb_error *error)
{
    const char *name = b->name != NULL ? b->name : "model";
    tensor_ref ref;

    if (!builder_good(b)) {
        if (error != NULL) *error = b->error;
        return b->error.status;
    }
    if (!builder_tensor_find(b, x, &ref)) {
        return fail(error, EBB_E_ARGUMENT, name,
                    "the tensor is none of this builder; what a failed call returned is none");
    }
    if (!shapes_open(b)) return no_memory(b, error);
    if (!lists_grow(b)) {
        const ebb_status status = no_memory(b, error);
        shapes_close(b);
        return status;
    }
    if (!nodes_trace(b, ref.layer)) {
        const ebb_error found = trace_graph(b->shapes->trace)->error;
        shapes_close(b);
        if (error != NULL) *error = found;
        return found.status;
    }
    const traced_call *call = &b->shapes->calls[ref.layer];
    if (ref.tensor >= call->count) {
        return fail(error, EBB_E_ARGUMENT, b->layers[b->nodes[ref.layer].layer].config.name,
                    "there is no output %u of this call; it has %u", ref.tensor, call->count);
    }
    info_fill(b, ref, &call->outputs[ref.tensor], info);
    return EBB_OK;
}
