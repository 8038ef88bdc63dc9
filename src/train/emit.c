/* emit.c -- see emit.h. */
#include "train/emit.h"

#include <string.h>

static train_variable *variable_slot(train_emit *e)
{
    if (!graph_ok(e->graph)) return NULL;
    if (e->variable_count == e->variable_capacity) {
        const uint32_t larger = e->variable_capacity == 0 ? 16 : e->variable_capacity * 2;
        train_variable *moved = region_new(e->home, train_variable, larger);
        if (moved == NULL) {
            (void)region_fail(e->home, &e->graph->error, "training", "its variables");
            return NULL;
        }
        if (e->variable_count > 0) {
            memcpy(moved, e->variables, e->variable_count * sizeof *moved);
        }
        e->variables = moved;
        e->variable_capacity = larger;
    }
    return &e->variables[e->variable_count];
}

static value variable_add(train_emit *e, const char *name, ebb_dtype dtype, const shape *s,
                          double initial, value like)
{
    train_variable *variable = variable_slot(e);

    if (variable == NULL) return VALUE_NONE;
    *variable = (train_variable){.name = region_text(e->home, name),
                                 .like = like,
                                 .initial = initial,
                                 .dtype = dtype,
                                 .rank = s->rank};
    memcpy(variable->dims, s->dims, sizeof variable->dims);
    if (variable->name == NULL) {
        (void)region_fail(e->home, &e->graph->error, "training", "a variable's name");
        return VALUE_NONE;
    }
    variable->v = graph_variable(e->graph, dtype, s, e->weight_first + e->variable_count);
    if (variable->v != VALUE_NONE) e->variable_count++;
    return variable->v;
}

value train_variable_new(train_emit *e, const char *name, ebb_dtype dtype, uint32_t rank,
                         const int64_t *dims, double initial)
{
    shape s = {.rank = rank};

    for (uint32_t i = 0; i < rank; i++) s.dims[i] = dims[i];
    return variable_add(e, name, dtype, &s, initial, VALUE_NONE);
}

value train_variable_copy(train_emit *e, const char *name, value like)
{
    const shape s = *graph_shape(e->graph, like);

    return variable_add(e, name, graph_value(e->graph, like)->dtype, &s, 0, like);
}

void train_assign(train_emit *e, value variable, value next)
{
    graph_update(e->graph, variable, next);
}
