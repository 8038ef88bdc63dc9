/* cpu.c -- the CPU as a device: instruction set, cores, and its kernel rows.
 *
 * The table is kernels.inc in its order; the rows of one op stand together there, best first, so
 * the rows of an op are a piece of the table. The device holds no memory and nothing has to be
 * closed; a library that makes code is there from the first device on.
 */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#ifdef EBB_WITH_ONEDNN
#include "device/cpu/onednn/onednn.h"
#endif
#include "device/cpu/topology.h"
#include "device/device.h"

#define THREADS_MAX 1024

#define KERNEL(name) extern const kernel_def kernel_##name;
#include "device/cpu/kernels.inc"
#undef KERNEL

static const kernel_def *const rows[] = {
#define KERNEL(name) &kernel_##name,
#include "device/cpu/kernels.inc"
#undef KERNEL
};
static const uint32_t row_count = sizeof rows / sizeof rows[0];

static const char *const isa_names[] = {
    [ISA_PORTABLE] = "portable", [ISA_AVX2] = "avx2", [ISA_AVX512] = "avx512"};

static cpu_isa isa_detect(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return ISA_PORTABLE;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return ISA_AVX512;
    }
    return ISA_AVX2;
#else
    return ISA_PORTABLE;
#endif
}

static ebb_status isa_choose(const char *highest, cpu_isa *isa, ebb_error *error)
{
    *isa = isa_detect();
    if (highest == NULL) return EBB_OK;
    for (cpu_isa i = ISA_PORTABLE; i <= ISA_AVX512; i++) {
        if (strcmp(highest, isa_names[i]) != 0) continue;
        if (i < *isa) *isa = i;
        return EBB_OK;
    }
    return fail(error, EBB_E_ARGUMENT, "CPU",
                "isa is \"%s\", expected \"portable\", \"avx2\", \"avx512\" or NULL", highest);
}

static ebb_status cpu_open(device *d, const device_options *options, ebb_error *error)
{
    char name[64];

    const ebb_status status = isa_choose(options->isa, &d->isa, error);
    if (status != EBB_OK) return status;
    if (options->threads > THREADS_MAX) {
        return fail(error, EBB_E_ARGUMENT, "CPU", "%u threads asked for, at most %d are possible",
                    options->threads, THREADS_MAX);
    }
    const uint32_t cores = topology_cores();
    topology_name(name, sizeof name);
    d->jit = !options->no_jit;
#ifdef EBB_WITH_ONEDNN
    (void)onednn_ready(d);
#endif
    d->threads = options->threads == 0 ? cores : options->threads;
    snprintf(d->name, sizeof d->name, "CPU:%u", d->index);
    snprintf(d->description, sizeof d->description, "%s, %u core%s, %s", name, cores,
             cores == 1 ? "" : "s", isa_names[d->isa]);
    return EBB_OK;
}

static const kernel_def *const *cpu_kernels(const device *d, op_id op, uint32_t *count)
{
    uint32_t first = 0, end;

    (void)d;
    while (first < row_count && rows[first]->op != op) first++;
    for (end = first; end < row_count && rows[end]->op == op;) end++;
    *count = end - first;
    return rows + first;
}

static void cpu_rest(const device *d)
{
#ifdef EBB_WITH_ONEDNN
    onednn_rest(d);
#else
    (void)d;
#endif
}

const device_def device_def_cpu = {
    .name = "CPU", .open = cpu_open, .rest = cpu_rest, .kernels = cpu_kernels};
