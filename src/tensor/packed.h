/* packed.h -- matrices of float32 in fewer bytes: as float16, bfloat16 or int8, and without zeros.
 *
 *     block:  scales | starts | masks | values | tail         each begins at a multiple of 64
 *
 *     panel   64 columns of the matrix (the last one: what is left), all of its rows together, so
 *             that a product goes through a panel from its first byte to its last
 *     scales  I8: 127 / (largest |x| + 1e-7) of each column, or of each row; a value is q / scale
 *     values  panel by panel, row by row: all of them, or only those that are not zero
 *     masks   sparse: a bit per element, 16 to a group, the groups of a row of a panel side by side
 *     starts  sparse: number of the first value of every 16th row of each panel
 *     tail    256 zero bytes, so that vectors may read a whole panel from any row on
 *
 * A float is packed to the nearest value of its type, halves to even, and a packed one unpacks and
 * packs to itself. Source of the scales: keras/src/quantizers/quantizers.py, abs_max_quantize(). */
#ifndef EBB_TENSOR_PACKED_H
#define EBB_TENSOR_PACKED_H

#include "ebb/tensor.h"

#define PACKED_PANEL  ((uint64_t)64)
#define PACKED_ROWS   ((uint64_t)16) /* from one start to the next */
#define PACKED_GROUP  ((uint64_t)16)
#define PACKED_GROUPS (PACKED_PANEL / PACKED_GROUP)

typedef struct packed_layout {
    ebb_dtype kind; /* F32 (sparse only), F16, BF16, I8 */
    bool is_sparse;
    bool is_by_row; /* I8: a scale per row; else per column */
    uint64_t rows, columns;
    uint64_t stored; /* values; sparse: those that are not zero */
    /* made by packed_layout_make() */
    uint64_t starts_at, masks_at, values_at, bytes;
} packed_layout;

/* Fills in the rest. false: nothing in it, no such kind, or too large (2^32 values when sparse). */
bool packed_layout_make(packed_layout *l);
/* Do both keep the same matrix in the same way? */
bool packed_layout_equal(const packed_layout *a, const packed_layout *b);

/* -- places in a block ------------------------------------------------------------------------- */

static inline uint64_t packed_scale_count(const packed_layout *l)
{
    return l->kind != EBB_I8 ? 0 : l->is_by_row ? l->rows : l->columns;
}
static inline uint64_t packed_panels(const packed_layout *l)
{
    return (l->columns + PACKED_PANEL - 1) / PACKED_PANEL;
}
static inline uint64_t packed_width(const packed_layout *l, uint64_t panel)
{
    const uint64_t rest = l->columns - panel * PACKED_PANEL;
    return rest < PACKED_PANEL ? rest : PACKED_PANEL;
}
static inline uint64_t packed_groups(const packed_layout *l, uint64_t panel)
{
    return (packed_width(l, panel) + PACKED_GROUP - 1) / PACKED_GROUP;
}
static inline float *packed_scales(void *block)
{
    return block;
}
/* Number of the first value of a row, for rows that are a multiple of PACKED_ROWS. */
static inline uint32_t packed_start(const packed_layout *l, const void *block, uint64_t panel,
                                    uint64_t row)
{
    const uint32_t *starts = (const void *)((const uint8_t *)block + l->starts_at);
    return starts[panel * ((l->rows + PACKED_ROWS - 1) / PACKED_ROWS) + row / PACKED_ROWS];
}
/* The groups of bits of one row of a panel. */
static inline const uint16_t *packed_masks(const packed_layout *l, const void *block,
                                           uint64_t panel, uint64_t row)
{
    const uint16_t *masks = (const void *)((const uint8_t *)block + l->masks_at);
    return masks + panel * PACKED_GROUPS * l->rows + row * packed_groups(l, panel);
}
/* The values of one row of a panel; sparse: of a row that has a start. */
static inline const void *packed_values(const packed_layout *l, const void *block, uint64_t panel,
                                        uint64_t row)
{
    const uint64_t index = l->is_sparse
                               ? packed_start(l, block, panel, row)
                               : panel * PACKED_PANEL * l->rows + row * packed_width(l, panel);
    return (const uint8_t *)block + l->values_at + index * ebb_dtype_bytes(l->kind);
}

/* -- packing: piece by piece, each `count` rows of x [count, columns] from row `first` on -------
 */

/* First, for I8 without scales that are known: begins with zeroes, ends with packed_measured(). */
void packed_measure(const packed_layout *l, float *scales, uint64_t first, uint64_t count,
                    const float *x);
void packed_measured(const packed_layout *l, float *scales);
/* Each element as it will be unpacked; `scales` for I8. */
void packed_round(const packed_layout *l, const float *scales, uint64_t first, uint64_t count,
                  float *x);
/* How many would be stored; `scales` for I8. */
uint64_t packed_nonzeros(const packed_layout *l, const float *scales, uint64_t first,
                         uint64_t count, const float *x);
/* Then, for sparse ones, over all rows once: `first` a multiple of PACKED_ROWS. The scales stand in
 * the block. */
void packed_count(const packed_layout *l, void *block, uint64_t first, uint64_t count,
                  const float *x);
/* false: there are more or fewer than `stored`. */
bool packed_counted(const packed_layout *l, void *block);
/* At last: `first` a multiple of PACKED_ROWS, `count` too or up to the last row. false: not the
 * elements that were counted. */
bool packed_store(const packed_layout *l, void *block, uint64_t first, uint64_t count,
                  const float *x);

/* -- unpacking --------------------------------------------------------------------------------- */

/* Rows [first, first + count) of a panel, rows of `to` `stride` floats apart. */
void packed_unpack_panel(const packed_layout *l, const void *block, uint64_t panel, uint64_t first,
                         uint64_t count, float *to, size_t stride);
/* Rows [first, first + count) into to [count, columns]. */
void packed_unpack(const packed_layout *l, const void *block, uint64_t first, uint64_t count,
                   float *to);
/* The numbers of an I8 block as they are. */
void packed_unpack_numbers(const packed_layout *l, const void *block, uint64_t first,
                           uint64_t count, int8_t *to);

#endif
