/* crc32c.c -- see crc32c.h: the processor's instruction where there is one, else four bits at a
 * time. */
#include "base/crc32c.h"

#include <string.h>

static uint32_t crc_plain(uint32_t crc, const uint8_t *bytes, size_t length)
{
    static const uint32_t steps[16] = {
        0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3,
        0x61C69362, 0x7198540D, 0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9,
        0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
    };

    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ steps[crc & 15];
        crc = crc >> 4 ^ steps[crc & 15];
    }
    return crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t crc_fast(uint32_t crc, const uint8_t *bytes,
                                                           size_t length)
{
    uint64_t wide = crc;

    for (; length >= 8; length -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    for (; length > 0; length--) wide = __builtin_ia32_crc32qi((uint32_t)wide, *bytes++);
    return (uint32_t)wide;
}

static uint32_t crc_any(uint32_t crc, const uint8_t *bytes, size_t length)
{
    return __builtin_cpu_supports("sse4.2") ? crc_fast(crc, bytes, length)
                                            : crc_plain(crc, bytes, length);
}

#else

static uint32_t crc_any(uint32_t crc, const uint8_t *bytes, size_t length)
{
    return crc_plain(crc, bytes, length);
}

#endif

uint32_t crc32c_extend(uint32_t crc, const void *bytes, size_t length)
{
    return ~crc_any(~crc, bytes, length);
}
