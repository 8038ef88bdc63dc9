/* optimizer_multi.c -- MultiOptimizer: each variable goes to the optimizer whose pattern its path
 * matches as a whole, or to the default.
 *
 * Their variables follow its own, in the order of the map, the default's last. */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "train/optimizer/optimizer_state.h"
#include "train/optimizer/path_pattern.h"

typedef struct multi {
    optimizer_base base;
    const json *optimizer_map;
} multi;

static const layer_field multi_fields[] = {
    OPTIMIZER_FIELDS(NAN),
    TRAIN_FIELD_REQUIRED(multi, optimizer_map, FIELD_JSON),
    TRAIN_FIELD_END,
};

static ebb_status read_choice(region *home, const json *given, const char *where,
                              optimizer_choice *choice, ebb_error *error)
{
    const json *ignored;
    const char *name = train_object_name(given, &ignored);
    const train_entry *const entry = name != NULL ? train_entry_find(&optimizer_table, name) : NULL;

    if (entry != NULL && ((const optimizer_def *)entry)->apply != NULL) {
        return fail(error, EBB_E_ARGUMENT, where, "a %s inside a MultiOptimizer", entry->name);
    }
    if (choice->pattern != NULL && !path_pattern_is_known(choice->pattern)) {
        return fail(error, EBB_E_UNSUPPORTED, where,
                    "optimizer_map: of regular expressions only '^', '$', '.', '.*' and '|' are "
                    "known here, found '%.60s'",
                    choice->pattern);
    }
    choice->optimizer = region_new(home, optimizer, 1);
    if (choice->optimizer == NULL) return region_fail(home, error, where, "MultiOptimizer");
    return optimizer_read(home, given, where, choice->optimizer, error);
}

static ebb_status multi_read(region *home, const char *where, optimizer *o, ebb_error *error)
{
    const multi *c = o->config;
    const json *config = json_get(c->optimizer_map, "config");
    const json *given = json_get(config, "default_optimizer");
    const json *map = json_get(config, "optimizer_map");
    const uint32_t others = map != NULL && map->kind == JSON_OBJECT ? map->count : 0;

    if (given == NULL) {
        return fail(error, EBB_E_FORMAT, where,
                    "optimizer_map: expected an OptimizerMap with a default_optimizer");
    }
    o->inner = region_new(home, optimizer_choice, (size_t)others + 1);
    if (o->inner == NULL) return region_fail(home, error, where, "MultiOptimizer");
    o->inner_count = others + 1;
    for (uint32_t i = 0; i <= others; i++) {
        if (i > 0) {
            o->inner[i].pattern = map->as.members[i - 1].key;
            given = &map->as.members[i - 1].value;
        }
        const ebb_status status = read_choice(home, given, where, &o->inner[i], error);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

/* The number of the optimizer for this path: a key that is the path, the only pattern that matches,
 * or the default. UINT32_MAX when several match. */
static uint32_t choose(const optimizer *o, const char *path)
{
    uint32_t found = 0, matches = 0;

    for (uint32_t i = 1; i < o->inner_count; i++) {
        if (strcmp(o->inner[i].pattern, path) == 0) return i;
        if (!path_pattern_full(o->inner[i].pattern, path)) continue;
        found = i;
        matches++;
    }
    return matches > 1 ? UINT32_MAX : found;
}

static bool choose_all(optimizer_state *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        s->inner_of[i] = choose(s->o, s->variables[i].path);
        if (s->inner_of[i] != UINT32_MAX) continue;
        (void)graph_fail(s->g, EBB_E_ARGUMENT,
                         "MultiOptimizer: several patterns match the variable %s",
                         s->variables[i].path);
        return false;
    }
    return true;
}

/* Opens inner optimizer `number` on the variables that are for it. */
static void open_inner(optimizer_state *s, uint32_t number, optimizer_variable *scratch)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < s->count; i++) {
        if (s->inner_of[i] != number) continue;
        s->index_in_inner[i] = count;
        scratch[count++] = s->variables[i];
    }
    s->inner[number] = optimizer_state_new(s->o->inner[number].optimizer, s->e, scratch, count);
    if (s->inner[number] == NULL) return;
    s->inner[number]->loss_scale_factor = s->loss_scale_factor;
    s->inner[number]->loss_scale_variable = s->loss_scale_variable;
    optimizer_state_build(s->inner[number]);
}

static void multi_build(optimizer_state *s)
{
    region *const home = s->e->home;
    const size_t count = (size_t)s->count + 1;
    optimizer_variable *const scratch = region_new(home, optimizer_variable, count);

    s->inner = region_new(home, optimizer_state *, s->o->inner_count);
    s->inner_of = region_new(home, uint32_t, count);
    s->index_in_inner = region_new(home, uint32_t, count);
    if (scratch == NULL || s->inner == NULL || s->inner_of == NULL || s->index_in_inner == NULL) {
        if (graph_ok(s->g)) (void)region_fail(home, &s->g->error, "MultiOptimizer", "its state");
        return;
    }
    if (!choose_all(s)) return;
    for (uint32_t k = 1; k < s->o->inner_count && graph_ok(s->g); k++) open_inner(s, k, scratch);
    if (graph_ok(s->g)) open_inner(s, 0, scratch);
}

static void multi_apply(optimizer_state *s, const value *gradients)
{
    graph *const g = s->g;
    value *const own = region_new(s->e->home, value, (size_t)s->count + 1);

    if (own == NULL) {
        if (graph_ok(g)) (void)region_fail(s->e->home, &g->error, "MultiOptimizer", "gradients");
        return;
    }
    for (uint32_t k = 0; k < s->o->inner_count && graph_ok(g); k++) {
        uint32_t count = 0;

        for (uint32_t i = 0; i < s->count; i++) {
            if (s->inner_of[i] == k) own[count++] = gradients[i];
        }
        s->inner[k]->keep = s->keep;
        if (count > 0) optimizer_apply(s->inner[k], own);
    }
    optimizer_put_if(s, s->keep, s->iteration, op_add(g, s->iteration, graph_scalar_i32(g, 1)));
}

const optimizer_def optimizer_def_multi = {
    .entry = {"MultiOptimizer", NULL, sizeof(multi), multi_fields, NULL},
    .default_name = "multi_optimizer",
    .learning_rate = 0,
    .build = multi_build,
    .read = multi_read,
    .apply = multi_apply,
};
