/* content.c -- which writer a file's name asks for, and a file that is whole or not there. */
#include "format/content.h"

#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "format/keras/writer.h"

typedef struct ending {
    const char *text;
    content_writer write;
    bool deflates; /* can it be compressed? */
} ending;

/* The first that fits counts. */
static const ending endings[] = {
    {".keras", keras_file_write, true},
    {".weights.h5", weights_file_write, false},
    {".h5", h5_file_write, false},
    {".hdf5", h5_file_write, false},
};

static const ending *ending_of(const char *path)
{
    const size_t length = strlen(path);

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const size_t own = strlen(endings[i].text);
        if (length > own && strcmp(path + length - own, endings[i].text) == 0) return &endings[i];
    }
    return NULL;
}

static ebb_status place_check(const char *path, const write_options *options, const ending *e,
                              ebb_error *error)
{
    struct stat facts;

    if (e == NULL) {
        return fail(error, EBB_E_ARGUMENT, path,
                    "the name tells no format: let it end in .keras, .h5, .hdf5 or .weights.h5");
    }
    if (options->deflates && !e->deflates) {
        return fail(error, EBB_E_UNSUPPORTED, path,
                    "only .keras files are compressed, %s files are not", e->text);
    }
    if (options->keeps_old && lstat(path, &facts) == 0)
        return fail(error, EBB_E_STATE, path, "there is a file of this name already");
    return EBB_OK;
}

ebb_status content_write(region *scratch, const model_content *content, const char *path,
                         const write_options *options, ebb_error *error)
{
    const ending *e = path == NULL ? NULL : ending_of(path);
    file_writer file = {.descriptor = -1};

    if (path == NULL) return fail(error, EBB_E_ARGUMENT, "path", "expected a file name, got NULL");
    ebb_status status = place_check(path, options, e, error);
    if (status != EBB_OK) return status;
    region *home = region_open(scratch, "file", EBB_CLASS_SCRATCH, 0);
    if (home == NULL) return region_fail(scratch, error, path, "a file");
    status = file_writer_open(home, path, &file, error);
    if (status == EBB_OK) status = e->write(home, content, &file, options->deflates, error);
    if (status != EBB_OK) {
        file_writer_discard(&file);
    } else if (options->keeps_old) {
        status = file_writer_commit_new(&file, error);
    } else {
        status = file_writer_commit(&file, error);
    }
    region_close(home);
    return status;
}
