/* shrunk.c -- see shrunk.h. */
#define _GNU_SOURCE
#include "shrunk.h"

#include <inttypes.h>
#include <sys/stat.h>

#include "console.h"

bool shrink_tell(void *context, const ebb_shrink_step *step)
{
    shrink_task *t = context;

    if (!t->v->is_verbose) return !interrupt_seen();
    if (t->call->is_json) {
        json_object(&t->j, NULL);
        json_text(&t->j, "name", step->weight);
        json_text(&t->j, "class", step->class_name);
        json_bool(&t->j, "changed", step->is_changed);
        json_text(&t->j, "reason", step->is_changed ? NULL : step->reason);
        json_count(&t->j, "bytes_before", step->bytes_before);
        json_count(&t->j, "bytes_after", step->bytes_after);
        json_number(&t->j, "error", step->error, 6);
        json_number(&t->j, "sparsity", step->sparsity, 6);
        json_object_end(&t->j);
        return !interrupt_seen();
    }
    table_add(&t->rows, "%s", step->weight);
    table_add(&t->rows, "%s", step->class_name);
    table_add_grouped(&t->rows, step->bytes_before);
    table_add_grouped(&t->rows, step->bytes_after);
    table_add(&t->rows, "%.3g", step->error);
    table_add(&t->rows, "%.1f %%", 100 * step->sparsity);
    table_add(&t->rows, "%s", step->reason);
    return !interrupt_seen();
}

static uint64_t file_bytes(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 ? (uint64_t)facts.st_size : 0;
}

static void show_json(shrink_task *t, const ebb_shrink_report *r)
{
    json_output *j = &t->j;

    json_text(j, "from", t->call->words[0]);
    json_text(j, "to", t->call->words[1]);
    json_count(j, "changed", r->changed);
    json_count(j, "kept", r->kept);
    json_count(j, "weights_before", r->weights_before);
    json_count(j, "weights_after", r->weights_after);
    json_count(j, "total_before", r->total_before);
    json_count(j, "total_after", r->total_after);
    json_number(j, "sparsity", r->sparsity, 6);
    json_number(j, "error", r->error, 6);
    json_text(j, "error_weight", r->changed > 0 ? r->error_weight : NULL);
    json_count(j, "file_before", file_bytes(t->call->words[0]));
    json_count(j, "file_after", file_bytes(t->call->words[1]));
    json_object_end(j);
}

static void show_line(const char *what, uint64_t before, uint64_t after)
{
    text_buffer a, b;

    printf("%-9s%s -> %s bytes", what, text_grouped(&a, before), text_grouped(&b, after));
    if (before > 0) printf(" (%.0f %%)", 100 * (double)after / (double)before);
    putchar('\n');
}

static void show_text(const shrink_task *t, const ebb_shrink_report *r)
{
    printf("%" PRIu32 " weight%s changed, %" PRIu32 " kept; largest error %.3g", r->changed,
           r->changed == 1 ? "" : "s", r->kept, r->error);
    if (r->error_weight[0] != '\0') {
        printf(" in ");
        put_clean(stdout, r->error_weight);
    }
    if (r->zeros > 0) printf("; %.1f %% zeros", 100 * r->sparsity);
    putchar('\n');
    show_line("weights", r->weights_before, r->weights_after);
    show_line("memory", r->total_before, r->total_after);
    show_line("file", file_bytes(t->call->words[0]), file_bytes(t->call->words[1]));
}

/* Rows come while it is shrunk; --json writes them as they come. */
static void begin(shrink_task *t)
{
    if (t->call->is_json) json_object(&t->j, NULL);
    if (!t->v->is_verbose) return;
    if (t->call->is_json)
        json_array(&t->j, "weights");
    else
        table_open(&t->rows, "weight|class|>before|>after|>error|>zeros|kept");
}

static void end(shrink_task *t)
{
    if (!t->v->is_verbose) return;
    if (t->call->is_json)
        json_array_end(&t->j);
    else
        table_close(&t->rows);
}

int shrink_run(const invocation *call,
               ebb_status (*shrink)(shrink_task *t, ebb_model model, ebb_shrink_report *report,
                                    ebb_error *error))
{
    shrink_task t = {.call = call, .v = call->values, .shrink = shrink};
    ebb_save_options options = EBB_SAVE_OPTIONS_INIT;
    ebb_shrink_report report = {0};
    ebb_model model = {0};
    session s;
    int code = EXIT_FAILED;

    options.keep_existing = t.v->keeps;
    options.deflate = t.v->deflates;
    options.without_optimizer = true;
    if (!session_open(&s)) return EXIT_FAILED;
    if (session_load(&s, call, call->words[0], &model)) {
        interrupt_watch();
        begin(&t);
        ebb_status status = t.shrink(&t, model, &report, &s.error);
        end(&t);
        if (status == EBB_OK) status = ebb_model_save(model, call->words[1], &options, &s.error);
        if (status == EBB_OK && call->is_json)
            show_json(&t, &report);
        else if (status == EBB_OK)
            show_text(&t, &report);
        else if (t.j.depth > 0)
            json_object_end(&t.j);
        code = session_exit_code(&s, status);
    }
    return session_close(&s, code);
}
