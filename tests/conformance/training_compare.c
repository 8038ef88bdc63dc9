/* training_compare.c -- see training_case.h: losses, weights, optimizers, History and files beside
 * those of Keras. */
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "format/hdf5/hdf5.h"
#include "format/zip.h"
#include "training_case.h"

#define SAVED_MODEL   "conformance_saved.keras"
#define SAVED_WEIGHTS "conformance_saved.h5"

typedef struct nearness {
    double rtol, atol;
} nearness;

static nearness nearness_of(const training_case *c, const char *what)
{
    char path[64];

    snprintf(path, sizeof path, "tol.%s", what);
    const json *tol = json_path(c->meta, path);
    return (nearness){json_number(json_item(tol, 0), 1e-4), json_number(json_item(tol, 1), 1e-5)};
}

/* The rule of the data for one number. */
static bool is_near(double got, double want, nearness n)
{
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
    if (isinf(want)) return got == want;
    return fabs(got - want) <= n.atol * fmax(1, fabs(want)) + n.rtol * fabs(want);
}

/* Non-finite numbers are strings in a case. */
static double number_of(const json *value)
{
    const char *text = json_text(value, NULL);

    return text == NULL ? json_number(value, NAN) : strtod(text, NULL);
}

verdict compare_loss(const training_case *c, uint64_t index, double loss)
{
    const ebb_view *want = &c->losses->view;
    const uint64_t count = ebb_view_bytes(want) / ebb_dtype_bytes(want->dtype);

    if (index >= count)
        return fault(c->s, c->where, "step %" PRIu64 ": Keras made %" PRIu64, index, count);
    const double expected = want->dtype == EBB_F64 ? ((const double *)want->data)[index]
                                                   : (double)((const float *)want->data)[index];
    if (is_near(loss, expected, nearness_of(c, "loss"))) return PASSED;
    return fault(c->s, c->where, "step %" PRIu64 ": loss %.9g, expected %.9g", index, loss,
                 expected);
}

/* -- weights ---------------------------------------------------------------------------------- */

static verdict compare_array(const training_case *c, const char *what, const ebb_view *got,
                             const ebb_view *want)
{
    const nearness n = nearness_of(c, "weights");
    double worst = 0;

    if (compare_views(got, want, n.rtol, n.atol, &worst)) return PASSED;
    return fault(c->s, c->where, "%s is off by %g more than allowed", what, worst);
}

verdict compare_weights(const training_case *c, ebb_model model)
{
    ebb_view want[PORTS];
    const uint32_t count = collect(&c->arrays, "final", want);
    ebb_model_info info;
    verdict result = PASSED;

    ebb_model_info_read(model, &info);
    if (info.weights != count)
        return fault(c->s, c->where, "%u weights, Keras has %u", info.weights, count);
    for (uint32_t i = 0; i < count && result == PASSED; i++) {
        ebb_tensor_info weight;
        ebb_view got = want[i];
        ebb_error error = {0};
        ebb_model_weight(model, i, &weight);
        got.data = region_block(c->home, ebb_view_bytes(&got) + 1);
        const ebb_status status = ebb_model_weight_get(model, i, &got, &error);
        if (status != EBB_OK) return judge(c->s, weight.name, &error);
        result = compare_array(c, weight.name, &got, &want[i]);
    }
    return result;
}

/* -- optimizer -------------------------------------------------------------------------------- */

/* The weights of a .keras file as a file of their own. */
static ebb_status extract_weights(region *home, ebb_error *error)
{
    source *from = NULL;
    zip_archive *archive = NULL;
    const char *bytes = NULL;
    ebb_status status = source_open(home, SAVED_MODEL, &from, error);

    if (status == EBB_OK) status = zip_open(home, from, &archive, error);
    const zip_member *member = status == EBB_OK ? zip_find(archive, "model.weights.h5") : NULL;
    if (member != NULL) status = zip_read(home, archive, member, (uint64_t)1 << 30, &bytes, error);
    source_close(from);
    if (status != EBB_OK || member == NULL) return status != EBB_OK ? status : EBB_E_FORMAT;
    FILE *file = fopen(SAVED_WEIGHTS, "wb");
    if (file == NULL) return EBB_E_IO;
    fwrite(bytes, 1, member->bytes, file);
    return fclose(file) == 0 ? EBB_OK : EBB_E_IO;
}

static verdict compare_variable(const training_case *c, hdf5_file *file, uint32_t index,
                                const ebb_view *want)
{
    char path[64];
    hdf5_object object;
    hdf5_dataset *dataset = NULL;
    ebb_error error = {0};

    snprintf(path, sizeof path, "optimizer/vars/%u", index);
    ebb_status status = hdf5_find(file, hdf5_root(file), path, &object, &error);
    if (status == EBB_OK) status = hdf5_dataset_open(file, object.address, &dataset, &error);
    if (status != EBB_OK) return judge(c->s, c->where, &error);
    ebb_view got = {.dtype = dataset->dtype, .rank = dataset->rank};
    memcpy(got.dims, dataset->dims, sizeof got.dims);
    got.data = region_block(c->home, ebb_view_bytes(&got) + 1);
    status = hdf5_dataset_read(file, dataset, 0, dataset->count, got.data, &error);
    if (status != EBB_OK) return judge(c->s, c->where, &error);
    const json *named = json_item(json_get(c->meta, "optimizer_variables"), index);
    return compare_array(c, json_text(json_get(named, "path"), path), &got, want);
}

verdict compare_optimizer(const training_case *c, ebb_model model)
{
    ebb_view want[PORTS];
    const uint32_t count = collect(&c->arrays, "opt", want);
    ebb_error error = {0};
    source *from = NULL;
    hdf5_file *file = NULL;
    verdict result = PASSED;

    if (count == 0) return PASSED;
    ebb_status status = ebb_model_save(model, SAVED_MODEL, NULL, &error);
    if (status == EBB_OK) status = extract_weights(c->home, &error);
    if (status == EBB_OK) status = source_open(c->home, SAVED_WEIGHTS, &from, &error);
    if (status == EBB_OK) status = hdf5_open(c->home, from, &file, &error);
    if (status != EBB_OK) result = judge(c->s, c->where, &error);
    for (uint32_t i = 0; i < count && result == PASSED; i++)
        result = compare_variable(c, file, i, &want[i]);
    source_close(from);
    return result;
}

/* -- History ---------------------------------------------------------------------------------- */

static verdict compare_values(const training_case *c, const char *name, const double *got,
                              uint32_t epochs, const json *want)
{
    const nearness n = nearness_of(c, "history");
    const bool has_gaps = want->count < epochs; /* not every epoch was validated */
    uint32_t at = 0;

    for (uint32_t epoch = 0; epoch < epochs; epoch++) {
        if (has_gaps && isnan(got[epoch])) continue;
        const double expected = number_of(json_item(want, at++));
        if (at <= want->count && is_near(got[epoch], expected, n)) continue;
        return fault(c->s, c->where, "History: %s of epoch %u is %.9g, expected %.9g", name, epoch,
                     got[epoch], expected);
    }
    if (at == want->count) return PASSED;
    return fault(c->s, c->where, "History: %s has %u values, expected %u", name, at, want->count);
}

verdict compare_history(const training_case *c, ebb_model model)
{
    const json *want = json_get(c->meta, "history");
    const uint32_t want_epochs = json_get(c->meta, "epochs_run")->count;
    const char *name = NULL;
    const double *values = NULL;
    uint32_t epochs = 0, names = 0;
    verdict result = PASSED;

    for (; result == PASSED && ebb_model_history(model, names, &name, &values, &epochs); names++) {
        const json *of_name = json_get(want, name);
        if (of_name == NULL) return fault(c->s, c->where, "History: Keras has no '%s'", name);
        if (epochs != want_epochs)
            return fault(c->s, c->where, "%u epochs, expected %u", epochs, want_epochs);
        result = compare_values(c, name, values, epochs, of_name);
    }
    if (result != PASSED || names == want->count) return result;
    for (uint32_t i = 0; i < want->count; i++) {
        bool is_there = false;
        for (uint32_t k = 0; ebb_model_history(model, k, &name, NULL, NULL); k++)
            is_there = is_there || strcmp(name, want->as.members[i].key) == 0;
        if (!is_there) return fault(c->s, c->where, "History lacks '%s'", want->as.members[i].key);
    }
    return fault(c->s, c->where, "History has a name twice");
}

verdict compare_evaluation(const training_case *c, ebb_model model, const double *results,
                           size_t count)
{
    const json *want = json_get(c->meta, "evaluate_after");
    const nearness n = nearness_of(c, "history");

    for (uint32_t i = 0; i < count; i++) {
        const char *name = ebb_model_metric(model, i);
        const json *value = json_get(want, name);
        if (value == NULL) return fault(c->s, c->where, "evaluate: Keras has no '%s'", name);
        if (is_near(results[i], number_of(value), n)) continue;
        return fault(c->s, c->where, "evaluate: %s is %.9g, expected %.9g", name, results[i],
                     number_of(value));
    }
    if (count == want->count) return PASSED;
    return fault(c->s, c->where, "evaluate: %zu results, expected %u", count, want->count);
}

/* -- files ------------------------------------------------------------------------------------ */

static bool is_expected(const training_case *c, const char *name)
{
    const json *files = json_get(c->meta, "files_written");

    if (strncmp(name, "conformance_saved", 17) == 0) return true;
    for (uint32_t i = 0; i < files->count; i++) {
        if (json_is_text(json_item(files, i), name)) return true;
    }
    return json_get(json_get(c->meta, "text_files"), name) != NULL;
}

/* Words between commas and line ends: numbers near, all else equal. The case has lost the carriage
 * returns that Python writes. */
static verdict compare_text(const training_case *c, const char *name, const char *got,
                            const char *want)
{
    const nearness n = nearness_of(c, "history");

    while (*got != 0 && *want != 0) {
        got += *got == '\r';
        char *got_end, *want_end;
        const double a = strtod(got, &got_end), b = strtod(want, &want_end);
        if (got_end > got && want_end > want) {
            if (!is_near(a, b, n))
                return fault(c->s, c->where, "%s: %.9g, expected %.9g", name, a, b);
            got = got_end;
            want = want_end;
        } else if (*got == *want) {
            got++;
            want++;
        } else {
            break;
        }
    }
    if (*got == 0 && *want == 0) return PASSED;
    return fault(c->s, c->where, "%s: '%.20s', expected '%.20s'", name, got, want);
}

static verdict compare_text_file(const training_case *c, const json_member *want)
{
    char text[8192];
    FILE *file = fopen(want->key, "rb");

    if (file == NULL) return fault(c->s, c->where, "%s was not written", want->key);
    const size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    return compare_text(c, want->key, text, json_text(&want->value, ""));
}

verdict compare_files(const training_case *c)
{
    const json *files = json_get(c->meta, "files_written");
    const json *texts = json_get(c->meta, "text_files");
    DIR *folder = opendir(".");
    verdict result = PASSED;

    if (folder == NULL) return fault(c->s, c->where, "the working folder cannot be read");
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] == '.' || is_expected(c, entry->d_name)) continue;
        result = fault(c->s, c->where, "wrote %s, which Keras does not", entry->d_name);
    }
    closedir(folder);
    for (uint32_t i = 0; i < files->count && result == PASSED; i++) {
        const char *name = json_text(json_item(files, i), "");
        FILE *file = fopen(name, "rb");
        if (file == NULL)
            result = fault(c->s, c->where, "%s was not written", name);
        else
            fclose(file);
    }
    for (uint32_t i = 0; texts != NULL && i < texts->count && result == PASSED; i++)
        result = compare_text_file(c, &texts->as.members[i]);
    return result;
}
