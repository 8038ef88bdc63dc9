/* command_leakcheck.c -- `ebb leakcheck`: load, predict, unload, a thousand times, with the books
 * open. */
#include <inttypes.h>
#include <stdlib.h>

#include "console.h"
#include "cycles.h"
#include "json_output.h"
#include "session.h"
#include "training_words.h"

#define CYCLES_DEFAULT 1000
#define STEPS_DEFAULT  1
#define ROWS_TRAINED   32
#define SEED           20240607U

typedef struct values {
    const char *beside;
    uint32_t cycles, every, rows, steps;
    bool is_training;
    compile_words compile;
} values;

/* -- rows as they come --------------------------------------------------------------- */

static void show_head(void)
{
    printf("%7s %14s %14s %14s %9s %7s %11s %9s %9s\n", "cycle", "live before", "live loaded",
           "live after", "RSS KiB", "threads", "descriptors", "load ms", "unload ms");
}

static void show_row(const cycle_row *row)
{
    text_buffer before, loaded, after, rss;

    printf("%7" PRIu32 " %14s %14s %14s %9s %7" PRIu32 " %11" PRIu32 " %9.3f %9.3f\n", row->cycle,
           text_grouped(&before, row->live_before), text_grouped(&loaded, row->live_loaded),
           text_grouped(&after, row->live_after), text_grouped(&rss, row->process.rss_bytes / 1024),
           row->process.threads, row->process.descriptors, (double)row->load_ns / 1e6,
           (double)row->unload_ns / 1e6);
    if (row->live_compiled > 0) {
        printf("%7s %14s %14s compiled; compile, fit, uncompile %.3f ms\n", "", "",
               text_grouped(&loaded, row->live_compiled), (double)row->train_ns / 1e6);
    }
    fflush(stdout);
}

/* -- verdict ------------------------------------------------------------------------- */

static void say_fault(void *context, const char *line)
{
    (void)context;
    printf("  %s\n", line);
}

static void put_fault(void *context, const char *line)
{
    json_text(context, NULL, line);
}

static void write_verdict(const cycle_result *r, const char *beside, const training_cycle *training)
{
    const bool is_clean = cycles_are_clean(r);
    text_buffer a, b;

    printf("\nplan    %s bytes: the ledger held exactly that%s\n", text_grouped(&a, r->plan.total),
           r->plan_differs == 0 ? " in every cycle" : " NOT in every cycle");
    if (training != NULL) {
        printf("train   %s bytes more while compiled%s; loss %.9g after it%s\n",
               text_grouped(&a, training->plan.total),
               r->training_plan_differs == 0 ? ", as planned, in every cycle" : ", NOT as planned",
               training->first_loss, r->losses_changed == 0 ? " in every cycle" : " at first");
    }
    if (beside != NULL) {
        printf("beside  %s answered %s times meanwhile, %s differently from its first answer\n",
               beside, text_grouped(&a, r->beside_answers), text_grouped(&b, r->beside_changed));
    }
    if (cycles_trend_is_judged(r)) {
        printf("RSS     cycle %d: %s KiB", TREND_FIRST,
               text_grouped(&a, r->tenth.process.rss_bytes / 1024));
        printf(", cycle %" PRIu32 ": %s KiB\n", r->done,
               text_grouped(&a, r->last.process.rss_bytes / 1024));
    } else {
        printf("RSS     the trend is not judged: that takes %d cycles\n", TREND_CYCLES);
    }
    if (r->was_interrupted) printf("stopped after %" PRIu32 " cycles\n", r->done);
    printf("verdict %s\n",
           is_clean ? "clean: every byte, thread and descriptor came back" : "LEAK:");
    cycles_faults(r, say_fault, NULL);
}

static void write_row(json_output *j, const char *key, const cycle_row *row)
{
    json_object(j, key);
    json_count(j, "cycle", row->cycle);
    json_count(j, "live_before", row->live_before);
    json_count(j, "live_loaded", row->live_loaded);
    json_count(j, "live_after", row->live_after);
    json_count(j, "rss_bytes", row->process.rss_bytes);
    json_count(j, "threads", row->process.threads);
    json_count(j, "descriptors", row->process.descriptors);
    json_count(j, "load_ns", row->load_ns);
    json_count(j, "unload_ns", row->unload_ns);
    json_count(j, "live_compiled", row->live_compiled);
    json_count(j, "train_ns", row->train_ns);
    json_object_end(j);
}

static void write_json(const invocation *call, const cycle_result *r, const char *beside,
                       const training_cycle *training)
{
    json_output j = {0};

    json_object(&j, NULL);
    json_text(&j, "path", call->words[0]);
    json_text(&j, "beside", beside);
    json_count(&j, "cycles", r->done);
    json_count(&j, "plan_total", r->plan.total);
    json_count(&j, "training_plan_total", training != NULL ? training->plan.total : 0);
    json_count(&j, "leaked_bytes", r->leaked_bytes_max);
    json_count(&j, "threads_before", r->before.threads);
    json_count(&j, "descriptors_before", r->before.descriptors);
    if (r->done > 0) write_row(&j, "first", &r->first);
    if (r->done >= TREND_FIRST) write_row(&j, "tenth", &r->tenth);
    if (r->done > 0) write_row(&j, "last", &r->last);
    json_count(&j, "load_ns_min", r->load_ns_min);
    json_count(&j, "load_ns_max", r->load_ns_max);
    json_count(&j, "unload_ns_max", r->unload_ns_max);
    json_count(&j, "beside_answers", r->beside_answers);
    json_count(&j, "beside_changed", r->beside_changed);
    json_bool(&j, "trend_judged", cycles_trend_is_judged(r));
    json_array(&j, "faults");
    cycles_faults(r, put_fault, &j);
    json_array_end(&j);
    json_bool(&j, "clean", cycles_are_clean(r));
    json_object_end(&j);
}

/* -- running ------------------------------------------------------------------------- */

static bool start_witness(session *s, const invocation *call, const values *v, witness *w)
{
    const ebb_load_options defaults = EBB_LOAD_OPTIONS_INIT;
    const batch_choice choice = {0, call->load.sequence, SEED + 1};
    invocation plain = *call;
    ebb_model model = {0};
    batch questions = {0};

    plain.load = defaults; /* limits and lanes are for MODEL */
    plain.load.sequence = call->load.sequence;
    if (!session_load(s, &plain, v->beside, &model)) return false;
    ebb_status status = batch_make_random(&questions, model, &choice, &s->error);
    if (status == EBB_OK) status = witness_start(w, model, &questions, &s->error);
    batch_free(&questions);
    if (status != EBB_OK) complain_of(&s->error);
    return status == EBB_OK;
}

static int check(session *s, const invocation *call, training_cycle *training, const witness *w)
{
    const values *v = call->values;
    const uint32_t rows = v->rows == 0 && training != NULL ? ROWS_TRAINED : v->rows;
    const cycle_options o = {
        .runtime = s->runtime,
        .path = call->words[0],
        .load = &call->load,
        .count = v->cycles,
        .inputs = {rows, call->load.sequence, SEED},
        .training = training,
        .beside = v->beside != NULL ? w : NULL,
        .is_shown = cycle_is_shown,
        .every = v->every,
        .show = call->is_json ? NULL : show_row,
    };
    cycle_result r;

    if (!call->is_json) show_head();
    const ebb_status status = cycles_run(&o, &r, &s->error);
    if (status != EBB_OK) return complain_of(&s->error);
    if (call->is_json)
        write_json(call, &r, v->beside, training);
    else
        write_verdict(&r, v->beside, training);
    return cycles_are_clean(&r) ? EXIT_DONE : EXIT_NO;
}

static int check_training(session *s, const invocation *call, const witness *w)
{
    const values *v = call->values;
    compile_choice choice;
    training_cycle training = {.options = &choice.options, .steps = v->steps};
    int code = EXIT_USAGE;

    if (compile_choice_make(&choice, &v->compile, &s->error) == EBB_OK) {
        choice.options.batch = v->rows > 0 ? v->rows : ROWS_TRAINED;
        choice.options.seed = SEED;
        choice.options.threads = call->load.threads;
        code = check(s, call, &training, w);
    } else {
        complain_of(&s->error);
    }
    training_cycle_free(&training);
    compile_choice_free(&choice);
    return code;
}

static int run(const invocation *call)
{
    const values *v = call->values;
    witness w = {0};
    session s;
    int code = EXIT_FAILED;

    if (!session_open_with(&s, call)) return EXIT_FAILED;
    interrupt_watch();
    if (v->beside == NULL || start_witness(&s, call, v, &w))
        code = v->is_training ? check_training(&s, call, &w) : check(&s, call, NULL, &w);
    witness_stop(&w);
    if (w.error.status != EBB_OK) complain_of(&w.error);
    return session_close(&s, code);
}

static const option options[] = {
    {"cycles", OPTION_COUNT, offsetof(values, cycles), "N", "how often (default: 1000)"},
    {"beside", OPTION_TEXT, offsetof(values, beside), "OTHER",
     "a model that keeps answering in another thread"},
    {"every", OPTION_COUNT, offsetof(values, every), "K",
     "show every K-th cycle (default: about a dozen)"},
    {"rows", OPTION_COUNT, offsetof(values, rows), "N",
     "rows of each prediction (default: as planned; 32 with --train)"},
    {"train", OPTION_FLAG, offsetof(values, is_training), NULL,
     "compile, fit and uncompile in each cycle too"},
    {"steps", OPTION_COUNT, offsetof(values, steps), "N", "steps of each fit (default: 1)"},
    COMPILE_WORDS_OPTIONS(values, compile),
    {0},
};
static const values defaults = {.cycles = CYCLES_DEFAULT, .steps = STEPS_DEFAULT};

const command command_leakcheck = {
    .name = "leakcheck",
    .summary = "loads, predicts and unloads in a loop; one leaked byte and the answer is no",
    .usage = "MODEL [--cycles N] [--beside OTHER] [options]",
    .help = "Each cycle loads MODEL, compares the ledger with the plan, predicts, unloads,\n"
            "and compares live bytes, threads and descriptors with those before the first\n"
            "cycle; its answers with its first; and each answer of OTHER, bit for bit, with\n"
            "OTHER's first. After 20 cycles and more, RSS may have risen by at most 1 MiB\n"
            "since cycle 10. With --train each cycle also compiles (with the settings of the\n"
            "file or those given), fits the rows it asked and uncompiles; the plan of that,\n"
            "the ledger after it and the loss are compared too. Status 1: something of that\n"
            "does not hold. Ctrl-C ends it with a verdict.",
    .example = "  ebb leakcheck model.keras\n"
               "  ebb leakcheck big.h5 --cycles 300 --beside small.keras --threads 2\n"
               "  ebb leakcheck model.keras --train --optimizer adam --loss mse",
    .options = options,
    .defaults = &defaults,
    .values_bytes = sizeof(values),
    .words_min = 1,
    .words_max = 1,
    .uses = USES_LOAD | USES_FILE | USES_JSON,
    .run = run,
};
