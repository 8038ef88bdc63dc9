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

/* dx = dy * function'(x), or of y where op_unary_gradient_by_result(); dx may be x or dy. */
typedef void (*vector_slope)(const unary_attributes *a, const float *x, const float *dy, float *dx,
                             size_t count);
/* As vector_unary_find(), vector_unary_own(). */
vector_slope vector_slope_find(cpu_isa isa, const unary_attributes *a);
vector_slope vector_slope_own(cpu_isa isa, const unary_attributes *a);

/* y = function(a, b) over a run; one operand may be a single number for all of it. y may be a
 * or b. */
typedef void (*vector_pair)(const float *a, const float *b, float *y, size_t count);
typedef enum vector_form { VECTOR_FULL, VECTOR_ONE_LEFT, VECTOR_ONE_RIGHT } vector_form;
/* NULL: no vector code. */
vector_pair vector_binary_find(cpu_isa isa, binary_kind kind, vector_form form);
/* 1 where it holds, else 0. */
vector_pair vector_compare_find(cpu_isa isa, compare_kind kind);
/* y = condition != 0 ? a : b */
typedef void (*vector_choice)(const float *condition, const float *a, const float *b, float *y,
                              size_t count);
vector_choice vector_select_find(cpu_isa isa);

/* sums[i] += x[i]. Never NULL: plain code where there is no vector code. */
typedef void (*vector_down)(double *sums, const float *x, size_t count);
vector_down vector_down_find(cpu_isa isa);
/* Sums of columns: `width` sums for rows of `columns` floats, so that short rows make long runs.
 * add: x are `count` elements from element `at` of the whole on. finish: y[column] = the sums of
 * `parts` such arrays, `stride` apart, / divisor. */
size_t vector_column_width(size_t columns);
void vector_columns_add(vector_down down, double *sums, size_t width, const float *x, size_t at,
                        size_t count);
void vector_columns_finish(const double *sums, size_t parts, size_t stride, size_t width,
                           size_t columns, double divisor, float *y);

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
    /* Not NULL: b is made from `source` where it is needed, rows [k, k + depth) of the columns
     * [column, column + width) into rows of VECTOR_GEMM_COLUMNS floats; what stands behind `width`
     * does not matter. */
    void (*copy)(const void *source, size_t k, size_t depth, size_t column, size_t width,
                 float *panel);
    const void *source;
} vector_gemm;

/* Computes columns [begin, end) of c; begin is a multiple of VECTOR_GEMM_COLUMNS. NULL: no code
 * for this isa. */
typedef void (*vector_gemm_run)(const vector_gemm *g, size_t begin, size_t end);
vector_gemm_run vector_gemm_find(cpu_isa isa);
#define VECTOR_GEMM_COLUMNS ((size_t)64)

/* All columns, on up to `threads` threads. */
void vector_gemm_parallel(vector_gemm_run run, const vector_gemm *g, uint32_t threads);

/* Packed matrices (tensor/packed.h). As packed_unpack_panel(), which it is where there is no vector
 * code. Never NULL. */
typedef void (*vector_expand)(const struct packed_layout *l, const void *block, uint64_t panel,
                              uint64_t first, uint64_t count, float *to, size_t stride);
vector_expand vector_expand_find(cpu_isa isa);
/* y [m, columns] = a [m, rows] . the matrix, of the columns of panels [begin, end); strides in
 * elements. m is at most VECTOR_PACKED_ROWS. NULL: no vector code. */
typedef struct vector_packed {
    const struct packed_layout *layout;
    const void *block;
    size_t m, a_stride, y_stride;
    const float *a;
    float *y;
} vector_packed;
typedef void (*vector_packed_run)(const vector_packed *p, uint64_t begin, uint64_t end);
vector_packed_run vector_packed_find(cpu_isa isa, const struct packed_layout *l);
#define VECTOR_PACKED_ROWS ((size_t)4)

/* Facts about a plan that several rows ask for. */
static inline bool vector_has_input(const kernel_plan *plan, uint32_t i)
{
    return i < plan->node->input_count && plan->inputs[i].dtype != EBB_DTYPE_NONE;
}
/* Vector code allowed, every operand F32, weights plain, nothing empty. */
bool vector_plan_fits(const kernel_plan *plan);

#endif
