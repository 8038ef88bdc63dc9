/* command_demo.c -- `ebb demo`: the whole job on two small models, on one screen.
 *
 * Two real models are loaded and answer; one is unloaded while the other goes on answering; then a
 * thousand loads and unloads. Everything printed is read from the ledger, the receipts and the
 * operating system. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "cycles.h"
#include "json_output.h"
#include "session.h"
#include "show.h"
#include "table.h"

#define CYCLES_DEFAULT 1000
#define SEED           20240607U
#define FOLDER_BYTES   4096
#define PATH_BYTES     (FOLDER_BYTES + 64)
#define IMAGES_MAX     64

typedef struct values {
    const char *models;
    uint32_t cycles;
} values;

/* One model of the demo. */
typedef struct subject {
    const char *file, *answers_file;
    char path[PATH_BYTES];
    ebb_model model;
    ebb_plan plan;
    ebb_memory memory;
    ebb_model_info info;
    uint64_t live_before; /* of the runtime, before it came */
    uint32_t guesses[IMAGES_MAX];
    uint32_t right;
    double difference; /* from Keras's own answers, largest */
} subject;

typedef struct demo {
    const invocation *call;
    const values *v;
    ebb_load_options load;
    char folder[FOLDER_BYTES];
    session s;
    subject staying, going;
    ebb_arrays images, labels;
    ebb_view x, y;
    witness w;
    ebb_receipt receipt;
    uint64_t live_with, live_now;
    uint64_t answers_meanwhile;
    cycle_result cycles;
} demo;

/* -- files --------------------------------------------------------------------------- */

static bool has_models(demo *d, const char *folder)
{
    char path[PATH_BYTES];

    if (strlen(folder) >= sizeof d->folder) return false;
    memcpy(d->folder, folder, strlen(folder) + 1);
    snprintf(path, sizeof path, "%s/digits_x.npy", d->folder);
    return access(path, R_OK) == 0;
}

/* --models; else below the working folder, beside the build folder, or where `make install` puts
 * them. */
static bool find_models(demo *d)
{
    static const char *const places[] = {"../examples/models", "../share/ebb/models"};
    char self[FOLDER_BYTES], folder[PATH_BYTES];

    if (d->v->models != NULL) {
        if (has_models(d, d->v->models)) return true;
        complain("demo: %s does not hold the models of the demo (digits_x.npy is missing)",
                 d->v->models);
        return false;
    }
    if (has_models(d, "examples/models")) return true;
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    char *slash = strrchr(self, '/');
    if (slash != NULL) *slash = 0;
    for (size_t i = 0; slash != NULL && i < sizeof places / sizeof *places; i++) {
        snprintf(folder, sizeof folder, "%s/%s", self, places[i]);
        if (has_models(d, folder)) return true;
    }
    complain("demo: the models are not found; give their folder: ebb demo --models DIR");
    return false;
}

static bool open_array(demo *d, const char *file, ebb_arrays *arrays, ebb_view *view)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s/%s", d->folder, file);
    ebb_status status = ebb_arrays_open(d->s.runtime, path, arrays, &d->s.error);
    if (status == EBB_OK && ebb_arrays_read(*arrays, 0, NULL, view) != EBB_OK) {
        status = refuse(&d->s.error, EBB_E_FORMAT, path, "holds no array");
    }
    if (status == EBB_OK && (view->rank == 0 || view->dims[0] < 1 || view->dims[0] > IMAGES_MAX)) {
        status = refuse(&d->s.error, EBB_E_FORMAT, path, "expected 1 to %d rows", IMAGES_MAX);
    }
    if (status != EBB_OK) complain_of(&d->s.error);
    return status == EBB_OK;
}

/* -- loading and asking -------------------------------------------------------------- */

static uint64_t live_of(const demo *d)
{
    ebb_memory memory = {0};

    ebb_memory_read(d->s.runtime, &memory);
    return memory.live;
}

static bool load(demo *d, subject *m)
{
    snprintf(m->path, sizeof m->path, "%s/%s", d->folder, m->file);
    m->live_before = live_of(d);
    ebb_status status = ebb_model_plan(d->s.runtime, m->path, &d->load, &m->plan, &d->s.error);
    if (status == EBB_OK)
        status = ebb_model_load(d->s.runtime, m->path, &d->load, &m->model, &d->s.error);
    if (status == EBB_OK) status = ebb_model_memory_read(m->model, &m->memory);
    if (status == EBB_OK) status = ebb_model_info_read(m->model, &m->info);
    if (status != EBB_OK) complain_of(&d->s.error);
    return status == EBB_OK;
}

static void judge_answers(const demo *d, subject *m, const ebb_view *given,
                          const ebb_view *expected)
{
    const uint32_t images = (uint32_t)given->dims[0], classes = (uint32_t)given->dims[1];

    for (uint32_t i = 0; i < images; i++) {
        for (uint32_t k = 0; k < classes; k++) {
            const uint64_t at = (uint64_t)i * classes + k;
            const double off = fabs(view_value(given, at) - view_value(expected, at));
            if (!(off <= m->difference)) m->difference = off;
            const double best = view_value(given, (uint64_t)i * classes + m->guesses[i]);
            if (view_value(given, at) > best) m->guesses[i] = k;
        }
        m->right += (double)m->guesses[i] == view_value(&d->y, i);
    }
}

static bool ask(demo *d, subject *m)
{
    ebb_arrays answers = {0};
    ebb_view expected;
    batch b;

    if (!open_array(d, m->answers_file, &answers, &expected)) return false;
    ebb_status status = batch_make(&b, m->model, &d->x, 1, &d->s.error);
    if (status == EBB_OK) status = batch_predict(&b, m->model, &d->s.error);
    if (status == EBB_OK && (b.outputs[0].rank != 2 || b.outputs[0].dims[0] != d->y.dims[0] ||
                             ebb_view_bytes(&b.outputs[0]) != ebb_view_bytes(&expected))) {
        status = refuse(&d->s.error, EBB_E_SHAPE, m->path,
                        "the files of the demo do not belong together");
    }
    if (status == EBB_OK) judge_answers(d, m, &b.outputs[0], &expected);
    if (status != EBB_OK) complain_of(&d->s.error);
    batch_free(&b);
    ebb_arrays_close(answers);
    return status == EBB_OK;
}

/* The file of one model goes while the other model answers without a pause. */
static bool unload_beside(demo *d)
{
    batch questions = {0};
    ebb_status status = batch_make(&questions, d->staying.model, &d->x, 1, &d->s.error);

    if (status == EBB_OK) status = witness_start(&d->w, d->staying.model, &questions, &d->s.error);
    batch_free(&questions);
    if (status == EBB_OK) {
        d->live_with = live_of(d);
        const uint64_t before = atomic_load(&d->w.answers);
        witness_wait(&d->w);
        status = ebb_model_unload(d->going.model, NULL, &d->receipt, &d->s.error);
        witness_wait(&d->w);
        d->live_now = live_of(d);
        d->answers_meanwhile = atomic_load(&d->w.answers) - before;
    }
    if (status != EBB_OK) complain_of(&d->s.error);
    return status == EBB_OK;
}

/* -- showing ------------------------------------------------------------------------- */

static void add_subject(table *t, const subject *m)
{
    text_buffer time;

    table_add(t, "%s", m->info.name);
    table_add_grouped(t, m->memory.by_class[EBB_CLASS_WEIGHTS]);
    table_add_grouped(t, m->memory.by_class[EBB_CLASS_ACTIVATIONS]);
    table_add_grouped(t, m->memory.by_class[EBB_CLASS_META]);
    table_add_grouped(t, m->memory.live);
    table_add_grouped(t, m->plan.total);
    table_add(t, "%s", text_duration(&time, m->info.load_ns));
}

static void show_loaded(const demo *d)
{
    text_buffer a;
    table t;

    printf("ebb %s: Keras models loaded, run and unloaded, every byte accounted for\n\n",
           ebb_version());
    printf("1. Two models, loaded from their Keras files: bytes by class\n\n");
    table_open(&t, "|>weights|>activations|>meta|>total|>plan said|>loaded in");
    t.indent = 3;
    add_subject(&t, &d->staying);
    add_subject(&t, &d->going);
    table_close(&t);
    printf("   the runtime and the images: %s bytes; all together: ",
           text_grouped(&a, d->staying.live_before));
    printf("%s bytes\n", text_grouped(&a, d->going.live_before + d->going.memory.live));
}

static void show_answers(const demo *d)
{
    const subject *const subjects[] = {&d->staying, &d->going};
    const uint32_t images = (uint32_t)d->y.dims[0];

    printf("\n2. Both read %" PRIu32 " handwritten digits that neither saw in training\n\n   %-11s",
           images, "they are");
    for (uint32_t i = 0; i < images; i++) printf(" %.0f", view_value(&d->y, i));
    printf("\n");
    for (uint32_t s = 0; s < 2; s++) {
        printf("   %-11.11s", subjects[s]->info.name);
        for (uint32_t i = 0; i < images; i++) printf(" %" PRIu32, subjects[s]->guesses[i]);
        printf("   %" PRIu32 " of %" PRIu32 " right; at most %.0e from Keras's own answers\n",
               subjects[s]->right, images, subjects[s]->difference);
    }
}

static void show_unloaded(const demo *d)
{
    text_buffer a, b, c;

    printf("\n3. %s is unloaded while %s keeps answering in another thread\n\n", d->going.info.name,
           d->staying.info.name);
    printf("   receipt     %s bytes back in %s: %s\n", text_grouped(&a, d->receipt.bytes_total),
           text_duration(&b, d->receipt.time_ns), text_classes(&c, d->receipt.bytes));
    printf("   live bytes  %s before it came, ", text_grouped(&a, d->going.live_before));
    printf("%s with it, %s now\n", text_grouped(&a, d->live_with), text_grouped(&b, d->live_now));
    printf("   %-11.11s answered %s times meanwhile, %s\n", d->staying.info.name,
           text_grouped(&a, d->answers_meanwhile),
           atomic_load(&d->w.changed) == 0 ? "every time the same to the last bit"
                                           : "NOT every time the same");
}

static bool is_power_of_ten(uint32_t cycle, uint32_t count, uint32_t every)
{
    (void)every;
    if (cycle == count) return true;
    while (cycle % 10 == 0) cycle /= 10;
    return cycle == 1;
}

static void show_cycle_head(const demo *d)
{
    text_buffer a;

    printf("\n4. %s is loaded, asked and unloaded %s times, %s beside it\n\n", d->going.info.name,
           text_grouped(&a, d->v->cycles), d->staying.info.name);
    printf("   %6s %13s %13s %9s %9s %13s %9s %10s\n", "cycle", "live loaded", "live after",
           "RSS KiB", "threads", "descriptors", "load ms", "unload ms");
    fflush(stdout);
}

static void show_cycle(const cycle_row *row)
{
    text_buffer cycle, loaded, after, rss;

    printf("   %6s %13s %13s %9s %9" PRIu32 " %13" PRIu32 " %9.3f %10.3f\n",
           text_grouped(&cycle, row->cycle), text_grouped(&loaded, row->live_loaded),
           text_grouped(&after, row->live_after), text_grouped(&rss, row->process.rss_bytes / 1024),
           row->process.threads, row->process.descriptors, (double)row->load_ns / 1e6,
           (double)row->unload_ns / 1e6);
    fflush(stdout);
}

static bool is_clean(const demo *d)
{
    return cycles_are_clean(&d->cycles) && d->live_now == d->going.live_before &&
           d->receipt.bytes_kept == 0 && d->staying.memory.live == d->staying.plan.total &&
           d->going.memory.live == d->going.plan.total;
}

static void say_fault(void *context, const char *line)
{
    (void)context;
    printf("   %s\n", line);
}

static void show_verdict(const demo *d)
{
    text_buffer a, b;

    if (d->cycles.was_interrupted) printf("   stopped after %" PRIu32 " cycles\n", d->cycles.done);
    printf("\n   %s answered %s times beside it, %s differently\n", d->staying.info.name,
           text_grouped(&a, d->cycles.beside_answers), text_grouped(&b, d->cycles.beside_changed));
    cycles_faults(&d->cycles, say_fault, NULL);
    if (d->live_now != d->going.live_before)
        printf("   after the first unload the live bytes were not those before\n");
    printf("\nverdict: %s\n",
           is_clean(d) ? "clean. Every byte, thread and descriptor came back, every plan was exact."
                       : "NOT clean");
}

static void write_subject(json_output *j, const subject *m)
{
    json_object(j, NULL);
    json_text(j, "name", m->info.name);
    json_count(j, "plan_total", m->plan.total);
    json_count(j, "live_bytes", m->memory.live);
    json_classes(j, "classes", m->memory.by_class);
    json_count(j, "right", m->right);
    json_number(j, "difference_max", m->difference, 3);
    json_object_end(j);
}

static void write_json(const demo *d)
{
    json_output j = {0};

    json_object(&j, NULL);
    json_count(&j, "images", (uint64_t)d->y.dims[0]);
    json_array(&j, "models");
    write_subject(&j, &d->staying);
    write_subject(&j, &d->going);
    json_array_end(&j);
    json_count(&j, "unload_bytes", d->receipt.bytes_total);
    json_count(&j, "unload_ns", d->receipt.time_ns);
    json_count(&j, "live_before", d->going.live_before);
    json_count(&j, "live_with", d->live_with);
    json_count(&j, "live_now", d->live_now);
    json_count(&j, "cycles", d->cycles.done);
    json_count(&j, "leaked_bytes", d->cycles.leaked_bytes_max);
    json_count(&j, "beside_answers", d->cycles.beside_answers);
    json_count(&j, "beside_changed", d->cycles.beside_changed);
    json_bool(&j, "clean", is_clean(d));
    json_object_end(&j);
}

/* -- the demo ------------------------------------------------------------------------ */

static bool run_cycles(demo *d)
{
    const bool is_json = d->call->is_json;
    const cycle_options o = {
        .runtime = d->s.runtime,
        .path = d->going.path,
        .load = &d->load,
        .count = d->v->cycles,
        .inputs = {0, 0, SEED},
        .beside = &d->w,
        .is_shown = is_power_of_ten,
        .show = is_json ? NULL : show_cycle,
    };

    if (!is_json) show_cycle_head(d);
    if (cycles_run(&o, &d->cycles, &d->s.error) == EBB_OK) return true;
    complain_of(&d->s.error);
    return false;
}

static bool play(demo *d)
{
    const bool is_json = d->call->is_json;

    if (!open_array(d, "digits_x.npy", &d->images, &d->x) ||
        !open_array(d, "digits_y.npy", &d->labels, &d->y)) {
        return false;
    }
    d->load.batch = (uint32_t)d->x.dims[0]; /* planned for all images at once */
    if (!load(d, &d->staying) || !load(d, &d->going)) return false;
    if (!is_json) show_loaded(d);
    if (!ask(d, &d->staying) || !ask(d, &d->going)) return false;
    if (!is_json) show_answers(d);
    if (!unload_beside(d)) return false;
    if (!is_json) show_unloaded(d);
    if (!run_cycles(d)) return false;
    if (is_json)
        write_json(d);
    else
        show_verdict(d);
    return true;
}

static int run(const invocation *call)
{
    demo *d = calloc(1, sizeof *d);
    int code = EXIT_FAILED;

    if (d == NULL) {
        complain("no memory for the demo");
        return EXIT_FAILED;
    }
    d->call = call;
    d->load = call->load;
    d->v = call->values;
    d->staying = (subject){.file = "digits_cnn.h5", .answers_file = "digits_cnn_y.npy"};
    d->going = (subject){.file = "digits_mlp.keras", .answers_file = "digits_mlp_y.npy"};
    interrupt_watch();
    if (find_models(d) && session_open(&d->s)) {
        if (play(d)) code = is_clean(d) ? EXIT_DONE : EXIT_NO;
        witness_stop(&d->w);
        code = session_close(&d->s, code);
    }
    free(d);
    return code;
}

static const option options[] = {
    {"models", OPTION_TEXT, offsetof(values, models), "DIR",
     "folder of the demo's models (default: found)"},
    {"cycles", OPTION_COUNT, offsetof(values, cycles), "N", "loads and unloads (default: 1000)"},
    {0},
};
static const values defaults = {.cycles = CYCLES_DEFAULT};

const command command_demo = {
    .name = "demo",
    .summary = "two models loaded, one unloaded beside the other, 1,000 times, with the verdict",
    .usage = "[options]",
    .help = "Loads two small Keras models of handwritten digits, lets both answer, unloads\n"
            "one while the other keeps answering in another thread, then loads, asks and\n"
            "unloads it 1,000 times. Every figure comes from the ledger, the receipts or\n"
            "the operating system. Status 1: something did not come back.",
    .example = "  ebb demo\n"
               "  ebb demo --models /usr/share/ebb/models --cycles 10000",
    .options = options,
    .defaults = &defaults,
    .values_bytes = sizeof(values),
    .words_min = 0,
    .words_max = 0,
    .uses = USES_JSON,
    .run = run,
};
