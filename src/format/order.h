/* order.h -- sorting in place, without memory and without recursion.
 *
 * The C library's qsort may allocate behind the ledger's back; this is a heap sort on fixed-size
 * items of at most ORDER_ITEM_BYTES_MAX bytes. Not stable. An already sorted array costs one pass.
 */
#ifndef EBB_FORMAT_ORDER_H
#define EBB_FORMAT_ORDER_H

#include <stddef.h>

#define ORDER_ITEM_BYTES_MAX 64

/* Less than, equal to or greater than zero, as strcmp. */
typedef int (*order_compare)(const void *a, const void *b);

void order_sort(void *items, size_t count, size_t item_bytes, order_compare compare);

#endif
