/* row_order.c -- see row_order.h. */
#include "train/data/row_order.h"

#include "base/philox.h"

#define STREAM_OF_ORDERS 0x6F726465u /* no other user of the seed counts there */

static uint64_t mask_of(uint32_t bits)
{
    return ((uint64_t)1 << bits) - 1;
}

row_order row_order_make(uint64_t rows, bool shuffles, uint64_t seed, uint64_t pass)
{
    row_order o = {.rows = rows, .shuffles = shuffles && rows > 1};
    uint32_t bits = 2; /* both halves have one at least */

    if (!o.shuffles) return o;
    while (bits < 63 && ((uint64_t)1 << bits) < rows) bits++;
    o.low_bits = bits / 2;
    o.high_bits = bits - o.low_bits;
    for (uint32_t i = 0; i < ROW_ORDER_ROUNDS; i += 2) {
        uint32_t four[4] = {(uint32_t)pass, (uint32_t)(pass >> 32), i, STREAM_OF_ORDERS};

        philox(four, seed);
        o.keys[i] = (uint64_t)four[0] << 32 | four[1];
        o.keys[i + 1] = (uint64_t)four[2] << 32 | four[3];
    }
    return o;
}

static uint64_t stir(uint64_t half, uint64_t key)
{
    uint64_t z = (half + 1) * 0x9E3779B97F4A7C15u + key;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

uint64_t row_order_at(const row_order *o, uint64_t position)
{
    if (!o->shuffles) return position;
    const uint64_t low_mask = mask_of(o->low_bits), high_mask = mask_of(o->high_bits);

    do {
        uint64_t low = position & low_mask, high = position >> o->low_bits;

        for (uint32_t i = 0; i < ROW_ORDER_ROUNDS; i += 2) {
            low ^= stir(high, o->keys[i]) & low_mask;
            high ^= stir(low, o->keys[i + 1]) & high_mask;
        }
        position = high << o->low_bits | low;
    } while (position >= o->rows);
    return position;
}
