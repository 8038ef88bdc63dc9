/* command_info.c -- `ebb info`: what a file is and what it takes and answers.
 *
 * The model is loaded for that: the figures are those of the ledger, not of an estimate. */
#include <inttypes.h>

#include "console.h"
#include "json_output.h"
#include "match.h"
#include "session.h"
#include "table.h"

typedef struct values {
    bool has_weights;
} values;

typedef struct facts {
    ebb_model_info info;
    ebb_plan plan;
    ebb_memory memory;
    ports inputs, outputs;
} facts;

static ebb_status read_facts(session *s, const invocation *call, ebb_model model, facts *f)
{
    ebb_status status = ebb_model_info_read(model, &f->info);

    if (status == EBB_OK) status = ebb_model_memory_read(model, &f->memory);
    if (status != EBB_OK)
        return refuse(&s->error, status, call->words[0], "%s", ebb_status_text(status));
    status = ebb_model_plan(s->runtime, call->words[0], &call->load, &f->plan, &s->error);
    if (status == EBB_OK) status = ports_make_inputs(&f->inputs, model, &s->error);
    if (status == EBB_OK) status = ports_make_outputs(&f->outputs, model, &s->error);
    return status;
}

/* Weights that are kept small: how many of each kind, "8 int8, 2 float16 without zeros". */
typedef struct shrunk {
    uint32_t counts[2][EBB_BOOL + 1]; /* by sparse, by stored type */
    uint32_t count;
} shrunk;

static shrunk count_shrunk(ebb_model model, uint32_t weights)
{
    shrunk s = {0};

    for (uint32_t i = 0; i < weights; i++) {
        ebb_tensor_info w = {0};
        if (ebb_model_weight(model, i, &w) != EBB_OK) break;
        if ((w.stored == w.dtype && !w.sparse) || w.stored > EBB_BOOL) continue;
        s.counts[w.sparse][w.stored]++;
        s.count++;
    }
    return s;
}

static const char *text_shrunk(text_buffer *buffer, const shrunk *s)
{
    size_t used = 0;

    buffer->text[0] = '\0';
    for (int sparse = 0; sparse < 2; sparse++) {
        for (int dtype = 0; dtype <= EBB_BOOL; dtype++) {
            if (s->counts[sparse][dtype] == 0 || used >= sizeof buffer->text) continue;
            const int length =
                snprintf(buffer->text + used, sizeof buffer->text - used, "%s%" PRIu32 " %s%s",
                         used > 0 ? ", " : "", s->counts[sparse][dtype],
                         ebb_dtype_name((ebb_dtype)dtype), sparse ? " without zeros" : "");
            if (length > 0) used += (size_t)length;
        }
    }
    return buffer->text;
}

/* -- JSON ---------------------------------------------------------------------------- */

static void put_tensor(json_output *j, const ebb_tensor_info *info)
{
    json_object(j, NULL);
    json_text(j, "name", info->name);
    json_text(j, "dtype", ebb_dtype_name(info->dtype));
    json_array(j, "shape");
    j->is_line = true;
    for (uint32_t i = 0; i < info->rank; i++) {
        if (info->dims[i] < 0)
            json_text(j, NULL, NULL);
        else
            json_integer(j, NULL, info->dims[i]);
    }
    json_array_end(j);
    j->is_line = false;
}

static void put_ports(json_output *j, const char *key, const ports *p)
{
    json_array(j, key);
    for (uint32_t i = 0; i < p->count; i++) {
        put_tensor(j, &p->items[i]);
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_weights(json_output *j, ebb_model model, uint32_t count)
{
    json_array(j, "weights");
    for (uint32_t i = 0; i < count; i++) {
        ebb_tensor_info weight = {0};
        if (ebb_model_weight(model, i, &weight) != EBB_OK) break;
        put_tensor(j, &weight);
        json_bool(j, "trainable", weight.trainable);
        json_text(j, "stored", ebb_dtype_name(weight.stored));
        json_bool(j, "sparse", weight.sparse);
        json_count(j, "stored_bytes", weight.stored_bytes);
        json_object_end(j);
    }
    json_array_end(j);
}

static void write_json(const facts *f, ebb_model model, bool has_weights)
{
    json_output j = {0};

    json_object(&j, NULL);
    json_text(&j, "path", f->info.path);
    json_text(&j, "name", f->info.name);
    json_text(&j, "format", f->info.format);
    json_text(&j, "keras_version", f->info.keras_version[0] != 0 ? f->info.keras_version : NULL);
    json_count(&j, "file_bytes", f->plan.file_bytes);
    json_count(&j, "layers", f->info.layers);
    json_count(&j, "weight_count", f->info.weights);
    json_count(&j, "parameters", f->info.parameters);
    json_count(&j, "parameters_trainable", f->info.parameters_trainable);
    json_count(&j, "flops_per_row", f->plan.flops);
    put_ports(&j, "inputs", &f->inputs);
    put_ports(&j, "outputs", &f->outputs);
    json_text(&j, "device", f->info.device);
    json_count(&j, "live_bytes", f->memory.live);
    json_classes(&j, "classes", f->memory.by_class);
    json_count(&j, "load_ns", f->info.load_ns);
    if (has_weights) put_weights(&j, model, f->info.weights);
    json_object_end(&j);
}

/* -- text ---------------------------------------------------------------------------- */

static void add_tensor(table *t, const char *what, const ebb_tensor_info *info)
{
    text_buffer shape;

    table_add(t, "%s", what);
    table_add(t, "%s", info->name);
    if (info->stored == info->dtype || info->stored == EBB_DTYPE_NONE)
        table_add(t, "%s%s", ebb_dtype_name(info->dtype), info->sparse ? " without zeros" : "");
    else
        table_add(t, "%s as %s%s", ebb_dtype_name(info->dtype), ebb_dtype_name(info->stored),
                  info->sparse ? " without zeros" : "");
    table_add(t, "%s", text_shape(&shape, info->dims, info->rank));
}

static void write_line(const char *label, const char *text)
{
    printf("%-11s", label);
    put_clean(stdout, text);
    putchar('\n');
}

static void write_text(const facts *f, ebb_model model, bool has_weights)
{
    text_buffer a, b;
    char line[512];
    table t;

    write_line("file", f->info.path);
    snprintf(line, sizeof line, "%s%s%s, %s bytes", f->info.format,
             f->info.keras_version[0] != 0 ? ", Keras " : "", f->info.keras_version,
             text_grouped(&a, f->plan.file_bytes));
    write_line("format", line);
    write_line("name", f->info.name);
    snprintf(line, sizeof line, "%" PRIu32, f->info.layers);
    write_line("layers", line);
    snprintf(line, sizeof line, "%s, %s of them trainable, in %" PRIu32 " weights",
             text_grouped(&a, f->info.parameters), text_grouped(&b, f->info.parameters_trainable),
             f->info.weights);
    write_line("parameters", line);
    const shrunk small = count_shrunk(model, f->info.weights);
    if (small.count > 0) {
        snprintf(line, sizeof line, "%" PRIu32 " weight%s: %s", small.count,
                 small.count == 1 ? "" : "s", text_shrunk(&a, &small));
        write_line("kept small", line);
    }
    snprintf(line, sizeof line, "%s bytes: %s", text_grouped(&a, f->memory.live),
             text_classes(&b, f->memory.by_class));
    write_line("memory", line);
    write_line("device", f->info.device);
    write_line("loaded in", text_duration(&a, f->info.load_ns));
    putchar('\n');
    table_open(&t, "|name|type|shape");
    for (uint32_t i = 0; i < f->inputs.count; i++) add_tensor(&t, "input", &f->inputs.items[i]);
    for (uint32_t i = 0; i < f->outputs.count; i++) add_tensor(&t, "output", &f->outputs.items[i]);
    for (uint32_t i = 0; has_weights && i < f->info.weights; i++) {
        ebb_tensor_info weight = {0};
        if (ebb_model_weight(model, i, &weight) != EBB_OK) break;
        add_tensor(&t, weight.trainable ? "weight" : "weight, not trainable", &weight);
    }
    table_close(&t);
}

static int run(const invocation *call)
{
    const values *v = call->values;
    ebb_model model = {0};
    facts f = {0};
    session s;
    int code = EXIT_FAILED;

    if (!session_open_with(&s, call)) return EXIT_FAILED;
    if (session_load(&s, call, call->words[0], &model)) {
        if (read_facts(&s, call, model, &f) != EBB_OK) {
            complain_of(&s.error);
        } else {
            if (call->is_json)
                write_json(&f, model, v->has_weights);
            else
                write_text(&f, model, v->has_weights);
            code = EXIT_DONE;
        }
    }
    ports_free(&f.inputs);
    ports_free(&f.outputs);
    return session_close(&s, code);
}

static const option options[] = {
    {"weights", OPTION_FLAG, offsetof(values, has_weights), NULL, "list every weight as well"},
    {0},
};

const command command_info = {
    .name = "info",
    .summary = "format, inputs, outputs, parameters and memory of a model",
    .usage = "MODEL [options]",
    .help = "Loads the model and tells what it is: format, Keras version, inputs and\n"
            "outputs with their types and shapes, parameters, and the bytes it takes by\n"
            "class. `ebb plan` tells the bytes without loading.",
    .example = "  ebb info model.keras\n"
               "  ebb info --weights --json model.h5",
    .options = options,
    .values_bytes = sizeof(values),
    .words_min = 1,
    .words_max = 1,
    .uses = USES_LOAD | USES_FILE | USES_JSON,
    .run = run,
};
