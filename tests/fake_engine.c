/* fake_engine.c -- see fake_engine.h. */
#include "fake_engine.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/file_writer.h"
#include "format/source.h"
#include "tensor/dtype.h"

static fake_engine *fake_of(engine *e)
{
    return (fake_engine *)(void *)e;
}

static double item(const ebb_view *v, int64_t index)
{
    double number = 0;
    const ebb_dtype dtype = v->dtype == EBB_DTYPE_NONE ? EBB_F32 : v->dtype;

    dtype_convert(EBB_F64, &number, dtype,
                  (const char *)v->data + (size_t)index * ebb_dtype_bytes(dtype), 1);
    return number;
}

static ebb_status check_batch(const fake_engine *f, const ebb_batch *b, ebb_error *error)
{
    if (b->x.count != 1 || b->y.count != 1)
        return fail(error, EBB_E_ARGUMENT, "fake", "expected one x and one y");
    const ebb_view *x = &b->x.items[0], *y = &b->y.items[0];
    if (x->rank != 2 || x->dims[1] != f->inputs || y->dims[0] != x->dims[0])
        return fail(error, EBB_E_SHAPE, "fake", "batch of another shape");
    return EBB_OK;
}

/* The step; without `learns` only its results. */
static void step(fake_engine *f, const ebb_batch *b, bool learns, double *results)
{
    const ebb_view *x = &b->x.items[0], *y = &b->y.items[0];
    const ebb_view *weight = b->sample_weight.count > 0 && b->sample_weight.items[0].rank > 0
                                 ? &b->sample_weight.items[0]
                                 : NULL;
    double gradient[FAKE_WEIGHTS_MAX] = {0}, loss = 0;
    const int64_t rows = x->dims[0];

    for (int64_t row = 0; row < rows; row++) {
        const double w = weight != NULL ? item(weight, row) : 1;
        double predicted = f->weights[FAKE_WEIGHTS_MAX - 1];

        for (uint32_t i = 0; i < f->inputs; i++)
            predicted += f->weights[i] * item(x, row * f->inputs + i);
        const double difference = predicted - item(y, row);
        loss += w * difference * difference;
        f->error_sum += fabs(difference);
        for (uint32_t i = 0; i < f->inputs; i++)
            gradient[i] += 2 * w * difference * item(x, row * f->inputs + i) / (double)rows;
        gradient[FAKE_WEIGHTS_MAX - 1] += 2 * w * difference / (double)rows;
        if (!learns || f->note_count == FAKE_NOTES_MAX) continue;
        f->weighed[f->note_count] = weight != NULL ? (float)w : NAN;
        f->notes[f->note_count++] = (float)item(x, row * f->inputs);
    }
    f->error_rows += (double)rows;
    results[0] = (double)(float)(loss / (double)rows);
    results[1] = (double)(float)(f->error_sum / f->error_rows);
    if (!learns) return;
    for (uint32_t i = 0; i < FAKE_WEIGHTS_MAX; i++) {
        f->weights[i] -= f->rate * gradient[i];
        f->averages[i] = 0.5 * f->averages[i] + 0.5 * f->weights[i];
    }
    f->iterations++;
}

static ebb_status train(engine *e, const ebb_batch *batch, double *results, ebb_error *error)
{
    fake_engine *f = fake_of(e);
    const ebb_status status = check_batch(f, batch, error);

    if (status != EBB_OK) return status;
    if (f->train_fails_at >= 0 && f->train_fails_at-- == 0)
        return fail(error, EBB_E_SHAPE, "fake", "this step fails");
    f->last_x = batch->x.items[0].data;
    f->last_rows = (uint64_t)batch->x.items[0].dims[0];
    step(f, batch, true, results);
    f->trained++;
    if (f->cancels_at >= 0 && f->cancels_at-- == 0) atomic_store(&f->is_cancelled, true);
    return EBB_OK;
}

static ebb_status evaluate(engine *e, const ebb_batch *batch, double *results, ebb_error *error)
{
    fake_engine *f = fake_of(e);
    const ebb_status status = check_batch(f, batch, error);

    if (status != EBB_OK) return status;
    if (f->test_fails_at >= 0 && f->test_fails_at-- == 0)
        return fail(error, EBB_E_SHAPE, "fake", "this evaluation fails");
    step(f, batch, false, results);
    f->last_tested_rows = (uint64_t)batch->x.items[0].dims[0];
    f->tested++;
    return EBB_OK;
}

static void reset_metrics(engine *e)
{
    fake_of(e)->error_sum = fake_of(e)->error_rows = 0;
    fake_of(e)->resets++;
}

static ebb_status rate_read(engine *e, double *rate, ebb_error *error)
{
    (void)error;
    *rate = (double)(float)fake_of(e)->rate;
    return EBB_OK;
}

static ebb_status rate_set(engine *e, double rate, ebb_error *error)
{
    if (fake_of(e)->rate_is_fixed)
        return fail(error, EBB_E_STATE, "fake", "the rate follows a schedule");
    fake_of(e)->rate = (double)(float)rate;
    return EBB_OK;
}

static ebb_status save(engine *e, const char *path, bool weights_only, ebb_error *error)
{
    fake_engine *f = fake_of(e);
    region *work = region_open(f->base.home, "save", EBB_CLASS_SCRATCH, 0);
    file_writer w = {.descriptor = -1};

    if (f->save_fails) {
        region_close(work);
        return fail(error, EBB_E_IO, path, "no space left");
    }
    if (work == NULL) return region_fail(f->base.home, error, path, "saving");
    ebb_status status = file_writer_open(work, path, &w, error);
    if (status == EBB_OK) {
        const double head[2] = {f->rate, (double)f->iterations};

        status = file_writer_put(&w, head, sizeof head, error);
        if (status == EBB_OK) status = file_writer_put(&w, f->weights, sizeof f->weights, error);
        if (status == EBB_OK)
            status = file_writer_commit(&w, error);
        else
            file_writer_discard(&w);
    }
    region_close(work);
    if (status != EBB_OK) return status;
    f->saved++;
    snprintf(f->last_saved, sizeof f->last_saved, "%s%s", path, weights_only ? " weights" : "");
    return EBB_OK;
}

static ebb_status restore(engine *e, const char *path, ebb_error *error)
{
    fake_engine *f = fake_of(e);
    region *work = region_open(f->base.home, "restore", EBB_CLASS_SCRATCH, 0);
    source *file = NULL;
    double all[2 + FAKE_WEIGHTS_MAX];
    ebb_status status = work == NULL ? region_fail(f->base.home, error, path, "restoring")
                                     : source_open(work, path, &file, error);

    if (status == EBB_OK) status = source_read(file, 0, all, sizeof all, error);
    source_close(file);
    region_close(work);
    if (status != EBB_OK) return status;
    f->rate = all[0];
    f->iterations = (uint64_t)all[1];
    memcpy(f->weights, all + 2, sizeof f->weights);
    return EBB_OK;
}

static uint64_t weights_bytes(const engine *e)
{
    (void)e;
    return sizeof(double) * FAKE_WEIGHTS_MAX;
}

static void weights_read(const engine *e, void *bytes)
{
    memcpy(bytes, ((const fake_engine *)(const void *)e)->weights, weights_bytes(e));
}

static void weights_write(engine *e, const void *bytes)
{
    memcpy(fake_of(e)->weights, bytes, weights_bytes(e));
}

static void finish(engine *e)
{
    fake_engine *f = fake_of(e);

    f->finished++;
    if (f->keeps_averages) memcpy(f->weights, f->averages, sizeof f->weights);
}

static ebb_status swap_averages(engine *e, ebb_error *error)
{
    fake_engine *f = fake_of(e);
    double kept[FAKE_WEIGHTS_MAX];

    if (!f->keeps_averages) return fail(error, EBB_E_STATE, "fake", "no averages are kept");
    memcpy(kept, f->weights, sizeof kept);
    memcpy(f->weights, f->averages, sizeof kept);
    memcpy(f->averages, kept, sizeof kept);
    f->swapped++;
    return EBB_OK;
}

static bool is_cancelled(const engine *e)
{
    return atomic_load(&((const fake_engine *)(const void *)e)->is_cancelled);
}

static uint64_t iterations(const engine *e)
{
    return ((const fake_engine *)(const void *)e)->iterations;
}

static const engine_def fake_def = {.train = train,
                                    .test = evaluate,
                                    .reset_metrics = reset_metrics,
                                    .learning_rate = rate_read,
                                    .learning_rate_set = rate_set,
                                    .save = save,
                                    .restore = restore,
                                    .weights_bytes = weights_bytes,
                                    .weights_read = weights_read,
                                    .weights_write = weights_write,
                                    .finish = finish,
                                    .swap_averages = swap_averages,
                                    .is_cancelled = is_cancelled,
                                    .iterations = iterations};

static void log_take(void *context, ebb_log_level level, const char *line)
{
    fake_engine *f = context;
    const size_t used = strlen(f->log);

    (void)level;
    snprintf(f->log + used, sizeof f->log - used, "%s\n", line);
}

void fake_engine_open(test *t, fake_engine *f, uint32_t inputs)
{
    static const char *const titles[] = {"loss", "mae"}, *const inputs_named[] = {"features"};
    static const char *const outputs_named[] = {"target", "other"};

    *f = (fake_engine){
        .inputs = inputs, .rate = 0.1, .train_fails_at = -1, .test_fails_at = -1, .cancels_at = -1};
    f->base = (engine){.def = &fake_def,
                       .home = region_open(t->home, "engine", EBB_CLASS_META, 0),
                       .titles = titles,
                       .result_count = 2,
                       .loss_count = 1,
                       .input_count = 1,
                       .input_names = inputs_named,
                       .output_count = 1,
                       .output_names = outputs_named,
                       .log = &f->sink};
    f->sink = (log_sink){log_take, f, EBB_LOG_INFO};
    CHECK(f->base.home != NULL);
}
