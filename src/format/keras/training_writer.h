/* training_writer.h -- what training adds to files: settings of compile() in the words of each
 * format, and the variables of the optimizer in its order.
 *
 * .keras: Keras 3's own words and order; optimizers inside others once more under their own object,
 * as Keras 3 does.
 *
 * .h5: words that Keras 3 and tf.keras read, names of losses in full. For optimizers that tf.keras
 * has, the variables stand in the order of tf.keras, which reads them by position: it keeps all
 * first slots before all second ones and no learning rate, which is in the settings. Keras 3 reads
 * no state from .h5 files, not even its own: it opens them and begins with a fresh optimizer. */
#ifndef EBB_FORMAT_KERAS_TRAINING_WRITER_H
#define EBB_FORMAT_KERAS_TRAINING_WRITER_H

#include "format/content.h"
#include "format/keras/config_writer.h"

/* Settings of compile(), in whichever terms, with the learning rate of this moment. NULL: none that
 * Keras 3 would understand; those of Keras 1 and 2 are left out: Keras 3 has other optimizers. */
ebb_status settings_find(region *home, const model_content *content, const json **settings,
                         ebb_error *error);

/* The same without asking for the learning rate of now. */
const json *settings_of(const model_content *content);

/* As config.json has them. */
void compile_settings_put(config_writer *c, const json *settings);
/* As the attribute training_config has them. */
void training_settings_put(config_writer *c, const json *settings);

/* The group optimizer_weights of .h5. */
ebb_status optimizer_tensors_list(region *home, const model_content *content, const json *settings,
                                  const saved_tensor **tensors, uint32_t *count, ebb_error *error);

/* Path of inner optimizer `number` (from 0) of a LossScaleOptimizer or MultiOptimizer with this
 * config. NULL: no memory. */
const char *optimizer_inner_path(region *home, const json *settings, uint32_t number);

/* A second place of a variable: that of the optimizer inside. */
typedef struct inner_place {
    const char *path; /* "optimizer/inner_optimizer"; NULL: none */
    uint32_t variable;
} inner_place;

/* places[content->extra_count]; NULL: no optimizer is inside another. */
ebb_status optimizer_inner_places(region *home, const model_content *content,
                                  const inner_place **places, ebb_error *error);

#endif
