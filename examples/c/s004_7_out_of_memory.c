/* s004_7_out_of_memory.c -- out of memory is an error to act on, and harms nothing else.
 *
 * TensorFlow                                           here
 * tf.zeros([2**19, 2**19])                             ebb_fill, and a run that needs it
 * Sequential([Input((2**19,)), Dense(2**19)])          ebb_build_layer, ebb_build_finish
 * except tf.errors.ResourceExhaustedError              EBB_E_MEMORY
 *
 * Both want a tebibyte. What a model takes is known before any of it is taken, so the refusal comes
 * at once and says what was wanted and what there is. The limit is a runtime's, a scope's, a
 * device's, a session's or a model's. From the shell:  ebb plan model.keras --limit 1G */
#include <ebb/ebb.h>
#include <time.h>

#include "example.h"

#define SIDE (1 << 19)

static ebb_status sum_of_zeros(ebb_runtime runtime, ebb_error *error)
{
    float sum;
    const ebb_view out = {EBB_F32, 0, {0}, &sum};
    ebb_graph graph;
    ebb_session sess;

    must(ebb_graph_open(runtime, NULL, &graph, error), error);
    const ebb_tensor zeros = ebb_fill(graph, 2, (int64_t[]){SIDE, SIDE}, 0);
    const ebb_tensor total = ebb_reduce_sum(graph, zeros, NULL, 0, false);
    must(ebb_session_open(graph, NULL, &sess, error), error);
    const ebb_status status = ebb_session_fetch(sess, total, &out, error);
    ebb_session_close(sess, NULL, NULL);
    ebb_graph_close(graph, NULL, NULL);
    return status;
}

static ebb_status huge_model(ebb_runtime runtime, ebb_error *error)
{
    ebb_builder b;
    ebb_model model;

    must(ebb_build_open(runtime, NULL, &b, error), error);
    ebb_tensor x = ebb_build_input(b, NULL, EBB_F32, 1, (int64_t[]){SIDE});
    x = ebb_build_layer_format(b, "Dense", x, "units=%d", SIDE);
    return ebb_build_finish(b, &x, 1, NULL, &model, error);
}

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], kept[ROWS], answers[ROWS];
    static ebb_status (*const attempts[])(ebb_runtime, ebb_error *) = {sum_of_zeros, huge_model};
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_runtime runtime;
    ebb_error error;

    make_rows(x, y);
    options.bytes_max = (uint64_t)1 << 30; /* a gibibyte for everything together */
    must(ebb_runtime_open(&options, &runtime, &error), &error);
    const ebb_model model = build_model(runtime, 64, (ebb_scope){0});
    ask(model, x, ROWS, kept);
    const uint64_t before = live_bytes(runtime);
    const time_t start = time(NULL);

    for (int i = 0; i < 2; i++) {
        const ebb_status status = attempts[i](runtime, &error);

        if (status == EBB_E_MEMORY) printf("out of memory\n");
        expect(status == EBB_E_MEMORY && error.text[0] != '\0', "a refusal that says why");
        expect(live_bytes(runtime) == before, "nothing of what was refused");
    }
    expect(time(NULL) - start < 5, "an answer in little time");

    ask(model, x, ROWS, answers);
    expect(memcmp(answers, kept, sizeof kept) == 0, "that the other model is unharmed");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
