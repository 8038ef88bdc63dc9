/* data_file.c -- see data_file.h, and ebb_data for the rules of members and columns.
 *
 * A .npy, and a stored member of a .npz, is a source that is read row by row. A compressed member
 * and a table of text are read whole. Every column opens its own file, except that a table is read
 * once for all columns it gives. */
#include "train/data/data_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "format/zip.h"
#include "tensor/npy.h"
#include "train/data/csv_reader.h"

#define HEADER_BYTES ((size_t)64 << 10)

typedef struct column_place {
    const char *group; /* "x", "y", "sample_weight" */
    const char *named; /* by the model; NULL: it has none */
    uint32_t index;
} column_place;

static bool is_table(const char *path)
{
    const size_t length = strlen(path);

    return length > 4 &&
           (strcmp(path + length - 4, ".csv") == 0 || strcmp(path + length - 4, ".tsv") == 0);
}

static column_place place_of(const data_set *s, const engine *e, uint32_t column)
{
    if (column < s->x_count) {
        const char *name = e->input_names != NULL ? e->input_names[column] : NULL;

        return (column_place){"x", name, column};
    }
    column -= s->x_count;
    if (column < s->y_count) {
        const char *name = e->output_names != NULL ? e->output_names[column] : NULL;

        return (column_place){"y", name, column};
    }
    return (column_place){"sample_weight", NULL, column - s->y_count};
}

/* Without y_files the targets are in the file of x with the same number, or in the first one. */
static const char *path_of(const data_set *s, const ebb_data *data, uint32_t column)
{
    if (column < s->x_count) return data->x_files[column];
    column -= s->x_count;
    if (column >= s->y_count) return data->sample_weight_file;
    return data->y_files != NULL ? data->y_files[column] : data->x_files[0];
}

/* -- .npz -------------------------------------------------------------------------------------- */

static const zip_member *member_named(const zip_archive *archive, const char *name)
{
    char text[256];
    const int length = snprintf(text, sizeof text, "%s.npy", name);

    return length > 0 && (size_t)length < sizeof text ? zip_find(archive, text) : NULL;
}

static const zip_member *member_find(const zip_archive *archive, const column_place *p)
{
    char numbered[32];
    const zip_member *found = p->named != NULL ? member_named(archive, p->named) : NULL;

    if (found != NULL) return found;
    snprintf(numbered, sizeof numbered, "%s%u", p->group, p->index);
    found = member_named(archive, numbered);
    return found != NULL ? found : member_named(archive, p->group);
}

static const zip_member *member_first(const zip_archive *archive)
{
    const zip_member *first = NULL;

    for (uint32_t i = 0; i < archive->count; i++) {
        const zip_member *m = &archive->members[i];

        if (first == NULL || m->data_offset < first->data_offset) first = m;
    }
    return first;
}

static bool is_archive(source *file)
{
    char head[2] = {0};

    return source_bytes(file) >= sizeof head &&
           source_read(file, 0, head, sizeof head, NULL) == EBB_OK && memcmp(head, "PK", 2) == 0;
}

/* -- .npy -------------------------------------------------------------------------------------- */

static ebb_status header_read(data_set *s, data_column *c, source *from, npy_header *h,
                              ebb_error *error)
{
    const uint64_t size = source_bytes(from);
    const size_t length = size < HEADER_BYTES ? (size_t)size : HEADER_BYTES;
    region *work = region_open(s->home, "header", EBB_CLASS_SCRATCH, 0);
    void *bytes = work == NULL ? NULL : region_block(work, length + 1);
    ebb_status status = bytes == NULL ? region_fail(s->home, error, c->path, "a header")
                                      : source_read(from, 0, bytes, length, error);

    if (status == EBB_OK) status = npy_header_read(bytes, length, c->path, h, error);
    region_close(work);
    if (status != EBB_OK) return status;
    if (h->data_offset > size || h->data_bytes > size - h->data_offset) {
        return fail(error, EBB_E_FORMAT, c->path,
                    "the header promises %" PRIu64 " bytes of data, the file has %" PRIu64
                    "; it is truncated",
                    h->data_bytes, size > h->data_offset ? size - h->data_offset : 0);
    }
    if (h->rank == 0 || h->dims[0] < 1)
        return fail(error, EBB_E_SHAPE, c->path, "%s: expected at least one row", c->name);
    return EBB_OK;
}

/* `bytes` NULL: stays in the file. */
static ebb_status array_open(data_set *s, data_column *c, source *from, char *bytes,
                             ebb_error *error)
{
    npy_header h;
    const ebb_status status = header_read(s, c, from, &h, error);

    if (status != EBB_OK) return status;
    c->rows = (ebb_view){.dtype = h.dtype, .rank = h.rank};
    memcpy(c->rows.dims, h.dims, sizeof h.dims);
    c->dtype = h.dtype;
    c->row_bytes = h.data_bytes / (uint64_t)h.dims[0];
    if (bytes == NULL) {
        c->file = from;
        c->offset = h.data_offset;
        c->is_swapped = h.swapped;
        s->reads_files = true;
        return EBB_OK;
    }
    c->rows.data = bytes + h.data_offset;
    if (h.swapped) npy_swap(h.dtype, c->rows.data, h.data_bytes / ebb_dtype_bytes(h.dtype));
    return EBB_OK;
}

static ebb_status member_open(data_set *s, data_column *c, source *file, const column_place *place,
                              ebb_error *error)
{
    zip_archive *archive = NULL;
    source *from = NULL;
    const char *bytes = NULL;
    ebb_status status = zip_open(s->home, file, &archive, error);

    if (status != EBB_OK) return status;
    const zip_member *m = member_find(archive, place);
    if (m == NULL) m = member_first(archive);
    if (m == NULL) return fail(error, EBB_E_FORMAT, c->path, "the archive has no arrays");
    if (m->method == 0) {
        status = zip_source(s->home, archive, m, &from, error);
        return status == EBB_OK ? array_open(s, c, from, NULL, error) : status;
    }
    if (m->bytes > DATA_COMPRESSED_BYTES_MAX) {
        return fail(error, EBB_E_UNSUPPORTED, c->path,
                    "%s is compressed and has %" PRIu64 " bytes; more than 1 GiB must be stored "
                    "(numpy.savez), so that it can be read batch by batch",
                    m->name, m->bytes);
    }
    status = zip_read(s->blocks, archive, m, DATA_COMPRESSED_BYTES_MAX, &bytes, error);
    if (status == EBB_OK) status = source_memory(s->home, bytes, m->bytes, c->path, &from, error);
    return status == EBB_OK ? array_open(s, c, from, (char *)(uintptr_t)bytes, error) : status;
}

/* -- tables ------------------------------------------------------------------------------------ */

/* Takes its place in the table: all columns but the last ones for x, one of those for a y. */
static ebb_status part_of(const data_set *s, const data_column *c, const csv_table *t,
                          uint32_t targets, bool has_x, uint32_t number, csv_part *part,
                          ebb_error *error)
{
    const bool is_x = c < s->columns + s->x_count;

    if (has_x ? t->columns <= targets : targets > 1 && t->columns != targets) {
        return fail(error, EBB_E_SHAPE, c->path, "%u columns are too few: %u of them are targets%s",
                    t->columns, targets, has_x ? " and x needs one at least" : "");
    }
    if (is_x)
        *part = (csv_part){0, t->columns - targets, NULL};
    else if (!has_x && targets <= 1)
        *part = (csv_part){0, t->columns, NULL};
    else
        *part = (csv_part){t->columns - targets + number, 1, NULL};
    return EBB_OK;
}

static ebb_status part_take(data_set *s, data_column *c, const csv_table *t, csv_part *part,
                            ebb_error *error)
{
    c->rows = (ebb_view){.dtype = EBB_F32, .rank = 2, .dims = {t->rows, (int64_t)part->count}};
    if (c >= s->columns + s->x_count + s->y_count && part->count == 1) c->rows.rank = 1;
    c->dtype = EBB_F32;
    c->row_bytes = part->count * sizeof(float);
    c->rows.data = region_block(s->blocks, (size_t)ebb_view_bytes(&c->rows));
    if (c->rows.data == NULL) return region_fail(s->blocks, error, c->path, "a table");
    part->values = c->rows.data;
    return EBB_OK;
}

static bool shares_table(const data_set *s, uint32_t one, uint32_t other)
{
    const uint32_t weights = s->x_count + s->y_count;

    return one < weights && other < weights &&
           strcmp(s->columns[one].path, s->columns[other].path) == 0;
}

/* Reads the table for column `first` and all others that name it. */
static ebb_status table_open(data_set *s, uint32_t first, source *file, ebb_error *error)
{
    region *work = region_open(s->home, "table", EBB_CLASS_SCRATCH, 0);
    csv_part *parts = work == NULL ? NULL : region_new(work, csv_part, data_column_count(s));
    csv_table t = {0};
    uint32_t inputs = 0, targets = 0, count = 0, number = 0;

    if (parts == NULL) {
        region_close(work);
        return region_fail(s->home, error, s->columns[first].path, "a table");
    }
    for (uint32_t i = first; i < data_column_count(s); i++) {
        if (i != first && !shares_table(s, first, i)) continue;
        inputs += i < s->x_count;
        targets += i >= s->x_count && i < s->x_count + s->y_count;
    }
    ebb_status status = csv_measure(work, file, &t, error);
    if (status == EBB_OK && inputs > 1) {
        status = fail(error, EBB_E_ARGUMENT, s->columns[first].path,
                      "%u inputs name this table; give each its own file", inputs);
    }
    for (uint32_t i = first; i < data_column_count(s) && status == EBB_OK; i++) {
        if (i != first && !shares_table(s, first, i)) continue;
        data_column *c = &s->columns[i];
        csv_part *part = &parts[count++];

        status = part_of(s, c, &t, targets, inputs > 0, number, part, error);
        number += i >= s->x_count;
        if (status == EBB_OK) status = part_take(s, c, &t, part, error);
    }
    if (status == EBB_OK) status = csv_read(work, &t, parts, count, error);
    region_close(work);
    return status;
}

/* -- columns ----------------------------------------------------------------------------------- */

static ebb_status file_take(data_set *s, const char *path, source **file, ebb_error *error)
{
    const ebb_status status = source_open(s->home, path, file, error);

    if (status == EBB_OK) s->files[s->file_count++] = *file;
    return status;
}

ebb_status data_files_open(data_set *s, const engine *e, const ebb_data *data, ebb_error *error)
{
    const uint32_t count = data_column_count(s);
    source *file = NULL;
    ebb_status status = EBB_OK;

    s->files = region_new(s->home, source *, count);
    if (s->files == NULL) return region_fail(s->home, error, "data", "files");
    for (uint32_t i = 0; i < count; i++) {
        s->columns[i].path = path_of(s, data, i);
        if (s->columns[i].path == NULL)
            return fail(error, EBB_E_ARGUMENT, s->columns[i].name, "no file is named for it");
    }
    for (uint32_t i = 0; i < count && status == EBB_OK; i++) {
        data_column *c = &s->columns[i];
        const column_place place = place_of(s, e, i);

        if (c->rows.rank != 0) continue; /* came with a table */
        status = file_take(s, c->path, &file, error);
        if (status != EBB_OK) break;
        if (is_table(c->path))
            status = table_open(s, i, file, error);
        else
            status = is_archive(file) ? member_open(s, c, file, &place, error)
                                      : array_open(s, c, file, NULL, error);
    }
    return status;
}

/* Does the archive have targets by name? */
static ebb_status archive_targets(data_set *s, const engine *e, const char *path, uint32_t *count,
                                  ebb_error *error)
{
    region *work = region_open(s->home, "archive", EBB_CLASS_SCRATCH, 0);
    source *file = NULL;
    zip_archive *archive = NULL;
    ebb_status status = work == NULL ? region_fail(s->home, error, path, "an archive")
                                     : source_open(work, path, &file, error);

    *count = 0;
    if (status == EBB_OK && is_archive(file)) {
        status = zip_open(work, file, &archive, error);
        for (uint32_t i = 0; status == EBB_OK && i < e->output_count; i++) {
            const char *name = e->output_names != NULL ? e->output_names[i] : NULL;
            const column_place place = {"y", name, i};

            *count += member_find(archive, &place) != NULL;
        }
    }
    source_close(file);
    region_close(work);
    return status;
}

ebb_status data_files_count(data_set *s, const engine *e, const ebb_data *data, ebb_error *error)
{
    const uint32_t outputs = e->output_count > 0 ? e->output_count : 1;
    const char *path = data->x_files[0];

    s->x_count = e->input_count > 0 ? e->input_count : 1;
    s->weight_count = data->sample_weight_file != NULL;
    if (path == NULL) return fail(error, EBB_E_ARGUMENT, "x", "no file is named for it");
    if (data->y_files != NULL || is_table(path)) {
        s->y_count = outputs;
        return EBB_OK;
    }
    return archive_targets(s, e, path, &s->y_count, error);
}
