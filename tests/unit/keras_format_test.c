/* keras_format_test.c -- the readers of .keras and .h5 against what Keras and h5py say is in the
 * files (tests/golden/make_format.py); every container; errors; every allocation failing in turn.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "format/format.h"
#include "format/keras/reader.h"
#include "harness.h"
#include "tensor/dtype.h"

/* -- the text of a description, as make_format.py writes it ------------------------------------ */

static void model_put(text_writer *w, const model_config *m, const char *prefix);

static void reference_put(text_writer *w, const model_config *m, tensor_ref ref)
{
    text_format(w, " %s:%u:%u", m->layers[ref.layer].name, ref.node, ref.tensor);
}

static void argument_put(text_writer *w, const model_config *m, const argument *a)
{
    if (a->kind == ARGUMENT_TENSOR) reference_put(w, m, a->ref);
    for (uint32_t i = 0; a->kind == ARGUMENT_LIST && i < a->item_count; i++) {
        argument_put(w, m, &a->items[i]);
    }
}

static void layer_put(text_writer *w, const model_config *m, uint32_t index, const char *prefix)
{
    const layer_config *layer = &m->layers[index];
    char inner[64];

    text_format(w, "%s%s %u %s %s %u\n", prefix, layer->is_operation ? "operation" : "layer", index,
                layer->class_name, layer->name, layer->call_count);
    for (uint32_t k = 0; k < layer->call_count; k++) {
        const call_config *call = &layer->calls[k];
        text_format(w, "%scall", prefix);
        for (uint32_t i = 0; i < call->argument_count; i++) argument_put(w, m, &call->arguments[i]);
        text_put(w, "\n");
    }
    snprintf(inner, sizeof inner, "%s  ", prefix);
    if (layer->model != NULL) model_put(w, layer->model, inner);
}

static void model_put(text_writer *w, const model_config *m, const char *prefix)
{
    text_format(w, "%smodel %s %s\n", prefix, m->name, m->class_name);
    for (uint32_t i = 0; i < m->layer_count; i++) layer_put(w, m, i, prefix);
    for (uint32_t i = 0; i < m->input_count; i++) {
        text_format(w, "%sinput %s", prefix, m->inputs[i].name);
        reference_put(w, m, m->inputs[i].ref);
        text_put(w, "\n");
    }
    for (uint32_t i = 0; i < m->output_count; i++) {
        text_format(w, "%soutput %s", prefix, m->outputs[i].name);
        reference_put(w, m, m->outputs[i].ref);
        text_put(w, "\n");
    }
}

static void tensor_put(test *t, text_writer *w, const tensor_entry *e)
{
    uint64_t count = 1;
    double sum = 0;

    text_format(w, "tensor %s %s (", e->path, ebb_dtype_name(e->dtype));
    for (uint32_t i = 0; i < e->rank; i++) {
        text_format(w, "%s%lld", i > 0 ? "," : "", (long long)e->dims[i]);
        count *= (uint64_t)e->dims[i];
    }
    char *bytes = region_alloc(t->home, (size_t)count + 1, ebb_dtype_bytes(e->dtype));
    double *values = region_new(t->home, double, (size_t)count + 1);
    CHECK(bytes != NULL && values != NULL);
    CHECK_OK(e->read(e, 0, count, bytes, &t->error));
    dtype_convert(EBB_F64, values, e->dtype, bytes, (size_t)count);
    for (uint64_t i = 0; i < count; i++) sum += values[i];
    text_format(w, ") %.4f\n", sum);
}

static const char *description_text(test *t, const description *d)
{
    text_writer w;

    text_begin(&w, t->home);
    model_put(&w, d->model, "");
    for (uint32_t i = 0; i < d->group_count; i++) {
        const tensor_group *g = &d->groups[i];
        text_format(&w, "group %s %u\n", g->name[0] != '\0' ? g->name : ".", g->count);
        CHECK(description_group(d, g->name) == g);
        for (uint32_t k = 0; k < g->count; k++) tensor_put(t, &w, &g->tensors[k]);
    }
    CHECK(!w.failed);
    return w.text;
}

static const char *file_text(test *t, const char *path)
{
    FILE *file = fopen(path, "rb");

    CHECK(file != NULL);
    char *text = region_block(t->home, 1 << 20);
    size_t length = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    CHECK(length > 0);
    return text;
}

static const char *golden(test *t, const char *name)
{
    const char *path = region_format(t->home, "%s/format/%s", EBB_GOLDEN, name);
    CHECK(path != NULL);
    return path;
}

static description *check_golden(test *t, const char *file, const char *architecture,
                                 const char *text)
{
    description *d = NULL;

    CHECK_OK(format_read(t->home, golden(t, file),
                         architecture == NULL ? NULL : golden(t, architecture), &d, &t->error));
    CHECK_TEXT(description_text(t, d), file_text(t, golden(t, text)));
    CHECK_EQ(d->keras_major, 3);
    CHECK(d->file_bytes > 0);
    return d;
}

TEST(keras_archives_are_read)
{
    static const char *const names[] = {"sequential", "several",    "dicts",
                                        "nested",     "operations", "wrappers",
                                        "half",       "compiled",   "deflated"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *file = region_format(t->home, "%s.keras", names[i]);
        const char *text = region_format(t->home, "%s.txt", names[i]);
        description *d = check_golden(t, file, NULL, text);
        CHECK_TEXT(d->format, "keras");
        CHECK_EQ(d->layout, WEIGHTS_BY_PATH);
        CHECK_EQ(d->compile_config != NULL, strcmp(names[i], "compiled") == 0);
        CHECK_EQ(ledger_descriptors(t->ledger), 1);
        CHECK_OK(description_finish(d, &t->error));
        CHECK_EQ(ledger_descriptors(t->ledger), 0);
    }
}

TEST(a_folder_is_read_as_an_archive)
{
    description *d = check_golden(t, "folder", NULL, "folder.txt");
    CHECK_TEXT(d->format, "keras");
    CHECK_OK(description_finish(d, &t->error));
}

TEST(whole_h5_models_are_read)
{
    description *d = check_golden(t, "legacy.h5", NULL, "legacy.txt");
    CHECK_TEXT(d->format, "h5");
    CHECK_TEXT(d->backend, "tensorflow");
    CHECK_EQ(d->layout, WEIGHTS_BY_ORDER);
    CHECK_OK(description_finish(d, &t->error));
}

TEST(weights_are_read_with_an_architecture)
{
    description *d = check_golden(t, "weights_whole.h5", "weights.json", "weights_whole.txt");
    CHECK_EQ(d->layout, WEIGHTS_BY_ORDER);
    description_close(d);
    d = check_golden(t, "weights_split.h5", "weights.json", "weights_split.txt");
    description_close(d);
    d = check_golden(t, "weights.weights.h5", "weights.json", "weights.weights.txt");
    CHECK_EQ(d->layout, WEIGHTS_BY_PATH);
    description_close(d);
}

/* weights.json lies beside weights.weights.h5. */
TEST(an_architecture_beside_the_weights_is_found)
{
    description *d = check_golden(t, "weights.weights.h5", NULL, "weights.weights.txt");
    description_close(d);
}

/* -- refusals ---------------------------------------------------------------------------------- */

TEST(weights_alone_ask_for_the_architecture)
{
    static const char *const files[] = {"weights_whole.h5", "weights_split.h5"};
    for (size_t i = 0; i < 2; i++) {
        description *d = NULL;
        CHECK_STATUS(format_read(t->home, golden(t, files[i]), NULL, &d, &t->error),
                     EBB_E_UNSUPPORTED);
        CHECK_CONTAINS(t->error.text, "weights");
        CHECK_CONTAINS(t->error.text, "architecture");
        CHECK(d == NULL);
    }
}

static void check_refused(test *t, const char *path, ebb_status status, const char *part)
{
    description *d = NULL;

    CHECK_STATUS(format_read(t->home, path, NULL, &d, &t->error), status);
    CHECK_CONTAINS(t->error.text, part);
    CHECK(d == NULL);
    CHECK_EQ(ledger_descriptors(t->ledger), 0);
}

TEST(other_files_are_told_apart)
{
    check_refused(t, golden(t, "no such file.keras"), EBB_E_NOT_FOUND, "");
    check_refused(t, golden(t, "weights.json"), EBB_E_FORMAT, "architecture");
    check_refused(t, golden(t, "nested.txt"), EBB_E_FORMAT, "neither");
    check_refused(t, golden(t, ""), EBB_E_FORMAT, "config.json");
    check_refused(t, "/dev/null", EBB_E_FORMAT, "");
}

/* An archive cut anywhere is an error, and leaves nothing open. */
TEST(cut_files_are_errors)
{
    static const char *const files[] = {"sequential.keras", "deflated.keras", "legacy.h5"};
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        const char *path = golden(t, files[f]);
        FILE *file = fopen(path, "rb");
        char *bytes = region_block(t->home, 1 << 16);
        CHECK(file != NULL && bytes != NULL);
        const size_t length = fread(bytes, 1, 1 << 16, file);
        fclose(file);
        for (size_t cut = 0; cut < length; cut += length / 37 + 1) {
            region *room = region_open(t->home, "cut", 0, 0);
            source *s = NULL;
            description *d = NULL;
            CHECK_OK(source_memory(room, bytes, cut, "cut", &s, &t->error));
            const ebb_status status = f == 2 ? h5_source_read(room, s, NULL, &d, &t->error)
                                             : keras_source_read(room, s, NULL, &d, &t->error);
            CHECK(status != EBB_OK && d == NULL && t->error.text[0] != '\0');
            region_close(room);
        }
    }
}

/* -- memory ------------------------------------------------------------------------------------ */

TEST(every_allocation_may_fail)
{
    static const char *const files[] = {"wrappers.keras", "deflated.keras", "operations.keras",
                                        "legacy.h5", "folder"};
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        const char *path = golden(t, files[f]);
        const uint64_t before = region_bytes_live(t->home);
        for (int64_t n = 0;; n++) {
            description *d = NULL;
            region *room = region_open(t->home, "load", 0, 0);
            test_fail_allocation(t, n);
            const ebb_status status = format_read(room, path, NULL, &d, &t->error);
            const bool failed = test_allocation_failed(t);
            test_fail_allocation(t, -1);
            CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
            description_close(d);
            region_close(room);
            CHECK_EQ(ledger_descriptors(t->ledger), 0);
            CHECK_EQ(region_bytes_live(t->home), before);
            if (!failed) break;
        }
    }
}

/* -- real and conformance files, where they are ------------------------------------------------ */

typedef struct shared_file {
    const char *file, *architecture, *word; /* word: of the refusal; NULL = must be read */
} shared_file;

TEST(real_files_are_read)
{
    static const shared_file files[] = {
        {"C001/fer2013_mini_XCEPTION.102-0.66.hdf5", NULL, NULL},
        {"C006/tiny_XCEPTION_KDEF.hdf5", NULL, NULL},
        {"C011/model.h5", NULL, NULL},
        {"C024/cnn_tf_model.h5", NULL, NULL},
        {"C028/batch_to_conv2d_tensorflow_1.h5", NULL, NULL},
        {"C047/simple_flatten_rnn_tf_keras_2_model.h5", NULL, NULL},
        {"C051/cnn_batch_norm.h5", NULL, NULL},
        {"C055/lstm_th_keras_2_weights.h5", NULL, NULL},
        {"C067/model.h5", NULL, NULL},
        {"C075/fma2018-meter.h5", NULL, NULL},
        {"C076/shallowtemp_k1.h5", NULL, NULL},
        {"C087/gru.h5", NULL, NULL},
        {"C099/generator.h5", "C099/arch.json", NULL},
        {"C099/generator.h5", NULL, "architecture"},
        {"C102/model.h5", NULL, NULL},
        {"C115/keras_conv1d.h5", NULL, NULL},
        {"C122/qkeras-v3_3layer.keras", NULL, NULL},
        {"C128/pretrainedResnet.h5", NULL, NULL},
        {"C137/point_history_classifier.hdf5", NULL, NULL},
        {"C150/attention_model.h5", NULL, NULL},
        {"C156/adult-ffn-tf1.15.2.h5", NULL, NULL},
        {"C161/iris-ae-tf2.18.0.keras", NULL, NULL},
        {"C168/model", NULL, NULL},
        {"C194/convlstm.h5", NULL, NULL},
        {"C207/vae_model.keras", NULL, "VAE"},
        {"C216/bilstm_model.keras", NULL, NULL},
    };
    char path[1024], architecture[1024], part[256];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        description *d = NULL;
        snprintf(part, sizeof part, "real-models/%s", files[i].file);
        if (!test_shared(part, path)) return;
        if (files[i].architecture != NULL) {
            snprintf(part, sizeof part, "real-models/%s", files[i].architecture);
            CHECK(test_shared(part, architecture));
        }
        const ebb_status status = format_read(
            t->home, path, files[i].architecture == NULL ? NULL : architecture, &d, &t->error);
        if (files[i].word == NULL) {
            CHECK_OK(status);
        } else {
            CHECK_STATUS(status, EBB_E_UNSUPPORTED);
            CHECK_CONTAINS(t->error.text, files[i].word);
        }
        description_close(d);
    }
}

static uint32_t read_one(test *t, const char *path)
{
    description *d = NULL;
    struct stat facts;

    if (stat(path, &facts) != 0) return 0;
    region *room = region_open(t->home, "model", 0, 0);
    const ebb_status status = format_read(room, path, NULL, &d, &t->error);
    if (status != EBB_OK) print_message("%s\n", path);
    CHECK_OK(status);
    CHECK(d->model != NULL && d->group_count > 0);
    CHECK_OK(description_finish(d, &t->error));
    region_close(room);
    return 1;
}

TEST(conformance_files_are_read)
{
    static const char *const kinds[] = {"zoo", "models"};
    char index[1024], root[1024];
    const json *cases = NULL;
    uint32_t count = 0;

    if (!test_shared("conformance/index.json", index) || !test_shared("conformance", root)) return;
    FILE *file = fopen(index, "rb");
    CHECK(file != NULL);
    char *text = region_block(t->home, 16 << 20);
    const size_t length = fread(text, 1, 16 << 20, file);
    fclose(file);
    CHECK_OK(json_read(t->home, text, length, "index.json", &cases, &t->error));
    if (cases->kind == JSON_OBJECT) cases = json_get(cases, "cases");
    CHECK(cases != NULL);
    for (uint32_t i = 0; i < cases->count; i++) {
        const json *c = json_item(cases, i);
        const char *path =
            c->kind == JSON_STRING ? c->as.string : json_text(json_get(c, "path"), "");
        char model[2048];
        for (size_t k = 0; k < 2; k++) {
            if (strncmp(path, kinds[k], strlen(kinds[k])) != 0) continue;
            snprintf(model, sizeof model, "%s/%s/model.keras", root, path);
            count += read_one(t, model);
            snprintf(model, sizeof model, "%s/%s/model.h5", root, path);
            count += read_one(t, model);
        }
    }
    CHECK(count > 200);
}

TEST_MAIN(RUN(keras_archives_are_read), RUN(a_folder_is_read_as_an_archive),
          RUN(whole_h5_models_are_read), RUN(weights_are_read_with_an_architecture),
          RUN(an_architecture_beside_the_weights_is_found),
          RUN(weights_alone_ask_for_the_architecture), RUN(other_files_are_told_apart),
          RUN(cut_files_are_errors), RUN(every_allocation_may_fail), RUN(real_files_are_read),
          RUN(conformance_files_are_read))
