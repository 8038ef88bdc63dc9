/* cycles.c -- see cycles.h. */
#include "cycles.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"

typedef struct loop {
    const cycle_options *o;
    cycle_result *r;
    batch questions;
    void *first; /* MODEL's own first answer */
} loop;

bool cycle_is_shown(uint32_t cycle, uint32_t count, uint32_t every)
{
    if (cycle == 1 || cycle == count || cycle == TREND_FIRST) return true;
    if (every == 0) every = count >= 20 ? count / 10 : 1;
    return cycle % every == 0;
}

static ebb_status read_live(ebb_runtime runtime, uint64_t *live, ebb_error *error)
{
    ebb_memory memory = {0};
    const ebb_status status = ebb_memory_read(runtime, &memory);

    *live = memory.live;
    return status == EBB_OK ? status
                            : refuse(error, status, "ledger", "%s", ebb_status_text(status));
}

static void compare_plan(cycle_result *r, ebb_model model)
{
    ebb_memory memory = {0};
    bool is_equal = ebb_model_memory_read(model, &memory) == EBB_OK && memory.live == r->plan.total;

    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) {
        if (i != EBB_CLASS_CODE && memory.by_class[i] != r->plan.by_class[i]) is_equal = false;
    }
    if (is_equal) return;
    if (r->plan_differs++ == 0) r->plan_live = memory.live;
}

static ebb_status ask(loop *l, ebb_model model, ebb_error *error)
{
    if (l->first == NULL) {
        ebb_status status = batch_make_random(&l->questions, model, &l->o->inputs, error);
        if (status != EBB_OK) return status;
        l->first = malloc(l->questions.output_bytes + 1);
        if (l->first == NULL)
            return refuse(error, EBB_E_MEMORY, "", "no memory to keep the first answer");
        status = batch_predict(&l->questions, model, error);
        if (status == EBB_OK) batch_copy(&l->questions, l->first);
        return status;
    }
    const ebb_status status = batch_predict(&l->questions, model, error);
    if (status == EBB_OK && !batch_equals(&l->questions, l->first)) l->r->answers_changed++;
    return status;
}

static ebb_status train(loop *l, cycle_row *row, ebb_model model, ebb_error *error)
{
    const cycle_options *o = l->o;
    training_cycle *t = o->training;

    if (t == NULL) return EBB_OK;
    const uint64_t start = clock_read_ns();
    const ebb_status status =
        training_cycle_run(t, o->runtime, o->path, o->load, model, &l->questions, error);
    row->train_ns = clock_read_ns() - start;
    row->live_compiled = t->live_compiled;
    l->r->training_plan_differs = t->plan_differs;
    l->r->training_kept = t->kept;
    l->r->losses_changed = t->loss_differs;
    return status;
}

static ebb_status run_one(loop *l, cycle_row *row, ebb_error *error)
{
    const cycle_options *o = l->o;
    ebb_model model = {0};
    ebb_receipt receipt;
    ebb_status status = read_live(o->runtime, &row->live_before, error);

    if (status != EBB_OK) return status;
    uint64_t start = clock_read_ns();
    status = ebb_model_load(o->runtime, o->path, o->load, &model, error);
    row->load_ns = clock_read_ns() - start;
    if (status != EBB_OK) return status;
    compare_plan(
        l->r, model); /* before the answer, which may add a cached plan for a shape not planned */
    status = read_live(o->runtime, &row->live_loaded, error);
    if (status == EBB_OK) status = ask(l, model, error);
    if (status == EBB_OK) status = train(l, row, model, error);
    start = clock_read_ns();
    const ebb_status unloaded =
        ebb_model_unload(model, NULL, &receipt, status == EBB_OK ? error : NULL);
    row->unload_ns = clock_read_ns() - start;
    if (status == EBB_OK) status = unloaded;
    if (status == EBB_OK) status = read_live(o->runtime, &row->live_after, error);
    if (status == EBB_OK && receipt.bytes_kept > l->r->leaked_bytes_max)
        l->r->leaked_bytes_max = receipt.bytes_kept;
    process_read(&row->process);
    return status;
}

static void judge(cycle_result *r, const cycle_row *row)
{
    if (row->live_after > r->live_before &&
        row->live_after - r->live_before > r->leaked_bytes_max) {
        r->leaked_bytes_max = row->live_after - r->live_before;
    }
    if (row->live_after < r->live_before && r->live_before - row->live_after > r->lost_bytes_max) {
        r->lost_bytes_max = r->live_before - row->live_after;
    }
    r->threads_changed += row->process.threads != r->before.threads;
    r->descriptors_changed += row->process.descriptors != r->before.descriptors;
    if (row->cycle == 1 || row->load_ns < r->load_ns_min) r->load_ns_min = row->load_ns;
    if (row->load_ns > r->load_ns_max) r->load_ns_max = row->load_ns;
    if (row->unload_ns > r->unload_ns_max) r->unload_ns_max = row->unload_ns;
    if (row->cycle == 1) r->first = *row;
    if (row->cycle == TREND_FIRST) r->tenth = *row;
    r->last = *row;
    r->done = row->cycle;
}

ebb_status cycles_run(const cycle_options *o, cycle_result *result, ebb_error *error)
{
    loop l = {.o = o, .r = result};

    memset(result, 0, sizeof *result);
    ebb_status status = ebb_model_plan(o->runtime, o->path, o->load, &result->plan, error);
    if (status == EBB_OK) status = read_live(o->runtime, &result->live_before, error);
    process_read(&result->before);
    for (uint32_t cycle = 1; cycle <= o->count && status == EBB_OK && !interrupt_seen(); cycle++) {
        cycle_row row = {.cycle = cycle};
        status = run_one(&l, &row, error);
        if (status != EBB_OK) break;
        judge(result, &row);
        if (o->show != NULL && o->is_shown(cycle, o->count, o->every)) o->show(&row);
    }
    result->was_interrupted = interrupt_seen();
    if (o->beside != NULL) {
        result->beside_answers = atomic_load(&o->beside->answers);
        result->beside_changed = atomic_load(&o->beside->changed);
    }
    batch_free(&l.questions);
    free(l.first);
    return status;
}

/* -- the verdict --------------------------------------------------------------------- */

bool cycles_trend_is_judged(const cycle_result *r)
{
    return r->done >= TREND_CYCLES;
}

bool cycles_rss_rises(const cycle_result *r)
{
    return cycles_trend_is_judged(r) &&
           r->last.process.rss_bytes > r->tenth.process.rss_bytes + RSS_RISE_MAX;
}

static void count_fault(void *context, const char *line)
{
    (void)line;
    ++*(uint32_t *)context;
}

bool cycles_are_clean(const cycle_result *r)
{
    uint32_t faults = 0;

    cycles_faults(r, count_fault, &faults);
    return faults == 0;
}

void cycles_faults(const cycle_result *r, void (*say)(void *context, const char *line),
                   void *context)
{
    char line[256];

#define SAY_IF(condition, ...)                                                                     \
    do {                                                                                           \
        if (condition) {                                                                           \
            snprintf(line, sizeof line, __VA_ARGS__);                                              \
            say(context, line);                                                                    \
        }                                                                                          \
    } while (0)
    SAY_IF(r->leaked_bytes_max > 0, "the ledger kept %" PRIu64 " bytes after an unload",
           r->leaked_bytes_max);
    SAY_IF(r->training_plan_differs > 0,
           "the ledger was not the plan of training in %" PRIu32 " cycles",
           r->training_plan_differs);
    SAY_IF(r->training_kept > 0,
           "uncompile left the ledger other than before in %" PRIu32 " cycles", r->training_kept);
    SAY_IF(r->losses_changed > 0, "the loss after training changed in %" PRIu32 " cycles",
           r->losses_changed);
    SAY_IF(r->lost_bytes_max > 0, "an unload took %" PRIu64 " bytes that were not the model's",
           r->lost_bytes_max);
    SAY_IF(r->plan_differs > 0,
           "in %" PRIu32 " cycles the ledger (%" PRIu64 " bytes) was not the plan (%" PRIu64 ")",
           r->plan_differs, r->plan_live, r->plan.total);
    SAY_IF(r->threads_changed > 0,
           "after %" PRIu32 " cycles the threads were not %" PRIu32 " (last: %" PRIu32 ")",
           r->threads_changed, r->before.threads, r->last.process.threads);
    SAY_IF(r->descriptors_changed > 0,
           "after %" PRIu32 " cycles the descriptors were not %" PRIu32 " (last: %" PRIu32 ")",
           r->descriptors_changed, r->before.descriptors, r->last.process.descriptors);
    SAY_IF(r->answers_changed > 0,
           "in %" PRIu32 " cycles the model's own answer was not that of the first",
           r->answers_changed);
    SAY_IF(r->beside_changed > 0, "%" PRIu64 " answers of the model beside it changed or failed",
           r->beside_changed);
    SAY_IF(cycles_rss_rises(r), "RSS rose by %" PRIu64 " bytes between cycle %d and cycle %" PRIu32,
           r->last.process.rss_bytes - r->tenth.process.rss_bytes, TREND_FIRST, r->done);
#undef SAY_IF
}
