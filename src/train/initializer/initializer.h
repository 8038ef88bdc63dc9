/* initializer.h -- what weights hold before training: fills a buffer of a given type and shape.
 *
 * Random numbers are a function of the seed, the initializer and the shape alone: no state, the
 * same on every machine and for any number of threads. They are not Keras's numbers (its generators
 * differ by backend), but of its distributions. A seed in the configuration wins over the caller's.
 * Source: keras/src/initializers/. */
#ifndef EBB_TRAIN_INITIALIZER_INITIALIZER_H
#define EBB_TRAIN_INITIALIZER_INITIALIZER_H

#include "base/philox.h"
#include "train/object.h"

/* One buffer to fill. */
typedef struct initializer_call {
    region *home; /* scratch memory is taken under it and given back */
    uint64_t seed;
    ebb_dtype dtype;
    uint32_t rank;
    const int64_t *dims;
    uint64_t count; /* product of dims */
    void *data;     /* `count` elements of `dtype` */
    const char *where;
    ebb_error *error;
} initializer_call;

typedef struct initializer_def {
    train_entry entry;
    ebb_status (*fill)(const void *config, const initializer_call *call);
} initializer_def;

extern const train_table initializer_table;

/* From a name ("glorot_uniform") or an object of Keras's JSON. */
ebb_status initializer_read(region *home, const json *given, const char *where,
                            train_object *result, ebb_error *error);
/* E_SHAPE when the initializer has no answer for this rank; E_MEMORY for scratch memory. */
ebb_status initializer_fill(const train_object *initializer, region *home, uint64_t seed,
                            ebb_dtype dtype, uint32_t rank, const int64_t *dims, void *data,
                            const char *where, ebb_error *error);

/* -- for initializers ------------------------------------------------------------------------- */

/* Elements [first, first + count) as floats. */
typedef void (*initializer_numbers)(const void *context, uint64_t first, uint32_t count, float *to);
/* All elements, a chunk at a time, converted to the type of the buffer. */
void initializer_write(const initializer_call *call, initializer_numbers numbers,
                       const void *context);
/* first + factor * (numbers of a distribution of philox.h). */
void initializer_random(const initializer_call *call, philox_kind kind, float first, float factor);
/* The call with the seed of the configuration, if there is one: a number or a SeedGenerator. */
initializer_call initializer_seeded(const initializer_call *call, const json *seed);

#endif
