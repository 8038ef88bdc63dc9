/* training_stage.c -- compile: settings, the first step graph, its plan; then blocks and first
 * values. Plan and compile run the same stage, so they see the same bytes. */
#include <inttypes.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "runtime/advice.h"
#include "runtime/options.h"
#include "runtime/shrink.h"
#include "runtime/training.h"
#include "tensor/dtype.h"

#define BATCH_DEFAULT   32u
#define SHRINK_ROUNDS   4u
#define BATCHES_AT_ONCE 3u                    /* trained, ready, being read */
#define FIT_BYTES       ((uint64_t)128 << 10) /* callbacks, History */

static ebb_status read_options(training *t, const ebb_compile_options *options, ebb_error *error)
{
    ebb_compile_options o = EBB_COMPILE_OPTIONS_INIT;
    const json *config = NULL;
    ebb_status status =
        options_copy(&o, sizeof o, options, "compile options", "EBB_COMPILE_OPTIONS_INIT", error);

    if (status == EBB_OK) status = settings_text_read(t->home, &o, &config, error);
    if (status != EBB_OK) return status;
    if (o.batch == 0) o.batch = BATCH_DEFAULT;
    t->takes_state = config == NULL && !o.forget_state;
    if (config == NULL) config = t->m->d->compile_config;
    if (json_is_null(config)) {
        return fail(error, EBB_E_STATE, t->m->info.name,
                    "the file has no settings of compile(); give an optimizer and a loss");
    }
    t->options = o;
    t->options.optimizer = t->options.loss = t->options.loss_weights = NULL;
    t->options.metrics = t->options.weighted_metrics = NULL;
    return settings_read(t->home, config, t->m->built, &t->settings, error);
}

static ebb_status open_regions(model *m, const ebb_compile_options *options, training **result,
                               ebb_error *error)
{
    region *home =
        region_open(m->home, "training", EBB_CLASS_META, options != NULL ? options->bytes_max : 0);
    training *t = home == NULL ? NULL : region_new(home, training, 1);

    if (t == NULL) {
        const ebb_status status =
            region_fail(home == NULL ? m->home : home, error, m->info.name, "training");
        region_close(home);
        return status;
    }
    *result = t;
    t->m = m;
    t->home = home;
    t->variables = region_open(home, "variables", EBB_CLASS_WEIGHTS, 0);
    t->state = region_open(home, "optimizer", EBB_CLASS_OPTIMIZER, 0);
    t->arena_home = region_open(home, "arena", EBB_CLASS_GRADIENTS, 0);
    if (t->variables == NULL || t->state == NULL || t->arena_home == NULL)
        return region_fail(home, error, m->info.name, "training");
    return EBB_OK;
}

static side *first_side(training *t)
{
    return &t->sides[t->settings.optimizer != NULL ? SIDE_TRAIN : SIDE_TEST][0];
}

const train_step *training_first_step(const training *t)
{
    const side *sides = t->sides[t->settings.optimizer != NULL ? SIDE_TRAIN : SIDE_TEST];

    for (uint32_t i = 0; i + 1 < SIDES_MAX; i++) {
        if (sides[i].home != NULL) return &sides[i].step;
    }
    return &sides[SIDES_MAX - 1].step; /* one is always there */
}

/* -- variables --------------------------------------------------------------------------------- */

static ebb_status lay_out(training *t, uint32_t index, uint64_t bytes, uint64_t *total,
                          ebb_error *error)
{
    size_t end = *total;

    t->offsets[index] = *total;
    t->sizes[index] = bytes;
    if (!size_add(end, bytes, &end) || !size_align(end, BLOCK_ALIGNMENT, &end)) {
        return fail(error, EBB_E_MEMORY, "training",
                    "the variables do not fit into memory addresses");
    }
    *total = end;
    return EBB_OK;
}

/* Offsets of every variable: the model's in one block, those of training in another. */
static ebb_status lay_out_variables(training *t, const train_step *step, ebb_error *error)
{
    const built_model *built = step->model;
    const train_emit *e = &step->emit;
    const uint32_t count = e->weight_first + e->variable_count;
    ebb_status status = EBB_OK;

    t->offsets = region_new(t->home, uint64_t, count + 1);
    t->sizes = region_new(t->home, uint64_t, count + 1);
    t->memory = region_new(t->home, void *, count + 1);
    if (t->offsets == NULL || t->sizes == NULL || t->memory == NULL)
        return region_fail(t->home, error, "training", "the table of variables");
    for (uint32_t i = 0; i < built->weight_count && status == EBB_OK; i++) {
        const tensor_desc d = desc_of(built->graph, built->weights[i]->v, NULL);
        status = lay_out(t, i, tensor_desc_bytes(&d), &t->variable_bytes, error);
    }
    for (uint32_t i = 0; i < e->variable_count && status == EBB_OK; i++) {
        const tensor_desc d = desc_of(e->graph, e->variables[i].v, NULL);
        status = lay_out(t, e->weight_first + i, tensor_desc_bytes(&d), &t->state_bytes, error);
    }
    t->variable_count = count;
    t->metric_first = e->weight_first + step->metric_first;
    t->metric_count = step->optimizer_first - step->metric_first;
    t->optimizer_first = e->weight_first + step->optimizer_first;
    return status;
}

static ebb_status open_blocks(training *t, ebb_error *error)
{
    const uint32_t own = t->m->built->weight_count;

    t->variable_block = region_block(t->variables, t->variable_bytes + 1);
    t->state_block = region_block(t->state, t->state_bytes + 1);
    if (t->variable_block == NULL || t->state_block == NULL) {
        return region_fail(t->variable_block == NULL ? t->variables : t->state, error,
                           t->m->info.name, "the variables of training");
    }
    for (uint32_t i = 0; i < t->variable_count; i++) {
        t->memory[i] = (i < own ? t->variable_block : t->state_block) + t->offsets[i];
    }
    model_states_share(t->m, t->memory);
    return EBB_OK;
}

/* What the model's weights are now. */
static ebb_status copy_weights(training *t, ebb_error *error)
{
    model *m = t->m;
    const uint32_t lane_index = lane_take(m);
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < m->built->weight_count && status == EBB_OK; i++) {
        status = weights_get(m->weights, m->built->weights[i]->v, t->memory[i], error);
    }
    lane_release(m, lane_index);
    return status;
}

static void fill_number(ebb_dtype dtype, void *memory, uint64_t count, double number)
{
    for (uint64_t i = 0; i < count; i++) {
        if (dtype == EBB_I32)
            ((int32_t *)memory)[i] = (int32_t)number;
        else
            ((float *)memory)[i] = (float)number;
    }
}

void training_begin_variables(training *t)
{
    const train_emit *e = &training_first_step(t)->emit;
    const uint32_t kept = t->m->states != NULL ? t->m->built->state_count : 0;

    for (uint32_t i = 0; i < e->variable_count; i++) {
        const train_variable *v = &e->variables[i];
        const uint32_t index = e->weight_first + i;
        if (i > 0 && i <= kept) continue; /* they go on */
        if (v->like != VALUE_NONE) {
            memcpy(t->memory[index], t->memory[graph_value(e->graph, v->like)->index],
                   t->sizes[index]);
        } else {
            fill_number(v->dtype, t->memory[index], t->sizes[index] / ebb_dtype_bytes(v->dtype),
                        v->initial);
        }
    }
}

/* -- the stage --------------------------------------------------------------------------------- */

/* The plan for `batch` rows, unless lengths are unknown that nobody told. */
static ebb_status plan_batch(training *t, side *s, ebb_error *error)
{
    const graph *g = s->step.emit.graph;
    const uint32_t count = dim_symbol_count(g);
    const int rows = s->step.model->batch == 0 ? -1 : dim_symbol_number(g, s->step.model->batch);
    int64_t symbols[SYMBOLS_MAX];
    executable *e = NULL;

    if (count > (rows >= 0 ? 1u : 0u) && t->m->options.sequence == 0) return EBB_OK;
    for (uint32_t i = 0; i < count; i++) symbols[i] = t->m->options.sequence;
    if (rows >= 0) symbols[rows] = t->options.batch;
    return side_plan_find(t, s, symbols, &e, error);
}

static ebb_status describe_engine(training *t, ebb_error *error)
{
    const train_step *step = &first_side(t)->step;
    const built_model *built = t->m->built;
    const size_t ports = (size_t)built->output_count + built->input_count;
    const char **names = region_new(t->home, const char *, ports + 1);
    ebb_dtype *dtypes = region_new(t->home, ebb_dtype, ports + 1);
    const char **titles = region_new(t->home, const char *, step->result_count + 1);
    uint32_t losses = 1;

    if (names == NULL || titles == NULL || dtypes == NULL)
        return region_fail(t->home, error, "training", "names");
    for (uint32_t i = 0; i < step->result_count; i++) {
        titles[i] = region_text(t->home, step->titles[i]);
        if (titles[i] == NULL) return region_fail(t->home, error, "training", "names");
    }
    for (uint32_t i = 0; i < built->output_count; i++) {
        names[i] = built->outputs[i].name;
        losses += t->settings.shows_losses && t->settings.losses[i].is_used;
    }
    for (uint32_t i = 0; i < built->input_count; i++) {
        names[built->output_count + i] = built->inputs[i].name;
        dtypes[i] = built->inputs[i].dtype;
    }
    t->engine = (engine){.def = &training_engine,
                         .home = t->home,
                         .model = {t->m->id},
                         .titles = titles,
                         .result_count = step->result_count,
                         .loss_count = losses,
                         .output_count = built->output_count,
                         .output_names = names,
                         .input_count = built->input_count,
                         .input_names = names + built->output_count,
                         .input_dtypes = dtypes,
                         .log = &t->m->owner->log};
    if (step->result_count <= RESULTS_MAX) return EBB_OK;
    return fail(error, EBB_E_UNSUPPORTED, t->m->info.name,
                "%u losses and metrics; at most %u are possible", step->result_count, RESULTS_MAX);
}

/* -- room -------------------------------------------------------------------------------------- */

typedef struct shortage {
    uint64_t need, room; /* bytes beyond those that the stage has taken */
    const char *limit;
    bool is_shared;               /* with other models, which could go */
    const logical_device *device; /* whose limit it is; NULL: of no device */
} shortage;

static uint64_t room_below(uint64_t limit, uint64_t live)
{
    return limit == 0 ? UINT64_MAX : live < limit ? limit - live : 0;
}

static uint64_t room_in(const region *r)
{
    return room_below(region_bytes_max(r), region_bytes_live(r));
}

static uint64_t room_on(const logical_device *d)
{
    return room_below(account_bytes_max(d->account), account_bytes_live(d->account));
}

static uint64_t row_bytes(const graph *g, value v)
{
    const shape *s = graph_shape(g, v);
    uint64_t bytes = ebb_dtype_bytes(graph_value(g, v)->dtype);

    for (uint32_t i = 1; i < s->rank; i++)
        bytes *= dim_known(s->dims[i]) ? (uint64_t)s->dims[i] : 1;
    return bytes;
}

/* What fit may take for batches that it gathers or reads itself. */
static uint64_t data_bytes(const training *t)
{
    const train_step *step = training_first_step(t);
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < step->emit.graph->input_count; i++)
        bytes += row_bytes(step->emit.graph, step->emit.graph->inputs[i]);
    return BATCHES_AT_ONCE * region_block_bytes(bytes * t->options.batch) + FIT_BYTES;
}

/* Does training with `data` bytes of batches fit below every limit? */
static bool has_room(const training *t, const ebb_plan *plan, int64_t reserved, uint64_t data,
                     shortage *s)
{
    const logical_device *const device = t->m->device;
    const struct {
        uint64_t room;
        int64_t reserved;
        const char *name;
        bool is_shared;
        const logical_device *device;
    } limits[] = {
        {room_in(t->home), 0, "bytes_max of training", false, NULL},
        {room_in(t->m->home), reserved, "bytes_max of the model", false, NULL},
        {room_on(device), reserved, device->name, true, device},
        {room_in(t->m->owner->root), reserved, "the runtime's limit", true, NULL},
    };

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const uint64_t own = plan->peak - region_bytes_live(t->home) + data;
        const uint64_t freed = limits[i].reserved < 0 ? (uint64_t)-limits[i].reserved : 0;
        s->need = limits[i].reserved > 0 ? own + (uint64_t)limits[i].reserved
                  : own > freed          ? own - freed
                                         : 0;
        s->room = limits[i].room;
        s->limit = limits[i].name;
        s->is_shared = limits[i].is_shared;
        s->device = limits[i].device;
        if (s->need > s->room) return false;
    }
    return true;
}

static ebb_status refuse(const training *t, const shortage *s, ebb_error *error)
{
    const model *const m = t->m;
    char advice[ADVICE_BYTES] = "";

    if (s->is_shared) (void)advice_write(m->owner, s->device, m, s->need - s->room, advice);
    return fail(error, EBB_E_MEMORY, m->info.name,
                "training needs %" PRIu64 " bytes more, but %s leaves %" PRIu64
                ", and computing activations twice does not save enough; raise it or plan for a "
                "smaller batch%s%s",
                s->need, s->limit, s->room, advice[0] != '\0' ? "; " : "", advice);
}

/* The first side anew, with an arena below `arena_max`. */
static ebb_status remake(training *t, const ebb_view *y, uint64_t arena_max, ebb_error *error)
{
    side *s = first_side(t);

    t->arena_max = arena_max;
    side_close(s);
    const ebb_status status =
        side_find(t, t->settings.optimizer != NULL ? SIDE_TRAIN : SIDE_TEST, y, NULL, &s, error);
    return status == EBB_OK ? plan_batch(t, s, error) : status;
}

/* Copies of nodes take memory too, so it may need some rounds. */
static ebb_status fit_with(training *t, const ebb_view *y, int64_t reserved, uint64_t data,
                           ebb_plan *plan, ebb_error *error)
{
    shortage s;
    ebb_plan smaller = *plan;

    for (uint32_t round = 0; !has_room(t, &smaller, reserved, data, &s); round++) {
        const executable *e = first_side(t)->plans[0].e;
        const uint64_t missing = s.need - s.room;
        if (round == SHRINK_ROUNDS || e == NULL || t->settings.optimizer == NULL ||
            e->arena_bytes <= missing)
            return refuse(t, &s, error);
        const ebb_status status = remake(t, y, e->arena_bytes - missing, error);
        if (status == EBB_E_MEMORY) return refuse(t, &s, error);
        if (status != EBB_OK) return status;
        training_plan_read(t, &smaller);
    }
    *plan = smaller;
    return EBB_OK;
}

/* With room for the batches of fit if that can be, else without: a caller may have batches of its
 * own. */
static ebb_status fit_room(training *t, const ebb_view *y, int64_t reserved, ebb_plan *plan,
                           ebb_error *error)
{
    const uint64_t data = data_bytes(t);

    training_plan_read(t, plan);
    ebb_status status = fit_with(t, y, reserved, data, plan, error);
    if (status != EBB_E_MEMORY) return status;
    status = remake(t, y, 0, error);
    return status == EBB_OK ? fit_with(t, y, reserved, 0, plan, error) : status;
}

ebb_status training_stage(model *m, const ebb_compile_options *options, int64_t reserved,
                          ebb_plan *plan, training **result, ebb_error *error)
{
    training *t = NULL;
    side *s = NULL;

    *result = NULL;
    *plan = (ebb_plan){0};
    if (m->options.inference_only) {
        return fail(error, EBB_E_UNSUPPORTED, m->info.name,
                    "the model was loaded with inference_only, so its weights were folded; load it "
                    "without");
    }
    ebb_status status = shrink_check_trained(m, error);
    if (status == EBB_OK) status = open_regions(m, options, result, error);
    t = *result;
    if (status == EBB_OK) status = read_options(t, options, error);
    if (status == EBB_OK) status = choices_copy(m, t->home, &t->choices, error);
    if (status != EBB_OK) return status;
    ebb_view y[PORTS_MAX];
    const side_kind kind = t->settings.optimizer != NULL ? SIDE_TRAIN : SIDE_TEST;
    status = side_find_expected(t, kind, y, &s, error);
    if (status == EBB_OK) status = lay_out_variables(t, &s->step, error);
    if (status == EBB_OK) status = plan_batch(t, s, error);
    if (status == EBB_OK) status = describe_engine(t, error);
    if (status == EBB_OK) status = fit_room(t, y, reserved, plan, error);
    return status;
}

ebb_status training_ready(training *t, ebb_error *error)
{
    side *s = first_side(t);
    ebb_status status = open_blocks(t, error);

    if (status == EBB_OK) status = copy_weights(t, error);
    if (status != EBB_OK) return status;
    training_begin_variables(t);
    if (t->takes_state) status = training_state_load(t, t->m->d, error);
    if (status != EBB_OK) return status;
    if (s->plans[0].e == NULL) return EBB_OK;
    return side_ready(t, s, s->plans[0].e, error);
}

void training_plan_read(const training *t, ebb_plan *plan)
{
    const side *s = first_side((training *)(uintptr_t)t);
    const executable *e = s->plans[0].e;
    ebb_memory staged = {0};

    *plan = (ebb_plan){0};
    region_read(t->home, &staged);
    memcpy(plan->by_class, staged.by_class, sizeof plan->by_class);
    plan->by_class[EBB_CLASS_CODE] = 0;
    plan->by_class[EBB_CLASS_WEIGHTS] += region_block_bytes(t->variable_bytes + 1);
    plan->by_class[EBB_CLASS_OPTIMIZER] += region_block_bytes(t->state_bytes + 1);
    if (e != NULL) {
        const uint64_t constants = s->weights->block_bytes;
        plan->by_class[EBB_CLASS_WEIGHTS] += constants == 0 ? 0 : region_block_bytes(constants);
        plan->by_class[EBB_CLASS_GRADIENTS] += region_block_bytes(e->arena_bytes + 1);
        plan->flops = e->flops;
        plan->threads = e->threads;
    }
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) plan->total += plan->by_class[i];
    plan->peak = plan->total;
    if (e != NULL) { /* constants are folded before there is an arena */
        const uint64_t folding = weights_fold_bytes(s->weights);
        const uint64_t arena = region_block_bytes(e->arena_bytes + 1);
        if (folding > arena) plan->peak += folding - arena;
    }
    plan->batch = t->options.batch;
    plan->lanes = 1;
    plan->parameters = t->m->built->parameters;
}

uint32_t training_close(training *t)
{
    uint32_t threads = 0;

    if (t == NULL) return 0;
    for (uint32_t kind = 0; kind < SIDE_KINDS; kind++) {
        for (uint32_t i = 0; i < SIDES_MAX; i++) side_close(&t->sides[kind][i]);
    }
    if (t->holds_executor) threads = executor_release(&t->m->owner->executor);
    region_close(t->home);
    return threads;
}
