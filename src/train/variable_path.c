/* variable_path.c -- see variable_path.h.
 *
 * A variable's path is the names of the layers being built around it. Layers read from a file are
 * built on their own, so those inside models and wrappers begin anew; what a layer makes in its own
 * build() stands below it, under the name that this layer gives it. Source: name_scope in
 * keras/src/layers/layer.py, the layers' build() of 3.15. */
#include "train/variable_path.h"

#include <string.h>

/* What a layer calls the parts it makes itself. */
typedef struct part_name {
    const char *classes; /* "A|B" */
    const char *part;    /* as files have it */
    const char *name;
} part_name;

static const part_name part_names[] = {
    {"LSTM", "cell", "lstm_cell"},
    {"GRU", "cell", "gru_cell"},
    {"SimpleRNN", "cell", "simple_rnn_cell"},
    {"ConvLSTM1D|ConvLSTM2D|ConvLSTM3D", "cell", "conv_lstm_cell"},
    {"MultiHeadAttention|GroupQueryAttention", "_gate_dense", "gate"},
    {"MultiHeadAttention", "query_dense", "query"},
    {"MultiHeadAttention", "key_dense", "key"},
    {"MultiHeadAttention", "value_dense", "value"},
    {"MultiHeadAttention", "output_dense", "attention_output"},
    {"GroupQueryAttention", "_query_dense", "query"},
    {"GroupQueryAttention", "_key_dense", "key"},
    {"GroupQueryAttention", "_value_dense", "value"},
    {"GroupQueryAttention", "_output_dense", "attention_output"},
};

static const char *part_name_of(const layer_instance *i, const char *part)
{
    for (size_t k = 0; k < sizeof part_names / sizeof part_names[0]; k++) {
        const part_name *p = &part_names[k];
        if (strcmp(p->part, part) == 0 && name_among(p->classes, i->def->name)) return p->name;
    }
    return part;
}

static bool own_paths(region *home, const layer_instance *i, const char **paths)
{
    const size_t title = strlen(i->title);

    for (uint32_t k = 0; k < i->weight_count; k++) {
        const layer_weight *w = &i->weights[k];
        const char *part = strlen(w->title) > title ? w->title + title + 1 : NULL;
        paths[w->index] =
            part == NULL ? region_format(home, "%s/%s", i->name, w->name)
                         : region_format(home, "%s/%s/%s", i->name, part_name_of(i, part), w->name);
        if (paths[w->index] == NULL) return false;
    }
    return true;
}

/* Recursion: LAYER_DEPTH_MAX levels, as the instances were made. */
static bool instance_paths(region *home, const layer_instance *i, const char **paths)
{
    if (i == NULL) return true;
    if (!own_paths(home, i, paths)) return false;
    for (uint32_t k = 0; k < i->child_count; k++) {
        if (!instance_paths(home, i->children[k], paths)) return false;
    }
    for (uint32_t k = 0; i->model != NULL && k < i->model->layer_count; k++) {
        if (!instance_paths(home, i->model->layers[k], paths)) return false;
    }
    return true;
}

const char **variable_paths(region *home, const built_model *model)
{
    const char **paths = region_new(home, const char *, (size_t)model->weight_count + 1);

    for (uint32_t k = 0; paths != NULL && k < model->top->layer_count; k++) {
        if (!instance_paths(home, model->top->layers[k], paths)) return NULL;
    }
    return paths;
}
