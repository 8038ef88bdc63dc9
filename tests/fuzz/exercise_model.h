/* exercise_model.h -- a file through the public API as a user would: check, summary, plan, load,
 * predict, unload, with a runtime of its own; the state of its optimizer. Traps where ebb breaks a
 * promise. */
#ifndef EBB_TESTS_FUZZ_EXERCISE_MODEL_H
#define EBB_TESTS_FUZZ_EXERCISE_MODEL_H

#include <stdlib.h>

#include "ebb/ebb.h"
#include "exercise_state.h"

#define EXERCISE_PORTS_MAX  64
#define EXERCISE_VALUES_MAX ((uint64_t)1 << 22)
#define EXERCISE_MEMORY_MAX ((uint64_t)512 << 20)
#define EXERCISE_FLOPS_MAX  ((uint64_t)1 << 31)

static inline bool exercise_text(void *context, const char *text, size_t length)
{
    uint64_t *sum = context;

    for (size_t i = 0; i < length; i++) *sum += (uint8_t)text[i];
    return true;
}

/* Two rows of zeros; unknown axes are three long. */
static inline ebb_status exercise_predict(ebb_model model, const ebb_model_info *info)
{
    ebb_view inputs[EXERCISE_PORTS_MAX] = {0}, outputs[EXERCISE_PORTS_MAX] = {0};
    const ebb_views in = {inputs, info->inputs}, out = {outputs, info->outputs};
    ebb_error error;
    ebb_status status = EBB_OK;
    uint64_t bytes_all = 0;

    for (uint32_t i = 0; i < info->inputs && status == EBB_OK; i++) {
        ebb_tensor_info about;
        if (ebb_model_input(model, i, &about) != EBB_OK) __builtin_trap();
        inputs[i] = (ebb_view){.dtype = about.dtype, .rank = about.rank};
        for (uint32_t k = 0; k < about.rank; k++) {
            inputs[i].dims[k] = about.dims[k] >= 0 ? about.dims[k] : k == 0 ? 2 : 3;
        }
    }
    status = ebb_model_output_shapes(model, &in, outputs, info->outputs, &error);
    for (uint32_t i = 0; i < info->inputs + info->outputs; i++) {
        ebb_view *view = i < info->inputs ? &inputs[i] : &outputs[i - info->inputs];
        const uint64_t bytes = status == EBB_OK || i < info->inputs ? ebb_view_bytes(view) : 0;
        bytes_all = bytes > EXERCISE_VALUES_MAX ? UINT64_MAX : bytes_all + bytes;
        if (bytes_all > EXERCISE_VALUES_MAX) status = EBB_E_MEMORY;
        if (status != EBB_OK) break;
        view->data = calloc(1, (size_t)bytes + 1);
    }
    if (status == EBB_OK) status = ebb_model_predict(model, &in, &out, &error);
    for (uint32_t i = 0; i < EXERCISE_PORTS_MAX; i++) {
        free(inputs[i].data);
        free(outputs[i].data);
    }
    return status;
}

static inline ebb_status exercise_loaded(ebb_model model, const ebb_plan *plan)
{
    ebb_model_info info;
    ebb_memory memory;
    ebb_error error;
    uint64_t sum = 0;

    if (ebb_model_info_read(model, &info) != EBB_OK) __builtin_trap();
    if (ebb_model_memory_read(model, &memory) != EBB_OK) __builtin_trap();
    if (memory.live != plan->total) __builtin_trap(); /* the plan is exact */
    ebb_status status = ebb_model_summary(model, exercise_text, &sum, &error);
    if (status == EBB_OK && plan->flops < EXERCISE_FLOPS_MAX)
        status = exercise_predict(model, &info);
    if (ebb_model_unload(model, NULL, NULL, &error) != EBB_OK) __builtin_trap();
    return status;
}

static inline ebb_status exercise_model(const char *path)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_runtime runtime;
    ebb_model model;
    ebb_plan plan;
    ebb_memory before, after;
    ebb_error error = {0};
    uint64_t sum = 0;
    uint32_t problems = 0;

    options.bytes_max = EXERCISE_MEMORY_MAX;
    options.threads = 1;
    if (ebb_runtime_open(&options, &runtime, &error) != EBB_OK) return EBB_E_MEMORY;
    ebb_memory_read(runtime, &before);
    (void)ebb_file_check(runtime, path, NULL, exercise_text, &sum, &problems, &error);
    const ebb_status planned = ebb_model_plan(runtime, path, NULL, &plan, &error);
    if (planned != EBB_OK && error.text[0] == '\0') __builtin_trap();
    ebb_status status = ebb_model_load(runtime, path, NULL, &model, &error);
    if (status == EBB_OK && planned != EBB_OK) __builtin_trap();
    if (status == EBB_OK) status = exercise_loaded(model, &plan);
    ebb_memory_read(runtime, &after);
    if (after.live != before.live || after.descriptors != 0) __builtin_trap();
    ebb_runtime_close(runtime, NULL);
    if (planned == EBB_OK) (void)exercise_state_of(path);
    return status;
}

#endif
