/* model_stage.c -- from a path to a model that lacks only weights, code and arenas.
 *
 * Plan and load run exactly this, in the same order, so the bytes of meta they see are the same
 * bytes. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/size.h"
#include "base/status.h"
#include "format/format.h"
#include "graph/pass.h"
#include "runtime/devices.h"
#include "runtime/options.h"
#include "runtime/recipe.h"
#include "runtime/saved_graph.h"
#include "runtime/scope.h"
#include "runtime/shrink.h"

#define FORM_SEQUENCE 64 /* length assumed for unknown axes when only weight forms are wanted */

ebb_status load_options_read(const ebb_load_options *options, ebb_load_options *result,
                             ebb_error *error)
{
    const ebb_load_options defaults = EBB_LOAD_OPTIONS_INIT;
    static const char where[] = "load options";

    *result = defaults;
    const ebb_status status =
        options_copy(result, sizeof *result, options, where, "EBB_LOAD_OPTIONS_INIT", error);
    if (status != EBB_OK) return status;
    if (result->lanes == 0) result->lanes = 1;
    if (result->plans_max == 0) result->plans_max = PLANS_DEFAULT;
    if (result->lanes > LANES_MAX) {
        return fail(error, EBB_E_ARGUMENT, where, "lanes is %u, at most %u are possible",
                    result->lanes, LANES_MAX);
    }
    if (result->plans_max > 1024) {
        return fail(error, EBB_E_ARGUMENT, where, "plans_max is %u, at most 1024 are possible",
                    result->plans_max);
    }
    return EBB_OK;
}

/* NULL: the thread's device scope says. */
static ebb_status find_device(runtime *r, const char *text, logical_device **result,
                              ebb_error *error)
{
    if (text != NULL) return devices_find(r, text, result, error);
    const ebb_status status = devices_use(r, error);
    *result = devices_here(r);
    return status;
}

static ebb_status open_regions(runtime *r, const char *path, const ebb_load_options *o,
                               logical_device *device, model **result, ebb_error *error)
{
    const char *slash = strrchr(path, '/');
    scope *s = NULL;
    const ebb_status found = scope_acquire(r, o->scope, &s, error);

    if (found != EBB_OK) return found;
    region *parent = s != NULL ? s->home : r->root;
    region *home =
        region_open_on(parent, device->account, slash != NULL && slash[1] != 0 ? slash + 1 : path,
                       EBB_CLASS_META, o->bytes_max);

    model *m = home == NULL ? NULL : region_new(home, model, 1);
    if (m == NULL) {
        const ebb_status status =
            region_fail(home == NULL ? parent : home, error, path, "a model");
        region_close(home);
        scope_release(s);
        return status;
    }
    *result = m;
    m->scope = s;
    m->pins_scope = s != NULL;
    m->owner = r;
    m->device = device;
    m->home = home;
    m->options = *o;
    m->entry_max = o->plans_max;
    pthread_mutex_init(&m->mutex, NULL);
    pthread_mutex_init(&m->training_mutex, NULL);
    pthread_cond_init(&m->lane_free, NULL);
    m->store = region_open(home, "weights", EBB_CLASS_WEIGHTS, 0);
    m->arenas = region_open(home, "lanes", EBB_CLASS_ACTIVATIONS, 0);
    m->lanes = region_new(home, lane, o->lanes);
    m->entries = region_new(home, plan_entry, o->plans_max);
    if (m->store == NULL || m->arenas == NULL || m->lanes == NULL || m->entries == NULL) {
        return region_fail(home, error, path, "a model");
    }
    m->lane_count = o->lanes;
    return EBB_OK;
}

static ebb_status check_ports(const model *m, const char *path, ebb_error *error)
{
    const built_model *built = m->built;

    if (built->input_count > PORTS_MAX || built->output_count > PORTS_MAX) {
        return fail(error, EBB_E_UNSUPPORTED, path,
                    "%u inputs and %u outputs; at most %u of each are possible", built->input_count,
                    built->output_count, PORTS_MAX);
    }
    if (dim_symbol_count(built->graph) > SYMBOLS_MAX) {
        return fail(error, EBB_E_UNSUPPORTED, path, "%u unknown axes; at most %u are possible",
                    dim_symbol_count(built->graph), SYMBOLS_MAX);
    }
    return EBB_OK;
}

/* Nothing to bind: the weights are made. */
static ebb_status prepare_maker(model *m, ebb_error *error)
{
    m->sources = region_new(m->home, weight_source, (size_t)m->built->weight_count + 1);
    m->maker_bytes = weight_maker_bytes(m->built);
    return m->sources != NULL ? EBB_OK : region_fail(m->home, error, m->d->path, "the weights");
}

static ebb_status read_and_build(model *m, const char *path, const recipe *p, ebb_error *error)
{
    ebb_status status = p != NULL
                            ? recipe_read(m->home, p, &m->d, error)
                            : format_read(m->home, path, m->options.architecture, &m->d, error);

    if (status != EBB_OK) return status;
    const bool is_saved_graph = saved_graph_is(m->d);
    const assemble_options how = {.keeps_states = m->options.keeps_states,
                                  .seed = p != NULL ? p->seed : 0};
    if (m->d->model == NULL && !is_saved_graph) {
        return fail(error, EBB_E_UNSUPPORTED, path,
                    "the file holds weights only: give the architecture (a JSON file) as well");
    }
    status = is_saved_graph
                 ? saved_graph_build(m->home, m->d, m->options.signature, NULL, NULL, &m->built,
                                     &m->sources, error)
                 : assemble_model(m->home, m->d, &how, &m->built, error);
    if (status == EBB_OK) status = check_ports(m, path, error);
    if (status == EBB_OK && p == NULL && !is_saved_graph)
        status = bind_weights(m->home, m->d, m->built, NULL, NULL, &m->sources, error);
    if (status == EBB_OK && p != NULL) status = prepare_maker(m, error);
    if (status == EBB_OK) status = shrink_stage(m, p, error);
    if (status == EBB_OK) status = passes_run(m->built->graph, m->options.inference_only, error);
    if (status == EBB_OK) {
        status = weights_open(m->home, model_device(m), m->built->graph,
                              !m->options.inference_only, &m->weights, error);
    }
    if (status != EBB_OK) return status;
    m->weights->packed_from = &m->packed_from;
    return model_states_open(m, error);
}

/* -- executables --------------------------------------------------------------------------------
 */

static void find_batch_symbol(model *m)
{
    const graph *g = m->built->graph;

    m->batch_symbol = m->built->batch == 0 ? -1 : dim_symbol_number(g, m->built->batch);
    m->is_row_wise = m->batch_symbol >= 0 && graph_rows_independent(g, (uint32_t)m->batch_symbol);
}

static ebb_status make_executable(model *m, const int64_t *symbols, executable **result,
                                  ebb_error *error)
{
    const executable_options options = {.home = m->home,
                                        .device = model_device(m),
                                        .graph = m->built->graph,
                                        .weights = m->weights,
                                        .symbols = symbols,
                                        .threads = m->options.threads,
                                        .lanes = m->lane_count};

    return executable_make(&options, result, error);
}

static ebb_status make_planned(model *m, int64_t *symbols, uint32_t rows, ebb_error *error)
{
    if (m->batch_symbol >= 0) symbols[m->batch_symbol] = rows;
    const ebb_status status = make_executable(m, symbols, &m->planned[m->planned_count], error);
    m->planned_count += m->planned[m->planned_count] != NULL;
    if (status == EBB_OK && m->planned[m->planned_count - 1]->arena_bytes > m->arena_bytes) {
        m->arena_bytes = m->planned[m->planned_count - 1]->arena_bytes;
    }
    return status;
}

/* With unknown lengths nothing can be planned, but kernels may still choose how weights are stored.
 */
static void choose_forms(model *m, int64_t *symbols, uint32_t count)
{
    executable *guess = NULL;

    for (uint32_t i = 0; i < count; i++) symbols[i] = FORM_SEQUENCE;
    if (m->batch_symbol >= 0) symbols[m->batch_symbol] = 1;
    (void)make_executable(m, symbols, &guess,
                          NULL); /* a guess that does not fit leaves weights plain */
    executable_close(guess);
}

static uint32_t batch_for(const model *m)
{
    uint32_t batch = 1;

    if (m->options.batch != 0) return m->options.batch;
    if (!m->is_row_wise) return 1;
    uint64_t bytes = m->planned[0]->arena_bytes;
    while (batch < BATCH_AUTO_MAX && bytes * 2 <= BATCH_AUTO_BYTES) {
        bytes *= 2;
        batch *= 2;
    }
    return batch;
}

/* Where axis 0 is no batch but a length of one image, one row may be too short. */
static bool fits_one_row(model *m, int64_t *symbols)
{
    const graph *g = m->built->graph;

    if (m->batch_symbol < 0 || m->is_row_wise) return true;
    region *work = region_open(m->home, "shapes", EBB_CLASS_SCRATCH, 0);
    int64_t *values = work == NULL ? NULL : region_new(work, int64_t, dim_count(g) + 1);
    symbols[m->batch_symbol] = 1;
    const bool fits = values == NULL || dim_evaluate(g, symbols, values, NULL) != EBB_E_SHAPE;
    region_close(work);
    return fits;
}

static ebb_status plan_executables(model *m, ebb_error *error)
{
    const graph *g = m->built->graph;
    const uint32_t count = dim_symbol_count(g);
    int64_t *symbols = region_new(m->home, int64_t, count + 1);
    ebb_status status = EBB_OK;

    if (symbols == NULL) return region_fail(m->home, error, "plan", "shapes");
    find_batch_symbol(m);
    const bool has_unknown = count > (m->batch_symbol >= 0 ? 1u : 0u);
    if (has_unknown && m->options.sequence == 0) {
        choose_forms(m, symbols, count);
        m->info.batch = m->options.batch != 0 ? m->options.batch : BATCH_AUTO_MAX;
        return weights_layout(m->weights, error);
    }
    for (uint32_t i = 0; i < count; i++) symbols[i] = m->options.sequence;
    status = fits_one_row(m, symbols) ? make_planned(m, symbols, 1, error) : EBB_OK;
    m->info.batch = status == EBB_OK ? batch_for(m) : 1;
    if (status == EBB_OK && m->batch_symbol >= 0 && m->info.batch > 1) {
        status = make_planned(m, symbols, m->info.batch, error);
    }
    if (status == EBB_OK) status = weights_layout(m->weights, error);
    return status;
}

/* -- facts about the model ------------------------------------------------------------------------
 */

static void copy_text(char *to, size_t capacity, const char *from)
{
    const size_t length = from == NULL ? 0 : strlen(from);
    const size_t kept = length < capacity ? length : capacity - 1;

    if (kept > 0) memcpy(to, from, kept);
    to[kept] = 0;
}

/* A later chdir() must not make ebb_model_delete() look elsewhere. Without a working directory the
 * path stays as it is. */
static const char *absolute_path(region *home, const char *path)
{
    char here[PATH_MAX];

    if (path[0] == '/' || getcwd(here, sizeof here) == NULL) return region_text(home, path);
    return region_format(home, "%s/%s", here, path);
}

static ebb_status describe(model *m, const char *path, bool is_file, ebb_error *error)
{
    ebb_model_info *info = &m->info;

    copy_text(info->name, sizeof info->name, m->built->top->config->name);
    copy_text(info->path, sizeof info->path, is_file ? path : "");
    copy_text(info->format, sizeof info->format, m->d->format);
    copy_text(info->keras_version, sizeof info->keras_version, m->d->keras_version);
    info->inputs = m->built->input_count;
    info->outputs = m->built->output_count;
    info->layers = m->built->top->config->layer_count;
    info->weights = m->built->weight_count;
    info->parameters = m->built->parameters;
    info->parameters_trainable = m->built->parameters_trainable;
    info->lanes = m->lane_count;
    info->inference_only = m->options.inference_only;
    info->is_row_wise = m->is_row_wise;
    info->threads = 1;
    for (uint32_t i = 0; i < m->planned_count; i++) {
        if (m->planned[i]->threads > info->threads) info->threads = m->planned[i]->threads;
    }
    if (m->planned_count == 0) {
        info->threads = m->options.threads == 0 ? model_device(m)->threads : m->options.threads;
    }
    if (is_file) m->file = absolute_path(m->home, path);
    return is_file && m->file == NULL ? region_fail(m->home, error, path, "its path") : EBB_OK;
}

ebb_status model_stage(runtime *r, const char *path, const ebb_load_options *options,
                       model **result, ebb_error *error)
{
    return model_stage_recipe(r, path, NULL, options, result, error);
}

ebb_status model_stage_recipe(runtime *r, const char *path, const recipe *recipe,
                              const ebb_load_options *options, model **result, ebb_error *error)
{
    ebb_load_options o;
    ebb_status status = load_options_read(options, &o, error);

    *result = NULL;
    if (status == EBB_OK && path == NULL) {
        status = fail(error, EBB_E_ARGUMENT, "path", "expected a file name, got NULL");
    }
    logical_device *device = NULL;
    if (status == EBB_OK) status = find_device(r, o.device, &device, error);
    if (status == EBB_OK) status = open_regions(r, path, &o, device, result, error);
    if (status != EBB_OK) return status;
    model *m = *result;
    status = read_and_build(m, path, recipe, error);
    if (status == EBB_OK) status = plan_executables(m, error);
    if (status == EBB_OK) status = describe(m, path, recipe == NULL, error);
    return status;
}

void model_plan_read(const model *m, ebb_plan *plan)
{
    ebb_memory staged = {0};
    uint64_t blocks;

    *plan = (ebb_plan){0};
    region_read(m->home, &staged);
    memcpy(plan->by_class, staged.by_class, sizeof plan->by_class);
    plan->by_class[EBB_CLASS_CODE] = 0;
    blocks = m->weights->block_bytes == 0 ? 0 : region_block_bytes(m->weights->block_bytes);
    plan->by_class[EBB_CLASS_WEIGHTS] += blocks;
    if (m->arena_bytes > 0) {
        plan->by_class[EBB_CLASS_ACTIVATIONS] += m->lane_count * region_block_bytes(m->arena_bytes);
    }
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) plan->total += plan->by_class[i];
    plan->peak =
        region_bytes_live(m->home) + blocks + weights_scratch_bytes(m->weights) + m->maker_bytes;
    if (plan->peak < plan->total) plan->peak = plan->total;
    if (plan->peak < region_bytes_peak(m->home)) plan->peak = region_bytes_peak(m->home);
    plan->file_bytes = m->d->file_bytes;
    plan->parameters = m->built->parameters;
    plan->batch = m->info.batch;
    plan->lanes = m->lane_count;
    plan->threads = m->info.threads;
    plan->flops = m->planned_count > 0 ? m->planned[0]->flops : 0;
}
