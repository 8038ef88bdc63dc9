/* bind.h -- which tensor of the file fills which weight of the model.
 *
 * .keras files bind by object path, legacy .h5 files by order (trainable first, then the rest,
 * nested models as a whole), with the conversions of older versions
 * (format/keras/legacy_weights.h). Shapes are checked for every weight; all faults name layer,
 * weight, expected and found shape.
 */
#ifndef EBB_LAYER_BIND_H
#define EBB_LAYER_BIND_H

#include "layer/assemble.h"

typedef struct weight_source {
    const tensor_entry *entry; /* the single tensor, read straight; NULL: converted */
    const void *conversion;    /* of bind.c, several tensors or a changed layout */
} weight_source;

/* sources[model->weight_count], in `home`. E_FORMAT/E_SHAPE on the first fault; all faults through
 * `problem` if given. */
ebb_status bind_weights(region *home, const description *d, const built_model *model,
                        problem_function problem, void *context, weight_source **sources,
                        ebb_error *error);

/* What fits, and nothing else: weights without a source have neither entry nor conversion, and each
 * fault goes to `problem`. With `is_by_name` a layer takes the group of its name, or none
 * (WEIGHTS_BY_ORDER only). E_FORMAT: another number of layers, which no order can match. */
ebb_status bind_weights_some(region *home, const description *d, const built_model *model,
                             bool is_by_name, problem_function problem, void *context,
                             weight_source **sources, ebb_error *error);

/* Reads elements [first, first + count) of a weight in its stored dtype weight->dtype. Straight
 * sources read any range; converted ones use scratch memory of a child of `scratch` for the whole
 * tensor. */
ebb_status bind_read(region *scratch, const weight_source *s, const layer_weight *weight,
                     uint64_t first, uint64_t count, void *bytes, ebb_error *error);

#endif
