/* layer_merging_test.c -- merging layers: broadcasting, masks of several inputs, refusals. */
#include "layer_rows.h"

TEST(merging_rows)
{
    static const layer_row rows[] = {
        {"Add", "", "[null,3];[null,3];[null,3]", "(batch, 3)", "", 0},
        {"Add", "", "[null,4,3];[null,3]", "(batch, 4, 3)", "", 0},
        {"Multiply", "", "[null,1,3];[null,4,1]", "(batch, 4, 3)", "", 0},
        {"Subtract", "", "[null,3];[null,3]", "(batch, 3)", "", 0},
        {"Average", "", "#[null,3];#[null,3]", "(batch, 3)", "", 0},
        {"Maximum", "", "[null,null,3];[null,1,3]", "(batch, in0 axis 1, 3)", "", 0},
        {"Minimum", "", "[null,3];#[null,3]", "(batch, 3)", "", 0},
        {"Concatenate", "'axis':-1", "[null,2,3];[null,2,5]", "(batch, 2, 8)", "", 0},
        {"Concatenate", "'axis':1", "[null,null,3];[null,2,3]", "(batch, (in0 axis 1+2), 3)", "",
         0},
        {"Dot", "'axes':1", "[null,4];[null,4]", "(batch, 1)", "", 0},
        {"Dot", "'axes':[1,2],'normalize':true", "[null,3,5];[null,10,3]", "(batch, 5, 10)", "", 0},
        {"Dot", "'axes':-1", "[null,3,5];[null,5]", "(batch, 3)", "", 0},
        {"Dot", "'axes':[2,1]", "[null,3,5];[null,5,2,7]", "(batch, 3, 2, 7)", "", 0},
    };
    ROWS_CHECK(rows);
}

TEST(merging_refusals)
{
    static const layer_row rows[] = {
        {"Add", "", "[null,3];[null,4]", NULL, "", EBB_E_SHAPE},
        {"Subtract", "", "[null,3];[null,3];[null,3]", NULL, "two inputs, got 3", EBB_E_SHAPE},
        {"Concatenate", "'axis':2", "[null,3];[null,3]", NULL, "axis 2", EBB_E_SHAPE},
        {"Concatenate", "'axis':1", "[null,3,2];[null,3,4]", NULL, "", EBB_E_SHAPE},
        {"Dot", "'axes':[0,1]", "[null,3];[null,3]", NULL, "batch axis", EBB_E_FORMAT},
        {"Dot", "'axes':[1,1]", "[null,3];[null,4]", NULL, "3 and 4 differ", EBB_E_SHAPE},
        {"Dot", "'axes':[1]", "[null,3];[null,3]", NULL, "one axis or two", EBB_E_FORMAT},
        {"Dot", "'axes':1", "[null,3]", NULL, "two inputs", EBB_E_SHAPE},
    };
    ROWS_CHECK(rows);
}

/* Two inputs, masked or not, merged and averaged with whatever mask arrives. */
static const built_model *merge_masked(test *t, const char *class_name, const char *config,
                                       int masked)
{
    static rows_text text;
    rows_begin(&text);
    rows_inputs(&text, "[null,4,2];[null,4,2]");
    rows_put(&text, "," MODEL_NODE("keras.layers", "Masking", "m0", "",
                                   MODEL_CALL(MODEL_TENSOR("in0", 0, 0))));
    if (masked > 1) {
        rows_put(&text, "," MODEL_NODE("keras.layers", "Masking", "m1", "",
                                       MODEL_CALL(MODEL_TENSOR("in1", 0, 0))));
    } else {
        rows_put(&text, "," MODEL_NODE("keras.layers", "ReLU", "m1", "",
                                       MODEL_CALL(MODEL_TENSOR("in1", 0, 0))));
    }
    rows_put(
        &text,
        ",{'module':'keras.layers','class_name':'%s','config':{'name':'merge'%s},'name':'merge',"
        "'inbound_nodes':[" MODEL_CALL(
            "[" MODEL_TENSOR("m0", 0, 0) "," MODEL_TENSOR("m1", 0, 0) "]") "]}",
        class_name, config);
    rows_node(&text, "GlobalAveragePooling1D", "", "average", 1, "merge");
    rows_end(&text, 2, "average");
    return model_assemble(t, text.text);
}

static uint32_t concats_of_masks(const built_model *m)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->graph->node_count; i++) {
        const node *n = &m->graph->nodes[i];
        count += n->op == OP_concat && graph_value(m->graph, n->outputs[0])->dtype == EBB_BOOL;
    }
    return count;
}

TEST(masks_of_merges)
{
    const built_model *both = merge_masked(t, "Add", "", 2), *one = merge_masked(t, "Add", "", 1);
    CHECK_EQ(rows_count_binary(both, BINARY_OR), 1);
    CHECK_EQ(rows_count_binary(both, BINARY_DIV), 1);
    CHECK_EQ(rows_count_binary(one, BINARY_OR), 0);
    CHECK_EQ(rows_count_binary(one, BINARY_DIV), 0);

    const built_model *steps = merge_masked(t, "Concatenate", ",'axis':1", 1);
    CHECK_EQ(concats_of_masks(steps), 1);
    CHECK_EQ(rows_count_binary(steps, BINARY_DIV), 1);
    const built_model *features = merge_masked(t, "Concatenate", ",'axis':-1", 2);
    CHECK_EQ(concats_of_masks(features), 0);
    CHECK_EQ(rows_count_binary(features, BINARY_OR), 1);
}

TEST(failed_allocations_leave_nothing)
{
    const layer_row add = {"Add", "", "[null,4,3];[null,3]", "", "", 0};
    const layer_row dot = {"Dot", "'axes':[1,2],'normalize':true", "[null,3,5];[null,10,3]", "", "",
                           0};
    rows_torture(t, &add);
    rows_torture(t, &dot);
}

TEST_MAIN(RUN(merging_rows), RUN(merging_refusals), RUN(masks_of_merges),
          RUN(failed_allocations_leave_nothing))
