/* suspend.h -- models put aside: ebb_model_suspend().
 *
 *     region "<name>" ── meta: description, graph, executables, code       stays
 *         ├─ "weights"   the block: gone to disk, or only what cannot be computed again
 *         ├─ "lanes"     gone
 *         ├─ "plans"     emptied
 *         └─ "training"  arena gone; variables too where they are on disk
 *
 * The handle is held by nobody while a model changes from one state to the other
 * (handle_replace_begin()), so every call finds it whole. While it is suspended `is_behind` is set:
 * so whoever wants weights asks training_publish(), which refuses. */
#ifndef EBB_RUNTIME_SUSPEND_H
#define EBB_RUNTIME_SUSPEND_H

#include "runtime/model.h"

/* E_STATE: the model is suspended. */
ebb_status model_awake(const model *m, const char *where, ebb_error *error);
/* What else a suspended model holds. For model_discard(). */
void suspension_end(model *m);

ebb_status model_suspend(ebb_model handle, const ebb_suspend_options *options, ebb_receipt *receipt,
                         ebb_error *error);
ebb_status model_resume(ebb_model handle, ebb_error *error);

/* -- training_rest.c --------------------------------------------------------------------------- */

/* The arena goes, and the blocks of variables. */
void training_rest(training *t, bool drops_variables);
/* Takes blocks as before; after a failure training_wake_undo(). */
ebb_status training_wake_blocks(training *t, bool has_variables, ebb_error *error);
void training_wake_undo(training *t, bool has_variables);
/* Variables are in their blocks again. */
void training_wake(training *t);

#endif
