/* C of the extension itself: handles that Python objects own, the log, and several calls of the
 * library in one where the time that Python needs between them would count. */

/* -- handles ------------------------------------------------------------------------------------
 * A handle is there before the call that fills it, and C closes it: no Python runs in between, so
 * that an interrupt loses nothing. A fork begins a new generation; handles of an older one belong
 * to the parent and are left alone. */

typedef struct ebb_python_handle {
    union {
        uint64_t id;
        ebb_runtime runtime;
        ebb_model model;
        ebb_scope scope;
        ebb_registry registry;
        ebb_lazy lazy;
        ebb_spill spill;
        ebb_monitor monitor;
        ebb_profiler profiler;
        ebb_builder builder;
        ebb_graph graph;
        ebb_session session;
        ebb_function function;
        ebb_arrays arrays;
        ebb_pass pass;
        ebb_optimizer optimizer;
    };
    uint32_t generation;
} ebb_python_handle;

extern uint32_t ebb_python_generation;

void ebb_python_close_runtime(ebb_python_handle *handle);
void ebb_python_close_model(ebb_python_handle *handle);
void ebb_python_close_scope(ebb_python_handle *handle);
void ebb_python_close_registry(ebb_python_handle *handle);
void ebb_python_close_lazy(ebb_python_handle *handle);
void ebb_python_close_spill(ebb_python_handle *handle);
void ebb_python_close_monitor(ebb_python_handle *handle);
void ebb_python_close_profiler(ebb_python_handle *handle);
void ebb_python_close_builder(ebb_python_handle *handle);
void ebb_python_close_graph(ebb_python_handle *handle);
void ebb_python_close_session(ebb_python_handle *handle);
void ebb_python_close_function(ebb_python_handle *handle);
void ebb_python_close_arrays(ebb_python_handle *handle);
void ebb_python_close_pass(ebb_python_handle *handle);
void ebb_python_close_optimizer(ebb_python_handle *handle);

typedef struct ebb_python_lease {
    ebb_lease lease;
    uint32_t generation;
} ebb_python_lease;

void ebb_python_return_lease(ebb_python_lease *lease);

typedef struct ebb_python_acquired {
    ebb_lazy lazy;
    ebb_model model; /* {0}: nothing is acquired */
    uint32_t generation;
} ebb_python_acquired;

void ebb_python_release_acquired(ebb_python_acquired *acquired);

/* -- log ----------------------------------------------------------------------------------------
 * The library logs from any thread and while it works, when no Python may run: lines wait here
 * until a call has come back. */

typedef struct ebb_python_line {
    ebb_log_level level;
    char text[512];
} ebb_python_line;

extern int ebb_python_log_pending; /* lines that wait */

void ebb_python_log_write(void *context, ebb_log_level level, const char *line);
/* The oldest line; false: none. *lost is set to how many were dropped before it. */
bool ebb_python_log_take(ebb_python_line *line, uint32_t *lost);

/* Once, at the import. `deliver`: a callable that takes the lines, called in the main thread soon
 * after a destructor there has logged something. */
void ebb_python_begin(void *deliver, uint64_t main_thread);

/* -- device scopes ------------------------------------------------------------------------------
 * What one object has pushed and not popped. Released in the thread that pushed, it pops the rest:
 * an interrupt may have kept a block's end from running. */

typedef struct ebb_python_places {
    ebb_runtime runtime;
    uint32_t depth;
    uint32_t generation;
    uint64_t thread;
} ebb_python_places;

ebb_status ebb_python_places_push(ebb_python_places *places, const char *device,
                                  ebb_error *error);
ebb_status ebb_python_places_pop(ebb_python_places *places, ebb_error *error);
void ebb_python_places_release(ebb_python_places *places);

/* -- arrays -------------------------------------------------------------------------------------
 * The memory of one tensor, and operations on such: one call each. */

typedef struct ebb_python_array {
    union {
        uint64_t id;
        ebb_array array;
    };
    uint32_t generation;
    ebb_view view;    /* type, rank and dims are the caller's to fill in */
    uint64_t address; /* of its data */
} ebb_python_array;

ebb_status ebb_python_open_array(ebb_runtime runtime, const char *device, ebb_python_array *array,
                                 ebb_error *error);
void ebb_python_close_array(ebb_python_array *array);
/* Is the memory there? It goes with its runtime; a fork has a copy of its own. */
bool ebb_python_has_array(const ebb_python_array *array);

/* A prepared operation of at most four inputs and one output of a known shape. */
typedef struct ebb_python_operation {
    ebb_session session;
    const char *device;
    const ebb_feed *feeds; /* templates: threads share them */
    uint32_t feed_count;
    const ebb_tensor *fetch;
    ebb_view output;
} ebb_python_operation;

/* Opens the output and computes it. EBB_E_STATE: an input's memory is gone; or it needs more than
 * this can do. */
ebb_status ebb_python_operate(const ebb_python_operation *operation, ebb_runtime runtime,
                              ebb_python_array *const *inputs, ebb_python_array *output);

/* -- predictions --------------------------------------------------------------------------------
 * Of a model with one input and one output. The views are templates whose rows and data are filled
 * in here, so that threads can share them. */

typedef struct ebb_python_predictor {
    uint64_t model;
    uint32_t generation;
    ebb_view input, output;
} ebb_python_predictor;

ebb_status ebb_python_predict_one(const ebb_python_predictor *predictor, const void *data,
                                  int64_t rows, void *result, ebb_error *error);
