/* vector_gemm.c -- the matrix product under vector_dense and vector_rnn. */
#include "device/cpu/parallel.h"
#include "device/cpu/vector.h"

#if VECTOR_X86
#include <immintrin.h>

#if defined(__clang__)
#define VECTOR_UNROLL _Pragma("clang loop unroll(full)")
#else
#define VECTOR_UNROLL _Pragma("GCC unroll 8")
#endif

#define VECTOR_SUMS_MAX 4
#define PANEL_DEPTH     128   /* rows of b in a panel: 32 KB, half a first-level cache */
#define BAND_ROWS       16    /* more rows of a than this pay for copying a panel */
#define BAND_DEPTH      32    /* rows of b in a band, once b is larger than ... */
#define BAND_FLOATS     32768 /* ... this */
#define STREAM_ROWS     1
#define STREAM_COLUMNS  256

#define VECTOR_LANES 8
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_gemm.inc"
#undef VECTOR_LANES
#define VECTOR_LANES 16
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_gemm.inc"
#undef VECTOR_LANES

vector_gemm_run vector_gemm_find(cpu_isa isa)
{
    return isa == ISA_AVX512 ? gemm_avx512 : isa == ISA_AVX2 ? gemm_avx2 : NULL;
}
#else
vector_gemm_run vector_gemm_find(cpu_isa isa)
{
    (void)isa;
    return NULL;
}
#endif

typedef struct gemm_job {
    const vector_gemm *g;
    vector_gemm_run run;
} gemm_job;

static void run_columns(void *context, size_t begin, size_t end)
{
    const gemm_job *j = context;

    j->run(j->g, begin, end);
}

static void run_rows(void *context, size_t begin, size_t end)
{
    const gemm_job *j = context;
    vector_gemm part = *j->g;

    part.a += begin * part.a_stride;
    part.c += begin * part.c_stride;
    if (part.residual != NULL) part.residual += begin * part.c_stride;
    part.m = end - begin;
    j->run(&part, 0, part.n);
}

/* Multiplications below which a second thread costs more than it brings; b from memory counts
 * more. */
#define PARALLEL_WORK ((size_t)1 << 18)

void vector_gemm_parallel(vector_gemm_run run, const vector_gemm *g, uint32_t threads)
{
    gemm_job job = {g, run};

    if (threads <= 1 || g->k * g->n < PARALLEL_WORK / g->m) {
        run(g, 0, g->n);
    } else if (g->n >= threads * VECTOR_GEMM_COLUMNS) {
        parallel_for(threads, g->n, VECTOR_GEMM_COLUMNS, run_columns, &job);
    } else {
        parallel_for(threads, g->m, 6, run_rows, &job);
    }
}
