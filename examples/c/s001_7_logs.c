/* s001_7_logs.c -- a log of what was loaded, what failed and what came back.
 *
 * TensorFlow                                       here
 * tf.get_logger().addHandler(handler)              options.log = a function of yours
 * tf.get_logger().setLevel("INFO")                 options.log_level = EBB_LOG_INFO
 *
 * ebb prints nothing itself; each line goes to this function, with its level. A load that fails is
 * logged too, though the caller hears of it anyway: whoever reads the log may be somebody else. */
#include <ebb/ebb.h>

#include "example.h"

#define LINES_MAX 16

typedef struct log_lines {
    char text[LINES_MAX][256];
    ebb_log_level levels[LINES_MAX];
    int count;
} log_lines;

/* Called from the thread that logs; must not call ebb. */
static void keep_line(void *context, ebb_log_level level, const char *line)
{
    log_lines *lines = context;

    if (lines->count == LINES_MAX) return;
    snprintf(lines->text[lines->count], sizeof lines->text[0], "%s", line);
    lines->levels[lines->count++] = level;
}

static bool begins(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], answers[ROWS];
    static log_lines lines;
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_runtime runtime;
    ebb_model model;
    ebb_error error;

    enter_folder();
    make_rows(x, y);
    write_model_file("my_model.h5", 16, x, y, NULL);
    options.log = keep_line;
    options.log_context = &lines;
    options.log_level = EBB_LOG_INFO;
    must(ebb_runtime_open(&options, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    must(ebb_model_load(runtime, "my_model.h5", NULL, &model, &error), &error);
    ask(model, x, ROWS, answers);
    must(ebb_model_unload(model, NULL, NULL, &error), &error);
    expect(ebb_model_load(runtime, "missing.h5", NULL, &model, &error) == EBB_E_NOT_FOUND,
           "no such file");

    for (int i = 0; i < lines.count; i++) printf("%s\n", lines.text[i]);
    expect(lines.count == 3 && begins(lines.text[0], "loaded my_model.h5") &&
               begins(lines.text[1], "unloaded my_model.h5") &&
               begins(lines.text[2], "missing.h5: ") && lines.levels[2] == EBB_LOG_ERROR,
           "three lines, the last one an error");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
