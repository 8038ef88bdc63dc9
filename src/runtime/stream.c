/* stream.c -- predictions from .npy files to .npy files, a batch at a time.
 *
 * Memory: one batch of every input and output, class data. Outputs appear whole or not at all. */
#include <inttypes.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "format/source.h"
#include "format/file_writer.h"
#include "runtime/model.h"
#include "runtime/options.h"
#include "tensor/npy.h"
#include "tensor/view.h"

#define HEADER_BYTES ((size_t)64 << 10)

typedef struct stream_input {
    source *file;
    npy_header header;
    uint64_t row_bytes;
} stream_input;

typedef struct stream {
    model *m;
    region *home;
    stream_input *inputs;
    file_writer *outputs;
    ebb_view *in, *out; /* one batch */
    uint64_t *out_row_bytes;
    int64_t rows, batch;
} stream;

static ebb_status open_input(stream *s, uint32_t index, const char *path, ebb_error *error)
{
    stream_input *input = &s->inputs[index];
    ebb_status status = source_open(s->home, path, &input->file, error);
    if (status != EBB_OK) return status;

    const uint64_t size = source_bytes(input->file);
    const size_t length = size < HEADER_BYTES ? (size_t)size : HEADER_BYTES;
    region *work = region_open(s->home, "header", EBB_CLASS_SCRATCH, 0);
    void *bytes = work == NULL ? NULL : region_block(work, length + 1);
    status = bytes == NULL ? region_fail(s->home, error, path, "a header")
                           : source_read(input->file, 0, bytes, length, error);
    if (status == EBB_OK) status = npy_header_read(bytes, length, path, &input->header, error);
    region_close(work);
    if (status != EBB_OK) return status;
    const npy_header *h = &input->header;
    if (h->data_offset > size || h->data_bytes > size - h->data_offset) {
        return fail(error, EBB_E_FORMAT, path,
                    "the header promises %" PRIu64 " bytes of data, the file has %" PRIu64
                    "; it is truncated",
                    h->data_bytes, size > h->data_offset ? size - h->data_offset : 0);
    }
    if (h->rank == 0 || h->dims[0] < 1) {
        return fail(error, EBB_E_SHAPE, path, "expected at least one row");
    }
    if (index > 0 && h->dims[0] != s->rows) {
        return fail(error, EBB_E_SHAPE, path,
                    "has %" PRId64 " rows where the first input has %" PRId64, h->dims[0], s->rows);
    }
    s->rows = h->dims[0];
    input->row_bytes = h->data_bytes / (uint64_t)h->dims[0];
    s->in[index] = (ebb_view){.dtype = h->dtype, .rank = h->rank};
    memcpy(s->in[index].dims, h->dims, sizeof h->dims);
    return EBB_OK;
}

static ebb_status take_buffer(stream *s, ebb_view *view, uint64_t *row_bytes, ebb_error *error)
{
    view->dims[0] = s->batch;
    const uint64_t bytes = ebb_view_bytes(view);
    if (bytes == UINT64_MAX)
        return fail(error, EBB_E_SHAPE, s->m->info.name, "one batch is too large to address");
    view->data = region_block(s->home, bytes + 1);
    if (view->data == NULL)
        return region_fail(s->home, error, s->m->info.name, "one batch of data");
    if (row_bytes != NULL) *row_bytes = bytes / (uint64_t)s->batch;
    return EBB_OK;
}

static ebb_status open_output(stream *s, uint32_t index, const char *path, ebb_error *error)
{
    char bytes[256];
    npy_header header = {.dtype = s->out[index].dtype, .rank = s->out[index].rank};
    ebb_status status = file_writer_open(s->home, path, &s->outputs[index], error);

    if (status != EBB_OK) return status;
    memcpy(header.dims, s->out[index].dims, sizeof header.dims);
    header.dims[0] = s->rows;
    return file_writer_put(&s->outputs[index], bytes, npy_header_write(&header, bytes), error);
}

static ebb_status prepare(stream *s, const char *const *inputs, const char *const *outputs,
                          ebb_error *error)
{
    const uint32_t in = s->m->built->input_count, out = s->m->built->output_count;
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < out; i++) s->outputs[i].descriptor = -1;
    for (uint32_t i = 0; i < in && status == EBB_OK; i++)
        status = open_input(s, i, inputs[i], error);
    if (status != EBB_OK) return status;
    if (s->batch > s->rows || s->m->batch_symbol < 0) s->batch = s->rows;
    for (uint32_t i = 0; i < in && status == EBB_OK; i++)
        status = take_buffer(s, &s->in[i], NULL, error);
    if (status != EBB_OK) return status;
    const ebb_views views = {s->in, in};
    status = model_output_shapes(s->m, &views, s->out, out, error);
    for (uint32_t i = 0; i < out && status == EBB_OK; i++) {
        if (s->out[i].rank == 0 || s->out[i].dims[0] != s->batch) {
            return fail(error, EBB_E_UNSUPPORTED, s->m->built->outputs[i].name,
                        "the output has no row per input row, so it cannot be streamed");
        }
        status = take_buffer(s, &s->out[i], &s->out_row_bytes[i], error);
        if (status == EBB_OK) status = open_output(s, i, outputs[i], error);
    }
    return status;
}

static ebb_status run_batch(stream *s, int64_t first, int64_t rows, ebb_error *error)
{
    const uint32_t in = s->m->built->input_count, out = s->m->built->output_count;
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < in && status == EBB_OK; i++) {
        stream_input *input = &s->inputs[i];
        const uint64_t bytes = input->row_bytes * (uint64_t)rows;
        s->in[i].dims[0] = rows;
        status =
            source_read(input->file, input->header.data_offset + input->row_bytes * (uint64_t)first,
                        s->in[i].data, bytes, error);
        if (status == EBB_OK && input->header.swapped) {
            npy_swap(input->header.dtype, s->in[i].data,
                     bytes / ebb_dtype_bytes(input->header.dtype));
        }
    }
    for (uint32_t i = 0; i < out; i++) s->out[i].dims[0] = rows;
    const ebb_views inputs = {s->in, in}, outputs = {s->out, out};
    if (status == EBB_OK) status = model_predict(s->m, &inputs, &outputs, error);
    for (uint32_t i = 0; i < out && status == EBB_OK; i++) {
        status = file_writer_put(&s->outputs[i], s->out[i].data,
                                 s->out_row_bytes[i] * (uint64_t)rows, error);
    }
    return status;
}

static ebb_status run_all(stream *s, const ebb_stream_options *o, ebb_error *error)
{
    for (int64_t first = 0; first < s->rows; first += s->batch) {
        const int64_t rows = s->rows - first < s->batch ? s->rows - first : s->batch;
        ebb_status status = run_batch(s, first, rows, error);
        if (status != EBB_OK) return status;
        if (o->progress != NULL &&
            !o->progress(o->context, (uint64_t)(first + rows), (uint64_t)s->rows)) {
            return fail(error, EBB_E_CANCELLED, s->m->info.name,
                        "cancelled after %" PRId64 " of %" PRId64 " rows", first + rows, s->rows);
        }
    }
    for (uint32_t i = 0; i < s->m->built->input_count; i++) {
        const ebb_status status = source_unchanged(s->inputs[i].file, error);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

static ebb_status allocate(stream *s, ebb_error *error)
{
    const uint32_t in = s->m->built->input_count, out = s->m->built->output_count;

    s->inputs = region_new(s->home, stream_input, in + 1);
    s->outputs = region_new(s->home, file_writer, out + 1);
    s->in = region_new(s->home, ebb_view, in + 1);
    s->out = region_new(s->home, ebb_view, out + 1);
    s->out_row_bytes = region_new(s->home, uint64_t, out + 1);
    if (s->inputs != NULL && s->outputs != NULL && s->in != NULL && s->out != NULL &&
        s->out_row_bytes != NULL) {
        return EBB_OK;
    }
    return region_fail(s->home, error, s->m->info.name, "a stream");
}

/* Two outputs of one name would leave the last one only. */
static ebb_status check_paths(const model *m, const char *const *inputs, const char *const *outputs,
                              ebb_error *error)
{
    for (uint32_t i = 0; i < m->built->input_count; i++) {
        if (inputs[i] != NULL) continue;
        return fail(error, EBB_E_ARGUMENT, m->built->inputs[i].name, "input %u has no path", i);
    }
    for (uint32_t i = 0; i < m->built->output_count; i++) {
        if (outputs[i] == NULL) {
            return fail(error, EBB_E_ARGUMENT, m->built->outputs[i].name, "output %u has no path",
                        i);
        }
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(outputs[i], outputs[k]) != 0) continue;
            return fail(error, EBB_E_ARGUMENT, outputs[i],
                        "outputs %u and %u have the same path; give each its own", k, i);
        }
    }
    return EBB_OK;
}

ebb_status model_predict_files(model *m, const char *const *inputs, const char *const *outputs,
                               const ebb_stream_options *options, ebb_error *error)
{
    ebb_stream_options o = EBB_STREAM_OPTIONS_INIT;
    stream s = {.m = m};
    ebb_status status =
        options_copy(&o, sizeof o, options, "stream options", "EBB_STREAM_OPTIONS_INIT", error);

    if (status == EBB_OK) status = check_paths(m, inputs, outputs, error);
    if (status != EBB_OK) return status;
    s.batch = o.batch != 0 ? o.batch : m->info.batch;
    s.home = region_open(m->owner->root, "stream", EBB_CLASS_DATA, 0);
    if (s.home == NULL) return region_fail(m->owner->root, error, m->info.name, "a stream");
    status = allocate(&s, error);
    if (status == EBB_OK) status = prepare(&s, inputs, outputs, error);
    if (status == EBB_OK) status = run_all(&s, &o, error);
    for (uint32_t i = 0; s.outputs != NULL && i < m->built->output_count; i++) {
        if (s.outputs[i].path == NULL) continue;
        if (status == EBB_OK)
            status = file_writer_commit(&s.outputs[i], error);
        else
            file_writer_discard(&s.outputs[i]);
    }
    for (uint32_t i = 0; s.inputs != NULL && i < m->built->input_count; i++)
        source_close(s.inputs[i].file);
    region_close(s.home);
    return status;
}
