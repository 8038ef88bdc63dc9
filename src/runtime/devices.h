/* devices.h -- the devices of a runtime: physical ones, the logical ones they are divided into, and
 * how a device string finds one. Public face: ebb/device.h. Semantics: TensorFlow's tf.config.
 *
 *     physical CPU:0 ──┬─ logical CPU:0   (account, limit)      kernels of the physical device
 *                      └─ logical CPU:1   (account, limit)
 *
 * Until the first use (a load, a session's run, a list of logical devices) the configuration may be
 * changed; from then on it is fixed for the life of the runtime (E_STATE).
 */
#ifndef EBB_RUNTIME_DEVICES_H
#define EBB_RUNTIME_DEVICES_H

#include "device/device.h"
#include "ebb/device.h"
#include "mem/account.h"
#include "runtime/runtime.h"

/* One logical device. Its address is good for the life of the runtime. */
typedef struct logical_device {
    char name[32];        /* "CPU:1" */
    uint32_t index;       /* in the order of ebb_devices_list() */
    const device *device; /* kernels and threads: the same for all parts of a physical device */
    account *account;
} logical_device;

/* The device that a string names, in any of TensorFlow's forms: "CPU:1", "/CPU:1", "/cpu:1",
 * "/device:CPU:1", "/job:localhost/replica:0/task:0/device:CPU:1"; a missing number is 0. NULL or
 * "": the first one. This is a first use. E_ARGUMENT: does not parse; E_NOT_FOUND names the devices
 * that are there (with soft placement an absent one becomes the first). */
ebb_status devices_find(runtime *r, const char *text, logical_device **result, ebb_error *error);
/* The same text checked and written in the short form, without a look at what is there. */
ebb_status device_text_read(const char *text, char name[32], ebb_error *error);

uint32_t devices_count(runtime *r); /* logical ones; a first use */
logical_device *devices_at(runtime *r, uint32_t index);

/* Copies between devices are counted, by pair. Any thread. */
void devices_copied(runtime *r, const logical_device *from, const logical_device *to,
                    uint64_t bytes);

#endif
