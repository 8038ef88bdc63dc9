/* stepper.c -- see stepper.h. Everything that can fail comes before a step, so a step is made whole
 * or not at all. */
#include "runtime/stepper.h"

#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "runtime/devices.h"
#include "tensor/view.h"
#include "train/standalone.h"
#include "train/variable_access.h"

static const char title[] = "optimizer";

/* -- steps ------------------------------------------------------------------------------------- */

static void step_close(stepper_step *step)
{
    runner_close(&step->r);
    region_close(step->home);
    *step = (stepper_step){0};
}

static ebb_status step_make(stepper *s, stepper_step *step, const bool *given, ebb_error *error)
{
    if (s->cache == NULL) {
        s->cache = region_open(s->base.home, "plans", EBB_CLASS_META, 0);
        if (s->cache == NULL) return region_fail(s->base.home, error, title, "a step");
        region_mark_cached(s->cache);
    }
    step->home = region_open(s->cache, "step", EBB_CLASS_META, 0);
    if (step->home == NULL) return region_fail(s->cache, error, title, "a step");
    const ebb_status status = apply_graph_make(step->home, &s->settings, s->weights,
                                               s->weight_count, given, &step->graph, error);
    if (status != EBB_OK) return status;
    step->given = region_new(step->home, bool, (size_t)s->weight_count + 1);
    step->inputs = region_new(step->home, ebb_view, (size_t)s->weight_count + 1);
    region *home = region_open(step->home, "run", EBB_CLASS_META, 0);
    if (step->given == NULL || step->inputs == NULL || home == NULL)
        return region_fail(step->home, error, title, "a step");
    memcpy(step->given, given, s->weight_count * sizeof *given);
    runner_open(&step->r, &s->runners, home, step->graph.emit.graph, s->device, s->memory);
    return EBB_OK;
}

static ebb_status step_find(stepper *s, const bool *given, stepper_step **result, ebb_error *error)
{
    stepper_step *oldest = &s->steps[0];

    for (uint32_t i = 0; i < STEPPER_STEPS; i++) {
        stepper_step *step = &s->steps[i];
        if (step->home != NULL &&
            memcmp(step->given, given, s->weight_count * sizeof *given) == 0) {
            step->used_at = ++s->clock;
            *result = step;
            return EBB_OK;
        }
        if (step->used_at < oldest->used_at) oldest = step;
    }
    step_close(oldest);
    const ebb_status status = step_make(s, oldest, given, error);
    if (status != EBB_OK) step_close(oldest);
    oldest->used_at = status == EBB_OK ? ++s->clock : 0;
    *result = oldest;
    return status;
}

/* -- life -------------------------------------------------------------------------------------- */

/* Returns threads that ended. */
static uint32_t rest(stepper *s)
{
    for (uint32_t i = 0; i < STEPPER_STEPS; i++) step_close(&s->steps[i]);
    region_close(s->cache);
    s->cache = NULL;
    return runners_rest(&s->runners);
}

static void end(void *object, ebb_receipt *receipt)
{
    stepper *s = object;
    ebb_memory before = {0}, after = {0};

    region_read(s->base.home, &before);
    receipt->threads += rest(s);
    region_read(s->base.home, &after);
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++)
        receipt->bytes[i] += before.by_class[i] - after.by_class[i];
    receipt->bytes_total += before.live - after.live;
    pthread_mutex_destroy(&s->mutex);
    managed_end(&s->base, receipt);
}

static uint64_t trim(void *object)
{
    stepper *s = object;

    if (pthread_mutex_trylock(&s->mutex) != 0) return 0;
    const uint64_t before = region_bytes_live(s->base.home);
    (void)rest(s);
    const uint64_t bytes = before - region_bytes_live(s->base.home);
    pthread_mutex_unlock(&s->mutex);
    return bytes;
}

static bool fork_lock(void *object)
{
    stepper *s = object;
    return pthread_mutex_trylock(&s->mutex) == 0;
}

static void fork_unlock(void *object, bool is_child)
{
    stepper *s = object;

    (void)is_child;
    pthread_mutex_unlock(&s->mutex);
}

/* The texts of an optimizer's settings stay in its JSON. */
static ebb_status read_settings(stepper *s, const char *text, ebb_error *error)
{
    const char *copy = region_text(s->base.home, text);
    const json *given = NULL;

    if (text != NULL && copy == NULL) return region_fail(s->base.home, error, title, "its text");
    const ebb_status status = standalone_text_read(s->base.home, title, copy, &given, error);
    if (status != EBB_OK) return status;
    return optimizer_read(s->base.home, given, title, &s->settings, error);
}

static ebb_status read_weights(stepper *s, const ebb_tensor_info *weights, size_t count,
                               ebb_error *error)
{
    region *const home = s->base.home;
    uint64_t elements = 0;

    if (count == 0 || weights == NULL || count > UINT32_MAX / 4)
        return fail(error, EBB_E_ARGUMENT, title, "expected at least one weight");
    s->weight_count = (uint32_t)count;
    s->weights = region_new(home, ebb_tensor_info, count);
    s->given = region_new(home, bool, count);
    if (s->weights == NULL || s->given == NULL)
        return region_fail(home, error, title, "the list of weights");
    for (size_t i = 0; i < count; i++) {
        ebb_tensor_info *to = &s->weights[i];
        *to = weights[i];
        to->name[sizeof to->name - 1] = '\0';
        if (to->dtype == EBB_DTYPE_NONE) to->dtype = EBB_F32;
        s->given[i] = true;
        if (to->rank <= EBB_RANK_MAX && dims_count(to->rank, to->dims, &elements)) continue;
        return fail(error, EBB_E_SHAPE, to->name, "weight %zu has no valid shape", i);
    }
    return EBB_OK;
}

/* Tables of the optimizer's variables, and their block. */
static ebb_status open_variables(stepper *s, const train_emit *e, ebb_error *error)
{
    region *const home = s->base.home;
    const uint32_t count = e->variable_count;
    size_t bytes = 0;

    s->variable_count = count;
    s->variables = region_new(home, train_variable, (size_t)count + 1);
    s->like = region_new(home, uint32_t, (size_t)count + 1);
    s->sizes = region_new(home, uint64_t, (size_t)count + 1);
    s->memory = region_new(home, void *, (size_t)s->weight_count + count);
    if (s->variables == NULL || s->like == NULL || s->sizes == NULL || s->memory == NULL)
        return region_fail(home, error, title, "its variables");
    for (uint32_t i = 0; i < count; i++) {
        const train_variable *v = &e->variables[i];
        const tensor_desc d = desc_of(e->graph, v->v, NULL);
        s->variables[i] = *v;
        s->variables[i].name = region_text(home, v->name);
        if (s->variables[i].name == NULL) return region_fail(home, error, title, "its variables");
        s->like[i] = v->like == VALUE_NONE ? STEPPER_NONE : graph_value(e->graph, v->like)->index;
        s->sizes[i] = tensor_desc_bytes(&d);
        if (!size_add(bytes, s->sizes[i], &bytes) || !size_align(bytes, BLOCK_ALIGNMENT, &bytes))
            return fail(error, EBB_E_MEMORY, title,
                        "the variables do not fit into memory addresses");
    }
    uint8_t *at = region_block(s->variables_home, bytes + 1);
    if (at == NULL) return region_fail(s->variables_home, error, title, "its variables");
    for (uint32_t i = 0; i < count; i++) {
        s->memory[s->weight_count + i] = at;
        at += (s->sizes[i] + BLOCK_ALIGNMENT - 1) & ~(uint64_t)(BLOCK_ALIGNMENT - 1);
    }
    return EBB_OK;
}

static void begin_variables(stepper *s)
{
    for (uint32_t i = 0; i < s->variable_count; i++) {
        const train_variable *v = &s->variables[i];
        void *const memory = s->memory[s->weight_count + i];
        const uint64_t count = s->sizes[i] / ebb_dtype_bytes(v->dtype);
        for (uint64_t k = 0; k < count; k++) {
            if (v->dtype == EBB_I32)
                ((int32_t *)memory)[k] = (int32_t)v->initial;
            else
                ((float *)memory)[k] = (float)v->initial;
        }
    }
}

static ebb_status fill(stepper *s, const char *text, const ebb_tensor_info *weights, size_t count,
                       ebb_error *error)
{
    stepper_step *step = NULL;
    runtime *const r = s->base.owner;
    ebb_status status = devices_use(r, error);

    if (status == EBB_OK) status = read_settings(s, text, error);
    if (status == EBB_OK) status = read_weights(s, weights, count, error);
    if (status != EBB_OK) return status;
    s->device = devices_here(r)->device;
    s->variables_home = region_open(s->base.home, "variables", EBB_CLASS_OPTIMIZER, 0);
    s->runners =
        (runners){.owner = r,
                  .name = title,
                  .arena_home = region_open(s->base.home, "arena", EBB_CLASS_OPTIMIZER, 0)};
    if (s->variables_home == NULL || s->runners.arena_home == NULL)
        return region_fail(s->base.home, error, title, "its variables");
    region_mark_cached(s->runners.arena_home);
    status = step_find(s, s->given, &step, error);
    if (status == EBB_OK) status = open_variables(s, &step->graph.emit, error);
    if (status != EBB_OK) return status;
    step->r.memory = s->memory;
    begin_variables(s);
    return EBB_OK;
}

ebb_status stepper_open(runtime *r, const char *text, const ebb_tensor_info *weights, size_t count,
                        uint64_t *id, ebb_error *error)
{
    managed *m = NULL;
    ebb_status status = managed_make(r, HANDLE_OPTIMIZER, title, sizeof(stepper), end, &m, error);

    if (status != EBB_OK) return status;
    stepper *s = (stepper *)m;
    pthread_mutex_init(&s->mutex, NULL);
    m->link.trim = trim;
    m->link.fork_lock = fork_lock;
    m->link.fork_unlock = fork_unlock;
    status = fill(s, text, weights, count, error);
    if (status == EBB_OK) status = managed_issue(m, id, error);
    if (status == EBB_OK) return EBB_OK;
    (void)rest(s);
    pthread_mutex_destroy(&s->mutex);
    region_close(m->home);
    return status;
}

/* -- a step ------------------------------------------------------------------------------------ */

static ebb_status check_shape(const ebb_tensor_info *w, const char *what, const ebb_view *view,
                              ebb_error *error)
{
    char expected[160], got[160];

    if (view->rank == w->rank && memcmp(view->dims, w->dims, w->rank * sizeof w->dims[0]) == 0)
        return EBB_OK;
    return fail(error, EBB_E_SHAPE, w->name, "expected a %s of shape %s, got %s", what,
                dims_text(w->rank, w->dims, expected, sizeof expected),
                dims_text(view->rank < EBB_RANK_MAX ? view->rank : EBB_RANK_MAX, view->dims, got,
                          sizeof got));
}

static ebb_status check_value(const ebb_tensor_info *w, const ebb_view *view, ebb_error *error)
{
    if (view->data == NULL || (uintptr_t)view->data % sizeof(float) != 0) {
        return fail(error, EBB_E_ARGUMENT, w->name,
                    "expected the weight's values, at an address that is a multiple of %zu",
                    sizeof(float));
    }
    if (view->dtype != EBB_F32 && view->dtype != EBB_DTYPE_NONE) {
        return fail(error, EBB_E_DTYPE, w->name, "expected values of float32, got %s",
                    ebb_dtype_name(view->dtype));
    }
    return check_shape(w, "value", view, error);
}

static ebb_status check_gradient(const ebb_tensor_info *w, const ebb_view *view, ebb_error *error)
{
    if (view->dtype != EBB_DTYPE_NONE && ebb_dtype_bytes(view->dtype) == 0) {
        return fail(error, EBB_E_DTYPE, w->name, "%d is no data type of EBB_DTYPE_MAP",
                    (int)view->dtype);
    }
    return check_shape(w, "gradient", view, error);
}

static ebb_status check_views(stepper *s, const ebb_view *values, const ebb_view *gradients,
                              ebb_error *error)
{
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < s->weight_count && status == EBB_OK; i++) {
        s->given[i] = gradients[i].data != NULL;
        status = check_value(&s->weights[i], &values[i], error);
        if (status == EBB_OK && s->given[i])
            status = check_gradient(&s->weights[i], &gradients[i], error);
    }
    return status;
}

/* Executables know where the weights are. */
static void lend(stepper *s, const ebb_view *values)
{
    bool has_moved = false;

    for (uint32_t i = 0; i < s->weight_count; i++) {
        has_moved |= s->memory[i] != values[i].data;
        s->memory[i] = values[i].data;
    }
    for (runner *r = s->runners.first; has_moved && r != NULL; r = r->next) runner_lend(r);
}

/* Variables that begin as copies of weights do so with the first step, unless they were set. */
static void copy_first(stepper *s)
{
    for (uint32_t i = 0; i < s->variable_count; i++) {
        if (s->like[i] == STEPPER_NONE) continue;
        memcpy(s->memory[s->weight_count + i], s->memory[s->like[i]], s->sizes[i]);
        s->like[i] = STEPPER_NONE;
    }
}

static ebb_status apply_locked(stepper *s, const ebb_view *values, const ebb_view *gradients,
                               ebb_error *error)
{
    stepper_step *step = NULL;
    executable *e = NULL;
    const int64_t none = 0;
    uint32_t input = 0;
    ebb_status status = check_views(s, values, gradients, error);

    if (status == EBB_OK) status = step_find(s, s->given, &step, error);
    if (status != EBB_OK) return status;
    lend(s, values);
    status = runner_ready(&step->r, &none, &e, error);
    if (status != EBB_OK) {
        if (step->r.weights == NULL) step_close(step);
        return status;
    }
    for (uint32_t i = 0; i < s->weight_count; i++) {
        if (!s->given[i]) continue;
        step->inputs[input] = gradients[i];
        if (step->inputs[input].dtype == EBB_DTYPE_NONE) step->inputs[input].dtype = EBB_F32;
        input++;
    }
    copy_first(s);
    runner_run(&s->runners, e, step->inputs, NULL);
    return EBB_OK;
}

ebb_status stepper_apply(stepper *s, const ebb_view *values, const ebb_view *gradients,
                         ebb_error *error)
{
    pthread_mutex_lock(&s->mutex);
    const ebb_status status = apply_locked(s, values, gradients, error);
    pthread_mutex_unlock(&s->mutex);
    return status;
}

/* -- variables --------------------------------------------------------------------------------- */

static ebb_status check_index(const stepper *s, uint32_t index, ebb_error *error)
{
    if (index < s->variable_count) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, title, "there is no variable %u; the optimizer has %u",
                index, s->variable_count);
}

ebb_status stepper_variable_read(const stepper *s, uint32_t index, ebb_tensor_info *info,
                                 ebb_error *error)
{
    const ebb_status status = check_index(s, index, error);

    if (status == EBB_OK) variable_describe(&s->variables[index], s->sizes[index], info);
    return status;
}

ebb_status stepper_variable_transfer(stepper *s, uint32_t index, const ebb_view *view, bool is_set,
                                     ebb_error *error)
{
    ebb_status status = check_index(s, index, error);

    if (status != EBB_OK) return status;
    pthread_mutex_lock(&s->mutex);
    status = variable_transfer(&s->variables[index], s->memory[s->weight_count + index], view,
                               is_set, error);
    if (status == EBB_OK && is_set) s->like[index] = STEPPER_NONE;
    pthread_mutex_unlock(&s->mutex);
    return status;
}
