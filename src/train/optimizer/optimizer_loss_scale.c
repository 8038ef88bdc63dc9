/* optimizer_loss_scale.c -- LossScaleOptimizer: another optimizer on a loss that is multiplied, so
 * that small gradients survive float16. Steps whose gradients are not finite are not taken, and
 * halve the factor; dynamic_growth_steps good ones in a row double it.
 *
 * Its own iteration and learning rate exist, as in Keras, and are never used. */
#include <math.h>

#include "base/status.h"
#include "train/optimizer/optimizer_state.h"

typedef struct loss_scale {
    optimizer_base base;
    double initial_scale;
    int64_t dynamic_growth_steps;
    bool dynamic; /* of tf.keras */
    const json *inner_optimizer;
} loss_scale;

static const layer_field loss_scale_fields[] = {
    OPTIMIZER_FIELDS(NAN),
    TRAIN_FIELD(loss_scale, initial_scale, FIELD_F64, 32768),
    TRAIN_FIELD(loss_scale, dynamic_growth_steps, FIELD_I64, 2000),
    TRAIN_FIELD(loss_scale, dynamic, FIELD_BOOL, 1),
    TRAIN_FIELD(loss_scale, inner_optimizer, FIELD_JSON, 0),
    TRAIN_FIELD_END,
};

static ebb_status loss_scale_check(const void *config, const char *where, ebb_error *error)
{
    const loss_scale *c = config;
    const optimizer_base *const b = &c->base;

    if (!c->dynamic) {
        return fail(error, EBB_E_UNSUPPORTED, where,
                    "dynamic is false; set loss_scale_factor of the inner optimizer instead");
    }
    if (!isnan(b->weight_decay) || !isnan(b->clipnorm) || !isnan(b->global_clipnorm) ||
        !isnan(b->clipvalue) || !isnan(b->loss_scale_factor) || b->use_ema ||
        b->gradient_accumulation_steps > 0) {
        return fail(error, EBB_E_ARGUMENT, where,
                    "LossScaleOptimizer clips, decays, averages and accumulates nothing itself; "
                    "set that of the inner optimizer");
    }
    if (!(c->initial_scale > 0)) {
        return train_range_fail(error, where, "initial_scale", "a positive number",
                                c->initial_scale);
    }
    if (c->dynamic_growth_steps >= 1) return EBB_OK;
    return train_range_fail(error, where, "dynamic_growth_steps", "a positive number",
                            (double)c->dynamic_growth_steps);
}

static ebb_status set_inner(region *home, const char *where, optimizer *o, optimizer *inner,
                            ebb_error *error)
{
    o->inner = region_new(home, optimizer_choice, 1);
    if (o->inner == NULL) return region_fail(home, error, where, "LossScaleOptimizer");
    o->inner[0] = (optimizer_choice){NULL, inner};
    o->inner_count = 1;
    return EBB_OK;
}

static ebb_status loss_scale_read(region *home, const char *where, optimizer *o, ebb_error *error)
{
    const loss_scale *c = o->config;
    const json *ignored;
    const char *name = train_object_name(c->inner_optimizer, &ignored);

    if (name != NULL && train_entry_find(&optimizer_table, name) == &o->def->entry) {
        return fail(error, EBB_E_UNSUPPORTED, where,
                    "a LossScaleOptimizer inside a LossScaleOptimizer");
    }
    optimizer *const inner = region_new(home, optimizer, 1);
    if (inner == NULL) return region_fail(home, error, where, "the inner optimizer");
    const ebb_status status = optimizer_read(home, c->inner_optimizer, where, inner, error);
    return status == EBB_OK ? set_inner(home, where, o, inner, error) : status;
}

ebb_status optimizer_wrap_loss_scale(region *home, optimizer *inner, optimizer *result,
                                     ebb_error *error)
{
    static const char where[] = "LossScaleOptimizer";
    train_object object;
    ebb_status status = train_object_named(&optimizer_table, home, where, where, &object, error);

    if (status != EBB_OK) return status;
    *result = (optimizer){.def = (const optimizer_def *)object.entry, .config = object.config};
    result->name = result->def->default_name;
    return set_inner(home, where, result, inner, error);
}

enum { STEP_COUNTER, DYNAMIC_SCALE };

static void loss_scale_build(optimizer_state *s)
{
    const loss_scale *c = s->o->config;

    s->extras[STEP_COUNTER] =
        optimizer_variable_new(s, optimizer_path(s, "step_counter"), EBB_I32, 0);
    s->extras[DYNAMIC_SCALE] =
        optimizer_variable_new(s, optimizer_path(s, "dynamic_scale"), EBB_F32, c->initial_scale);
    s->inner = region_new(s->e->home, optimizer_state *, 1);
    if (s->inner == NULL) {
        if (graph_ok(s->g)) (void)region_fail(s->e->home, &s->g->error, "optimizer", "its state");
        return;
    }
    s->inner[0] = optimizer_state_new(s->o->inner[0].optimizer, s->e, s->variables, s->count);
    if (s->inner[0] == NULL) return;
    s->inner[0]->loss_scale_factor = NAN;
    s->inner[0]->loss_scale_variable = s->extras[DYNAMIC_SCALE];
    optimizer_state_build(s->inner[0]);
}

static value loss_scale_of_loss(optimizer_state *s, value loss)
{
    return op_mul(s->g, loss, s->extras[DYNAMIC_SCALE]);
}

static value all_finite(graph *g, const value *gradients, uint32_t count)
{
    value result = VALUE_NONE;

    for (uint32_t i = 0; i < count; i++) {
        if (gradients[i] == VALUE_NONE) continue;
        const value finite = arith_all(g, REDUCE_ALL, op_unary(g, UNARY_IS_FINITE, gradients[i]));
        result = result == VALUE_NONE ? finite : arith_both(g, result, finite);
    }
    return result;
}

static void loss_scale_apply(optimizer_state *s, const value *gradients)
{
    graph *const g = s->g;
    const loss_scale *c = s->o->config;
    const value counter = s->extras[STEP_COUNTER], scale = s->extras[DYNAMIC_SCALE];
    const value zero = graph_scalar_i32(g, 0), one = graph_scalar_i32(g, 1);
    const value finite = all_finite(g, gradients, s->count);
    const value last = graph_scalar_i32(g, (int32_t)(c->dynamic_growth_steps - 1));

    s->inner[0]->keep = finite;
    optimizer_apply(s->inner[0], gradients);
    if (!graph_ok(g)) return;
    const value is_growing = op_compare(g, COMPARE_EQUAL, counter, last);
    const value grown = op_select(g, is_growing, arith_affine(g, scale, 2, 0), scale);
    const value counted = op_select(g, is_growing, zero, op_add(g, counter, one));
    train_assign(s->e, scale, op_select(g, finite, grown, arith_affine(g, scale, 0.5f, 0)));
    train_assign(s->e, counter, op_select(g, finite, counted, zero));
}

const optimizer_def optimizer_def_loss_scale = {
    .entry = {"LossScaleOptimizer", NULL, sizeof(loss_scale), loss_scale_fields, loss_scale_check},
    .default_name = "loss_scale_optimizer",
    .learning_rate = 0,
    .build = loss_scale_build,
    .read = loss_scale_read,
    .scale_loss = loss_scale_of_loss,
    .apply = loss_scale_apply,
};
