/* step_parts.h -- what the files of the step share; nobody else includes it. */
#ifndef EBB_TRAIN_STEP_PARTS_H
#define EBB_TRAIN_STEP_PARTS_H

#include "train/step.h"

typedef struct step_maker {
    region *home;
    graph *g;
    const settings *s;
    const step_inputs *inputs;
    train_step *t;
    value *targets, *weights; /* by output; VALUE_NONE: none */
    value *losses;            /* by output, as shown: before their weights; VALUE_NONE: none */
    value differentiated;     /* the sum of all losses, of which gradients are taken */
    value single;             /* what the last loss adds to "loss" */
    metric *metrics;          /* as settings.metrics */
    value *gradients;         /* by trained weight */
} step_maker;

bool step_no_memory(step_maker *m, const char *what);
/* Losses, their sum, and the outputs that show them. Failures are in the graph. */
void step_losses_emit(step_maker *m);
/* Sums of metrics and the outputs that show their results. */
void step_metrics_emit(step_maker *m);

#endif
