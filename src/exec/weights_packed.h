/* weights_packed.h -- inside of exec/: slots of weights that are stored packed. */
#ifndef EBB_EXEC_WEIGHTS_PACKED_H
#define EBB_EXEC_WEIGHTS_PACKED_H

#include "exec/weights.h"

/* In `home`; NULL: no memory. */
const weight_form *packed_form_make(region *home, const packed_layout *l);
/* Most scratch bytes packed_fill() holds. */
uint64_t packed_fill_bytes(const packed_layout *l);
/* Reads the weight piece by piece, as often as packing it takes. E_FORMAT: it has more or fewer
 * elements that are not zero than its layout says. */
ebb_status packed_fill(const weights *w, const weight_slot *slot, const weight_reader *reader,
                       region *scratch, ebb_error *error);
/* E_UNSUPPORTED in the usual words. */
ebb_status packed_set_refuse(const packed_layout *l, ebb_error *error);

#endif
