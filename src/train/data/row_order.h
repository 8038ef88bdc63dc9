/* row_order.h -- the order of rows in one pass over the data: as they are, or shuffled.
 *
 * A shuffled order is a bijection computed row by row, so it takes no memory, however many rows
 * there are: an alternating Feistel network over the smallest power of two that holds the rows,
 * walked on until it lands among them. Its keys come from Philox, by seed and pass: equal seeds
 * give equal orders, whatever went before.
 * Source: Black, Rogaway, "Ciphers with Arbitrary Finite Domains" (2002). */
#ifndef EBB_TRAIN_DATA_ROW_ORDER_H
#define EBB_TRAIN_DATA_ROW_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#define ROW_ORDER_ROUNDS 16

typedef struct row_order {
    uint64_t rows;
    bool shuffles;
    uint32_t low_bits, high_bits;
    uint64_t keys[ROW_ORDER_ROUNDS];
} row_order;

row_order row_order_make(uint64_t rows, bool shuffles, uint64_t seed, uint64_t pass);
/* The row at `position` of the pass, position < rows. */
uint64_t row_order_at(const row_order *o, uint64_t position);

#endif
