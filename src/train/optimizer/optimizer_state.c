/* optimizer_state.c -- makes an optimizer's variables, in the order and under the paths of Keras.
 */
#include "train/optimizer/optimizer_state.h"

#include <math.h>
#include <string.h>

#define PATH_MAX_BYTES 512

static void *memory(optimizer_state *s, size_t count, size_t size)
{
    void *const made = region_alloc(s->e->home, count > 0 ? count : 1, size);

    if (made == NULL && graph_ok(s->g)) {
        (void)region_fail(s->e->home, &s->g->error, "optimizer", "its state");
    }
    return made;
}

const char *optimizer_path(optimizer_state *s, const char *text)
{
    char *const path = region_format(s->e->home, "%s/%s", s->o->name, text);

    if (path == NULL && graph_ok(s->g)) {
        (void)region_fail(s->e->home, &s->g->error, "optimizer", "a variable's name");
    }
    return path;
}

value optimizer_variable_new(optimizer_state *s, const char *path, ebb_dtype dtype, double initial)
{
    if (path == NULL) return VALUE_NONE;
    return train_variable_new(s->e, path, dtype, 0, NULL, initial);
}

/* A variable of the shape of variable `index`: "<name>/dense_kernel_<slot>". */
static value variable_like(optimizer_state *s, uint32_t index, const slot_def *slot)
{
    const optimizer_variable *const like = &s->variables[index];
    int64_t dims[EBB_RANK_MAX] = {0};
    char text[PATH_MAX_BYTES];
    size_t length = 0;

    if (!graph_ok(s->g)) return VALUE_NONE;
    for (const char *at = like->path; *at != '\0' && length + 1 < sizeof text; at++) {
        text[length++] = *at == '/' ? '_' : *at;
    }
    text[length] = '\0';
    char *const path = region_format(s->e->home, "%s/%s_%s", s->o->name, text, slot->name);
    if (path == NULL) {
        (void)region_fail(s->e->home, &s->g->error, "optimizer", "a slot's name");
        return VALUE_NONE;
    }
    if (slot->is_copy) return train_variable_copy(s->e, path, like->v);
    const uint32_t rank = graph_rank(s->g, like->v);
    for (uint32_t i = 0; i < rank; i++) dims[i] = graph_dim(s->g, like->v, (int)i);
    return train_variable_new(s->e, path, EBB_F32, rank, dims, slot->initial);
}

void optimizer_slots_of(optimizer_state *s, uint32_t index, uint32_t first, const slot_def *slots,
                        uint32_t count)
{
    if (s->slots == NULL) s->slots = memory(s, s->count, sizeof *s->slots);
    for (uint32_t k = 0; k < count && s->slots != NULL; k++) {
        s->slots[index][first + k] = variable_like(s, index, &slots[k]);
    }
}

void optimizer_slots(optimizer_state *s, uint32_t first, const slot_def *slots, uint32_t count)
{
    for (uint32_t i = 0; i < s->count; i++) optimizer_slots_of(s, i, first, slots, count);
}

static value *variables_like(optimizer_state *s, const char *name)
{
    const slot_def slot = {.name = name};
    value *const made = memory(s, s->count, sizeof *made);

    for (uint32_t i = 0; i < s->count && made != NULL; i++) made[i] = variable_like(s, i, &slot);
    return made;
}

static bool variables_fit(optimizer_state *s)
{
    for (uint32_t i = 0; i < s->count && graph_ok(s->g); i++) {
        const value_info *const info = graph_value(s->g, s->variables[i].v);

        if (info->dtype != EBB_F32) {
            (void)graph_fail(s->g, EBB_E_UNSUPPORTED, "%s is of %s; only float32 can be trained",
                             s->variables[i].path, ebb_dtype_name(info->dtype));
        }
    }
    return graph_ok(s->g);
}

optimizer_state *optimizer_state_new(const optimizer *o, train_emit *e,
                                     const optimizer_variable *variables, uint32_t count)
{
    optimizer_state *const s = region_new(e->home, optimizer_state, 1);

    if (s == NULL) {
        if (graph_ok(e->graph))
            (void)region_fail(e->home, &e->graph->error, "optimizer", "its state");
        return NULL;
    }
    s->o = o;
    s->base = o->config;
    s->e = e;
    s->g = e->graph;
    s->count = count;
    s->loss_scale_factor = s->base->loss_scale_factor;
    s->variables = memory(s, count, sizeof *s->variables);
    if (s->variables == NULL) return NULL;
    if (count > 0) memcpy(s->variables, variables, count * sizeof *s->variables);
    return variables_fit(s) ? s : NULL;
}

void optimizer_state_build(optimizer_state *s)
{
    s->iteration = optimizer_variable_new(s, optimizer_path(s, "iteration"), EBB_I32, 0);
    if (s->o->schedule.entry == NULL) {
        s->rate = optimizer_variable_new(s, optimizer_path(s, "learning_rate"), EBB_F32,
                                         s->o->learning_rate);
    }
    if (s->base->use_ema) s->averages = variables_like(s, "average");
    if (s->base->gradient_accumulation_steps > 0) {
        s->accumulators = variables_like(s, "gradient_accumulator");
    }
    if (s->o->def->build != NULL && s->count > 0 && graph_ok(s->g)) s->o->def->build(s);
}

optimizer_state *optimizer_open(const optimizer *o, train_emit *e,
                                const optimizer_variable *variables, uint32_t count)
{
    optimizer_state *const s = optimizer_state_new(o, e, variables, count);

    if (s != NULL) optimizer_state_build(s);
    return graph_ok(e->graph) ? s : NULL;
}

/* LossScaleOptimizer, which speaks for the optimizer inside. */
static bool wraps_one(const optimizer_state *s)
{
    return s->inner != NULL && s->inner_of == NULL;
}

value optimizer_learning_rate_variable(const optimizer_state *s)
{
    if (wraps_one(s)) return optimizer_learning_rate_variable(s->inner[0]);
    return s->inner == NULL ? s->rate : VALUE_NONE;
}

value optimizer_iteration(const optimizer_state *s)
{
    return wraps_one(s) ? optimizer_iteration(s->inner[0]) : s->iteration;
}

value optimizer_average(const optimizer_state *s, uint32_t index)
{
    if (wraps_one(s)) return optimizer_average(s->inner[0], index);
    if (s->inner == NULL) return s->averages != NULL ? s->averages[index] : VALUE_NONE;
    return optimizer_average(s->inner[s->inner_of[index]], s->index_in_inner[index]);
}
