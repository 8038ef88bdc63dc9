/* saved_optimizer.h -- the state of an optimizer in a model file, in the order of Keras 3's
 * optimizer.variables, for whoever goes on training with it.
 *
 *     saved_optimizer_open()   finds it; the file is opened again if it was closed
 *     saved_optimizer_fits()   is it that of this optimizer?
 *     saved_optimizer_read()   one variable at a time
 *
 * A state that cannot be used is no error: `problem` says why, and training begins with a fresh
 * optimizer, as in Keras. Source: load_own_variables in keras/src/optimizers/base_optimizer.py. */
#ifndef EBB_FORMAT_SAVED_OPTIMIZER_H
#define EBB_FORMAT_SAVED_OPTIMIZER_H

#include "format/content.h"

typedef struct saved_optimizer {
    const tensor_entry **variables; /* NULL: not in the file, begins as compile() says */
    uint32_t count;                 /* 0: there is none, or none that can be used */
    const json *rate;               /* the learning rate in the settings, where variable 1 is it
                                       and is not stored; else NULL */
    const char *problem;            /* why not; NULL: none */
    description *file;              /* opened for this */
} saved_optimizer;

/* `d` may be closed (description_finish()); then its file is opened again: E_IO when it is another
 * one by now, E_NOT_FOUND when it is gone. Everything lives in `home`. */
ebb_status saved_optimizer_open(region *home, const description *d, saved_optimizer *result,
                                ebb_error *error);
void saved_optimizer_close(saved_optimizer *s);

/* Are these the variables of an optimizer with `wanted`, in number and shape? When not, the status
 * says E_STATE or E_SHAPE and `why` what was expected and found. */
ebb_status saved_optimizer_fits(const saved_optimizer *s, const saved_tensor *wanted,
                                uint32_t count, ebb_error *why);
/* Variable `index`, converted to wanted->dtype. *is_there false: the file does not have it, nothing
 * was written. The rate is given as F32 only. */
ebb_status saved_optimizer_read(const saved_optimizer *s, uint32_t index,
                                const saved_tensor *wanted, void *bytes, bool *is_there,
                                ebb_error *error);

/* For writing it again: tensors in `home` whose `source` counts from `first_source`, and the
 * settings that belong to it. None when a variable is missing. Read them with
 * saved_optimizer_read(source - first_source). */
ebb_status saved_optimizer_list(region *home, const saved_optimizer *s, const description *d,
                                uint32_t first_source, saved_training *result, ebb_error *error);

#endif
