/* optimizer_step.c -- one step of any optimizer: what Keras's base class does around the rule of
 * each.
 *
 *     gradient / loss scale -> accumulate -> clip -> weight decay -> rule -> moving average ->
 *     overwrite by it -> constraint -> iteration + 1
 *
 * Source: keras/src/optimizers/base_optimizer.py, apply() and what it calls. */
#include <math.h>
#include <string.h>

#include "train/constraint/constraint.h"
#include "train/optimizer/optimizer_state.h"
#include "train/schedule/schedule.h"

/* -- for the rules ------------------------------------------------------------------------------
 */

value optimizer_towards(graph *g, value slot, value target, double factor)
{
    return op_add(g, slot, arith_affine(g, op_sub(g, target, slot), (float)factor, 0));
}

value optimizer_correction(optimizer_state *s, double base)
{
    return arith_complement(s->g, arith_power_of(s->g, (float)base, s->t));
}

void optimizer_put_if(optimizer_state *s, value keep, value variable, value next)
{
    if (keep != VALUE_NONE) next = op_select(s->g, keep, next, variable);
    train_assign(s->e, variable, next);
}

void optimizer_put(optimizer_state *s, value slot, value next)
{
    optimizer_put_if(s, s->update, slot, next);
}

static const gradient_rows *rows_of(const optimizer_state *s, uint32_t index)
{
    return s->rows != NULL ? s->rows[index] : NULL;
}

value optimizer_square(const optimizer_state *s, uint32_t index, value gradient)
{
    const gradient_rows *rows = rows_of(s, index);

    return rows != NULL ? gradient_rows_sum(s->g, rows, UNARY_SQUARE)
                        : arith_square(s->g, gradient);
}

value optimizer_magnitude(const optimizer_state *s, uint32_t index, value gradient)
{
    const gradient_rows *rows = rows_of(s, index);

    return rows != NULL ? gradient_rows_sum(s->g, rows, UNARY_ABS)
                        : op_unary(s->g, UNARY_ABS, gradient);
}

value optimizer_square_of(const optimizer_state *s, uint32_t index, value gradient, value factor,
                          value product)
{
    if (rows_of(s, index) == NULL) return arith_square(s->g, product);
    return op_mul(s->g, optimizer_square(s, index, gradient), arith_square(s->g, factor));
}

static value both(graph *g, value a, value b)
{
    if (a == VALUE_NONE || b == VALUE_NONE) return a == VALUE_NONE ? b : a;
    return arith_both(g, a, b);
}

/* -- the scalars of a step ------------------------------------------------------------------------
 */

value optimizer_learning_rate(optimizer_state *s)
{
    graph *const g = s->g;

    if (s->inner != NULL) {
        return s->inner_of == NULL ? optimizer_learning_rate(s->inner[0]) : VALUE_NONE;
    }
    if (s->learning_rate != VALUE_NONE || !graph_ok(g)) return s->learning_rate;
    s->learning_rate =
        s->rate != VALUE_NONE ? s->rate : schedule_emit(g, &s->o->schedule, s->iteration);
    if (s->base->decay != 0) {
        const value count = op_cast(g, s->iteration, EBB_F32);
        s->learning_rate =
            op_div(g, s->learning_rate, arith_affine(g, count, (float)s->base->decay, 1));
    }
    return s->learning_rate;
}

/* Is (count + 1) a multiple of `every`? */
static value is_every(graph *g, value count, int64_t every)
{
    const value next = op_add(g, count, graph_scalar_i32(g, 1));
    const value rest = op_binary(g, BINARY_MOD, next, graph_scalar_i32(g, (int32_t)every));

    return op_compare(g, COMPARE_EQUAL, rest, graph_scalar_i32(g, 0));
}

/* Returns whether this step updates: VALUE_NONE for always. */
static value begin_step(optimizer_state *s)
{
    graph *const g = s->g;
    const int64_t accumulate = s->base->gradient_accumulation_steps;
    value is_update = VALUE_NONE;

    s->steps = s->iteration;
    if (accumulate > 0) {
        const value divisor = graph_scalar_i32(g, (int32_t)accumulate);
        s->steps = op_binary(g, BINARY_FLOOR_DIV, s->iteration, divisor);
        is_update = is_every(g, s->iteration, accumulate);
    }
    s->update = both(g, s->keep, is_update);
    s->t = arith_affine(g, op_cast(g, s->steps, EBB_F32), 1, 1);
    (void)optimizer_learning_rate(s);
    return is_update;
}

/* -- gradients ------------------------------------------------------------------------------------
 */

/* The sum of this and the kept gradients by their number; it is kept, or begins anew. */
static value accumulate(optimizer_state *s, uint32_t index, value gradient, value is_update)
{
    graph *const g = s->g;
    const value kept = s->accumulators[index], sum = op_add(g, gradient, kept);

    optimizer_put_if(s, s->keep, kept, op_select(g, is_update, graph_scalar(g, 0), sum));
    return op_div(g, sum, graph_scalar(g, (float)s->base->gradient_accumulation_steps));
}

static value squares_sum(const optimizer_state *s, uint32_t index, value gradient)
{
    const gradient_rows *rows = rows_of(s, index);

    return rows != NULL ? gradient_rows_squares(s->g, rows)
                        : arith_all(s->g, REDUCE_SUM, arith_square(s->g, gradient));
}

/* The factor that brings the norm of all gradients together down to `limit`: NaN when one is not
 * finite, as in Keras. */
static value global_factor(const optimizer_state *s, const value *gradients, float limit)
{
    graph *const g = s->g;
    value sum = VALUE_NONE;

    for (uint32_t i = 0; i < s->count; i++) {
        if (gradients[i] == VALUE_NONE) continue;
        const value squares = squares_sum(s, i, gradients[i]);
        sum = sum == VALUE_NONE ? squares : op_add(g, sum, squares);
    }
    const value norm = op_unary(g, UNARY_SQRT, sum);
    const value least =
        arith_min(g, op_unary(g, UNARY_RECIPROCAL, norm), graph_scalar(g, 1.0f / limit));

    return op_add(g, arith_affine(g, least, limit, 0), op_sub(g, norm, norm));
}

static bool limits(double number)
{
    return !isnan(number) && number > 0;
}

static value clip_norm(optimizer_state *s, uint32_t index, value gradient)
{
    graph *const g = s->g;
    const float norm_max = (float)s->base->clipnorm;
    const value norm = op_unary(g, UNARY_SQRT, squares_sum(s, index, gradient));
    const value below = arith_max(g, norm, graph_scalar(g, norm_max));

    if (s->rows[index] != NULL) {
        const value factor = op_div(g, graph_scalar(g, norm_max), below);
        gradient_rows_map(g, s->rows[index], op_mul, factor);
    }
    return op_div(g, arith_affine(g, gradient, norm_max, 0), below);
}

static value clip_value(optimizer_state *s, uint32_t index, value gradient)
{
    const float value_max = (float)s->base->clipvalue;

    if (s->rows[index] == NULL) return arith_clip(s->g, gradient, -value_max, value_max);
    gradient_rows_clip(s->g, s->rows[index], value_max);
    return gradient_rows_sum(s->g, s->rows[index], UNARY_IDENTITY);
}

static void clip(optimizer_state *s, value *gradients)
{
    const optimizer_base *const b = s->base;
    value factor = VALUE_NONE;

    if (!limits(b->clipnorm) && limits(b->global_clipnorm)) {
        factor = global_factor(s, gradients, (float)b->global_clipnorm);
    }
    for (uint32_t i = 0; i < s->count; i++) {
        if (gradients[i] == VALUE_NONE) continue;
        if (limits(b->clipnorm)) {
            gradients[i] = clip_norm(s, i, gradients[i]);
        } else if (factor != VALUE_NONE) {
            gradients[i] = op_mul(s->g, gradients[i], factor);
            s->rows[i] = NULL; /* Keras's product is dense */
        } else if (limits(b->clipvalue)) {
            gradients[i] = clip_value(s, i, gradients[i]);
        }
    }
}

static gradient_rows *find_rows(optimizer_state *s, value gradient)
{
    gradient_rows found;

    if (!graph_ok(s->g) || !gradient_rows_find(s->g, gradient, &found)) return NULL;
    gradient_rows *const kept = region_new(s->e->home, gradient_rows, 1);
    if (kept == NULL) {
        (void)region_fail(s->e->home, &s->g->error, "optimizer", "its gradients");
        return NULL;
    }
    *kept = found;
    return kept;
}

/* A gradient without the scale of the loss, added up over steps. What Keras adds is dense. */
static value prepare_gradient(optimizer_state *s, uint32_t index, value gradient, value is_update)
{
    graph *const g = s->g;

    s->rows[index] = find_rows(s, gradient);
    if (s->loss_scale_variable != VALUE_NONE) {
        if (s->rows[index] != NULL)
            gradient_rows_map(g, s->rows[index], op_div, s->loss_scale_variable);
        gradient = op_div(g, gradient, s->loss_scale_variable);
    }
    if (!isnan(s->loss_scale_factor)) {
        const value scale = graph_scalar(g, (float)s->loss_scale_factor);
        if (s->rows[index] != NULL) gradient_rows_map(g, s->rows[index], op_div, scale);
        gradient = op_div(g, gradient, scale);
    }
    if (s->accumulators == NULL) return gradient;
    s->rows[index] = NULL;
    return accumulate(s, index, gradient, is_update);
}

/* False (and a failure) when no variable has a gradient. */
static bool prepare_gradients(optimizer_state *s, const value *given, value *gradients,
                              value is_update)
{
    graph *const g = s->g;
    bool has_some = s->count == 0;

    for (uint32_t i = 0; i < s->count && graph_ok(g); i++) {
        gradients[i] = given[i];
        if (given[i] == VALUE_NONE) continue;
        has_some = true;
        gradients[i] = prepare_gradient(s, i, given[i], is_update);
    }
    if (!has_some) {
        (void)graph_fail(g, EBB_E_ARGUMENT,
                         "%s: no variable has a gradient; does the loss depend "
                         "on any trainable weight?",
                         s->o->def->entry.name);
    }
    if (graph_ok(g)) clip(s, gradients);
    return graph_ok(g);
}

/* -- variables ------------------------------------------------------------------------------------
 */

/* Does the path hold one of "a|b|c"? */
static bool holds_one_of(const char *path, const char *texts)
{
    for (const char *at = texts; at != NULL;) {
        const char *end = strchr(at, '|');
        const size_t length = end != NULL ? (size_t)(end - at) : strlen(at);

        for (const char *from = path; length > 0 && *from != '\0'; from++) {
            if (strncmp(from, at, length) == 0) return true;
        }
        at = end != NULL ? end + 1 : NULL;
    }
    return false;
}

static value decayed(optimizer_state *s, uint32_t index, value w)
{
    graph *const g = s->g;
    const optimizer_def *const def = s->o->def;
    const double rate =
        def->weight_decay != NULL ? def->weight_decay(s, index) : s->base->weight_decay;

    if (isnan(rate) || holds_one_of(s->variables[index].path, s->o->weight_decay_excluded))
        return w;
    const value factor = arith_affine(g, s->learning_rate, (float)rate, 0);
    return op_sub(g, w, op_mul(g, w, factor));
}

/* What the moving averages need once: how much of the old average stays, and how much is new. */
typedef struct averaging {
    value old, fresh, is_overwriting;
} averaging;

static averaging averaging_of(optimizer_state *s)
{
    graph *const g = s->g;
    averaging a = {0};

    if (s->averages == NULL) return a;
    const value is_later = op_compare(g, COMPARE_NOT_EQUAL, s->steps, graph_scalar_i32(g, 0));
    a.old = arith_affine(g, op_cast(g, is_later, EBB_F32), (float)s->base->ema_momentum, 0);
    a.fresh = arith_complement(g, a.old);
    if (s->base->ema_overwrite_frequency > 0) {
        a.is_overwriting = is_every(g, s->steps, s->base->ema_overwrite_frequency);
    }
    return a;
}

static value average(optimizer_state *s, const averaging *a, uint32_t index, value w)
{
    graph *const g = s->g;

    if (s->averages == NULL) return w;
    const value before = s->averages[index];
    const value after = op_add(g, op_mul(g, a->old, before), op_mul(g, a->fresh, w));
    optimizer_put_if(s, s->keep, before, after);
    return a->is_overwriting != VALUE_NONE ? op_select(g, a->is_overwriting, after, w) : w;
}

static value latest_of(const optimizer_variable *variable)
{
    return variable->latest != VALUE_NONE ? variable->latest : variable->v;
}

static value next_value(optimizer_state *s, uint32_t index, value gradient, value is_update)
{
    const value before = latest_of(&s->variables[index]);

    if (gradient == VALUE_NONE) return before;
    const value w = s->o->def->update(s, index, decayed(s, index, before), gradient);
    return is_update != VALUE_NONE ? op_select(s->g, is_update, w, before) : w;
}

void optimizer_apply_usual(optimizer_state *s, const value *given)
{
    graph *const g = s->g;
    value *const gradients = region_new(s->e->home, value, s->count > 0 ? s->count : 1);

    s->rows = region_new(s->e->home, gradient_rows *, s->count > 0 ? s->count : 1);
    if (gradients == NULL || s->rows == NULL) {
        if (graph_ok(g)) (void)region_fail(s->e->home, &g->error, "optimizer", "its gradients");
        return;
    }
    const value is_update = begin_step(s);
    if (!prepare_gradients(s, given, gradients, is_update)) return;
    if (s->o->def->prepare != NULL) s->o->def->prepare(s);
    const averaging a = averaging_of(s);

    for (uint32_t i = 0; i < s->count && graph_ok(g); i++) {
        const optimizer_variable *const variable = &s->variables[i];
        value w = average(s, &a, i, next_value(s, i, gradients[i], is_update));

        if (gradients[i] != VALUE_NONE && variable->constraint != NULL) {
            w = constraint_emit(g, variable->constraint, w);
        }
        if (s->keep != VALUE_NONE && w != latest_of(variable))
            w = op_select(g, s->keep, w, latest_of(variable));
        if (w != variable->v) train_assign(s->e, variable->v, w);
    }
    optimizer_put_if(s, s->keep, s->iteration, op_add(g, s->iteration, graph_scalar_i32(g, 1)));
}

/* -- any optimizer --------------------------------------------------------------------------------
 */

value optimizer_scale_loss(optimizer_state *s, value loss)
{
    if (s->o->def->scale_loss != NULL) return s->o->def->scale_loss(s, loss);
    if (isnan(s->loss_scale_factor)) return loss;
    return arith_affine(s->g, loss, (float)s->loss_scale_factor, 0);
}

void optimizer_apply(optimizer_state *s, const value *gradients)
{
    if (!graph_ok(s->g)) return;
    if (s->o->def->apply != NULL) {
        s->o->def->apply(s, gradients);
    } else {
        optimizer_apply_usual(s, gradients);
    }
}
