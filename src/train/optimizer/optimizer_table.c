/* optimizer_table.c -- the table of optimizers, and reading one with its learning rate. */
#include <math.h>

#include "base/status.h"
#include "train/optimizer/optimizer_state.h"
#include "train/schedule/schedule.h"

#define OPTIMIZER(name, parameters) extern const optimizer_def optimizer_def_##name;
#include "train/optimizer/list.inc"
#undef OPTIMIZER

static const train_entry *const entries[] = {
#define OPTIMIZER(name, parameters) &optimizer_def_##name.entry,
#include "train/optimizer/list.inc"
#undef OPTIMIZER
};

static const constructor constructors[] = {
#define OPTIMIZER(name, parameters) {#name, parameters},
#include "train/optimizer/list.inc"
#undef OPTIMIZER
};

static train_defaults defaults(const train_entry *entry)
{
    return (train_defaults){NULL, ((const optimizer_def *)entry)->learning_rate};
}

const train_table optimizer_table = {"optimizer", entries, sizeof entries / sizeof entries[0],
                                     constructors, defaults};

static ebb_status check_base(const optimizer_base *b, const char *where, ebb_error *error)
{
    const int clips = !isnan(b->clipnorm) + !isnan(b->global_clipnorm) + !isnan(b->clipvalue);

    if (clips > 1) {
        return fail(error, EBB_E_ARGUMENT, where,
                    "only one of clipnorm, global_clipnorm and clipvalue can be set");
    }
    if (b->use_ema && !(b->ema_momentum >= 0 && b->ema_momentum <= 1)) {
        return train_range_fail(error, where, "ema_momentum", "a number from 0 to 1",
                                b->ema_momentum);
    }
    if (b->ema_overwrite_frequency < 0) {
        return train_range_fail(error, where, "ema_overwrite_frequency", "a positive number",
                                (double)b->ema_overwrite_frequency);
    }
    if (b->gradient_accumulation_steps < 0 || b->gradient_accumulation_steps == 1) {
        return train_range_fail(error, where, "gradient_accumulation_steps", "at least 2",
                                (double)b->gradient_accumulation_steps);
    }
    return EBB_OK;
}

static ebb_status read_learning_rate(region *home, const char *where, optimizer *o,
                                     ebb_error *error)
{
    const optimizer_base *const b = o->config;
    const json *given = b->learning_rate != NULL ? b->learning_rate : b->lr;

    o->learning_rate = o->def->learning_rate;
    if (given == NULL) return EBB_OK;
    if (given->kind == JSON_OBJECT && json_path(given, "config.value") == NULL) {
        return schedule_read(home, given, where, &o->schedule, error);
    }
    if (given->kind == JSON_OBJECT) given = json_path(given, "config.value");
    o->learning_rate = json_number(given, NAN);
    if (isfinite((float)o->learning_rate)) return EBB_OK;
    return fail(error, EBB_E_FORMAT, where,
                "learning_rate: expected a number or a learning rate schedule");
}

static ebb_status optimizer_make(region *home, const train_object *object, const char *where,
                                 optimizer *result, ebb_error *error)
{
    const optimizer_base *const base = object->config;
    const optimizer_def *const def = (const optimizer_def *)object->entry;

    result->def = def;
    result->config = base;
    result->name = base->name != NULL ? base->name : def->default_name;
    ebb_status status = check_base(base, where, error);
    if (status == EBB_OK) status = read_learning_rate(home, where, result, error);
    if (status == EBB_OK && def->read != NULL) status = def->read(home, where, result, error);
    return status;
}

ebb_status optimizer_read(region *home, const json *given, const char *where, optimizer *result,
                          ebb_error *error)
{
    train_object object;
    const ebb_status status =
        train_object_read(&optimizer_table, home, given, where, &object, error);

    *result = (optimizer){0};
    return status == EBB_OK ? optimizer_make(home, &object, where, result, error) : status;
}

ebb_status optimizer_named(region *home, const char *name, const char *where, optimizer *result,
                           ebb_error *error)
{
    train_object object;
    const ebb_status status =
        train_object_named(&optimizer_table, home, name, where, &object, error);

    *result = (optimizer){0};
    return status == EBB_OK ? optimizer_make(home, &object, where, result, error) : status;
}
