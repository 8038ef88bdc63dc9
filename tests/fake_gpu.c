/* fake_gpu.c -- see fake_gpu.h. */
#include "fake_gpu.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "runtime/runtime.h"

static uint32_t open_now;
static int32_t fails_in = -1;

static uint32_t two(void)
{
    return 2;
}

static ebb_status gpu_open(device *d, const device_options *options, ebb_error *error)
{
    if (fails_in >= 0 && fails_in-- == 0)
        return fail(error, EBB_E_INTERNAL, "GPU", "the driver says no");
    const ebb_status status = device_def_find("CPU")->open(d, options, error);
    if (status != EBB_OK) return status;
    (void)snprintf(d->description, sizeof d->description, "pretended GPU number %u", d->index);
    open_now++;
    return EBB_OK;
}

static void gpu_close(device *d)
{
    (void)d;
    open_now--;
}

static const kernel_def *const *gpu_kernels(const device *d, op_id op, uint32_t *count)
{
    return device_def_find("CPU")->kernels(d, op, count);
}

static const device_def fake_gpu = {
    .name = "GPU", .count = two, .open = gpu_open, .close = gpu_close, .kernels = gpu_kernels};

ebb_status fake_gpus_open(const ebb_runtime_options *options, ebb_runtime *runtime,
                          ebb_error *error)
{
    const device_def *const kinds[] = {device_def_find("CPU"), &fake_gpu};

    return runtime_open_on(options, kinds, 2, &runtime->id, error);
}

uint32_t fake_gpus_open_now(void)
{
    return open_now;
}

void fake_gpus_fail(int32_t n)
{
    fails_in = n;
}
