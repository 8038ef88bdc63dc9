/* kernel_case.c -- see kernel_case.h. */
#include "kernel_case.h"

#include <math.h>
#include <string.h>

#include "harness.h"

#define GARBAGE 0xA5

uint64_t case_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 32;
}

case_tensor case_tensor_make(region *home, ebb_dtype dtype, uint32_t rank, const int64_t *dims)
{
    case_tensor x = {.desc = {.dtype = dtype, .rank = rank}};

    for (uint32_t i = 0; i < rank; i++) x.desc.dims[i] = dims[i];
    x.data = region_block(home, (size_t)tensor_desc_bytes(&x.desc) + 1);
    CHECK(x.data != NULL);
    return x;
}

case_tensor case_tensor_random(region *home, ebb_dtype dtype, uint32_t rank, const int64_t *dims,
                               uint64_t *seed)
{
    const case_tensor x = case_tensor_make(home, dtype, rank, dims);
    const uint64_t count = tensor_desc_count(&x.desc);

    for (uint64_t i = 0; i < count; i++) {
        const uint64_t bits = case_random(seed);

        if (dtype == EBB_F32) {
            ((float *)x.data)[i] = (float)(bits >> 8) * 0x1p-23f - 1.0f;
        } else if (dtype == EBB_I32) {
            ((int32_t *)x.data)[i] = (int32_t)(bits % 19) - 9;
        } else {
            ((uint8_t *)x.data)[i] = (uint8_t)(bits >> 7 & 1);
        }
    }
    return x;
}

graph *kernel_case_graph(region *home, op_id op, const void *attributes, const case_tensor *inputs,
                         uint32_t input_count)
{
    value values[OP_INPUTS_MAX];
    graph *const g = graph_open(home);

    if (g == NULL) return NULL;
    for (uint32_t i = 0; i < input_count; i++) {
        const tensor_desc *const t = &inputs[i].desc;
        shape s = {.rank = t->rank};

        for (uint32_t k = 0; k < t->rank; k++) s.dims[k] = t->dims[k];
        values[i] = t->dtype == EBB_DTYPE_NONE ? VALUE_NONE : graph_input(g, t->dtype, &s);
    }
    graph_node(g, op, values, input_count, attributes);
    if (!graph_ok(g)) harness_fail(__FILE__, __LINE__, "%s: %s", g->error.where, g->error.text);
    return g;
}

device kernel_case_device(cpu_isa isa)
{
    device d = {.name = "CPU:0", .isa = isa, .jit = true, .threads = 2};
    const device_options options = {0};
    device best = {0};

    d.def = device_def_find("CPU");
    if (d.def == NULL) return d;
    CHECK_OK(d.def->open(&best, &options, NULL));
    if (best.isa < isa) d.isa = best.isa;
    return d;
}

static tensor_desc desc_of_value(const graph *g, value v)
{
    const value_info *const info = graph_value(g, v);
    tensor_desc t = {.dtype = info->dtype, .rank = info->shape.rank};

    if (v == VALUE_NONE) return (tensor_desc){0};
    for (uint32_t i = 0; i < t.rank; i++) t.dims[i] = info->shape.dims[i];
    return t;
}

static void *garbage(region *home, uint64_t bytes)
{
    void *const memory = region_block(home, (size_t)bytes + 1);

    CHECK(memory != NULL);
    memset(memory, GARBAGE, (size_t)bytes);
    return memory;
}

/* One planned row and all it needs to be called. */
typedef struct prepared {
    const kernel_def *row;
    kernel_plan plan;
    tensor_desc inputs[OP_INPUTS_MAX], outputs[OP_OUTPUTS_MAX];
    void *input_data[OP_INPUTS_MAX], *output_data[OP_OUTPUTS_MAX];
    kernel_call call;
} prepared;

static void call_once(prepared *p)
{
    ebb_error error = {0};

    if (p->row->bind != NULL) CHECK_OK(p->row->bind(&p->call, &error));
    p->row->run(&p->call);
    if (p->row->unbind != NULL) p->row->unbind(&p->call);
}

/* Weights that the row wants in a form of its own. */
static void pack_weights(prepared *p, region *home)
{
    for (uint32_t i = 0; i < p->plan.node->input_count; i++) {
        const weight_form *const form = p->plan.weights[i].form;

        if (form == WEIGHT_PLAIN || !p->plan.weights[i].is_weight) continue;
        void *const packed = garbage(home, form->bytes);
        CHECK_OK(form->pack(form, &p->inputs[i], p->input_data[i], packed));
        p->input_data[i] = packed;
    }
}

static void check_in_place(prepared *p, region *home)
{
    const size_t bytes = (size_t)tensor_desc_bytes(&p->outputs[0]);
    void *const expected = p->output_data[0], *const shared = garbage(home, bytes);

    CHECK_EQ(tensor_desc_bytes(&p->inputs[0]), bytes);
    memcpy(shared, p->input_data[0], bytes);
    for (uint32_t i = p->plan.node->input_count; i-- > 0;) {
        if (p->input_data[i] == p->input_data[0]) p->input_data[i] = shared;
    }
    p->output_data[0] = shared;
    call_once(p);
    CHECK(memcmp(shared, expected, bytes) == 0);
    p->output_data[0] = expected;
}

static bool plan_row(prepared *p, const device *d, const graph *g, const node *n, uint32_t threads)
{
    for (uint32_t i = 0; i < n->input_count; i++) p->inputs[i] = desc_of_value(g, n->inputs[i]);
    for (uint32_t i = 0; i < n->output_count; i++) p->outputs[i] = desc_of_value(g, n->outputs[i]);
    p->plan = (kernel_plan){.device = d,
                            .graph = g,
                            .node = n,
                            .inputs = p->inputs,
                            .outputs = p->outputs,
                            .threads = threads,
                            .home = g->home};
    for (uint32_t i = 0; i < n->input_count; i++) {
        p->plan.weights[i].is_weight = graph_value(g, n->inputs[i])->is_constant;
    }
    return p->row->plan(&p->plan);
}

bool kernel_case_run(const kernel_def *row, const graph *g, const node *n,
                     const case_tensor *inputs, case_tensor *outputs, uint32_t threads)
{
    const device d = kernel_case_device(ISA_AVX512);
    region *home = g->home;
    ebb_error error = {0};
    prepared p = {.row = row};

    CHECK_EQ(row->op, n->op);
    if (!plan_row(&p, &d, g, n, threads)) return false;
    for (uint32_t i = 0; i < n->input_count; i++) {
        if (n->inputs[i] != VALUE_NONE) p.input_data[i] = inputs[i].data;
    }
    for (uint32_t i = 0; i < n->output_count; i++) {
        outputs[i] =
            case_tensor_make(home, p.outputs[i].dtype, p.outputs[i].rank, p.outputs[i].dims);
        memset(outputs[i].data, GARBAGE, (size_t)tensor_desc_bytes(&p.outputs[i]));
        p.output_data[i] = outputs[i].data;
    }
    pack_weights(&p, home);
    if (row->open != NULL) CHECK_OK(row->open(p.plan.state, &error));
    p.call = (kernel_call){.state = p.plan.state,
                           .inputs = p.input_data,
                           .outputs = p.output_data,
                           .scratch = garbage(home, p.plan.scratch_bytes),
                           .input_descs = p.inputs,
                           .output_descs = p.outputs,
                           .threads = threads};
    p.call.lane = garbage(home, p.plan.lane_bytes);
    memset(p.call.lane, 0, (size_t)p.plan.lane_bytes);
    call_once(&p);
    if (p.plan.in_place) check_in_place(&p, home);
    if (row->close != NULL) row->close(p.plan.state);
    return true;
}

static void check_float(const char *name, uint64_t i, double found, double expected,
                        double relative, double absolute)
{
    if (isnan(found) && isnan(expected)) return;
    if (found == expected) return;
    if (fabs(found - expected) <= absolute + relative * fabs(expected) && isfinite(expected))
        return;
    harness_fail(__FILE__, __LINE__, "%s: element %llu is %.9g, expected %.9g", name,
                 (unsigned long long)i, found, expected);
}

void case_tensor_check(const char *name, const case_tensor *found, const case_tensor *expected,
                       double relative, double absolute)
{
    const tensor_desc *const a = &found->desc, *const b = &expected->desc;
    const uint64_t count = tensor_desc_count(a), bytes = ebb_dtype_bytes(a->dtype);
    bool same = a->dtype == b->dtype && a->rank == b->rank;

    for (uint32_t i = 0; same && i < a->rank; i++) same = a->dims[i] == b->dims[i];
    if (!same) harness_fail(__FILE__, __LINE__, "%s: another shape or type than expected", name);
    for (uint64_t i = 0; i < count; i++) {
        if (a->dtype == EBB_F32) {
            check_float(name, i, (double)((const float *)found->data)[i],
                        (double)((const float *)expected->data)[i], relative, absolute);
        } else if (memcmp((const char *)found->data + i * bytes,
                          (const char *)expected->data + i * bytes, bytes) != 0) {
            harness_fail(__FILE__, __LINE__, "%s: element %llu differs", name,
                         (unsigned long long)i);
        }
    }
}
