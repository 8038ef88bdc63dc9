/* weights_replace.h -- many weights of a model at once: all or nothing.
 *
 * The new block of weights is filled beside the old one, folded and packed forms as well, and then
 * copied over it while no prediction runs. Everything that can fail comes before. */
#ifndef EBB_RUNTIME_WEIGHTS_REPLACE_H
#define EBB_RUNTIME_WEIGHTS_REPLACE_H

#include "ebb/build.h"
#include "runtime/model.h"

/* For weights that change: all elements in the type of the weight. */
typedef ebb_status (*weight_source_read)(void *context, region *scratch, uint32_t index,
                                         uint64_t count, void *bytes, ebb_error *error);

typedef struct weights_change {
    model *m;
    bool *is_set; /* by weight: it changes; the others keep what they have */
    weight_source_read read;
    void *context;
} weights_change;

/* E_UNSUPPORTED (inference_only); E_MEMORY; what `read` fails with. In children of `work`. */
ebb_status weights_replace(region *work, const weights_change *change, ebb_error *error);

/* The caller's options, defaults filled in. */
ebb_status weights_options_read(const ebb_weights_options *options, ebb_weights_options *result,
                                ebb_error *error);
/* A weight of the target that is left as it is for a mismatch. */
void weights_report_skip(ebb_weights_report *report, const layer_weight *w);
/* Counts what `is_set` says. */
void weights_report_count(ebb_weights_report *report, const built_model *built, const bool *is_set);

ebb_status model_weights_copy(model *from, model *to, const ebb_weights_options *options,
                              ebb_weights_report *report, ebb_error *error);
ebb_status model_weights_load(model *m, const char *path, const ebb_weights_options *options,
                              ebb_weights_report *report, ebb_error *error);

#endif
