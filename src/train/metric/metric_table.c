/* metric_table.c -- the table of metrics, look-up by name, and reading a metric from a file or a
 * caller. */
#include <stddef.h>
#include <string.h>

#include "base/status.h"
#include "train/metric/accuracy.h"
#include "train/named_config.h"
#include "train/nearest.h"

#define METRIC(name) extern const metric_def metric_def_##name;
#include "train/metric/list.inc"
#undef METRIC

static const metric_def *const metrics[] = {
#define METRIC(name) &metric_def_##name,
#include "train/metric/list.inc"
#undef METRIC
};
static const uint32_t metric_count = sizeof metrics / sizeof metrics[0];

/* As plain text these two name no class: shapes decide when the nodes are emitted. */
static const metric_def by_shape = {
    .entry = {.name = "accuracy", .aliases = "acc"},
    .default_name = "accuracy",
    .values = accuracy_by_shape,
};

uint32_t metric_table_count(void)
{
    return metric_count;
}

const metric_def *metric_table_at(uint32_t index)
{
    return index < metric_count ? metrics[index] : NULL;
}

const metric_def *metric_find(const char *name)
{
    for (uint32_t i = 0; i < metric_count; i++)
        if (train_entry_matches(&metrics[i]->entry, name)) return metrics[i];
    return NULL;
}

static ebb_status refuse(const char *name, const char *where, ebb_error *error)
{
    nearest n = nearest_begin(name);
    char text[120];

    for (uint32_t i = 0; i < metric_count; i++) nearest_consider(&n, metrics[i]->entry.name);
    return fail(error, EBB_E_UNSUPPORTED, where,
                "no metric of Keras is called '%.60s'; the nearest are %s", name,
                nearest_text(&n, text, sizeof text));
}

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

static ebb_status make(region *home, const char *name, bool is_plain, const json *settings,
                       const char *where, metric *result, ebb_error *error)
{
    *result = (metric){0};
    result->def =
        is_plain && train_entry_matches(&by_shape.entry, name) ? &by_shape : metric_find(name);
    if (result->def == NULL) return refuse(name, where, error);
    const char *own = is_plain ? name : result->def->default_name;
    result->name = region_text(home, json_text(json_get(settings, "name"), own));
    if (result->name == NULL) return region_fail(home, error, where, "the name of a metric");
    return read_config(home, settings, where, result, error);
}

ebb_status metric_read(region *home, const json *given, const char *where, metric *result,
                       ebb_error *error)
{
    const json *settings;
    const char *name = train_object_name(given, &settings);
    char text[80];

    if (name != NULL) {
        const bool is_plain =
            given->kind == JSON_STRING || json_is_text(json_get(given, "class_name"), "function");
        return make(home, name, is_plain, settings, where, result, error);
    }
    *result = (metric){0};
    return fail(error, EBB_E_FORMAT, where,
                "expected the name of a metric or an object with class_name and config, found %s",
                json_describe(given, text, sizeof text));
}

ebb_status metric_named(region *home, const char *name, const char *where, metric *result,
                        ebb_error *error)
{
    return make(home, name, true, NULL, where, result, error);
}
