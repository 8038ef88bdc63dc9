/* packed_store.c -- packing, piece by piece, so that a matrix larger than memory's room for it can
 * be packed while it is read. See packed.h. */
#include <math.h>
#include <string.h>

#include "tensor/half.h"
#include "tensor/packed.h"

#define NUMBER_MAX 127.0f
#define EPSILON    1e-7f
#define HALF_EVEN  12582912.0f /* 1.5 * 2^23: adding it rounds to a whole number, halves to even */

/* What is no number becomes the least one; whoever cares has looked before. */
static int8_t number_of(float x, float scale)
{
    const float rounded = x * scale + HALF_EVEN - HALF_EVEN;

    if (!(rounded > -NUMBER_MAX)) return (int8_t)-NUMBER_MAX;
    return (int8_t)(rounded < NUMBER_MAX ? rounded : NUMBER_MAX);
}

static float scale_at(const packed_layout *l, const float *scales, uint64_t row, uint64_t column)
{
    return l->kind != EBB_I8 ? 1 : scales[l->is_by_row ? row : column];
}

/* Is the element stored in a sparse block? */
static bool is_kept(ebb_dtype kind, float x, float scale)
{
    switch (kind) {
    case EBB_F16: return (half_round(x) & 0x7FFF) != 0;
    case EBB_BF16: return (bfloat_round(x) & 0x7FFF) != 0;
    case EBB_I8: return number_of(x, scale) != 0;
    default: return x != 0;
    }
}

static void value_put(ebb_dtype kind, float x, float scale, uint8_t *to)
{
    const uint16_t half = kind == EBB_F16 ? half_round(x) : bfloat_round(x);

    if (kind == EBB_I8) {
        const int8_t number = number_of(x, scale);
        memcpy(to, &number, sizeof number);
    } else if (kind == EBB_F32) {
        memcpy(to, &x, sizeof x);
    } else {
        memcpy(to, &half, sizeof half);
    }
}

/* -- measuring --------------------------------------------------------------------------------- */

void packed_measure(const packed_layout *l, float *scales, uint64_t first, uint64_t count,
                    const float *x)
{
    for (uint64_t r = 0; r < count; r++, x += l->columns) {
        for (uint64_t c = 0; c < l->columns; c++) {
            float *const most = &scales[l->is_by_row ? first + r : c];
            const float size = fabsf(x[c]);
            *most = size > *most ? size : *most;
        }
    }
}

void packed_measured(const packed_layout *l, float *scales)
{
    for (uint64_t i = 0; i < packed_scale_count(l); i++)
        scales[i] = NUMBER_MAX / (scales[i] + EPSILON);
}

void packed_round(const packed_layout *l, const float *scales, uint64_t first, uint64_t count,
                  float *x)
{
    for (uint64_t r = 0; r < count; r++, x += l->columns) {
        for (uint64_t c = 0; c < l->columns; c++) {
            const float scale = scale_at(l, scales, first + r, c);
            if (l->kind == EBB_F16)
                x[c] = half_expand(half_round(x[c]));
            else if (l->kind == EBB_BF16)
                x[c] = bfloat_expand(bfloat_round(x[c]));
            else if (l->kind == EBB_I8)
                x[c] = (float)number_of(x[c], scale) * (1 / scale);
        }
    }
}

uint64_t packed_nonzeros(const packed_layout *l, const float *scales, uint64_t first,
                         uint64_t count, const float *x)
{
    uint64_t kept = 0;

    for (uint64_t r = 0; r < count; r++, x += l->columns) {
        for (uint64_t c = 0; c < l->columns; c++)
            kept += is_kept(l->kind, x[c], scale_at(l, scales, first + r, c));
    }
    return kept;
}

/* -- counting ---------------------------------------------------------------------------------- */

static uint32_t *starts_of(const packed_layout *l, void *block, uint64_t panel)
{
    uint32_t *starts = (void *)((uint8_t *)block + l->starts_at);
    return starts + panel * ((l->rows + PACKED_ROWS - 1) / PACKED_ROWS);
}

void packed_count(const packed_layout *l, void *block, uint64_t first, uint64_t count,
                  const float *x)
{
    const float *scales = packed_scales(block);

    for (uint64_t p = 0; p < packed_panels(l); p++) {
        uint32_t *const starts = starts_of(l, block, p);
        for (uint64_t r = 0; r < count; r++) {
            const float *row = x + r * l->columns;
            const uint64_t end = p * PACKED_PANEL + packed_width(l, p);
            uint32_t kept = 0;
            for (uint64_t c = p * PACKED_PANEL; c < end; c++)
                kept += is_kept(l->kind, row[c], scale_at(l, scales, first + r, c));
            starts[(first + r) / PACKED_ROWS] += kept;
        }
    }
}

bool packed_counted(const packed_layout *l, void *block)
{
    const uint64_t count = packed_panels(l) * ((l->rows + PACKED_ROWS - 1) / PACKED_ROWS);
    uint32_t *starts = starts_of(l, block, 0);
    uint64_t next = 0;

    for (uint64_t i = 0; i < count; i++) {
        const uint32_t here = starts[i];
        starts[i] = (uint32_t)next;
        next += here;
    }
    return next == l->stored;
}

/* -- storing ----------------------------------------------------------------------------------- */

/* One row of a panel, up to `end`; returns the place behind its last value. */
static uint8_t *row_store(const packed_layout *l, void *block, uint64_t panel, uint64_t row,
                          const float *x, uint8_t *to, const uint8_t *end)
{
    uint16_t *masks =
        l->is_sparse ? (uint16_t *)(uintptr_t)packed_masks(l, block, panel, row) : NULL;
    const float *scales = packed_scales(block);
    const size_t size = ebb_dtype_bytes(l->kind);

    for (uint64_t i = 0; i < packed_width(l, panel); i++) {
        const float scale = scale_at(l, scales, row, panel * PACKED_PANEL + i);
        if (masks != NULL && !is_kept(l->kind, x[i], scale)) continue;
        if (to == end) return NULL;
        if (masks != NULL)
            masks[i / PACKED_GROUP] = (uint16_t)(masks[i / PACKED_GROUP] | 1u << i % PACKED_GROUP);
        value_put(l->kind, x[i], scale, to);
        to += size;
    }
    return to;
}

/* Behind the last value of the rows from `first` to the next start. */
static const uint8_t *rows_end(const packed_layout *l, const void *block, uint64_t panel,
                               uint64_t first)
{
    const uint64_t next = first + PACKED_ROWS;

    if (next < l->rows) return packed_values(l, block, panel, next);
    if (panel + 1 < packed_panels(l)) return packed_values(l, block, panel + 1, 0);
    return (const uint8_t *)block + l->values_at + l->stored * ebb_dtype_bytes(l->kind);
}

bool packed_store(const packed_layout *l, void *block, uint64_t first, uint64_t count,
                  const float *x)
{
    for (uint64_t p = 0; p < packed_panels(l); p++) {
        const float *from = x + p * PACKED_PANEL;
        for (uint64_t r = 0; r < count; r += PACKED_ROWS) {
            const uint64_t end = r + PACKED_ROWS < count ? r + PACKED_ROWS : count;
            const uint8_t *const last = rows_end(l, block, p, first + r);
            uint8_t *to = (uint8_t *)(uintptr_t)packed_values(l, block, p, first + r);
            for (uint64_t i = r; i < end && to != NULL; i++, from += l->columns)
                to = row_store(l, block, p, first + i, from, to, last);
            if (to != last) return false;
        }
    }
    return true;
}
