/* metric_table.c -- the table of metrics, and reading a metric from a file or a caller. */
#include "base/status.h"
#include "train/metric/accuracy.h"
#include "train/named_config.h"

#define METRIC(name, parameters) extern const metric_def metric_def_##name;
#include "train/metric/list.inc"
#undef METRIC

static const train_entry *const entries[] = {
#define METRIC(name, parameters) &metric_def_##name.entry,
#include "train/metric/list.inc"
#undef METRIC
};

static const constructor constructors[] = {
#define METRIC(name, parameters) {#name, parameters},
#include "train/metric/list.inc"
#undef METRIC
};

static train_defaults defaults(const train_entry *entry)
{
    return (train_defaults){((const metric_def *)entry)->default_name, 0};
}

const train_table metric_table = {"metric", entries, sizeof entries / sizeof entries[0],
                                  constructors, defaults};

/* As plain text these two name no class: shapes decide when the nodes are emitted. */
static const metric_def by_shape = {
    .entry = {.name = "accuracy", .aliases = "acc"},
    .default_name = "accuracy",
    .values = accuracy_by_shape,
};

extern const metric_def metric_def_traced;

static const train_entry *const traced[] = {&metric_def_traced.entry, NULL};
static const named_table names = {&metric_table, &by_shape.entry, traced};

static ebb_status read_config(region *home, const json *settings, const char *where, metric *m,
                              ebb_error *error)
{
    const train_entry *entry = &m->def->entry;
    bool is_integer = m->def->is_integer;
    void *config = region_alloc(home, 1, entry->config_bytes > 0 ? entry->config_bytes : 1);

    if (config == NULL) return region_fail(home, error, where, "the config of a metric");
    m->config = config;
    ebb_status status =
        named_config_fields(entry->name, entry->fields, settings, where, config, error);
    if (status == EBB_OK && !json_is_null(json_get(settings, "dtype")))
        status =
            named_config_dtype(settings, where, m->def->is_integer ? &is_integer : NULL, error);
    if (status == EBB_OK && entry->check != NULL) status = entry->check(config, where, error);
    if (status == EBB_OK && m->def->prepare != NULL)
        status = m->def->prepare(home, config, where, error);
    m->dtype = is_integer ? EBB_I32 : EBB_F32;
    return status;
}

static ebb_status make(region *home, const named_choice *choice, const char *where, metric *result,
                       ebb_error *error)
{
    result->def = (const metric_def *)choice->entry;
    const char *own = choice->is_plain ? choice->word : result->def->default_name;
    result->name = region_text(home, json_text(json_get(choice->settings, "name"), own));
    if (result->name == NULL) return region_fail(home, error, where, "the name of a metric");
    return read_config(home, choice->settings, where, result, error);
}

ebb_status metric_read(region *home, const json *given, const char *where, metric *result,
                       ebb_error *error)
{
    named_choice choice;
    const ebb_status status = named_choose(&names, given, where, &choice, error);

    *result = (metric){0};
    return status == EBB_OK ? make(home, &choice, where, result, error) : status;
}

ebb_status metric_named(region *home, const char *name, const char *where, metric *result,
                        ebb_error *error)
{
    const json word = named_word(name);

    return metric_read(home, &word, where, result, error);
}
