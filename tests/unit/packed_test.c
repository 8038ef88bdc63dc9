/* packed_test.c -- packed matrices: what is stored is what was rounded, in any pieces, in exactly
 * the bytes that the layout says. */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "kernel_case.h"
#include "tensor/dtype.h"
#include "tensor/packed.h"

static const ebb_dtype kinds[] = {EBB_F32, EBB_F16, EBB_BF16, EBB_I8};
static const int64_t shapes[][2] = {{1, 1},  {1, 64},  {7, 10},   {16, 16}, {17, 65},
                                    {40, 1}, {33, 63}, {64, 128}, {5, 200}, {130, 70}};
#define SHAPES (sizeof shapes / sizeof shapes[0])

/* A matrix of which about half is zero. */
static float *random_matrix(test *t, uint64_t count, uint64_t *seed)
{
    const int64_t dims[] = {(int64_t)count};
    float *x = case_tensor_random(t->home, EBB_F32, 1, dims, seed).data;

    for (uint64_t i = 0; i < count; i++)
        if (case_random(seed) % 2 == 0) x[i] = 0;
    return x;
}

typedef struct packed {
    packed_layout layout;
    uint8_t *block;
    float *x, *rounded;
} packed;

/* Packs in pieces of `piece` rows; a guard stands behind the block. */
static packed pack(test *t, packed_layout l, float *x, uint64_t piece)
{
    packed p = {.layout = l, .x = x};
    float *scales = region_alloc(t->home, l.rows + l.columns, sizeof *scales);
    const uint64_t count = l.rows * l.columns;

    CHECK(scales != NULL);
    if (l.kind == EBB_I8) {
        for (uint64_t r = 0; r < l.rows; r += piece)
            packed_measure(&l, scales, r, l.rows - r < piece ? l.rows - r : piece,
                           x + r * l.columns);
        packed_measured(&l, scales);
    }
    if (l.is_sparse) p.layout.stored = packed_nonzeros(&l, scales, 0, l.rows, x);
    CHECK(packed_layout_make(&p.layout));
    p.block = region_block(t->home, p.layout.bytes + 64);
    p.rounded = region_alloc(t->home, count, sizeof(float));
    CHECK(p.block != NULL && p.rounded != NULL);
    memset(p.block + p.layout.bytes, 0xA5, 64);
    memcpy(packed_scales(p.block), scales, packed_scale_count(&l) * sizeof *scales);
    for (uint64_t r = 0; r < l.rows && l.is_sparse; r += piece)
        packed_count(&p.layout, p.block, r, l.rows - r < piece ? l.rows - r : piece,
                     x + r * l.columns);
    if (l.is_sparse) CHECK(packed_counted(&p.layout, p.block));
    for (uint64_t r = 0; r < l.rows; r += piece)
        CHECK(packed_store(&p.layout, p.block, r, l.rows - r < piece ? l.rows - r : piece,
                           x + r * l.columns));
    memcpy(p.rounded, x, count * sizeof *x);
    packed_round(&p.layout, packed_scales(p.block), 0, l.rows, p.rounded);
    return p;
}

static void check_rows(test *t, const packed *p, uint64_t first, uint64_t count)
{
    const packed_layout *l = &p->layout;
    float *rows = region_alloc(t->home, count * l->columns, sizeof *rows);

    CHECK(rows != NULL);
    packed_unpack(l, p->block, first, count, rows);
    for (uint64_t i = 0; i < count * l->columns; i++)
        CHECK(rows[i] == p->rounded[first * l->columns + i]);
}

static void check_packed(test *t, const packed *p)
{
    const packed_layout *l = &p->layout;

    for (int i = 0; i < 64; i++) CHECK_EQ(p->block[l->bytes + (uint64_t)i], 0xA5);
    check_rows(t, p, 0, l->rows);
    check_rows(t, p, l->rows - 1, 1);
    check_rows(t, p, l->rows / 2, l->rows - l->rows / 2);
}

TEST(what_is_stored_is_what_was_rounded)
{
    uint64_t seed = 1;

    for (size_t s = 0; s < SHAPES; s++) {
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            for (int form = 0; form < 4; form++) {
                packed_layout l = {.kind = kinds[k],
                                   .is_sparse = (form & 1) != 0,
                                   .is_by_row = (form & 2) != 0,
                                   .rows = (uint64_t)shapes[s][0],
                                   .columns = (uint64_t)shapes[s][1]};
                if (l.kind == EBB_F32 && !l.is_sparse) continue;
                float *x = random_matrix(t, l.rows * l.columns, &seed);
                const packed one = pack(t, l, x, l.rows), many = pack(t, l, x, PACKED_ROWS);
                check_packed(t, &one);
                CHECK_EQ(memcmp(one.block, many.block, one.layout.bytes), 0);
                /* what was unpacked packs to the same bytes */
                const packed again = pack(t, l, one.rounded, l.rows);
                if (l.kind != EBB_I8) CHECK_EQ(memcmp(one.block, again.block, one.layout.bytes), 0);
            }
        }
    }
}

/* The figures: int8 a quarter, halves a half, 80 % pruned below a quarter. */
TEST(packed_matrices_take_few_bytes)
{
    const uint64_t plain = 1024 * 1024 * 4;
    packed_layout l = {.kind = EBB_I8, .rows = 1024, .columns = 1024};

    CHECK(packed_layout_make(&l));
    CHECK(l.bytes <= plain / 4 + 1024 * 4 + 1024);
    l = (packed_layout){.kind = EBB_F16, .rows = 1024, .columns = 1024};
    CHECK(packed_layout_make(&l));
    CHECK(l.bytes <= plain / 2 + 1024);
    l = (packed_layout){
        .kind = EBB_F32, .is_sparse = true, .rows = 1024, .columns = 1024, .stored = plain / 20};
    CHECK(packed_layout_make(&l));
    CHECK(l.bytes < plain / 4);
    l.kind = EBB_I8;
    CHECK(packed_layout_make(&l));
    CHECK(l.bytes < plain / 11);
}

TEST(layouts_that_cannot_be_are_refused)
{
    packed_layout l = {.kind = EBB_F32, .rows = 4, .columns = 4};

    CHECK(!packed_layout_make(&l)); /* float32 that is not sparse is no packing */
    l = (packed_layout){.kind = EBB_I32, .rows = 4, .columns = 4};
    CHECK(!packed_layout_make(&l));
    l = (packed_layout){.kind = EBB_I8, .rows = 0, .columns = 4};
    CHECK(!packed_layout_make(&l));
    l = (packed_layout){.kind = EBB_I8, .rows = UINT64_MAX / 2, .columns = 4};
    CHECK(!packed_layout_make(&l));
    l = (packed_layout){.kind = EBB_F32, .is_sparse = true, .rows = 4, .columns = 4, .stored = 17};
    CHECK(!packed_layout_make(&l));
    l = (packed_layout){.kind = EBB_F32,
                        .is_sparse = true,
                        .rows = (uint64_t)1 << 20,
                        .columns = (uint64_t)1 << 20,
                        .stored = (uint64_t)1 << 33};
    CHECK(!packed_layout_make(&l));
}

/* A file that changes between two readings must not make us write beyond the block. */
TEST(other_elements_than_were_counted_are_noticed)
{
    uint64_t seed = 5;
    packed_layout l = {.kind = EBB_F32, .is_sparse = true, .rows = 40, .columns = 70};
    float *x = random_matrix(t, l.rows * l.columns, &seed);
    packed p = pack(t, l, x, l.rows);

    for (uint64_t i = 0; i < l.rows * l.columns; i++) x[i] = 1;
    memset(p.block, 0, p.layout.bytes);
    packed_count(&p.layout, p.block, 0, l.rows, x);
    CHECK(!packed_counted(&p.layout, p.block));
    p = pack(t, l, random_matrix(t, l.rows * l.columns, &seed), l.rows);
    CHECK(!packed_store(&p.layout, p.block, 0, l.rows, x));
    for (int i = 0; i < 64; i++) CHECK_EQ(p.block[p.layout.bytes + (uint64_t)i], 0xA5);
    memset(x, 0, l.rows * l.columns * sizeof *x);
    CHECK(!packed_store(&p.layout, p.block, 0, l.rows, x));
}

TEST(zeros_tiny_and_endless_numbers)
{
    float x[] = {0, -0.0f, 1e-40f, 65520, -70000, INFINITY, NAN, 1e-9f};
    packed_layout l = {.kind = EBB_F16, .rows = 1, .columns = 8};
    packed p = pack(t, l, x, 1);
    float y[8];

    packed_unpack(&p.layout, p.block, 0, 1, y);
    CHECK(y[0] == 0 && y[2] == 0 && isinf(y[3]) && isinf(y[4]) && isinf(y[5]) && isnan(y[6]));
    x[3] = x[4] = x[5] = x[6] = 0;
    l.kind = EBB_I8; /* all but nothing: no division by zero */
    p = pack(t, l, x, 1);
    packed_unpack(&p.layout, p.block, 0, 1, y);
    for (int i = 0; i < 8; i++) CHECK_NEAR(y[i], 0, 1e-8);
}

TEST_MAIN(RUN(what_is_stored_is_what_was_rounded), RUN(packed_matrices_take_few_bytes),
          RUN(layouts_that_cannot_be_are_refused),
          RUN(other_elements_than_were_counted_are_noticed), RUN(zeros_tiny_and_endless_numbers))
