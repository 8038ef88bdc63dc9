/* size.h -- checked size arithmetic. Every size that comes from a file or a caller goes through
 * here. Each returns false when the result does not fit; *result is then SIZE_MAX / UINT64_MAX /
 * INT64_MAX. */
#ifndef EBB_BASE_SIZE_H
#define EBB_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool size_add(size_t a, size_t b, size_t *result)
{
    if (!__builtin_add_overflow(a, b, result)) return true;
    *result = SIZE_MAX;
    return false;
}

static inline bool size_mul(size_t a, size_t b, size_t *result)
{
    if (!__builtin_mul_overflow(a, b, result)) return true;
    *result = SIZE_MAX;
    return false;
}

static inline bool u64_add(uint64_t a, uint64_t b, uint64_t *result)
{
    if (!__builtin_add_overflow(a, b, result)) return true;
    *result = UINT64_MAX;
    return false;
}

static inline bool u64_mul(uint64_t a, uint64_t b, uint64_t *result)
{
    if (!__builtin_mul_overflow(a, b, result)) return true;
    *result = UINT64_MAX;
    return false;
}

static inline bool i64_add(int64_t a, int64_t b, int64_t *result)
{
    if (!__builtin_add_overflow(a, b, result)) return true;
    *result = INT64_MAX;
    return false;
}

static inline bool i64_mul(int64_t a, int64_t b, int64_t *result)
{
    if (!__builtin_mul_overflow(a, b, result)) return true;
    *result = INT64_MAX;
    return false;
}

/* Next multiple of a power of two. */
static inline bool size_align(size_t bytes, size_t alignment, size_t *result)
{
    if (!size_add(bytes, alignment - 1, result)) return false;
    *result &= ~(alignment - 1);
    return true;
}

#endif
