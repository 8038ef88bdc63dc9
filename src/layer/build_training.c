/* build_training.c -- what layers do only while a model is trained: random numbers, updates of
 * weights, states kept from call to call, penalties on activities.
 *
 * Sources: keras/src/layers/layer.py (Layer.__call__: activity regularizers),
 * keras/src/random/seed_generator.py, tf.nn.experimental.stateless_dropout. */
#include <string.h>

#include "layer/assembly.h"
#include "layer/lowering.h"
#include "tensor/dtype.h"

static bool no_memory(layer_build *b)
{
    return layer_fail(b, EBB_E_MEMORY, "no memory for the layer");
}

/* Room for one more item; NULL: no memory. */
static void *grown(region *home, void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) return items;
    const uint32_t wanted = *capacity == 0 ? 8 : *capacity * 2;
    void *larger = region_alloc(home, wanted, size);
    if (larger == NULL) return NULL;
    if (count > 0) memcpy(larger, items, count * size);
    *capacity = wanted;
    return larger;
}

/* -- random numbers ------------------------------------------------------------------------------
 */

/* Finalizer of SplitMix64: every bit of the result depends on every bit of x. */
static uint64_t mixed(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

/* FNV-1a. */
static uint64_t text_hash(const char *text)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (; *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001B3u;
    return hash;
}

/* Operations that draw from one generator have its seed, and a number of their own. */
static uint64_t next_seed(layer_build *b)
{
    layer_instance *i = b->instance;
    const json *own = json_get(i->source->config, "seed");
    const bool has_own = own != NULL && own->kind == JSON_INTEGER;
    const int64_t draw = json_integer(json_get(i->source->config, "draw"), 0);
    const uint64_t first =
        has_own ? (uint64_t)own->as.integer
                : mixed(b->assembly->options->seed + 0x9E3779B97F4A7C15u) ^ text_hash(i->path);

    return mixed(mixed(first) + (uint64_t)draw * 0x9E3779B97F4A7C15u + ++i->random_count);
}

value build_random(layer_build *b, const random_attributes *attributes)
{
    random_attributes own = *attributes;

    if (!graph_ok(b->graph)) return VALUE_NONE;
    own.seed = next_seed(b);
    const bool is_fixed = json_boolean(json_get(b->instance->source->config, "is_fixed"), false);
    const value stream = is_fixed ? graph_scalar_i32(b->graph, 0) : b->assembly->random;
    return op_random_stream(b->graph, &own, stream);
}

static value kept(layer_build *b, double rate, const shape *s)
{
    const random_attributes uniform = {.kind = RANDOM_UNIFORM, .to = *s, .low = 0, .high = 1};
    const value limit = graph_scalar(b->graph, (float)rate);

    return op_compare(b->graph, COMPARE_GREATER_EQUAL, build_random(b, &uniform), limit);
}

value build_dropout_mask(layer_build *b, double rate, const shape *s)
{
    graph *g = b->graph;

    if (!graph_ok(g)) return VALUE_NONE;
    if (rate >= 1) return lowering_filled(b, EBB_F32, false, s);
    return op_select(g, kept(b, rate, s), graph_scalar(g, (float)(1 / (1 - rate))),
                     graph_scalar(g, 0));
}

value build_dropout(layer_build *b, value x, double rate, const shape *noise)
{
    graph *g = b->graph;

    if (!graph_ok(g) || rate <= 0) return x;
    const shape s = *graph_shape(g, x);
    if (rate >= 1) return lowering_filled(b, EBB_F32, false, &s);
    const unary_attributes scale = {UNARY_AFFINE, (float)(1 / (1 - rate)), 0, 0};
    return op_select(g, kept(b, rate, noise != NULL ? noise : &s), op_unary_with(g, scale, x),
                     graph_scalar(g, 0));
}

/* -- updates -------------------------------------------------------------------------------------
 */

static bool record_update(layer_build *b, const update_record *record)
{
    assembly *a = b->assembly;

    for (uint32_t i = 0; i < a->update_count; i++) {
        update_record *r = &a->updates[i];
        if (r->instance != record->instance || r->number != record->number) continue;
        r->next = record->next;
        return true;
    }
    update_record *larger =
        grown(b->home, a->updates, a->update_count, &a->update_capacity, sizeof *larger);
    if (larger == NULL) return no_memory(b);
    a->updates = larger;
    a->updates[a->update_count++] = *record;
    return true;
}

/* `next` as the weight stores it; it is what later readers see. */
static void weight_set(graph *g, layer_weight *w, value next)
{
    const ebb_dtype computing = graph_value(g, w->computed)->dtype;

    w->latest = op_stop(g, op_cast(g, next, w->dtype));
    w->computed = op_cast(g, w->latest, computing);
}

static bool owns(const layer_instance *i, const layer_weight *w)
{
    for (uint32_t k = 0; k < i->weight_count; k++) {
        if (&i->weights[k] == w) return true;
    }
    return false;
}

/* The instance that owns the weight: the layer's own or one inside it. */
static layer_instance *owner_of(const layer_build *b, const layer_weight *w)
{
    layer_instance *i = b->instance;

    if (owns(i, w)) return i;
    for (uint32_t k = 0; k < i->child_count; k++) {
        if (owns(i->children[k], w)) return i->children[k];
    }
    return NULL;
}

void build_weight_update(layer_build *b, layer_weight *w, value next)
{
    if (!graph_ok(b->graph)) return;
    layer_instance *owner = owner_of(b, w);
    if (owner == NULL) {
        layer_fail(b, EBB_E_INTERNAL, "updates weight '%s' of another layer", w->name);
        return;
    }
    weight_set(b->graph, w, next);
    record_update(b, &(update_record){owner, (uint32_t)(w - owner->weights), w->latest});
}

void build_update(layer_build *b, const char *name, value next)
{
    layer_weight *w = build_weight_find(b, name);

    if (!graph_ok(b->graph)) return;
    if (w == NULL)
        layer_fail(b, EBB_E_INTERNAL, "updates weight '%s', which it does not have", name);
    else
        build_weight_update(b, w, next);
}

/* -- states --------------------------------------------------------------------------------------
 */

static const char *state_path(layer_build *b, uint32_t number)
{
    return region_format(b->home, "%s/state_%u", b->instance->path, number);
}

static uint32_t state_find(const assembly *a, const char *path)
{
    uint32_t k = 0;
    while (k < a->state_count && strcmp(a->states[k]->path, path) != 0) k++;
    return k;
}

static layer_weight *state_make(layer_build *b, const char *path, const shape *s)
{
    assembly *a = b->assembly;
    layer_weight *w = region_new(b->home, layer_weight, 1);
    layer_weight **larger =
        grown(b->home, a->states, a->state_count, &a->state_capacity, sizeof *larger);

    if (w == NULL || larger == NULL) return no_memory(b), NULL;
    *w = (layer_weight){.name = "rnn_state",
                        .title = b->instance->title,
                        .path = path,
                        .dtype = EBB_F32,
                        .rank = s->rank,
                        .is_state = true};
    for (uint32_t i = 0; i < s->rank; i++) {
        w->dims[i] = s->dims[i];
        if (dim_known(s->dims[i])) continue;
        layer_fail(b, EBB_E_SHAPE,
                   "stateful: the number of rows must be fixed: give batch_shape or batch_size");
        return NULL;
    }
    w->v = w->latest = w->computed = graph_variable(b->graph, EBB_F32, s, 0);
    a->states = larger;
    a->states[a->state_count++] = w;
    return w;
}

value build_state(layer_build *b, uint32_t number, const shape *s)
{
    assembly *a = b->assembly;

    if (!graph_ok(b->graph) || !assembly_keeps_states(a)) return VALUE_NONE;
    const char *path = state_path(b, number);
    if (path == NULL) return no_memory(b), VALUE_NONE;
    const uint32_t k = state_find(a, path);
    const layer_weight *w = k < a->state_count ? a->states[k] : state_make(b, path, s);
    return w != NULL ? w->computed : VALUE_NONE;
}

void build_state_update(layer_build *b, uint32_t number, value next)
{
    assembly *a = b->assembly;

    if (!graph_ok(b->graph) || !assembly_keeps_states(a)) return;
    const char *path = state_path(b, number);
    const uint32_t k = path != NULL ? state_find(a, path) : 0;
    if (path == NULL || k == a->state_count) {
        no_memory(b);
        return;
    }
    weight_set(b->graph, a->states[k], next);
    record_update(b, &(update_record){NULL, k, a->states[k]->latest});
}

/* -- penalties -----------------------------------------------------------------------------------
 */

static bool loss_keep(layer_build *b, value loss)
{
    assembly *a = b->assembly;
    value *larger = grown(b->home, a->losses, a->loss_count, &a->loss_capacity, sizeof *larger);

    if (larger == NULL) return no_memory(b);
    a->losses = larger;
    a->losses[a->loss_count++] = loss;
    return graph_ok(b->graph);
}

/* The tensors after the first are losses. */
static bool losses_add(layer_build *b, const layer_call *call)
{
    for (uint32_t k = 1; k < call->input_count; k++) {
        const value x = build_f32(b, call->inputs[k].v);
        const uint32_t axes = graph_ok(b->graph) ? (1u << graph_rank(b->graph, x)) - 1 : 0;
        if (!loss_keep(b, axes != 0 ? op_reduce(b->graph, REDUCE_SUM, x, axes, false) : x))
            return false;
    }
    return true;
}

bool build_penalty(layer_build *b, const json *regularizer, value x)
{
    assembly *a = b->assembly;
    graph *g = b->graph;

    if (!graph_ok(g)) return false;
    if (json_is_null(regularizer) || a->options->penalty == NULL) return true;
    value loss = a->options->penalty(g, b->home, regularizer, b->instance->title, build_f32(b, x));
    if (!graph_ok(g)) return false;
    if (graph_rank(g, x) > 0)
        loss = op_div(g, loss, build_f32(b, op_length(g, graph_dim(g, x, 0))));
    return loss_keep(b, loss);
}

/* ActivityRegularization has the factors in its own configuration. */
static const json *factors_regularizer(layer_build *b)
{
    static const char *const keys[] = {"l1", "l2"};
    const json *config = b->instance->source->config;
    json *object = region_new(b->home, json, 1);
    json_member *members = region_new(b->home, json_member, 4);

    if (object == NULL || members == NULL) return no_memory(b), NULL;
    for (uint32_t i = 0; i < 2; i++) {
        members[2 + i].key = keys[i];
        members[2 + i].value =
            (json){.kind = JSON_NUMBER, .as.number = json_number(json_get(config, keys[i]), 0)};
    }
    members[0].key = "class_name";
    members[0].value = (json){.kind = JSON_STRING, .count = 4, .as.string = "L1L2"};
    members[1].key = "config";
    members[1].value = (json){.kind = JSON_OBJECT, .count = 2, .as.members = members + 2};
    *object = (json){.kind = JSON_OBJECT, .count = 2, .as.members = members};
    return object;
}

bool activities_penalize(layer_build *b, const layer_call *call)
{
    const layer_instance *i = b->instance;
    const char *name = i->def->name;
    const json *regularizer = json_get(i->source->config, "activity_regularizer");

    if (b->assembly->options->penalty == NULL || i->source->is_operation) return true;
    if (strcmp(name, "MultiHeadAttention") == 0) return true; /* only its projections are */
    if (strcmp(name, "AddLoss") == 0) return losses_add(b, call);
    if (strcmp(name, "ActivityRegularization") == 0) regularizer = factors_regularizer(b);
    for (uint32_t k = 0; k < call->output_count; k++) {
        if (!build_penalty(b, regularizer, call->outputs[k].v)) return false;
    }
    return true;
}

/* -- around the assembly -------------------------------------------------------------------------
 */

bool training_begin(assembly *a)
{
    static const shape scalar = {.rank = 0};

    if (a->options->has_variables) a->random = graph_variable(a->graph, EBB_I32, &scalar, 0);
    return graph_ok(a->graph);
}

bool training_end(assembly *a, built_model *model)
{
    model->updates = region_new(a->home, layer_update, (size_t)a->update_count + 1);
    if (model->updates == NULL) return assembly_no_memory(a, model->top->config->name);
    for (uint32_t i = 0; i < a->update_count; i++) {
        const update_record *r = &a->updates[i];
        const layer_weight *w =
            r->instance != NULL ? &r->instance->weights[r->number] : a->states[r->number];
        model->updates[i] = (layer_update){w, r->next};
    }
    model->update_count = a->update_count;
    model->losses = a->losses;
    model->loss_count = a->loss_count;
    model->states = a->states;
    model->state_count = a->state_count;
    model->random = a->random;
    if (a->random != VALUE_NONE) a->graph->values[a->random].index = model->weight_count;
    for (uint32_t i = 0; i < a->state_count; i++) {
        layer_weight *w = a->states[i];
        w->index = model->weight_count + 1 + i;
        a->graph->values[w->v].index = w->index;
        if (!a->options->has_variables) graph_update(a->graph, w->v, w->latest);
    }
    return graph_ok(a->graph);
}
