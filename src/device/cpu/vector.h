/* vector.h -- ebb's own vector code: AVX2 with FMA, and AVX-512, chosen at run time by
 * device->isa.
 *
 * Every family is one body, vector_<family>.inc, compiled twice by vector_<family>.c: for 8 and
 * for 16 lanes (vector_lanes.inc gives both the same names). Elsewhere than on x86-64 the rows
 * compile and say no. The same call on the same number of threads gives the same bits: work is
 * split by counts alone.
 */
#ifndef EBB_DEVICE_CPU_VECTOR_H
#define EBB_DEVICE_CPU_VECTOR_H

#include "device/cpu/unary_math.h"
#include "device/device.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define VECTOR_X86 1
#else
#define VECTOR_X86 0
#endif

/* y = function(x) over count elements; y may be x. */
typedef void (*vector_unary)(const unary_attributes *a, const float *x, float *y, size_t count);

/* The function for an instruction set; unary_apply where there is no vector code for the kind. */
vector_unary vector_unary_find(cpu_isa isa, const unary_attributes *a);
/* The same, but NULL where there is no vector code. */
vector_unary vector_unary_own(cpu_isa isa, const unary_attributes *a);

/* c [m, n] = activation((a [m, k] . b [k, n] + c if is_added) * scale + bias + residual);
 * strides in elements; absent parts NULL. residual has c's stride. b is row-major as Keras
 * stores kernels. */
typedef struct vector_gemm {
    size_t m, n, k, a_stride, b_stride, c_stride;
    const float *a, *b;
    float *c;
    bool is_added;
    const float *scale, *bias, *residual;
    const unary_attributes *attributes; /* NULL: none */
    vector_unary activation;
} vector_gemm;

/* Computes columns [begin, end) of c; begin is a multiple of VECTOR_GEMM_COLUMNS. NULL: no code
 * for this isa. */
typedef void (*vector_gemm_run)(const vector_gemm *g, size_t begin, size_t end);
vector_gemm_run vector_gemm_find(cpu_isa isa);
#define VECTOR_GEMM_COLUMNS ((size_t)64)

/* All columns, on up to `threads` threads. */
void vector_gemm_parallel(vector_gemm_run run, const vector_gemm *g, uint32_t threads);

/* Facts about a plan that several rows ask for. */
static inline bool vector_has_input(const kernel_plan *plan, uint32_t i)
{
    return i < plan->node->input_count && plan->inputs[i].dtype != EBB_DTYPE_NONE;
}
/* Vector code allowed, every operand F32, weights plain, nothing empty. */
bool vector_plan_fits(const kernel_plan *plan);

#endif
