/* path.h -- what lies between tensors of a public graph: the nodes through which a gradient goes.
 */
#ifndef EBB_RUNTIME_SESSION_PATH_H
#define EBB_RUNTIME_SESSION_PATH_H

#include "runtime/session/symbolic.h"

/* Two bits a tensor, in the caller's region. */
typedef struct sym_path {
    uint8_t *marks;
} sym_path;

/* Of tensors that depend on one of the xs, and that one of the ys depends on. */
ebb_status path_find(region *work, const symbolic *s, const uint32_t *ys, uint32_t y_count,
                     const uint32_t *xs, uint32_t x_count, sym_path *result, ebb_error *error);
/* Does a y depend on the tensor? */
bool path_reaches(const sym_path *p, uint32_t tensor);
/* Does a way from an x to a y go through the node? */
bool path_passes(const symbolic *s, const sym_path *p, uint32_t node);

#endif
