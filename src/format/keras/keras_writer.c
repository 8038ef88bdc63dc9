/* keras_writer.c -- .keras: a zip archive of metadata.json, config.json and model.weights.h5.
 *
 * The date that Keras writes into the metadata is left out, so that equal models give equal files.
 * Source: keras/src/saving/saving_lib.py (_save_model_to_fileobj). */
#include <string.h>

#include "base/status.h"
#include "format/keras/packed_tensors.h"
#include "format/keras/writer.h"
#include "format/zip_writer.h"

static ebb_status member_put(void *context, const void *bytes, uint64_t length, ebb_error *error)
{
    return zip_writer_put(context, bytes, length, error);
}

static ebb_status text_add(zip_writer *zip, const char *name, const char *text, bool deflates,
                           ebb_error *error)
{
    const size_t length = strlen(text);
    ebb_status status = zip_writer_begin_member(zip, name, length, deflates, error);

    if (status == EBB_OK) status = zip_writer_put(zip, text, length, error);
    return status == EBB_OK ? zip_writer_end_member(zip, error) : status;
}

static ebb_status weights_add(region *home, const model_content *content, zip_writer *zip,
                              bool deflates, ebb_error *error)
{
    const hdf5_sink sink = {member_put, zip};
    weights_file f;
    ebb_status status = weights_file_open(home, content, &f, error);

    if (status == EBB_OK) status = weights_file_tree(home, &f, error);
    if (status == EBB_OK) status = hdf5_write_layout(f.h5, error);
    if (status != EBB_OK) return status;
    status =
        zip_writer_begin_member(zip, "model.weights.h5", hdf5_write_bytes(f.h5), deflates, error);
    if (status == EBB_OK) status = weights_file_put(home, &f, &sink, error);
    return status == EBB_OK ? zip_writer_end_member(zip, error) : status;
}

ebb_status keras_file_write(region *home, const model_content *content, file_writer *file,
                            bool deflates, ebb_error *error)
{
    zip_writer zip;
    model_text text;
    text_writer metadata;
    ebb_status status = keras_text_make(home, content, &text, error);

    if (status != EBB_OK) return status;
    text_begin(&metadata, home);
    text_put(&metadata, "{\"keras_version\": ");
    text_json_string(&metadata, text.keras_version);
    packed_list_write(&metadata, content);
    text_put(&metadata, "}");
    if (metadata.failed) return region_fail(home, error, file->path, "metadata.json");
    zip_writer_begin(home, file, &zip);
    status = text_add(&zip, "metadata.json", metadata.text, deflates, error);
    if (status == EBB_OK) status = text_add(&zip, "config.json", text.config, deflates, error);
    if (status == EBB_OK) status = weights_add(home, content, &zip, deflates, error);
    zip_writer_abandon(&zip);
    return status == EBB_OK ? zip_writer_end(&zip, error) : status;
}
