/* crc32c.h -- the Castagnoli checksum, and the mask that TensorFlow's files put over it.
 *
 * Source: tensorflow/tsl lib/hash/crc32c.h (the constant of the mask). */
#ifndef EBB_BASE_CRC32C_H
#define EBB_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from `crc`, the checksum of what came before; 0 at the beginning. */
uint32_t crc32c_extend(uint32_t crc, const void *bytes, size_t length);

static inline uint32_t crc32c_masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

static inline uint32_t crc32c_unmask(uint32_t masked)
{
    const uint32_t turned = masked - 0xA282EAD8u;

    return turned >> 17 | turned << 15;
}

#endif
