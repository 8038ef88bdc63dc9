/* optimizer_state.h -- what the files of optimizer/ share; nobody outside includes it.
 *
 * An optimizer of the usual kind is three functions: `build` makes slots, `prepare` computes the
 * scalars of a step once, `update` gives the next value of one variable and puts its slots.
 * Learning rate, accumulation, clipping, weight decay, moving averages and constraints are done for
 * all of them in optimizer_step.c. Optimizers around others have `apply` instead. */
#ifndef EBB_TRAIN_OPTIMIZER_STATE_H
#define EBB_TRAIN_OPTIMIZER_STATE_H

#include "train/arithmetic.h"
#include "train/optimizer/gradient_rows.h"
#include "train/optimizer/optimizer.h"

#define SLOTS_MAX   3
#define SCALARS_MAX 6

/* What every configuration begins with. NAN and 0: none. */
typedef struct optimizer_base {
    const char *name;
    const json *learning_rate, *lr; /* number or schedule; lr: before Keras 2.3 */
    double decay; /* before tf.keras 2.11: the learning rate is divided by 1 + decay * iteration */
    double weight_decay, clipnorm, global_clipnorm, clipvalue, ema_momentum, loss_scale_factor;
    bool use_ema, jit_compile, is_legacy_optimizer;
    int64_t ema_overwrite_frequency, gradient_accumulation_steps;
} optimizer_base;

#define OPTIMIZER_FIELD(key, kind, otherwise)                                                      \
    {                                                                                              \
#key, kind, offsetof(optimizer_base, key), false, otherwise, NULL                          \
    }
/* The keys of all optimizers; the configuration must begin with its optimizer_base. */
#define OPTIMIZER_FIELDS(default_weight_decay)                                                     \
    OPTIMIZER_FIELD(name, FIELD_TEXT, 0), OPTIMIZER_FIELD(learning_rate, FIELD_JSON, 0),           \
        OPTIMIZER_FIELD(lr, FIELD_JSON, 0), OPTIMIZER_FIELD(decay, FIELD_F64, 0),                  \
        OPTIMIZER_FIELD(weight_decay, FIELD_F64_OR_NONE, default_weight_decay),                    \
        OPTIMIZER_FIELD(clipnorm, FIELD_F64_OR_NONE, NAN),                                         \
        OPTIMIZER_FIELD(global_clipnorm, FIELD_F64_OR_NONE, NAN),                                  \
        OPTIMIZER_FIELD(clipvalue, FIELD_F64_OR_NONE, NAN),                                        \
        OPTIMIZER_FIELD(use_ema, FIELD_BOOL, 0), OPTIMIZER_FIELD(ema_momentum, FIELD_F64, 0.99),   \
        OPTIMIZER_FIELD(ema_overwrite_frequency, FIELD_I64, 0),                                    \
        OPTIMIZER_FIELD(loss_scale_factor, FIELD_F64_OR_NONE, NAN),                                \
        OPTIMIZER_FIELD(gradient_accumulation_steps, FIELD_I64, 0),                                \
        OPTIMIZER_FIELD(jit_compile, FIELD_BOOL, 0),                                               \
        OPTIMIZER_FIELD(is_legacy_optimizer, FIELD_BOOL, 0)

struct optimizer_def {
    train_entry entry;                   /* its check need not look at the base */
    const char *default_name;            /* of an instance: "rm_sprop" */
    double learning_rate;                /* default */
    void (*build)(optimizer_state *s);   /* NULL: no slots */
    void (*prepare)(optimizer_state *s); /* NULL: no scalars */
    value (*update)(optimizer_state *s, uint32_t index, value w, value gradient);
    double (*weight_decay)(const optimizer_state *s, uint32_t index); /* NULL: that of the base */
    /* Optimizers around others. */
    ebb_status (*read)(region *home, const char *where, optimizer *o, ebb_error *error);
    value (*scale_loss)(optimizer_state *s, value loss);
    void (*apply)(optimizer_state *s, const value *gradients);
};

struct optimizer_state {
    const optimizer *o;
    const optimizer_base *base;
    train_emit *e;
    graph *g;
    optimizer_variable *variables;
    uint32_t count;
    value (*slots)[SLOTS_MAX];      /* by variable */
    value *averages, *accumulators; /* by variable; NULL: none */
    value iteration, rate;          /* variables; rate VALUE_NONE with a schedule */
    value extras[2];                /* further variables of this optimizer */
    value loss_scale_variable;      /* LossScaleOptimizer around this one divides by it */
    optimizer_state **inner;        /* as o->inner */
    uint32_t *inner_of;             /* MultiOptimizer: by variable */
    uint32_t *index_in_inner;
    double loss_scale_factor;
    /* This step. */
    value learning_rate;  /* VALUE_NONE until it is asked for */
    value keep;           /* BOOL: what may be kept of this step at all; VALUE_NONE: everything */
    value update;         /* BOOL: keep, and not a step that only accumulates */
    gradient_rows **rows; /* by variable; NULL: its gradient is dense */
    value steps;          /* I32: updates before this one */
    value t;              /* F32: this update's number, from 1 */
    value scalars[SCALARS_MAX];
};

/* A further variable of the optimizer; `path` as it is. */
value optimizer_variable_new(optimizer_state *s, const char *path, ebb_dtype dtype, double initial);
/* "<name>/<text>" in the region of the training. NULL after a failure in the graph. */
const char *optimizer_path(optimizer_state *s, const char *text);

typedef struct slot_def {
    const char *name; /* "momentum" */
    double initial;
    bool is_copy; /* begins as a copy of the variable */
} slot_def;

/* Slots number `first` ... of all variables: all of the first variable, then all of the next. */
void optimizer_slots(optimizer_state *s, uint32_t first, const slot_def *slots, uint32_t count);
/* Slots number `first` ... of one variable. */
void optimizer_slots_of(optimizer_state *s, uint32_t index, uint32_t first, const slot_def *slots,
                        uint32_t count);
/* After this step the slot (or extra) holds `next`, if the step is an update. */
void optimizer_put(optimizer_state *s, value slot, value next);
/* The same if `keep` says yes; VALUE_NONE: always. */
void optimizer_put_if(optimizer_state *s, value keep, value variable, value next);

optimizer_state *optimizer_state_new(const optimizer *o, train_emit *e,
                                     const optimizer_variable *variables, uint32_t count);
/* Makes its variables; without variables to train only what does not depend on any. */
void optimizer_state_build(optimizer_state *s);
/* The step of an optimizer of the usual kind. */
void optimizer_apply_usual(optimizer_state *s, const value *gradients);

/* gradient squared, and its absolute value, as TensorFlow computes them: see gradient_rows.h. */
value optimizer_square(const optimizer_state *s, uint32_t index, value gradient);
value optimizer_magnitude(const optimizer_state *s, uint32_t index, value gradient);
/* (gradient * factor) squared, where `product` is gradient * factor. */
value optimizer_square_of(const optimizer_state *s, uint32_t index, value gradient, value factor,
                          value product);

/* slot + (target - slot) * factor: what Adam and its family do with their averages. */
value optimizer_towards(graph *g, value slot, value target, double factor);
/* 1 - base ** t */
value optimizer_correction(optimizer_state *s, double base);

static inline value slot(const optimizer_state *s, uint32_t index, uint32_t number)
{
    return s->slots == NULL ? VALUE_NONE : s->slots[index][number];
}

#endif
