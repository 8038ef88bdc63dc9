/* keras_objects.c -- see keras_objects.h. */
#include "format/savedmodel/keras_objects.h"

#include <string.h>

#include "base/status.h"
#include "format/savedmodel/bundle.h"
#include "format/savedmodel/messages.h"

static bool is_keras(const char *identifier, const char *metadata)
{
    return strncmp(identifier, "_tf_keras_", 10) == 0 && metadata[0] != '\0';
}

static void object_add(keras_objects *k, keras_object *list, const char *path, const char *metadata)
{
    list[k->layer_count++] = (keras_object){path, metadata};
}

static ebb_status metadata_read(region *scratch, const uint8_t *bytes, size_t length,
                                const char *where, keras_objects *result, ebb_error *error)
{
    const void *message;
    const ebb_status status = message_read(scratch, &ebb__read__keras_metadata__descriptor, bytes,
                                           length, where, &message, error);

    if (status != EBB_OK) return status;
    const keras_metadata_message *m = message;
    keras_object *list = region_new(scratch, keras_object, m->n_nodes + 1);
    if (list == NULL) return region_fail(scratch, error, where, "the list of layers");
    for (size_t i = 0; i < m->n_nodes; i++) {
        const char *path = m->nodes[i]->node_path, *text = m->nodes[i]->metadata;
        if (!is_keras(m->nodes[i]->identifier, text)) continue;
        if (strcmp(path, "root") == 0) result->model = text;
        if (strncmp(path, "root.", 5) == 0) object_add(result, list, path + 5, text);
    }
    result->layers = list;
    return EBB_OK;
}

/* Before TensorFlow 2.5. */
static ebb_status objects_read(region *scratch, const uint8_t *bytes, size_t length,
                               const char *where, keras_objects *result, ebb_error *error)
{
    const void *message;
    const ebb_status status = message_read(scratch, &ebb__read__saved_model_objects__descriptor,
                                           bytes, length, where, &message, error);

    if (status != EBB_OK) return status;
    const saved_objects_message *m = message;
    if (m->n_meta_graphs == 0 || m->meta_graphs[0]->object_graph_def == NULL) return EBB_OK;
    const saved_object_graph_message *g = m->meta_graphs[0]->object_graph_def;
    if (g->n_nodes == 0 || g->nodes[0]->user_object == NULL) return EBB_OK;
    const Ebb__Read__SavedObject *root = g->nodes[0];
    if (!is_keras(root->user_object->identifier, root->user_object->metadata)) return EBB_OK;
    keras_object *list = region_new(scratch, keras_object, root->n_children + 1);
    if (list == NULL) return region_fail(scratch, error, where, "the list of layers");
    result->model = root->user_object->metadata;
    for (size_t i = 0; i < root->n_children; i++) {
        const object_child_message *child = root->children[i];
        if (child->node_id < 0 || (size_t)child->node_id >= g->n_nodes) continue;
        const Ebb__Read__SavedUserObject *user = g->nodes[child->node_id]->user_object;
        if (user != NULL && is_keras(user->identifier, user->metadata))
            object_add(result, list, child->local_name, user->metadata);
    }
    result->layers = list;
    return EBB_OK;
}

ebb_status keras_objects_read(region *scratch, const char *folder, keras_objects *result,
                              ebb_error *error)
{
    const char *path = region_format(scratch, "%s/keras_metadata.pb", folder);
    const uint8_t *bytes = NULL;
    size_t length = 0;
    ebb_error missing = {0};

    *result = (keras_objects){0};
    ebb_status status =
        whole_file_read(scratch, path, SAVED_MODEL_BYTES_MAX, &bytes, &length, &missing);
    if (status == EBB_OK) return metadata_read(scratch, bytes, length, path, result, error);
    if (status != EBB_E_NOT_FOUND) return fail(error, status, missing.where, "%s", missing.text);
    path = region_format(scratch, "%s/saved_model.pb", folder);
    status = whole_file_read(scratch, path, SAVED_MODEL_BYTES_MAX, &bytes, &length, error);
    return status == EBB_OK ? objects_read(scratch, bytes, length, path, result, error) : status;
}
