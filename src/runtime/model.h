/* model.h (internal) -- one loaded model and everything it owns.
 *
 *     region "<name>" (limit) ── meta: description, graph, instances, executables
 *         ├─ "weights"   one block
 *         ├─ "lanes"     one arena a lane
 *         ├─ "staging"   scratch while loading, closed when ready
 *         └─ "plans"     cached: executables for shapes that were not planned, each a child region
 *
 * Life: stage (everything but weights, code and arenas; this is what a plan costs and is thrown
 * away after) -> fill -> seal -> handle. Unload: no new users, wait, close.
 */
#ifndef EBB_RUNTIME_MODEL_H
#define EBB_RUNTIME_MODEL_H

#include <stdatomic.h>

#include "ebb/model.h"
#include "exec/executable.h"
#include "exec/fold.h"
#include "layer/bind.h"
#include "runtime/lifecycle/nameless_file.h"
#include "runtime/runtime.h"

#define BATCH_AUTO_MAX   32u
#define BATCH_AUTO_BYTES ((uint64_t)1 << 20)
#define LANES_MAX        256u
#define PORTS_MAX        64u  /* inputs, and outputs: views of a prediction live on the stack */
#define SYMBOLS_MAX      256u /* unknown axes of all inputs */
#define PLANS_DEFAULT    8u
#define PLANNED_MAX      2u

typedef struct lane {
    atomic_bool is_busy;
    void *arena;
} lane;

typedef struct plan_entry {
    region *home; /* child of model->plans */
    executable *e;
    void **arenas; /* per lane; NULL until that lane runs it */
    uint64_t used_at;
    uint32_t users;
} plan_entry;

typedef struct training training;
typedef struct recipe recipe;
typedef struct passes passes;

/* A layer frozen or freed after loading, with all inside it. */
typedef struct trainable_choice {
    struct trainable_choice *next; /* an earlier one */
    const char *layer;
    bool is_trainable;
} trainable_choice;

/* While the model is put aside (suspend.h). Changed only while nobody uses the model. */
typedef struct suspension {
    atomic_bool is_on;
    nameless_file file; /* block of weights, variables and state of training; or not open */
    uint8_t *stowed;    /* what weights_stow() left; NULL: the block stays, or is in the file */
} suspension;

struct model {
    uint64_t id;
    runtime *owner;
    model *next, *previous; /* in runtime->models */
    scope *scope;           /* it lives in; NULL: the runtime */
    struct logical_device *_Atomic device; /* devices.h: whose account its regions charge */
    bool pins_scope;        /* while it is made */
    region *home, *store, *arenas, *plans;
    description *d;
    built_model *built;
    const char *file; /* absolute path it came from; NULL: it was built */
    weight_source *sources;
    const weight_reader *maker; /* while it is made from a recipe: instead of `sources` */
    uint64_t maker_bytes;       /* most scratch bytes that it takes */
    void **states; /* by state of `built`; NULL: none are kept. Calls on them hold training_mutex */
    const packed_layout **packings;  /* shrink.h: by weight, NULL = plain; NULL: none is packed */
    const packed_tensor **packed;    /* by weight: of the file; NULL: none */
    packed_reader packed_from;       /* while it is filled */
    weights *weights;
    executable *planned[PLANNED_MAX]; /* rows 1, rows batch */
    uint32_t planned_count;
    lane *lanes;
    uint32_t lane_count;
    uint64_t arena_bytes;  /* of one lane */
    pthread_mutex_t mutex; /* lanes' waiters, plan cache */
    pthread_cond_t lane_free;
    atomic_uint lane_waiters;
    plan_entry *entries;
    uint32_t entry_max;
    uint64_t clock;       /* of the plan cache's LRU */
    int64_t batch_symbol; /* number of the free symbol; -1 = the file fixes the batch */
    bool is_row_wise;     /* a batch may run in passes */
    bool holds_executor;
    ebb_load_options options; /* with defaults filled in */
    training *training;             /* NULL: not compiled */
    pthread_mutex_t training_mutex; /* a step, or publishing its weights */
    atomic_uint training_waiters;   /* between two steps: training_wait() */
    region *choices_home;           /* NULL: none */
    trainable_choice *choices;      /* the last one made first */
    atomic_uint choice_changes;     /* how often one was made */
    passes *passes;                 /* NULL: none yet; under training_mutex */
    atomic_bool is_compiling;
    atomic_uint weight_changes;     /* how often weights were set, or fell behind */
    uint64_t variable_changes;      /* how often training changed them; under training_mutex */
    atomic_bool is_behind;          /* the variables of training, or of passes, are newer than the
                                       weights, or it is suspended */
    suspension suspension;
    ebb_model_info info;
    uint64_t load_ns, ready_ns; /* ready: when it became so */
};

/* Fills in defaults; E_ARGUMENT for values out of range. */
ebb_status load_options_read(const ebb_load_options *options, ebb_load_options *result,
                             ebb_error *error);

/* Everything but weights, code and arenas. *result is set as soon as there is anything to discard.
 */
ebb_status model_stage(runtime *r, const char *path, const ebb_load_options *options,
                       model **result, ebb_error *error);
/* The same from a recipe (recipe.h); NULL: from the file. */
ebb_status model_stage_recipe(runtime *r, const char *path, const recipe *recipe,
                              const ebb_load_options *options, model **result, ebb_error *error);
/* Closes whatever a stage or load made, from any point on. Returns threads ended. NULL is a no-op.
 */
uint32_t model_discard(model *m);

/* What the staged model will take: exact, and the peak while loading. */
void model_plan_read(const model *m, ebb_plan *plan);

/* Stages, reads the plan and asks for admission, as a load would; *staged is for model_discard().
 */
ebb_status model_plan(runtime *r, const char *path, const ebb_load_options *options, ebb_plan *plan,
                      model **staged, ebb_error *error);

ebb_status model_plan_recipe(runtime *r, const char *path, const recipe *recipe,
                             const ebb_load_options *options, ebb_plan *plan, model **staged,
                             ebb_error *error);

ebb_status model_load(runtime *r, const char *path, const ebb_load_options *options, uint64_t *id,
                      ebb_error *error);
/* Tells the log. */
void model_load_failed(const runtime *r, const char *path, const ebb_error *error);
/* Weights, code, arenas, seal, handle: the second half of a load, since `begin`. On failure the
 * staged model is discarded. */
ebb_status model_finish(model *staged, const char *path, uint64_t begin, uint64_t *id,
                        ebb_error *error);
/* Waits for users, then gives everything back. The runtime must be pinned or closing. */
ebb_status model_unload(uint64_t id, const ebb_unload_options *options, ebb_receipt *receipt,
                        ebb_error *error);
/* Takes it off its runtime's list. */
void model_unlink(model *m);
/* Unloads, then removes the file or folder. */
ebb_status model_delete(ebb_model handle, const ebb_unload_options *options, ebb_receipt *receipt,
                        ebb_error *error);

model *model_acquire(ebb_model handle, const char *where, ebb_error *error);
/* The runtime of a model, pinned until handle_release((*r)->id). For calls that outlive the model.
 * E_STALE; E_STATE: called by a callback of the model's own training. */
ebb_status model_owner_acquire(ebb_model handle, const char *where, runtime **r, ebb_error *error);
/* The scope of a model, pinned as well, so that it is not closed while its model is taken apart:
 * its id, 0 for none; false: it is being closed. */
bool model_scope_acquire(ebb_model handle, uint64_t *id, const char *where, ebb_error *error);
void model_scope_release(uint64_t id);
/* What its kernels are made for and run on. */
const device *model_device(const model *m);
/* E_MEMORY: it does not fit; E_UNSUPPORTED: another physical device. */
ebb_status model_move(model *m, const char *text, ebb_error *error);

/* -- predict -------------------------------------------------------------------------------------
 */

/* Fits a view to input `index` of a graph: type, rank, lengths; symbols[] (-1: not known yet) get
 * what unknown axes are. */
ebb_status input_read(const graph *g, uint32_t index, const char *name, ebb_view *view,
                      int64_t *symbols, ebb_error *error);
ebb_status model_predict(model *m, const ebb_views *inputs, const ebb_views *outputs,
                         ebb_error *error);
ebb_status model_output_shapes(model *m, const ebb_views *inputs, ebb_view *outputs, size_t count,
                               ebb_error *error);
/* Takes every lane (weights_set); released one by one. */
void lanes_take_all(model *m);
void lanes_release_all(model *m);
/* Arenas for every lane in `home`, touched, and the planned executables bound to them. */
ebb_status lanes_open(model *m, region *home, ebb_error *error);
uint32_t lane_take(model *m);
void lane_release(model *m, uint32_t index);

/* The executable for these symbol values and this lane, ready to run: planned, cached, or made now.
 */
ebb_status plans_find(model *m, const int64_t *symbols, uint32_t lane_index, executable **result,
                      plan_entry **entry, ebb_error *error);
void plans_release(model *m, plan_entry *entry);
/* Closes cached executables that nobody uses; returns bytes given back. */
uint64_t plans_trim(model *m);
void plans_close(model *m);
bool executable_matches(const executable *e, const int64_t *symbols);

/* -- weights -------------------------------------------------------------------------------------
 */

ebb_status model_weight_get(model *m, uint32_t index, const ebb_view *view, ebb_error *error);
ebb_status model_weight_set(model *m, uint32_t index, const ebb_view *view, ebb_error *error);

/* -- states (model_states.c) ----------------------------------------------------------------------
 */

/* Memory for the states, zeros, lent to the weights; one lane, since they are in one place. */
ebb_status model_states_open(model *m, ebb_error *error);
/* Puts them into a table by graph weight index, in place of memory of its owner's. */
void model_states_share(const model *m, void **memory);
ebb_status model_state_info(const model *m, uint32_t index, ebb_tensor_info *info,
                            ebb_error *error);
ebb_status model_state_copy(model *m, uint32_t index, const ebb_view *view, bool is_set,
                            ebb_error *error);
ebb_status model_states_reset(model *m, const char *layer, ebb_error *error);

/* -- saving --------------------------------------------------------------------------------------
 */

ebb_status model_save(model *m, const char *path, const ebb_save_options *options,
                      ebb_error *error);
ebb_status model_export(model *m, const char *path, const ebb_export_options *options,
                        ebb_error *error);

/* -- files ---------------------------------------------------------------------------------------
 */

ebb_status model_predict_files(model *m, const char *const *inputs, const char *const *outputs,
                               const ebb_stream_options *options, ebb_error *error);
/* With `everything` a folder that is a model goes with all that is in it; receipt: never NULL. */
ebb_status model_files_remove_with(const char *path, bool everything, ebb_receipt *receipt,
                                   ebb_error *error);
/* Can model_files_remove_with() succeed? E_UNSUPPORTED names what else is in the folder. The
 * receipt (may be NULL) lists what would go. */
ebb_status model_files_check_with(const char *path, bool everything, ebb_receipt *receipt,
                                  ebb_error *error);
static inline ebb_status model_files_remove(const char *path, ebb_receipt *receipt,
                                            ebb_error *error)
{
    return model_files_remove_with(path, false, receipt, error);
}
static inline ebb_status model_files_check(const char *path, ebb_receipt *receipt,
                                           ebb_error *error)
{
    return model_files_check_with(path, false, receipt, error);
}

#endif
