/* advice.h -- what would make room: the end of every message that says a device or a runtime is
 * full. */
#ifndef EBB_RUNTIME_ADVICE_H
#define EBB_RUNTIME_ADVICE_H

#include "runtime/devices.h"
#include "runtime/model.h"

#define ADVICE_BYTES 240

/* "on it: resnet50 110100480, mnist 1204224; unload resnet50; ebb_trim() gives back 4096": the
 * models of a device (NULL: of the runtime), largest first; the smallest that frees `missing` bytes
 * by itself; what is cached. `except` (may be NULL) is not counted. */
const char *advice_write(runtime *r, const logical_device *device, const model *except,
                         uint64_t missing, char text[ADVICE_BYTES]);

/* Is there room on the device for `peak` bytes, of which `own` are live already? E_MEMORY says what
 * is asked, the limit, what is live, and what would make room. */
ebb_status device_admit(runtime *r, const logical_device *device, const model *except,
                        uint64_t peak, uint64_t own, const char *where, ebb_error *error);

/* Adds to an E_MEMORY what else is loaded where the model is: for what no plan had foreseen.
 * Returns the status. */
ebb_status advice_add(const model *m, ebb_status status, ebb_error *error);

#endif
