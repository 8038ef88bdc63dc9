/* weights.c -- see weights.h. Large weights that stay plain are read straight into their place;
 * packed ones go through one plain copy in scratch, which is given back before the next. */
#include "exec/weights.h"

#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "exec/executable_internal.h"
#include "exec/fold.h"
#include "exec/weights_packed.h"
#include "tensor/dtype.h"

#define READ_BYTES ((uint64_t)1 << 20) /* one piece of a weight whose stored type differs */

static bool is_variable(const graph *g, value v)
{
    return g->values[v].kind == VALUE_WEIGHT && !g->values[v].is_constant;
}

ebb_status weights_open(region *home, const device *device, const graph *g, bool keep_all,
                        weights **result, ebb_error *error)
{
    weights *w = region_new(home, weights, 1);

    *result = NULL;
    if (w == NULL) return region_fail(home, error, "weights", "the table of weights");
    *w = (weights){.home = home, .device = device, .graph = g, .runs = &w->own_runs};
    for (value v = 1; v < g->value_count; v++) {
        w->slot_capacity += g->values[v].is_constant || is_variable(g, v);
    }
    w->slots = region_new(home, weight_slot, w->slot_capacity + 1);
    w->slot_of = region_new(home, uint32_t, g->value_count);
    if (w->slots == NULL || w->slot_of == NULL) {
        return region_fail(home, error, "weights", "the table of weights");
    }
    for (value v = 1; v < g->value_count; v++) {
        if (!is_variable(g, v) && !(keep_all && g->values[v].kind == VALUE_WEIGHT)) continue;
        if (weights_slot(w, v) == NULL)
            return region_fail(home, error, "weights", "the form of a weight");
    }
    *result = w;
    return EBB_OK;
}

weight_slot *weights_slot(weights *w, value v)
{
    const value_info *info = graph_value(w->graph, v);

    if (w->slot_of[v] != 0) return &w->slots[w->slot_of[v] - 1];
    weight_slot *slot = &w->slots[w->slot_count++];
    slot->v = v;
    slot->plain = desc_of_constant(w->graph, v);
    slot->is_folded = info->kind == VALUE_RESULT;
    if (info->packing != NULL) {
        slot->packing = info->packing;
        slot->form = packed_form_make(w->home, info->packing);
        slot->is_decided = true;
        if (slot->form == NULL) {
            w->slot_count--;
            return NULL;
        }
    }
    w->slot_of[v] = w->slot_count;
    return slot;
}

void weights_lend(weights *w, void *const *memory)
{
    for (uint32_t i = 0; i < w->slot_count; i++) {
        weight_slot *slot = &w->slots[i];
        if (is_variable(w->graph, slot->v))
            slot->lent = memory[graph_value(w->graph, slot->v)->index];
    }
}

/* Plans that come later find what they read, also when none could be made before. */
static bool keep_read(weights *w)
{
    const graph *g = w->graph;
    bool is_kept = true;

    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        if (!node_runs(g, n)) continue;
        for (uint32_t k = 0; k < n->input_count; k++) {
            const value v = n->inputs[k];
            if (v != VALUE_NONE && g->values[v].is_constant) is_kept &= weights_slot(w, v) != NULL;
        }
    }
    for (uint32_t i = 0; i < g->output_count; i++) {
        const value v = g->outputs[i];
        if (g->values[v].is_constant) is_kept &= weights_slot(w, v) != NULL;
    }
    return is_kept;
}

ebb_status weights_layout(weights *w, ebb_error *error)
{
    size_t offset = 0;

    if (!keep_read(w)) return region_fail(w->home, error, "weights", "the form of a weight");
    for (uint32_t i = 0; i < w->slot_count; i++) {
        weight_slot *slot = &w->slots[i];
        slot->is_decided = true;
        slot->offset = offset;
        if (is_variable(w->graph, slot->v)) continue;
        slot->bytes = slot->form == NULL ? tensor_desc_bytes(&slot->plain) : slot->form->bytes;
        if (!size_add(offset, slot->bytes, &offset) ||
            !size_align(offset, BLOCK_ALIGNMENT, &offset)) {
            return fail(error, EBB_E_MEMORY, "weights",
                        "the weights do not fit into memory addresses");
        }
    }
    w->block_bytes = offset;
    return EBB_OK;
}

static uint64_t scratch_bytes(const weights *w, uint64_t largest)
{
    for (uint32_t i = 0; i < w->slot_count; i++) {
        const weight_slot *slot = &w->slots[i];
        const uint64_t plain = tensor_desc_bytes(&slot->plain);
        const uint64_t need = slot->is_folded         ? 3 * plain
                              : slot->packing != NULL ? packed_fill_bytes(slot->packing)
                              : slot->form != NULL    ? plain
                                                      : 0;
        if (need > largest) largest = need;
    }
    return largest == 0 ? 0 : region_block_bytes(largest);
}

uint64_t weights_scratch_bytes(const weights *w)
{
    return scratch_bytes(w, READ_BYTES);
}

uint64_t weights_fold_bytes(const weights *w)
{
    return scratch_bytes(w, 0);
}

/* -- filling ---------------------------------------------------------------------------------- */

typedef struct filler {
    const weights *weights;
    const weight_reader *reader; /* NULL: variables come from the slots */
    value set;                   /* a variable about to be set, VALUE_NONE = none */
    const void *set_to;
} filler;

static ebb_status read_variable(const weight_reader *reader, const graph *g, value v,
                                region *scratch, void *bytes, ebb_error *error)
{
    const tensor_desc plain = desc_of_constant(g, v);

    return reader->read(reader->context, scratch, graph_value(g, v)->index, 0,
                        tensor_desc_count(&plain), bytes, error);
}

/* Leaves of a folded expression while loading: literals, stored slots, or straight from the file.
 */
static ebb_status read_leaf(void *context, region *scratch, value v, const void **bytes,
                            ebb_error *error)
{
    filler *f = context;
    const value_info *info = graph_value(f->weights->graph, v);
    const tensor_desc plain = desc_of_constant(f->weights->graph, v);

    if (info->kind == VALUE_CONSTANT) {
        *bytes = info->data;
        return EBB_OK;
    }
    if (v == f->set) {
        *bytes = f->set_to;
        return EBB_OK;
    }
    if (info->kind != VALUE_WEIGHT) {
        return fail(error, EBB_E_INTERNAL, "fold", "value %u is no leaf of a constant expression",
                    v);
    }
    void *copy = region_block(scratch, tensor_desc_bytes(&plain) + 1);
    if (copy == NULL) return region_fail(scratch, error, "fold", "a weight");
    *bytes = copy;
    if (f->reader != NULL)
        return read_variable(f->reader, f->weights->graph, v, scratch, copy, error);
    return weights_get(f->weights, v, copy, error);
}

static ebb_status pack_slot(const weights *w, const weight_slot *slot, const void *plain,
                            ebb_error *error)
{
    uint8_t *place = w->block + slot->offset;

    if (slot->form == NULL) {
        memcpy(place, plain, slot->bytes);
        return EBB_OK;
    }
    if (slot->form->pack(slot->form, &slot->plain, plain, place) != EBB_OK) {
        return fail(error, EBB_E_INTERNAL, "weights", "packing into %s failed", slot->form->name);
    }
    return EBB_OK;
}

static ebb_status fill_slot(filler *f, const weight_slot *slot, region *scratch, ebb_error *error)
{
    const weights *w = f->weights;
    const value_info *info = graph_value(w->graph, slot->v);
    const bool is_straight = slot->form == NULL;
    void *place = is_straight ? w->block + slot->offset : NULL;
    ebb_status status;

    if (info->kind == VALUE_CONSTANT) return pack_slot(w, slot, info->data, error);
    if (slot->packing != NULL) return packed_fill(w, slot, f->reader, scratch, error);
    if (place == NULL) place = region_block(scratch, tensor_desc_bytes(&slot->plain) + 1);
    if (place == NULL) return region_fail(scratch, error, "weights", "the plain form of a weight");
    if (slot->is_folded) {
        const fold_leaf leaf = {read_leaf, f};
        status = fold_evaluate(w->device, w->graph, slot->v, scratch, &leaf, place, error);
    } else {
        status = read_variable(f->reader, w->graph, slot->v, scratch, place, error);
    }
    if (status != EBB_OK || is_straight) return status;
    return pack_slot(w, slot, place, error);
}

/* Each slot has a scratch region of its own, closed before the next. */
static ebb_status fill_one(filler *f, const weight_slot *slot, region *scratch, ebb_error *error)
{
    region *work = region_open(scratch, "staging", EBB_CLASS_SCRATCH, 0);

    if (work == NULL) return region_fail(scratch, error, "weights", "staging");
    const ebb_status status = fill_slot(f, slot, work, error);
    region_close(work);
    return status;
}

ebb_status weights_refill(const weights *w, region *scratch, const weight_reader *reader,
                          ebb_error *error)
{
    filler f = {.weights = w, .reader = reader};
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < w->slot_count && status == EBB_OK; i++) {
        if (!is_variable(w->graph, w->slots[i].v))
            status = fill_one(&f, &w->slots[i], scratch, error);
    }
    return status;
}

ebb_status weights_fill(weights *w, region *store, region *scratch, const weight_reader *reader,
                        ebb_error *error)
{
    if (w->block_bytes == 0) return EBB_OK;
    w->block = region_block(store, w->block_bytes);
    if (w->block == NULL) return region_fail(store, error, "weights", "the weights");
    return weights_refill(w, scratch, reader, error);
}

/* -- stowing ---------------------------------------------------------------------------------- */

static bool is_stowed(const weights *w, const weight_slot *slot)
{
    return !slot->is_folded && slot->lent == NULL && !is_variable(w->graph, slot->v) &&
           graph_value(w->graph, slot->v)->kind == VALUE_WEIGHT;
}

uint64_t weights_stow_bytes(const weights *w)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < w->slot_count; i++)
        bytes += is_stowed(w, &w->slots[i]) ? w->slots[i].bytes : 0;
    return bytes;
}

void weights_stow(const weights *w, uint8_t *to)
{
    for (uint32_t i = 0; i < w->slot_count; i++) {
        const weight_slot *slot = &w->slots[i];
        if (!is_stowed(w, slot)) continue;
        memcpy(to, w->block + slot->offset, slot->bytes);
        to += slot->bytes;
    }
}

ebb_status weights_unstow(const weights *w, const uint8_t *from, region *scratch, ebb_error *error)
{
    filler f = {.weights = w};
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < w->slot_count; i++) {
        const weight_slot *slot = &w->slots[i];
        if (!is_stowed(w, slot)) continue;
        memcpy(w->block + slot->offset, from, slot->bytes);
        from += slot->bytes;
    }
    for (uint32_t i = 0; i < w->slot_count && status == EBB_OK; i++) {
        const weight_slot *slot = &w->slots[i];
        if (!is_stowed(w, slot) && !is_variable(w->graph, slot->v))
            status = fill_one(&f, slot, scratch, error);
    }
    return status;
}

/* -- access ----------------------------------------------------------------------------------- */

ebb_status weights_get(const weights *w, value v, void *bytes, ebb_error *error)
{
    const uint32_t number = w->slot_of[v];

    if (number == 0) return fail(error, EBB_E_UNSUPPORTED, "weights", "this weight was not kept");
    const weight_slot *slot = &w->slots[number - 1];
    const uint8_t *place = w->block + slot->offset;
    if (slot->form == NULL) {
        memcpy(bytes, place, slot->bytes);
        return EBB_OK;
    }
    if (slot->form->unpack(slot->form, &slot->plain, place, bytes) != EBB_OK) {
        return fail(error, EBB_E_INTERNAL, "weights", "unpacking from %s failed", slot->form->name);
    }
    return EBB_OK;
}

const weight_slot *weights_slot_find(const weights *w, value v)
{
    return w->slot_of[v] == 0 ? NULL : &w->slots[w->slot_of[v] - 1];
}

ebb_status weights_get_some(const weights *w, value v, region *scratch, uint64_t first,
                            uint64_t count, void *bytes, ebb_error *error)
{
    const weight_slot *slot = weights_slot_find(w, v);

    if (slot == NULL) return fail(error, EBB_E_UNSUPPORTED, "weights", "this weight was not kept");
    const uint64_t size = ebb_dtype_bytes(slot->plain.dtype);
    const bool is_whole = first == 0 && count == tensor_desc_count(&slot->plain);
    if (slot->form == NULL) {
        memcpy(bytes, w->block + slot->offset + first * size, count * size);
        return EBB_OK;
    }
    if (is_whole) return weights_get(w, v, bytes, error);
    region *work = region_open(scratch, "weight", EBB_CLASS_SCRATCH, 0);
    void *all = work == NULL ? NULL : region_block(work, tensor_desc_bytes(&slot->plain) + 1);
    ebb_status status = all == NULL
                            ? region_fail(work == NULL ? scratch : work, error, "weights", "a copy")
                            : weights_get(w, v, all, error);
    if (status == EBB_OK) memcpy(bytes, (uint8_t *)all + first * size, count * size);
    region_close(work);
    return status;
}

/* Which values change with value v. */
static void mark_changed(const graph *g, value v, bool *is_changed)
{
    is_changed[v] = true;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        bool changes = false;
        for (uint32_t k = 0; k < n->input_count; k++) changes |= is_changed[n->inputs[k]];
        for (uint32_t o = 0; changes && o < n->output_count; o++) is_changed[n->outputs[o]] = true;
    }
}

/* The plain form of every folded slot that changes, as it will be; NULL for the others. */
static ebb_status refold(filler *f, region *scratch, void **plain, ebb_error *error)
{
    const weights *w = f->weights;
    const fold_leaf leaf = {read_leaf, f};
    bool *is_changed = region_new(scratch, bool, w->graph->value_count);

    if (is_changed == NULL) return region_fail(scratch, error, "weights", "folded weights");
    mark_changed(w->graph, f->set, is_changed);
    for (uint32_t i = 0; i < w->slot_count; i++) {
        const weight_slot *slot = &w->slots[i];
        if (!slot->is_folded || !is_changed[slot->v]) continue;
        region *work = region_open(scratch, "fold", EBB_CLASS_SCRATCH, 0);
        plain[i] = work == NULL ? NULL : region_block(scratch, tensor_desc_bytes(&slot->plain) + 1);
        const ebb_status status =
            plain[i] == NULL
                ? region_fail(scratch, error, "weights", "a folded weight")
                : fold_evaluate(w->device, w->graph, slot->v, work, &leaf, plain[i], error);
        region_close(work);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

/* Everything that can fail comes before the first slot is written. */
ebb_status weights_set(weights *w, value v, const void *bytes, region *scratch, ebb_error *error)
{
    const uint32_t number = w->slot_of[v];
    filler f = {.weights = w, .set = v, .set_to = bytes};

    if (number == 0) return fail(error, EBB_E_UNSUPPORTED, "weights", "this weight was not kept");
    if (w->slots[number - 1].packing != NULL)
        return packed_set_refuse(w->slots[number - 1].packing, error);
    void **plain = region_new(scratch, void *, w->slot_count);
    if (plain == NULL) return region_fail(scratch, error, "weights", "folded weights");
    ebb_status status = refold(&f, scratch, plain, error);
    if (status == EBB_OK) status = pack_slot(w, &w->slots[number - 1], bytes, error);
    for (uint32_t i = 0; i < w->slot_count && status == EBB_OK; i++) {
        if (plain[i] != NULL) status = pack_slot(w, &w->slots[i], plain[i], error);
    }
    return status;
}
