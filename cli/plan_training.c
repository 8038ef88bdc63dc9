/* plan_training.c -- see plan_training.h. */
#include "plan_training.h"

#include <inttypes.h>

#include "console.h"
#include "json_output.h"
#include "table.h"

#define BATCH_MAX (1U << 24)

typedef struct plans {
    ebb_plan model, training; /* training.peak holds the model too */
} plans;

/* E_MEMORY and a training of 0 bytes: not even the model fits. */
static ebb_status make(session *s, const plan_training *p, const ebb_compile_options *options,
                       uint32_t batch, plans *made)
{
    const uint64_t limit = p->call->load.bytes_max;
    ebb_load_options load = p->call->load;
    ebb_compile_options compile = *options;

    *made = (plans){0};
    load.batch = 0; /* --batch is that of training */
    compile.batch = batch;
    compile.threads = load.threads;
    ebb_status status =
        ebb_model_plan(s->runtime, p->call->words[0], &load, &made->model, &s->error);
    if (status != EBB_OK) return status;
    compile.bytes_max = limit == 0 ? 0 : limit - made->model.total;
    if (limit > 0 && compile.bytes_max == 0)
        return refuse(&s->error, EBB_E_MEMORY, "--limit", "the model alone takes all of it");
    status = ebb_model_plan_training(s->runtime, p->call->words[0], &load, &compile,
                                     &made->training, &s->error);
    if (status == EBB_OK && limit > 0 && made->training.peak > limit) {
        status = refuse(&s->error, EBB_E_MEMORY, "--limit",
                        "model and training need %" PRIu64 " bytes, the limit is %" PRIu64,
                        made->training.peak, limit);
    }
    return status;
}

/* The largest batch whose plan stays within the limit: doubled until it does not, then halved. */
static ebb_status search(session *s, const plan_training *p, const ebb_compile_options *options,
                         plans *best)
{
    uint32_t fits = 0, fails = 1;
    plans tried;

    while (fails <= BATCH_MAX) {
        const ebb_status status = make(s, p, options, fails, &tried);
        if (status == EBB_E_MEMORY) break;
        if (status != EBB_OK) return status;
        fits = fails;
        fails *= 2;
        *best = tried;
    }
    while (fits > 0 && fails - fits > 1) {
        const uint32_t middle = fits + (fails - fits) / 2;
        const ebb_status status = make(s, p, options, middle, &tried);
        if (status != EBB_OK && status != EBB_E_MEMORY) return status;
        if (status == EBB_OK) {
            fits = middle;
            *best = tried;
        } else {
            fails = middle;
        }
    }
    if (fits > 0) return EBB_OK;
    return s->error.status; /* why not even one row fits */
}

/* -- report -------------------------------------------------------------------------- */

static void write_json(const plan_training *p, const plans *made, bool fits)
{
    json_output j = {0};

    json_object(&j, NULL);
    json_text(&j, "path", p->call->words[0]);
    json_classes(&j, "model", made->model.by_class);
    json_classes(&j, "training", made->training.by_class);
    json_count(&j, "model_total", made->model.total);
    json_count(&j, "training_total", made->training.total);
    json_count(&j, "total", made->model.total + made->training.total);
    json_count(&j, "peak", made->training.peak);
    json_count(&j, "limit", p->call->load.bytes_max);
    json_bool(&j, "fits", fits);
    json_bool(&j, "largest_batch", p->is_search);
    json_count(&j, "parameters", made->model.parameters);
    json_count(&j, "flops_per_step", made->training.flops);
    json_count(&j, "batch", made->training.batch);
    json_count(&j, "threads", made->training.threads);
    json_object_end(&j);
}

static void add_row(table *t, const char *name, uint64_t model, uint64_t training)
{
    text_buffer size;

    if (model + training == 0) return;
    table_add(t, "%s", name);
    table_add_grouped(t, model);
    table_add_grouped(t, training);
    table_add_grouped(t, model + training);
    table_add(t, "%s", model + training < 1024 ? "" : text_size(&size, model + training));
}

static void write_text(const plan_training *p, const plans *made)
{
    text_buffer parameters, flops, peak;
    table t;

    table_open(&t, "class|>model|>training|>both|>");
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) {
        add_row(&t, ebb_class_name((ebb_class)i), made->model.by_class[i],
                made->training.by_class[i]);
    }
    add_row(&t, "total", made->model.total, made->training.total);
    table_close(&t);
    printf(
        "\n%sbatch %" PRIu32 ", threads %" PRIu32 "; peak %s bytes; %s parameters, %s operations a "
        "step\n",
        p->is_search ? "largest " : "", made->training.batch, made->training.threads,
        text_grouped(&peak, made->training.peak), text_grouped(&parameters, made->model.parameters),
        text_grouped(&flops, made->training.flops));
}

int plan_training_run(session *s, const plan_training *p)
{
    compile_choice choice;
    plans made = {0};
    ebb_status status = compile_choice_make(&choice, p->words, &s->error);

    if (status == EBB_OK && p->is_search)
        status = search(s, p, &choice.options, &made);
    else if (status == EBB_OK)
        status = make(s, p, &choice.options, p->call->load.batch, &made);
    compile_choice_free(&choice);
    const bool is_over = status == EBB_E_MEMORY;
    if (status == EBB_OK || (is_over && made.training.total > 0)) {
        if (p->call->is_json)
            write_json(p, &made, !is_over);
        else
            write_text(p, &made);
    }
    const int code = session_exit_code(s, status);
    return is_over ? EXIT_NO : code;
}
