/* exercise_state.h -- reads the state of the optimizer in a description, as compiling and saving a
 * model do. Traps where a promise is broken. */
#ifndef EBB_TESTS_FUZZ_EXERCISE_STATE_H
#define EBB_TESTS_FUZZ_EXERCISE_STATE_H

#include "format/format.h"
#include "format/saved_optimizer.h"

#define EXERCISE_STATE_BYTES_MAX ((uint64_t)1 << 20)

static inline ebb_status exercise_variable(region *home, const saved_optimizer *s, uint32_t index,
                                           const saved_tensor *wanted)
{
    uint64_t bytes = ebb_dtype_bytes(wanted->dtype);
    ebb_error error = {0};
    bool is_there;

    for (uint32_t i = 0; i < wanted->rank; i++) {
        const uint64_t length = (uint64_t)wanted->dims[i];
        if (length > EXERCISE_STATE_BYTES_MAX || bytes > EXERCISE_STATE_BYTES_MAX) return EBB_OK;
        bytes *= length + 1;
    }
    void *buffer = bytes <= EXERCISE_STATE_BYTES_MAX ? region_block(home, (size_t)bytes + 8) : NULL;
    if (buffer == NULL) return EBB_OK;
    const ebb_status status = saved_optimizer_read(s, index, wanted, buffer, &is_there, &error);
    if (status != EBB_OK && error.text[0] == '\0') __builtin_trap();
    region_block_release(home, buffer);
    return status;
}

static inline ebb_status exercise_state(region *home, const description *d)
{
    saved_optimizer s = {0};
    saved_training training = {0};
    ebb_error error = {0};
    ebb_status status = saved_optimizer_open(home, d, &s, &error);

    if (status != EBB_OK && error.text[0] == '\0') __builtin_trap();
    if (status == EBB_OK) status = saved_optimizer_list(home, &s, d, 0, &training, &error);
    if (s.problem != NULL && s.count != 0) __builtin_trap();
    if (status == EBB_OK && training.extra_count > 0 &&
        saved_optimizer_fits(&s, training.extra, training.extra_count, &error) != EBB_OK)
        __builtin_trap();
    for (uint32_t i = 0; i < training.extra_count && status == EBB_OK; i++) {
        saved_tensor other = training.extra[i];
        status = exercise_variable(home, &s, i, &other);
        other.dtype = other.dtype == EBB_F32 ? EBB_F64 : EBB_F32; /* converted */
        (void)exercise_variable(home, &s, i, &other);
    }
    saved_optimizer_close(&s);
    return status;
}

/* Of a file, closed and opened again. */
static inline ebb_status exercise_state_of(const char *path)
{
    ledger *l = ledger_open(NULL, (uint64_t)1 << 30);
    description *d = NULL;
    ebb_error error;

    if (l == NULL) return EBB_E_MEMORY;
    region *home = region_open(ledger_root(l), "state", EBB_CLASS_META, 0);
    ebb_status status = EBB_E_MEMORY;
    if (home != NULL) status = format_read(home, path, NULL, &d, &error);
    if (status == EBB_OK) status = description_finish(d, &error);
    if (status == EBB_OK) status = exercise_state(home, d);
    region_close(home);
    if (region_bytes_live(ledger_root(l)) != 0 || ledger_descriptors(l) != 0) __builtin_trap();
    ledger_close(l);
    return status;
}

#endif
