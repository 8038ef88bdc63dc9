/* batch.c -- see batch.h. */
#include "batch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEQUENCE_DEFAULT 32

ebb_status refuse(ebb_error *error, ebb_status status, const char *where, const char *format, ...)
{
    va_list arguments;

    error->status = status;
    snprintf(error->where, sizeof error->where, "%s", where);
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return status;
}

static ebb_status no_memory(ebb_error *error)
{
    return refuse(error, EBB_E_MEMORY, "", "no memory for the inputs and outputs of a prediction");
}

/* xorshift64*: the same numbers on every machine. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717U;
}

static void fill_random(ebb_view *view, uint64_t count, uint64_t *state)
{
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t random = next_random(state) >> 32;
        const float number = (float)(random >> 8) * 0x1p-24F;
        const uint8_t bit = (uint8_t)(random >> 31);
        if (view->dtype == EBB_F32)
            ((float *)view->data)[i] = number;
        else if (view->dtype == EBB_F64)
            ((double *)view->data)[i] = (double)number;
        else
            ((uint8_t *)view->data)[i * ebb_dtype_bytes(view->dtype)] = bit; /* little-endian */
    }
}

/* Half-precision inputs are given as float32: the library converts. */
static ebb_status make_input(ebb_view *view, const ebb_tensor_info *info,
                             const batch_choice *choice, uint64_t *state, ebb_error *error)
{
    const bool is_half = info->dtype == EBB_F16 || info->dtype == EBB_BF16;

    *view = (ebb_view){.dtype = is_half ? EBB_F32 : info->dtype, .rank = info->rank};
    for (uint32_t i = 0; i < info->rank; i++) {
        const uint32_t unknown = choice->sequence != 0 ? choice->sequence : SEQUENCE_DEFAULT;
        view->dims[i] = info->dims[i] >= 0 ? info->dims[i] : i == 0 ? choice->rows : unknown;
    }
    const uint64_t bytes = ebb_view_bytes(view);
    if (bytes >= UINT64_MAX / 2)
        return refuse(error, EBB_E_SHAPE, info->name, "the input is too large to address");
    view->data = calloc(1, bytes + 1);
    if (view->data == NULL) return no_memory(error);
    fill_random(view, bytes / ebb_dtype_bytes(view->dtype), state);
    return EBB_OK;
}

static ebb_status make_outputs(batch *b, ebb_model model, ebb_error *error)
{
    const ebb_views views = {b->inputs, b->input_count};
    ebb_status status = ebb_model_output_shapes(model, &views, b->outputs, b->output_count, error);

    for (uint32_t i = 0; i < b->output_count && status == EBB_OK; i++) {
        const uint64_t bytes = ebb_view_bytes(&b->outputs[i]);
        if (bytes >= UINT64_MAX / 2)
            return refuse(error, EBB_E_SHAPE, "output", "too large to address");
        b->outputs[i].data = calloc(1, bytes + 1);
        if (b->outputs[i].data == NULL) return no_memory(error);
        b->output_bytes += bytes;
    }
    return status;
}

static ebb_status allocate_views(batch *b, ebb_model model, ebb_error *error)
{
    ebb_model_info info = {0};
    const ebb_status status = ebb_model_info_read(model, &info);

    if (status != EBB_OK) return refuse(error, status, "", "%s", ebb_status_text(status));
    b->input_count = info.inputs;
    b->output_count = info.outputs;
    b->inputs = calloc(info.inputs + 1U, sizeof *b->inputs);
    b->outputs = calloc(info.outputs + 1U, sizeof *b->outputs);
    return b->inputs != NULL && b->outputs != NULL ? EBB_OK : no_memory(error);
}

ebb_status batch_make_random(batch *b, ebb_model model, const batch_choice *choice,
                             ebb_error *error)
{
    uint64_t state = choice->seed * 2 + 1;
    batch_choice chosen = *choice;
    ebb_model_info facts = {0};

    *b = (batch){.owns_inputs = true};
    ebb_status status = allocate_views(b, model, error);
    if (status == EBB_OK && chosen.rows == 0 && ebb_model_info_read(model, &facts) == EBB_OK)
        chosen.rows = facts.batch;
    for (uint32_t i = 0; i < b->input_count && status == EBB_OK; i++) {
        ebb_tensor_info info = {0};
        status = ebb_model_input(model, i, &info);
        if (status != EBB_OK) return refuse(error, status, "", "%s", ebb_status_text(status));
        status = make_input(&b->inputs[i], &info, &chosen, &state, error);
    }
    return status == EBB_OK ? make_outputs(b, model, error) : status;
}

ebb_status batch_make(batch *b, ebb_model model, const ebb_view *inputs, uint32_t count,
                      ebb_error *error)
{
    *b = (batch){0};
    ebb_status status = allocate_views(b, model, error);

    if (status != EBB_OK) return status;
    if (count != b->input_count) {
        return refuse(error, EBB_E_ARGUMENT, "inputs", "the model has %u, got %u", b->input_count,
                      count);
    }
    memcpy(b->inputs, inputs, count * sizeof *inputs);
    return make_outputs(b, model, error);
}

ebb_status batch_predict(const batch *b, ebb_model model, ebb_error *error)
{
    const ebb_views inputs = {b->inputs, b->input_count}, outputs = {b->outputs, b->output_count};

    return ebb_model_predict(model, &inputs, &outputs, error);
}

void batch_copy(const batch *b, void *answer)
{
    char *to = answer;

    for (uint32_t i = 0; i < b->output_count; i++) {
        const uint64_t bytes = ebb_view_bytes(&b->outputs[i]);
        memcpy(to, b->outputs[i].data, bytes);
        to += bytes;
    }
}

bool batch_equals(const batch *b, const void *answer)
{
    const char *at = answer;

    for (uint32_t i = 0; i < b->output_count; i++) {
        const uint64_t bytes = ebb_view_bytes(&b->outputs[i]);
        if (memcmp(at, b->outputs[i].data, bytes) != 0) return false;
        at += bytes;
    }
    return true;
}

void batch_free(batch *b)
{
    for (uint32_t i = 0; b->inputs != NULL && b->owns_inputs && i < b->input_count; i++)
        free(b->inputs[i].data);
    for (uint32_t i = 0; b->outputs != NULL && i < b->output_count; i++) free(b->outputs[i].data);
    free(b->inputs);
    free(b->outputs);
    *b = (batch){0};
}
