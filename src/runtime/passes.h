/* passes.h -- models run forwards outside a compiled training, and gradients of such runs.
 *
 *     region "passes" ── meta: tables
 *         ├─ "plans"      graphs and executables, given back by ebb_trim()       cached
 *         ├─ "arena"      one block: activations and gradients                   class gradients
 *         ├─ "variables"  one block: the weights as variables                    class weights
 *         ├─ "state"      random stream, states of stateful layers               class gradients
 *         └─ "pass"       one each: inputs, outputs, what gradients need         class gradients
 *
 * Variables: there is one copy of the weights as variables at a time. Of a compiled model it is
 * training's, and passes work on that; else passes have a copy of their own, made when it is
 * needed. What is newer there than in the model's own weights (statistics that a pass has moved)
 * is fetched by training_publish(), as after a step of training.
 *
 * What a gradient reads must be what its pass read. Variables that passes change themselves and
 * that outputs depend on (the random stream, states, vectors of spectral normalization) are kept in
 * the pass; a change of any other one that is read is noticed by its time. Everything is guarded by
 * model.training_mutex, the list of open passes by model.mutex. */
#ifndef EBB_RUNTIME_PASSES_H
#define EBB_RUNTIME_PASSES_H

#include "ebb/gradient.h"
#include "runtime/runner.h"
#include "runtime/training.h"
#include "train/pass_graph.h"

#define PASS_GRADIENTS 4u /* sets of wanted gradients, of one side */

/* One open pass, at the beginning of its block. */
typedef struct model_pass {
    uint64_t id, model;
    region *home;
    struct model_pass *next, *previous; /* of the model */
    bool is_training;
    uint64_t time;           /* of passes.time, when it was made */
    uint64_t training_steps; /* of model.variable_changes */
    uint32_t choice_changes; /* of the model */
    uint32_t input_count, output_count, weight_count;
    ebb_view *inputs, *outputs;
    bool *reaches_weight, *reaches_input;
    uint8_t *kept; /* by side.kept */
} model_pass;

/* A set of gradients that was asked for. */
typedef struct pass_gradient {
    region *home; /* NULL: free */
    gradient_graph graph;
    bool *asked;                /* by output, then by input, then by weight */
    ebb_view *inputs, *results; /* of a run */
    runner r;
    uint64_t used_at;
} pass_gradient;

/* The graphs of one mode. */
typedef struct pass_side {
    region *home; /* NULL: not made */
    forward_graph forward;
    runner r;
    uint32_t *kept; /* graph weight indices of what passes keep */
    uint64_t *kept_offsets, *kept_sizes, kept_bytes;
    uint32_t kept_count;
    uint8_t *kept_block; /* gradients read it there */
    void **memory;       /* by graph weight index, for gradients */
    bool *asked;         /* of the gradients that are being taken */
    pass_gradient gradients[PASS_GRADIENTS];
} pass_side;

typedef struct passes {
    model *m;
    region *home, *cache, *variables, *state;
    runners runners;
    pass_side sides[2]; /* inference, training */
    trainable_choice *choices;
    uint32_t choice_changes; /* of the model, when the sides were made */
    uint64_t seed;           /* of the first pass */
    uint32_t weight_count, variable_count;
    uint64_t *offsets, *sizes; /* by weight, in the block */
    uint64_t variable_bytes;
    uint8_t *block;       /* the copy of its own; NULL: none */
    const uint8_t *lent;  /* the block that executables know; NULL: none */
    void **memory;        /* by graph weight index */
    uint64_t state_bytes; /* of the random stream and of states */
    uint64_t *changed_at; /* by weight */
    uint64_t time, clock;
    model_pass *first; /* newest first */
} passes;

/* -- passes.c ---------------------------------------------------------------------------------- */

/* Those of the model, made with this seed if there are none. Under training_mutex, as all below. */
ebb_status passes_find(model *m, uint64_t seed, passes **result, ebb_error *error);
/* The variables are there, and executables know where. */
ebb_status passes_variables(passes *p, ebb_error *error);
/* Graphs, plans and arena go, and the variables if nothing would be lost. Returns threads ended. */
uint32_t passes_rest(passes *p);
/* The same for ebb_trim(), unless they are in use: returns bytes. */
uint64_t passes_trim(model *m);
/* Everything, open passes too: nobody uses the model. Returns threads ended. NULL is a no-op. */
uint32_t passes_close(passes *p);

/* Memory of weight `index` as a variable, the newest there is; NULL: only the model's weights are
 * there, or it is suspended. */
void *model_variable(const model *m, uint32_t index);
/* A weight was set from outside; also where there are no variables. */
void model_variable_set(model *m, uint32_t index, const void *bytes);

/* -- passes_side.c ----------------------------------------------------------------------------- */

ebb_status pass_side_find(passes *p, bool is_training, pass_side **result, ebb_error *error);
/* `asked` as in pass_gradient. */
ebb_status pass_gradient_find(passes *p, pass_side *s, const bool *asked, pass_gradient **result,
                              ebb_error *error);
void pass_gradient_close(pass_gradient *g);
void pass_side_close(pass_side *s);

/* -- pass_run.c -------------------------------------------------------------------------------- */

ebb_status pass_open(model *m, const ebb_views *inputs, const ebb_pass_options *options,
                     uint64_t *id, ebb_error *error);
/* What a caller gives and wants: as ebb_pass_gradients(), counts checked. NULL: none. */
typedef struct gradient_views {
    const ebb_view *outputs, *inputs, *weights;
} gradient_views;
ebb_status pass_gradients(model *m, const model_pass *pass, const gradient_views *given,
                          ebb_error *error);
/* Its handle is closing. */
void pass_close(model *m, model_pass *pass);

#endif
