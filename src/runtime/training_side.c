/* training_side.c -- sides: step graphs by the signature of their targets, and executables by
 * shape. Both are kept in small tables; the one not used for longest makes room. */
#include <string.h>

#include "base/status.h"
#include "runtime/meter.h"
#include "runtime/training.h"

#define LABELLED_MAX 4u /* outputs without a loss whose targets are guessed */

/* -- signatures -------------------------------------------------------------------------------- */

/* Targets as their loss expects them: sparse ones lack the last axis of the prediction. */
void side_expect(const training *t, ebb_view *y)
{
    const built_model *built = t->m->built;

    for (uint32_t i = 0; i < built->output_count; i++) {
        const shape *s = graph_shape(built->graph, built->outputs[i].v);
        const output_loss *loss = &t->settings.losses[i];
        const bool is_labelled =
            loss->is_used ? loss->l.def->is_sparse || loss->l.def->takes_labels
                          : i < LABELLED_MAX && (t->labelled >> i & 1) != 0;
        const bool is_sparse = is_labelled && s->rank > 1;
        y[i] = (ebb_view){.dtype = is_sparse ? EBB_I32 : EBB_F32,
                          .rank = is_sparse ? s->rank - 1 : s->rank};
        for (uint32_t k = 0; k < y[i].rank; k++)
            y[i].dims[k] = dim_known(s->dims[k]) ? s->dims[k] : 1;
    }
}

/* Without a loss only metrics tell what targets look like, by refusing others. */
ebb_status side_find_expected(training *t, side_kind kind, ebb_view *y, side **result,
                              ebb_error *error)
{
    uint32_t unknown = 0;

    side_expect(t, y);
    ebb_status status = side_find(t, kind, y, NULL, result, error);
    for (uint32_t i = 0; i < t->m->built->output_count && i < LABELLED_MAX; i++) {
        if (!t->settings.losses[i].is_used) unknown |= 1u << i;
    }
    for (uint32_t bits = unknown; bits > 0 && status == EBB_E_SHAPE; bits = (bits - 1) & unknown) {
        t->labelled = bits;
        side_expect(t, y);
        ebb_error other = {0}; /* the first one says what was refused */
        if (side_find(t, kind, y, NULL, result, &other) == EBB_OK)
            status = EBB_OK;
        else if (other.status != EBB_E_SHAPE)
            status = fail(error, other.status, other.where, "%s", other.text);
    }
    return status;
}

/* Does `made` fit what is asked: type and everything but the rows? */
static bool same_kind(const ebb_view *made, const ebb_view *asked)
{
    return made->dtype == asked->dtype && made->rank == asked->rank &&
           (made->rank < 2 ||
            memcmp(&made->dims[1], &asked->dims[1], (made->rank - 1) * sizeof made->dims[0]) == 0);
}

static bool side_matches(const side *s, const ebb_view *y, const ebb_view *sample_weight,
                         uint32_t count)
{
    if (s->home == NULL || s->has_weights != (sample_weight != NULL)) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!same_kind(&s->y[i], &y[i])) return false;
        if (s->has_weights && !same_kind(&s->sample_weight[i], &sample_weight[i])) return false;
    }
    return true;
}

/* -- making ------------------------------------------------------------------------------------ */

static ebb_view *views_copy(region *home, const ebb_view *views, uint32_t count)
{
    ebb_view *copy = region_new(home, ebb_view, count + 1);

    if (copy != NULL && views != NULL) memcpy(copy, views, count * sizeof *copy);
    return copy;
}

/* The variables of every side are those the first one made. */
static ebb_status check_variables(const training *t, const side *s, ebb_error *error)
{
    const train_emit *e = &s->step.emit;

    if (t->variable_count == 0) return EBB_OK;
    for (uint32_t i = 0; i < e->variable_count; i++) {
        const uint32_t index = e->weight_first + i;
        const tensor_desc d = desc_of(e->graph, e->variables[i].v, NULL);
        if (index < t->variable_count && t->sizes[index] == tensor_desc_bytes(&d)) continue;
        return fail(error, EBB_E_SHAPE, e->variables[i].name,
                    "a metric or optimizer needs other variables for targets of this shape than it "
                    "did before; compile again for them");
    }
    return EBB_OK;
}

static ebb_status side_make(training *t, side *s, side_kind kind, const ebb_view *y,
                            const ebb_view *sample_weight, ebb_error *error)
{
    const uint32_t count = t->m->built->output_count;

    s->home = region_open(t->home, kind == SIDE_TRAIN ? "train" : "test", EBB_CLASS_META, 0);
    if (s->home == NULL) return region_fail(t->home, error, "training", "a step");
    s->kind = kind;
    s->has_weights = sample_weight != NULL;
    s->y = views_copy(s->home, y, count);
    s->sample_weight = views_copy(s->home, sample_weight, count);
    if (s->y == NULL || s->sample_weight == NULL)
        return region_fail(s->home, error, "training", "a step");
    const step_inputs inputs = {.has_sample_weight = s->has_weights,
                                .y = s->y,
                                .sample_weight = s->has_weights ? s->sample_weight : NULL};
    const step_trainable trainable = {choices_answer, t->choices};
    ebb_status status = step_make(s->home, t->m->d, &t->settings, &inputs, kind == SIDE_TRAIN,
                                  t->options.seed, &trainable, &s->step, error);
    if (status == EBB_OK && dim_symbol_count(s->step.emit.graph) > SYMBOLS_MAX) {
        status =
            fail(error, EBB_E_UNSUPPORTED, "training", "%u unknown axes; at most %u are possible",
                 dim_symbol_count(s->step.emit.graph), SYMBOLS_MAX);
    }
    return status == EBB_OK ? check_variables(t, s, error) : status;
}

static void plan_close(side_plan *p)
{
    executable_close(p->e);
    region_close(p->home);
    *p = (side_plan){0};
}

void side_close(side *s)
{
    for (uint32_t i = 0; i < SIDE_PLANS; i++) plan_close(&s->plans[i]);
    region_close(s->home);
    *s = (side){0};
}

ebb_status side_find(training *t, side_kind kind, const ebb_view *y, const ebb_view *sample_weight,
                     side **result, ebb_error *error)
{
    side *const sides = t->sides[kind], *oldest = &sides[0];

    for (uint32_t i = 0; i < SIDES_MAX; i++) {
        if (side_matches(&sides[i], y, sample_weight, t->m->built->output_count)) {
            sides[i].used_at = ++t->clock;
            *result = &sides[i];
            return EBB_OK;
        }
        if (sides[i].used_at < oldest->used_at) oldest = &sides[i];
    }
    side_close(oldest);
    const ebb_status status = side_make(t, oldest, kind, y, sample_weight, error);
    if (status != EBB_OK) side_close(oldest);
    oldest->used_at = status == EBB_OK ? ++t->clock : 0;
    *result = oldest;
    return status;
}

/* -- executables ------------------------------------------------------------------------------- */

ebb_status side_executable_make(training *t, const side *s, region *home, weights *w,
                                const int64_t *symbols, executable **result, ebb_error *error)
{
    const executable_options options = {.home = home,
                                        .device = model_device(t->m),
                                        .graph = s->step.emit.graph,
                                        .weights = w,
                                        .symbols = symbols,
                                        .threads = t->options.threads,
                                        .lanes = 1};

    return executable_make(&options, result, error);
}

static ebb_status plan_make(training *t, side *s, side_plan *p, const int64_t *symbols,
                            ebb_error *error)
{
    p->home = region_open(s->home, "plan", EBB_CLASS_META, 0);
    if (p->home == NULL) return region_fail(s->home, error, "training", "a plan");
    const bool is_first = s->weights == NULL;
    ebb_status status = EBB_OK;
    if (is_first) status = side_order(t, s, symbols, error);
    if (is_first && status == EBB_OK)
        status = weights_open(s->home, model_device(t->m), s->step.emit.graph, false, &s->weights,
                              error);
    if (status == EBB_OK)
        status = side_executable_make(t, s, p->home, s->weights, symbols, &p->e, error);
    if (status == EBB_OK && is_first) status = weights_layout(s->weights, error);
    return status;
}

ebb_status side_plan_find(training *t, side *s, const int64_t *symbols, executable **result,
                          ebb_error *error)
{
    side_plan *oldest = &s->plans[0];

    for (uint32_t i = 0; i < SIDE_PLANS; i++) {
        side_plan *p = &s->plans[i];
        if (p->e != NULL && executable_matches(p->e, symbols)) {
            p->used_at = ++t->clock;
            *result = p->e;
            return EBB_OK;
        }
        if (p->used_at < oldest->used_at) oldest = p;
    }
    plan_close(oldest);
    const ebb_status status = plan_make(t, s, oldest, symbols, error);
    if (status != EBB_OK) {
        plan_close(oldest);
        return status;
    }
    oldest->used_at = ++t->clock;
    *result = oldest->e;
    return EBB_OK;
}

/* -- readiness --------------------------------------------------------------------------------- */

static ebb_status fill_constants(training *t, side *s, ebb_error *error)
{
    region *work = region_open(t->home, "staging", EBB_CLASS_SCRATCH, 0);

    s->constants = region_open(s->home, "constants", EBB_CLASS_WEIGHTS, 0);
    ebb_status status = EBB_OK;
    if (work == NULL || s->constants == NULL)
        status = region_fail(t->home, error, "training", "constants");
    if (status == EBB_OK) status = weights_fill(s->weights, s->constants, work, NULL, error);
    region_close(work);
    if (status == EBB_OK) {
        weights_lend(s->weights, t->memory);
        return EBB_OK;
    }
    region_close(s->constants);
    s->constants = NULL;
    return status;
}

void sides_unbind(training *t)
{
    for (uint32_t kind = 0; kind < SIDE_KINDS; kind++) {
        for (uint32_t i = 0; i < SIDES_MAX; i++) {
            for (uint32_t k = 0; k < SIDE_PLANS; k++) {
                executable *e = t->sides[kind][i].plans[k].e;
                if (e != NULL) executable_unbind(e, 0);
            }
        }
    }
}

void sides_lend(training *t)
{
    for (uint32_t kind = 0; kind < SIDE_KINDS; kind++) {
        for (uint32_t i = 0; i < SIDES_MAX; i++) {
            const side *s = &t->sides[kind][i];
            if (s->constants != NULL) weights_lend(s->weights, t->memory);
        }
    }
}

static ebb_status grow_arena(training *t, uint64_t bytes, ebb_error *error)
{
    if (t->arena != NULL && bytes <= t->arena_bytes) return EBB_OK;
    sides_unbind(t);
    if (t->arena != NULL) region_block_release(t->arena_home, t->arena);
    t->arena = region_block(t->arena_home, bytes + 1);
    t->arena_bytes = t->arena == NULL ? 0 : bytes;
    return t->arena != NULL
               ? EBB_OK
               : region_fail(t->arena_home, error, "training", "activations and gradients");
}

/* Makes code, measured around it as in a load. */
static ebb_status open_code(training *t, executable *e, ebb_error *error)
{
    if (e->step_count == 0 || e->steps[e->step_count - 1].is_open) return EBB_OK;
    const uint64_t before = meter_private_bytes();
    const ebb_status status = executable_open(e, error);
    const uint64_t after = meter_private_bytes();
    if (after > before) region_measured(t->home, after - before);
    return status;
}

ebb_status side_ready(training *t, side *s, executable *e, ebb_error *error)
{
    ebb_status status = s->constants != NULL ? EBB_OK : fill_constants(t, s, error);

    if (status == EBB_OK) status = grow_arena(t, e->arena_bytes, error);
    if (status == EBB_OK) status = open_code(t, e, error);
    if (status == EBB_OK && !e->bindings[0].is_bound)
        status = executable_bind(e, 0, t->arena, error);
    if (status == EBB_OK && e->threads > 1 && !t->holds_executor) {
        status = executor_hold(&t->m->owner->executor, error);
        t->holds_executor = status == EBB_OK;
    }
    return status;
}
