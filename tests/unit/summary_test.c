/* summary_test.c -- the summary table, line by line as Keras prints it. */
#include <stdio.h>

#include "layer_model.h"

typedef struct lines {
    char     text[8192];
    uint32_t length;
} lines;

static void line_add(void *context, const char *text)
{
    lines *l = context;
    l->length += (uint32_t)snprintf(l->text + l->length, sizeof l->text - l->length, "%s\n", text);
}

static const char *summary_of(test *t, const char *model, lines *l)
{
    const description d = model_description(t, model);
    built_model      *m = NULL;
    CHECK_OK(assemble_model(t->home, &d, NULL, &m, &t->error));
    l->length = 0;
    CHECK_OK(summary_write(t->home, m, &d, line_add, l, &t->error));
    return l->text;
}

/* As printed by keras 3.15, model.summary(line_length=80). */
TEST(summary_of_a_chain)
{
    lines l;
    CHECK_TEXT(summary_of(t, MODEL_SEQUENTIAL(10, MODEL_LAYER("Dense", "'name':'dense','units':8")
        ","
            MODEL_LAYER("Dense", "'name':'a_layer_with_a_long_name_that_wraps_around','units':3,"
                                 "'trainable':false") ","
            MODEL_LAYER("Dropout", "'name':'dropout','rate':0.5")), &l),
        "Model: \"seq\"\n"
        "┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓\n"
        "┃ Layer (type)                      ┃ Output Shape             ┃       Param # ┃\n"
        "┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩\n"
        "│ dense (Dense)                     │ (None, 8)                │            88 │\n"
        "├───────────────────────────────────┼──────────────────────────┼───────────────┤\n"
        "│ a_layer_with_a_long_name_that_wr… │ (None, 3)                │            27 │\n"
        "│ (Dense)                           │                          │               │\n"
        "├───────────────────────────────────┼──────────────────────────┼───────────────┤\n"
        "│ dropout (Dropout)                 │ (None, 3)                │             0 │\n"
        "└───────────────────────────────────┴──────────────────────────┴───────────────┘\n"
        " Total params: 115 (460.00 B)\n"
        " Trainable params: 88 (352.00 B)\n"
        " Non-trainable params: 27 (108.00 B)\n");
}

TEST(summary_of_a_graph_shows_connections)
{
    lines l;
    CHECK_TEXT(summary_of(t, MODEL_FUNCTIONAL(MODEL_INPUT("input_layer_4", "[null,5,3]", "float32")
        ","
            MODEL_NODE("keras.src.ops.numpy", "Split", "split", ",'indices_or_sections':5,'axis':1",
                       MODEL_CALL(MODEL_TENSOR("input_layer_4", 0, 0))) ","
            MODEL_NODE("keras.src.ops.numpy", "Multiply", "multiply", "",
                       MODEL_CALL(MODEL_TENSOR("split", 0, 0) "," MODEL_TENSOR("split", 0, 1))) ","
            MODEL_NODE("keras.layers", "Dense", "dense", ",'units':400000",
                MODEL_CALL(MODEL_TENSOR("multiply", 0, 0))),
            "[['input_layer_4',0,0]]", "[['dense',0,0]]"), &l),
        "Model: \"net\"\n"
        "┏━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━┓\n"
        "┃ Layer (type)          ┃ Output Shape      ┃     Param # ┃ Connected to       ┃\n"
        "┡━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━┩\n"
        "│ input_layer_4         │ (None, 5, 3)      │           0 │ -                  │\n"
        "│ (InputLayer)          │                   │             │                    │\n"
        "├───────────────────────┼───────────────────┼─────────────┼────────────────────┤\n"
        "│ split (Split)         │ [(None, 1, 3),    │           0 │ input_layer_4[0][… │\n"
        "│                       │ (None, 1, 3),     │             │                    │\n"
        "│                       │ (None, 1, 3),     │             │                    │\n"
        "│                       │ (None, 1, 3),     │             │                    │\n"
        "│                       │ (None, 1, 3)]     │             │                    │\n"
        "├───────────────────────┼───────────────────┼─────────────┼────────────────────┤\n"
        "│ multiply (Multiply)   │ (None, 1, 3)      │           0 │ split[0][0],       │\n"
        "│                       │                   │             │ split[0][1]        │\n"
        "├───────────────────────┼───────────────────┼─────────────┼────────────────────┤\n"
        "│ dense (Dense)         │ (None, 1, 400000) │   1,600,000 │ multiply[0][0]     │\n"
        "└───────────────────────┴───────────────────┴─────────────┴────────────────────┘\n"
        " Total params: 1,600,000 (6.10 MB)\n"
        " Trainable params: 1,600,000 (6.10 MB)\n"
        " Non-trainable params: 0 (0.00 B)\n");
}

TEST(summary_survives_failed_allocations)
{
    const description d = model_description(t, MODEL_SEQUENTIAL(4, MODEL_LAYER("Dense",
        "'name':'d','units':2")));
    built_model      *m = NULL;
    lines             l = {0};
    CHECK_OK(assemble_model(t->home, &d, NULL, &m, &t->error));
    const uint64_t before = region_bytes_live(t->home);
    ebb_status     status = EBB_E_MEMORY;
    for (int64_t n = 0; status != EBB_OK; n++) {
        l.length = 0;
        test_fail_allocation(t, n);
        status = summary_write(t->home, m, &d, line_add, &l, &t->error);
        const bool has_failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, has_failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(region_bytes_live(t->home), before);
    }
}

TEST_MAIN(RUN(summary_of_a_chain), RUN(summary_of_a_graph_shows_connections),
    RUN(summary_survives_failed_allocations))
