/* command_summary.c -- `ebb summary`: Keras's summary table of a file. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "json_output.h"
#include "session.h"

static ebb_status write_json(session *s, const invocation *call)
{
    char *text = NULL;
    size_t length = 0;
    json_output j = {0};
    FILE *memory = open_memstream(&text, &length);

    if (memory == NULL) {
        s->error = (ebb_error){.status = EBB_E_MEMORY};
        return EBB_E_MEMORY;
    }
    const ebb_status status =
        ebb_file_summary(s->runtime, call->words[0], &call->load, put_raw, memory, &s->error);
    fclose(memory);
    if (status == EBB_OK) {
        json_object(&j, NULL);
        json_text(&j, "path", call->words[0]);
        json_lines(&j, "lines", text);
        json_object_end(&j);
    }
    free(text);
    return status;
}

static int run(const invocation *call)
{
    session s;

    if (!session_open(&s)) return EXIT_FAILED;
    const ebb_status status =
        call->is_json
            ? write_json(&s, call)
            : ebb_file_summary(s.runtime, call->words[0], &call->load, put_text, stdout, &s.error);
    return session_close(&s, status == EBB_OK ? EXIT_DONE : complain_of(&s.error));
}

const command command_summary = {
    .name = "summary",
    .summary = "Keras's summary table of a file",
    .usage = "MODEL [options]",
    .help =
        "Prints what model.summary() prints: layers, output shapes, parameters. Reads no weights.",
    .example =
        "  ebb summary model.keras\n  ebb summary --architecture model.json model.weights.h5",
    .words_min = 1,
    .words_max = 1,
    .uses = USES_FILE | USES_JSON,
    .run = run,
};
