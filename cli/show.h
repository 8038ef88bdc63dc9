/* show.h -- arrays as text for people, and as JSON. */
#ifndef EBB_CLI_SHOW_H
#define EBB_CLI_SHOW_H

#include "ebb/ebb.h"
#include "json_output.h"

/* Name, type and shape, then up to `rows` rows of it, each with its first values; for rows of
 * several numbers also the place and the value of the largest. */
void show_array(const char *name, const ebb_view *view, uint32_t rows);
/* One object: name, dtype, shape, values (nested). */
void show_array_json(json_output *j, const char *name, const ebb_view *view);
/* Element number `index` in C order. */
double view_value(const ebb_view *view, uint64_t index);

#endif
