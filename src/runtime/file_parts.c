/* file_parts.c -- see file_parts.h. The readers of formats are asked for tensors only, so that no
 * configuration has to be understood: it may name classes that are made elsewhere. */
#include "runtime/file_parts.h"

#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "format/format.h"
#include "format/parts_writer.h"
#include "json/json.h"
#include "runtime/options.h"

static void group_put(text_writer *w, const tensor_group *group)
{
    text_put(w, "[");
    for (uint32_t i = 0; i < group->count; i++) {
        if (i > 0) text_put(w, ", ");
        text_json_string(w, group->tensors[i].path);
    }
    text_put(w, "]");
}

static void text_or_null(text_writer *w, const char *text)
{
    if (text == NULL || text[0] == '\0')
        text_put(w, "null");
    else
        text_json_string(w, text);
}

static void parts_put(text_writer *w, const description *d)
{
    text_put(w, "{\"format\": ");
    text_json_string(w, d->format);
    text_put(w, ", \"keras_version\": ");
    text_json_string(w, d->keras_version);
    text_format(w, ", \"by_path\": %s, \"config\": ",
                d->layout == WEIGHTS_BY_PATH ? "true" : "false");
    text_or_null(w, d->config_text);
    text_put(w, ", \"compile_config\": ");
    if (d->compile_config == NULL)
        text_put(w, "null");
    else
        text_json_value(w, d->compile_config);
    text_put(w, ", \"groups\": [");
    for (uint32_t i = 0; i < d->group_count; i++) {
        text_put(w, i > 0 ? ", {\"name\": " : "{\"name\": ");
        text_json_string(w, d->groups[i].name);
        text_put(w, ", \"arrays\": ");
        group_put(w, &d->groups[i]);
        text_put(w, "}");
    }
    text_put(w, "], \"optimizer\": ");
    if (d->optimizer == NULL)
        text_put(w, "[]");
    else
        group_put(w, d->optimizer);
    text_put(w, "}");
}

/* The graph of a SavedModel has no such parts. */
static ebb_status read_description(region *work, const char *path, description **d,
                                   ebb_error *error)
{
    const ebb_status status = format_read(work, path, format_tensors_only, d, error);

    if (status != EBB_OK || strcmp((*d)->format, "savedmodel") != 0) return status;
    description_close(*d);
    *d = NULL;
    return fail(error, EBB_E_UNSUPPORTED, path,
                "a SavedModel folder is not taken apart; expected a .keras or .h5 file");
}

ebb_status file_parts_write(runtime *r, const char *path, ebb_text_function write, void *context,
                            ebb_error *error)
{
    text_writer w;
    description *d = NULL;
    region *work = region_open(r->root, "parts", EBB_CLASS_SCRATCH, 0);

    if (work == NULL) return region_fail(r->root, error, path, "the parts of a file");
    ebb_status status = read_description(work, path, &d, error);
    if (status == EBB_OK) {
        text_begin(&w, work);
        parts_put(&w, d);
        status = w.failed ? region_fail(work, error, path, "the parts of a file")
                          : description_finish(d, error);
    }
    description_close(d);
    if (status == EBB_OK && !write(context, w.text, w.length))
        status = fail(error, EBB_E_CANCELLED, path, "the text was stopped by its reader");
    region_close(work);
    return status;
}

/* -- arrays ------------------------------------------------------------------------------------ */

static ebb_status entry_read(region *home, const tensor_entry *t, array_entry *entry,
                             ebb_error *error)
{
    uint64_t count = 1;

    entry->name = region_text(home, t->path);
    if (entry->name == NULL) return region_fail(home, error, t->path, "a name");
    entry->view = (ebb_view){.dtype = t->dtype, .rank = t->rank};
    memcpy(entry->view.dims, t->dims, sizeof t->dims);
    for (uint32_t i = 0; i < t->rank; i++) count *= (uint64_t)t->dims[i];
    const uint64_t bytes = ebb_view_bytes(&entry->view);
    entry->view.data = bytes < SIZE_MAX ? region_block(home, (size_t)bytes + 1) : NULL;
    if (entry->view.data == NULL) return region_fail(home, error, t->path, "an array");
    return bytes == 0 ? EBB_OK : t->read(t, 0, count, entry->view.data, error);
}

static ebb_status group_read(arrays *a, const tensor_group *group, ebb_error *error)
{
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; status == EBB_OK && i < group->count; i++) {
        if (ebb_dtype_bytes(group->tensors[i].dtype) == 0) continue; /* texts */
        status = entry_read(a->home, &group->tensors[i], &a->entries[a->count], error);
        a->count++;
    }
    return status;
}

ebb_status file_parts_read(arrays *a, const char *path, ebb_error *error)
{
    description *d = NULL;
    size_t most = 0;
    region *work = region_open(a->home, "parts", EBB_CLASS_SCRATCH, 0);

    if (work == NULL) return region_fail(a->home, error, path, "the parts of a file");
    ebb_status status = read_description(work, path, &d, error);
    if (status == EBB_OK) {
        for (uint32_t i = 0; i < d->group_count; i++) most += d->groups[i].count;
        if (d->optimizer != NULL) most += d->optimizer->count;
        a->entries = region_new(a->home, array_entry, most + 1);
        if (a->entries == NULL) status = region_fail(a->home, error, path, "arrays");
    }
    for (uint32_t i = 0; status == EBB_OK && i < d->group_count; i++)
        status = group_read(a, &d->groups[i], error);
    if (status == EBB_OK && d->optimizer != NULL) status = group_read(a, d->optimizer, error);
    if (status == EBB_OK) status = description_finish(d, error);
    description_close(d);
    region_close(work);
    return status;
}

/* -- a new file -------------------------------------------------------------------------------- */

static ebb_status part_check(const ebb_part *part, parts_kind kind, size_t index, ebb_error *error)
{
    const uint64_t bytes = ebb_view_bytes(&part->view);

    if (part->name == NULL && kind == PARTS_LAYERS && part->layer != NULL) return EBB_OK;
    if (part->name == NULL || part->name[0] == '\0')
        return fail(error, EBB_E_ARGUMENT, "ebb_parts_save", "part %zu has no name", index);
    if (part->view.rank > EBB_RANK_MAX || bytes == UINT64_MAX ||
        ebb_dtype_bytes(part->view.dtype) == 0)
        return fail(error, EBB_E_ARGUMENT, part->name, "no shape or type that can be written");
    if (part->view.data == NULL && bytes > 0)
        return fail(error, EBB_E_ARGUMENT, part->name, "the array has no memory");
    return EBB_OK;
}

/* Data are written in the order of the parts, so those of one layer have to stand together. */
static ebb_status order_check(const ebb_parts *parts, size_t index, ebb_error *error)
{
    const char *layer = parts->parts[index].layer;

    for (size_t i = 0; layer != NULL && i + 1 < index; i++) {
        const char *other = parts->parts[i].layer, *next = parts->parts[i + 1].layer;
        if (other == NULL || strcmp(other, layer) != 0) continue;
        if (next != NULL && strcmp(next, layer) == 0) continue;
        return fail(error, EBB_E_ARGUMENT, layer, "the parts of a layer must stand together");
    }
    return EBB_OK;
}

ebb_status file_parts_save(runtime *r, const char *path, const ebb_parts *given, ebb_error *error)
{
    parts_kind kind;
    file_writer file;
    ebb_parts parts = EBB_PARTS_INIT;
    ebb_status status =
        options_copy(&parts, sizeof parts, given, "ebb_parts_save", "EBB_PARTS_INIT", error);

    if (status == EBB_OK) status = parts_kind_find(path, &kind, error);
    if (status != EBB_OK) return status;
    if (kind == PARTS_ARCHIVE && parts.config == NULL)
        return fail(error, EBB_E_ARGUMENT, path, "a .keras file needs a configuration");
    if (parts.count > UINT32_MAX || (parts.count > 0 && parts.parts == NULL))
        return fail(error, EBB_E_ARGUMENT, path, "expected %zu parts", parts.count);
    for (size_t i = 0; i < parts.count; i++) {
        status = part_check(&parts.parts[i], kind, i, error);
        if (status == EBB_OK && kind == PARTS_LAYERS) status = order_check(&parts, i, error);
        if (status != EBB_OK) return status;
    }
    region *work = region_open(r->root, "save", EBB_CLASS_SCRATCH, 0);
    if (work == NULL) return region_fail(r->root, error, path, "a file");
    status = file_writer_open(work, path, &file, error);
    if (status == EBB_OK) status = parts_file_write(work, &parts, kind, &file, error);
    if (status == EBB_OK) status = file_writer_commit(&file, error);
    file_writer_discard(&file);
    region_close(work);
    return status;
}
