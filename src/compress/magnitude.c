/* magnitude.c -- see magnitude.h. Sizes of floats are in the order of their bits without the sign;
 * what is no number is larger than all others. */
#include "compress/magnitude.h"

#include <string.h>

#define LOWER_BITS 15
#define GROUP_MAX  16

/* 31 bits: 16 upper ones, 15 lower ones. */
static uint32_t size_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7FFFFFFFu;
}

bool magnitude_open(region *home, uint64_t wanted, magnitude *m)
{
    *m = (magnitude){.wanted = wanted};
    m->bins = region_new(home, uint64_t, MAGNITUDE_BINS);
    return m->bins != NULL;
}

void magnitude_count_upper(magnitude *m, const float *x, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) m->bins[size_of(x[i]) >> LOWER_BITS]++;
}

/* The bin that holds element number `wanted`, and what is left of `wanted` there. */
static uint32_t bin_find(const uint64_t *bins, uint64_t *wanted)
{
    uint32_t at = 0;

    while (at + 1 < MAGNITUDE_BINS && bins[at] <= *wanted) *wanted -= bins[at++];
    return at;
}

void magnitude_find_upper(magnitude *m)
{
    m->upper = bin_find(m->bins, &m->wanted);
    memset(m->bins, 0, MAGNITUDE_BINS * sizeof *m->bins);
}

void magnitude_count_lower(magnitude *m, const float *x, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        const uint32_t size = size_of(x[i]);
        if (size >> LOWER_BITS == m->upper) m->bins[size & ((1u << LOWER_BITS) - 1)]++;
    }
}

void magnitude_find(magnitude *m)
{
    const uint32_t lower = bin_find(m->bins, &m->wanted);

    m->limit = m->upper << LOWER_BITS | (lower & ((1u << LOWER_BITS) - 1));
    m->ties = m->wanted;
}

void magnitude_apply(const magnitude *m, uint64_t *ties, float *x, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        const uint32_t size = size_of(x[i]);
        if (size > m->limit) continue;
        if (size == m->limit) {
            if (*ties == 0) continue;
            --*ties;
        }
        x[i] = 0;
    }
}

/* The smallest of a group that is left goes, the first of equals. */
static void group_shrink(float *x, uint64_t step, uint32_t keep, uint32_t of)
{
    bool is_gone[GROUP_MAX] = {false};

    for (uint32_t gone = keep; gone < of; gone++) {
        uint32_t least = of;
        for (uint32_t i = 0; i < of; i++) {
            if (is_gone[i]) continue;
            if (least == of || size_of(x[i * step]) < size_of(x[least * step])) least = i;
        }
        is_gone[least] = true;
        x[least * step] = 0;
    }
}

void magnitude_keep(uint32_t keep, uint32_t of, uint64_t rows, uint64_t columns, float *x)
{
    for (uint64_t r = 0; r + of <= rows; r += of) {
        for (uint64_t c = 0; c < columns; c++) group_shrink(x + r * columns + c, columns, keep, of);
    }
}
