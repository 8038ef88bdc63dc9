/* executable_make.c -- first half of an executable: shapes, kernels, weight forms, arena, tables.
 *
 * Everything that counts as meta is taken here, so that ebb_model_plan() and ebb_model_load() see
 * the same bytes. */
#include "exec/executable_internal.h"

#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "exec/executable_scan.h"
#include "exec/fold.h"

static uint64_t node_flops(const executable *e, const node *n)
{
    const op_def *def = op_find(n->op);

    if (def->flops != NULL) return def->flops(e->graph, n, e->dim_values);
    const tensor_desc output = desc_of(e->graph, n->outputs[0], e->dim_values);
    return tensor_desc_count(&output);
}

static ebb_status evaluate_shapes(executable *e, const int64_t *symbols, ebb_error *error)
{
    const graph *g = e->graph;

    e->symbols = region_new(e->home, int64_t, dim_symbol_count(g) + 1);
    e->dim_values = region_new(e->home, int64_t, dim_count(g) + 1);
    if (e->symbols == NULL || e->dim_values == NULL)
        return region_fail(e->home, error, "plan", "shapes");
    memcpy(e->symbols, symbols, dim_symbol_count(g) * sizeof *symbols);
    return dim_evaluate(g, symbols, e->dim_values, error);
}

/* A tensor whose byte count does not fit or is absurd stops the plan here, before any kernel sees
 * it. Strides are products of lengths too, so a length of 0 does not excuse the others. */
static ebb_status check_desc(const tensor_desc *t, const char *where, ebb_error *error)
{
    uint64_t bytes = ebb_dtype_bytes(t->dtype);

    for (uint32_t i = 0; i < t->rank; i++) {
        const uint64_t length = t->dims[i] == 0 ? 1 : (uint64_t)t->dims[i];
        if (t->dims[i] < 0 || !u64_mul(bytes, length, &bytes)) {
            bytes = UINT64_MAX;
            break;
        }
    }
    if (bytes <= INT64_MAX / 4) return EBB_OK;
    return fail(error, EBB_E_SHAPE, where, "a tensor is too large to address; check the shapes");
}

static ebb_status describe_ports(executable *e, ebb_error *error)
{
    const graph *g = e->graph;

    e->inputs = region_new(e->home, tensor_desc, g->input_count + 1);
    e->outputs = region_new(e->home, tensor_desc, g->output_count + 1);
    if (e->inputs == NULL || e->outputs == NULL)
        return region_fail(e->home, error, "plan", "ports");
    for (uint32_t i = 0; i < g->input_count; i++) {
        e->inputs[i] = desc_of(g, g->inputs[i], e->dim_values);
        const ebb_status status = check_desc(&e->inputs[i], "input", error);
        if (status != EBB_OK) return status;
    }
    for (uint32_t i = 0; i < g->output_count; i++) {
        e->outputs[i] = desc_of(g, g->outputs[i], e->dim_values);
    }
    e->result_count = g->output_count - g->update_count;
    return EBB_OK;
}

static const char *step_name(const step *s)
{
    return s->node->name != NULL ? s->node->name : op_find(s->node->op)->name;
}

static ebb_status describe_step(executable *e, step *s, ebb_error *error)
{
    const node *n = s->node;
    tensor_desc *descs = region_new(e->home, tensor_desc, n->input_count + n->output_count);

    if (descs == NULL) return region_fail(e->home, error, "plan", "a step");
    s->inputs = descs;
    s->outputs = descs + n->input_count;
    for (uint32_t i = 0; i < n->input_count; i++)
        descs[i] = desc_of(e->graph, n->inputs[i], e->dim_values);
    for (uint32_t i = 0; i < n->output_count; i++) {
        descs[n->input_count + i] = desc_of(e->graph, n->outputs[i], e->dim_values);
        const ebb_status status = check_desc(&descs[n->input_count + i], step_name(s), error);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

static ebb_status offer_weights(executable *e, const node *n, kernel_plan *plan, ebb_error *error)
{
    for (uint32_t i = 0; i < n->input_count; i++) {
        const value v = n->inputs[i];
        if (v == VALUE_NONE || !graph_value(e->graph, v)->is_constant) continue;
        weight_slot *slot = weights_slot(e->weights, v);
        if (slot == NULL) return region_fail(e->home, error, n->name, "weights");
        plan->weights[i].is_weight = true;
        plan->weights[i].is_decided = slot->is_decided;
        plan->weights[i].form = slot->form;
    }
    return EBB_OK;
}

static void accept_weights(executable *e, const node *n, const kernel_plan *plan)
{
    for (uint32_t i = 0; i < n->input_count; i++) {
        if (!plan->weights[i].is_weight) continue;
        weight_slot *slot = weights_slot(e->weights, n->inputs[i]);
        slot->form = plan->weights[i].form;
        slot->is_decided = true;
    }
}

/* Asks the rows of the device in turn. */
static ebb_status choose_kernel(executable *e, step *s, ebb_error *error)
{
    uint32_t count = 0;
    const kernel_def *const *rows = e->device->def->kernels(e->device, s->node->op, &count);

    for (uint32_t i = 0; i < count; i++) {
        kernel_plan plan = {.device = e->device,
                            .graph = e->graph,
                            .node = s->node,
                            .inputs = s->inputs,
                            .outputs = s->outputs,
                            .threads = e->threads,
                            .dim_values = e->dim_values,
                            .home = e->home};
        const ebb_status status = offer_weights(e, s->node, &plan, error);
        if (status != EBB_OK) return status;
        const uint64_t refusals = region_refusals(e->home);
        if (!rows[i]->plan(&plan)) {
            if (region_refusals(e->home) == refusals) continue;
            return region_fail(e->home, error, step_name(s),
                               "a kernel"); /* no memory is no refusal */
        }
        accept_weights(e, s->node, &plan);
        s->kernel = rows[i];
        s->state = plan.state;
        s->scratch_bytes = plan.scratch_bytes;
        s->lane_bytes = (plan.lane_bytes + 15) & ~(uint64_t)15;
        s->is_pointwise = plan.is_pointwise;
        s->shared_input = plan.in_place             ? 0
                          : plan.in_place_with != 0 ? plan.in_place_with
                                                    : SHARES_NONE;
        return EBB_OK;
    }
    return fail(error, EBB_E_UNSUPPORTED, step_name(s),
                "no kernel of %s computes '%s' for these shapes and types", e->device->name,
                op_find(s->node->op)->name);
}

static ebb_status make_steps(executable *e, ebb_error *error)
{
    const graph *g = e->graph;

    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        if (!node_runs(g, n)) continue;
        step *s = &e->steps[e->step_count];
        s->node = n;
        ebb_status status = describe_step(e, s, error);
        if (status == EBB_OK)
            status = n->op == OP_scan ? scan_plan(e, s, error) : choose_kernel(e, s, error);
        if (status != EBB_OK) return status;
        e->draws |= n->op == OP_random && (n->input_count == 0 || n->inputs[0] == VALUE_NONE);
        e->step_count++;
    }
    return EBB_OK;
}

/* Constants that are outputs themselves need a slot too. */
static ebb_status keep_constant_outputs(executable *e, ebb_error *error)
{
    for (uint32_t i = 0; i < e->graph->output_count; i++) {
        const value v = e->graph->outputs[i];
        if (!graph_value(e->graph, v)->is_constant) continue;
        weight_slot *slot = weights_slot(e->weights, v);
        if (slot == NULL) return region_fail(e->home, error, "plan", "an output");
        if (slot->form != NULL) {
            return fail(error, EBB_E_UNSUPPORTED, "plan", "output %u is a weight in packed form",
                        i);
        }
        slot->is_decided = true;
    }
    return EBB_OK;
}

/* Tables of one lane: calls, operand pointers, kernel lane states, patches. */
static ebb_status make_binding(executable *e, binding *b, ebb_error *error)
{
    const uint32_t ports = e->graph->input_count + e->graph->output_count;
    uint32_t patch_count = 0;

    b->calls = region_new(e->home, kernel_call, e->step_count + 1);
    b->externals = region_new(e->home, void *, ports + 1);
    for (uint32_t i = 0; b->calls != NULL && i < e->step_count; i++) {
        const step *s = &e->steps[i];
        void **pointers = region_new(e->home, void *, s->node->input_count + s->node->output_count);
        void *lane = s->lane_bytes == 0 ? NULL : region_alloc(e->home, 1, s->lane_bytes);
        if (pointers == NULL || (lane == NULL && s->lane_bytes > 0)) {
            return region_fail(e->home, error, "plan", "a lane");
        }
        if (s->node->op == OP_scan) scan_lane_open(lane, (uint32_t)(b - e->bindings));
        b->calls[i] = (kernel_call){.state = s->state,
                                    .lane = lane,
                                    .inputs = pointers,
                                    .outputs = pointers + s->node->input_count,
                                    .input_descs = s->inputs,
                                    .output_descs = s->outputs,
                                    .threads = e->threads};
        for (uint32_t k = 0; k < s->node->input_count + s->node->output_count; k++) {
            const value v = k < s->node->input_count ? s->node->inputs[k]
                                                     : s->node->outputs[k - s->node->input_count];
            const place_kind kind = e->places[v].kind;
            patch_count += kind == PLACE_INPUT || kind == PLACE_OUTPUT;
        }
    }
    b->patches = region_new(e->home, patch, patch_count + 1);
    if (b->calls == NULL || b->externals == NULL || b->patches == NULL) {
        return region_fail(e->home, error, "plan", "a lane");
    }
    return EBB_OK;
}

static void choose_threads(executable *e, uint32_t wanted)
{
    for (uint32_t i = 0; i < e->graph->node_count; i++) {
        const node *n = &e->graph->nodes[i];
        if (node_runs(e->graph, n)) e->flops += node_flops(e, n);
    }
    if (wanted == 0) wanted = e->flops >= THREAD_FLOPS_MIN ? e->device->threads : 1;
    e->threads = wanted < e->device->threads ? wanted : e->device->threads;
    if (e->threads == 0) e->threads = 1;
}

static ebb_status make_parts(executable *e, const executable_options *o, ebb_error *error)
{
    ebb_status status = evaluate_shapes(e, o->symbols, error);

    if (status == EBB_OK) status = describe_ports(e, error);
    if (status != EBB_OK) return status;
    choose_threads(e, o->threads);
    e->steps = region_new(e->home, step, e->graph->node_count + 1);
    e->bindings = region_new(e->home, binding, e->lanes);
    if (e->steps == NULL || e->bindings == NULL) {
        return region_fail(e->home, error, "plan", "the steps");
    }
    status = make_steps(e, error);
    if (status == EBB_OK && e->step_count == 0 && e->graph->update_count > 0) {
        status =
            fail(error, EBB_E_UNSUPPORTED, "plan", "variables change, but nothing is computed");
    }
    if (status == EBB_OK) status = keep_constant_outputs(e, error);
    if (status == EBB_OK) status = executable_place(e, error);
    for (uint32_t i = 0; i < e->lanes && status == EBB_OK; i++) {
        status = make_binding(e, &e->bindings[i], error);
    }
    return status;
}

ebb_status executable_make(const executable_options *options, executable **result, ebb_error *error)
{
    executable *e = region_new(options->home, executable, 1);

    *result = e;
    if (e == NULL) return region_fail(options->home, error, "plan", "an executable");
    *e = (executable){.home = options->home,
                      .device = options->device,
                      .graph = options->graph,
                      .weights = options->weights,
                      .lanes = options->lanes};
    return make_parts(e, options, error);
}
