/* fuzz_layer.c -- libFuzzer target: any bytes as a model's configuration, run to the end without a
 * file of weights: layers, passes, plan, kernels, one prediction of two rows with small numbers. */
#include <stdio.h>
#include <string.h>

#include "exec/executable.h"
#include "format/keras/model_config.h"
#include "graph/pass.h"
#include "json_mutator.h"
#include "layer/assemble.h"

#define MEMORY_MAX  ((uint64_t)256 << 20)
#define FLOPS_MAX   ((uint64_t)1 << 26)
#define ARENA_MAX   ((uint64_t)1 << 22)
#define SYMBOLS_MAX 64
#define PORTS_MAX   16

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t length_max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t length_max, unsigned seed)
{
    return json_mutate(bytes, length, length_max, seed);
}

/* -- running ----------------------------------------------------------------------------------- */

/* Weights of 0.5, or 1 where they are whole numbers. */
static ebb_status weight_make(void *context, region *scratch, uint32_t index, uint64_t first,
                              uint64_t count, void *to, ebb_error *error)
{
    const built_model *m = context;
    const ebb_dtype dtype = m->weights[index]->dtype;

    (void)scratch;
    (void)first;
    (void)error;
    memset(to, 0, (size_t)(count * ebb_dtype_bytes(dtype)));
    for (uint64_t i = 0; i < count; i++) {
        if (dtype == EBB_F32) ((float *)to)[i] = 0.5f;
    }
    return EBB_OK;
}

static ebb_status views_make(region *home, const tensor_desc *descs, uint32_t count,
                             ebb_view *views)
{
    for (uint32_t i = 0; i < count; i++) {
        views[i] = (ebb_view){.dtype = descs[i].dtype, .rank = descs[i].rank};
        memcpy(views[i].dims, descs[i].dims, sizeof views[i].dims);
        const uint64_t size = ebb_view_bytes(&views[i]);
        if (size > ARENA_MAX) return EBB_E_MEMORY;
        views[i].data = region_block(home, (size_t)size + 1);
        if (views[i].data == NULL) return EBB_E_MEMORY;
    }
    return EBB_OK;
}

static void model_run(region *home, built_model *m, weights *w, executable *e)
{
    ebb_view inputs[PORTS_MAX] = {0}, outputs[PORTS_MAX] = {0};
    const weight_reader reader = {weight_make, m};

    if (e->flops > FLOPS_MAX || e->arena_bytes > ARENA_MAX || w->block_bytes > ARENA_MAX) return;
    if (m->input_count > PORTS_MAX || m->output_count > PORTS_MAX) return;
    if (views_make(home, e->inputs, m->input_count, inputs) != EBB_OK) return;
    if (views_make(home, e->outputs, m->output_count, outputs) != EBB_OK) return;
    region *store = region_open(home, "weights", EBB_CLASS_WEIGHTS, 0);
    region *scratch = region_open(home, "scratch", EBB_CLASS_SCRATCH, 0);
    void *arena = region_block(home, (size_t)e->arena_bytes + 1);
    if (store == NULL || scratch == NULL || arena == NULL) return;
    if (weights_fill(w, store, scratch, &reader, NULL) != EBB_OK) return;
    if (executable_open(e, NULL) != EBB_OK || executable_bind(e, 0, arena, NULL) != EBB_OK) return;
    executable_run(e, 0, inputs, outputs);
}

static ebb_status model_plan(region *home, built_model *m, const device *cpu, bool inference_only,
                             weights **w, executable **e, ebb_error *error)
{
    int64_t symbols[SYMBOLS_MAX];
    executable_options options = {.home = home,
                                  .device = cpu,
                                  .graph = m->graph,
                                  .symbols = symbols,
                                  .threads = 1,
                                  .lanes = 1};

    for (uint32_t i = 0; i < SYMBOLS_MAX; i++) symbols[i] = 2 + i % 3;
    if (dim_symbol_count(m->graph) > SYMBOLS_MAX) return EBB_E_UNSUPPORTED;
    ebb_status status = passes_run(m->graph, inference_only, error);
    if (status == EBB_OK) status = weights_open(home, cpu, m->graph, !inference_only, w, error);
    if (status != EBB_OK) return status;
    options.weights = *w;
    status = executable_make(&options, e, error);
    return status == EBB_OK ? weights_layout(*w, error) : status;
}

static void fail_loudly(const ebb_error *error)
{
    fprintf(stderr, "%s: %s: %s\n", ebb_status_name(error->status), error->where, error->text);
    __builtin_trap();
}

static void config_run(region *home, const char *bytes, size_t length, bool inference_only)
{
    const json *object = NULL;
    description d = {.path = "fuzz", .format = "keras", .keras_version = "3.15.0", .backend = ""};
    built_model *m = NULL;
    weights *w = NULL;
    executable *e = NULL;
    device cpu = {.def = device_def_find("CPU")};
    const device_options options = {.threads = 1};
    ebb_error error = {0};

    if (cpu.def->open(&cpu, &options, NULL) != EBB_OK) return;
    if (json_read(home, bytes, length, "fuzz", &object, &error) != EBB_OK) return;
    d.keras_major = model_config_major(object);
    if (model_config_read(home, object, d.keras_major, &d.model, &error) != EBB_OK) return;
    error = (ebb_error){0};
    ebb_status status = assemble_model(home, &d, NULL, &m, &error);
    if (status != EBB_OK && error.text[0] == '\0') __builtin_trap();
    if (status == EBB_E_INTERNAL) fail_loudly(&error);
    if (status != EBB_OK) return;
    status = model_plan(home, m, &cpu, inference_only, &w, &e, &error);
    if (status == EBB_E_INTERNAL) fail_loudly(&error); /* what assembles must verify */
    if (status == EBB_OK) model_run(home, m, w, e);
    executable_close(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    ledger *l = ledger_open(NULL, MEMORY_MAX);

    if (l == NULL) return 0;
    region *home = region_open(ledger_root(l), "fuzz", EBB_CLASS_META, 0);
    if (home != NULL) config_run(home, (const char *)bytes, length, length % 2 == 1);
    region_close(home);
    if (region_bytes_live(ledger_root(l)) != 0) __builtin_trap();
    ledger_close(l);
    return 0;
}
