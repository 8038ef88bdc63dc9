/* report_file.c -- summary and check of files, without reading weights. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/format.h"
#include "runtime/report.h"

typedef struct sink {
    ebb_text_function write;
    void *context;
    bool is_stopped;
    uint32_t problems;
} sink;

static void put_line(void *context, const char *text)
{
    sink *s = context;

    if (!s->is_stopped) s->is_stopped = !s->write(s->context, text, strlen(text));
    if (!s->is_stopped) s->is_stopped = !s->write(s->context, "\n", 1);
}

static void put_problem(void *context, const char *layer, const char *text)
{
    sink *s = context;
    char line[768];

    snprintf(line, sizeof line, "%s: %s", layer != NULL ? layer : "model", text);
    s->problems++;
    put_line(s, line);
}

static ebb_status cancelled(const sink *s, const char *where, ebb_error *error)
{
    return s->is_stopped
               ? fail(error, EBB_E_CANCELLED, where, "the report was stopped by its reader")
               : EBB_OK;
}

/* Reads and builds in `work`; the description must be closed by the caller. */
static ebb_status build_file(region *work, const char *path, const ebb_load_options *options,
                             problem_function problem, void *context, description **d,
                             built_model **built, ebb_error *error)
{
    ebb_load_options o;
    ebb_status status = load_options_read(options, &o, error);

    if (status == EBB_OK && path == NULL) {
        status = fail(error, EBB_E_ARGUMENT, "path", "expected a file name, got NULL");
    }
    if (status == EBB_OK) status = format_read(work, path, o.architecture, d, error);
    if (status == EBB_OK && (*d)->model == NULL) {
        status = fail(error, EBB_E_UNSUPPORTED, path,
                      "the file holds weights only: give the architecture (a JSON file) as well");
    }
    if (status != EBB_OK) return status;
    const assemble_options how = {.problem = problem, .context = context};
    return assemble_model(work, *d, &how, built, error);
}

ebb_status report_summary(runtime *r, const char *path, const ebb_load_options *options,
                          ebb_text_function write, void *context, ebb_error *error)
{
    sink s = {.write = write, .context = context};
    description *d = NULL;
    built_model *built = NULL;
    region *work = region_open(r->root, "summary", EBB_CLASS_SCRATCH, 0);

    if (work == NULL) return region_fail(r->root, error, path, "a summary");
    ebb_status status = build_file(work, path, options, NULL, NULL, &d, &built, error);
    if (status == EBB_OK) status = summary_write(work, built, d, put_line, &s, error);
    if (status == EBB_OK) status = cancelled(&s, path, error);
    description_close(d);
    region_close(work);
    return status;
}

ebb_status report_model_summary(model *m, ebb_text_function write, void *context, ebb_error *error)
{
    sink s = {.write = write, .context = context};
    region *work = region_open(m->owner->root, "summary", EBB_CLASS_SCRATCH, 0);

    if (work == NULL) return region_fail(m->owner->root, error, m->info.name, "a summary");
    ebb_status status = summary_write(work, m->built, m->d, put_line, &s, error);
    if (status == EBB_OK) status = cancelled(&s, m->info.name, error);
    region_close(work);
    return status;
}

ebb_status report_problems(runtime *r, const char *path, const ebb_load_options *options,
                           ebb_text_function write, void *context, uint32_t *problems,
                           ebb_error *error)
{
    sink s = {.write = write, .context = context};
    description *d = NULL;
    built_model *built = NULL;
    weight_source *sources = NULL;
    region *work = region_open(r->root, "check", EBB_CLASS_SCRATCH, 0);

    *problems = 0;
    if (work == NULL) return region_fail(r->root, error, path, "a check");
    ebb_status status = build_file(work, path, options, put_problem, &s, &d, &built, error);
    if (status == EBB_OK && s.problems == 0) {
        status = bind_weights(work, d, built, put_problem, &s, &sources, error);
    }
    if (s.problems > 0) status = EBB_OK; /* they were reported; the file itself could be read */
    if (status == EBB_OK) status = cancelled(&s, path, error);
    *problems = s.problems;
    description_close(d);
    region_close(work);
    return status;
}
