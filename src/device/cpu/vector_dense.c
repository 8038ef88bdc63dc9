/* vector_dense.c -- matmul with a plain b, ebb's own. vector_dense comes before oneDNN and takes
 * what it is best at: few rows, where reading b is all the work. vector_matmul comes after it
 * and takes the rest, where oneDNN may not be used. */
#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/vector.h"

#define DENSE_ROWS_MAX 16
/* Products up to this many multiplications are done here whatever their rows: calling a library
 * costs more. */
#define DENSE_SMALL ((uint64_t)16384)

enum { INPUT_A, INPUT_B, INPUT_BIAS, INPUT_RESIDUAL, INPUT_SCALE };

typedef struct dense_state {
    size_t batch, m, n, k;
    size_t a_step, b_step; /* from one matrix of the batch to the next; 0: the same one */
    bool has[5];
    unary_attributes attributes;
    vector_unary activation; /* NULL: none */
    vector_gemm_run run;
} dense_state;

/* Collapses leading dims; false if the batch does not broadcast simply. */
static bool shape_of(const kernel_plan *plan, dense_state *s)
{
    const tensor_desc *a = &plan->inputs[INPUT_A], *b = &plan->inputs[INPUT_B];
    size_t batch_b = 1;

    s->batch = 1;
    for (uint32_t i = 0; i + 2 < a->rank; i++) s->batch *= (size_t)a->dims[i];
    for (uint32_t i = 0; i + 2 < b->rank; i++) batch_b *= (size_t)b->dims[i];
    s->m = (size_t)a->dims[a->rank - 2];
    s->k = (size_t)a->dims[a->rank - 1];
    s->n = (size_t)b->dims[b->rank - 1];
    if (batch_b == 1) {
        s->m *= s->batch;
        s->batch = 1;
        return true;
    }
    if (a->rank != b->rank || batch_b != s->batch) return false;
    for (uint32_t i = 0; i + 2 < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    s->a_step = s->m * s->k;
    s->b_step = s->k * s->n;
    return true;
}

static bool plan_any(kernel_plan *plan, dense_state *s)
{
    const matmul_attributes *t = plan->node->attributes;

    if (t->transpose_a || t->transpose_b || !vector_plan_fits(plan) || !shape_of(plan, s))
        return false;
    for (uint32_t i = 0; i <= INPUT_SCALE; i++) s->has[i] = vector_has_input(plan, i);
    s->run = vector_gemm_find(plan->device->isa);
    s->attributes = t->epilogue.activation;
    if (s->attributes.kind != UNARY_IDENTITY)
        s->activation = vector_unary_find(plan->device->isa, &s->attributes);
    return s->run != NULL;
}

static bool keep(kernel_plan *plan, const dense_state *s)
{
    dense_state *state = region_new(plan->home, dense_state, 1);

    if (state == NULL) return false;
    *state = *s;
    plan->state = state;
    return true;
}

static bool plan_dense(kernel_plan *plan)
{
    dense_state s = {0};

    if (!plan_any(plan, &s)) return false;
    if (s.batch * s.m > DENSE_ROWS_MAX && (uint64_t)s.batch * s.m * s.n * s.k > DENSE_SMALL)
        return false;
    return keep(plan, &s);
}

static bool plan_matmul(kernel_plan *plan)
{
    dense_state s = {0};

    return plan_any(plan, &s) && keep(plan, &s);
}

typedef struct dense_job {
    const dense_state *state;
    vector_gemm first;
} dense_job;

static void run_batches(void *context, size_t begin, size_t end)
{
    const dense_job *j = context;
    const dense_state *s = j->state;

    for (size_t i = begin; i < end; i++) {
        vector_gemm g = j->first;

        g.a += i * s->a_step;
        g.b += i * s->b_step;
        g.c += i * s->m * s->n;
        if (g.residual != NULL) g.residual += i * s->m * s->n;
        s->run(&g, 0, g.n);
    }
}

static void run_dense(const kernel_call *call)
{
    const dense_state *s = call->state;
    dense_job job = {.state = s};

    job.first = (vector_gemm){
        .m = s->m,
        .n = s->n,
        .k = s->k,
        .a_stride = s->k,
        .b_stride = s->n,
        .c_stride = s->n,
        .a = call->inputs[INPUT_A],
        .b = call->inputs[INPUT_B],
        .c = call->outputs[0],
        .scale = s->has[INPUT_SCALE] ? call->inputs[INPUT_SCALE] : NULL,
        .bias = s->has[INPUT_BIAS] ? call->inputs[INPUT_BIAS] : NULL,
        .residual = s->has[INPUT_RESIDUAL] ? call->inputs[INPUT_RESIDUAL] : NULL,
        .attributes = &s->attributes,
        .activation = s->activation,
    };
    if (s->batch == 1)
        vector_gemm_parallel(s->run, &job.first, call->threads);
    else
        parallel_for(call->threads, s->batch, 1, run_batches, &job);
}

const kernel_def kernel_vector_dense = {
    "vector.dense", OP_matmul, plan_dense, NULL, NULL, run_dense, NULL, NULL,
};

const kernel_def kernel_vector_matmul = {
    "vector.matmul", OP_matmul, plan_matmul, NULL, NULL, run_dense, NULL, NULL,
};
