/* schedule_table.c -- the table of schedules, reading and emitting one. */
#include "train/schedule/schedule.h"

#define SCHEDULE(name, parameters) extern const schedule_def schedule_def_##name;
#include "train/schedule/list.inc"
#undef SCHEDULE

static const train_entry *const entries[] = {
#define SCHEDULE(name, parameters) &schedule_def_##name.entry,
#include "train/schedule/list.inc"
#undef SCHEDULE
};

static const constructor constructors[] = {
#define SCHEDULE(name, parameters) {#name, parameters},
#include "train/schedule/list.inc"
#undef SCHEDULE
};

const train_table schedule_table = {"learning rate schedule", entries,
                                    sizeof entries / sizeof entries[0], constructors, NULL};

ebb_status schedule_read(region *home, const json *given, const char *where, train_object *result,
                         ebb_error *error)
{
    return train_object_read(&schedule_table, home, given, where, result, error);
}

value schedule_emit(graph *g, const train_object *schedule, value step)
{
    const schedule_def *const def = (const schedule_def *)schedule->entry;

    return def->emit(g, schedule->config, op_cast(g, step, EBB_F32));
}
