/* standalone.h -- losses, metrics and schedules by themselves: the nodes that a step would have,
 * over constants, evaluated on portable kernels.
 *
 * Memory: a child of `home` of class scratch, given back on return. */
#ifndef EBB_TRAIN_STANDALONE_H
#define EBB_TRAIN_STANDALONE_H

#include "ebb/train.h"
#include "json/json.h"
#include "mem/region.h"

/* See ebb_loss_compute(), ebb_metric_compute() and ebb_schedule_compute() in ebb/train.h. */
ebb_status standalone_loss(region *home, const char *text, const ebb_operands *operands,
                           ebb_view *result, ebb_error *error);
/* See ebb_loss_gradient() in ebb/gradient.h. */
ebb_status standalone_loss_gradient(region *home, const char *text, const ebb_operands *operands,
                                    const ebb_view *upstream, const ebb_view *gradient,
                                    ebb_error *error);
ebb_status standalone_metric(region *home, const char *text, const ebb_operands *operands,
                             ebb_view *variables, size_t *count, ebb_view *result,
                             ebb_error *error);
/* A text of a caller's: JSON, or else a name, which is not copied. */
ebb_status standalone_text_read(region *home, const char *what, const char *text,
                                const json **result, ebb_error *error);
ebb_status standalone_schedule(region *home, const char *text, uint64_t step, double *rate,
                               ebb_error *error);

#endif
