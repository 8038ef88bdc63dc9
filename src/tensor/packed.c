/* packed.c -- layouts of packed matrices, and unpacking. See packed.h. */
#include "tensor/packed.h"

#include <string.h>

#include "base/size.h"
#include "tensor/half.h"

#define ALIGNMENT ((uint64_t)64)
#define TAIL      (PACKED_PANEL * sizeof(float))

/* Moves *at behind `count` items of `size` bytes, to a multiple of the alignment. */
static bool section(uint64_t *at, uint64_t count, uint64_t size)
{
    uint64_t bytes;

    if (!u64_mul(count, size, &bytes) || !u64_add(*at, bytes, at)) return false;
    if (!u64_add(*at, ALIGNMENT - 1, at)) return false;
    *at &= ~(ALIGNMENT - 1);
    return true;
}

static bool kind_fits(const packed_layout *l)
{
    return l->kind == EBB_F16 || l->kind == EBB_BF16 || l->kind == EBB_I8 ||
           (l->kind == EBB_F32 && l->is_sparse);
}

bool packed_layout_make(packed_layout *l)
{
    uint64_t elements, at = 0, groups = 0, starts = 0;

    if (!kind_fits(l) || l->rows == 0 || l->columns == 0 ||
        !u64_mul(l->rows, l->columns, &elements) || elements > UINT64_MAX / 64)
        return false;
    if (l->kind != EBB_I8) l->is_by_row = false;
    if (!l->is_sparse) l->stored = elements;
    if (l->stored > elements || (l->is_sparse && l->stored > UINT32_MAX)) return false;
    if (l->is_sparse) {
        const uint64_t last = packed_panels(l) - 1;
        groups = l->rows * (last * PACKED_GROUPS + packed_groups(l, last));
        starts = (last + 1) * ((l->rows + PACKED_ROWS - 1) / PACKED_ROWS);
    }
    if (!section(&at, packed_scale_count(l), sizeof(float))) return false;
    l->starts_at = at;
    if (!section(&at, starts, sizeof(uint32_t))) return false;
    l->masks_at = at;
    if (!section(&at, groups, sizeof(uint16_t))) return false;
    l->values_at = at;
    if (!section(&at, l->stored, ebb_dtype_bytes(l->kind))) return false;
    return u64_add(at, TAIL, &l->bytes);
}

bool packed_layout_equal(const packed_layout *a, const packed_layout *b)
{
    return a->kind == b->kind && a->is_sparse == b->is_sparse && a->is_by_row == b->is_by_row &&
           a->rows == b->rows && a->columns == b->columns && a->stored == b->stored;
}

/* -- values ------------------------------------------------------------------------------------ */

static void values_expand(ebb_dtype kind, const void *values, uint64_t count, float *to)
{
    const uint16_t *halves = values;
    const int8_t *numbers = values;

    switch (kind) {
    case EBB_F16:
        for (uint64_t i = 0; i < count; i++) to[i] = half_expand(halves[i]);
        return;
    case EBB_BF16:
        for (uint64_t i = 0; i < count; i++) to[i] = bfloat_expand(halves[i]);
        return;
    case EBB_I8:
        for (uint64_t i = 0; i < count; i++) to[i] = (float)numbers[i];
        return;
    default: memcpy(to, values, (size_t)count * sizeof *to);
    }
}

/* Puts `count` values to where the bits are, zeros elsewhere; returns how many there were. */
static uint64_t row_spread(const uint16_t *masks, uint64_t width, ebb_dtype kind,
                           const uint8_t *values, float *to)
{
    uint64_t used = 0;
    float row[PACKED_PANEL];

    for (uint64_t g = 0; g * PACKED_GROUP < width; g++)
        used += (uint64_t)__builtin_popcount(masks[g]);
    values_expand(kind, values, used, row);
    used = 0;
    for (uint64_t i = 0; i < width; i++) {
        const bool is_there = (masks[i / PACKED_GROUP] >> i % PACKED_GROUP & 1) != 0;
        to[i] = is_there ? row[used] : 0;
        used += is_there;
    }
    return used;
}

/* The panel as numbers, without scales. */
static void panel_expand(const packed_layout *l, const void *block, uint64_t panel, uint64_t first,
                         uint64_t count, float *to, size_t stride)
{
    const uint64_t width = packed_width(l, panel), size = ebb_dtype_bytes(l->kind);
    const uint8_t *values;
    uint64_t row = first;

    if (!l->is_sparse) {
        values = packed_values(l, block, panel, first);
        for (; row < first + count; row++, values += width * size, to += stride)
            values_expand(l->kind, values, width, to);
        return;
    }
    row -= row % PACKED_ROWS;
    values = packed_values(l, block, panel, row);
    for (; row < first + count; row++) {
        float skipped[PACKED_PANEL];
        float *const here = row < first ? skipped : to + (row - first) * stride;
        const uint16_t *masks = packed_masks(l, block, panel, row);
        values += row_spread(masks, width, l->kind, values, here) * size;
    }
}

void packed_unpack_panel(const packed_layout *l, const void *block, uint64_t panel, uint64_t first,
                         uint64_t count, float *to, size_t stride)
{
    const uint64_t width = packed_width(l, panel);
    const float *scales = block;

    panel_expand(l, block, panel, first, count, to, stride);
    for (uint64_t r = 0; r < count && l->kind == EBB_I8; r++) {
        float *const row = to + r * stride;
        if (l->is_by_row) {
            const float step = 1 / scales[first + r];
            for (uint64_t i = 0; i < width; i++) row[i] *= step;
        } else {
            const float *const own = scales + panel * PACKED_PANEL;
            for (uint64_t i = 0; i < width; i++) row[i] *= 1 / own[i];
        }
    }
}

void packed_unpack(const packed_layout *l, const void *block, uint64_t first, uint64_t count,
                   float *to)
{
    for (uint64_t p = 0; p < packed_panels(l); p++)
        packed_unpack_panel(l, block, p, first, count, to + p * PACKED_PANEL, (size_t)l->columns);
}

void packed_unpack_numbers(const packed_layout *l, const void *block, uint64_t first,
                           uint64_t count, int8_t *to)
{
    float row[PACKED_PANEL];

    for (uint64_t p = 0; p < packed_panels(l); p++) {
        for (uint64_t r = 0; r < count; r++) {
            int8_t *const at = to + r * l->columns + p * PACKED_PANEL;
            panel_expand(l, block, p, first + r, 1, row, PACKED_PANEL);
            for (uint64_t i = 0; i < packed_width(l, p); i++) at[i] = (int8_t)row[i];
        }
    }
}
