/* test_loop.c -- see test_loop.h. */
#include "train/test_loop.h"

#include <string.h>

#include "base/status.h"

ebb_status running_open(region *home, const engine *e, running_results *r, ebb_error *error)
{
    const uint32_t count = e->result_count + 1;

    *r = (running_results){.engine = e,
                           .batch = region_new(home, double, count),
                           .values = region_new(home, double, count),
                           .totals = region_new(home, float, count),
                           .order = region_new(home, uint32_t, count)};
    if (r->batch == NULL || r->values == NULL || r->totals == NULL || r->order == NULL)
        return region_fail(home, error, "fit", "results");
    for (uint32_t i = 0; i < e->result_count; i++) {
        uint32_t k = i;

        for (; k > 0 && strcmp(e->titles[r->order[k - 1]], e->titles[i]) > 0; k--)
            r->order[k] = r->order[k - 1];
        r->order[k] = i;
    }
    return EBB_OK;
}

void running_reset(running_results *r)
{
    r->rows = r->batches = 0;
    for (uint32_t i = 0; i < r->engine->result_count; i++) {
        r->totals[i] = 0;
        r->values[i] = 0;
    }
}

void running_add(running_results *r, const ebb_batch *batch)
{
    const engine *e = r->engine;
    const float rows = (float)batch->x.items[0].dims[0];

    r->rows += rows;
    r->batches++;
    for (uint32_t i = 0; i < e->result_count; i++) {
        if (i >= e->loss_count) {
            r->values[i] = r->batch[i];
            continue;
        }
        const float count = i == 0 ? r->rows : r->batches;
        r->totals[i] += (float)r->batch[i] * (i == 0 ? rows : 1.0f);
        r->values[i] = (double)(count > 0 ? r->totals[i] / count : 0.0f);
    }
}

void running_show(const running_results *r, fit_logs *logs)
{
    logs->count = 0;
    if (!(r->batches > 0)) return;
    for (uint32_t i = 0; i < r->engine->result_count; i++) {
        const uint32_t which = r->order[i];

        logs->items[logs->count++] = (ebb_log_value){r->engine->titles[which], r->values[which]};
    }
}

ebb_status check_cancelled(const engine *e, const char *where, ebb_error *error)
{
    if (!e->def->is_cancelled(e)) return EBB_OK;
    return fail(error, EBB_E_CANCELLED, where, "cancelled by the caller after the last whole step");
}

static ebb_status tell(callback_list *callbacks, fit_moment *now, ebb_moment moment,
                       ebb_error *error)
{
    now->moment = moment;
    return callbacks_tell(callbacks, now, error);
}

static ebb_status test_batch(const ebb_batch *batch, callback_list *callbacks, fit_moment *now,
                             running_results *r, ebb_error *error)
{
    engine *const e = now->engine;

    now->logs->count = 0;
    ebb_status status = tell(callbacks, now, EBB_TEST_BATCH_BEGIN, error);
    if (status == EBB_OK) status = e->def->test(e, batch, r->batch, error);
    if (status != EBB_OK) return status;
    running_add(r, batch);
    running_show(r, now->logs);
    return tell(callbacks, now, EBB_TEST_BATCH_END, error);
}

static ebb_status test_batches(feed *f, callback_list *callbacks, fit_moment *now,
                               running_results *r, bool is_alone, ebb_error *error)
{
    for (;; now->step++) {
        const ebb_batch *batch = NULL;
        ebb_status status = check_cancelled(now->engine, "evaluate", error);

        if (status == EBB_OK) status = feed_next(f, &batch, error);
        if (status == EBB_OK && batch == NULL) return EBB_OK;
        if (status == EBB_OK) status = test_batch(batch, callbacks, now, r, error);
        if (status != EBB_OK) return status;
        if (!is_alone || !now->stops) continue;
        now->step++;
        return EBB_OK;
    }
}

ebb_status test_loop_run(feed *f, callback_list *callbacks, fit_moment *now, fit_logs *logs,
                         running_results *r, ebb_error *error)
{
    const fit_moment before = *now;
    const bool is_alone = before.logs == NULL;

    now->logs = logs;
    now->step = 0;
    now->steps = feed_steps(f);
    logs->count = 0;
    ebb_status status = tell(callbacks, now, EBB_TEST_BEGIN, error);
    now->engine->def->reset_metrics(now->engine);
    running_reset(r);
    feed_restart(f);
    feed_begin(f, 0);
    if (status == EBB_OK) status = test_batches(f, callbacks, now, r, is_alone, error);
    const ebb_status ended = feed_end(f, status == EBB_OK ? error : NULL);
    if (status == EBB_OK) status = ended;
    if (status == EBB_OK) {
        running_show(r, logs);
        status = tell(callbacks, now, EBB_TEST_END, error);
    }
    const bool stops = now->stops;
    *now = before;
    now->stops = stops;
    return status;
}
