/* row_run.c -- see row_run.h. */
#include "row_run.h"

#include <stdio.h>
#include <string.h>

#define GARBAGE 0xA5

void *row_run_zeros(region *home, uint64_t bytes)
{
    void *const memory = region_block(home, (size_t)bytes + 1);

    CHECK(memory != NULL);
    return memory;
}

bool row_run_plan(row_run *r, const kernel_def *row, const device *d, const graph *g,
                  const case_tensor *inputs, bool is_weight, const weight_form *form,
                  uint32_t threads)
{
    const node *n = &g->nodes[0];

    *r = (row_run){.row = row};
    CHECK(n->input_count <= ROW_INPUTS_MAX);
    for (uint32_t i = 0; i < n->input_count; i++) {
        r->inputs[i] = inputs[i].desc;
        r->in[i] = inputs[i].data;
    }
    for (uint32_t k = 0; k < n->output_count; k++) {
        const value_info *y = graph_value(g, n->outputs[k]);

        r->outputs[k] = (tensor_desc){.dtype = y->dtype, .rank = y->shape.rank};
        for (uint32_t i = 0; i < y->shape.rank; i++) r->outputs[k].dims[i] = y->shape.dims[i];
    }
    r->plan = (kernel_plan){.device = d,
                            .graph = g,
                            .node = n,
                            .inputs = r->inputs,
                            .outputs = r->outputs,
                            .threads = threads,
                            .home = g->home};
    r->plan.weights[INPUT_WEIGHTS].is_weight = is_weight;
    r->plan.weights[INPUT_WEIGHTS].is_decided = form != NULL;
    r->plan.weights[INPUT_WEIGHTS].form = form;
    return row->plan(&r->plan);
}

void row_run_open(row_run *r)
{
    const weight_form *form = r->plan.weights[INPUT_WEIGHTS].form;
    region *home = r->plan.home;
    ebb_error error = {0};

    if (form != WEIGHT_PLAIN) {
        void *const packed = row_run_zeros(home, form->bytes);

        CHECK_OK(form->pack(form, &r->inputs[INPUT_WEIGHTS], r->in[INPUT_WEIGHTS], packed));
        r->in[INPUT_WEIGHTS] = packed;
    }
    for (uint32_t k = 0; k < r->plan.node->output_count; k++) {
        const uint64_t bytes = tensor_desc_bytes(&r->outputs[k]);

        r->out[k] = row_run_zeros(home, bytes);
        memset(r->out[k], GARBAGE, (size_t)bytes);
    }
    if (r->row->open != NULL) CHECK_OK(r->row->open(r->plan.state, &error));
    r->call = (kernel_call){.state = r->plan.state,
                            .inputs = r->in,
                            .outputs = r->out,
                            .input_descs = r->inputs,
                            .output_descs = r->outputs,
                            .threads = r->plan.threads};
    r->call.scratch = row_run_zeros(home, r->plan.scratch_bytes);
    memset(r->call.scratch, GARBAGE, (size_t)r->plan.scratch_bytes);
    r->call.lane = row_run_zeros(home, r->plan.lane_bytes);
    if (r->row->bind != NULL) CHECK_OK(r->row->bind(&r->call, &error));
}

void row_run_close(row_run *r)
{
    if (r->row->unbind != NULL) r->row->unbind(&r->call);
    if (r->row->close != NULL) r->row->close(r->plan.state);
}

case_tensor row_run_result(const row_run *r, uint32_t output)
{
    return (case_tensor){r->outputs[output], r->out[output]};
}

static bool check_one(const row_check *c, cpu_isa isa, uint32_t threads, const graph *g,
                      const case_tensor *inputs, const row_run *right)
{
    const device d = kernel_case_device(isa);
    char name[96];
    row_run r;

    if (!row_run_plan(&r, c->row, &d, g, inputs, c->is_weight, NULL, threads)) return false;
    row_run_open(&r);
    r.row->run(&r.call);
    for (uint32_t k = 0; k < g->nodes[0].output_count; k++) {
        const case_tensor found = row_run_result(&r, k), expected = row_run_result(right, k);

        snprintf(name, sizeof name, "%s, output %u, isa %d, %u threads", c->row->name, k, (int)isa,
                 threads);
        case_tensor_check(name, &found, &expected, c->tolerance, c->tolerance);
    }
    c->also(&r, name);
    row_run_close(&r);
    return true;
}

uint32_t row_check_run(const row_check *c, const graph *g, const case_tensor *inputs)
{
    const device d = kernel_case_device(ISA_PORTABLE);
    const cpu_isa best = kernel_case_device(ISA_AVX512).isa;
    uint32_t taken = 0;
    row_run right;

    CHECK(g != NULL && graph_ok(g));
    CHECK(row_run_plan(&right, c->portable, &d, g, inputs, false, NULL, 1));
    row_run_open(&right);
    right.row->run(&right.call);
    for (cpu_isa isa = ISA_PORTABLE; isa <= best; isa++)
        for (uint32_t threads = 1; threads <= c->threads_max; threads++)
            taken += check_one(c, isa, threads, g, inputs, &right);
    row_run_close(&right);
    return taken;
}

void row_check_taken(uint32_t *taken, uint32_t least)
{
    if (kernel_case_device(ISA_AVX512).isa != ISA_PORTABLE && *taken < least)
        harness_fail(__FILE__, __LINE__, "%u cases were taken, expected %u", *taken, least);
    *taken = 0;
}

int64_t test_between(uint64_t *seed, int64_t low, int64_t high)
{
    return low + (int64_t)(case_random(seed) % (uint64_t)(high - low + 1));
}

void test_any_epilogue(region *home, case_tensor *inputs, uint32_t rank, const int64_t *y,
                       uint64_t *seed)
{
    if (case_random(seed) % 2)
        inputs[INPUT_BIAS] = case_tensor_random(home, EBB_F32, 1, y + rank - 1, seed);
    if (case_random(seed) % 3 == 0)
        inputs[INPUT_RESIDUAL] = case_tensor_random(home, EBB_F32, rank, y, seed);
    if (case_random(seed) % 3 == 0)
        inputs[INPUT_SCALE] = case_tensor_random(home, EBB_F32, 1, y + rank - 1, seed);
}

region *test_round_home(test *t)
{
    region *const home = region_open(t->home, "round", EBB_CLASS_META, 0);

    CHECK(home != NULL);
    return home;
}

void test_conv_dims(const conv_attributes *a, const int64_t *x, const int64_t *k, int64_t filters,
                    int64_t *y)
{
    y[0] = x[0];
    for (uint32_t i = 0; i < a->spatial; i++) {
        const int64_t reach = (k[i] - 1) * a->dilations[i] + 1;

        y[1 + i] =
            a->same ? (x[1 + i] + a->strides[i] - 1) / a->strides[i]
                    : (x[1 + i] + a->pad_before[i] + a->pad_after[i] - reach) / a->strides[i] + 1;
    }
    y[1 + a->spatial] = filters;
}
