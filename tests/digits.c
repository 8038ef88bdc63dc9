/* digits.c -- see digits.h. */
#include "digits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MODELS EBB_EXAMPLES "/models/"

const char *const digits_mlp = MODELS "digits_mlp.keras";
const char *const digits_cnn = MODELS "digits_cnn.h5";

/* The arrays are plain .npy files of float32, version 1: the data are the last bytes of the file.
 */
static void read_tail(const char *path, void *to, size_t bytes)
{
    FILE *file = fopen(path, "rb");

    CHECK(file != NULL);
    CHECK_EQ(fseek(file, -(long)bytes, SEEK_END), 0);
    CHECK_EQ(fread(to, 1, bytes, file), bytes);
    fclose(file);
}

void digits_open(test *t, digits *d, const ebb_runtime_options *options)
{
    read_tail(MODELS "digits_x.npy", d->x, sizeof d->x);
    read_tail(MODELS "digits_mlp_y.npy", d->mlp_y, sizeof d->mlp_y);
    read_tail(MODELS "digits_cnn_y.npy", d->cnn_y, sizeof d->cnn_y);
    CHECK_OK(ebb_runtime_open(options, &d->runtime, &t->error));
}

void digits_close(test *t, digits *d)
{
    ebb_memory memory;
    ebb_receipt receipt;

    (void)t;
    CHECK_OK(ebb_memory_read(d->runtime, &memory));
    CHECK_EQ(memory.descriptors, 0);
    CHECK_OK(ebb_runtime_close(d->runtime, &receipt));
    CHECK_EQ(receipt.bytes_kept, 0);
    CHECK_STATUS(ebb_runtime_close(d->runtime, NULL), EBB_E_STALE);
}

ebb_status digits_predict(const digits *d, ebb_model model, int64_t rows, float *y,
                          ebb_error *error)
{
    const ebb_view in = {EBB_F32, 4, {rows, 8, 8, 1}, (void *)(uintptr_t)d->x};
    const ebb_view out = {EBB_F32, 2, {rows, DIGITS_CLASSES}, y};
    const ebb_views inputs = {&in, 1}, outputs = {&out, 1};

    return ebb_model_predict(model, &inputs, &outputs, error);
}

double digits_error(const float *y, const float *expected, int64_t rows)
{
    double worst = 0;

    for (int64_t i = 0; i < rows * DIGITS_CLASSES; i++) {
        const double off = fabs((double)y[i] - expected[i]);
        if (!(off <= worst)) worst = off;
    }
    return worst;
}

uint64_t digits_live(const digits *d)
{
    ebb_memory memory;

    CHECK_OK(ebb_memory_read(d->runtime, &memory));
    return memory.live;
}

void digits_copy(const char *from, const char *to)
{
    char buffer[4096];
    size_t got;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");

    CHECK(in != NULL && out != NULL);
    while ((got = fread(buffer, 1, sizeof buffer, in)) > 0)
        CHECK_EQ(fwrite(buffer, 1, got, out), got);
    fclose(in);
    CHECK_EQ(fclose(out), 0);
}
