/* device.c -- the table of device kinds, and sums over tensor descriptions. */
#include "device/device.h"

#include <string.h>

#define DEVICE(name) extern const device_def device_def_##name;
#include "device/list.inc"
#undef DEVICE

static const device_def *const devices[] = {
#define DEVICE(name) &device_def_##name,
#include "device/list.inc"
#undef DEVICE
};

const device_def *const *device_defs(uint32_t *count)
{
    *count = sizeof devices / sizeof devices[0];
    return devices;
}

const device_def *device_def_find(const char *name)
{
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
        if (strcmp(devices[i]->name, name) == 0) return devices[i];
    }
    return NULL;
}

uint64_t tensor_desc_count(const tensor_desc *t)
{
    uint64_t count = 1;

    if (t->dtype == EBB_DTYPE_NONE) return 0;
    for (uint32_t i = 0; i < t->rank; i++) count *= (uint64_t)t->dims[i];
    return count;
}

uint64_t tensor_desc_bytes(const tensor_desc *t)
{
    return tensor_desc_count(t) * ebb_dtype_bytes(t->dtype);
}
