/* format.c -- the table of formats, and finding the one a path is in, by content and never by name.
 */
#include "format/format.h"

#include <string.h>
#include <sys/stat.h>

#include "base/status.h"

#define HEAD_BYTES 512

#define FORMAT(name) extern const format_def format_##name;
#include "format/list.inc"
#undef FORMAT

static const format_def *const formats[] = {
#define FORMAT(name) &format_##name,
#include "format/list.inc"
#undef FORMAT
};

const char format_tensors_only[] = "tensors only";

uint32_t format_count(void)
{
    return sizeof formats / sizeof formats[0];
}

const format_def *format_at(uint32_t index)
{
    return index < format_count() ? formats[index] : NULL;
}

/* What people hand over by mistake, by its first bytes. */
typedef struct lookalike {
    uint32_t offset, length;
    const char *bytes, *what;
} lookalike;

static const lookalike lookalikes[] = {
    {0, 23, "version https://git-lfs",
     "a Git LFS pointer, not the model itself: fetch it with git lfs pull"},
    {4, 4, "TFL3", "a TensorFlow Lite model; ebb reads .keras and .h5"},
    {0, 4, "GGUF", "a GGUF model; ebb reads .keras and .h5"},
    {0, 6, "\x93NUMPY", "a numpy array, not a model"},
    {0, 2, "\x1f\x8b", "gzip: decompress it first"},
    {0, 1, "\x80", "a Python pickle, which is never opened; save the model as .keras"},
    {0, 1, "{",
     "JSON, an architecture without weights: give the file with the weights as model, and this one "
     "as "
     "its architecture"},
    {0, 1, "<", "a web page or XML, perhaps a download that failed"},
    {0, 4,
     "\x7f"
     "ELF",
     "a program, not a model"},
};

static ebb_status unknown_format(const char *path, const uint8_t *head, size_t head_bytes,
                                 ebb_error *error)
{
    if (head_bytes == 0) return fail(error, EBB_E_FORMAT, path, "the file is empty");
    for (size_t i = 0; i < sizeof lookalikes / sizeof lookalikes[0]; i++) {
        const lookalike *l = &lookalikes[i];
        if (l->offset + l->length > head_bytes) continue;
        if (memcmp(head + l->offset, l->bytes, l->length) == 0) {
            return fail(error, EBB_E_FORMAT, path, "this is %s", l->what);
        }
    }
    return fail(error, EBB_E_FORMAT, path,
                "neither a .keras archive nor an HDF5 file; it begins with "
                "%02x %02x %02x %02x",
                head[0], head_bytes > 1 ? head[1] : 0, head_bytes > 2 ? head[2] : 0,
                head_bytes > 3 ? head[3] : 0);
}

static bool has_file(region *home, const char *folder, const char *name)
{
    struct stat facts;
    const char *path = region_format(home, "%s/%s", folder, name);
    return path != NULL && stat(path, &facts) == 0;
}

static ebb_status unknown_folder(region *home, const char *path, ebb_error *error)
{
    if (has_file(home, path, "saved_model.pbtxt")) {
        return fail(error, EBB_E_UNSUPPORTED, path,
                    "a SavedModel folder written as text (saved_model.pbtxt); save it as binary");
    }
    if (has_file(home, path, "variables") || has_file(home, path, "keras_metadata.pb")) {
        return fail(error, EBB_E_FORMAT, path,
                    "a folder with parts of a SavedModel, but without saved_model.pb");
    }
    return fail(error, EBB_E_FORMAT, path,
                "a folder that is not a model: it has neither saved_model.pb (SavedModel) nor "
                "config.json (.keras as a folder)");
}

static ebb_status head_read(region *home, const char *path, uint8_t *head, size_t *head_bytes,
                            ebb_error *error)
{
    source *file = NULL;
    ebb_status status = source_open(home, path, &file, error);
    if (status != EBB_OK) return status;
    const uint64_t bytes = source_bytes(file);
    *head_bytes = bytes < HEAD_BYTES ? (size_t)bytes : HEAD_BYTES;
    if (*head_bytes > 0) status = source_read(file, 0, head, *head_bytes, error);
    source_close(file);
    return status;
}

ebb_status format_read(region *home, const char *path, const char *architecture,
                       description **result, ebb_error *error)
{
    struct stat facts;
    uint8_t head[HEAD_BYTES];
    size_t head_bytes = 0;

    *result = NULL;
    if (path == NULL || path[0] == '\0')
        return fail(error, EBB_E_ARGUMENT, "model", "no path was given");
    const bool is_folder = stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
    if (!is_folder) {
        const ebb_status status = head_read(home, path, head, &head_bytes, error);
        if (status != EBB_OK) return status;
    }
    for (uint32_t i = 0; i < format_count(); i++) {
        if (!formats[i]->probe(path, head, head_bytes, is_folder)) continue;
        return formats[i]->read(home, path, architecture, result, error);
    }
    return is_folder ? unknown_folder(home, path, error)
                     : unknown_format(path, head, head_bytes, error);
}

ebb_status format_read_again(region *home, const description *d, description **result,
                             ebb_error *error)
{
    const ebb_status status = format_read(home, d->path, format_tensors_only, result, error);

    if (status != EBB_OK || source_is_same(&d->identity, &(*result)->identity)) return status;
    description_close(*result);
    *result = NULL;
    return fail(error, EBB_E_IO, d->path,
                "the file is not the one that the model was loaded from any more");
}
