/* command_convert.c -- `ebb convert`: a model in another format. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "console.h"
#include "json_output.h"
#include "session.h"

typedef struct values {
    bool is_deflated, keeps, drops_state, keeps_small;
    const char *format; /* --to; NULL: the name tells */
} values;

static uint64_t file_bytes(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 ? (uint64_t)facts.st_size : 0;
}

/* Of a file, or of the files in a SavedModel folder. */
static uint64_t model_bytes(const char *path)
{
    static const char *const members[] = {"saved_model.pb", "variables/variables.index",
                                          "variables/variables.data-00000-of-00001"};
    char member[4096];
    struct stat facts;
    uint64_t bytes = 0;

    if (stat(path, &facts) != 0 || !S_ISDIR(facts.st_mode)) return file_bytes(path);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const int length = snprintf(member, sizeof member, "%s/%s", path, members[i]);
        if (length > 0 && (size_t)length < sizeof member) bytes += file_bytes(member);
    }
    return bytes;
}

static void show(const invocation *call, const ebb_model_info *info)
{
    const char *from = call->words[0], *to = call->words[1];
    const uint64_t bytes = model_bytes(to);
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

static bool is_folder_name(const char *path)
{
    const size_t length = strlen(path);
    return length > 0 && path[length - 1] == '/';
}

static bool has_ending(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strchr(slash == NULL ? path : slash, '.') != NULL;
}

/* What --to and the name of OUT ask for; false: nothing there is, and it was said. */
static bool format_read(const invocation *call, bool *is_folder)
{
    const values *v = call->values;
    const char *const wanted = v->format;

    *is_folder = wanted != NULL || is_folder_name(call->words[1]);
    if (!*is_folder && !has_ending(call->words[1])) {
        complain("the name '%s' tells no format: give it an ending, or add --to savedmodel",
                 call->words[1]);
        return false;
    }
    if (wanted == NULL || strcmp(wanted, "savedmodel") == 0) {
        if (!*is_folder || (!v->is_deflated && !v->drops_state)) return true;
        complain("--%s is for files, a SavedModel folder has nothing of the kind",
                 v->is_deflated ? "deflate" : "no-optimizer");
        return false;
    }
    complain("--to %s: the one format that no name tells is 'savedmodel'", wanted);
    return false;
}

static ebb_status write_model(const invocation *call, bool is_folder, ebb_model model,
                              ebb_error *error)
{
    const values *v = call->values;
    ebb_export_options how = EBB_EXPORT_OPTIONS_INIT;
    ebb_save_options options = EBB_SAVE_OPTIONS_INIT;

    how.keep_existing = options.keep_existing = v->keeps;
    options.deflate = v->is_deflated;
    options.without_optimizer = v->drops_state;
    options.expand = !v->keeps_small;
    return is_folder ? ebb_model_export(model, call->words[1], &how, error)
                     : ebb_model_save(model, call->words[1], &options, error);
}

static int run(const invocation *call)
{
    ebb_model_info info;
    ebb_model model = {0};
    session s;
    int code = EXIT_FAILED;
    bool is_folder;

    if (!format_read(call, &is_folder)) return EXIT_USAGE;
    if (!session_open(&s)) return EXIT_FAILED;
    if (session_load(&s, call, call->words[0], &model)) {
        ebb_status status = ebb_model_info_read(model, &info);
        if (status == EBB_OK) status = write_model(call, is_folder, model, &s.error);
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
    {"to", OPTION_TEXT, offsetof(values, format), "FORMAT",
     "savedmodel: OUT is a folder for TensorFlow (as is any OUT that ends in /)"},
    {"no-optimizer", OPTION_FLAG, offsetof(values, drops_state), NULL,
     "leave the state of the optimizer out"},
    {"deflate", OPTION_FLAG, offsetof(values, is_deflated), NULL, "compress a .keras file"},
    {"shrunk", OPTION_FLAG, offsetof(values, keeps_small), NULL,
     "leave weights of `ebb quantize` and `ebb prune` small in a .keras file"},
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
            "that Keras 2 reads it too where it can. With --to savedmodel OUT is a folder\n"
            "that TensorFlow loads and TensorFlow Serving serves: what Keras's export()\n"
            "writes. OUT appears whole or not at all.",
    .example = "  ebb convert old_model.h5 model.keras\n"
               "  ebb convert --architecture model.json model.weights.h5 model.keras\n"
               "  ebb convert --to savedmodel model.keras served/1",
    .options = options,
    .values_bytes = sizeof(values),
    .words_min = 2,
    .words_max = 2,
    .uses = USES_FILE | USES_JSON,
    .run = run,
};
