/* pass_common.c -- common subexpressions: of nodes with equal op, inputs and attribute bytes only
 * the first stays; constants with equal bytes become one. Random nodes are never equal.
 * Relies on attributes without stray bytes: builders start from zeroed structs. */
#include "graph/pass/rewrite.h"

#include <string.h>

typedef struct search {
    graph *g;
    value *map;      /* value -> the one to use instead */
    uint32_t *heads; /* hash -> entry + 1; entries are nodes or constants */
    uint32_t *next;
    uint32_t size; /* places in heads; a power of two */
    uint32_t found;
} search;

static uint64_t mix(uint64_t hash, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < count; i++) hash = (hash ^ at[i]) * 0x100000001B3u;
    return hash;
}

static uint32_t place_of(const search *s, uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32) & (s->size - 1);
}

/* Room for as many entries as there are nodes or values, whichever are more. */
static bool search_open(search *s, graph *g, region *scratch)
{
    const uint32_t entries = g->value_count > g->node_count ? g->value_count : g->node_count;

    s->g = g;
    s->size = 64;
    while (s->size < entries && s->size < 1u << 30) s->size *= 2;
    s->map = region_new(scratch, value, g->value_count);
    s->heads = region_new(scratch, uint32_t, s->size);
    s->next = region_new(scratch, uint32_t, entries);
    if (s->map == NULL || s->heads == NULL || s->next == NULL) {
        (void)region_fail(scratch, &g->error, "graph", "the search for equal nodes");
        return false;
    }
    for (uint32_t i = 0; i < g->value_count; i++) s->map[i] = i;
    return true;
}

/* -- constants -------------------------------------------------------------------------------- */

static size_t constant_bytes(const value_info *info)
{
    size_t bytes = ebb_dtype_bytes(info->dtype);

    for (uint32_t i = 0; i < info->shape.rank; i++) bytes *= (size_t)info->shape.dims[i];
    return bytes;
}

static bool constants_equal(const value_info *a, const value_info *b)
{
    return a->dtype == b->dtype && shape_equal(&a->shape, &b->shape) &&
           memcmp(a->data, b->data, constant_bytes(a)) == 0;
}

static void merge_constants(search *s)
{
    for (value v = 1; v < s->g->value_count; v++) {
        const value_info *info = graph_value(s->g, v);

        if (info->kind != VALUE_CONSTANT) continue;
        const uint32_t place = place_of(s, mix(info->dtype, info->data, constant_bytes(info)));
        uint32_t entry = s->heads[place];
        while (entry != 0 && !constants_equal(graph_value(s->g, entry - 1), info))
            entry = s->next[entry - 1];
        if (entry != 0) {
            s->map[v] = entry - 1;
            continue;
        }
        s->next[v] = s->heads[place];
        s->heads[place] = v + 1;
    }
}

/* -- nodes ------------------------------------------------------------------------------------ */

static bool nodes_equal(const node *a, const node *b)
{
    const size_t bytes = op_find(a->op)->attribute_bytes;

    return a->op == b->op && a->input_count == b->input_count &&
           (a->input_count == 0 ||
            memcmp(a->inputs, b->inputs, a->input_count * sizeof(value)) == 0) &&
           (bytes == 0 || memcmp(a->attributes, b->attributes, bytes) == 0);
}

static void merge_nodes(search *s)
{
    memset(s->heads, 0, s->size * sizeof *s->heads);
    for (uint32_t i = 0; i < s->g->node_count; i++) {
        node *n = &s->g->nodes[i];
        const op_def *def = op_find(n->op);

        if (n->is_dead) continue;
        for (uint32_t k = 0; k < n->input_count; k++) n->inputs[k] = s->map[n->inputs[k]];
        if (def->is_random) continue;
        uint64_t hash = mix(n->op, n->inputs, n->input_count * sizeof(value));
        if (def->attribute_bytes > 0) hash = mix(hash, n->attributes, def->attribute_bytes);
        const uint32_t place = place_of(s, hash);
        uint32_t entry = s->heads[place];
        while (entry != 0 && !nodes_equal(&s->g->nodes[entry - 1], n)) entry = s->next[entry - 1];
        if (entry != 0) {
            for (uint32_t k = 0; k < n->output_count; k++)
                s->map[n->outputs[k]] = s->g->nodes[entry - 1].outputs[k];
            n->is_dead = true;
            s->found++;
            continue;
        }
        s->next[i] = s->heads[place];
        s->heads[place] = i + 1;
    }
    for (uint32_t i = 0; i < s->g->output_count; i++) s->g->outputs[i] = s->map[s->g->outputs[i]];
}

static uint32_t run(graph *g)
{
    search s = {.found = 0};

    if (!graph_ok(g)) return 0;
    region *scratch = region_open(g->home, "pass", EBB_CLASS_SCRATCH, 0);
    if (scratch == NULL) {
        (void)region_fail(g->home, &g->error, "graph", "a pass");
        return 0;
    }
    if (search_open(&s, g, scratch)) {
        merge_constants(&s);
        merge_nodes(&s);
        graph_count_uses(g);
    }
    region_close(scratch);
    return s.found;
}

const pass_def pass_def_common = {
    .name = "common", .description = "computes equal expressions once", .run = run};
