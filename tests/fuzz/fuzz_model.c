/* fuzz_model.c -- libFuzzer target: any bytes as a model file, through the whole public API. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exercise_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char path[64];
    const int file = memfd_create("fuzz", MFD_CLOEXEC);

    if (file < 0) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (write(file, bytes, length) == (ssize_t)length) (void)exercise_model(path);
    close(file);
    return 0;
}
