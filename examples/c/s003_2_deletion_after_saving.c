/* s003_2_deletion_after_saving.c -- a saved model is deleted, and its file with it.
 *
 * TensorFlow                                       here
 * model.save("my_model.h5")                        ebb_model_save: the ending tells the format
 * del model; clear_session(); gc.collect()         ebb_model_unload
 * os.remove(filepath)                              ebb_file_remove
 *
 * ebb_file_remove() removes what is a model and nothing else: it refuses another program's file and
 * a folder with other things in it, and follows no link. For a model that was loaded from the file,
 * ebb_model_delete() is both steps in one. From the shell:  ebb rm my_model.h5 */
#include <ebb/ebb.h>

#include "example.h"

static bool print_text(void *context, const char *text, size_t length)
{
    (void)context;
    return fwrite(text, 1, length, stdout) == length;
}

int main(void)
{
    static const ebb_layer_text layers[] = {{"Dense", "units=10, activation='relu'"},
                                            {"Dense", "units=1, activation='sigmoid'"}};
    const char *const filepath = "my_model.h5";
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_runtime runtime;
    ebb_receipt receipt;
    ebb_builder b;
    ebb_model model;
    ebb_error error;

    enter_folder();
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    /* Create a model */
    must(ebb_build_open(runtime, "sequential", &b, &error), &error);
    ebb_tensor x = ebb_build_input(b, NULL, EBB_F32, 1, (int64_t[]){10});
    x = ebb_build_sequential(b, x, layers, 2);
    options.sequential = true;
    must(ebb_build_finish(b, &x, 1, &options, &model, &error), &error);

    /* Save the model to disk: the file is there as a whole, or not at all */
    must(ebb_model_save(model, filepath, NULL, &error), &error);
    printf("Model ID before deletion: %" PRIu64 "\n", model.id);
    must(ebb_model_summary(model, print_text, NULL, &error), &error);

    must(ebb_model_unload(model, NULL, NULL, &error), &error);

    /* Delete the saved model file */
    const ebb_status status = ebb_file_remove(filepath, &receipt, &error);
    if (status == EBB_OK)
        printf("Model file '%s' successfully removed.\n", filepath);
    else if (status == EBB_E_NOT_FOUND)
        printf("Model file '%s' not found.\n", filepath);
    else
        printf("An unexpected error occurred while deleting the file: %s\n", error.text);
    expect(receipt.files_removed == 1 && receipt.files_bytes > 484, "one file on the receipt");

    /* Check for any related files */
    expect(count_files() == 0, "that nothing was left beside the file");
    expect(ebb_model_load(runtime, filepath, NULL, &model, &error) == EBB_E_NOT_FOUND,
           "that it cannot be loaded again");
    printf("Model successfully deleted\n");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
