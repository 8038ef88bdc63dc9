/* order.c -- heap sort for the directories of the readers: O(n log n) whatever a hostile file
 * holds. */
#include "format/order.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool is_sorted(const uint8_t *items, size_t count, size_t item_bytes, order_compare compare)
{
    for (size_t i = 1; i < count; i++) {
        if (compare(items + (i - 1) * item_bytes, items + i * item_bytes) > 0) return false;
    }
    return true;
}

static void swap(uint8_t *a, uint8_t *b, size_t item_bytes)
{
    uint8_t held[ORDER_ITEM_BYTES_MAX];

    memcpy(held, a, item_bytes);
    memmove(a, b, item_bytes);
    memcpy(b, held, item_bytes);
}

static void sift_down(uint8_t *items, size_t root, size_t count, size_t item_bytes,
                      order_compare compare)
{
    for (;;) {
        size_t child = 2 * root + 1;

        if (child >= count) return;
        if (child + 1 < count &&
            compare(items + child * item_bytes, items + (child + 1) * item_bytes) < 0) {
            child++;
        }
        if (compare(items + root * item_bytes, items + child * item_bytes) >= 0) return;
        swap(items + root * item_bytes, items + child * item_bytes, item_bytes);
        root = child;
    }
}

void order_sort(void *items, size_t count, size_t item_bytes, order_compare compare)
{
    uint8_t *const bytes = items;

    if (count < 2 || item_bytes > ORDER_ITEM_BYTES_MAX) return;
    if (is_sorted(bytes, count, item_bytes, compare)) return;
    for (size_t i = count / 2; i-- > 0;) sift_down(bytes, i, count, item_bytes, compare);
    for (size_t end = count - 1; end > 0; end--) {
        swap(bytes, bytes + end * item_bytes, item_bytes);
        sift_down(bytes, 0, end, item_bytes, compare);
    }
}
