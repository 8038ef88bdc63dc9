/* s001_4_virtual_devices.c -- a device is divided before it is used, and not afterwards.
 *
 * TensorFlow                                               here
 * cpus = tf.config.list_physical_devices("CPU")            ebb_physical_devices_list
 * LogicalDeviceConfiguration(memory_limit=...)             a number of bytes, 0 = no limit
 * tf.config.set_logical_device_configuration(cpus[0], two) ebb_device_logical_set
 * tf.config.list_logical_devices("CPU")                    ebb_devices_list: the first use
 * with tf.device("/CPU:1"):                                ebb_device_scope_push and _pop
 * except RuntimeError as e: print(e)                       EBB_E_STATE
 *
 * The parts of a device share its processor and have limits of their own: what does not fit into
 * one is EBB_E_MEMORY, and the others never notice. */
#include <ebb/ebb.h>

#include "example.h"

#define DEVICES_MAX 8

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], answers[ROWS];
    const uint64_t limits[] = {0, 4 << 20, 0, 0}; /* CPU:1 may hold 4 MiB */
    ebb_physical_device_info physical[DEVICES_MAX];
    ebb_device_info logical[DEVICES_MAX];
    size_t physical_count = DEVICES_MAX, logical_count = DEVICES_MAX;
    ebb_runtime runtime;
    ebb_memory memory;
    ebb_error error;

    make_rows(x, y);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);

    must(ebb_device_logical_set(runtime, "CPU:0", limits, 2, &error), &error);
    must(ebb_devices_list(runtime, logical, &logical_count, &error), &error);
    expect(ebb_physical_devices_list(runtime, physical, &physical_count) == EBB_OK, "a list");
    printf("%zu Physical CPUs, %zu Logical CPUs\n", physical_count, logical_count);
    const uint64_t before = live_bytes(runtime);

    /* A model within the scope is charged to CPU:1, every byte of it */
    must(ebb_device_scope_push(runtime, "/CPU:1", &error), &error);
    const ebb_model model = build_model(runtime, 64, (ebb_scope){0});
    must(ebb_device_scope_pop(runtime, &error), &error);
    ask(model, x, ROWS, answers);
    must(ebb_device_memory_read(runtime, "/CPU:1", &memory, &error), &error);
    expect(memory.models == 1 && memory.live > 4 * 64 * 64 && memory.limit == 4 << 20,
           "the model on CPU:1");

    /* Virtual devices must be set before the device is used */
    const ebb_status status = ebb_device_logical_set(runtime, "CPU:0", limits, 4, &error);
    if (status != EBB_OK) printf("%s\n", error.text);
    expect(status == EBB_E_STATE, "a refusal");

    must(ebb_model_unload(model, NULL, NULL, &error), &error);
    must(ebb_device_memory_read(runtime, "/CPU:1", &memory, &error), &error);
    expect(memory.live == 0, "an empty CPU:1");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
