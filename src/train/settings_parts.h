/* settings_parts.h -- what the files of settings share; nobody else includes it. */
#ifndef EBB_TRAIN_SETTINGS_PARTS_H
#define EBB_TRAIN_SETTINGS_PARTS_H

#include "train/settings.h"

typedef struct settings_reader {
    region *home;
    const built_model *model;
    settings *s;
    ebb_error *error;
} settings_reader;

/* One loss or metric: a name, or an object with a class_name. */
bool settings_is_one(const json *given);
/* The number of the output; UINT32_MAX after E_ARGUMENT, which lists the names there are. */
uint32_t settings_output_find(settings_reader *r, const char *what, const char *name);
/* Returns `status`; where it is a fault the error is about "what of output 'name'", or about "what"
 * alone when there is one output. */
ebb_status settings_about(settings_reader *r, const char *what, uint32_t output, ebb_status status);
ebb_status settings_no_memory(settings_reader *r);

/* Keras 2 and 3 wrap functions in MeanMetricWrapper and LossFunctionWrapper: what is inside, with
 * the wrapper's name. Others as they are. NULL: no memory. */
const json *settings_unwrap(region *home, const json *given);

/* Fills in metrics; `config` holds "metrics" and "weighted_metrics". */
ebb_status settings_metrics_read(settings_reader *r, const json *config);

/* The config with what Keras calls them in place of losses and metrics that were traced; itself
 * without any. NULL: no memory. */
const json *settings_for_files(region *home, const json *config);

#endif
