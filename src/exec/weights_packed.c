/* weights_packed.c -- see weights_packed.h. A weight is read up to three times, a piece of at most
 * PIECE_BYTES (or 16 rows) each time: for the scales that are not known, for where the values that
 * are not zero begin, and to be stored. */
#include "exec/weights_packed.h"

#include <inttypes.h>
#include <string.h>

#include "base/status.h"

#define PIECE_BYTES ((uint64_t)1 << 20)

static ebb_status form_unpack(const weight_form *form, const tensor_desc *plain, const void *source,
                              void *destination)
{
    const packed_layout *l = form->layout;

    (void)plain;
    packed_unpack(l, source, 0, l->rows, destination);
    return EBB_OK;
}

const weight_form *packed_form_make(region *home, const packed_layout *l)
{
    weight_form *form = region_new(home, weight_form, 1);

    if (form != NULL)
        *form =
            (weight_form){.name = "packed", .bytes = l->bytes, .layout = l, .unpack = form_unpack};
    return form;
}

static uint64_t piece_rows(const packed_layout *l)
{
    uint64_t rows = PIECE_BYTES / sizeof(float) / l->columns;

    rows -= rows % PACKED_ROWS;
    if (rows < PACKED_ROWS) rows = PACKED_ROWS;
    return rows < l->rows ? rows : l->rows;
}

uint64_t packed_fill_bytes(const packed_layout *l)
{
    return piece_rows(l) * l->columns * sizeof(float) + 1;
}

ebb_status packed_set_refuse(const packed_layout *l, ebb_error *error)
{
    return fail(error, EBB_E_UNSUPPORTED, "weights",
                "the weight is kept as %s%s and cannot be set; make the model plain with "
                "ebb_model_expand() first",
                l->is_sparse ? "pruned " : "", ebb_dtype_name(l->kind));
}

typedef enum packing_step { STEP_MEASURE, STEP_COUNT, STEP_STORE } packing_step;

typedef struct packing {
    const packed_layout *layout;
    const weight_reader *reader;
    region *scratch;
    uint32_t index;
    float *piece;
    uint8_t *block;
} packing;

static ebb_status all_rows(const packing *p, packing_step step, ebb_error *error)
{
    const packed_layout *l = p->layout;
    const uint64_t rows = piece_rows(l);

    for (uint64_t at = 0; at < l->rows; at += rows) {
        const uint64_t count = l->rows - at < rows ? l->rows - at : rows;
        const ebb_status status =
            p->reader->read(p->reader->context, p->scratch, p->index, at * l->columns,
                            count * l->columns, p->piece, error);
        if (status != EBB_OK) return status;
        if (step == STEP_MEASURE)
            packed_measure(l, packed_scales(p->block), at, count, p->piece);
        else if (step == STEP_COUNT)
            packed_count(l, p->block, at, count, p->piece);
        else if (!packed_store(l, p->block, at, count, p->piece))
            return fail(error, EBB_E_IO, "weights", "weight %u changed while it was read",
                        p->index);
    }
    return EBB_OK;
}

static ebb_status fill_scales(const packing *p, const packed_reader *from, ebb_error *error)
{
    bool is_known = false;
    ebb_status status = EBB_OK;

    if (from != NULL && from->scales != NULL) {
        status = from->scales(from->context, p->scratch, p->index, packed_scales(p->block),
                              &is_known, error);
    }
    if (status != EBB_OK || is_known) return status;
    status = all_rows(p, STEP_MEASURE, error);
    packed_measured(p->layout, packed_scales(p->block));
    return status;
}

ebb_status packed_fill(const weights *w, const weight_slot *slot, const weight_reader *reader,
                       region *scratch, ebb_error *error)
{
    const packed_layout *l = slot->packing;
    const packed_reader *from = w->packed_from;
    packing p = {.layout = l,
                 .reader = reader,
                 .scratch = scratch,
                 .index = graph_value(w->graph, slot->v)->index,
                 .block = w->block + slot->offset};
    const void *bytes =
        from == NULL || from->bytes == NULL ? NULL : from->bytes(from->context, p.index, l);
    ebb_status status = EBB_OK;

    if (bytes != NULL) {
        memcpy(p.block, bytes, (size_t)l->bytes);
        return EBB_OK;
    }
    p.piece = region_block(scratch, (size_t)packed_fill_bytes(l));
    if (p.piece == NULL) return region_fail(scratch, error, "weights", "a piece of a weight");
    memset(p.block, 0, (size_t)l->bytes);
    if (l->kind == EBB_I8) status = fill_scales(&p, from, error);
    if (status == EBB_OK && l->is_sparse) {
        status = all_rows(&p, STEP_COUNT, error);
        if (status == EBB_OK && !packed_counted(l, p.block))
            status = fail(error, EBB_E_FORMAT, "weights",
                          "weight %u has not the %" PRIu64
                          " elements other than zero that it is said to have",
                          p.index, l->stored);
    }
    return status == EBB_OK ? all_rows(&p, STEP_STORE, error) : status;
}
