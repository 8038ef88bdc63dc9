/* initializer_table.c -- the table of initializers, reading one, and filling a buffer in chunks. */
#include "train/initializer/initializer.h"

#include <string.h>

#include "base/status.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

#define INITIALIZER(name, parameters) extern const initializer_def initializer_def_##name;
#include "train/initializer/list.inc"
#undef INITIALIZER

static const train_entry *const entries[] = {
#define INITIALIZER(name, parameters) &initializer_def_##name.entry,
#include "train/initializer/list.inc"
#undef INITIALIZER
};

static const constructor constructors[] = {
#define INITIALIZER(name, parameters) {#name, parameters},
#include "train/initializer/list.inc"
#undef INITIALIZER
};

const train_table initializer_table = {"initializer", entries, sizeof entries / sizeof entries[0],
                                       constructors, NULL};

#define CHUNK 1024u /* a multiple of four: chunks begin with a block of random numbers */

/* A number alone: {"class_name": "Constant", "config": {"value": number}}; NULL without memory. */
static const json *constant_of(region *home, const json *number)
{
    json *const made = region_new(home, json, 1);
    json_member *const members = region_new(home, json_member, 3);

    if (made == NULL || members == NULL) return NULL;
    members[0] = (json_member){.key = "class_name",
                               .value = {.kind = JSON_STRING, .count = 8, .as.string = "Constant"}};
    members[1] = (json_member){
        .key = "config", .value = {.kind = JSON_OBJECT, .count = 1, .as.members = &members[2]}};
    members[2] = (json_member){.key = "value", .value = *number};
    *made = (json){.kind = JSON_OBJECT, .count = 2, .as.members = members};
    return made;
}

ebb_status initializer_read(region *home, const json *given, const char *where,
                            train_object *result, ebb_error *error)
{
    if (given->kind == JSON_NUMBER || given->kind == JSON_INTEGER) {
        given = constant_of(home, given);
        if (given == NULL) return region_fail(home, error, where, "an initializer");
    }
    return train_object_read(&initializer_table, home, given, where, result, error);
}

ebb_status initializer_fill(const train_object *initializer, region *home, uint64_t seed,
                            ebb_dtype dtype, uint32_t rank, const int64_t *dims, void *data,
                            const char *where, ebb_error *error)
{
    const initializer_def *const def = (const initializer_def *)initializer->entry;
    initializer_call call = {.home = home,
                             .seed = seed,
                             .dtype = dtype,
                             .rank = rank,
                             .dims = dims,
                             .data = data,
                             .where = where,
                             .error = error};

    if (rank > EBB_RANK_MAX || !dims_count(rank, dims, &call.count)) {
        return fail(error, EBB_E_SHAPE, where, "%s: a shape of rank %u that no tensor can have",
                    def->entry.name, rank);
    }
    return def->fill(initializer->config, &call);
}

void initializer_write(const initializer_call *call, initializer_numbers numbers,
                       const void *context)
{
    const size_t size = ebb_dtype_bytes(call->dtype);
    float chunk[CHUNK];

    for (uint64_t first = 0; first < call->count; first += CHUNK) {
        const uint64_t left = call->count - first;
        const uint32_t count = left < CHUNK ? (uint32_t)left : CHUNK;

        numbers(context, first, count, chunk);
        dtype_convert(call->dtype, (char *)call->data + first * size, EBB_F32, chunk, count);
    }
}

typedef struct random_numbers {
    philox_kind kind;
    uint64_t seed;
    float first, factor;
} random_numbers;

static void random_make(const void *context, uint64_t first, uint32_t count, float *to)
{
    const random_numbers *const r = context;
    const float end = r->first + r->factor;
    const bool is_uniform = r->kind == PHILOX_UNIFORM;

    for (uint32_t i = 0; i < count; i += 4) {
        float four[4];

        philox_block(r->kind, r->seed, 0, (first + i) / 4, four);
        for (uint32_t j = 0; j < 4 && i + j < count; j++) {
            const float y = r->first + r->factor * four[j];

            to[i + j] = is_uniform && y >= end && r->factor > 0 ? r->first : y;
        }
    }
}

void initializer_random(const initializer_call *call, philox_kind kind, float first, float factor)
{
    const random_numbers numbers = {kind, call->seed, first, factor};

    initializer_write(call, random_make, &numbers);
}

initializer_call initializer_seeded(const initializer_call *call, const json *seed)
{
    initializer_call result = *call;

    if (seed != NULL && seed->kind == JSON_OBJECT) seed = json_path(seed, "config.seed");
    if (seed != NULL && (seed->kind == JSON_INTEGER || seed->kind == JSON_NUMBER)) {
        result.seed = (uint64_t)json_integer(seed, 0);
    }
    return result;
}
