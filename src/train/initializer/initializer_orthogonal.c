/* initializer_orthogonal.c -- Orthogonal: a random matrix with orthonormal rows or columns,
 * whichever are fewer.
 *
 * Keras takes Q of the QR factors of a normal matrix, with the signs that make R's diagonal
 * positive. Gram-Schmidt gives just that Q: each vector of normal numbers loses its parts along the
 * vectors before it and is brought to length 1. What it loses is taken off a second time when most
 * of the vector was lost, because then rounding is no longer small beside the rest. */
#include <math.h>

#include "base/size.h"
#include "base/status.h"
#include "train/initializer/initializer.h"

#define LANES     16  /* partial sums of a dot product: a loop over them is vector code */
#define LOST_MOST 0.5 /* of the square of the length */

typedef struct orthogonal {
    double gain;
    const json *seed;
} orthogonal;

static const layer_field orthogonal_fields[] = {
    TRAIN_FIELD(orthogonal, gain, FIELD_F64, 1),
    TRAIN_FIELD(orthogonal, seed, FIELD_JSON, 0),
    TRAIN_FIELD_END,
};

/* `count` vectors of `length` numbers, one after the other. */
typedef struct vectors {
    float *numbers;
    size_t length, count;
} vectors;

static double dot(const float *a, const float *b, size_t length)
{
    float lanes[LANES] = {0};
    double sum = 0;
    size_t i = 0;

    for (; i + LANES <= length; i += LANES) {
        for (size_t j = 0; j < LANES; j++) lanes[j] += a[i + j] * b[i + j];
    }
    for (size_t j = 0; j < LANES; j++) sum += lanes[j];
    for (; i < length; i++) sum += (double)a[i] * b[i];
    return sum;
}

/* Takes the parts along the first `before` vectors off vector number `before`. */
static void take_off(const vectors *v, size_t before)
{
    float *const at = v->numbers + before * v->length;

    for (size_t k = 0; k < before; k++) {
        const float *const along = v->numbers + k * v->length;
        const float part = (float)dot(at, along, v->length);

        for (size_t i = 0; i < v->length; i++) at[i] -= part * along[i];
    }
}

static void orthonormalize(const vectors *v)
{
    for (size_t k = 0; k < v->count; k++) {
        float *const at = v->numbers + k * v->length;
        const double whole = dot(at, at, v->length);

        take_off(v, k);
        double rest = dot(at, at, v->length);
        if (rest < LOST_MOST * whole) {
            take_off(v, k);
            rest = dot(at, at, v->length);
        }
        const float factor = rest > 0 ? (float)(1 / sqrt(rest)) : 0;
        for (size_t i = 0; i < v->length; i++) at[i] *= factor;
    }
}

typedef struct matrix {
    const vectors *v;
    float gain;
    bool by_columns; /* the vectors are columns of the result, else its rows */
} matrix;

static void matrix_numbers(const void *context, uint64_t first, uint32_t count, float *to)
{
    const matrix *const m = context;
    const vectors *const v = m->v;

    for (uint32_t i = 0; i < count; i++) {
        const size_t place = (size_t)first + i;
        const size_t at = m->by_columns ? place % v->count * v->length + place / v->count : place;

        to[i] = m->gain * v->numbers[at];
    }
}

static ebb_status orthogonal_fill(const void *config, const initializer_call *call)
{
    const orthogonal *c = config;
    const initializer_call seeded = initializer_seeded(call, c->seed);

    if (call->rank < 2) {
        return fail(call->error, EBB_E_SHAPE, call->where,
                    "Orthogonal: expected a weight of rank 2 or more, got rank %u", call->rank);
    }
    if (call->count == 0) return EBB_OK;
    const size_t columns = (size_t)call->dims[call->rank - 1];
    const size_t rows = (size_t)call->count / columns;
    vectors v = {.length = rows > columns ? rows : columns,
                 .count = rows > columns ? columns : rows};
    region *const scratch = region_open(call->home, "orthogonal", EBB_CLASS_SCRATCH, 0);
    if (scratch == NULL) return region_fail(call->home, call->error, call->where, "Orthogonal");
    size_t bytes;
    (void)size_mul((size_t)call->count, sizeof(float), &bytes); /* too much is refused below */
    v.numbers = region_block(scratch, bytes);
    if (v.numbers == NULL) {
        const ebb_status status = region_fail(scratch, call->error, call->where, "Orthogonal");
        region_close(scratch);
        return status;
    }
    initializer_call normal = seeded;
    normal.dtype = EBB_F32;
    normal.data = v.numbers;
    initializer_random(&normal, PHILOX_NORMAL, 0, 1);
    orthonormalize(&v);
    initializer_write(call, matrix_numbers, &(matrix){&v, (float)c->gain, rows > columns});
    region_close(scratch);
    return EBB_OK;
}

const initializer_def initializer_def_orthogonal = {
    {"Orthogonal", "OrthogonalInitializer", sizeof(orthogonal), orthogonal_fields, NULL},
    orthogonal_fill};
