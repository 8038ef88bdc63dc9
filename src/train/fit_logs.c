/* fit_logs.c -- the logs of fit_moment.h. */
#include "train/fit_moment.h"

#include <string.h>

#include "base/status.h"

ebb_status fit_logs_open(region *home, uint32_t capacity, fit_logs *logs, ebb_error *error)
{
    *logs = (fit_logs){region_new(home, ebb_log_value, capacity), 0, capacity};
    return logs->items != NULL ? EBB_OK : region_fail(home, error, "fit", "logs");
}

static ebb_log_value *find(const fit_logs *logs, const char *name)
{
    for (uint32_t i = 0; i < logs->count; i++) {
        if (strcmp(logs->items[i].name, name) == 0) return &logs->items[i];
    }
    return NULL;
}

void fit_logs_put(fit_logs *logs, const char *name, double value)
{
    ebb_log_value *item = find(logs, name);

    if (item == NULL && logs->count < logs->capacity) item = &logs->items[logs->count++];
    if (item != NULL) *item = (ebb_log_value){name, value};
}

void fit_logs_sort(fit_logs *logs)
{
    for (uint32_t i = 1; i < logs->count; i++) {
        const ebb_log_value moved = logs->items[i];
        uint32_t k = i;

        for (; k > 0 && strcmp(logs->items[k - 1].name, moved.name) > 0; k--)
            logs->items[k] = logs->items[k - 1];
        logs->items[k] = moved;
    }
}

const double *fit_logs_find(const fit_logs *logs, const char *name)
{
    const ebb_log_value *item = find(logs, name);

    return item != NULL ? &item->value : NULL;
}
