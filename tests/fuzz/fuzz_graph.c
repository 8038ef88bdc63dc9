/* fuzz_graph.c -- libFuzzer target: any bytes as a program that adds operations of the table to a
 * graph, with attributes as text, and runs what came of it. Whatever they say, every call answers,
 * and closing gives everything back. */
#include <string.h>

#include "ebb/ebb.h"

#define TENSORS_MAX 48
#define INPUTS_MAX  4
#define NUMBERS     4096

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

typedef struct program {
    const uint8_t *at, *end;
    ebb_graph graph;
    ebb_tensor tensors[TENSORS_MAX];
    uint32_t count;
} program;

static uint8_t next(program *p)
{
    return p->at < p->end ? *p->at++ : 0;
}

static void keep(program *p, ebb_tensor x)
{
    if (x.id != 0 && p->count < TENSORS_MAX) p->tensors[p->count++] = x;
    (void)ebb_graph_error(p->graph, NULL);
}

static void leaves_add(program *p)
{
    static const float numbers[6] = {1, -2, 3, 0.5f, 0, 6};
    static const int32_t integers[2] = {1, 0};
    const ebb_view matrix = {EBB_F32, 2, {2, 3}, (void *)(uintptr_t)numbers},
                   axes = {EBB_I32, 1, {2}, (void *)(uintptr_t)integers},
                   one = {EBB_I32, 0, {0}, (void *)(uintptr_t)integers};

    keep(p, ebb_graph_constant(p->graph, &matrix, NULL));
    keep(p, ebb_graph_constant(p->graph, &axes, NULL));
    keep(p, ebb_graph_constant(p->graph, &one, NULL));
    keep(p, ebb_graph_variable(p->graph, NULL, &matrix));
    keep(p, ebb_graph_placeholder(p->graph, NULL, EBB_F32, 2, (int64_t[]){-1, 3}));
}

static void operation_add(program *p)
{
    ebb_operation operation;
    ebb_tensor inputs[INPUTS_MAX];
    char text[64];
    const uint32_t number = next(p) | (uint32_t)next(p) << 8, count = next(p) % (INPUTS_MAX + 1);
    const uint32_t letters = next(p) % sizeof text;

    if (!ebb_operation_read(number % ebb_operation_count(), &operation)) __builtin_trap();
    for (uint32_t i = 0; i < count; i++) inputs[i] = p->tensors[next(p) % p->count];
    for (uint32_t i = 0; i < letters; i++) text[i] = (char)next(p);
    text[letters] = '\0';
    const ebb_tensor x = ebb_graph_op(p->graph, operation.name, inputs, count, text);
    keep(p, x.id != 0 ? x : ebb_graph_op(p->graph, operation.name, inputs, count, NULL));
}

static void run(const program *p, ebb_session session)
{
    static float fed[6] = {1, 2, 3, 4, 5, 6};
    static uint8_t memory[NUMBERS * 8];
    const ebb_feed feed = {p->tensors[4], {EBB_F32, 2, {2, 3}, fed}};

    (void)ebb_session_target(session, ebb_graph_initializer(p->graph), NULL);
    for (uint32_t i = 5; i < p->count; i++) {
        ebb_view out = {.dtype = EBB_DTYPE_NONE};
        ebb_tensor gradient;
        if (ebb_session_output_shapes(session, &feed, 1, &p->tensors[i], &out, 1, NULL) != EBB_OK)
            continue;
        if (ebb_view_bytes(&out) > sizeof memory) continue;
        out.data = memory;
        (void)ebb_session_run(session, &feed, 1, &p->tensors[i], &out, 1, NULL, 0, NULL);
        if (ebb_graph_gradients(p->graph, &p->tensors[i], 1, &p->tensors[3], 1, &gradient, NULL) !=
            EBB_OK)
            continue;
        const ebb_view like = {.data = memory};
        if (gradient.id != 0)
            (void)ebb_session_run(session, &feed, 1, &gradient, &like, 1, NULL, 0, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_runtime runtime;
    ebb_session session;
    ebb_memory before, after;
    program p = {.at = bytes, .end = bytes + length};

    options.bytes_max = (uint64_t)64 << 20;
    options.threads = 1;
    options.isa = "portable";
    options.no_jit = true;
    if (ebb_runtime_open(&options, &runtime, NULL) != EBB_OK) return 0;
    (void)ebb_memory_read(runtime, &before);
    if (ebb_graph_open(runtime, NULL, &p.graph, NULL) != EBB_OK) __builtin_trap();
    leaves_add(&p);
    if (p.count != 5) __builtin_trap();
    while (p.at < p.end && p.count < TENSORS_MAX) operation_add(&p);
    if (ebb_session_open(p.graph, NULL, &session, NULL) != EBB_OK) __builtin_trap();
    run(&p, session);
    (void)ebb_session_close(session, NULL, NULL);
    (void)ebb_graph_close(p.graph, NULL, NULL);
    (void)ebb_memory_read(runtime, &after);
    if (after.live != before.live) __builtin_trap();
    (void)ebb_runtime_close(runtime, NULL);
    return 0;
}
