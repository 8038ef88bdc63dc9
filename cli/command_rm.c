/* command_rm.c -- `ebb rm`: removes model files and folders, with a receipt. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <string.h>

#include "console.h"
#include "json_output.h"
#include "session.h"

typedef struct values {
    bool is_dry, takes_everything;
} values;

static void show_json(json_output *j, const char *path, ebb_status status, const ebb_error *error,
                      ebb_receipt *r)
{
    json_object(j, NULL);
    json_text(j, "path", path);
    json_text(j, "status", ebb_status_name(status));
    if (status != EBB_OK) json_text(j, "error", error->text);
    json_count(j, "files_removed", r->files_removed);
    json_count(j, "files_bytes", r->files_bytes);
    json_lines(j, "files", r->files);
    json_object_end(j);
}

static void show_text(const char *path, bool is_dry, ebb_receipt *r)
{
    text_buffer bytes;
    char *rest = NULL;

    printf(is_dry ? "would remove " : "removed ");
    put_clean(stdout, path);
    printf(": %" PRIu32 " file%s, %s bytes\n", r->files_removed, r->files_removed == 1 ? "" : "s",
           text_grouped(&bytes, r->files_bytes));
    if (r->files_removed == 1 && strncmp(r->files, path, strlen(path)) == 0) return;
    for (char *line = strtok_r(r->files, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        printf("  ");
        put_clean(stdout, line);
        putchar('\n');
    }
}

static int run(const invocation *call)
{
    const values *v = call->values;
    json_output j = {0};
    int code = EXIT_DONE;

    if (call->is_json) json_array(&j, NULL);
    for (uint32_t i = 0; i < call->word_count; i++) {
        const char *path = call->words[i];
        ebb_receipt receipt = {0};
        ebb_error error = {0};
        ebb_remove_options how = EBB_REMOVE_OPTIONS_INIT;
        how.dry_run = v->is_dry;
        how.everything = v->takes_everything;
        const ebb_status status = ebb_file_remove_with(path, &how, &receipt, &error);
        if (status != EBB_OK) code = complain_of(&error);
        if (call->is_json)
            show_json(&j, path, status, &error, &receipt);
        else if (status == EBB_OK)
            show_text(path, v->is_dry, &receipt);
    }
    if (call->is_json) json_array_end(&j);
    return code;
}

static const option options[] = {
    {"dry-run", OPTION_FLAG, offsetof(values, is_dry), NULL, "only tell what would be removed"},
    {"force", OPTION_FLAG, offsetof(values, takes_everything), NULL,
     "a model folder goes with what else is in it"},
    {0},
};

const command command_rm = {
    .name = "rm",
    .summary = "removes model files and folders, with a receipt",
    .usage = "MODEL... [options]",
    .help = "Removes a .keras or .h5 file, or the members of a model folder (.keras or\n"
            "SavedModel) and the folder. A folder with anything else in it is left whole\n"
            "unless --force is given, links are never followed, and what is not a model is\n"
            "refused.",
    .example = "  ebb rm --dry-run old.keras\n"
               "  ebb rm old.keras saved_model_folder",
    .options = options,
    .values_bytes = sizeof(values),
    .words_min = 1,
    .words_max = UINT32_MAX,
    .uses = USES_JSON,
    .run = run,
};
