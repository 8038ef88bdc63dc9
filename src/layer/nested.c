/* nested.c -- a model as a set of layers and calls: made once, run at the top and for every call of
 * a nested model, whose ops are emitted again over the same weights.
 *
 * Calls are run in the order of the file, but a call waits for what it needs: files refer to layers
 * that come later. A walk with a stack of its own finds the order and any cycle in time linear in
 * the file. Source: keras/src/models/functional.py (functional_from_config). */
#include "layer/assembly.h"

#include <string.h>

#include "base/status.h"
#include "format/keras/naming.h"

/* -- making ---------------------------------------------------------------------------------------
 */

/* Names of the objects in a container: "dense", "dense_1": counted per class in snake case. */
typedef struct counted_name {
    const char *name;
    uint32_t count;
} counted_name;

/* As many as there are classes: unknown ones are refused and need no path. */
#define OTHER_CLASSES 8u /* models, and layers that are not listed */

typedef struct name_counter {
    counted_name *items;
    uint32_t count, capacity;
} name_counter;

/* Objects go by the name of the Python class, which in one case is not that of configurations. */
static const char *python_name(const char *class_name)
{
    return strcmp(class_name, "GroupQueryAttention") == 0 ? "GroupedQueryAttention" : class_name;
}

static const char *unique_name(assembly *a, name_counter *counter, const char *class_name)
{
    char snake[256];
    keras_snake_case(python_name(class_name), snake, sizeof snake);
    for (uint32_t i = 0; i < counter->count; i++) {
        if (strcmp(counter->items[i].name, snake) != 0) continue;
        return region_format(a->home, "%s_%u", snake, ++counter->items[i].count);
    }
    const char *name = region_text(a->home, snake);
    if (name != NULL && counter->count < counter->capacity)
        counter->items[counter->count++].name = name;
    return name;
}

static layer_instance *member_make(assembly *a, const layer_config *config, name_counter *counter,
                                   const char *path, const char *title, bool trainable,
                                   uint32_t depth)
{
    const bool is_known = config->model != NULL || layer_find(config->class_name) != NULL;
    const bool is_named = is_known && !config->is_operation;
    const char *name = is_named ? unique_name(a, counter, config->class_name) : "";
    const char *inner = name == NULL ? NULL
                                     : region_format(a->home, "%s%slayers/%s", path,
                                                     path[0] != '\0' ? "/" : "", name);
    const char *full =
        title[0] == '\0' ? config->name : region_format(a->home, "%s/%s", title, config->name);
    if (inner == NULL || full == NULL) return assembly_no_memory(a, title), NULL;
    return instance_make(a, config, inner, full, trainable, depth);
}

static bool ports_check(assembly *a, const model_config *m, const port_config *ports,
                        uint32_t count, const char *title)
{
    for (uint32_t k = 0; k < count; k++) {
        if (ports[k].ref.layer >= m->layer_count) {
            return assembly_fail(a, EBB_E_FORMAT, title,
                                 "the model names a layer that is not there");
        }
    }
    return true;
}

nested_model *nested_make(assembly *a, const model_config *config, const char *path,
                          const char *title, bool trainable, uint32_t depth)
{
    if (!ports_check(a, config, config->inputs, config->input_count, title)) return NULL;
    if (!ports_check(a, config, config->outputs, config->output_count, title)) return NULL;
    nested_model *m = region_new(a->home, nested_model, 1);
    region *scratch = region_open(a->home, "names", EBB_CLASS_META, 0);
    if (m == NULL || scratch == NULL) goto no_memory;
    name_counter counter = {.capacity = layer_table_count() + OTHER_CLASSES};
    m->config = config;
    m->layers = region_new(a->home, layer_instance *, config->layer_count + 1);
    counter.items = region_new(scratch, counted_name, counter.capacity);
    if (m->layers == NULL || counter.items == NULL) goto no_memory;
    for (uint32_t i = 0; i < config->layer_count; i++) {
        m->layers[i] = member_make(a, &config->layers[i], &counter, path, title, trainable, depth);
        if (m->layers[i] == NULL) goto undo;
        m->layer_count++;
    }
    region_close(scratch);
    return m;

no_memory:
    assembly_no_memory(a, title);
undo:
    region_close(scratch);
    return NULL;
}

/* -- running --------------------------------------------------------------------------------------
 */

typedef enum call_progress { CALL_WAITING, CALL_OPEN, CALL_DONE } call_progress;

typedef struct call_state {
    layer_tensor *outputs; /* NULL after a reported problem */
    uint32_t output_count;
    uint32_t layer, node;
    call_progress progress;
} call_state;

typedef struct runner {
    assembly *a;
    nested_model *m;
    const layer_tensor *inputs;
    region *scratch;
    call_state *calls;
    uint32_t *first; /* of each layer: number of its call 0 */
    uint32_t call_count, depth;
    uint32_t *stack;
    uint32_t stack_count, stack_capacity;
} runner;

static bool is_input(const layer_config *config)
{
    return !config->is_operation && config->model == NULL &&
           strcmp(config->class_name, "InputLayer") == 0;
}

/* An InputLayer has one output although nothing calls it. */
static uint32_t calls_of(const layer_config *config)
{
    return is_input(config) ? 1 : config->call_count;
}

static const char *title_of(const runner *r, uint32_t layer)
{
    return r->m->layers[layer]->title;
}

static bool stack_push(runner *r, uint32_t call)
{
    if (r->stack_count == r->stack_capacity) {
        const uint32_t capacity = r->stack_capacity == 0 ? 256 : r->stack_capacity * 2;
        uint32_t *larger = region_new(r->scratch, uint32_t, capacity);
        if (larger == NULL) return assembly_no_memory(r->a, title_of(r, r->calls[call].layer));
        if (r->stack_count > 0) memcpy(larger, r->stack, r->stack_count * sizeof *larger);
        r->stack = larger;
        r->stack_capacity = capacity;
    }
    r->stack[r->stack_count++] = call;
    return true;
}

static call_state *call_of(const runner *r, const tensor_ref *ref, uint32_t user)
{
    const model_config *m = r->m->config;
    if (ref->layer < m->layer_count && ref->node < calls_of(&m->layers[ref->layer])) {
        return &r->calls[r->first[ref->layer] + ref->node];
    }
    assembly_fail(r->a, EBB_E_FORMAT, title_of(r, user),
                  "refers to call %u of layer %s, which is not there", ref->node,
                  ref->layer < m->layer_count ? m->layers[ref->layer].name : "?");
    return NULL;
}

/* Pushes the calls an argument waits for. Recursion: ARGUMENT_DEPTH_MAX. */
static bool argument_wait(runner *r, const argument *g, uint32_t user, uint32_t depth)
{
    if (depth > ARGUMENT_DEPTH_MAX) {
        return assembly_fail(r->a, EBB_E_FORMAT, title_of(r, user),
                             "arguments are nested too deep");
    }
    if (g->kind == ARGUMENT_TENSOR) {
        const call_state *c = call_of(r, &g->ref, user);
        if (c == NULL) return false;
        if (c->progress == CALL_OPEN) {
            return assembly_fail(r->a, EBB_E_FORMAT, title_of(r, user),
                                 "the model is cyclic: the layer needs its own result, through %s",
                                 title_of(r, c->layer));
        }
        return c->progress == CALL_DONE || stack_push(r, (uint32_t)(c - r->calls));
    }
    for (uint32_t k = 0; g->kind == ARGUMENT_LIST && k < g->item_count; k++) {
        if (!argument_wait(r, &g->items[k], user, depth + 1)) return false;
    }
    return true;
}

/* -- one call -------------------------------------------------------------------------------------
 */

/* A tensor that other calls made; is_missing: not made, a problem was reported. */
static bool tensor_find(void *context, const argument_source *s, const tensor_ref *ref,
                        layer_tensor *tensor, bool *is_missing)
{
    runner *r = context;
    const call_state *c = call_of(r, ref, s->layer);

    if (c == NULL) return false;
    if (c->outputs == NULL) {
        *is_missing = true;
        return true;
    }
    if (ref->tensor >= c->output_count) {
        return assembly_fail(r->a, EBB_E_FORMAT, s->title,
                             "refers to output %u of %s, which has %u", ref->tensor,
                             title_of(r, c->layer), c->output_count);
    }
    *tensor = c->outputs[ref->tensor];
    return true;
}

/* Fills the arguments of a call; *is_missing: some tensor does not exist because of a reported
 * problem. */
static bool call_prepare(runner *r, const call_state *c, layer_call *call, bool *is_missing)
{
    const layer_config *layer = &r->m->config->layers[c->layer];
    const argument_source source = {.a = r->a,
                                    .home = r->scratch,
                                    .layer = c->layer,
                                    .title = title_of(r, c->layer),
                                    .find = tensor_find,
                                    .context = r};

    if (is_input(layer)) return true;
    return call_arguments_make(&source, &layer->calls[c->node], call, is_missing);
}

static bool input_prepare(runner *r, const call_state *c, layer_call *call)
{
    const model_config *m = r->m->config;
    for (uint32_t k = 0; k < m->input_count; k++) {
        if (m->inputs[k].ref.layer != c->layer) continue;
        if (r->inputs == NULL) return true;
        call->inputs = &r->inputs[k];
        call->input_count = 1;
        return true;
    }
    return assembly_fail(r->a, EBB_E_FORMAT, title_of(r, c->layer),
                         "is used as an input, but the model does not list it among its inputs");
}

static bool outputs_keep(runner *r, call_state *c, const layer_call *call)
{
    c->outputs = region_new(r->scratch, layer_tensor, call->output_count);
    if (c->outputs == NULL) return assembly_no_memory(r->a, title_of(r, c->layer));
    memcpy(c->outputs, call->outputs, call->output_count * sizeof call->outputs[0]);
    c->output_count = call->output_count;
    const assemble_options *options = r->a->options;
    if (options->called != NULL && r->depth == 0) {
        options->called(options->called_context, r->a->graph,
                        r->m->config->layers[c->layer].name, c->node, c->outputs,
                        c->output_count);
    }
    return true;
}

/* Runs a call whose arguments are there. False: a fault that ends everything. */
static bool call_run(runner *r, call_state *c)
{
    layer_instance *i = r->m->layers[c->layer];
    layer_call call = {0};
    bool is_missing = false;
    c->progress = CALL_DONE;
    if (!instance_works(i)) return true;
    bool good = call_prepare(r, c, &call, &is_missing);
    if (good && is_missing) return true;
    if (good && is_input(i->source)) good = input_prepare(r, c, &call);
    if (good && instance_call(r->a, i, r->depth + 1, &call)) return outputs_keep(r, c, &call);
    return assembly_goes_on(r->a);
}

static bool arguments_wait(runner *r, const call_state *c)
{
    const layer_config *layer = &r->m->config->layers[c->layer];
    if (is_input(layer)) return true;
    const call_config *config = &layer->calls[c->node];
    for (uint32_t k = 0; k < config->argument_count; k++) {
        if (!argument_wait(r, &config->arguments[k], c->layer, 0)) return false;
    }
    return true;
}

/* Runs a call and before it all that it waits for. False: a fault that ends everything. */
static bool call_complete(runner *r, uint32_t call)
{
    r->stack_count = 0;
    if (!stack_push(r, call)) return false;
    while (r->stack_count > 0) {
        const uint32_t height = r->stack_count;
        call_state *c = &r->calls[r->stack[height - 1]];
        if (c->progress == CALL_WAITING) {
            c->progress = CALL_OPEN;
            if (!arguments_wait(r, c)) {
                c->progress = CALL_DONE;
                if (!assembly_goes_on(r->a)) return false;
            }
            if (r->stack_count > height) continue;
        }
        r->stack_count = height - 1;
        if (c->progress == CALL_OPEN && !call_run(r, c)) return false;
    }
    return true;
}

static bool runner_fill(runner *r)
{
    const model_config *m = r->m->config;
    uint64_t total = 0;
    for (uint32_t i = 0; i < m->layer_count; i++) total += calls_of(&m->layers[i]);
    if (total > ASSEMBLY_CALLS_MAX) {
        return assembly_fail(r->a, EBB_E_UNSUPPORTED, m->name,
                             "the model makes more than %d layer calls", ASSEMBLY_CALLS_MAX);
    }
    r->first = region_new(r->scratch, uint32_t, m->layer_count + 1);
    r->calls = region_new(r->scratch, call_state, (size_t)total + 1);
    if (r->first == NULL || r->calls == NULL) return assembly_no_memory(r->a, m->name);
    for (uint32_t i = 0; i < m->layer_count; i++) {
        r->first[i] = r->call_count;
        for (uint32_t k = 0; k < calls_of(&m->layers[i]); k++) {
            r->calls[r->call_count++] = (call_state){.layer = i, .node = k};
        }
    }
    return true;
}

static bool calls_run(runner *r)
{
    const model_config *m = r->m->config;
    if (!runner_fill(r)) return false;
    for (uint32_t k = 0; k < m->input_count; k++) {
        const call_state *c = call_of(r, &m->inputs[k].ref, m->inputs[k].ref.layer);
        if (c == NULL || !call_complete(r, (uint32_t)(c - r->calls))) return false;
    }
    for (uint32_t k = 0; k < r->call_count; k++) {
        if (r->calls[k].progress == CALL_WAITING && !call_complete(r, k)) return false;
    }
    return true;
}

static bool outputs_take(runner *r, layer_tensor *outputs)
{
    const model_config *m = r->m->config;
    for (uint32_t k = 0; k < m->output_count; k++) {
        const tensor_ref *ref = &m->outputs[k].ref;
        const call_state *c = call_of(r, ref, ref->layer);
        outputs[k] = (layer_tensor){0};
        if (c == NULL) {
            if (!assembly_goes_on(r->a)) return false;
        } else if (c->outputs != NULL) {
            if (ref->tensor < c->output_count)
                outputs[k] = c->outputs[ref->tensor];
            else
                assembly_fail(r->a, EBB_E_FORMAT, title_of(r, ref->layer), "has no output %u",
                              ref->tensor);
            if (!assembly_goes_on(r->a)) return false;
        }
    }
    return true;
}

bool nested_run(assembly *a, nested_model *m, const layer_tensor *inputs, layer_tensor *outputs,
                uint32_t depth)
{
    runner r = {.a = a, .m = m, .inputs = inputs, .depth = depth};
    r.scratch = region_open(a->home, "calls", EBB_CLASS_META, 0);
    if (r.scratch == NULL) return assembly_no_memory(a, m->config->name);
    const bool good = calls_run(&r) && outputs_take(&r, outputs);
    region_close(r.scratch);
    return good;
}
