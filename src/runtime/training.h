/* training.h -- a compiled model: variables, step graphs, their executables, and the engine that
 * the loop of fit drives.
 *
 *     region "training" (limit) ── meta: settings, History
 *         ├─ "variables"   one block: the model's weights as variables      class weights
 *         ├─ "optimizer"   one block: random stream, metrics, optimizer     class optimizer
 *         ├─ "arena"       one block: activations and gradients             class gradients
 *         └─ "train", "test"  a side: one step graph for one signature of targets
 *               └─ "plan"  an executable for one set of shapes
 *
 * The model's own weights stay as they are, packed for prediction, and fall behind with the first
 * step; whoever reads them asks training_publish() first. Locks: model.training_mutex is held
 * during a step and while weights are published; it comes before model.mutex.
 */
#ifndef EBB_RUNTIME_TRAINING_H
#define EBB_RUNTIME_TRAINING_H

#include "format/content.h"
#include "runtime/model.h"
#include "train/fit.h"
#include "train/step.h"

#define SIDE_PLANS  4u   /* executables by shape, of one side */
#define SIDES_MAX   3u   /* signatures of targets, of one kind */
#define RESULTS_MAX 256u /* losses and metrics of a step */

typedef enum side_kind { SIDE_TRAIN, SIDE_TEST, SIDE_KINDS } side_kind;

typedef struct side_plan {
    region *home;
    executable *e;
    uint64_t used_at;
} side_plan;

/* One step graph: its targets have these types and shapes (rows left out), weights or not. */
typedef struct side {
    region *home; /* NULL: free */
    side_kind kind;
    bool has_weights;
    ebb_view *y, *sample_weight; /* by output of the model */
    train_step step;
    weights *weights;
    region *constants;
    side_plan plans[SIDE_PLANS];
    uint64_t used_at;
} side;

struct training {
    model *m;
    region *home, *variables, *state, *arena_home;
    settings settings;
    trainable_choice *choices; /* as they were when it was compiled */
    ebb_compile_options options; /* texts dropped */
    void **memory;               /* by graph weight index */
    uint64_t *offsets, *sizes;   /* by graph weight index, in the block of its kind */
    uint32_t variable_count;
    uint64_t variable_bytes, state_bytes; /* of the blocks */
    uint8_t *variable_block, *state_block;
    void *arena;
    bool had_arena; /* before it was suspended */
    uint64_t arena_bytes;
    uint64_t arena_max; /* for new steps; 0 = no limit */
    side sides[SIDE_KINDS][SIDES_MAX];
    uint64_t clock;
    uint32_t labelled; /* bits by output: without a loss, metrics want class numbers there */
    bool holds_executor;
    bool takes_state; /* the optimizer's, from the model's file */
    uint32_t metric_first, metric_count, optimizer_first; /* graph weight indices */
    atomic_bool is_busy, is_cancelled;
    atomic_bool is_fitting;
    atomic_uint lookers;         /* short calls that may come while it is busy */
    atomic_uint history_readers; /* of them, those that read History */
    pthread_t owner;     /* whose call it is busy with */
    engine engine;
    history history;
};

/* -- compile ----------------------------------------------------------------------------------- */

/* Everything but blocks, code and arena: what a plan costs. *result is set as soon as there is
 * anything to close. */
/* `reserved`: bytes that the model itself will still take, or (negative) gives back before. Where
 * training does not fit below the limits, values are computed twice; E_MEMORY when that does not
 * help, with what it would take in *plan (never NULL). */
ebb_status training_stage(model *m, const ebb_compile_options *options, int64_t reserved,
                          ebb_plan *plan, training **result, ebb_error *error);
/* Blocks, first values, code, arena. `state`: take the optimizer's state from the model's file. */
ebb_status training_ready(training *t, ebb_error *error);
/* Fresh metrics and a fresh optimizer. */
void training_begin_variables(training *t);
/* What the staged training will take, the model not counted. */
void training_plan_read(const training *t, ebb_plan *plan);
/* NULL is a no-op. Returns threads ended. */
uint32_t training_close(training *t);

/* -- sides ------------------------------------------------------------------------------------- */

/* The side for these targets: found, or made in place of the one not used for longest. Dims of
 * views are those of a batch; rows do not count. */
ebb_status side_find(training *t, side_kind kind, const ebb_view *y, const ebb_view *sample_weight,
                     side **result, ebb_error *error);
/* Targets as losses expect them. y[output_count]. */
void side_expect(const training *t, ebb_view *y);
/* The side for what losses and metrics expect, for plans before the first batch. y is set to it. */
ebb_status side_find_expected(training *t, side_kind kind, ebb_view *y, side **result,
                              ebb_error *error);
/* The executable for these symbols, not bound. */
ebb_status side_plan_find(training *t, side *s, const int64_t *symbols, executable **result,
                          ebb_error *error);
/* Blocks of the side's constants and of its executables are there; the arena is large enough. */
ebb_status side_ready(training *t, side *s, executable *e, ebb_error *error);
/* Frees every executable from the arena; and lends the variables, which have moved. */
void sides_unbind(training *t);
void sides_lend(training *t);
void side_close(side *s);
ebb_status side_executable_make(training *t, const side *s, region *home, weights *w,
                                const int64_t *symbols, executable **result, ebb_error *error);
/* Puts the nodes of a new step into the order that takes the least memory for these lengths; with
 * arena_max, computes values twice so that the arena stays below (E_MEMORY when it cannot). */
ebb_status side_order(training *t, side *s, const int64_t *symbols, ebb_error *error);

/* -- files ------------------------------------------------------------------------------------- */

/* A step with the optimizer, if there is one: any, their variables are the same. */
const train_step *training_first_step(const training *t);
/* Variables and settings for a file; sources begin at the model's weight count. */
ebb_status training_saved_list(const training *t, region *home, saved_training *result,
                               ebb_error *error);
/* What variable `index` of that list holds. */
const void *training_saved_bytes(const training *t, uint32_t index);
/* The optimizer goes on where that of the file was; a warning when it does not fit. */
ebb_status training_state_load(training *t, const description *d, ebb_error *error);
/* Weights and state from a file of the same model. */
ebb_status training_restore(training *t, const char *path, ebb_error *error);

/* -- training_variables.c: variables of the optimizer, in Keras's order ------------------------ */

/* 0: no optimizer. Under training_mutex, as every look at a step's variables. */
uint32_t training_variables_count(const training *t);
ebb_status training_variable_read(training *t, uint32_t index, ebb_tensor_info *info,
                                  ebb_error *error);
ebb_status training_variable_get(training *t, uint32_t index, const ebb_view *view,
                                 ebb_error *error);
ebb_status training_variable_set(training *t, uint32_t index, const ebb_view *view,
                                 ebb_error *error);

/* -- steps ------------------------------------------------------------------------------------- */

/* One batch on a side; `results` of engine.result_count. Under training_mutex. */
ebb_status training_step(training *t, side_kind kind, const ebb_batch *batch, double *results,
                         ebb_error *error);

/* Training has changed the variables: the weights are behind. Under training_mutex. */
void training_changed(model *m);
/* Takes training_mutex; steps that follow one another closely let it in between. */
void training_wait(model *m);
/* The same under training_mutex. */
ebb_status training_publish_locked(model *m, ebb_error *error);
/* The model's weights become those of training, if a step has been made since. Any thread. */
ebb_status training_publish(model *m, ebb_error *error);

extern const engine_def training_engine;

/* What was chosen so far, in `home`, for choices_answer(); *copy NULL: nothing. */
ebb_status choices_copy(model *m, region *home, trainable_choice **copy, ebb_error *error);
/* The description that files saved now begin with; `d` itself where nothing differs. In `home`. */
ebb_status choices_describe(region *home, const description *d, trainable_choice *choices,
                            const description **result, ebb_error *error);
/* The same answer of a list; `context` is its trainable_choice. */
bool choices_answer(void *context, const char *title, bool otherwise);
/* Layer by name ("" is every one): E_NOT_FOUND. Takes effect with the next compile. */
ebb_status training_trainable_set(model *m, const char *layer, bool is_trainable, ebb_error *error);

/* -- calls ------------------------------------------------------------------------------------- */

/* The training of a model, for one call of fit or the like: busy until training_release().
 * E_STATE: not compiled; E_BUSY. */
ebb_status training_acquire(model *m, const char *where, training **result, ebb_error *error);
void training_release(training *t);
/* The same for an evaluation, which a callback of the call that is under way may ask for as well:
 * its metrics stand aside until training_leave(). */
typedef struct evaluation_guest {
    training *t;
    bool is_inside; /* of another call; the rest is that one's */
    bool was_cancelled;
    region *home;
    uint8_t *metrics;
} evaluation_guest;
ebb_status training_enter(model *m, const char *where, evaluation_guest *guest, ebb_error *error);
void training_leave(evaluation_guest *guest);
/* For short calls beside a fit; NULL: not compiled. */
training *training_look(model *m);
void training_look_end(training *t);
/* Tells the call that trains the model to stop; false: there is none. */
bool training_cancel(model *m);
/* For reading History, between look and look_end; false: a fit of another thread changes it. */
bool training_history_look(training *t);
void training_history_look_end(training *t);
/* Is this thread inside a call that trains the model? */
bool training_is_own(model *m);

ebb_status training_compile(model *m, const ebb_compile_options *options, ebb_error *error);
ebb_status training_uncompile(model *m, ebb_receipt *receipt, ebb_error *error);
ebb_status training_plan(runtime *r, const char *path, const ebb_load_options *load,
                         const ebb_compile_options *options, ebb_plan *plan, ebb_error *error);
ebb_status training_fit(training *t, const ebb_data *data, const ebb_fit_options *options,
                        ebb_error *error);
/* results[RESULTS_MAX] */
ebb_status training_evaluate(training *t, const ebb_data *data, const ebb_evaluate_options *options,
                             double *results, ebb_error *error);
ebb_status training_on_batch(training *t, side_kind kind, const ebb_batch *batch, double *results,
                             ebb_error *error);

#endif
