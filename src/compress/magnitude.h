/* magnitude.h -- the smallest elements of one array or of many, found exactly while they go by.
 *
 * The elements are shown twice: sizes are counted by their upper 16 bits, then those that share the
 * upper bits of the wanted one by their lower bits. After that everything below the limit goes,
 * and of those that are as large the first ones, in the order in which they were shown. */
#ifndef EBB_COMPRESS_MAGNITUDE_H
#define EBB_COMPRESS_MAGNITUDE_H

#include "mem/region.h"

#define MAGNITUDE_BINS ((size_t)1 << 16)

typedef struct magnitude {
    uint64_t *bins;  /* [MAGNITUDE_BINS] */
    uint64_t wanted; /* how many should go */
    uint32_t upper;  /* bits of the limit, after the first time */
    uint32_t limit;  /* bits of the size below which all go */
    uint64_t ties;   /* so many of that size go, too */
} magnitude;

/* NULL bins: no memory. Zeroes `m` for `wanted` elements. */
bool magnitude_open(region *home, uint64_t wanted, magnitude *m);
void magnitude_count_upper(magnitude *m, const float *x, uint64_t count);
void magnitude_find_upper(magnitude *m);
void magnitude_count_lower(magnitude *m, const float *x, uint64_t count);
void magnitude_find(magnitude *m);
/* Sets elements to zero; *ties are left over, begin with m->ties. */
void magnitude_apply(const magnitude *m, uint64_t *ties, float *x, uint64_t count);

/* Of every `of` rows of x [rows, columns] the `keep` largest elements of each column stay. What is
 * left over at the end stays as it is. */
void magnitude_keep(uint32_t keep, uint32_t of, uint64_t rows, uint64_t columns, float *x);

#endif
