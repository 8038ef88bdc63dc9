/* view.c -- sums over shapes. */
#include "tensor/view.h"

#include <inttypes.h>
#include <stdio.h>

bool dims_count(uint32_t rank, const int64_t *dims, uint64_t *count)
{
    bool empty = false, fits = true;
    *count = 1;
    for (uint32_t i = 0; i < rank; i++) {
        if (dims[i] < 0) {
            *count = UINT64_MAX;
            return false;
        }
        empty |= dims[i] == 0;
        fits = fits && u64_mul(*count, (uint64_t)dims[i], count);
    }
    if (empty) *count = 0;
    return fits || empty;
}

/* As Python writes a tuple: "()", "(3,)", "(3, 4)". Too long: cut, with "..." at the end. */
char *dims_text(uint32_t rank, const int64_t *dims, char *text, size_t capacity)
{
    if (capacity == 0) return text;
    size_t length = 0;
    for (uint32_t i = 0; i <= rank && length < capacity; i++) {
        const size_t room = capacity - length;
        const char *before = i == 0 ? "(" : ", ";
        int written;
        if (i == rank) {
            written = snprintf(text + length, room, "%s",
                               rank == 0   ? "()"
                               : rank == 1 ? ",)"
                                           : ")");
        } else if (dims[i] < 0) {
            written = snprintf(text + length, room, "%s?", before);
        } else {
            written = snprintf(text + length, room, "%s%" PRId64, before, dims[i]);
        }
        length += (size_t)written;
    }
    for (size_t i = 0; length >= capacity && i < 3 && i + 1 < capacity; i++) {
        text[capacity - 2 - i] = '.';
    }
    return text;
}

uint64_t ebb_view_bytes(const ebb_view *view)
{
    uint64_t count, bytes;
    if (view == NULL || view->rank > EBB_RANK_MAX) return UINT64_MAX;
    if (!dims_count(view->rank, view->dims, &count)) return UINT64_MAX;
    return u64_mul(count, ebb_dtype_bytes(view->dtype), &bytes) ? bytes : UINT64_MAX;
}
