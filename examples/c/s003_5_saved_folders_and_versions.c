/* s003_5_saved_folders_and_versions.c -- every saved form, in two versions: written, read, removed.
 *
 * TensorFlow                                       here
 * model.save("model_1.h5"), ("model_1.keras")      ebb_model_save
 * model.export("model_1")                          ebb_model_export: a SavedModel folder
 * load_model(name), tf.saved_model.load(name)      ebb_model_load: the content tells the form
 * os.remove(name), shutil.rmtree(name)             ebb_file_remove: a model's files, nothing else
 * "multiple versions of the same model"            ebb_registry_add, ebb_registry_delete
 *
 * Nothing is kept open after a load, so a file may go while its model stays. From the shell:
 *     ebb rm --dry-run model_1.h5 model_1.keras model_1 */
#include <ebb/ebb.h>

#include "example.h"

static float x[ROWS * COLUMNS], y[ROWS], answer[ROWS], again[ROWS];

/* Writes all three forms of one version. */
static void write_version(ebb_runtime runtime, int version)
{
    char path[32];
    ebb_error error;
    const ebb_model model = build_model(runtime, 10, (ebb_scope){0});

    train_model(model, x, y, (uint32_t)version); /* so that the versions differ */
    ask(model, x, ROWS, answer);
    snprintf(path, sizeof path, "model_%d.h5", version);
    must(ebb_model_save(model, path, NULL, &error), &error);
    snprintf(path, sizeof path, "model_%d.keras", version);
    must(ebb_model_save(model, path, NULL, &error), &error);
    snprintf(path, sizeof path, "model_%d", version);
    must(ebb_model_export(model, path, NULL, &error), &error);
    must(ebb_model_unload(model, NULL, NULL, &error), &error);
}

/* Each form, loaded, answers as the model that was saved. */
static void check_version(ebb_runtime runtime, int version)
{
    static const char *const endings[] = {".h5", ".keras", ""};
    char path[32];
    ebb_model model;
    ebb_error error;

    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "model_%d%s", version, endings[i]);
        must(ebb_model_load(runtime, path, NULL, &model, &error), &error);
        ask(model, x, ROWS, again);
        expect(difference(answer, again, ROWS) < 1e-6F, "equal answers");
        must(ebb_model_unload(model, NULL, NULL, &error), &error);
    }
}

/* The .keras files as versions of one name: one active, the other deleted. */
static void delete_versions(ebb_runtime runtime)
{
    char path[32];
    ebb_registry registry;
    ebb_receipt receipt;
    ebb_model model;
    ebb_error error;

    must(ebb_registry_open(runtime, NULL, &registry, &error), &error);
    for (uint64_t version = 1; version <= 2; version++) {
        snprintf(path, sizeof path, "model_%d.keras", (int)version);
        must(ebb_registry_add(registry, "model", version, path, NULL, &error), &error);
    }
    must(ebb_registry_activate(registry, "model", 2, NULL, &error), &error);
    expect(ebb_registry_delete(registry, "model", 2, false, NULL, &error) == EBB_E_STATE,
           "that a loaded version stays");
    must(ebb_registry_activate(registry, "model", 1, NULL, &error), &error);
    must(ebb_registry_rollback(registry, "model", NULL, &error), &error); /* 2 again */

    for (uint64_t version = 1; version <= 2; version++) {
        if (version == 2) must(ebb_registry_unload(registry, "model", 2, NULL, &error), &error);
        must(ebb_registry_delete(registry, "model", version, false, &receipt, &error), &error);
        expect(receipt.files_removed == 1, "one file on the receipt");
        expect(ebb_registry_model(registry, "model", version, &model, &error) == EBB_E_NOT_FOUND,
               "that a deleted version is an error");
    }
    must(ebb_registry_close(registry, NULL, NULL, &error), &error);
}

/* The .h5 goes while its model is loaded, the folders afterwards. */
static void remove_rest(ebb_runtime runtime)
{
    static const char *const paths[] = {"model_2.h5", "model_1", "model_2"};
    ebb_receipt receipt;
    ebb_model model;
    ebb_error error;

    must(ebb_model_load(runtime, "model_1.h5", NULL, &model, &error), &error);
    expect(remove("model_1.h5") == 0, "that the operating system removes it");
    ask(model, x, ROWS, again);
    must(ebb_model_unload(model, NULL, NULL, &error), &error);
    for (int i = 0; i < 3; i++) must(ebb_file_remove(paths[i], &receipt, &error), &error);
}

int main(void)
{
    static const char *const removed[] = {"model_1.h5", "model_1.keras", "model_1"};
    ebb_runtime runtime;
    ebb_model model;
    ebb_error error;

    enter_folder();
    make_rows(x, y);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    for (int version = 1; version <= 2; version++) {
        write_version(runtime, version);
        check_version(runtime, version);
    }
    printf("h5 keras savedmodel: equal\n");

    delete_versions(runtime);
    remove_rest(runtime);
    expect(count_files() == 0, "an empty folder");
    for (int i = 0; i < 3; i++)
        expect(ebb_model_load(runtime, removed[i], NULL, &model, &error) == EBB_E_NOT_FOUND,
               "that a removed model is not found");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
