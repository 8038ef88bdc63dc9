/* command_plan.c -- `ebb plan`: the bytes a load will take, without loading. */
#include <inttypes.h>

#include "console.h"
#include "json_output.h"
#include "plan_training.h"
#include "table.h"

typedef struct values {
    compile_words compile;
    bool is_training, is_search;
} values;

/* The device that was planned for. */
typedef struct planned_device {
    char name[EBB_DEVICE_NAME_BYTES];
    ebb_memory memory;
} planned_device;

static planned_device device_of(session *s, const invocation *call)
{
    planned_device d = {.name = ""};

    if (ebb_device_exists(s->runtime, call->load.device))
        ebb_device_text_read(call->load.device, d.name, NULL);
    if (d.name[0] == 0) ebb_device_scope_read(s->runtime, d.name, NULL);
    ebb_device_memory_read(s->runtime, d.name, &d.memory, NULL);
    return d;
}

static void write_json(const invocation *call, const ebb_plan *p, const planned_device *d,
                       bool fits)
{
    json_output j = {0};

    json_object(&j, NULL);
    json_text(&j, "path", call->words[0]);
    json_classes(&j, "classes", p->by_class);
    json_count(&j, "total", p->total);
    json_count(&j, "peak", p->peak);
    json_count(&j, "limit", call->load.bytes_max);
    json_text(&j, "device", d->name);
    json_count(&j, "device_limit", d->memory.limit);
    json_bool(&j, "fits", fits);
    json_count(&j, "file_bytes", p->file_bytes);
    json_count(&j, "parameters", p->parameters);
    json_count(&j, "flops_per_row", p->flops);
    json_count(&j, "batch", p->batch);
    json_count(&j, "lanes", p->lanes);
    json_count(&j, "threads", p->threads);
    json_object_end(&j);
}

static void add_row(table *t, const char *name, uint64_t bytes)
{
    text_buffer size;

    table_add(t, "%s", name);
    table_add_grouped(t, bytes);
    table_add(t, "%s", bytes < 1024 ? "" : text_size(&size, bytes));
}

static void write_text(const ebb_plan *p, const planned_device *d)
{
    text_buffer parameters, flops, file, limit;
    table t;

    table_open(&t, "class|>bytes|>");
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) {
        if (p->by_class[i] > 0) add_row(&t, ebb_class_name((ebb_class)i), p->by_class[i]);
    }
    add_row(&t, "total", p->total);
    add_row(&t, "peak while loading", p->peak);
    table_close(&t);
    printf("\nbatch %" PRIu32 ", lanes %" PRIu32 ", threads %" PRIu32
           "; %s parameters, %s operations a row, file of %s bytes\n",
           p->batch, p->lanes, p->threads, text_grouped(&parameters, p->parameters),
           text_grouped(&flops, p->flops), text_grouped(&file, p->file_bytes));
    if (d->memory.limit > 0)
        printf("on %s, which is limited to %s bytes\n", d->name,
               text_grouped(&limit, d->memory.limit));
}

/* A limit was too low even for planning: what it is without any. */
static void plan_freely(const invocation *call, ebb_plan *plan)
{
    ebb_load_options load = call->load;
    session s;

    load.bytes_max = 0;
    load.device = NULL;
    if (!session_open(&s)) return;
    ebb_model_plan(s.runtime, call->words[0], &load, plan, NULL);
    session_close(&s, EXIT_DONE);
}

static int plan_load(session *s, const invocation *call)
{
    ebb_plan plan = {0};
    const ebb_status status =
        ebb_model_plan(s->runtime, call->words[0], &call->load, &plan, &s->error);
    if (status == EBB_E_MEMORY && plan.total == 0) plan_freely(call, &plan);
    const bool is_over = status == EBB_E_MEMORY && plan.total > 0;
    if (status == EBB_OK || is_over) {
        const planned_device device = device_of(s, call);
        if (call->is_json)
            write_json(call, &plan, &device, !is_over);
        else
            write_text(&plan, &device);
    }
    int code = EXIT_DONE;
    if (status != EBB_OK) code = complain_of(&s->error);
    if (is_over) code = EXIT_NO;
    return code;
}

static int run(const invocation *call)
{
    const values *v = call->values;
    const plan_training training = {call, &v->compile, v->is_search};
    session s;

    if (v->is_search && (!v->is_training || call->load.bytes_max == 0)) {
        complain("plan: --largest-batch needs --train and --limit");
        return EXIT_USAGE;
    }
    if (!session_open_with(&s, call)) return EXIT_FAILED;
    const int code = v->is_training ? plan_training_run(&s, &training) : plan_load(&s, call);
    return session_close(&s, code);
}

static const option options[] = {
    {"train", OPTION_FLAG, offsetof(values, is_training), NULL,
     "for training: steps of --batch rows (default: 32)"},
    {"largest-batch", OPTION_FLAG, offsetof(values, is_search), NULL,
     "search for the largest one below --limit"},
    COMPILE_WORDS_OPTIONS(values, compile),
    {0},
};

const command command_plan = {
    .name = "plan",
    .summary = "bytes a load or a training will take, by class, without loading",
    .usage = "MODEL [options]",
    .help = "States what the ledger will hold after a load, to the byte, and the peak while\n"
            "loading, without reading a weight. With --limit or --device-limit, status 1 says\n"
            "that the model does not fit. With --train, the same for training beside the model,\n"
            "with the settings of the file or those given; --limit is for both together then,\n"
            "and activations are computed again rather than kept when they do not fit.",
    .example = "  ebb plan model.keras\n"
               "  ebb plan --batch 32 --lanes 4 --limit 64M model.keras\n"
               "  ebb plan --train --optimizer adam --loss mse --limit 2G --largest-batch "
               "model.keras",
    .options = options,
    .values_bytes = sizeof(values),
    .words_min = 1,
    .words_max = 1,
    .uses = USES_LOAD | USES_FILE | USES_JSON,
    .run = run,
};
