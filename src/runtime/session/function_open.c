/* function_open.c -- life of a function. */
#include "runtime/session/function.h"

#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/options.h"

static const char gone[] = "the function was closed, or the handle was never valid";

/* -- options ----------------------------------------------------------------------------------- */

static ebb_status check_signature(const ebb_function_options *o, ebb_error *error)
{
    static const char where[] = "function options";

    if (o->inputs > FUNCTION_PORTS_MAX || o->outputs > FUNCTION_PORTS_MAX)
        return fail(error, EBB_E_ARGUMENT, where, "at most %u inputs and outputs",
                    FUNCTION_PORTS_MAX);
    if (o->traces_max > FUNCTION_TRACES_MAX)
        return fail(error, EBB_E_ARGUMENT, where, "traces_max: at most %u, got %u",
                    FUNCTION_TRACES_MAX, o->traces_max);
    for (uint32_t i = 0; o->signature != NULL && i < o->inputs; i++) {
        const ebb_view *view = &o->signature[i];
        if (ebb_dtype_bytes(view->dtype) == 0 || view->rank > EBB_RANK_MAX)
            return fail(error, EBB_E_ARGUMENT, where,
                        "signature: input %u has no type, or a rank above %d", i, EBB_RANK_MAX);
        for (uint32_t k = 0; k < view->rank; k++)
            if (view->dims[k] < -1)
                return fail(error, EBB_E_ARGUMENT, where,
                            "signature: axis %u of input %u has no usable length", k, i);
    }
    return EBB_OK;
}

static ebb_status options_read(const ebb_function_options *options, ebb_function_options *o,
                               ebb_session_options *session, ebb_error *error)
{
    *o = (ebb_function_options)EBB_FUNCTION_OPTIONS_INIT;
    ebb_status status =
        options_copy(o, sizeof *o, options, "function options", "EBB_FUNCTION_OPTIONS_INIT", error);

    if (status == EBB_OK) status = check_signature(o, error);
    if (status != EBB_OK) return status;
    if (o->outputs == 0) o->outputs = 1;
    if (o->traces_max == 0) o->traces_max = FUNCTION_TRACES;
    if (o->session.struct_size == 0) o->session.struct_size = sizeof o->session;
    return session_options_read(&o->session, session, error);
}

/* -- life -------------------------------------------------------------------------------------- */

static ebb_status fill(function *f, const ebb_function_options *o, const ebb_session_options *s,
                       const char *name)
{
    f->name = region_text(f->home, name);
    f->options = *o;
    f->options.name = f->name;
    f->session = *s;
    f->session.bytes_max = 0; /* of the function as a whole */
    f->session.name = f->name;
    f->traces = region_new(f->home, trace *, o->traces_max);
    f->variables.parent = f->home;
    if (f->name == NULL || f->traces == NULL) return EBB_E_MEMORY;
    if (o->signature == NULL) return EBB_OK;
    ebb_view *copy = region_new(f->home, ebb_view, (size_t)o->inputs + 1);
    if (copy == NULL) return EBB_E_MEMORY;
    if (o->inputs > 0) memcpy(copy, o->signature, o->inputs * sizeof *copy);
    f->options.signature = copy;
    return EBB_OK;
}

static ebb_status function_make(runtime *r, const ebb_function_options *options, function **result,
                                ebb_error *error)
{
    ebb_function_options o;
    ebb_session_options session;
    const ebb_status status = options_read(options, &o, &session, error);

    if (status != EBB_OK) return status;
    const char *name = o.name != NULL && o.name[0] != '\0' ? o.name : "function";
    region *home = region_open(r->root, name, EBB_CLASS_META, session.bytes_max);
    if (home == NULL) return region_fail(r->root, error, name, "a function");
    function *f = region_new(home, function, 1);
    if (f != NULL) {
        f->owner = r;
        f->home = home;
    }
    if (f == NULL || fill(f, &o, &session, name) != EBB_OK) {
        const ebb_status failed = region_fail(home, error, name, "a function");
        region_close(home);
        return failed;
    }
    pthread_mutex_init(&f->mutex, NULL);
    *result = f;
    return EBB_OK;
}

static void function_discard(function *f, ebb_receipt *receipt)
{
    ebb_memory memory = {0};
    runtime *r = f->owner;
    const bool had_traces = f->traces_made > 0;

    if (f->is_attached) runtime_detach(r, &f->attached);
    region_read(f->home, &memory);
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) receipt->bytes[i] += memory.by_class[i];
    receipt->bytes_total += memory.live;
    for (uint32_t i = 0; i < f->options.traces_max; i++)
        if (f->traces[i] != NULL) trace_close(f->traces[i]);
    if (f->over != NULL) {
        pthread_mutex_lock(&f->over->mutex);
        f->over->function_count--;
        pthread_mutex_unlock(&f->over->mutex);
    }
    pthread_mutex_destroy(&f->mutex);
    region_close(f->home);
    if (had_traces) runtime_rest(r);
}

/* -- what others do ------------------------------------------------------------------------------
 */

static unsigned long this_thread(void)
{
    return (unsigned long)pthread_self();
}

static bool is_own(const function *f)
{
    return atomic_load_explicit(&f->runner, memory_order_relaxed) == this_thread();
}

ebb_status function_enter(function *f, ebb_error *error)
{
    if (is_own(f))
        return fail(error, EBB_E_STATE, f->name,
                    "called from inside its own trace: a function cannot need itself");
    pthread_mutex_lock(&f->mutex);
    atomic_store_explicit(&f->runner, this_thread(), memory_order_relaxed);
    return EBB_OK;
}

void function_leave(function *f)
{
    atomic_store_explicit(&f->runner, 0, memory_order_relaxed);
    pthread_mutex_unlock(&f->mutex);
}

static void close_attached(void *object, ebb_receipt *receipt)
{
    function_discard(object, receipt);
}

static bool fork_lock(void *object)
{
    function *f = object;

    return is_own(f) || pthread_mutex_trylock(&f->mutex) == 0;
}

static void fork_unlock(void *object, bool is_child)
{
    function *f = object;

    (void)is_child;
    if (!is_own(f)) pthread_mutex_unlock(&f->mutex);
}

static uint64_t trim(void *object)
{
    function *f = object;
    uint64_t bytes = 0;

    if (is_own(f) || pthread_mutex_trylock(&f->mutex) != 0) return 0;
    for (uint32_t i = 0; i < f->options.traces_max; i++)
        if (f->traces[i] != NULL) bytes += session_trim(f->traces[i]->session);
    pthread_mutex_unlock(&f->mutex);
    return bytes;
}

/* -- handles ----------------------------------------------------------------------------------- */

static ebb_status publish(function *f, uint64_t *id, ebb_error *error)
{
    ebb_receipt ignored = {0};

    f->id = handle_issue(HANDLE_FUNCTION, f);
    if (f->id == 0) {
        function_discard(f, &ignored);
        return fail(error, EBB_E_MEMORY, "ebb_function_open",
                    "no handle left for another function");
    }
    f->attached = (attachment){.kind = HANDLE_FUNCTION,
                               .id = f->id,
                               .object = f,
                               .close = close_attached,
                               .fork_lock = fork_lock,
                               .fork_unlock = fork_unlock,
                               .trim = trim};
    f->is_attached = true;
    *id = f->id;
    runtime_attach(f->owner, &f->attached);
    return EBB_OK;
}

ebb_status function_open(runtime *r, const ebb_function_options *options, uint64_t *id,
                         ebb_error *error)
{
    function *f = NULL;

    if (options == NULL || options->trace == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_function_open",
                    "expected options with a trace callback");
    const ebb_status status = function_make(r, options, &f, error);
    return status == EBB_OK ? publish(f, id, error) : status;
}

/* The graph is pinned, its runtime too. */
static ebb_status make_over(symbolic *graph, const ebb_tensor *inputs, size_t input_count,
                            const ebb_tensor *outputs, size_t output_count,
                            const ebb_function_options *options, uint64_t *id, ebb_error *error)
{
    ebb_receipt ignored = {0};
    function *f = NULL;
    ebb_status status = function_make(graph->owner, options, &f, error);

    if (status != EBB_OK) return status;
    pthread_mutex_lock(&graph->mutex);
    graph->function_count++;
    pthread_mutex_unlock(&graph->mutex);
    f->over = graph;
    status = trace_over(f, inputs, (uint32_t)input_count, outputs, (uint32_t)output_count, error);
    if (status == EBB_OK) return publish(f, id, error);
    function_discard(f, &ignored);
    return status;
}

ebb_status function_from(ebb_graph handle, const ebb_tensor *inputs, size_t input_count,
                         const ebb_tensor *outputs, size_t output_count,
                         const ebb_function_options *options, uint64_t *id, ebb_error *error)
{
    static const char where[] = "ebb_function_from";

    if (input_count > FUNCTION_PORTS_MAX || output_count > FUNCTION_PORTS_MAX ||
        output_count == 0 || outputs == NULL || (inputs == NULL && input_count > 0))
        return fail(error, EBB_E_ARGUMENT, where, "expected up to %u inputs, and 1 to %u outputs",
                    FUNCTION_PORTS_MAX, FUNCTION_PORTS_MAX);
    runtime *r = symbolic_owner(handle);
    symbolic *graph = r == NULL ? NULL : handle_acquire(HANDLE_GRAPH, handle.id);
    ebb_status status;
    if (graph == NULL)
        status =
            fail(error, EBB_E_STALE, where, "the graph was closed, or the handle was never valid");
    else if (graph->is_trace)
        status = fail(error, EBB_E_STATE, where, "the graph belongs to the trace of a function");
    else
        status = make_over(graph, inputs, input_count, outputs, output_count, options, id, error);
    if (graph != NULL) handle_release(handle.id);
    if (r != NULL) handle_release(r->id);
    return status;
}

ebb_status function_close(ebb_function handle, ebb_receipt *receipt, ebb_error *error)
{
    static const char where[] = "ebb_function_close";
    const uint64_t begin = clock_ns();
    ebb_receipt sum = {0};
    void *object = NULL;
    const function *f = handle_acquire(HANDLE_FUNCTION, handle.id);

    if (f == NULL) return fail(error, EBB_E_STALE, where, gone);
    const bool own = is_own(f);
    const ebb_runtime owner = {f->owner->id};
    handle_release(handle.id);
    if (own) return fail(error, EBB_E_STATE, where, "called from inside a trace of the function");
    runtime *r = runtime_acquire(owner, where, error);
    if (r == NULL) return EBB_E_STALE;
    const bool won = handle_close_begin(HANDLE_FUNCTION, handle.id, 0, &object);
    if (won) {
        sum.wait_ns = clock_ns() - begin;
        function_discard(object, &sum);
        handle_close_end(handle.id);
    }
    sum.live_after = region_bytes_live(r->root);
    handle_release(r->id);
    if (!won) return fail(error, EBB_E_STALE, where, gone);
    sum.time_ns = clock_ns() - begin;
    if (receipt != NULL) *receipt = sum;
    return EBB_OK;
}
