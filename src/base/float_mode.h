/* float_mode.h -- how this thread computes with numbers too small to be normal. On such numbers a
 * step takes many times as long; TensorFlow rounds them to zero in its kernels, and so does
 * training here. A mode is a plain number: 0 where the processor has nothing to choose. */
#ifndef EBB_BASE_FLOAT_MODE_H
#define EBB_BASE_FLOAT_MODE_H

#include <stdint.h>

#if defined(__SSE__)
#include <xmmintrin.h>

#define FLOAT_MODE_CONTROL 0xffc0u /* the rest are flags of what has happened */
#define FLOAT_MODE_FLUSH   0x8040u /* results and operands */

static inline uint32_t float_mode(void)
{
    return _mm_getcsr() & FLOAT_MODE_CONTROL;
}
static inline void float_mode_set(uint32_t mode)
{
    if (mode != float_mode()) _mm_setcsr(mode);
}
/* Returns the mode before. */
static inline uint32_t float_mode_flush(void)
{
    const uint32_t before = float_mode();

    float_mode_set(before | FLOAT_MODE_FLUSH);
    return before;
}
#else
static inline uint32_t float_mode(void)
{
    return 0;
}
static inline void float_mode_set(uint32_t mode)
{
    (void)mode;
}
static inline uint32_t float_mode_flush(void)
{
    return 0;
}
#endif

#endif
