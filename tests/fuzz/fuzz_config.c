/* fuzz_config.c -- libFuzzer target: any bytes as config.json, read as a model of Keras 1, 2 and 3.
 * Every reference of what comes out is followed, so that a sanitizer sees a wrong one. */
#include <string.h>

#include "format/keras/model_config.h"

#define DEPTH_MAX 40

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void reference_follow(const model_config *m, tensor_ref ref)
{
    if (ref.layer >= m->layer_count) __builtin_trap();
    const layer_config *layer = &m->layers[ref.layer];
    const bool is_input = strcmp(layer->class_name, "InputLayer") == 0;
    if (ref.node >= layer->call_count && !(is_input && ref.node == 0)) __builtin_trap();
}

static void argument_follow(const model_config *m, const argument *a, uint32_t depth)
{
    if (depth > DEPTH_MAX) __builtin_trap();
    if (a->kind == ARGUMENT_TENSOR) reference_follow(m, a->ref);
    for (uint32_t i = 0; a->kind == ARGUMENT_LIST && i < a->item_count; i++) {
        argument_follow(m, &a->items[i], depth + 1);
    }
}

static void model_follow(const model_config *m, uint32_t depth)
{
    if (depth > DEPTH_MAX || m->output_count == 0 || m->input_count == 0) __builtin_trap();
    for (uint32_t i = 0; i < m->layer_count; i++) {
        const layer_config *layer = &m->layers[i];
        if (layer->config == NULL || layer->config->kind != JSON_OBJECT) __builtin_trap();
        if (layer->name == NULL || layer->class_name == NULL) __builtin_trap();
        for (uint32_t k = 0; k < layer->call_count; k++) {
            const call_config *call = &layer->calls[k];
            for (uint32_t n = 0; n < call->argument_count; n++) {
                argument_follow(m, &call->arguments[n], 0);
            }
        }
        if (layer->model != NULL) model_follow(layer->model, depth + 1);
    }
    for (uint32_t i = 0; i < m->input_count; i++) reference_follow(m, m->inputs[i].ref);
    for (uint32_t i = 0; i < m->output_count; i++) reference_follow(m, m->outputs[i].ref);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    ledger *l = ledger_open(NULL, (uint64_t)1 << 30);

    if (l == NULL) return 0;
    for (uint32_t major = 1; major <= 3; major++) {
        region *home = region_open(ledger_root(l), "fuzz", EBB_CLASS_META, 0);
        const json *object = NULL;
        model_config *m = NULL;
        ebb_error error = {0};
        if (home != NULL &&
            json_read(home, (const char *)bytes, length, "fuzz", &object, &error) == EBB_OK) {
            (void)model_config_major(object);
            const ebb_status status = model_config_read(home, object, major, &m, &error);
            if ((status == EBB_OK) != (m != NULL)) __builtin_trap();
            if (status != EBB_OK && error.text[0] == '\0') __builtin_trap();
            if (m != NULL) model_follow(m, 0);
        }
        region_close(home);
    }
    if (region_bytes_live(ledger_root(l)) != 0) __builtin_trap();
    ledger_close(l);
    return 0;
}
