/* plan_training.h -- `ebb plan --train`: the bytes of a model and of its training, and the largest
 * batch that fits below a limit. Nothing but plans is made. */
#ifndef EBB_CLI_PLAN_TRAINING_H
#define EBB_CLI_PLAN_TRAINING_H

#include "session.h"
#include "training_words.h"

typedef struct plan_training {
    const invocation *call; /* --limit is for the model and its training together */
    const compile_words *words;
    bool is_search; /* for the largest batch */
} plan_training;

/* Prints; returns an EXIT_ number. */
int plan_training_run(session *s, const plan_training *p);

#endif
