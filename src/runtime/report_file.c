/* report_file.c -- summary and check of files, without reading weights. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/format.h"
#include "runtime/report.h"
#include "runtime/shrink.h"
#include "runtime/saved_graph.h"

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
                             built_model **built, weight_source **sources, ebb_error *error)
{
    ebb_load_options o;
    ebb_status status = load_options_read(options, &o, error);

    if (status == EBB_OK && path == NULL) {
        status = fail(error, EBB_E_ARGUMENT, "path", "expected a file name, got NULL");
    }
    if (status == EBB_OK) status = format_read(work, path, o.architecture, d, error);
    if (status == EBB_OK && saved_graph_is(*d)) {
        return saved_graph_build(work, *d, o.signature, problem, context, built, sources, error);
    }
    if (status == EBB_OK && (*d)->model == NULL) {
        status = fail(error, EBB_E_UNSUPPORTED, path,
                      "the file holds weights only: give the architecture (a JSON file) as well");
    }
    if (status != EBB_OK) return status;
    const assemble_options how = {.problem = problem, .context = context};
    return assemble_model(work, *d, &how, built, error);
}

static ebb_status summarize(region *work, const built_model *built, const description *d, sink *s,
                            ebb_error *error)
{
    ebb_status status = summary_write(work, built, d, put_line, s, error);

    if (status == EBB_OK && d->model == NULL)
        status = saved_graph_operations(work, d, put_line, s, error);
    return status;
}

static void put_shrunk(sink *s, const packed_layout *const *layouts, uint32_t count)
{
    char text[160];

    if (shrink_summary(layouts, count, text)[0] != '\0') put_line(s, text);
}

/* What the file says of shrunk weights. */
static ebb_status put_file_shrunk(region *work, const description *d, sink *s, ebb_error *error)
{
    const packed_layout **layouts =
        region_new(work, const packed_layout *, (size_t)d->packed_count + 1);

    if (layouts == NULL) return region_fail(work, error, d->path, "shrunk weights");
    for (uint32_t i = 0; i < d->packed_count; i++)
        layouts[i] = d->packed[i].is_copy ? NULL : &d->packed[i].layout;
    put_shrunk(s, layouts, d->packed_count);
    return EBB_OK;
}

ebb_status report_summary(runtime *r, const char *path, const ebb_load_options *options,
                          ebb_text_function write, void *context, ebb_error *error)
{
    sink s = {.write = write, .context = context};
    description *d = NULL;
    built_model *built = NULL;
    weight_source *sources = NULL;
    region *work = region_open(r->root, "summary", EBB_CLASS_SCRATCH, 0);

    if (work == NULL) return region_fail(r->root, error, path, "a summary");
    ebb_status status = build_file(work, path, options, NULL, NULL, &d, &built, &sources, error);
    if (status == EBB_OK) status = summarize(work, built, d, &s, error);
    if (status == EBB_OK) status = put_file_shrunk(work, d, &s, error);
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
    ebb_status status = summarize(work, m->built, m->d, &s, error);
    if (status == EBB_OK) put_shrunk(&s, m->packings, m->built->weight_count);
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
    ebb_status status =
        build_file(work, path, options, put_problem, &s, &d, &built, &sources, error);
    if (status == EBB_OK && s.problems == 0 && sources == NULL) {
        status = bind_weights(work, d, built, put_problem, &s, &sources, error);
    }
    if (s.problems > 0) status = EBB_OK; /* they were reported; the file itself could be read */
    if (status == EBB_OK) status = cancelled(&s, path, error);
    *problems = s.problems;
    description_close(d);
    region_close(work);
    return status;
}
