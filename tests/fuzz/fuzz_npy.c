/* fuzz_npy.c -- libFuzzer target: any bytes as a .npy header; what is accepted reads back. */
#include <string.h>

#include "tensor/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    npy_header header, back;
    ebb_error error;
    char text[256];
    if (npy_header_read(bytes, length, "fuzz", &header, &error) != EBB_OK) return 0;
    if (header.rank > EBB_RANK_MAX || header.data_offset > length) __builtin_trap();
    const size_t written = npy_header_write(&header, text);
    if (npy_header_read(text, written, "again", &back, &error) != EBB_OK) __builtin_trap();
    back.data_offset = header.data_offset;
    if (back.dtype != header.dtype || back.rank != header.rank ||
        back.swapped != header.swapped || back.data_bytes != header.data_bytes ||
        memcmp(back.dims, header.dims, sizeof back.dims) != 0) {
        __builtin_trap();
    }
    return 0;
}
