/* settings_metrics.c -- metrics by output, and their names: CompileMetrics of
 * keras/src/trainers/compile_utils.py. */
#include <string.h>

#include "base/status.h"
#include "train/settings_parts.h"

/* What is there for each output, in order. */
typedef struct metric_list {
    const json **items;
    uint32_t *outputs;
    uint32_t count;
} metric_list;

/* How often a name came up. */
typedef struct name_count {
    const char *name;
    uint32_t count;
} name_count;

typedef struct name_counts {
    name_count *items;
    uint32_t count;
} name_counts;

/* All single values, however deep. Recursion: the depth of the document, which json_read() bounds.
 */
static uint32_t single_count(const json *given)
{
    uint32_t count = 0;

    if (settings_is_one(given) || given->kind < JSON_ARRAY) return 1;
    for (uint32_t i = 0; i < given->count; i++) {
        count += single_count(given->kind == JSON_ARRAY ? &given->as.items[i]
                                                        : &given->as.members[i].value);
    }
    return count;
}

static ebb_status metric_add_one(settings_reader *r, const char *what, uint32_t output,
                                 const json *given, metric_list *list)
{
    char text[80];

    if (!settings_is_one(given)) {
        const ebb_status status =
            fail(r->error, EBB_E_FORMAT, what,
                 "expected the name of a metric or an object with class_name and config, found %s",
                 json_describe(given, text, sizeof text));
        return settings_about(r, what, output, status);
    }
    list->items[list->count] = given;
    list->outputs[list->count++] = output;
    return EBB_OK;
}

/* The member whose key follows `last` in the order of text; NULL: none. */
static const json_member *member_after(const json *object, const char *last)
{
    const json_member *found = NULL;

    for (uint32_t i = 0; i < object->count; i++) {
        const json_member *m = &object->as.members[i];
        if (last != NULL && strcmp(m->key, last) <= 0) continue;
        if (found == NULL || strcmp(m->key, found->key) < 0) found = m;
    }
    return found;
}

/* One output: however the metrics are nested, all are for it. Objects go by sorted keys, as Keras
 * flattens them. Recursion: as single_count(). */
static ebb_status metrics_flatten(settings_reader *r, const char *what, const json *given,
                                  metric_list *list)
{
    ebb_status status = EBB_OK;

    if (settings_is_one(given) || given->kind < JSON_ARRAY)
        return metric_add_one(r, what, 0, given, list);
    if (given->kind == JSON_OBJECT) {
        const json_member *m = member_after(given, NULL);
        for (; m != NULL && status == EBB_OK; m = member_after(given, m->key)) {
            status = metrics_flatten(r, what, &m->value, list);
        }
        return status;
    }
    for (uint32_t i = 0; i < given->count && status == EBB_OK; i++) {
        status = metrics_flatten(r, what, &given->as.items[i], list);
    }
    return status;
}

/* null, one metric, or a list of metrics. */
static ebb_status metrics_of_output(settings_reader *r, const char *what, uint32_t output,
                                    const json *given, metric_list *list)
{
    ebb_status status = EBB_OK;

    if (json_is_null(given)) return EBB_OK;
    if (given->kind != JSON_ARRAY) return metric_add_one(r, what, output, given, list);
    for (uint32_t i = 0; i < given->count && status == EBB_OK; i++) {
        status = metric_add_one(r, what, output, json_item(given, i), list);
    }
    return status;
}

static ebb_status metrics_by_output(settings_reader *r, const char *what, const json *given,
                                    metric_list *list)
{
    const uint32_t outputs = r->model->output_count;
    ebb_status status = EBB_OK;

    if (given->kind == JSON_ARRAY) {
        if (given->count != outputs) {
            return fail(r->error, EBB_E_ARGUMENT, what,
                        "a list of %u for %u outputs; give one entry per output (null for none), "
                        "or an object by output name",
                        given->count, outputs);
        }
        for (uint32_t k = 0; k < outputs && status == EBB_OK; k++)
            status = metrics_of_output(r, what, k, json_item(given, k), list);
        return status;
    }
    for (uint32_t i = 0; i < given->count; i++) {
        if (settings_output_find(r, what, given->as.members[i].key) == UINT32_MAX)
            return EBB_E_ARGUMENT;
    }
    for (uint32_t k = 0; k < outputs && status == EBB_OK; k++) {
        const json *own = json_get(given, r->model->outputs[k].name);
        status = metrics_of_output(r, what, k, own, list);
    }
    return status;
}

static ebb_status metrics_spread(settings_reader *r, const char *what, const json *given,
                                 metric_list *list)
{
    char text[80];

    *list = (metric_list){0};
    if (json_is_null(given)) return EBB_OK;
    const bool is_one = settings_is_one(given);
    if (!is_one && given->kind != JSON_ARRAY && given->kind != JSON_OBJECT) {
        return fail(r->error, EBB_E_FORMAT, what, "expected a list or an object, found %s",
                    json_describe(given, text, sizeof text));
    }
    if (!is_one && given->count == 0) return EBB_OK;
    const size_t most = (size_t)single_count(given) + 1;
    list->items = region_new(r->home, const json *, most);
    list->outputs = region_new(r->home, uint32_t, most);
    if (list->items == NULL || list->outputs == NULL) return settings_no_memory(r);
    if (r->model->output_count == 1) return metrics_flatten(r, what, given, list);
    if (!is_one) return metrics_by_output(r, what, given, list);
    return fail(r->error, EBB_E_ARGUMENT, what,
                "one metric for %u outputs; give a list with one entry per output, or an object "
                "by output name",
                r->model->output_count);
}

/* -- names ------------------------------------------------------------------------------------- */

static uint32_t *name_counter(name_counts *counts, const char *name)
{
    for (uint32_t i = 0; i < counts->count; i++) {
        if (strcmp(counts->items[i].name, name) == 0) return &counts->items[i].count;
    }
    counts->items[counts->count].name = name;
    return &counts->items[counts->count++].count;
}

static const char *name_of(settings_reader *r, const output_metric *m, const char *before)
{
    if (r->model->output_count == 1) return region_format(r->home, "%s%s", before, m->m.name);
    return region_format(r->home, "%s_%s%s", r->model->outputs[m->output].name, before, m->m.name);
}

/* "accuracy"; a second one is "accuracy_1", or "weighted_accuracy" when it sees sample weights. */
static const char *title_of(settings_reader *r, const output_metric *m, name_counts *counts)
{
    const char *name = name_of(r, m, "");
    uint32_t *count = name != NULL ? name_counter(counts, name) : NULL;

    if (count != NULL && *count > 0 && m->is_weighted) {
        name = name_of(r, m, "weighted_");
        count = name != NULL ? name_counter(counts, name) : NULL;
    }
    if (count == NULL) return NULL;
    const uint32_t before = (*count)++;
    return before == 0 ? name : region_format(r->home, "%s_%u", name, before);
}

static ebb_status metrics_append(settings_reader *r, const char *what, const metric_list *list,
                                 bool is_weighted, name_counts *counts)
{
    for (uint32_t i = 0; i < list->count; i++) {
        output_metric *const to = &r->s->metrics[r->s->metric_count];
        const json *one = settings_unwrap(r->home, list->items[i]);

        if (one == NULL) return settings_no_memory(r);
        *to = (output_metric){.output = list->outputs[i], .is_weighted = is_weighted};
        const ebb_status status = metric_read(r->home, one, what, &to->m, r->error);
        if (status != EBB_OK) return settings_about(r, what, to->output, status);
        to->title = title_of(r, to, counts);
        if (to->title == NULL) return settings_no_memory(r);
        r->s->metric_count++;
    }
    return EBB_OK;
}

ebb_status settings_metrics_read(settings_reader *r, const json *config)
{
    metric_list plain, weighted;
    name_counts counts = {0};

    ebb_status status = metrics_spread(r, "metrics", json_get(config, "metrics"), &plain);
    if (status == EBB_OK) {
        status =
            metrics_spread(r, "weighted_metrics", json_get(config, "weighted_metrics"), &weighted);
    }
    if (status != EBB_OK) return status;
    const size_t most = (size_t)plain.count + weighted.count + 1;
    r->s->metrics = region_new(r->home, output_metric, most);
    counts.items = region_new(r->home, name_count, 2 * most);
    if (r->s->metrics == NULL || counts.items == NULL) return settings_no_memory(r);
    status = metrics_append(r, "metrics", &plain, false, &counts);
    if (status != EBB_OK) return status;
    return metrics_append(r, "weighted_metrics", &weighted, true, &counts);
}
