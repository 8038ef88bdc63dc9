/* fold.c -- constant expressions, evaluated once at load.
 *
 * Walks the nodes between the leaves (weights, literals) and the wanted value, runs each with the
 * last row of its op: the portable kernel, which reads plain weights. All memory is scratch and
 * goes when the caller closes it. */
#include "exec/fold.h"

#include <string.h>

#include "base/status.h"

typedef struct folder {
    const device *device;
    const graph *graph;
    region *scratch;
    const fold_leaf *leaf;
    const void **bytes; /* by value: plain bytes once known */
    bool *is_needed;
} folder;

tensor_desc desc_of(const graph *g, value v, const int64_t *dim_values)
{
    tensor_desc result = {0};

    if (v == VALUE_NONE) return result;
    const value_info *info = graph_value(g, v);
    result.dtype = info->dtype;
    result.rank = info->shape.rank;
    for (uint32_t i = 0; i < info->shape.rank; i++) {
        result.dims[i] = dim_value(info->shape.dims[i], dim_values);
    }
    return result;
}

tensor_desc desc_of_constant(const graph *g, value v)
{
    return desc_of(g, v, NULL);
}

static void mark_needed(folder *f, value wanted)
{
    const graph *g = f->graph;

    f->is_needed[wanted] = true;
    for (uint32_t i = g->node_count; i-- > 0;) {
        const node *n = &g->nodes[i];
        bool need = false;
        for (uint32_t o = 0; o < n->output_count; o++) need |= f->is_needed[n->outputs[o]];
        for (uint32_t k = 0; need && k < n->input_count; k++) f->is_needed[n->inputs[k]] = true;
    }
    f->is_needed[VALUE_NONE] = false;
}

static ebb_status leaf_bytes(folder *f, value v, ebb_error *error)
{
    if (v == VALUE_NONE || f->bytes[v] != NULL) return EBB_OK;
    return f->leaf->read(f->leaf->context, f->scratch, v, &f->bytes[v], error);
}

/* Runs one node; its inputs are known. `last` receives the result when it produces the wanted
 * value. */
static ebb_status run_node(folder *f, const node *n, value wanted, void *result, ebb_error *error)
{
    uint32_t row_count = 0;
    const kernel_def *const *rows = f->device->def->kernels(f->device, n->op, &row_count);
    tensor_desc descs[OP_INPUTS_MAX + OP_OUTPUTS_MAX];
    void *pointers[OP_INPUTS_MAX + OP_OUTPUTS_MAX];
    tensor_desc *outputs = descs + n->input_count;
    kernel_plan plan = {.device = f->device, .graph = f->graph, .node = n, .threads = 1};
    kernel_call call = {.threads = 1};
    ebb_status status = EBB_OK;

    if (row_count == 0)
        return fail(error, EBB_E_INTERNAL, n->name, "no kernel for a constant node");
    for (uint32_t i = 0; i < n->input_count; i++) {
        descs[i] = desc_of_constant(f->graph, n->inputs[i]);
        pointers[i] = n->inputs[i] == VALUE_NONE ? NULL : (void *)(uintptr_t)f->bytes[n->inputs[i]];
    }
    for (uint32_t i = 0; i < n->output_count; i++) {
        const value v = n->outputs[i];
        outputs[i] = desc_of_constant(f->graph, v);
        pointers[n->input_count + i] =
            v == wanted ? result : region_block(f->scratch, tensor_desc_bytes(&outputs[i]) + 1);
        if (pointers[n->input_count + i] == NULL)
            return region_fail(f->scratch, error, n->name, "folding");
        f->bytes[v] = pointers[n->input_count + i];
    }
    const kernel_def *kernel = rows[row_count - 1];
    plan.inputs = descs;
    plan.outputs = outputs;
    plan.home = f->scratch;
    const uint64_t refusals = region_refusals(f->scratch);
    if (!kernel->plan(&plan)) {
        if (region_refusals(f->scratch) != refusals)
            return region_fail(f->scratch, error, n->name, "folding");
        return fail(error, EBB_E_INTERNAL, n->name, "constant node was refused");
    }
    if (kernel->open != NULL) status = kernel->open(plan.state, error);
    call.state = plan.state;
    call.inputs = pointers;
    call.outputs = pointers + n->input_count;
    call.input_descs = descs;
    call.output_descs = outputs;
    call.scratch = region_block(f->scratch, plan.scratch_bytes + 1);
    call.lane = region_alloc(f->scratch, 1, plan.lane_bytes + 1);
    if (call.scratch == NULL || call.lane == NULL) {
        status = region_fail(f->scratch, error, n->name, "folding");
    }
    if (status == EBB_OK && kernel->bind != NULL) status = kernel->bind(&call, error);
    if (status == EBB_OK) kernel->run(&call);
    if (status == EBB_OK && kernel->unbind != NULL) kernel->unbind(&call);
    if (kernel->close != NULL) kernel->close(plan.state);
    return status;
}

ebb_status fold_evaluate(const device *device, const graph *g, value v, region *scratch,
                         const fold_leaf *leaf, void *result, ebb_error *error)
{
    folder f = {.device = device, .graph = g, .scratch = scratch, .leaf = leaf};

    f.bytes = region_new(scratch, const void *, g->value_count);
    f.is_needed = region_new(scratch, bool, g->value_count);
    if (f.bytes == NULL || f.is_needed == NULL)
        return region_fail(scratch, error, "fold", "constants");
    mark_needed(&f, v);
    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        bool need = false;
        for (uint32_t o = 0; o < n->output_count; o++) need |= f.is_needed[n->outputs[o]];
        if (!need || n->is_dead) continue;
        for (uint32_t k = 0; k < n->input_count; k++) {
            const ebb_status status = leaf_bytes(&f, n->inputs[k], error);
            if (status != EBB_OK) return status;
        }
        const ebb_status status = run_node(&f, n, v, result, error);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}
