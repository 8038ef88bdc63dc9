/* layer_recurrent_test.c -- recurrent layers, cells and wrappers: shapes, weights and where files
 * keep them, masks, states, steps spelled out, refusals. */
#include "layer_rows.h"

#define CELL(class_name, config)                                                                   \
    "{'module':'keras.layers','class_name':'" class_name "','config':{" config "},"                \
    "'registered_name':null}"
#define STACK(cells) "'cell':" CELL("StackedRNNCells", "'name':'stack','cells':[" cells "]")
#define WEIGHTS_LSTM "kernel(3,16) recurrent_kernel(4,16) bias(16)"

TEST(recurrent_rows)
{
    static const layer_row rows[] = {
        {"SimpleRNN", "'units':4", "[null,5,3]", "(batch, 4)",
         "kernel(3,4) recurrent_kernel(4,4) bias(4)", 0},
        {"SimpleRNN", "'units':4,'use_bias':false,'return_sequences':true", "[null,null,3]",
         "(batch, in0 axis 1, 4)", "kernel(3,4) recurrent_kernel(4,4)", 0},
        {"LSTM", "'units':4,'unit_forget_bias':true,'dropout':0.5,'recurrent_dropout':0.5",
         "[null,null,3]", "(batch, 4)", WEIGHTS_LSTM, 0},
        {"LSTM",
         "'units':4,'return_sequences':true,'trainable':false,'stateful':true,'unroll':true",
         "[null,5,3]", "(batch, 5, 4)", "kernel(3,16)- recurrent_kernel(4,16)- bias(16)-", 0},
        {"LSTM", "'units':4,'return_sequences':true,'time_major':true", "[5,null,3]",
         "(5, in0 axis 1, 4)", WEIGHTS_LSTM, 0},
        {"CuDNNLSTM", "'units':4", "[null,5,3]", "(batch, 4)", WEIGHTS_LSTM, 0},
        {"GRU", "'units':2", "[null,5,3]", "(batch, 2)",
         "kernel(3,6) recurrent_kernel(2,6) bias(2,6)", 0},
        {"GRU", "'units':2,'reset_after':false", "#[null,5,3]", "(batch, 2)",
         "kernel(3,6) recurrent_kernel(2,6) bias(6)", 0},
        {"RNN", "'return_sequences':true,'cell':" CELL("LSTMCell", "'name':'c','units':4"),
         "[null,null,3]", "(batch, in0 axis 1, 4)", WEIGHTS_LSTM, 0},
        {"RNN",
         STACK(CELL("GRUCell", "'name':'a','units':4") "," CELL(
             "SimpleRNNCell", "'name':'b','units':5") "," CELL("GRUCell", "'name':'c','units':1")),
         "[null,null,3]", "(batch, 1)",
         "kernel(3,12) recurrent_kernel(4,12) bias(2,12) kernel(4,5) recurrent_kernel(5,5) bias(5) "
         "kernel(5,3) recurrent_kernel(1,3) bias(2,3)",
         0},
        {"ConvLSTM1D", "'filters':2,'kernel_size':3,'strides':2", "[null,4,9,3]", "(batch, 4, 2)",
         "kernel(3,3,8) recurrent_kernel(3,2,8) bias(8)", 0},
        {"ConvLSTM2D",
         "'filters':2,'kernel_size':[3,2],'padding':'same','return_sequences':true,"
         "'data_format':'channels_first','use_bias':false",
         "[null,4,3,8,9]", "(batch, 4, 2, 8, 9)", "kernel(3,2,3,8) recurrent_kernel(3,2,2,8)", 0},
        {"ConvLSTM3D", "'filters':2,'kernel_size':2,'dilation_rate':2", "[null,2,5,5,5,1]",
         "(batch, 3, 3, 3, 2)", "kernel(2,2,2,1,8) recurrent_kernel(2,2,2,2,8) bias(8)", 0},
    };
    ROWS_CHECK(rows);
}

TEST(wrapper_rows)
{
    static const layer_row rows[] = {
        {"Bidirectional", "'merge_mode':'concat','layer':" CELL("LSTM", "'name':'f','units':4"),
         "[null,null,3]", "(batch, 8)", WEIGHTS_LSTM " " WEIGHTS_LSTM, 0},
        {"Bidirectional", "'layer':" CELL("SimpleRNN", "'name':'f','units':4"), "[null,5,3]",
         "(batch, 8)",
         "kernel(3,4) recurrent_kernel(4,4) bias(4) kernel(3,4) recurrent_kernel(4,4) bias(4)", 0},
        {"Bidirectional",
         "'merge_mode':'sum','layer':" CELL("LSTM", "'name':'f','units':4,'return_sequences':true"),
         "[null,null,3]", "(batch, in0 axis 1, 4)", WEIGHTS_LSTM " " WEIGHTS_LSTM, 0},
        {"Bidirectional",
         "'merge_mode':null,'layer':" CELL(
             "LSTM", "'name':'f','units':4") ",'backward_layer':" CELL("SimpleRNN",
                                                                       "'name':'b','units':1,'go_"
                                                                       "backwards':true"),
         "[null,5,3]", "(batch, 4)", WEIGHTS_LSTM " kernel(3,1) recurrent_kernel(1,1) bias(1)", 0},
        {"TimeDistributed", "'layer':" CELL("Dense", "'name':'d','units':4"), "[null,null,3]",
         "(batch, in0 axis 1, 4)", "kernel(3,4) bias(4)", 0},
        {"TimeDistributed", "'layer':" CELL("Conv2D", "'name':'c','filters':2,'kernel_size':3"),
         "[null,5,8,8,3]", "(batch, 5, 6, 6, 2)", "kernel(3,3,3,2) bias(2)", 0},
        {"TimeDistributed", "'layer':" CELL("LSTM", "'name':'r','units':4"), "[null,null,6,3]",
         "(batch, in0 axis 1, 4)", WEIGHTS_LSTM, 0},
        {"TimeDistributed",
         "'layer':" MODEL_SEQUENTIAL(6, MODEL_LAYER("Dense", "'name':'d','units':2")), "[null,5,6]",
         "(batch, 5, 2)", "kernel(6,2) bias(2)", 0},
    };
    ROWS_CHECK(rows);
}

TEST(recurrent_refusals)
{
    static const layer_row rows[] = {
        {"LSTM", "'units':0", "[null,5,3]", NULL, "units: expected a positive number",
         EBB_E_FORMAT},
        {"LSTM", "'units':4", "[null,3]", NULL, "rank 3", EBB_E_SHAPE},
        {"LSTM", "'units':4", "[null,5,null]", NULL, "must be a known number", EBB_E_SHAPE},
        {"LSTM", "'units':4", "[null,5,3];[null,4]", NULL, "2 initial states, got 1", EBB_E_SHAPE},
        {"LSTM", "'units':4,'num_constants':1", "[null,5,3]", NULL, "num_constants",
         EBB_E_UNSUPPORTED},
        {"GRU", "'units':4,'activation':'softmax'", "[null,null,3]", NULL, "must be a known number",
         EBB_E_SHAPE},
        {"GRU", "'units':4,'activation':'softmax'", "[null,5000,3]", NULL, "5000 steps",
         EBB_E_UNSUPPORTED},
        {"LSTMCell", "'units':4", "[null,3]", NULL, "2 states beside the input", EBB_E_UNSUPPORTED},
        {"RNN", "'return_sequences':true", "[null,5,3]", NULL, "'cell' is missing", EBB_E_FORMAT},
        {"RNN", "'cell':" CELL("Dense", "'name':'d','units':2"), "[null,5,3]", NULL,
         "expected a recurrent cell, found a layer of Dense", EBB_E_UNSUPPORTED},
        {"RNN", "'cell':" CELL("MyCell", "'name':'d'"), "[null,5,3]", NULL, "MyCell",
         EBB_E_UNSUPPORTED},
        {"RNN", STACK(""), "[null,5,3]", NULL, "list of 1 to", EBB_E_FORMAT},
        {"Bidirectional", "'layer':" CELL("Dense", "'name':'d','units':2"), "[null,5,3]", NULL,
         "expected a recurrent layer inside", EBB_E_UNSUPPORTED},
        {"Bidirectional", "'merge_mode':'min','layer':" CELL("GRU", "'name':'f','units':2"),
         "[null,5,3]", NULL, "merge_mode", EBB_E_FORMAT},
        {"Bidirectional",
         "'layer':" CELL("GRU", "'name':'f','units':2") ",'backward_layer':" CELL(
             "GRU", "'name':'b','units':2"),
         "[null,5,3]", NULL, "must differ in go_backwards", EBB_E_FORMAT},
        {"TimeDistributed", "'layer':" CELL("Dense", "'name':'d','units':4"), "[null]", NULL,
         "(batch, time, ...)", EBB_E_SHAPE},
        {"ConvLSTM2D", "'filters':0,'kernel_size':3", "[null,4,8,8,3]", NULL,
         "filters: expected a positive", EBB_E_FORMAT},
        {"ConvLSTM2D", "'filters':2,'kernel_size':3", "[null,4,8,3]", NULL, "rank 5", EBB_E_SHAPE},
    };
    ROWS_CHECK(rows);
}

/* -- where files keep the weights -------------------------------------------------------------- */

static void check_paths(test *t, const layer_row *row, const char *const *paths)
{
    static rows_text text;
    const built_model *m = model_assemble(t, rows_model(&text, row));
    uint32_t at = 0;

    for (uint32_t i = 0; i < m->weight_count; i++) {
        const layer_weight *w = m->weights[i];
        if (i > 0 && strcmp(w->path, m->weights[i - 1]->path) != 0) at++;
        CHECK(paths[at] != NULL);
        CHECK_TEXT(w->path, paths[at]);
        CHECK_EQ(w->variable, i % 3);
    }
    CHECK(paths[at + 1] == NULL);
}

TEST(weights_are_where_keras_keeps_them)
{
    const layer_row lstm = {"LSTM", "'units':4", "[null,5,3]", "", "", 0};
    const layer_row both = {
        "Bidirectional", "'layer':" CELL("GRU", "'name':'f','units':4"), "[null,5,3]", "", "", 0};
    const layer_row stack = {
        "RNN",
        STACK(CELL("GRUCell", "'name':'a','units':4") "," CELL(
            "LSTMCell", "'name':'b','units':5") "," CELL("GRUCell", "'name':'c','units':1")),
        "[null,5,3]",
        "",
        "",
        0};

    check_paths(t, &lstm, (const char *const[]){"layers/lstm/cell", NULL});
    check_paths(t, &both,
                (const char *const[]){"layers/bidirectional/forward_layer/cell",
                                      "layers/bidirectional/backward_layer/cell", NULL});
    check_paths(t, &stack,
                (const char *const[]){"layers/rnn/cell/cells/gru_cell",
                                      "layers/rnn/cell/cells/lstm_cell",
                                      "layers/rnn/cell/cells/gru_cell_1", NULL});
}

/* -- one op, or steps -------------------------------------------------------------------------- */

static const built_model *assemble_row(test *t, const layer_row *row)
{
    static rows_text text;

    return model_assemble(t, rows_model(&text, row));
}

static const rnn_attributes *rnn_at(const built_model *m, uint32_t number)
{
    for (uint32_t i = 0; i < m->graph->node_count; i++) {
        if (m->graph->nodes[i].op == OP_rnn && number-- == 0) return m->graph->nodes[i].attributes;
    }
    return NULL;
}

TEST(unary_activations_are_one_op)
{
    const layer_row plain = {"LSTM", "'units':4,'activation':'relu'", "[null,5,3]", "", "", 0};
    const layer_row steps = {"LSTM", "'units':4,'activation':'softmax'", "[null,5,3]", "", "", 0};
    const layer_row conv = {"ConvLSTM1D", "'filters':2,'kernel_size':3", "[null,6,9,3]", "", "", 0};

    const layer_row any_length = {
        "ConvLSTM1D", "'filters':2,'kernel_size':3", "[null,null,9,3]", "", "", 0};

    const built_model *m = assemble_row(t, &plain);
    CHECK_EQ(rows_count(m, OP_rnn), 1);
    CHECK_EQ(rnn_at(m, 0)->activation.kind, UNARY_RELU);
    CHECK_EQ(rnn_at(m, 0)->recurrent_activation.kind, UNARY_SIGMOID);
    m = assemble_row(t, &steps);
    CHECK_EQ(rows_count(m, OP_rnn), 0);
    CHECK_EQ(rows_count(m, OP_softmax), 10); /* candidate and output, five times */
    CHECK_EQ(rows_count(m, OP_matmul), 6);   /* the input's product is made once */
    m = assemble_row(t, &conv);
    CHECK_EQ(rows_count(m, OP_conv), 7);
    m = assemble_row(t, &any_length);
    CHECK_EQ(rows_count(m, OP_conv), 1);
    CHECK_EQ(rows_count(m, OP_conv_lstm), 1);
    CHECK_TEXT(model_output_shape(t, m, 0), "(batch, 7, 2)");
}

TEST(options_reach_the_op)
{
    const layer_row row = {"GRU",
                           "'units':4,'go_backwards':true,'zero_output_for_mask':true,"
                           "'reset_after':false,'return_sequences':true",
                           "[null,null,3]",
                           "",
                           "",
                           0};
    const rnn_attributes *a = rnn_at(assemble_row(t, &row), 0);

    CHECK_EQ(a->kind, RNN_GRU);
    CHECK_EQ(a->units, 4);
    CHECK(a->go_backwards && a->zero_output_for_mask && a->return_sequences && !a->reset_after);
}

/* The upper cells of a stack read what the lowest put out: already reversed, every step of it. */
TEST(stacks_run_cell_after_cell)
{
    const layer_row row = {
        "RNN",
        STACK(CELL("GRUCell", "'name':'a','units':4") "," CELL(
            "LSTMCell", "'name':'b','units':5")) ",'go_backwards':true,'zero_output_for_mask':true",
        "[null,null,3]",
        "",
        "",
        0};
    const built_model *m = assemble_row(t, &row);

    CHECK_EQ(rows_count(m, OP_rnn), 2);
    CHECK(rnn_at(m, 0)->return_sequences && !rnn_at(m, 1)->return_sequences);
    CHECK(!rnn_at(m, 0)->go_backwards && !rnn_at(m, 1)->go_backwards);
    CHECK(!rnn_at(m, 0)->zero_output_for_mask && rnn_at(m, 1)->zero_output_for_mask);
}

/* Both halves give zeros at masked steps when they return sequences, whatever the file says. */
TEST(bidirectional_mirrors_its_layer)
{
    const layer_row row = {"Bidirectional",
                           "'layer':" CELL("LSTM", "'name':'f','units':4,'return_sequences':true"),
                           "[null,null,3]",
                           "",
                           "",
                           0};
    const layer_row last = {"Bidirectional",
                            "'layer':" CELL("LSTM", "'name':'f','units':4,"
                                                    "'zero_output_for_mask':true"),
                            "[null,null,3]",
                            "",
                            "",
                            0};
    const built_model *m = assemble_row(t, &row);

    CHECK(!rnn_at(m, 0)->go_backwards && rnn_at(m, 1)->go_backwards);
    CHECK(rnn_at(m, 0)->zero_output_for_mask && rnn_at(m, 1)->zero_output_for_mask);
    m = assemble_row(t, &last);
    CHECK(!rnn_at(m, 0)->zero_output_for_mask && !rnn_at(m, 1)->zero_output_for_mask);
}

TEST(old_gates_are_hard)
{
    static const char text[] =
        "{'class_name':'Sequential','keras_version':'2.1.4','config':[{'class_name':'LSTM',"
        "'config':{'name':'lstm_1','batch_input_shape':[null,5,3],'units':4,'activation':'tanh',"
        "'recurrent_activation':'hard_sigmoid','implementation':1}}]}";
    const rnn_attributes *a = rnn_at(model_assemble(t, text), 0);

    CHECK_EQ(a->recurrent_activation.kind, UNARY_HARD_SIGMOID);
    CHECK_NEAR(a->recurrent_activation.alpha, 0.2, 1e-7);
}

/* -- states ------------------------------------------------------------------------------------ */

#define TENSOR(name) MODEL_TENSOR(name, 0, 0)
#define CALL_STATES(x, states, more)                                                               \
    "{'args':[" x "],'kwargs':{'initial_state':[" states "]" more "}}"
#define INPUTS_LSTM                                                                                \
    MODEL_INPUT("x", "[null,null,3]", "float32")                                                   \
    "," MODEL_INPUT("h", "[null,4]", "float32") "," MODEL_INPUT("c", "[null,4]", "float32")
#define INPUT_LIST "[['x',0,0],['h',0,0],['c',0,0]]"

/* The LSTM's inputs in the graph: which are there? */
static const node *rnn_node(const built_model *m)
{
    for (uint32_t i = 0; i < m->graph->node_count; i++) {
        if (m->graph->nodes[i].op == OP_rnn) return &m->graph->nodes[i];
    }
    return NULL;
}

TEST(initial_states_and_returned_ones)
{
    const built_model *m = model_assemble(
        t, MODEL_FUNCTIONAL(INPUTS_LSTM "," MODEL_NODE(
                                "keras.layers", "LSTM", "lstm", ",'units':4,'return_state':true",
                                CALL_STATES(TENSOR("x"), TENSOR("h") "," TENSOR("c"), "")),
                            INPUT_LIST, "[['lstm',0,0],['lstm',0,1],['lstm',0,2]]"));
    const node *n = rnn_node(m);

    CHECK_EQ(n->inputs[5], m->graph->inputs[1]);
    CHECK_EQ(n->inputs[6], m->graph->inputs[2]);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(m->outputs[i].v, n->outputs[i]);
        CHECK_TEXT(model_output_shape(t, m, i), "(batch, 4)");
    }
}

/* Keras 3 finds the mask of an input only in calls without further tensors. */
TEST(initial_states_hide_the_mask_of_the_input)
{
#define MASKED(calls)                                                                              \
    MODEL_FUNCTIONAL(INPUTS_LSTM "," MODEL_NODE(                                                   \
                         "keras.layers", "Masking", "masking", "",                                 \
                         MODEL_CALL(TENSOR("x"))) "," MODEL_NODE("keras.layers", "LSTM", "lstm",   \
                                                                 ",'units':4", calls),             \
                     INPUT_LIST, "[['lstm',0,0]]")
    const built_model *with =
        model_assemble(t, MASKED(CALL_STATES(TENSOR("masking"), TENSOR("h") "," TENSOR("c"), "")));
    CHECK_EQ(rnn_node(with)->inputs[4], VALUE_NONE);
    CHECK(rnn_node(with)->inputs[5] != VALUE_NONE);
    const built_model *without = model_assemble(t, MASKED(MODEL_CALL(TENSOR("masking"))));
    CHECK(rnn_node(without)->inputs[4] != VALUE_NONE);
    CHECK_EQ(rnn_node(without)->inputs[5], VALUE_NONE);
#undef MASKED
}

#define CALL_CELL "{'args':[" TENSOR("x") ",[" TENSOR("h") "," TENSOR("c") "]],'kwargs':{}}"
#define INPUTS_CELL                                                                                \
    MODEL_INPUT("x", "[null,3]", "float32")                                                        \
    "," MODEL_INPUT("h", "[null,4]", "float32") "," MODEL_INPUT("c", "[null,4]", "float32")
#define CELL_LSTM MODEL_NODE("keras.layers", "LSTMCell", "cell", ",'units':4", CALL_CELL)

TEST(cells_are_layers_too)
{
    const built_model *m =
        model_assemble(t, MODEL_FUNCTIONAL(INPUTS_CELL "," CELL_LSTM, INPUT_LIST,
                                           "[['cell',0,0],['cell',0,1],['cell',0,2]]"));

    CHECK_EQ(m->outputs[0].v, m->outputs[1].v);
    CHECK(m->outputs[1].v != m->outputs[2].v);
    CHECK_TEXT(m->weights[0]->path, "layers/lstm_cell");
    CHECK_EQ(rows_count(m, OP_matmul), 2);
}

/* -- masks ------------------------------------------------------------------------------------- */

TEST(masks_go_on_with_sequences)
{
    CHECK(rows_passes_mask(t, "LSTM", "'units':4,'return_sequences':true"));
    CHECK(rows_passes_mask(t, "GRU", "'units':4,'return_sequences':true,'go_backwards':true"));
    CHECK(rows_passes_mask(
        t, "RNN", "'return_sequences':true,'cell':" CELL("GRUCell", "'name':'c','units':2")));
    CHECK(rows_passes_mask(t, "Bidirectional",
                           "'layer':" CELL("GRU", "'name':'c','units':2,'return_sequences':true")));
    CHECK(rows_passes_mask(t, "TimeDistributed", "'layer':" CELL("Dense", "'name':'c','units':2")));
}

TEST(failed_allocations_leave_nothing)
{
    const layer_row both = {"Bidirectional",
                            "'layer':" CELL("RNN", "'name':'r','return_sequences':true," STACK(
                                                       CELL("GRUCell", "'name':'a','units':4")) ""),
                            "[null,5,3]",
                            "",
                            "",
                            0};
    const layer_row conv = {"ConvLSTM1D",
                            "'filters':2,'kernel_size':3,'return_sequences':true",
                            "[null,3,9,3]",
                            "",
                            "",
                            0};
    const layer_row steps = {"TimeDistributed",
                             "'layer':" CELL("LSTM", "'name':'r','units':4,'activation':'softmax'"),
                             "[null,3,3,2]",
                             "",
                             "",
                             0};

    rows_torture(t, &both);
    rows_torture(t, &conv);
    rows_torture(t, &steps);
}

TEST_MAIN(RUN(recurrent_rows), RUN(wrapper_rows), RUN(recurrent_refusals),
          RUN(weights_are_where_keras_keeps_them), RUN(unary_activations_are_one_op),
          RUN(options_reach_the_op), RUN(stacks_run_cell_after_cell),
          RUN(bidirectional_mirrors_its_layer), RUN(old_gates_are_hard),
          RUN(initial_states_and_returned_ones), RUN(initial_states_hide_the_mask_of_the_input),
          RUN(cells_are_layers_too), RUN(masks_go_on_with_sequences),
          RUN(failed_allocations_leave_nothing))
