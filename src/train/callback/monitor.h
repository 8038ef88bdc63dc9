/* monitor.h -- what EarlyStopping, ModelCheckpoint and ReduceLROnPlateau share: a value of the logs
 * that should fall or rise.
 *
 * In mode "auto" losses fall; a metric rises or falls as its class says (accuracy rises, an error
 * falls), found by its name, also behind the name of an output. Comparing is in float32.
 * Source: keras/src/callbacks/monitor_callback.py. */
#ifndef EBB_TRAIN_CALLBACK_MONITOR_H
#define EBB_TRAIN_CALLBACK_MONITOR_H

#include "train/callback/callback.h"

#define MONITOR_MODES "auto|min|max"

typedef struct monitor {
    const char *name;
    int direction; /* 1: more is better, -1: less is better */
    double min_delta;
    bool has_best;
    double best;
} monitor;

/* E_ARGUMENT: mode "auto", and nothing is known about the name. */
ebb_status monitor_open(monitor *m, const callback *c, const engine *e, const char *name,
                        uint32_t mode, double min_delta, ebb_error *error);
bool monitor_is_better(const monitor *m, double value, double reference);
/* Better than the best so far, which there may not be. */
bool monitor_is_best(const monitor *m, double value);
/* The value in the logs; NULL after a warning, `what` being what does not happen. */
const double *monitor_value(const monitor *m, const fit_moment *at, const callback *c,
                            const char *what);

#endif
