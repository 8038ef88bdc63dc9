/* command_check.c -- `ebb check`: everything in files that ebb cannot run, all at once. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "json_output.h"
#include "session.h"

typedef struct report {
    char *text; /* one problem a line */
    size_t length;
    uint32_t problems;
} report;

static ebb_status check(session *s, const invocation *call, const char *path, report *r)
{
    FILE *memory = open_memstream(&r->text, &r->length);

    if (memory == NULL) {
        s->error = (ebb_error){.status = EBB_E_MEMORY};
        return EBB_E_MEMORY;
    }
    const ebb_status status =
        ebb_file_check(s->runtime, path, &call->load, put_raw, memory, &r->problems, &s->error);
    fclose(memory);
    return status;
}

static void show_json(json_output *j, const char *path, ebb_status status, const ebb_error *error,
                      report *r)
{
    json_object(j, NULL);
    json_text(j, "path", path);
    json_text(j, "status", ebb_status_name(status));
    if (status == EBB_OK)
        json_lines(j, "problems", r->text);
    else
        json_text(j, "error", error->text);
    json_object_end(j);
}

static void show_text(const char *path, report *r)
{
    char *rest = NULL;

    put_clean(stdout, path);
    if (r->problems == 0) {
        printf(": no problems\n");
        return;
    }
    printf(": %" PRIu32 " problem%s\n", r->problems, r->problems == 1 ? "" : "s");
    for (char *line = strtok_r(r->text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        printf("  ");
        put_clean(stdout, line);
        putchar('\n');
    }
}

static int run(const invocation *call)
{
    json_output j = {0};
    session s;
    int code = EXIT_DONE;

    if (!session_open(&s)) return EXIT_FAILED;
    if (call->is_json) json_array(&j, NULL);
    for (uint32_t i = 0; i < call->word_count; i++) {
        report r = {0};
        const ebb_status status = check(&s, call, call->words[i], &r);
        if (status != EBB_OK)
            code = complain_of(&s.error);
        else if (r.problems > 0 && code == EXIT_DONE)
            code = EXIT_NO;
        if (call->is_json)
            show_json(&j, call->words[i], status, &s.error, &r);
        else if (status == EBB_OK)
            show_text(call->words[i], &r);
        free(r.text);
    }
    if (call->is_json) json_array_end(&j);
    return session_close(&s, code);
}

const command command_check = {
    .name = "check",
    .summary = "everything in files that ebb cannot run, all at once",
    .usage = "MODEL... [options]",
    .help = "Reads architecture and weight directory, and lists every layer, option and\n"
            "weight that ebb cannot take, one a line. Status 0: all files can be loaded; 1:\n"
            "there are problems; 3: a file is unreadable.",
    .example = "  ebb check model.keras other.h5",
    .words_min = 1,
    .words_max = UINT32_MAX,
    .uses = USES_FILE | USES_JSON,
    .run = run,
};
