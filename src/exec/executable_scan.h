/* executable_scan.h -- steps that run a graph of their own, once for each element of a sequence.
 *
 *     step scan ── inner executable (no weights of its own but literals), one binding per lane
 *       scratch of the step:  | arena of the inner executable | two places for each carried value |
 *
 * The first run reads the carried values from where the node's inputs are, the last one writes them
 * to where its outputs are; in between they go to and fro between the two places. */
#ifndef EBB_EXEC_EXECUTABLE_SCAN_H
#define EBB_EXEC_EXECUTABLE_SCAN_H

#include "exec/executable_internal.h"

/* Instead of asking kernel rows: sets kernel, state, scratch_bytes and lane_bytes of the step. */
ebb_status scan_plan(executable *e, step *s, ebb_error *error);
/* The step's state of lane number `lane`, before it is bound. */
void scan_lane_open(void *state, uint32_t lane);

#endif
