/* layer_rows.h -- tests of single layers as rows: configuration and input shapes in, output shape
 * and weights out.
 *
 * A row's model is a Functional of Keras 3: one input per shape, then the layer. Shapes are JSON
 * lists apart by ';' ("[null,8,3];[null,3]"); one with a leading '#' is of int32. Weights are
 * written as "kernel(3,4) bias(4) moving_mean(4)-", '-' for those that are not trainable. */
#ifndef EBB_TESTS_LAYER_ROWS_H
#define EBB_TESTS_LAYER_ROWS_H

#include <inttypes.h>
#include <stdio.h>

#include "layer_model.h"

#define ROWS_TEXT 8192

typedef struct layer_row {
    const char *class_name, *config, *inputs;
    const char *shape;   /* of the output; NULL: the row must be refused */
    const char *weights; /* refused: part of the error text */
    ebb_status status;   /* refused: which */
} layer_row;

typedef struct rows_text {
    char text[ROWS_TEXT];
    size_t used;
} rows_text;

static inline void rows_put(rows_text *to, const char *format, ...) EBB_PRINTF(2, 3);
static inline void rows_put(rows_text *to, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(to->text + to->used, ROWS_TEXT - to->used, format, arguments);
    va_end(arguments);
    CHECK(length >= 0 && (size_t)length < ROWS_TEXT - to->used);
    to->used += (size_t)length;
}

static inline void rows_node(rows_text *to, const char *class_name, const char *config,
                             const char *name, uint32_t inputs, const char *from)
{
    rows_put(to,
             ",{'module':'keras.layers','class_name':'%s','config':{'name':'%s'%s%s},"
             "'registered_name':null,'name':'%s','inbound_nodes':[{'args':[",
             class_name, name, config[0] != '\0' ? "," : "", config, name);
    if (inputs > 1) rows_put(to, "[");
    for (uint32_t i = 0; i < inputs; i++) {
        rows_put(to,
                 "%s{'class_name':'__keras_tensor__','config':{'shape':[null],'dtype':'float32',"
                 "'keras_history':['%s",
                 i > 0 ? "," : "", from);
        if (inputs > 1 || strcmp(from, "in") == 0) rows_put(to, "%" PRIu32, i);
        rows_put(to, "',0,0]}}");
    }
    rows_put(to, "%s],'kwargs':{}}]}", inputs > 1 ? "]" : "");
}

/* One InputLayer per shape: "in0", "in1", ... */
static inline uint32_t rows_inputs(rows_text *to, const char *shapes)
{
    uint32_t count = 0;
    for (const char *at = shapes; *at != '\0'; count++) {
        const bool is_integer = *at == '#';
        const char *end = strchr(at, ';');
        const size_t length = end != NULL ? (size_t)(end - at) : strlen(at);
        rows_put(to, "%s" MODEL_INPUT("in%" PRIu32 "", "%.*s", "%s"), count > 0 ? "," : "",
                 (int)(length - is_integer), at + is_integer, is_integer ? "int32" : "float32",
                 count, count);
        at += length + (end != NULL);
    }
    return count;
}

/* The model's text up to "'layers':[", and from the layers' end on. */
static inline void rows_begin(rows_text *to)
{
    to->used = 0;
    rows_put(to, "{'module':'keras','class_name':'Functional','config':{'name':'net','layers':[");
}

static inline void rows_end(rows_text *to, uint32_t inputs, const char *output)
{
    rows_put(to, "],'input_layers':[");
    for (uint32_t i = 0; i < inputs; i++)
        rows_put(to, "%s['in%" PRIu32 "',0,0]", i > 0 ? "," : "", i);
    rows_put(to, "],'output_layers':[['%s',0,0]]}}", output);
}

static inline const char *rows_model(rows_text *to, const layer_row *row)
{
    rows_begin(to);
    const uint32_t inputs = rows_inputs(to, row->inputs);
    rows_node(to, row->class_name, row->config, "layer", inputs, "in");
    rows_end(to, inputs, "layer");
    return to->text;
}

static inline void rows_weights(const built_model *m, rows_text *to)
{
    to->used = 0;
    to->text[0] = '\0';
    for (uint32_t i = 0; i < m->weight_count; i++) {
        const layer_weight *w = m->weights[i];
        rows_put(to, "%s%s(", i > 0 ? " " : "", w->name);
        for (uint32_t k = 0; k < w->rank; k++)
            rows_put(to, "%s%" PRId64, k > 0 ? "," : "", w->dims[k]);
        rows_put(to, ")%s", w->trainable ? "" : "-");
    }
}

/* Every row builds with its shape and weights, or is refused for its reason. */
static inline void rows_check(test *t, const layer_row *rows, size_t count)
{
    static rows_text text, weights;
    for (size_t i = 0; i < count; i++) {
        const layer_row *row = &rows[i];
        if (row->shape == NULL) {
            CHECK_STATUS(model_refused(t, rows_model(&text, row)), row->status);
            CHECK_CONTAINS(t->error.text, row->weights);
            CHECK_CONTAINS(t->error.where, "layer");
            continue;
        }
        const built_model *m = model_assemble(t, rows_model(&text, row));
        CHECK_TEXT(model_output_shape(t, m, 0), row->shape);
        rows_weights(m, &weights);
        CHECK_TEXT(weights.text, row->weights);
        CHECK_OK(graph_verify(m->graph, &t->error));
    }
}
#define ROWS_CHECK(rows) rows_check(t, rows, sizeof(rows) / sizeof((rows)[0]))

/* Live nodes of an op; of a binary kind. */
static inline uint32_t rows_count(const built_model *m, op_id op)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->graph->node_count; i++) count += m->graph->nodes[i].op == op;
    return count;
}

static inline uint32_t rows_count_binary(const built_model *m, binary_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->graph->node_count; i++) {
        const node *n = &m->graph->nodes[i];
        if (n->op != OP_binary) continue;
        count += ((const binary_attributes *)n->attributes)->kind == kind;
    }
    return count;
}

/* Masking, the layer (rank 3 in and out), an average that uses a mask when one arrives: did it? */
static inline bool rows_passes_mask(test *t, const char *class_name, const char *config)
{
    static rows_text text;
    rows_begin(&text);
    rows_inputs(&text, "[null,4,4]");
    rows_node(&text, "Masking", "", "masking", 1, "in");
    rows_node(&text, class_name, config, "layer", 1, "masking");
    rows_node(&text, "GlobalAveragePooling1D", "", "average", 1, "layer");
    rows_end(&text, 1, "average");
    const built_model *m = model_assemble(t, text.text);
    return rows_count(m, OP_select) == 2; /* one is Masking's own, the other the average's */
}

/* A row's model with every allocation failing in turn: E_MEMORY, and nothing stays. */
static inline void rows_torture(test *t, const layer_row *row)
{
    static rows_text text;
    const description d = model_description(t, rows_model(&text, row));
    const uint64_t bytes_before = region_bytes_live(t->home);
    for (int64_t n = 0;; n++) {
        region *home = region_open(t->home, "model", EBB_CLASS_META, 0);
        CHECK(home != NULL);
        built_model *m = NULL;
        test_fail_allocation(t, n);
        const ebb_status status = assemble_model(home, &d, NULL, &m, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        region_close(home);
        CHECK_EQ(region_bytes_live(t->home), bytes_before);
        if (!failed) return;
    }
}

#endif
