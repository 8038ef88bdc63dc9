/* saved_model_writer.c -- see saved_model_writer.h: the files of the folder, one after another. */
#include "format/savedmodel/saved_model_writer.h"

#include <string.h>

#include "base/status.h"
#include "format/folder_writer.h"
#include "format/savedmodel/saved_model_bundle.h"
#include "format/savedmodel/saved_model_maker.h"

/* Whose loaders read what is written here; they only show it. */
#define TENSORFLOW_VERSION "2.21.0"
#define SCHEMA_VERSION     1
#define SAVER_V2           2
#define PREDICT_METHOD     "tensorflow/serving/predict"
#define INIT_SIGNATURE     "__saved_model_init_op"

/* -- signatures -------------------------------------------------------------------------------- */

static Ebb__Write__TensorInfoEntry *port_make(maker *m, const char *key, const char *tensor,
                                              tf_type type, const tf_shape *s)
{
    Ebb__Write__TensorInfoEntry *entry = MESSAGE(m, TensorInfoEntry, tensor_info_entry);
    Ebb__Write__TensorInfo *info = MESSAGE(m, TensorInfo, tensor_info);

    info->name = (char *)(uintptr_t)tensor;
    info->dtype = (int32_t)type;
    info->tensor_shape = maker_shape(m, s);
    entry->key = (char *)(uintptr_t)key;
    entry->value = info;
    return entry;
}

static Ebb__Write__SignatureDefEntry *signature_make(maker *m, const saved_model_content *c,
                                                     uint32_t signature)
{
    Ebb__Write__SignatureDefEntry *entry = MESSAGE(m, SignatureDefEntry, signature_def_entry);
    Ebb__Write__SignatureDef *def = MESSAGE(m, SignatureDef, signature_def);
    const uint32_t *inputs = saved_inputs_sorted(m, c), *outputs = saved_outputs_sorted(m, c);

    entry->key = (char *)(uintptr_t)saved_signatures[signature];
    entry->value = def;
    def->method_name = (char *)(uintptr_t)PREDICT_METHOD;
    def->inputs = maker_memory(m, c->input_count, sizeof *def->inputs);
    def->outputs = maker_memory(m, c->output_count, sizeof *def->outputs);
    for (uint32_t i = 0; !m->no_memory && i < c->input_count; i++) {
        const saved_port *port = &c->inputs[inputs[i]];
        def->inputs[def->n_inputs++] =
            port_make(m, port->name, maker_text(m, "%s_%s:0", entry->key, port->name), port->type,
                      &port->shape);
    }
    for (uint32_t i = 0; !m->no_memory && i < c->output_count; i++) {
        const saved_port *port = &c->outputs[outputs[i]];
        def->outputs[def->n_outputs++] = port_make(
            m, saved_output_name(m, c, outputs[i]),
            maker_text(m, "%s:%u", saved_call_name(signature), i), port->type, &port->shape);
    }
    return entry;
}

static Ebb__Write__SignatureDefEntry *init_make(maker *m)
{
    Ebb__Write__SignatureDefEntry *entry = MESSAGE(m, SignatureDefEntry, signature_def_entry);
    Ebb__Write__SignatureDef *def = MESSAGE(m, SignatureDef, signature_def);

    entry->key = (char *)(uintptr_t)INIT_SIGNATURE;
    entry->value = def;
    def->outputs = maker_memory(m, 1, sizeof *def->outputs);
    if (def->outputs == NULL) return entry;
    def->outputs[def->n_outputs++] =
        port_make(m, INIT_SIGNATURE, SAVED_INIT, TF_NONE, &(tf_shape){.has_rank = false});
    return entry;
}

/* -- saved_model.pb ---------------------------------------------------------------------------- */

static Ebb__Write__MetaInfo *info_make(maker *m)
{
    Ebb__Write__MetaInfo *info = MESSAGE(m, MetaInfo, meta_info);

    info->tensorflow_version = (char *)(uintptr_t)TENSORFLOW_VERSION;
    info->stripped_default_attrs = true;
    info->tags = maker_memory(m, 1, sizeof *info->tags);
    if (info->tags != NULL) info->tags[info->n_tags++] = (char *)(uintptr_t) "serve";
    return info;
}

static Ebb__Write__Saver *saver_make(maker *m)
{
    Ebb__Write__Saver *saver = MESSAGE(m, Saver, saver);

    saver->filename_tensor_name = (char *)(uintptr_t)SAVED_FILENAME ":0";
    saver->save_tensor_name = (char *)(uintptr_t)SAVED_SAVE ":0";
    saver->restore_op_name = (char *)(uintptr_t)SAVED_RESTORE;
    saver->version = SAVER_V2;
    return saver;
}

static const Ebb__Write__SavedModel *model_make(maker *m, const saved_model_content *c)
{
    Ebb__Write__SavedModel *model = MESSAGE(m, SavedModel, saved_model);
    Ebb__Write__MetaGraph *graph = MESSAGE(m, MetaGraph, meta_graph);

    model->saved_model_schema_version = SCHEMA_VERSION;
    model->meta_graphs = maker_memory(m, 1, sizeof *model->meta_graphs);
    graph->signature_def = maker_memory(m, SAVED_SIGNATURES + 1, sizeof *graph->signature_def);
    if (m->no_memory) return model;
    model->meta_graphs[model->n_meta_graphs++] = graph;
    graph->meta_info_def = info_make(m);
    graph->graph_def = saved_graph_make(m, c);
    graph->saver_def = saver_make(m);
    graph->signature_def[graph->n_signature_def++] = init_make(m);
    for (uint32_t i = 0; i < SAVED_SIGNATURES; i++)
        graph->signature_def[graph->n_signature_def++] = signature_make(m, c, i);
    graph->object_graph_def = saved_objects_make(m, c);
    return model;
}

static ebb_status model_put(region *home, const saved_model_content *c, file_writer *file,
                            ebb_error *error)
{
    maker m = {.home = home};
    size_t length = 0;
    const Ebb__Write__SavedModel *model = model_make(&m, c);
    const uint8_t *bytes = maker_pack(&m, model, &length);

    if (bytes == NULL) return region_fail(home, error, file->path, "the graph");
    if (length > INT32_MAX) {
        return fail(error, EBB_E_UNSUPPORTED, file->path,
                    "the graph takes %zu bytes, TensorFlow reads at most 2 GiB of it", length);
    }
    return file_writer_put(file, bytes, length, error);
}

/* -- files ------------------------------------------------------------------------------------- */

static ebb_status file_end(file_writer *file, ebb_status status, ebb_error *error)
{
    if (status == EBB_OK) return file_writer_commit(file, error);
    file_writer_discard(file);
    return status;
}

static ebb_status graph_write(region *home, folder_writer *folder, const saved_model_content *c,
                              ebb_error *error)
{
    file_writer file;
    region *work = region_open(home, "graph", EBB_CLASS_SCRATCH, 0);

    if (work == NULL) return region_fail(home, error, folder->path, "the graph");
    ebb_status status = folder_writer_file(folder, "saved_model.pb", &file, error);
    if (status == EBB_OK) status = file_end(&file, model_put(work, c, &file, error), error);
    region_close(work);
    return status;
}

static ebb_status variables_write(region *home, folder_writer *folder, const saved_model_content *c,
                                  ebb_error *error)
{
    maker m = {.home = home};
    file_writer file;
    bundle_record *records = maker_memory(&m, (size_t)c->variable_count + 1, sizeof *records);
    const Ebb__Write__CheckpointObjects *objects = checkpoint_objects_make(&m, c);
    size_t length = 0;
    const uint8_t *bytes = maker_pack(&m, objects, &length);

    if (bytes == NULL) return region_fail(home, error, folder->path, "the checkpoint");
    ebb_status status =
        folder_writer_file(folder, "variables/variables.data-00000-of-00001", &file, error);
    if (status != EBB_OK) return status;
    status = saved_data_write(home, c, &file, bytes, length, records, error);
    status = file_end(&file, status, error);
    if (status == EBB_OK)
        status = folder_writer_file(folder, "variables/variables.index", &file, error);
    if (status != EBB_OK) return status;
    return file_end(&file, saved_index_write(home, c, &file, records, error), error);
}

ebb_status saved_model_write(region *home, const saved_model_content *content, const char *path,
                             saved_model_place *place, ebb_error *error)
{
    folder_writer folder;
    ebb_status status = folder_writer_open(home, path, place->keeps_old, &folder, error);

    place->replaced = NULL;
    if (status == EBB_OK) status = folder_writer_folder(&folder, "assets", error);
    if (status == EBB_OK) status = folder_writer_folder(&folder, "variables", error);
    if (status == EBB_OK) status = graph_write(home, &folder, content, error);
    if (status == EBB_OK) status = variables_write(home, &folder, content, error);
    if (status != EBB_OK) {
        folder_writer_discard(&folder);
        return status;
    }
    status = folder_writer_commit(&folder, error);
    place->replaced = folder.replaced;
    return status;
}
