/* fit_history.h -- adding to a History. Inside of train/. */
#ifndef EBB_TRAIN_FIT_HISTORY_H
#define EBB_TRAIN_FIT_HISTORY_H

#include "train/fit.h"
#include "train/fit_moment.h"

/* One epoch: all of it or, without memory, nothing. */
ebb_status history_add(history *h, uint32_t epoch, const fit_logs *logs, ebb_error *error);

#endif
