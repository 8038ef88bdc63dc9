/* training_progress.h -- what is seen of training while it goes on: on a terminal a bar per epoch
 * as Keras draws it, elsewhere a line per epoch. Looks out for Ctrl-C and cancels. */
#ifndef EBB_CLI_TRAINING_PROGRESS_H
#define EBB_CLI_TRAINING_PROGRESS_H

#include <stdio.h>

#include "ebb/ebb.h"

typedef struct training_progress {
    FILE *file;                            /* NULL: nothing is shown */
    bool has_bar;                          /* the file is a terminal */
    bool is_drawn;                         /* an unfinished line is there */
    uint64_t epoch_ns, drawn_ns, steps_ns; /* begin of the epoch, last drawing, end of its steps */
    uint64_t steps;                        /* of the epoch, as far as known */
    uint64_t steps_done;                   /* of the whole training */
    uint32_t epochs_done;
} training_progress;

/* Results on stdout, so the epochs too; with --json only a terminal on stderr sees them. */
void training_progress_begin(training_progress *p, bool is_json, bool is_quiet);
/* The callback of the command; context is the training_progress. */
bool training_progress_see(void *context, const ebb_training_event *event);
/* Ends a line that was begun. */
void training_progress_end(training_progress *p);

#endif
