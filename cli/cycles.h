/* cycles.h -- load, predict, unload, again and again, and what the ledger and the operating system
 * say each time.
 *
 * Everything the loop needs is taken before it begins (the inputs in its first cycle, when the
 * shapes are known), so that a rising RSS can only come from loading and unloading. Used by `ebb
 * leakcheck` and `ebb demo`. */
#ifndef EBB_CLI_CYCLES_H
#define EBB_CLI_CYCLES_H

#include "process.h"
#include "training_cycle.h"
#include "witness.h"

/* RSS may differ by this between cycle 10 and the last; fewer than 20 cycles show no trend. */
#define RSS_RISE_MAX ((uint64_t)1 << 20)
#define TREND_FIRST  10
#define TREND_CYCLES 20

typedef struct cycle_row {
    uint32_t cycle;
    uint64_t live_before, live_loaded, live_after;
    uint64_t load_ns, unload_ns, train_ns;
    uint64_t live_compiled; /* 0: nothing is trained */
    process_state process;  /* after the unload */
} cycle_row;

typedef struct cycle_options {
    ebb_runtime runtime;
    const char *path;
    const ebb_load_options *load;
    uint32_t count;
    batch_choice inputs;
    training_cycle *training; /* NULL: answers only */
    const witness *beside;    /* may be NULL */
    bool (*is_shown)(uint32_t cycle, uint32_t count, uint32_t every);
    uint32_t every; /* handed to is_shown */
    void (*show)(const cycle_row *row);
} cycle_options;

typedef struct cycle_result {
    uint32_t done;
    ebb_plan plan;
    process_state before;
    cycle_row first, tenth, last;
    uint64_t live_before;      /* ledger of the runtime before cycle 1 */
    uint64_t leaked_bytes_max; /* worst of live after - live before, and of bytes a receipt says
                                  were kept */
    uint64_t lost_bytes_max;   /* live after below live before: as wrong as a leak */
    uint32_t plan_differs;     /* cycles whose ledger was not the plan */
    uint64_t plan_live;        /* ledger of the model in the first such cycle */
    uint32_t threads_changed, descriptors_changed, answers_changed; /* cycles */
    uint32_t training_plan_differs, training_kept, losses_changed;  /* cycles */
    uint64_t load_ns_min, load_ns_max, unload_ns_max;
    uint64_t beside_answers, beside_changed;
    bool was_interrupted;
} cycle_result;

/* The rows shown: all of `every`; with 0 about a dozen. */
bool cycle_is_shown(uint32_t cycle, uint32_t count, uint32_t every);
ebb_status cycles_run(const cycle_options *o, cycle_result *result, ebb_error *error);

bool cycles_trend_is_judged(const cycle_result *r);
bool cycles_rss_rises(const cycle_result *r);
bool cycles_are_clean(const cycle_result *r);
/* One line per fault, by `say`; none when clean. */
void cycles_faults(const cycle_result *r, void (*say)(void *context, const char *line),
                   void *context);

#endif
