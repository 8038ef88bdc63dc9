/* batch_slot.c -- see batch_slot.h. */
#include "train/data/batch_slot.h"

#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "tensor/npy.h"
#include "train/data/row_order.h"

/* -- opening ----------------------------------------------------------------------------------- */

static const data_column *weight_column(const data_set *s)
{
    const data_column *c = &s->columns[s->x_count + s->y_count];

    return s->weight_count > 0 && c->rows.rank > 0 ? c : NULL;
}

static ebb_view typed_view(const data_column *c)
{
    ebb_view view = c->rows;

    view.dtype = c->dtype;
    return view;
}

static ebb_status weights_open(region *home, const batch_rows *rows, batch_slot *slot,
                               ebb_error *error)
{
    const data_set *s = rows->set;
    const data_column *given = weight_column(s);
    ebb_view *view = &slot->views[data_column_count(s)];

    if (s->y_count != 1) {
        return fail(error, EBB_E_ARGUMENT, "class_weight",
                    "works with one target only, there are %u; use sample weights", s->y_count);
    }
    const ebb_view y = typed_view(&s->columns[s->x_count]);
    const ebb_view weights = given != NULL ? typed_view(given) : (ebb_view){0};
    const ebb_status status = class_weights_shape(&y, given != NULL ? &weights : NULL, view, error);
    if (status != EBB_OK) return status;
    view->dims[0] = rows->batch;
    slot->weights = region_block(home, (size_t)ebb_view_bytes(view) + 1);
    if (slot->weights == NULL) return region_fail(home, error, "class_weight", "a batch");
    view->data = slot->weights;
    return EBB_OK;
}

ebb_status batch_slot_open(region *home, const batch_rows *rows, batch_slot *slot, ebb_error *error)
{
    const data_set *s = rows->set;
    const uint32_t count = data_column_count(s);

    slot->views = region_new(home, ebb_view, count + 1);
    slot->buffers = region_new(home, void *, count + 1);
    if (slot->views == NULL || slot->buffers == NULL)
        return region_fail(home, error, "data", "a batch");
    for (uint32_t i = 0; i < count; i++) {
        const data_column *c = &s->columns[i];
        uint64_t bytes;

        slot->views[i] = c->rows;
        if (c->rows.rank == 0 || (c->rows.data != NULL && !rows->shuffles)) continue;
        if (!u64_mul(c->row_bytes, (uint64_t)rows->batch, &bytes) || bytes >= SIZE_MAX / 2)
            return fail(error, EBB_E_SHAPE, c->name, "one batch is too large to address");
        slot->buffers[i] = region_block(home, (size_t)bytes + 1);
        if (slot->buffers[i] == NULL) return region_fail(home, error, c->name, "a batch");
    }
    slot->batch.x = (ebb_views){slot->views, s->x_count};
    slot->batch.y = (ebb_views){slot->views + s->x_count, s->y_count};
    slot->batch.sample_weight = (ebb_views){slot->views + s->x_count + s->y_count, s->weight_count};
    if (rows->weights == NULL) return EBB_OK;
    slot->batch.sample_weight = (ebb_views){slot->views + count, 1};
    return weights_open(home, rows, slot, error);
}

/* -- filling ----------------------------------------------------------------------------------- */

void batch_slot_aim(batch_slot *slot, uint64_t pass, uint64_t number)
{
    slot->is_filled = slot->is_filled && slot->pass == pass && slot->number == number;
    slot->pass = pass;
    slot->number = number;
}

static ebb_status rows_read(const data_column *c, uint64_t first, uint64_t rows, char *to,
                            ebb_error *error)
{
    const uint64_t bytes = rows * c->row_bytes;

    if (c->rows.data != NULL) {
        if (bytes > 0) memcpy(to, (const char *)c->rows.data + first * c->row_bytes, bytes);
        return EBB_OK;
    }
    const ebb_status status =
        source_read(c->file, c->offset + first * c->row_bytes, to, (size_t)bytes, error);
    if (status != EBB_OK) fail_within(error, c->path);
    if (status == EBB_OK && c->is_swapped)
        npy_swap(c->dtype, to, (size_t)(bytes / ebb_dtype_bytes(c->dtype)));
    return status;
}

static ebb_status gather(const batch_rows *r, const data_column *c, const row_order *order,
                         uint64_t at, uint64_t rows, char *to, ebb_error *error)
{
    ebb_status status = EBB_OK;

    if (!order->shuffles) return rows_read(c, (uint64_t)r->first + at, rows, to, error);
    for (uint64_t i = 0; i < rows && status == EBB_OK; i++, to += c->row_bytes)
        status = rows_read(c, (uint64_t)r->first + row_order_at(order, at + i), 1, to, error);
    return status;
}

static void weights_fill(const batch_rows *r, batch_slot *slot, int64_t rows)
{
    const data_set *s = r->set;
    const uint32_t count = data_column_count(s), weights = s->x_count + s->y_count;
    const bool is_given = weight_column(s) != NULL;
    ebb_view y = slot->views[s->x_count], given = {0};

    y.dtype = s->columns[s->x_count].dtype;
    if (is_given) {
        given = slot->views[weights];
        given.dtype = s->columns[weights].dtype;
    }
    slot->views[count].dims[0] = rows;
    class_weights_apply(r->weights, &y, is_given ? &given : NULL, &slot->views[count]);
}

ebb_status batch_slot_fill(const batch_rows *r, batch_slot *slot, ebb_error *error)
{
    const uint64_t at = slot->number * (uint64_t)r->batch, left = (uint64_t)r->count - at;
    const uint64_t rows = left < (uint64_t)r->batch ? left : (uint64_t)r->batch;
    const row_order order = row_order_make((uint64_t)r->count, r->shuffles, r->seed, slot->pass);
    ebb_status status = EBB_OK;

    if (slot->is_filled) return EBB_OK;
    for (uint32_t i = 0; i < data_column_count(r->set) && status == EBB_OK; i++) {
        const data_column *c = &r->set->columns[i];
        ebb_view *view = &slot->views[i];

        if (c->rows.rank == 0) continue;
        view->dims[0] = (int64_t)rows;
        if (slot->buffers[i] == NULL) {
            view->data = (char *)c->rows.data + ((uint64_t)r->first + at) * c->row_bytes;
            continue;
        }
        view->data = slot->buffers[i];
        status = gather(r, c, &order, at, rows, slot->buffers[i], error);
    }
    if (status == EBB_OK && slot->weights != NULL) weights_fill(r, slot, (int64_t)rows);
    slot->is_filled = status == EBB_OK;
    return status;
}

/* -- functions --------------------------------------------------------------------------------- */

ebb_status batch_weights_set(batch_weights *w, const class_weights *weights, const engine *e,
                             ebb_batch *batch, ebb_error *error)
{
    ebb_view y = batch->y.items[0], given = {0};

    if (y.dtype == EBB_DTYPE_NONE)
        y.dtype = e->output_dtypes != NULL ? e->output_dtypes[0] : EBB_F32;
    if (batch->sample_weight.count > 0) given = batch->sample_weight.items[0];
    if (given.dtype == EBB_DTYPE_NONE) given.dtype = EBB_F32;
    const ebb_view *weight = given.rank > 0 ? &given : NULL;
    const ebb_status status = class_weights_shape(&y, weight, &w->view, error);
    if (status != EBB_OK) return status;
    if (weight != NULL && weight->dims[0] != y.dims[0]) {
        return fail(error, EBB_E_SHAPE, "sample_weight", "expected %lld rows as in y, got %lld",
                    (long long)y.dims[0], (long long)weight->dims[0]);
    }
    const uint64_t bytes = ebb_view_bytes(&w->view);
    if (bytes > w->bytes) {
        region_block_release(w->home, w->values);
        w->bytes = 0;
        w->values = region_block(w->home, (size_t)bytes);
        if (w->values == NULL) return region_fail(w->home, error, "class_weight", "a batch");
        w->bytes = bytes;
    }
    w->view.data = w->values;
    class_weights_apply(weights, &y, weight, &w->view);
    batch->sample_weight = (ebb_views){&w->view, 1};
    return EBB_OK;
}
