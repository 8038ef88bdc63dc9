/* spill.c -- see spill.h. */
#include "runtime/lifecycle/spill.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/size.h"
#include "base/status.h"
#include "tensor/npy.h"

#define HEADER_BYTES 256u /* npy_header_write() makes at most so many */

/* Undoes what was begun: a no-op after a commit. */
static void end(void *object, ebb_receipt *receipt)
{
    spill *s = object;

    if (s->process != getpid()) s->file.temporary = NULL;
    receipt->descriptors += s->file.descriptor >= 0;
    file_writer_discard(&s->file);
    managed_end(&s->base, receipt);
}

static void after_fork(void *object)
{
    spill *s = object;

    atomic_store(&s->is_busy, false);
}

ebb_status spill_open(runtime *r, const char *path, uint64_t *id, ebb_error *error)
{
    const size_t length = strlen(path);
    managed *m = NULL;

    if (length <= 4 || strcmp(path + length - 4, ".npy") != 0)
        return fail(error, EBB_E_ARGUMENT, path, "expected a name that ends with .npy");
    ebb_status status = managed_make(r, HANDLE_SPILL, "spill", sizeof(spill), end, &m, error);
    if (status != EBB_OK) return status;
    spill *s = (spill *)m;
    s->process = getpid();
    m->link.after_fork = after_fork;
    status = file_writer_open(m->home, path, &s->file, error);
    if (status != EBB_OK) {
        region_close(m->home);
        return status;
    }
    status = managed_issue(m, id, error);
    if (status != EBB_OK) {
        file_writer_discard(&s->file);
        region_close(m->home);
    }
    return status;
}

static ebb_status check_rows(spill *s, const ebb_view *rows, ebb_error *error)
{
    const char *where = s->file.path;
    const uint64_t bytes = ebb_view_bytes(rows);

    if (rows->rank == 0 || rows->rank > EBB_RANK_MAX || bytes == UINT64_MAX)
        return fail(error, EBB_E_SHAPE, where, "expected rows: a rank from 1 to %d and valid dims",
                    EBB_RANK_MAX);
    if (ebb_dtype_bytes(rows->dtype) == 0)
        return fail(error, EBB_E_DTYPE, where, "%d is no data type", (int)rows->dtype);
    if (rows->data == NULL && bytes > 0)
        return fail(error, EBB_E_ARGUMENT, where, "the rows have no memory");
    if (s->shape.rank == 0) return EBB_OK;
    if (rows->dtype != s->shape.dtype) {
        return fail(error, EBB_E_DTYPE, where, "the rows are %s, those before are %s",
                    ebb_dtype_name(rows->dtype), ebb_dtype_name(s->shape.dtype));
    }
    if (rows->rank != s->shape.rank) {
        return fail(error, EBB_E_SHAPE, where, "the rows have rank %u, those before %u", rows->rank,
                    s->shape.rank);
    }
    for (uint32_t i = 1; i < rows->rank; i++) {
        if (rows->dims[i] == s->shape.dims[i]) continue;
        return fail(error, EBB_E_SHAPE, where,
                    "axis %u has length %" PRId64 ", in the rows before %" PRId64, i, rows->dims[i],
                    s->shape.dims[i]);
    }
    return EBB_OK;
}

static ebb_status begin_file(spill *s, const ebb_view *rows, ebb_error *error)
{
    const char blank[HEADER_BYTES] = {0};
    const ebb_status status = file_writer_put(&s->file, blank, sizeof blank, error);

    if (status != EBB_OK) return status;
    s->shape = *rows;
    s->shape.data = NULL;
    s->shape.dims[0] = 0;
    return EBB_OK;
}

/* After a fault the file ends where it ended before. */
static ebb_status put(spill *s, const ebb_view *rows, uint64_t bytes, ebb_error *error)
{
    const uint64_t before = s->file.bytes;
    const ebb_status status = file_writer_put(&s->file, rows->data, bytes, error);

    if (status == EBB_OK) return EBB_OK;
    if (ftruncate(s->file.descriptor, (off_t)before) != 0 ||
        lseek(s->file.descriptor, (off_t)before, SEEK_SET) < 0)
        return status; /* the header tells how many rows count */
    s->file.bytes = before;
    return status;
}

static ebb_status append(spill *s, const ebb_view *rows, ebb_error *error)
{
    ebb_status status = check_rows(s, rows, error);
    int64_t total;

    if (status != EBB_OK) return status;
    if (!i64_add(s->shape.dims[0], rows->dims[0], &total))
        return fail(error, EBB_E_SHAPE, s->file.path, "more rows than fit into 64 bits");
    if (s->shape.rank == 0) {
        total = rows->dims[0];
        status = begin_file(s, rows, error);
    }
    if (status == EBB_OK) status = put(s, rows, ebb_view_bytes(rows), error);
    if (status == EBB_OK) s->shape.dims[0] = total;
    return status;
}

ebb_status spill_append(spill *s, const ebb_view *rows, ebb_error *error)
{
    if (s->process != getpid())
        return fail(error, EBB_E_STATE, s->file.path, "the file is the parent process's");
    if (atomic_exchange(&s->is_busy, true))
        return fail(error, EBB_E_BUSY, s->file.path, "another append is running");
    const ebb_status status = append(s, rows, error);
    atomic_store(&s->is_busy, false);
    return status;
}

/* A header of exactly HEADER_BYTES: blanks before the newline that ends it. */
static void write_header(const spill *s, char bytes[HEADER_BYTES])
{
    npy_header header = {.dtype = s->shape.dtype, .rank = s->shape.rank};

    memcpy(header.dims, s->shape.dims, sizeof header.dims);
    const size_t used = npy_header_write(&header, bytes);
    memset(bytes + used - 1, ' ', HEADER_BYTES - used + 1);
    bytes[HEADER_BYTES - 1] = '\n';
    bytes[8] = (char)(unsigned char)((HEADER_BYTES - 10) & 0xFF);
    bytes[9] = (char)(unsigned char)((HEADER_BYTES - 10) >> 8);
}

ebb_status spill_finish(spill *s, uint64_t *rows, ebb_error *error)
{
    char bytes[HEADER_BYTES];

    if (s->process != getpid())
        return fail(error, EBB_E_STATE, s->file.path, "the file is the parent process's");
    if (s->shape.rank == 0)
        return fail(error, EBB_E_STATE, s->file.path,
                    "nothing was appended: there is no shape yet");
    if (atomic_exchange(&s->is_busy, true)) /* for ever: the file is finished */
        return fail(error, EBB_E_BUSY, s->file.path, "an append is running");
    write_header(s, bytes);
    ebb_status status = file_writer_patch(&s->file, 0, bytes, sizeof bytes, error);
    if (status == EBB_OK) status = file_writer_commit(&s->file, error);
    if (status == EBB_OK && rows != NULL) *rows = (uint64_t)s->shape.dims[0];
    return status;
}
