/* s000_4_other_models_active.c -- a model goes, by each technique of the document; another stays.
 *
 * TensorFlow                                       here
 * del model1; gc.collect()                         ebb_model_unload
 * del model1; clear_session()                      ebb_model_unload, ebb_trim
 * del model1; reset_default_graph()                ebb_model_unload, ebb_graph_reset
 *
 * The first is enough; the others may follow and do no harm. The model that stays gives the same
 * answers to the last bit, and trains on with its optimizer as it was. From the shell:
 *     ebb leakcheck goes.keras --beside stays.keras */
#include <ebb/ebb.h>

#include "example.h"

static ebb_status unload_only(ebb_runtime runtime, ebb_error *error)
{
    (void)runtime, (void)error;
    return EBB_OK;
}

static ebb_status trim(ebb_runtime runtime, ebb_error *error)
{
    (void)error;
    return ebb_trim(runtime, NULL);
}

static ebb_status reset_default_graph(ebb_runtime runtime, ebb_error *error)
{
    ebb_graph graph;
    const ebb_status status = ebb_graph_default(runtime, &graph, error);

    return status == EBB_OK ? ebb_graph_reset(graph, NULL, error) : status;
}

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], kept[ROWS], answers[ROWS];
    static ebb_status (*const techniques[])(ebb_runtime, ebb_error *) = {unload_only, trim,
                                                                         reset_default_graph};
    ebb_runtime runtime;
    ebb_graph graph;
    ebb_error error;

    make_rows(x, y);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    must(ebb_graph_default(runtime, &graph, &error), &error);
    const uint64_t empty = live_bytes(runtime);

    const ebb_model model2 = build_model(runtime, LARGE, (ebb_scope){0});
    const double first_loss = train_model(model2, x, y, 1);
    ask(model2, x, ROWS, kept);
    expect(ebb_trim(runtime, NULL) == EBB_OK, "an open runtime");
    const uint64_t before = live_bytes(runtime);

    for (int i = 0; i < 3; i++) {
        const ebb_model model1 = build_model(runtime, LARGE, (ebb_scope){0});

        train_model(model1, x, y, 1);
        ask(model1, x, ROWS, answers);
        must(ebb_model_unload(model1, NULL, NULL, &error), &error);
        expect(live_bytes(runtime) == before, "every byte of model1");
        must(techniques[i](runtime, &error), &error);
        expect(live_bytes(runtime) == before, "nothing of model2");

        ask(model2, x, ROWS, answers);
        expect(memcmp(answers, kept, sizeof kept) == 0, "the same answers, bit by bit");
        printf("model2 unchanged\n");
    }

    expect(train_model(model2, x, y, 5) < first_loss, "that model2 learns on");
    must(ebb_model_unload(model2, NULL, NULL, &error), &error);
    print_left(runtime, empty);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
