/* description.c -- looking into a description, and the end of one. */
#include "format/description.h"

#include <string.h>

#include "base/status.h"

const tensor_group *description_group(const description *d, const char *name)
{
    for (uint32_t i = 0; i < d->group_count; i++) {
        if (strcmp(d->groups[i].name, name) == 0) return &d->groups[i];
    }
    return NULL;
}

ebb_status description_finish(description *d, ebb_error *error)
{
    if (d == NULL || d->file == NULL) return EBB_OK;
    ebb_status status = source_unchanged(d->file, error);
    for (uint32_t i = 0; i < d->more_file_count && status == EBB_OK; i++)
        status = source_unchanged(d->more_files[i], error);
    description_close(d);
    return status;
}

void description_close(description *d)
{
    if (d == NULL) return;
    source_close(d->file);
    d->file = NULL;
    for (uint32_t i = 0; i < d->more_file_count; i++) source_close(d->more_files[i]);
    d->more_file_count = 0;
}

ebb_status description_no_layers(const description *d, const char *what, ebb_error *error)
{
    const bool is_known = d->model_problem != NULL;

    return fail(error, EBB_E_UNSUPPORTED, d->path,
                "the model is the graph of a SavedModel folder, without Keras's layers%s%.200s%s: "
                "%s",
                is_known ? " (" : "", is_known ? d->model_problem : "", is_known ? ")" : "", what);
}
