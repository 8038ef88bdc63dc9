/* layer_attention_test.c -- attention layers: shapes, weights in order, arguments, masks, refusals.
 * Their numbers: layer_golden_test, corners_test. */
#include "layer_rows.h"

TEST(attention_rows)
{
    static const layer_row rows[] = {
        {"Attention", "'use_scale':false,'score_mode':'dot','dropout':0.1,'seed':3",
         "[null,null,4];[null,null,4]", "(batch, in0 axis 1, 4)", "", 0},
        {"Attention", "'use_scale':true", "[null,5,4];[null,6,3];[null,6,4]", "(batch, 5, 3)",
         "scale()", 0},
        {"Attention", "'score_mode':'concat','use_scale':true", "[null,5,4];[null,6,4]",
         "(batch, 5, 4)", "scale() concat_score_weight()", 0},
        {"Attention", "'score_mode':'concat','causal':true", "[null,5,4];[null,5,4]",
         "(batch, 5, 4)", "concat_score_weight()", 0},
        {"Attention", "", "[null,2,5,4];[null,2,6,4]", "(batch, 2, 5, 4)", "", 0},
        {"AdditiveAttention", "", "[null,5,4];[null,6,4]", "(batch, 5, 4)", "scale(4)", 0},
        {"AdditiveAttention", "'use_scale':false", "[null,5,null];[null,6,null]",
         "(batch, 5, in1 axis 2)", "", 0},
    };
    ROWS_CHECK(rows);
}

TEST(attention_refusals)
{
    static const layer_row rows[] = {
        {"Attention", "", "[null,5,4]", NULL, "[query, value]", EBB_E_UNSUPPORTED},
        {"Attention", "", "[null];[null]", NULL, "[batch, length, size]", EBB_E_SHAPE},
        {"Attention", "'score_mode':'cosine'", "[null,5,4];[null,5,4]", NULL, "score_mode",
         EBB_E_FORMAT},
        {"AdditiveAttention", "", "[null,5,null];[null,6,4]", NULL, "must be a known number",
         EBB_E_SHAPE},
        {"MultiHeadAttention", "'num_heads':2,'key_dim':2", "[null,5,4];[null,5,4]", NULL,
         "a query and a value", EBB_E_FORMAT},
    };
    ROWS_CHECK(rows);
}

/* -- layers over heads: their tensors are arguments of their own
 * ------------------------------------------ */

typedef struct heads_row {
    const char *class_name, *config, *inputs;
    const char *positional, *keywords; /* "in0 in1", "'key_mask':null" or "attention_mask=in2" */
    const char *shape, *weights;       /* as in layer_row */
    ebb_status status;
} heads_row;

static void put_tensor(rows_text *to, const char *name, size_t length)
{
    rows_put(to,
             "{'class_name':'__keras_tensor__','config':{'shape':[null],'dtype':'float32','keras_"
             "history':"
             "['%.*s',0,0]}}",
             (int)length, name);
}

/* Words "in0" or "key=in1" apart by spaces; what else stands after '=' is put as it is. */
static void put_arguments(rows_text *to, const char *words, bool has_names)
{
    for (const char *at = words; *at != '\0';) {
        const size_t length = strcspn(at, " ");
        const char *equals = has_names ? memchr(at, '=', length) : NULL;
        const char *given = equals != NULL ? equals + 1 : at;
        const size_t rest = (size_t)(at + length - given);
        if (at != words) rows_put(to, ",");
        if (equals != NULL) rows_put(to, "'%.*s':", (int)(equals - at), at);
        if (strncmp(given, "in", 2) == 0)
            put_tensor(to, given, rest);
        else
            rows_put(to, "%.*s", (int)rest, given);
        at += length + (at[length] == ' ');
    }
}

static const char *heads_model(rows_text *to, const heads_row *row)
{
    rows_begin(to);
    const uint32_t inputs = rows_inputs(to, row->inputs);
    rows_put(to,
             ",{'module':'keras.layers','class_name':'%s','config':{'name':'layer'%s%s},'"
             "registered_name':null,"
             "'name':'layer','inbound_nodes':[{'args':[",
             row->class_name, row->config[0] != '\0' ? "," : "", row->config);
    put_arguments(to, row->positional, false);
    rows_put(to, "],'kwargs':{");
    put_arguments(to, row->keywords, true);
    rows_put(to, "}}]}");
    rows_end(to, inputs, "layer");
    return to->text;
}

static void heads_check(test *t, const heads_row *rows, size_t count)
{
    static rows_text text, weights;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].shape == NULL) {
            CHECK_STATUS(model_refused(t, heads_model(&text, &rows[i])), rows[i].status);
            CHECK_CONTAINS(t->error.text, rows[i].weights);
            continue;
        }
        const built_model *m = model_assemble(t, heads_model(&text, &rows[i]));
        CHECK_TEXT(model_output_shape(t, m, 0), rows[i].shape);
        rows_weights(m, &weights);
        CHECK_TEXT(weights.text, rows[i].weights);
        CHECK_OK(graph_verify(m->graph, &t->error));
    }
}
#define HEADS_CHECK(rows) heads_check(t, rows, sizeof(rows) / sizeof((rows)[0]))

TEST(multi_head_attention_rows)
{
    static const heads_row rows[] = {
        {"MultiHeadAttention", "'num_heads':2,'key_dim':3", "[null,null,6]", "in0 in0", "",
         "(batch, in0 axis 1, 6)",
         "kernel(6,2,3) bias(2,3) kernel(6,2,3) bias(2,3) kernel(6,2,3) bias(2,3) kernel(2,3,6) "
         "bias(6)",
         0},
        /* As Keras 2 writes it, and called by names. */
        {"MultiHeadAttention",
         "'num_heads':2,'key_dim':3,'value_dim':5,'use_bias':false,'output_shape':[7],'attention_"
         "axes':[1],"
         "'query_shape':[null,4,6],'key_shape':[null,5,4],'value_shape':[null,5,3]",
         "[null,4,6];[null,5,3];[null,5,4]", "", "query=in0 value=in1 key=in2", "(batch, 4, 7)",
         "kernel(6,2,3) kernel(4,2,3) kernel(3,2,5) kernel(2,5,7)", 0},
        {"MultiHeadAttention",
         "'num_heads':1,'key_dim':2,'use_bias':false,'use_gate':true,'output_shape':[2,3]",
         "[null,4,6];[null,5,6]", "in0 in1", "use_causal_mask=true", "(batch, 4, 2, 3)",
         "kernel(6,1,2) kernel(6,1,2) kernel(6,1,2) kernel(6,1,2) kernel(1,2,2,3)", 0},
        {"MultiHeadAttention",
         "'num_heads':1,'key_dim':2,'use_bias':false,'attention_axes':[-3,-2]", "[null,3,null,4,6]",
         "in0 in0", "training=false", "(batch, 3, in0 axis 2, 4, 6)",
         "kernel(6,1,2) kernel(6,1,2) kernel(6,1,2) kernel(1,2,6)", 0},
        {"GroupQueryAttention", "'head_dim':3,'num_query_heads':4,'num_key_value_heads':2",
         "[null,null,6];[null,null,5]", "in0 in1", "", "(batch, in0 axis 1, 6)",
         "kernel(6,4,3) bias(4,3) kernel(5,2,3) bias(2,3) kernel(5,2,3) bias(2,3) kernel(4,3,6) "
         "bias(6)",
         0},
        {"GroupedQueryAttention",
         "'head_dim':3,'num_query_heads':2,'num_key_value_heads':1,'use_bias':false,'sliding_"
         "window':2",
         "[null,4,6];#[null,4,4]", "in0 in0", "attention_mask=in1", "(batch, 4, 6)",
         "kernel(6,2,3) kernel(6,1,3) kernel(6,1,3) kernel(2,3,6)", 0},
    };
    HEADS_CHECK(rows);
}

TEST(multi_head_attention_refusals)
{
    static const heads_row rows[] = {
        {"MultiHeadAttention", "'num_heads':0,'key_dim':3", "[null,4,6]", "in0 in0", "", NULL,
         "num_heads", EBB_E_FORMAT},
        {"MultiHeadAttention", "'num_heads':1,'key_dim':3", "[null,4,6]", "in0", "", NULL,
         "a value", EBB_E_FORMAT},
        {"MultiHeadAttention", "'num_heads':1,'key_dim':3", "[null,4,6];[null,6]", "in0 in1", "",
         NULL, "of one rank", EBB_E_SHAPE},
        {"MultiHeadAttention", "'num_heads':1,'key_dim':3,'attention_axes':[3]", "[null,4,6]",
         "in0 in0", "", NULL, "attention_axes", EBB_E_SHAPE},
        {"MultiHeadAttention", "'num_heads':1,'key_dim':3,'attention_axes':[1,-2]", "[null,4,6]",
         "in0 in0", "", NULL, "attention_axes", EBB_E_SHAPE},
        {"MultiHeadAttention", "'num_heads':1,'key_dim':3,'output_shape':[0]", "[null,4,6]",
         "in0 in0", "", NULL, "output_shape", EBB_E_FORMAT},
        {"MultiHeadAttention", "'num_heads':1,'key_dim':3", "[null,2,4,6]", "in0 in0",
         "use_causal_mask=true", NULL, "does not fit 2 attention axes", EBB_E_SHAPE},
        {"GroupQueryAttention", "'head_dim':3,'num_query_heads':3,'num_key_value_heads':2",
         "[null,4,6]", "in0 in0", "", NULL, "a multiple of", EBB_E_SHAPE},
    };
    HEADS_CHECK(rows);
}

/* As Keras's own fused step, where nothing may be seen everything counts alike; else nothing does:
 * one more select. */
TEST(hidden_scores_as_keras_hides_them)
{
    static const char heads[] = "'num_heads':1,'key_dim':3",
                      dropped[] = "'num_heads':1,'key_dim':3,'dropout':0.5";
    static rows_text text;
    const heads_row fused = {"MultiHeadAttention",   heads, "[null,4,6]", "in0 in0",
                             "use_causal_mask=true", NULL,  NULL,         0};
    const heads_row plain = {"MultiHeadAttention",   dropped, "[null,4,6]", "in0 in0",
                             "use_causal_mask=true", NULL,    NULL,         0};
    const heads_row open = {"MultiHeadAttention", heads, "[null,4,6]", "in0 in0",
                            "use_causal_mask=0",  NULL,  NULL,         0};
    CHECK_EQ(rows_count(model_assemble(t, heads_model(&text, &fused)), OP_select), 1);
    CHECK_EQ(rows_count(model_assemble(t, heads_model(&text, &plain)), OP_select), 2);
    CHECK_EQ(rows_count(model_assemble(t, heads_model(&text, &open)), OP_select), 0);
}

/* The mask of the query goes on with the result. */
TEST(the_mask_of_the_query_goes_on)
{
    static rows_text text;
    rows_begin(&text);
    rows_inputs(&text, "[null,4,4];[null,4,4]");
    rows_node(&text, "Masking", "", "masking0", 1, "in");
    rows_put(&text, "," MODEL_NODE(
                        "keras.layers", "MultiHeadAttention", "layer", ",'num_heads':1,'key_dim':3",
                        MODEL_CALL(MODEL_TENSOR("masking0", 0, 0) "," MODEL_TENSOR("in1", 0, 0))));
    rows_node(&text, "GlobalAveragePooling1D", "", "average", 1, "layer");
    rows_end(&text, 2, "average");
    /* Masking's own, the scores', the average's. */
    CHECK_EQ(rows_count(model_assemble(t, text.text), OP_select), 3);
}

TEST(attention_mask_inputs_have_rows_of_their_own)
{
    static rows_text text;
    const heads_row row = {"MultiHeadAttention",
                           "'num_heads':1,'key_dim':3",
                           "[null,4];[null,4,6]",
                           "in1 in1",
                           "attention_mask=in0",
                           NULL,
                           NULL,
                           0};
    const built_model *m = model_assemble(t, heads_model(&text, &row));
    CHECK(graph_dim(m->graph, m->graph->inputs[0], 0) != m->batch);
    CHECK(graph_dim(m->graph, m->graph->inputs[1], 0) == m->batch);
}

TEST(failed_allocations_leave_nothing)
{
    const layer_row row = {
        "Attention", "'score_mode':'concat','use_scale':true", "[null,5,4];[null,6,4]", "", "", 0};
    rows_torture(t, &row);
}

TEST_MAIN(RUN(attention_rows), RUN(attention_refusals), RUN(multi_head_attention_rows),
          RUN(multi_head_attention_refusals), RUN(hidden_scores_as_keras_hides_them),
          RUN(the_mask_of_the_query_goes_on), RUN(attention_mask_inputs_have_rows_of_their_own),
          RUN(failed_allocations_leave_nothing))
