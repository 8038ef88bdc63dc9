/* leak_monitor.h -- weak references with labels, and the ledger asked whether they tell the truth.
 */
#ifndef EBB_RUNTIME_LIFECYCLE_LEAK_MONITOR_H
#define EBB_RUNTIME_LIFECYCLE_LEAK_MONITOR_H

#include "ebb/manage.h"
#include "runtime/lifecycle/managed.h"

typedef struct leak_monitor leak_monitor;

ebb_status leak_monitor_open(runtime *r, uint64_t *id, ebb_error *error);
ebb_status leak_monitor_watch(leak_monitor *l, ebb_model model, const char *label,
                              ebb_error *error);
void leak_monitor_clear(leak_monitor *l);
ebb_status leak_monitor_check(leak_monitor *l, ebb_text_function write, void *context,
                              ebb_monitor_report *report, ebb_error *error);

#endif
