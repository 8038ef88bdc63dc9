/* feed.c -- see feed.h. The state of an epoch; slots of rows are in batch_slot.c. */
#include "train/data/feed.h"

#include <inttypes.h>
#include <string.h>

#include "base/status.h"
#include "train/data/batch_slot.h"
#include "train/data/prefetch.h"

#define BATCH_DEFAULT 32

struct feed {
    region *home;
    const engine *engine;
    data_set *set;
    feed_options options;
    uint64_t batches; /* of a pass; 0: not known */
    /* the pass: `taken` batches of it are gone; not open: the next one begins */
    bool is_open;
    uint64_t pass, taken;
    uint64_t step; /* batches of this epoch so far */
    bool is_interrupted;
    /* rows */
    batch_rows rows;
    batch_slot slots[2];
    uint32_t slot_count, current;
    prefetch thread;
    bool is_pending; /* the other slot is being filled */
    /* a function */
    bool wants_restart;
    ebb_batch given;
    batch_weights weights;
};

static ebb_status fill(void *context, uint32_t number, ebb_error *error)
{
    feed *f = context;

    return batch_slot_fill(&f->rows, &f->slots[number], error);
}

static ebb_status rows_open(feed *f, ebb_error *error)
{
    const feed_options *o = &f->options;
    uint64_t size = o->batch_size;

    f->rows = (batch_rows){.set = f->set,
                           .first = o->first,
                           .count = o->rows > 0 ? o->rows : f->set->rows - o->first,
                           .shuffles = o->shuffles,
                           .seed = o->seed,
                           .weights = o->weights};
    const uint64_t rows = (uint64_t)f->rows.count;
    if (size == 0) size = o->steps > 0 ? (rows - 1) / o->steps + 1 : BATCH_DEFAULT;
    f->rows.batch = size < rows ? (int64_t)size : f->rows.count;
    f->batches = (rows - 1) / (uint64_t)f->rows.batch + 1;
    f->slot_count = f->set->reads_files ? 2 : 1;
    for (uint32_t i = 0; i < f->slot_count; i++) {
        const ebb_status status = batch_slot_open(f->home, &f->rows, &f->slots[i], error);

        if (status != EBB_OK) return status;
    }
    if (f->set->reads_files) prefetch_start(&f->thread, region_ledger(f->home), fill, f);
    return EBB_OK;
}

ebb_status feed_open(region *parent, const engine *e, data_set *set, const feed_options *options,
                     feed **result, ebb_error *error)
{
    region *home = region_open(parent, "batches", EBB_CLASS_DATA, 0);
    feed *f = home == NULL ? NULL : region_new(home, feed, 1);

    *result = NULL;
    if (f == NULL) {
        const ebb_status status =
            region_fail(home == NULL ? parent : home, error, "data", "batches");
        region_close(home);
        return status;
    }
    f->home = home;
    f->engine = e;
    f->set = set;
    f->options = *options;
    f->weights.home = home;
    const ebb_status status = set->next != NULL ? EBB_OK : rows_open(f, error);
    if (status == EBB_OK)
        *result = f;
    else
        feed_close(f);
    return status;
}

void feed_close(feed *f)
{
    if (f == NULL) return;
    prefetch_stop(&f->thread);
    region_close(f->home);
}

uint64_t feed_steps(const feed *f)
{
    return f->options.steps > 0 ? f->options.steps : f->batches;
}

/* -- epochs ------------------------------------------------------------------------------------ */

void feed_restart(feed *f)
{
    f->is_open = false;
}

void feed_begin(feed *f, uint32_t epoch)
{
    f->step = 0;
    f->is_interrupted = false;
    if (f->options.steps > 0 && f->is_open) return;
    if (f->options.steps == 0) f->pass = epoch;
    f->taken = 0;
    f->is_open = true;
    f->wants_restart = true;
}

/* The pass is over; the next epoch begins another one. */
static void pass_end(feed *f)
{
    if (f->options.steps > 0) f->pass++;
    f->is_open = false;
}

static void interrupted(feed *f)
{
    if (f->options.steps == 0 || f->is_interrupted) return;
    f->is_interrupted = true;
    log_line(f->engine->log, EBB_LOG_WARNING,
             "the data ended after %" PRIu64 " of %" PRIu64 " steps of the epoch", f->step,
             f->options.steps);
}

ebb_status feed_end(feed *f, ebb_error *error)
{
    if (f->is_pending) (void)prefetch_wait(&f->thread, NULL);
    f->is_pending = false;
    for (uint32_t i = 0; i < f->slot_count; i++) f->slots[i].is_filled = false;
    const bool ends_pass = f->is_open && f->batches > 0 && f->taken >= f->batches;
    if (ends_pass) pass_end(f);
    return ends_pass ? data_set_unchanged(f->set, error) : EBB_OK;
}

/* -- batches ----------------------------------------------------------------------------------- */

static ebb_status rows_next(feed *f, const ebb_batch **batch, ebb_error *error)
{
    batch_slot *slot = &f->slots[f->current];
    const uint64_t limit = feed_steps(f);

    if (f->is_pending) {
        f->is_pending = false;
        f->current ^= 1;
        slot = &f->slots[f->current];
        const ebb_status status = prefetch_wait(&f->thread, error);
        if (status != EBB_OK) return status;
    } else {
        batch_slot_aim(slot, f->pass, f->taken);
        const ebb_status status = batch_slot_fill(&f->rows, slot, error);
        if (status != EBB_OK) return status;
    }
    f->taken++;
    f->step++;
    if (f->slot_count == 2 && f->taken < f->batches && f->step < limit) {
        batch_slot_aim(&f->slots[f->current ^ 1], f->pass, f->taken);
        f->is_pending = true;
        prefetch_ask(&f->thread, f->current ^ 1);
    }
    *batch = &slot->batch;
    return EBB_OK;
}

static ebb_status check_given(const feed *f, ebb_error *error)
{
    const ebb_batch *b = &f->given;

    if (b->x.count == 0 || b->x.items == NULL)
        return fail(error, EBB_E_ARGUMENT, "data", "the function gave a batch without x");
    if (b->x.items[0].rank == 0 || b->x.items[0].dims[0] < 1)
        return fail(error, EBB_E_SHAPE, "data", "the function gave a batch without rows");
    if (f->options.weights != NULL && (b->y.count != 1 || b->y.items == NULL)) {
        return fail(error, EBB_E_ARGUMENT, "class_weight",
                    "needs one target, the function gave %zu", b->y.count);
    }
    return EBB_OK;
}

static ebb_status function_next(feed *f, const ebb_batch **batch, ebb_error *error)
{
    const bool restarts = f->wants_restart;

    f->given = (ebb_batch){0};
    f->wants_restart = false;
    ebb_status status = f->set->next(f->set->context, restarts, &f->given, error);
    if (status == EBB_E_NOT_FOUND) {
        if (f->step == 0 && !f->set->may_be_empty) {
            return fail(error, EBB_E_ARGUMENT, "data",
                        "the function gave no batch for this epoch; it begins anew when `restart` "
                        "is true");
        }
        if (error != NULL) *error = (ebb_error){0};
        interrupted(f);
        pass_end(f);
        return EBB_OK;
    }
    if (status == EBB_OK) status = check_given(f, error);
    if (status == EBB_OK && f->options.weights != NULL)
        status = batch_weights_set(&f->weights, f->options.weights, f->engine, &f->given, error);
    if (status != EBB_OK) return status;
    f->step++;
    *batch = &f->given;
    return EBB_OK;
}

ebb_status feed_next(feed *f, const ebb_batch **batch, ebb_error *error)
{
    const uint64_t limit = feed_steps(f);

    *batch = NULL;
    if ((limit > 0 && f->step >= limit) || !f->is_open) return EBB_OK;
    if (f->set->next != NULL) return function_next(f, batch, error);
    if (f->taken >= f->batches) {
        interrupted(f);
        return EBB_OK;
    }
    return rows_next(f, batch, error);
}

/* -- going on ---------------------------------------------------------------------------------- */

ebb_status feed_skip(feed *f, uint32_t epochs, uint64_t steps, ebb_error *error)
{
    const uint64_t limit = f->options.steps;
    const ebb_batch *dropped = NULL;

    if (f->set->next != NULL) {
        while (f->step < steps) {
            const ebb_status status = feed_next(f, &dropped, error);

            if (status != EBB_OK || dropped == NULL) return status;
        }
        return EBB_OK;
    }
    for (uint32_t i = 0; limit > 0 && i < epochs; i++) {
        f->taken += limit < f->batches - f->taken ? limit : f->batches - f->taken;
        if (f->taken < f->batches) continue;
        f->taken = 0;
        f->pass++;
    }
    const uint64_t left = f->batches - f->taken;
    f->step = steps < left ? steps : left;
    f->taken += f->step;
    return EBB_OK;
}
