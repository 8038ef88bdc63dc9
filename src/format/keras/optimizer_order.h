/* optimizer_order.h -- the variables of an optimizer as any version stored them, put into the order
 * of Keras 3's optimizer.variables.
 *
 *     Keras 3            iteration, learning rate, then the slots, those of a variable together
 *     tf.keras 2.11 on   the same without the learning rate
 *     tf.keras to 2.10   iter, then all of the first slot, all of the second, ...
 *     Keras 2            the same; RMSprop, Adagrad and Adadelta without a counter at first
 *     .h5 written here   as tf.keras to 2.10 for optimizers that it has, else as Keras 3
 *
 * What cannot be told for certain is refused with a reason: training then begins with a fresh
 * optimizer. Source: keras/src/optimizers/, tf_keras/src/optimizers/ and its legacy/;
 * keras/optimizers.py of Keras 2.2.4. */
#ifndef EBB_FORMAT_KERAS_OPTIMIZER_ORDER_H
#define EBB_FORMAT_KERAS_OPTIMIZER_ORDER_H

#include "format/description.h"

typedef struct optimizer_order {
    const tensor_entry **variables; /* NULL: not stored, begins as compile() says */
    uint32_t count;
    const char *problem; /* a reason, and no variables; NULL: none */
} optimizer_order;

/* `stored` as the file lists them; version and settings are those of `d`. Only E_MEMORY. */
ebb_status optimizer_order_find(region *home, const description *d, const tensor_group *stored,
                                optimizer_order *result, ebb_error *error);

/* The optimizer in settings of compile() of any version: its class without a package, and its
 * config; both may be NULL. */
const char *optimizer_class_of(const json *settings, const json **config);
/* "Adam" from "adam", of an optimizer that tf.keras has too; NULL: others. */
const char *optimizer_known_name(const char *name);
/* In which .h5 files of ours the variables stand as in tf.keras to 2.10: slots by variable, and
 * whether Keras 3 has the first two together. 0: as in Keras 3, for optimizers and settings that
 * tf.keras does not have. */
uint32_t optimizer_lists(const json *settings, bool *is_joined);

#endif
