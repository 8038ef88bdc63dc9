/* monitor.c -- see monitor.h. */
#include "train/callback/monitor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "train/loss/loss.h"

/* Metrics that rise; those that are also losses come first here, as in Keras. */
static const char *const rising[] = {
    "accuracy",
    "acc",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "top_k_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "precision",
    "recall",
    "auc",
    "sensitivity_at_specificity",
    "specificity_at_sensitivity",
    "precision_at_recall",
    "recall_at_precision",
    "io_u",
    "binary_io_u",
    "mean_io_u",
    "one_hot_io_u",
    "one_hot_mean_io_u",
    "fbeta_score",
    "f1_score",
    "cosine_similarity",
    "r2_score",
    "concordance_correlation",
    "pearson_correlation",
};
static const char *const falling[] = {"loss", "root_mean_squared_error", "logcosh"};

static bool is_among(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (train_name_matches(names[i], name)) return true;
    }
    return false;
}

static int direction_of(const char *name)
{
    if (is_among(rising, sizeof rising / sizeof rising[0], name)) return 1;
    if (is_among(falling, sizeof falling / sizeof falling[0], name)) return -1;
    return train_entry_find(&loss_table, name) != NULL ? -1 : 0;
}

/* "precision_2" is the third metric of that name. */
static int direction_numbered(const char *name)
{
    char text[128];
    size_t length = strlen(name);
    const int direction = direction_of(name);

    if (direction != 0 || length >= sizeof text) return direction;
    while (length > 0 && name[length - 1] >= '0' && name[length - 1] <= '9') length--;
    if (length == strlen(name) || length < 2 || name[length - 1] != '_') return 0;
    memcpy(text, name, length - 1);
    text[length - 1] = '\0';
    return direction_of(text);
}

static const char *without(const char *name, const char *prefix)
{
    const size_t length = strlen(prefix);

    return strncmp(name, prefix, length) == 0 && name[length] == '_' && name[length + 1] != '\0'
               ? name + length + 1
               : name;
}

static int direction_find(const engine *e, const char *monitored)
{
    const char *name = without(monitored, "val");
    int direction = direction_numbered(name);

    for (uint32_t i = 0; i < e->output_count && direction == 0 && e->output_names != NULL; i++) {
        const char *rest = without(name, e->output_names[i]);

        if (rest != name) direction = direction_numbered(without(rest, "weighted"));
    }
    return direction != 0 ? direction : direction_numbered(without(name, "weighted"));
}

ebb_status monitor_open(monitor *m, const callback *c, const engine *e, const char *name,
                        uint32_t mode, double min_delta, ebb_error *error)
{
    enum { AUTO, MIN, MAX };

    m->name = name;
    m->min_delta = fabs(min_delta);
    m->direction = mode == MIN ? -1 : mode == MAX ? 1 : direction_find(e, name);
    if (m->direction != 0) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, c->where,
                "monitor '%.80s': it is not known whether more or less of it is better; give mode "
                "\"max\" or \"min\"",
                name);
}

bool monitor_is_better(const monitor *m, double value, double reference)
{
    const float against = (float)reference;

    if (m->direction < 0) return (float)(value + m->min_delta) < against;
    return (float)(value - m->min_delta) > against;
}

bool monitor_is_best(const monitor *m, double value)
{
    return !m->has_best || monitor_is_better(m, value, m->best);
}

const double *monitor_value(const monitor *m, const fit_moment *at, const callback *c,
                            const char *what)
{
    const double *value = fit_logs_find(at->logs, m->name);
    char known[320] = "";
    size_t used = 0;

    if (value != NULL) return value;
    for (uint32_t i = 0; i < at->logs->count && used < sizeof known; i++) {
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                                 at->logs->items[i].name);
    }
    log_line(at->engine->log, EBB_LOG_WARNING, "%s: %s, because '%s' is not among the logs: %s",
             c->where, what, m->name, known);
    return NULL;
}
