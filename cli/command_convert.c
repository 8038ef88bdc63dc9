/* command_convert.c -- `ebb convert`: a model in another format. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <sys/stat.h>

#include "console.h"
#include "json_output.h"
#include "session.h"

typedef struct values {
    bool is_deflated, keeps, drops_state;
} values;

static uint64_t file_bytes(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 ? (uint64_t)facts.st_size : 0;
}

static void show(const invocation *call, const ebb_model_info *info)
{
    const char *from = call->words[0], *to = call->words[1];
    const uint64_t bytes = file_bytes(to);
    text_buffer text;

    if (call->is_json) {
        json_output j = {0};
        json_object(&j, NULL);
        json_text(&j, "from", from);
        json_text(&j, "to", to);
        json_count(&j, "weights", info->weights);
        json_count(&j, "parameters", info->parameters);
        json_count(&j, "bytes", bytes);
        json_object_end(&j);
        return;
    }
    printf("wrote ");
    put_clean(stdout, to);
    printf(": %" PRIu32 " weight%s, %s bytes\n", info->weights, info->weights == 1 ? "" : "s",
           text_grouped(&text, bytes));
}

static int run(const invocation *call)
{
    const values *v = call->values;
    ebb_save_options options = EBB_SAVE_OPTIONS_INIT;
    ebb_model_info info;
    ebb_model model = {0};
    session s;
    int code = EXIT_FAILED;

    options.deflate = v->is_deflated;
    options.keep_existing = v->keeps;
    options.without_optimizer = v->drops_state;
    if (!session_open(&s)) return EXIT_FAILED;
    if (session_load(&s, call, call->words[0], &model)) {
        ebb_status status = ebb_model_info_read(model, &info);
        if (status == EBB_OK) status = ebb_model_save(model, call->words[1], &options, &s.error);
        if (status == EBB_OK) {
            show(call, &info);
            code = EXIT_DONE;
        } else {
            complain_of(&s.error);
        }
    }
    return session_close(&s, code);
}

static const option options[] = {
    {"no-optimizer", OPTION_FLAG, offsetof(values, drops_state), NULL,
     "leave the state of the optimizer out"},
    {"deflate", OPTION_FLAG, offsetof(values, is_deflated), NULL, "compress a .keras file"},
    {"keep", OPTION_FLAG, offsetof(values, keeps), NULL, "never replace a file that exists"},
    {0},
};

const command command_convert = {
    .name = "convert",
    .summary = "writes a model in another format",
    .usage = "MODEL OUT [options]",
    .help = "Reads a model in any format ebb knows and writes it to OUT, whose name tells\n"
            "the format: .keras, .h5 (or .hdf5), or .weights.h5 for the weights alone.\n"
            "Models of Keras 1 and 2 come out in the terms of Keras 3; a .h5 is written so\n"
            "that Keras 2 reads it too where it can. OUT appears whole or not at all.",
    .example = "  ebb convert old_model.h5 model.keras\n"
               "  ebb convert --architecture model.json model.weights.h5 model.keras",
    .options = options,
    .values_bytes = sizeof(values),
    .words_min = 2,
    .words_max = 2,
    .uses = USES_FILE | USES_JSON,
    .run = run,
};
