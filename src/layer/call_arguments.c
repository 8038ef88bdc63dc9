/* call_arguments.c -- the arguments of a configured call as a layer's build function sees them:
 * tensors found, lists of numbers that stand for arrays made into constants, and all tensors of the
 * first argument in one list. */
#include "base/status.h"
#include "layer/assembly.h"

typedef struct converted {
    const argument_source *source;
    bool is_missing;
} converted;

static bool literal_convert(converted *c, const json *literal, call_argument *to)
{
    assembly *a = c->source->a;

    to->kind = CALL_LITERAL;
    to->literal = literal;
    if (!literal_is_wrapped(literal)) return true;
    to->kind = CALL_TENSOR;
    if (literal_tensor(a->graph, literal, &to->tensor)) return true;
    return graph_ok(a->graph)
               ? assembly_fail(a, EBB_E_FORMAT, c->source->title, "a constant is not an array")
               : false;
}

static bool tensor_convert(converted *c, const tensor_ref *ref, call_argument *to)
{
    const argument_source *s = c->source;
    bool is_missing = false;

    to->kind = CALL_TENSOR;
    if (!s->find(s->context, s, ref, &to->tensor, &is_missing)) return false;
    c->is_missing |= is_missing;
    if (!is_missing) to->tensor.is_mask_lost |= assembly_mask_is_lost(s->a, to->tensor.v);
    return true;
}

/* Recursion: ARGUMENT_DEPTH_MAX. */
static bool argument_convert(converted *c, const argument *from, call_argument *to, uint32_t depth)
{
    const argument_source *s = c->source;

    if (depth > ARGUMENT_DEPTH_MAX)
        return assembly_fail(s->a, EBB_E_FORMAT, s->title, "arguments are nested too deep");
    to->name = from->name;
    if (from->kind == ARGUMENT_TENSOR) return tensor_convert(c, &from->ref, to);
    if (from->kind == ARGUMENT_LITERAL) return literal_convert(c, from->literal, to);
    to->kind = CALL_LIST;
    to->items = region_new(s->home, call_argument, (size_t)from->item_count + 1);
    if (to->items == NULL) return assembly_no_memory(s->a, s->title);
    to->item_count = from->item_count;
    for (uint32_t k = 0; k < from->item_count; k++) {
        if (!argument_convert(c, &from->items[k], &to->items[k], depth + 1)) return false;
    }
    return true;
}

/* Recursion: ARGUMENT_DEPTH_MAX, as above. With tensors NULL only counts. */
static void flatten(const call_argument *g, layer_tensor *tensors, uint32_t *count)
{
    if (g->kind == CALL_TENSOR) {
        if (tensors != NULL) tensors[*count] = g->tensor;
        ++*count;
    }
    for (uint32_t k = 0; g->kind == CALL_LIST && k < g->item_count; k++)
        flatten(&g->items[k], tensors, count);
}

static bool inputs_flatten(const argument_source *s, const call_argument *first, layer_call *call)
{
    uint32_t count = 0;

    flatten(first, NULL, &call->input_count);
    layer_tensor *tensors = region_new(s->home, layer_tensor, (size_t)call->input_count + 1);
    if (tensors == NULL) return assembly_no_memory(s->a, s->title);
    flatten(first, tensors, &count);
    call->inputs = tensors;
    return true;
}

bool call_arguments_make(const argument_source *s, const call_config *config, layer_call *call,
                         bool *is_missing)
{
    converted c = {.source = s};
    call_argument *arguments =
        region_new(s->home, call_argument, (size_t)config->argument_count + 1);

    if (arguments == NULL) return assembly_no_memory(s->a, s->title);
    for (uint32_t k = 0; k < config->argument_count; k++) {
        if (!argument_convert(&c, &config->arguments[k], &arguments[k], 0)) return false;
    }
    *is_missing = c.is_missing;
    call->arguments = arguments;
    call->argument_count = config->argument_count;
    return call->argument_count == 0 || inputs_flatten(s, &arguments[0], call);
}
