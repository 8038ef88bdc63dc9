/* graph_run.c -- see graph_run.h. */
#include "graph_run.h"

#include <string.h>

#include "device/device.h"

#define GARBAGE 0xA5

/* One node, planned once. */
typedef struct prepared {
    const kernel_def *kernel;
    kernel_call call;
    void **pointers; /* inputs, then outputs: filled before each run */
} prepared;

struct graph_run {
    region *home;
    const graph *graph;
    int64_t *dim_values; /* of all expressions of lengths */
    device cpu;
    tensor_desc *descs; /* by value */
    void **bytes;       /* by value */
    prepared *nodes;    /* by node; kernel NULL: dead */
    void **next;        /* by update: a copy, so that updates read what was there before */
};

static void *block(graph_run *r, uint64_t bytes, int fill)
{
    void *const memory = region_block(r->home, (size_t)bytes + 1);

    CHECK(memory != NULL);
    if (fill != 0) memset(memory, fill, (size_t)bytes);
    return memory;
}

static void *items(graph_run *r, size_t count, size_t size)
{
    void *const memory = region_alloc(r->home, count + 1, size);

    CHECK(memory != NULL);
    return memory;
}

static void describe_values(graph_run *r)
{
    for (value v = 1; v < r->graph->value_count; v++) {
        const value_info *info = graph_value(r->graph, v);
        tensor_desc *d = &r->descs[v];

        *d = (tensor_desc){.dtype = info->dtype, .rank = info->shape.rank};
        for (uint32_t i = 0; i < d->rank; i++) {
            CHECK(dim_known(info->shape.dims[i]) || r->dim_values != NULL);
            d->dims[i] = dim_value(info->shape.dims[i], r->dim_values);
        }
        if (info->kind == VALUE_INPUT) continue;
        r->bytes[v] = block(r, tensor_desc_bytes(d), info->kind == VALUE_RESULT ? GARBAGE : 0);
        if (info->kind == VALUE_CONSTANT) {
            memcpy(r->bytes[v], info->data, (size_t)tensor_desc_bytes(d));
        }
    }
}

static void prepare_node(graph_run *r, const node *n, prepared *p)
{
    uint32_t row_count = 0;
    const kernel_def *const *rows = r->cpu.def->kernels(&r->cpu, n->op, &row_count);
    tensor_desc *descs = items(r, n->input_count + n->output_count, sizeof *descs);
    tensor_desc *outputs = descs + n->input_count;

    for (uint32_t i = 0; i < n->input_count; i++) descs[i] = r->descs[n->inputs[i]];
    for (uint32_t i = 0; i < n->output_count; i++) outputs[i] = r->descs[n->outputs[i]];
    kernel_plan plan = {.device = &r->cpu,
                        .graph = r->graph,
                        .node = n,
                        .inputs = descs,
                        .outputs = outputs,
                        .threads = 1,
                        .dim_values = r->dim_values,
                        .home = r->home};
    if (row_count == 0 || !rows[row_count - 1]->plan(&plan)) {
        harness_fail(__FILE__, __LINE__, "no portable kernel takes node %u, %s",
                     (uint32_t)(n - r->graph->nodes), op_find(n->op)->name);
    }
    p->kernel = rows[row_count - 1];
    p->pointers = items(r, n->input_count + n->output_count, sizeof(void *));
    p->call = (kernel_call){.state = plan.state,
                            .lane = items(r, plan.lane_bytes, 1),
                            .inputs = p->pointers,
                            .outputs = p->pointers + n->input_count,
                            .scratch = block(r, plan.scratch_bytes, GARBAGE),
                            .input_descs = descs,
                            .output_descs = outputs,
                            .threads = 1};
    if (p->kernel->open != NULL) CHECK_OK(p->kernel->open(plan.state, NULL));
}

graph_run *graph_run_open(test *t, graph *g)
{
    return graph_run_open_at(t, g, NULL);
}

graph_run *graph_run_open_at(test *t, graph *g, const int64_t *symbols)
{
    graph_run *const r = region_new(t->home, graph_run, 1);

    if (!graph_ok(g)) harness_fail(__FILE__, __LINE__, "%s: %s", g->error.where, g->error.text);
    CHECK(r != NULL);
    CHECK_OK(graph_verify(g, &t->error));
    *r = (graph_run){.home = t->home, .graph = g, .cpu = {.def = device_def_find("CPU")}};
    CHECK(r->cpu.def != NULL);
    if (symbols != NULL) {
        r->dim_values = items(r, dim_count(g), sizeof *r->dim_values);
        CHECK_OK(dim_evaluate(g, symbols, r->dim_values, &t->error));
    }
    CHECK_OK(r->cpu.def->open(
        &r->cpu, &(device_options){.isa = "portable", .no_jit = true, .threads = 1}, &t->error));
    r->descs = items(r, g->value_count, sizeof *r->descs);
    r->bytes = items(r, g->value_count, sizeof *r->bytes);
    r->nodes = items(r, g->node_count, sizeof *r->nodes);
    r->next = items(r, g->update_count, sizeof *r->next);
    describe_values(r);
    for (uint32_t i = 0; i < g->node_count; i++) {
        if (!g->nodes[i].is_dead) prepare_node(r, &g->nodes[i], &r->nodes[i]);
    }
    for (uint32_t i = 0; i < g->update_count; i++) {
        r->next[i] = block(r, tensor_desc_bytes(&r->descs[g->updated[i]]), 0);
    }
    return r;
}

void graph_run_variable(graph_run *r, value variable, const void *data)
{
    CHECK_EQ(graph_value(r->graph, variable)->kind, VALUE_WEIGHT);
    memcpy(r->bytes[variable], data, (size_t)tensor_desc_bytes(&r->descs[variable]));
}

void graph_run_input(graph_run *r, uint32_t index, const void *data)
{
    CHECK(index < r->graph->input_count);
    r->bytes[r->graph->inputs[index]] = (void *)(uintptr_t)data;
}

static void run_node(graph_run *r, const node *n, prepared *p)
{
    for (uint32_t i = 0; i < n->input_count; i++) {
        p->pointers[i] = r->bytes[n->inputs[i]];
        CHECK(n->inputs[i] == VALUE_NONE || p->pointers[i] != NULL);
    }
    for (uint32_t i = 0; i < n->output_count; i++) {
        p->pointers[n->input_count + i] = r->bytes[n->outputs[i]];
    }
    if (p->kernel->bind != NULL) CHECK_OK(p->kernel->bind(&p->call, NULL));
    p->kernel->run(&p->call);
    if (p->kernel->unbind != NULL) p->kernel->unbind(&p->call);
}

void graph_run_step(graph_run *r)
{
    const graph *g = r->graph;
    const uint32_t first = g->output_count - g->update_count;

    for (uint32_t i = 0; i < g->node_count; i++) {
        if (r->nodes[i].kernel != NULL) run_node(r, &g->nodes[i], &r->nodes[i]);
    }
    for (uint32_t i = 0; i < g->update_count; i++) {
        const value v = g->outputs[first + i];
        CHECK(r->bytes[v] != NULL);
        memcpy(r->next[i], r->bytes[v], (size_t)tensor_desc_bytes(&r->descs[v]));
    }
    for (uint32_t i = 0; i < g->update_count; i++) {
        const value v = g->updated[i];
        memcpy(r->bytes[v], r->next[i], (size_t)tensor_desc_bytes(&r->descs[v]));
    }
}

const void *graph_run_value(graph_run *r, value v)
{
    CHECK(v != VALUE_NONE && v < r->graph->value_count && r->bytes[v] != NULL);
    return r->bytes[v];
}
