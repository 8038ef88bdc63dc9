/* gemm.h -- c += a * b for float matrices with any strides: the core of the portable contractions.
 */
#ifndef EBB_DEVICE_CPU_GEMM_H
#define EBB_DEVICE_CPU_GEMM_H

#include <stddef.h>
#include <stdint.h>

typedef struct gemm {
    size_t m, n, k;
    const float *a; /* [m, k] */
    ptrdiff_t a_row, a_column;
    const float *b; /* [k, n] */
    ptrdiff_t b_row, b_column;
    float *c; /* [m, n], columns next to one another */
    ptrdiff_t c_row;
} gemm;

/* On the calling thread. */
void gemm_add(const gemm *g);
/* Split over tiles of c when there is work enough. */
void gemm_add_threads(const gemm *g, uint32_t threads);

/* c = 0 over m rows of n. */
void gemm_clear(float *c, ptrdiff_t c_row, size_t m, size_t n);

#endif
