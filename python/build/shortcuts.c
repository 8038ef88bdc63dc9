/* See shortcuts.h. Stands behind Python.h and ebb.h in the source that cffi makes. */
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>

/* -- forks ------------------------------------------------------------------------------------ */

uint32_t ebb_python_generation = 1;

static struct {
    pthread_mutex_t mutex;
    uint32_t first, count, lost;
    ebb_python_line lines[64];
} waiting = {PTHREAD_MUTEX_INITIALIZER, 0, 0, 0, {{EBB_LOG_OFF, ""}}};

int ebb_python_log_pending;

static void before_fork(void)
{
    pthread_mutex_lock(&waiting.mutex);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&waiting.mutex);
}

/* Lines that wait are the parent's to deliver. */
static void after_fork_in_child(void)
{
    ebb_python_generation++;
    waiting.count = 0;
    waiting.lost = 0;
    ebb_python_log_pending = 0;
    pthread_mutex_unlock(&waiting.mutex);
}

/* -- log -------------------------------------------------------------------------------------- */

/* -- memory of the process -------------------------------------------------------------------- */

/* Reads every page of this extension's code, about 2 MiB: pages that come from the file when a
 * kernel first runs would make the first call slower than the others, and look, in the resident
 * size, like something that the first model left behind. */
static int read_code(struct dl_phdr_info *object, size_t size, void *anchor)
{
    static volatile char seen;
    int is_here = 0;

    (void)size;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < object->dlpi_phnum; i++) {
            const ElfW(Phdr) *part = &object->dlpi_phdr[i];
            const char *first = (const char *)(object->dlpi_addr + part->p_vaddr);
            if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0) continue;
            if (pass == 0) is_here |= (const char *)anchor - first >= 0 &&
                                      (const char *)anchor - first < (ptrdiff_t)part->p_memsz;
            for (size_t at = 0; pass == 1 && is_here && at < part->p_filesz; at += 4096)
                seen = first[at];
        }
    }
    return is_here;
}

/* The C library keeps freed blocks for speed, larger ones the larger those were that came before:
 * a freed array of 16 MiB would stay. From 512 KiB on blocks are mappings of their own. A user
 * who chose thresholds keeps them. */
static void return_blocks(void)
{
    const int threshold = 512 * 1024;

    if (getenv("MALLOC_MMAP_THRESHOLD_") != NULL || getenv("GLIBC_TUNABLES") != NULL) return;
    mallopt(M_MMAP_THRESHOLD, threshold);
    mallopt(M_TRIM_THRESHOLD, threshold);
}

static PyObject *deliver_lines;
static pthread_t main_thread_id;

void ebb_python_begin(void *deliver, uint64_t main_thread)
{
    if (deliver_lines == NULL) {
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
        dl_iterate_phdr(read_code, (void *)ebb_python_begin);
        return_blocks();
    }
    deliver_lines = (PyObject *)deliver;
    main_thread_id = (pthread_t)main_thread;
}

void ebb_python_log_write(void *context, ebb_log_level level, const char *line)
{
    const uint32_t room = sizeof waiting.lines / sizeof waiting.lines[0];

    (void)context;
    pthread_mutex_lock(&waiting.mutex);
    if (waiting.count == room) {
        waiting.first = (waiting.first + 1) % room;
        waiting.count--;
        waiting.lost++;
    }
    ebb_python_line *slot = &waiting.lines[(waiting.first + waiting.count) % room];
    const size_t length = strnlen(line, sizeof slot->text - 1);
    slot->level = level;
    memcpy(slot->text, line, length);
    slot->text[length] = '\0';
    waiting.count++;
    __atomic_store_n(&ebb_python_log_pending, (int)waiting.count, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&waiting.mutex);
}

bool ebb_python_log_take(ebb_python_line *line, uint32_t *lost)
{
    const uint32_t room = sizeof waiting.lines / sizeof waiting.lines[0];

    pthread_mutex_lock(&waiting.mutex);
    const bool has_line = waiting.count > 0;
    *lost = waiting.lost;
    waiting.lost = 0;
    if (has_line) {
        *line = waiting.lines[waiting.first];
        waiting.first = (waiting.first + 1) % room;
        waiting.count--;
        __atomic_store_n(&ebb_python_log_pending, (int)waiting.count, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&waiting.mutex);
    return has_line;
}

/* The interpreter calls this between two instructions of the main thread; what it raises (an
 * interrupt) is raised there. */
static int deliver_now(void *unused)
{
    (void)unused;
    PyObject *result = PyObject_CallObject(deliver_lines, NULL);
    if (result == NULL) return -1;
    Py_DECREF(result);
    return 0;
}

/* After a destructor. Other threads' lines wait for the next call: the main thread may hold a lock
 * that the logger needs. */
static void deliver_soon(void)
{
    if (__atomic_load_n(&ebb_python_log_pending, __ATOMIC_RELAXED) == 0) return;
    if (deliver_lines == NULL || !pthread_equal(pthread_self(), main_thread_id)) return;
    (void)Py_AddPendingCall(deliver_now, NULL);
}

/* -- handles ---------------------------------------------------------------------------------- */

#define EBB_PYTHON_CLOSES(kind, call)                                                              \
    void ebb_python_close_##kind(ebb_python_handle *handle)                                 \
    {                                                                                              \
        if (handle->id == 0 || handle->generation != ebb_python_generation) return;                \
        (void)(call);                                                                              \
        deliver_soon();                                                                            \
    }
EBB_PYTHON_CLOSES(runtime, ebb_runtime_close(handle->runtime, NULL))
EBB_PYTHON_CLOSES(model, ebb_model_unload(handle->model, NULL, NULL, NULL))
EBB_PYTHON_CLOSES(scope, ebb_scope_close(handle->scope, NULL, NULL))
EBB_PYTHON_CLOSES(registry, ebb_registry_close(handle->registry, NULL, NULL, NULL))
EBB_PYTHON_CLOSES(lazy, ebb_lazy_close(handle->lazy, NULL, NULL, NULL))
EBB_PYTHON_CLOSES(spill, ebb_spill_discard(handle->spill))
EBB_PYTHON_CLOSES(monitor, ebb_monitor_close(handle->monitor))
EBB_PYTHON_CLOSES(profiler, ebb_profiler_close(handle->profiler))
EBB_PYTHON_CLOSES(builder, ebb_build_close(handle->builder))
EBB_PYTHON_CLOSES(graph, ebb_graph_close(handle->graph, NULL, NULL))
EBB_PYTHON_CLOSES(session, ebb_session_close(handle->session, NULL, NULL))
EBB_PYTHON_CLOSES(function, ebb_function_close(handle->function, NULL, NULL))
EBB_PYTHON_CLOSES(arrays, ebb_arrays_close(handle->arrays))
EBB_PYTHON_CLOSES(pass, ebb_pass_close(handle->pass, NULL))
EBB_PYTHON_CLOSES(optimizer, ebb_optimizer_close(handle->optimizer, NULL))

/* Once: the library empties the lease. */
void ebb_python_return_lease(ebb_python_lease *lease)
{
    if (lease->lease.registry == 0 || lease->generation != ebb_python_generation) return;
    (void)ebb_registry_return(&lease->lease);
    deliver_soon();
}

void ebb_python_release_acquired(ebb_python_acquired *acquired)
{
    if (acquired->model.id == 0 || acquired->generation != ebb_python_generation) return;
    acquired->model.id = 0;
    (void)ebb_lazy_release(acquired->lazy);
    deliver_soon();
}

/* -- device scopes ---------------------------------------------------------------------------- */

ebb_status ebb_python_places_push(ebb_python_places *places, const char *device,
                                  ebb_error *error)
{
    const ebb_status status = ebb_device_scope_push(places->runtime, device, error);

    if (status != EBB_OK) return status;
    places->depth++;
    places->thread = (uint64_t)pthread_self();
    return EBB_OK;
}

ebb_status ebb_python_places_pop(ebb_python_places *places, ebb_error *error)
{
    if (places->depth > 0) places->depth--;
    return ebb_device_scope_pop(places->runtime, error);
}

void ebb_python_places_release(ebb_python_places *places)
{
    if (places->generation != ebb_python_generation) return;
    if (places->thread != (uint64_t)pthread_self()) return;
    while (places->depth > 0 && ebb_python_places_pop(places, NULL) == EBB_OK) continue;
}

/* -- arrays ----------------------------------------------------------------------------------- */

ebb_status ebb_python_open_array(ebb_runtime runtime, const char *device, ebb_python_array *array,
                                 ebb_error *error)
{
    const ebb_view wanted = array->view; /* the call writes to the other from the start */

    array->generation = ebb_python_generation;
    const ebb_status status = ebb_array_open(runtime, wanted.dtype, wanted.rank, wanted.dims,
                                             device, &array->array, &array->view, error);
    if (status != EBB_OK) array->view = wanted;
    array->address = (uint64_t)(uintptr_t)array->view.data;
    return status;
}

void ebb_python_close_array(ebb_python_array *array)
{
    if (array->id == 0 || array->generation != ebb_python_generation) return;
    (void)ebb_array_close(array->array);
    deliver_soon();
}

bool ebb_python_has_array(const ebb_python_array *array)
{
    return array->generation != ebb_python_generation ||
           ebb_array_read(array->array, NULL, NULL) == EBB_OK;
}

ebb_status ebb_python_operate(const ebb_python_operation *operation, ebb_runtime runtime,
                              ebb_python_array *const *inputs, ebb_python_array *output)
{
    ebb_feed feeds[4];

    if (operation->feed_count > sizeof feeds / sizeof feeds[0]) return EBB_E_STATE;
    for (uint32_t i = 0; i < operation->feed_count; i++) {
        if (!ebb_python_has_array(inputs[i])) return EBB_E_STATE;
        feeds[i] = operation->feeds[i];
        feeds[i].view.data = inputs[i]->view.data;
    }
    output->view = operation->output;
    const ebb_status status = ebb_python_open_array(runtime, operation->device, output, NULL);
    if (status != EBB_OK) return status;
    return ebb_session_run(operation->session, feeds, operation->feed_count, operation->fetch,
                           &output->view, 1, NULL, 0, NULL);
}

/* -- predictions ------------------------------------------------------------------------------ */

ebb_status ebb_python_predict_one(const ebb_python_predictor *predictor, const void *data,
                                         int64_t rows, void *result, ebb_error *error)
{
    ebb_view input = predictor->input, output = predictor->output;

    if (predictor->generation != ebb_python_generation) return EBB_E_STATE;
    input.dims[0] = rows;
    input.data = (void *)data;
    output.dims[0] = rows;
    output.data = result;
    return ebb_model_predict((ebb_model){predictor->model}, &(ebb_views){&input, 1},
                             &(ebb_views){&output, 1}, error);
}
