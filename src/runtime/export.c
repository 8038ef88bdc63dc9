/* export.c -- a loaded model as a SavedModel folder.
 *
 * The graph is made once more from the model's description, as it was before passes; weights are
 * those of this moment. The lock of training is held as in save.c, so that no step and nobody else
 * changes weights; predictions go on.
 * Memory: class scratch, the graph in both forms and a copy of the largest weight, given back on
 * return. */
#define _GNU_SOURCE
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "format/format.h"
#include "format/savedmodel/saved_model_writer.h"
#include "layer/saved.h"
#include "runtime/options.h"
#include "runtime/saved_graph.h"
#include "runtime/training.h"
#include "tensorflow/tf_export.h"

#define FUNCTION "__inference_serve"

typedef struct exporting {
    model *m;
    region *work;
    built_model *built; /* the graph before passes */
    saved_port *inputs, *outputs;
    saved_variable *variables;
    saved_model_content content;
    ebb_error *error;
} exporting;

static ebb_status no_memory(const exporting *x, const char *what)
{
    return region_fail(x->work, x->error, x->m->info.name, what);
}

/* -- names ------------------------------------------------------------------------------------- */

/* TensorFlow takes tensors by Python names: letters, digits, underscores. Different ones stay
 * different. */
static const char *identifier(exporting *x, const char *name, const saved_port *before,
                              uint32_t count)
{
    char *text = region_format(x->work, "%s%s", name[0] >= '0' && name[0] <= '9' ? "x" : "", name);

    for (char *c = text; c != NULL && *c != '\0'; c++) {
        const bool is_plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                              (*c >= '0' && *c <= '9') || *c == '_';
        if (!is_plain) *c = '_';
    }
    for (uint32_t i = 0; text != NULL && i < count; i++) {
        if (strcmp(before[i].name, text) != 0) continue;
        text = region_format(x->work, "%s_%u", text, count);
        i = UINT32_MAX; /* from the beginning */
    }
    return text;
}

/* What the configuration has under "input_layers" or "output_layers" is what callers pass or get:
 * an object is a dict. */
static saved_structure structure_of(const exporting *x, const char *key, uint32_t count)
{
    const description *d = x->m->d;
    const json *ports =
        d->model == NULL ? NULL : json_get(json_get(d->model->source, "config"), key);

    if (ports != NULL && ports->kind == JSON_OBJECT && ports->count == count) return STRUCTURE_DICT;
    return count == 1 ? STRUCTURE_ONE : STRUCTURE_LIST;
}

/* The InputLayer's name, as Keras names the tensor; of a graph the signature's. */
static const char *input_name(const exporting *x, uint32_t index)
{
    const model_config *c = x->m->d->model;

    return c == NULL ? x->built->inputs[index].name : c->layers[c->inputs[index].ref.layer].name;
}

/* A dict goes in the order of its keys. Few ports: insertion is enough. */
static void ports_sort(saved_port *ports, value *values, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        const saved_port port = ports[i];
        const value v = values[i];
        uint32_t place = i;
        for (; place > 0 && strcmp(ports[place - 1].key, port.key) > 0; place--) {
            ports[place] = ports[place - 1];
            values[place] = values[place - 1];
        }
        ports[place] = port;
        values[place] = v;
    }
}

static saved_port port_make(const exporting *x, const char *name, const char *key, value v)
{
    return (saved_port){.name = name,
                        .key = key,
                        .type = tf_type_of(graph_value(x->built->graph, v)->dtype),
                        .shape = tf_shape_of(graph_shape(x->built->graph, v))};
}

static ebb_status ports_make(exporting *x)
{
    const built_model *b = x->built;
    graph *g = b->graph;
    saved_model_content *c = &x->content;

    x->inputs = region_new(x->work, saved_port, (size_t)b->input_count + 1);
    x->outputs = region_new(x->work, saved_port, (size_t)b->output_count + 1);
    if (x->inputs == NULL || x->outputs == NULL) return no_memory(x, "names");
    for (uint32_t i = 0; i < b->input_count; i++) {
        const char *name = identifier(x, input_name(x, i), x->inputs, i);
        if (name == NULL) return no_memory(x, "names");
        x->inputs[i] = port_make(x, name, b->inputs[i].name, g->inputs[i]);
    }
    for (uint32_t i = 0; i < b->output_count; i++) {
        const char *name = identifier(x, b->outputs[i].name, x->outputs, i);
        if (name == NULL) return no_memory(x, "names");
        x->outputs[i] = port_make(x, name, b->outputs[i].name, g->outputs[i]);
    }
    c->input_structure = structure_of(x, "input_layers", b->input_count);
    c->output_structure = structure_of(x, "output_layers", b->output_count);
    if (c->input_structure == STRUCTURE_DICT) ports_sort(x->inputs, g->inputs, b->input_count);
    if (c->output_structure == STRUCTURE_DICT) ports_sort(x->outputs, g->outputs, b->output_count);
    c->inputs = x->inputs;
    c->outputs = x->outputs;
    c->input_count = b->input_count;
    c->output_count = b->output_count;
    return EBB_OK;
}

/* -- graph and variables ----------------------------------------------------------------------- */

/* A graph that came without layers is read from its folder again. */
static ebb_status graph_reread(exporting *x)
{
    const model *m = x->m;
    weight_source *sources;
    description *d = NULL;
    ebb_status status = format_read(x->work, m->file, NULL, &d, x->error);

    if (status == EBB_OK) {
        status = saved_graph_build(x->work, d, m->d->saved_graph->signature, NULL, NULL, &x->built,
                                   &sources, x->error);
    }
    description_close(d);
    return status;
}

/* Are these the weights that the model was loaded with? */
static ebb_status weights_compare(const exporting *x)
{
    const built_model *now = x->built, *then = x->m->built;
    bool is_same = now->weight_count == then->weight_count;

    for (uint32_t i = 0; i < then->weight_count && is_same; i++) {
        const layer_weight *a = now->weights[i], *b = then->weights[i];
        is_same = a->dtype == b->dtype && a->rank == b->rank &&
                  memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]) == 0 &&
                  strcmp(a->name, b->name) == 0;
    }
    return is_same ? EBB_OK
                   : fail(x->error, EBB_E_STATE, x->m->info.name,
                          "its folder holds another model by now; load that one");
}

static ebb_status graph_make(exporting *x)
{
    const ebb_status status = x->m->d->model != NULL
                                  ? assemble_model(x->work, x->m->d, NULL, &x->built, x->error)
                                  : graph_reread(x);

    return status == EBB_OK ? weights_compare(x) : status;
}

static ebb_status variables_make(exporting *x, const bool *trainable)
{
    const built_model *b = x->m->built;

    x->variables = region_new(x->work, saved_variable, (size_t)b->weight_count + 1);
    if (x->variables == NULL) return no_memory(x, "the names of weights");
    for (uint32_t i = 0; i < b->weight_count; i++) {
        const layer_weight *w = b->weights[i];
        saved_variable *v = &x->variables[i];
        *v = (saved_variable){.dtype = w->dtype,
                              .rank = w->rank,
                              .trainable = trainable != NULL ? trainable[i] : w->trainable};
        memcpy(v->dims, w->dims, sizeof v->dims);
        v->name =
            region_format(x->work, "%s%s%s", w->title, w->title[0] != '\0' ? "/" : "", w->name);
        if (v->name == NULL) return no_memory(x, "the names of weights");
    }
    x->content.variables = x->variables;
    x->content.variable_count = b->weight_count;
    return EBB_OK;
}

static ebb_status read_variable(void *context, uint32_t variable, void *bytes, ebb_error *error)
{
    const exporting *x = context;
    model *m = x->m;
    const uint32_t lane_index = lane_take(m);
    const ebb_status status = weights_get(m->weights, m->built->weights[variable]->v, bytes, error);

    lane_release(m, lane_index);
    return status;
}

static ebb_status content_make(exporting *x)
{
    model *m = x->m;
    trainable_choice *choices = NULL;
    const bool *trainable = NULL;
    tf_exported *exported;
    ebb_status status = choices_copy(m, x->work, &choices, x->error);

    if (status == EBB_OK) status = graph_make(x);
    if (status != EBB_OK) return status;
    if (m->d->model != NULL) {
        trainable = saved_trainable(x->work, m->built, choices_answer, choices);
        if (trainable == NULL) return no_memory(x, "the names of weights");
    }
    status = ports_make(x);
    if (status == EBB_OK) status = variables_make(x, trainable);
    if (status == EBB_OK)
        status = tf_export(x->work, x->built->graph, FUNCTION, &exported, x->error);
    if (status != EBB_OK) return status;
    x->content.functions = exported->functions;
    x->content.function_count = exported->function_count;
    x->content.captured = exported->captured;
    x->content.captured_count = exported->captured_count;
    x->content.read = read_variable;
    x->content.context = x;
    return EBB_OK;
}

/* -- the place --------------------------------------------------------------------------------- */

/* Whoever names a file wants ebb_model_save(). */
static ebb_status path_read(const char *given, char path[PATH_MAX], ebb_error *error)
{
    static const char *const endings[] = {".keras", ".h5", ".hdf5"};
    size_t length = given == NULL ? 0 : strlen(given);

    if (length == 0) return fail(error, EBB_E_ARGUMENT, "path", "expected the name of a folder");
    while (length > 1 && given[length - 1] == '/') length--;
    if (length >= PATH_MAX) {
        return fail(error, EBB_E_ARGUMENT, "path",
                    "is %zu characters long, at most %d are possible", length, PATH_MAX - 1);
    }
    memcpy(path, given, length);
    path[length] = '\0';
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t own = strlen(endings[i]);
        if (length <= own || strcmp(path + length - own, endings[i]) != 0) continue;
        return fail(error, EBB_E_ARGUMENT, path,
                    "is the name of a file; a SavedModel is a folder: name one, or save the model "
                    "with ebb_model_save()");
    }
    const char *slash = strrchr(path, '/'), *last = slash == NULL ? path : slash + 1;
    if (last[0] != '\0' && strcmp(last, ".") != 0 && strcmp(last, "..") != 0) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, given, "does not end with the name of a folder");
}

static bool folder_is_empty(const char *path)
{
    DIR *list = opendir(path);
    bool is_empty = list != NULL;

    for (const struct dirent *e = is_empty ? readdir(list) : NULL; e != NULL; e = readdir(list))
        is_empty &= strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    if (list != NULL) closedir(list);
    return is_empty;
}

/* A SavedModel with nothing else in it may be replaced, an empty folder filled. */
static ebb_status place_check(const char *path, ebb_error *error)
{
    char inside[PATH_MAX + 32];
    struct stat facts;
    ebb_error found = {0};

    if (lstat(path, &facts) != 0 || !S_ISDIR(facts.st_mode) || folder_is_empty(path)) return EBB_OK;
    snprintf(inside, sizeof inside, "%s/saved_model.pb", path);
    if (lstat(inside, &facts) != 0) {
        return fail(error, EBB_E_UNSUPPORTED, path,
                    "is a folder that holds no SavedModel, which is never replaced");
    }
    if (model_files_check(path, NULL, &found) == EBB_OK) return EBB_OK;
    return fail(error, EBB_E_UNSUPPORTED, path, "is not replaced: %.180s", found.text);
}

/* The folder that was there before has another name by now. */
static ebb_status replaced_remove(const char *replaced, ebb_error *error)
{
    ebb_receipt receipt = {0};
    ebb_error found = {0};

    if (model_files_remove(replaced, &receipt, &found) == EBB_OK) return EBB_OK;
    return fail(error, EBB_E_IO, replaced,
                "the model was written, but the folder that it replaced could not be removed: "
                "%.120s",
                found.text);
}

/* -- export ------------------------------------------------------------------------------------ */

static ebb_status export_locked(model *m, const char *path, const ebb_export_options *o,
                                ebb_error *error)
{
    exporting x = {.m = m, .error = error};
    saved_model_place place = {.keeps_old = o->keep_existing};

    x.work = region_open(m->owner->root, "export", EBB_CLASS_SCRATCH, 0);
    if (x.work == NULL) return region_fail(m->owner->root, error, m->info.name, "exporting");
    ebb_status status = content_make(&x);
    if (status == EBB_OK) status = saved_model_write(x.work, &x.content, path, &place, error);
    if (status == EBB_OK && place.replaced != NULL) status = replaced_remove(place.replaced, error);
    region_close(x.work);
    return status;
}

ebb_status model_export(model *m, const char *given, const ebb_export_options *options,
                        ebb_error *error)
{
    ebb_export_options o = EBB_EXPORT_OPTIONS_INIT;
    char path[PATH_MAX];
    ebb_status status =
        options_copy(&o, sizeof o, options, "export options", "EBB_EXPORT_OPTIONS_INIT", error);

    if (status == EBB_OK) status = path_read(given, path, error);
    if (status == EBB_OK && !o.keep_existing) status = place_check(path, error);
    if (status != EBB_OK) return status;
    if (m->options.inference_only) {
        return fail(error, EBB_E_UNSUPPORTED, m->info.name,
                    "the model was loaded with inference_only, so its weights were folded; load it "
                    "without");
    }
    training *t = training_look(m);
    training_wait(m);
    status = training_publish_locked(m, error);
    if (status == EBB_OK) status = export_locked(m, path, &o, error);
    pthread_mutex_unlock(&m->training_mutex);
    if (t != NULL) training_look_end(t);
    return status;
}
