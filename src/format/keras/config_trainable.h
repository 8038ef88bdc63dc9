/* config_trainable.h -- the configuration of a model whose layers were frozen or freed since its
 * file was made. */
#ifndef EBB_FORMAT_KERAS_CONFIG_TRAINABLE_H
#define EBB_FORMAT_KERAS_CONFIG_TRAINABLE_H

#include "format/description.h"

/* May training change the layer? `title` is its name with those of the models around it,
 * `otherwise` what the file says. */
typedef struct trainable_answers {
    bool (*is_trainable)(void *context, const char *title, bool otherwise);
    void *context;
} trainable_answers;

/* *result is `d` where its configuration says all that already, else a copy in `home` that does;
 * the copy shares tensors and file with `d` and is not to be closed. */
ebb_status description_trainable(region *home, const description *d,
                                 const trainable_answers *answers, const description **result,
                                 ebb_error *error);

#endif
