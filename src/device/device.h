/* device.h -- a device: a name, what it can do, and its kernel rows. One entry in list.inc each.
 *
 * A device is opened with its runtime and described by plain data; the CPU device holds no memory.
 */
#ifndef EBB_DEVICE_DEVICE_H
#define EBB_DEVICE_DEVICE_H

#include "device/kernel.h"

typedef enum cpu_isa { ISA_PORTABLE, ISA_AVX2, ISA_AVX512 } cpu_isa;

typedef struct device_options {
    const char *isa; /* highest wanted; NULL = best */
    bool no_jit;
    uint32_t threads; /* highest per executable; 0 = physical cores this process may use */
} device_options;

struct device {
    const struct device_def *def;
    uint32_t index; /* among those of its kind; set before open */
    char name[32];  /* "CPU:0" */
    char description[128];
    cpu_isa isa;
    bool jit; /* libraries that generate code may be used */
    uint32_t threads;
};

typedef struct device_def {
    const char *name; /* "CPU" */
    uint32_t (*count)(void); /* of them in this machine; NULL: one */
    ebb_status (*open)(device *d, const device_options *options, ebb_error *error);
    void (*close)(device *d); /* NULL: nothing to close */
    /* A model went: gives back what the process holds only while models run. NULL: nothing. */
    void (*rest)(const device *d);
    /* Rows for an op on this device, best first; *count of them. */
    const kernel_def *const *(*kernels)(const device *d, op_id op, uint32_t *count);
} device_def;

/* Every kind, in the order of list.inc: the first one is where a runtime itself lives. */
const device_def *const *device_defs(uint32_t *count);
const device_def *device_def_find(const char *name); /* NULL if there is none */

#endif
