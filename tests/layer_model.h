/* layer_model.h -- models for tests of the layer frame, from JSON text with ' in place of ". */
#ifndef EBB_TESTS_LAYER_MODEL_H
#define EBB_TESTS_LAYER_MODEL_H

#include <string.h>

#include "format/keras/model_config.h"
#include "harness.h"
#include "layer/assemble.h"

/* A Sequential of Keras 3 over an input of shape [None, width]. */
#define MODEL_SEQUENTIAL(width, layers)                                                            \
    "{'module':'keras','class_name':'Sequential','config':{'name':'seq','layers':["                \
    "{'module':'keras.layers','class_name':'InputLayer','config':{'batch_shape':[null," #width     \
    "],'dtype':'float32','name':'in'}}," layers "]},'registered_name':null}"
#define MODEL_LAYER(class_name, config)                                                            \
    "{'module':'keras.layers','class_name':'" class_name "','config':{" config                     \
    "},'registered_name':null}"

/* A Functional of Keras 3: layers, then references for input_layers and output_layers. */
#define MODEL_FUNCTIONAL(layers, inputs, outputs)                                                  \
    "{'module':'keras.src.models.functional','class_name':'Functional','config':{'name':'net',"    \
    "'trainable':true,'layers':[" layers "],'input_layers':" inputs ",'output_layers':" outputs    \
    "},'registered_name':'Functional'}"
#define MODEL_INPUT(name, shape, dtype)                                                            \
    "{'module':'keras.layers','class_name':'InputLayer','config':{'batch_shape':" shape            \
    ",'dtype':'" dtype "','name':'" name "'},'registered_name':null,'name':'" name                 \
    "','inbound_nodes':[]}"
#define MODEL_NODE(module, class_name, name, config, calls)                                        \
    "{'module':'" module "','class_name':'" class_name "','config':{'name':'" name "'" config      \
    "},'registered_name':null,'name':'" name "','inbound_nodes':[" calls "]}"
#define MODEL_CALL(arguments) "{'args':[" arguments "],'kwargs':{}}"
#define MODEL_TENSOR(layer, node, tensor)                                                          \
    "{'class_name':'__keras_tensor__','config':{'shape':[null],'dtype':'float32',"                 \
    "'keras_history':['" layer "'," #node "," #tensor "]}}"

/* Input "x" of [None, 2], Dense layers "left" and "right" behind it; the rest of their configs. */
#define MODEL_DENSE_OF_X(name, config)                                                             \
    MODEL_NODE("keras.layers", "Dense", name, config, MODEL_CALL(MODEL_TENSOR("x", 0, 0)))
#define MODEL_TWO_OUTPUTS(left, right)                                                             \
    MODEL_FUNCTIONAL(MODEL_INPUT("x", "[null,2]", "float32") "," MODEL_DENSE_OF_X(                 \
                         "left", left) "," MODEL_DENSE_OF_X("right", right),                       \
                     "[['x',0,0]]", "[['left',0,0],['right',0,0]]")

/* With " for '; ends the test when it does not parse. */
static inline const json *model_json(test *t, const char *text)
{
    char *copy = region_text(t->home, text);
    CHECK(copy != NULL);
    for (char *at = copy; *at != '\0'; at++) {
        if (*at == '\'') *at = '"';
    }
    const json *result = NULL;
    CHECK_OK(json_read(t->home, copy, strlen(copy), "test", &result, &t->error));
    return result;
}

static inline description model_description(test *t, const char *text)
{
    const json *object = model_json(t, text);
    description d = {.path = "test", .format = "keras", .keras_version = "3.15.0", .backend = ""};
    d.keras_major = model_config_major(object);
    CHECK_OK(model_config_read(t->home, object, d.keras_major, &d.model, &t->error));
    return d;
}

static inline built_model *model_assemble(test *t, const char *text)
{
    const description d = model_description(t, text);
    built_model      *m = NULL;
    CHECK_OK(assemble_model(t->home, &d, NULL, &m, &t->error));
    return m;
}

/* The error of a model that must not assemble, in t->error. */
static inline ebb_status model_refused(test *t, const char *text)
{
    const description d = model_description(t, text);
    built_model      *m = NULL;
    return assemble_model(t->home, &d, NULL, &m, &t->error);
}

/* "(batch, 3)" of an output. */
static inline const char *model_output_shape(test *t, const built_model *m, uint32_t index)
{
    char *text = region_alloc(t->home, 1, 160);
    CHECK(text != NULL);
    return shape_text(m->graph, graph_shape(m->graph, m->outputs[index].v), text, 160);
}

#endif
