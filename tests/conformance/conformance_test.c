/* conformance_test.c -- runs the conformance cases and real models of the folder EBB_SHARED and
 * compares every number.
 *
 *     conformance_test [--table] [--area A] [--class C] [--every N] [--verbose]
 *
 * Area "saved" are the SavedModel folders of the cases. Each case is planned, loaded, run and
 * unloaded; the plan must equal the ledger and the ledger
 * must end where it began. A wrong number is a failure. A refusal (E_UNSUPPORTED) is counted apart,
 * and is a failure too unless refused.txt names the class, or the class and how the reason begins.
 * Without the folder it says so and passes: the data are not part of the project. */
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compare.h"
#include "suite.h"

/* -- one model file ------------------------------------------------------------------------------
 */

typedef struct expectation {
    const ebb_view *in, *out;
    uint32_t in_count, out_count;
    double rtol, atol[PORTS];
    bool shapes_only;
} expectation;

static verdict run_model(suite *s, region *home, ebb_model model, const expectation *want,
                         const char *where)
{
    ebb_error error = {0};
    ebb_view out[PORTS] = {0};
    double worst;
    const ebb_views inputs = {want->in, want->in_count};

    ebb_status status = ebb_model_output_shapes(model, &inputs, out, want->out_count, &error);
    if (status != EBB_OK) return judge(s, where, &error);
    for (uint32_t i = 0; i < want->out_count; i++) {
        out[i].data = region_block(home, ebb_view_bytes(&out[i]) + 64);
        if (out[i].data == NULL) return fault(s, where, "no memory for the outputs");
    }
    const ebb_views outputs = {out, want->out_count};
    status = ebb_model_predict(model, &inputs, &outputs, &error);
    if (status != EBB_OK) return judge(s, where, &error);
    for (uint32_t i = 0; i < want->out_count; i++) {
        if (want->out[i].dtype == EBB_DTYPE_NONE)
            return fault(s, where, "string outputs are not compared");
        if (compare_views(&out[i], &want->out[i], want->shapes_only ? INFINITY : want->rtol,
                          want->atol[i], &worst)) {
            continue;
        }
        snprintf(s->message, sizeof s->message, "%s: output %u is off by %g more than allowed",
                 where, i, worst);
        return FAILED;
    }
    return PASSED;
}

static verdict check_ledger(suite *s, ebb_model model, const ebb_plan *plan, const char *where)
{
    ebb_memory memory;

    if (ebb_model_memory_read(model, &memory) != EBB_OK) return fault(s, where, "no ledger");
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) {
        if (i == EBB_CLASS_CODE || memory.by_class[i] == plan->by_class[i]) continue;
        snprintf(s->message, sizeof s->message,
                 "%s: %s: planned %" PRIu64 " bytes, the ledger says %" PRIu64, where,
                 ebb_class_name((ebb_class)i), plan->by_class[i], memory.by_class[i]);
        return FAILED;
    }
    return PASSED;
}

static verdict run_file(suite *s, region *home, const char *path, ebb_load_options *options,
                        const expectation *wants, uint32_t want_count)
{
    ebb_error error = {0};
    ebb_plan plan;
    ebb_model model;
    ebb_memory before;

    ebb_memory_read(s->runtime, &before);
    ebb_status status = ebb_model_plan(s->runtime, path, options, &plan, &error);
    if (status == EBB_OK) status = ebb_model_load(s->runtime, path, options, &model, &error);
    if (status != EBB_OK) {
        const verdict end = check_end(s, &before, path);
        return end == PASSED ? judge(s, path, &error) : end;
    }
    verdict result = check_ledger(s, model, &plan, path);
    for (uint32_t i = 0; i < want_count && result == PASSED; i++) {
        result = run_model(s, home, model, &wants[i], path);
    }
    status = ebb_model_unload(model, NULL, NULL, &error);
    if (status != EBB_OK) return judge(s, path, &error);
    return result == PASSED ? check_end(s, &before, path) : result;
}

/* -- cases
 * ------------------------------------------------------------------------------------------ */

static void tolerances(const json *meta, expectation *want)
{
    const json *out = json_path(meta, "tol.out");

    want->rtol = json_number(json_item(out, 0), 1e-5);
    for (uint32_t i = 0; i < PORTS; i++) want->atol[i] = json_number(json_item(out, 1), 1e-5);
    want->shapes_only = !json_boolean(json_get(meta, "deterministic"), true);
}

static bool is_wanted_file(const char *name, bool is_saved_model)
{
    if (is_saved_model) return strcmp(name, "saved_model") == 0;
    return strcmp(name, "model.keras") == 0 || strcmp(name, "model.h5") == 0;
}

static verdict run_files(suite *s, const char *folder, bool is_saved_model)
{
    char path[768];
    ebb_view views[4][PORTS];
    expectation wants[2] = {0};
    npz_file arrays;
    ebb_error error = {0};
    region *home = region_open(ledger_root(s->work), "case", EBB_CLASS_DATA, 0);
    verdict result = PASSED;

    snprintf(path, sizeof path, "%s/case.json", folder);
    const json *meta = read_json(home, path);
    snprintf(path, sizeof path, "%s/io.npz", folder);
    if (meta == NULL || npz_read(home, path, &arrays, &error) != EBB_OK) {
        region_close(home);
        return fault(s, folder, "the case cannot be read");
    }
    static const char *const names[2][2] = {{"in", "out"}, {"in@1", "out@1"}};
    uint32_t want_count = 0;
    for (uint32_t i = 0; i < 2; i++) {
        expectation *want = &wants[want_count];
        tolerances(meta, want);
        want->in = views[2 * i];
        want->out = views[2 * i + 1];
        want->in_count = collect(&arrays, names[i][0], views[2 * i]);
        want->out_count = collect(&arrays, names[i][1], views[2 * i + 1]);
        want_count += want->out_count > 0;
    }
    const json *files = json_get(meta, "files");
    for (uint32_t i = 0; files != NULL && i < files->count && result == PASSED; i++) {
        const char *name = json_text(json_item(files, i), "");
        ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
        if (!is_wanted_file(name, is_saved_model)) continue;
        snprintf(path, sizeof path, "%s/%s", folder, name);
        for (uint32_t mode = 0; mode < 2 && result == PASSED; mode++) {
            options.inference_only = mode == 1;
            options.batch = views[0][0].rank > 0 && mode == 0 ? (uint32_t)views[0][0].dims[0] : 0;
            if (options.batch > 4096) options.batch = 0;
            result = run_file(s, home, path, &options, wants, want_count);
        }
    }
    region_close(home);
    return result;
}

static verdict run_case(suite *s, const char *folder)
{
    return run_files(s, folder, false);
}

/* The SavedModel folder of a case. */
static verdict run_saved_case(suite *s, const char *folder)
{
    return run_files(s, folder, true);
}

static bool has_saved_model(const char *folder)
{
    char path[800];
    struct stat facts;

    snprintf(path, sizeof path, "%s/saved_model", folder);
    return stat(path, &facts) == 0;
}

/* -- real models
 * --------------------------------------------------------------------------------------- */

static bool has_word(const char *text, const json *words)
{
    for (uint32_t i = 0; words != NULL && i < words->count; i++) {
        if (strstr(text, json_text(json_item(words, i), "\1")) != NULL) return true;
    }
    return false;
}

static void collect_named(const npz_file *file, const json *names, ebb_view *views, uint32_t *count)
{
    *count = 0;
    for (uint32_t i = 0; names != NULL && i < names->count && i < PORTS; i++) {
        const npz_array *array = npz_find(file, json_text(json_item(names, i), ""));
        if (array != NULL) views[(*count)++] = array->view;
    }
}

static verdict run_real(suite *s, const json *entry)
{
    char folder[512], path[768], architecture[768];
    ebb_view in[PORTS], out[PORTS];
    npz_file arrays[2] = {0};
    ebb_error error = {0};
    expectation want = {.in = in, .out = out};
    const char *expect = json_text(json_get(entry, "expect"), "");
    region *home = region_open(ledger_root(s->work), "case", EBB_CLASS_DATA, 0);
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;

    snprintf(folder, sizeof folder, "%s/real-models/%s", s->shared,
             json_text(json_get(entry, "id"), ""));
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, i == 0 ? "in.npz" : "out.npz");
        (void)npz_read(home, path, &arrays[i], &error);
    }
    collect_named(&arrays[0], json_get(entry, "names_in"), in, &want.in_count);
    collect_named(&arrays[1], json_get(entry, "names_out"), out, &want.out_count);
    want.rtol = json_number(json_get(entry, "rtol"), 1e-4);
    for (uint32_t i = 0; i < PORTS; i++) {
        want.atol[i] = json_number(json_item(json_get(entry, "tol"), i), 1e-4);
    }
    snprintf(path, sizeof path, "%s/real-models/%s", s->shared,
             json_text(json_get(entry, "file"), ""));
    snprintf(architecture, sizeof architecture, "%s/real-models/%s", s->shared,
             json_text(json_get(entry, "arch"), ""));
    if (json_get(entry, "arch") != NULL) options.architecture = architecture;
    options.batch = in[0].rank > 0 && want.in_count > 0 ? (uint32_t)in[0].dims[0] : 0;
    verdict result = run_file(s, home, path, &options, &want, 1);
    region_close(home);
    const bool may_refuse = strcmp(expect, "refuse") == 0 || strcmp(expect, "either") == 0;
    if (result == PASSED && strcmp(expect, "refuse") == 0)
        return fault(s, path, "ran, but must be refused");
    if (result == REFUSED && may_refuse && has_word(s->message, json_get(entry, "reason_words")))
        return PASSED;
    return result;
}

/* -- the run
 * --------------------------------------------------------------------------------------------- */

static row *row_of(suite *s, const char *area, const char *name)
{
    for (uint32_t i = 0; i < s->row_count; i++) {
        if (strcmp(s->rows[i].area, area) == 0 && strcmp(s->rows[i].name, name) == 0)
            return &s->rows[i];
    }
    row *r = &s->rows[s->row_count < ROWS_MAX - 1 ? s->row_count++ : ROWS_MAX - 1];
    snprintf(r->area, sizeof r->area, "%s", area);
    snprintf(r->name, sizeof r->name, "%s", name);
    return r;
}

/* Lines "area class" and "area class beginning of the reason" say what may be refused for now. */
static bool may_refuse(const suite *s, const char *area, const char *name)
{
    char line[256], key[128];
    bool found = false;
    FILE *list = fopen(EBB_CONFORMANCE "/refused.txt", "r");

    snprintf(key, sizeof key, "%s %s", area, name);
    while (list != NULL && !found && fgets(line, sizeof line, list) != NULL) {
        const size_t length = strlen(key);
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, key, length) != 0) continue;
        const char *rest = line + length;
        found =
            *rest == '\0' || (*rest == ' ' && strncmp(s->reason, rest + 1, strlen(rest + 1)) == 0);
    }
    if (list != NULL) fclose(list);
    return found;
}

static void count(suite *s, const char *area, const char *name, verdict v)
{
    row *r = row_of(s, area, name);

    r->count[v]++;
    r->unlisted += v == REFUSED && !may_refuse(s, area, name);
    if (v == FAILED || (v == REFUSED && s->is_verbose)) {
        printf("%s %s/%s: %s\n", v == FAILED ? "FAILED" : "refused", area, name, s->message);
        fflush(stdout);
    }
}

static bool wanted(suite *s, const char *area, const char *name)
{
    if (s->area != NULL && strcmp(s->area, area) != 0) return false;
    if (s->class_name != NULL && strcmp(s->class_name, name) != 0) return false;
    return s->seen++ % s->every == 0;
}

typedef struct area_entry {
    const char *name;
    verdict (*run)(suite *s, const char *folder);
} area_entry;

static const area_entry *area_find(const char *name)
{
    static const area_entry areas[] = {
        {"layers", run_case},
        {"models", run_case},
        {"zoo", run_case},
        {"training", run_training_case},
        {"resume", run_training_case},
        {"history", run_training_case},
    };

    for (size_t i = 0; i < sizeof areas / sizeof *areas; i++) {
        if (strcmp(areas[i].name, name) == 0) return &areas[i];
    }
    return NULL;
}

static void run_cases(suite *s)
{
    char path[768];
    region *home = region_open(ledger_root(s->work), "index", EBB_CLASS_DATA, 0);

    snprintf(path, sizeof path, "%s/conformance/index.json", s->shared);
    const json *index = read_json(home, path);
    for (uint32_t i = 0; index != NULL && i < index->count; i++) {
        char area[16] = {0}, name[80] = {0};
        const char *where = json_text(json_get(json_item(index, i), "path"), "");
        if (sscanf(where, "%15[^/]/%79[^/]", area, name) != 2) continue;
        const area_entry *entry = area_find(area);
        snprintf(path, sizeof path, "%s/conformance/%s", s->shared, where);
        if (entry != NULL && wanted(s, area, name)) count(s, area, name, entry->run(s, path));
        if (entry != NULL && has_saved_model(path) && wanted(s, "saved", name))
            count(s, "saved", name, run_saved_case(s, path));
    }
    snprintf(path, sizeof path, "%s/real-models/index.json", s->shared);
    index = read_json(home, path);
    for (uint32_t i = 0; index != NULL && i < index->count; i++) {
        const json *entry = json_item(index, i);
        const char *name = json_text(json_get(entry, "id"), "");
        if (wanted(s, "real", name)) count(s, "real", name, run_real(s, entry));
    }
    region_close(home);
}

static int report(const suite *s)
{
    uint32_t total[3] = {0}, unexpected = 0;

    for (uint32_t i = 0; i < s->row_count; i++) {
        const row *r = &s->rows[i];
        for (uint32_t k = 0; k < 3; k++) total[k] += r->count[k];
        unexpected += r->unlisted;
        if (r->unlisted > 0) {
            printf("refused without being listed: %s %s (%u)\n", r->area, r->name, r->unlisted);
        }
        if (s->has_table) {
            printf("%-8s %-40s %5u passed %5u refused %5u failed\n", r->area, r->name,
                   r->count[PASSED], r->count[REFUSED], r->count[FAILED]);
        }
    }
    printf("conformance: %u passed, %u refused, %u failed\n", total[PASSED], total[REFUSED],
           total[FAILED]);
    return total[FAILED] + unexpected == 0 ? 0 : 1;
}

static bool read_arguments(suite *s, int count_of_words, char **words)
{
    for (int i = 1; i < count_of_words; i++) {
        const bool has_value = i + 1 < count_of_words;
        if (strcmp(words[i], "--table") == 0)
            s->has_table = true;
        else if (strcmp(words[i], "--verbose") == 0)
            s->is_verbose = true;
        else if (strcmp(words[i], "--area") == 0 && has_value)
            s->area = words[++i];
        else if (strcmp(words[i], "--class") == 0 && has_value)
            s->class_name = words[++i];
        else if (strcmp(words[i], "--every") == 0 && has_value)
            s->every = (uint32_t)strtoul(words[++i], NULL, 10);
        else
            return false;
    }
    if (s->every == 0) s->every = 1;
    return true;
}

int main(int count_of_words, char **words)
{
    static suite s = {.every = 1};
    static char shared[PATH_MAX];
    ebb_error error;

    if (!read_arguments(&s, count_of_words, words)) {
        fprintf(
            stderr,
            "usage: conformance_test [--table] [--verbose] [--area A] [--class C] [--every N]\n");
        return 2;
    }
    const char *named = getenv("EBB_SHARED");
    s.shared = named != NULL ? realpath(named, shared) : NULL; /* cases change the folder */
    if (s.shared == NULL) {
        printf("conformance: EBB_SHARED names no folder of cases; nothing to compare with\n");
        return 0;
    }
    s.work = ledger_open(NULL, 0);
    if (s.work == NULL || ebb_runtime_open(NULL, &s.runtime, &error) != EBB_OK) return 3;
    run_cases(&s);
    ebb_runtime_close(s.runtime, NULL);
    const int result = report(&s);
    ledger_close(s.work);
    return result;
}
