/* gemm.c -- a small matrix multiplication that the compiler keeps in registers.
 *
 *           <- n ->
 *         +---+---+-     panel: 8 columns of b, 256 rows, packed when it pays or must be
 *      k  | p |   |
 *         +---+---+-     block: 4 rows of a times one panel, summed in 8 vectors of 4
 *      +--+---+---+-
 *    m |a | 4x8   |
 *
 * Each block adds its sum of up to 256 products to c, so rounding errors grow with 256 + k / 256
 * terms, not with k.
 */
#include "device/cpu/gemm.h"

#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

#define LANES         4
#define PANEL_VECTORS 2
#define PANEL_COLUMNS (LANES * PANEL_VECTORS)
#define WIDE_VECTORS  8
#define WIDE_COLUMNS  (LANES * WIDE_VECTORS)
#define BLOCK_ROWS    4
#define DEPTH         ((size_t)256)
/* From this many rows on, copying a panel of b costs less than reading it with its stride. */
#define PACK_ROWS 16

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

typedef struct block {
    size_t k;
    const float *a;
    ptrdiff_t a_row, a_column;
    const float *b; /* columns next to one another */
    ptrdiff_t b_row;
    float *c;
    ptrdiff_t c_row;
} block;

static inline __attribute__((always_inline)) void block_add(const block *g, int rows, int vectors)
{
    lanes sums[BLOCK_ROWS][WIDE_VECTORS];
    const float *a = g->a, *b = g->b;

    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < vectors; j++) sums[i][j] = (lanes){0};
    }
    for (size_t p = 0; p < g->k; p++, a += g->a_column, b += g->b_row) {
        lanes columns[WIDE_VECTORS];

        UNROLL
        for (int j = 0; j < vectors; j++) memcpy(&columns[j], b + j * LANES, sizeof columns[j]);
        UNROLL
        for (int i = 0; i < rows; i++) {
            const float one = a[i * g->a_row];

            UNROLL
            for (int j = 0; j < vectors; j++) sums[i][j] += one * columns[j];
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < vectors; j++) {
            float *const to = g->c + i * g->c_row + j * LANES;
            lanes sum;

            memcpy(&sum, to, sizeof sum);
            sum += sums[i][j];
            memcpy(to, &sum, sizeof sum);
        }
    }
}

static void block_4(const block *g)
{
    block_add(g, 4, PANEL_VECTORS);
}
static void block_3(const block *g)
{
    block_add(g, 3, PANEL_VECTORS);
}
static void block_2(const block *g)
{
    block_add(g, 2, PANEL_VECTORS);
}
static void block_1(const block *g)
{
    block_add(g, 1, PANEL_VECTORS);
}
static void block_wide(const block *g)
{
    block_add(g, 1, WIDE_VECTORS);
}

static void (*const blocks[BLOCK_ROWS + 1])(const block *g) = {NULL, block_1, block_2, block_3,
                                                               block_4};

static void panel_pack(const gemm *g, size_t column, size_t width, size_t depth, size_t k,
                       float *panel)
{
    const float *const from = g->b + (ptrdiff_t)depth * g->b_row + (ptrdiff_t)column * g->b_column;

    if (width < PANEL_COLUMNS) memset(panel, 0, k * PANEL_COLUMNS * sizeof *panel);
    if (g->b_column == 1) {
        for (size_t p = 0; p < k; p++) {
            memcpy(panel + p * PANEL_COLUMNS, from + (ptrdiff_t)p * g->b_row,
                   width * sizeof *panel);
        }
        return;
    }
    for (size_t j = 0; j < width; j++) {
        const float *const line = from + (ptrdiff_t)j * g->b_column;

        for (size_t p = 0; p < k; p++) panel[p * PANEL_COLUMNS + j] = line[(ptrdiff_t)p * g->b_row];
    }
}

/* All rows of c for one panel; `width` < 8 goes through a full-size copy of the block. */
static void panel_add(const gemm *g, block k, size_t column, size_t width)
{
    for (size_t i = 0; i < g->m; i += BLOCK_ROWS) {
        const size_t rows = size_min(BLOCK_ROWS, g->m - i);
        float edge[BLOCK_ROWS * PANEL_COLUMNS] = {0};
        float *const c = g->c + (ptrdiff_t)i * g->c_row + column;

        k.c = width == PANEL_COLUMNS ? c : edge;
        k.c_row = width == PANEL_COLUMNS ? g->c_row : PANEL_COLUMNS;
        blocks[rows](&k);
        k.a += BLOCK_ROWS * g->a_row;
        if (width == PANEL_COLUMNS) continue;
        for (size_t r = 0; r < rows; r++) {
            for (size_t j = 0; j < width; j++) {
                c[(ptrdiff_t)r * g->c_row + (ptrdiff_t)j] += edge[r * PANEL_COLUMNS + j];
            }
        }
    }
}

/* Columns [0, result) of a single row, 32 at a time, read straight from b. */
static size_t row_add(const gemm *g)
{
    size_t column = 0;

    for (; g->n - column >= WIDE_COLUMNS; column += WIDE_COLUMNS) {
        for (size_t depth = 0; depth < g->k; depth += DEPTH) {
            const block k = {size_min(DEPTH, g->k - depth),
                             g->a + (ptrdiff_t)depth * g->a_column,
                             0,
                             g->a_column,
                             g->b + (ptrdiff_t)depth * g->b_row + column,
                             g->b_row,
                             g->c + column,
                             0};
            block_wide(&k);
        }
    }
    return column;
}

void gemm_add(const gemm *g)
{
    float panel[DEPTH * PANEL_COLUMNS];
    size_t column = g->m == 1 && g->b_column == 1 ? row_add(g) : 0;

    for (; column < g->n; column += PANEL_COLUMNS) {
        const size_t width = size_min(PANEL_COLUMNS, g->n - column);
        const bool pack = g->b_column != 1 || width < PANEL_COLUMNS || g->m >= PACK_ROWS;

        for (size_t depth = 0; depth < g->k; depth += DEPTH) {
            block k = {.k = size_min(DEPTH, g->k - depth),
                       .a = g->a + (ptrdiff_t)depth * g->a_column,
                       .a_row = g->a_row,
                       .a_column = g->a_column,
                       .b = panel,
                       .b_row = PANEL_COLUMNS};

            if (pack) {
                panel_pack(g, column, width, depth, k.k, panel);
            } else {
                k.b = g->b + (ptrdiff_t)depth * g->b_row + column;
                k.b_row = g->b_row;
            }
            panel_add(g, k, column, width);
        }
    }
}

/* -- threads ---------------------------------------------------------------------------------- */

#define TILE_ROWS    ((size_t)64)
#define TILE_COLUMNS ((size_t)64)
/* Multiplications below which another thread costs more than it does. */
#define PARALLEL_WORK ((size_t)65536)

static void gemm_tiles(void *context, size_t begin, size_t end)
{
    const gemm *const g = context;
    const size_t tiles = (g->n - 1) / TILE_COLUMNS + 1;

    for (size_t t = begin; t < end; t++) {
        const size_t i = t / tiles * TILE_ROWS, j = t % tiles * TILE_COLUMNS;
        const ptrdiff_t row = (ptrdiff_t)i, column = (ptrdiff_t)j;
        gemm tile = *g;

        tile.m = size_min(TILE_ROWS, g->m - i);
        tile.n = size_min(TILE_COLUMNS, g->n - j);
        tile.a += row * g->a_row;
        tile.b += column * g->b_column;
        tile.c += row * g->c_row + column;
        gemm_add(&tile);
    }
}

void gemm_add_threads(const gemm *g, uint32_t threads)
{
    gemm all = *g;

    if (g->m == 0 || g->n == 0) return;
    if (threads == 1 || g->m * g->n * g->k < PARALLEL_WORK) {
        gemm_add(g);
        return;
    }
    parallel_for(threads, ((g->m - 1) / TILE_ROWS + 1) * ((g->n - 1) / TILE_COLUMNS + 1), 1,
                 gemm_tiles, &all);
}

void gemm_clear(float *c, ptrdiff_t c_row, size_t m, size_t n)
{
    for (size_t i = 0; i < m; i++) memset(c + (ptrdiff_t)i * c_row, 0, n * sizeof *c);
}
