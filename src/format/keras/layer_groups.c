/* layer_groups.c -- weights kept by layer (legacy .h5): attribute layer_names lists the groups in
 * the model's order, each group's attribute weight_names lists its datasets. Lists over 64512
 * bytes are split: layer_names0, layer_names1, ...
 *
 * Source: keras/src/legacy/saving/legacy_h5_format.py (load_weights_from_hdf5_group,
 * load_attributes_from_hdf5_group).
 */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/keras/reader.h"

#define PARTS_MAX 10000 /* of a split list */

typedef struct name_list {
    const char **names;
    uint32_t count;
    bool is_there;
} name_list;

static ebb_status names_add(region *home, const hdf5_value *value, name_list *list,
                            const char *where, ebb_error *error)
{
    if (value->count > 0 && value->strings == NULL) {
        return fail(error, EBB_E_FORMAT, where, "the list of names holds numbers");
    }
    if (value->count > TENSORS_MAX || list->count + value->count > TENSORS_MAX) {
        return fail(error, EBB_E_FORMAT, where, "more than %d names", TENSORS_MAX);
    }
    const char **names = region_new(home, const char *, (size_t)list->count + value->count + 1);
    if (names == NULL) return region_fail(home, error, where, "a list of names");
    if (list->count > 0) memcpy(names, list->names, list->count * sizeof *names);
    for (uint32_t i = 0; i < value->count; i++) names[list->count++] = value->strings[i];
    list->names = names;
    list->is_there = true;
    return EBB_OK;
}

static ebb_status names_read(region *home, hdf5_file *file, uint64_t address, const char *key,
                             name_list *list, ebb_error *error)
{
    hdf5_value value = {0};
    ebb_status status = hdf5_attribute(file, address, key, &value, error);

    *list = (name_list){0};
    if (status != EBB_OK) return status;
    if (value.count > 0) return names_add(home, &value, list, key, error);
    for (uint32_t i = 0; i < PARTS_MAX; i++) {
        char part[48];
        snprintf(part, sizeof part, "%.32s%u", key, i);
        status = hdf5_attribute(file, address, part, &value, error);
        if (status != EBB_OK || value.count == 0) return status;
        status = names_add(home, &value, list, part, error);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

static ebb_status group_read(region *home, hdf5_file *file, uint64_t parent, const char *name,
                             tensor_group *group, uint32_t *tensors, ebb_error *error)
{
    hdf5_object object;
    name_list weights;
    ebb_status status = hdf5_find(file, parent, name, &object, error);

    if (status == EBB_E_NOT_FOUND) {
        return fail(error, EBB_E_FORMAT, name,
                    "layer_names lists this layer, but the file has no group for it");
    }
    if (status != EBB_OK) return status;
    status = names_read(home, file, object.address, "weight_names", &weights, error);
    if (status != EBB_OK) {
        fail_within(error, name);
        return status;
    }
    *tensors += weights.count;
    if (*tensors > TENSORS_MAX)
        return fail(error, EBB_E_FORMAT, name, "more than %d tensors", TENSORS_MAX);
    *group = (tensor_group){.name = name,
                            .tensors = region_new(home, tensor_entry, (size_t)weights.count + 1)};
    if (group->tensors == NULL) return region_fail(home, error, name, "the directory of tensors");
    for (uint32_t i = 0; i < weights.count; i++) {
        hdf5_object dataset;
        status = hdf5_find(file, object.address, weights.names[i], &dataset, error);
        if (status == EBB_OK && dataset.kind != HDF5_DATASET) {
            status = fail(error, EBB_E_FORMAT, weights.names[i], "weight_names lists a group");
        }
        const char *path = region_format(home, "%s/%s", name, weights.names[i]);
        if (status == EBB_OK && path == NULL)
            status = region_fail(home, error, name, "the directory of tensors");
        if (status == EBB_OK) {
            status = tensor_entry_open(home, file, dataset.address, path, weights.names[i],
                                       &group->tensors[group->count++], error);
        } else {
            fail_within(error, name);
        }
        if (status == EBB_E_NOT_FOUND)
            status = fail(error, EBB_E_FORMAT, name,
                          "the weight '%.120s' is not in the "
                          "file",
                          weights.names[i]);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

/* Loose variables of the model, after those of its layers. */
static ebb_status top_level_read(region *home, hdf5_file *file, uint64_t address, description *d,
                                 uint32_t *tensors, ebb_error *error)
{
    static const char name[] = "top_level_model_weights";
    hdf5_object object;
    tensor_group *group = &d->groups[d->group_count];
    const ebb_status found = hdf5_find(file, address, name, &object, error);
    if (found == EBB_E_NOT_FOUND) return EBB_OK;
    if (found != EBB_OK || object.kind != HDF5_GROUP) return found;
    const ebb_status status = group_read(home, file, address, name, group, tensors, error);
    if (status == EBB_OK && group->count > 0) d->group_count++;
    return status;
}

ebb_status layer_groups_read(region *home, hdf5_file *file, uint64_t address, description *d,
                             ebb_error *error)
{
    name_list layers;
    uint32_t tensors = 0;
    ebb_status status = names_read(home, file, address, "layer_names", &layers, error);

    if (status != EBB_OK) return status;
    if (!layers.is_there) {
        return fail(error, EBB_E_FORMAT, "model_weights",
                    "no attribute layer_names: not weights that Keras saved");
    }
    d->layout = WEIGHTS_BY_ORDER;
    d->groups = region_new(home, tensor_group, (size_t)layers.count + 2);
    if (d->groups == NULL)
        return region_fail(home, error, "model_weights", "the directory of tensors");
    for (uint32_t i = 0; i < layers.count; i++) {
        status = group_read(home, file, address, layers.names[i], &d->groups[d->group_count++],
                            &tensors, error);
        if (status != EBB_OK) return status;
    }
    return top_level_read(home, file, address, d, &tensors, error);
}

ebb_status optimizer_weights_read(region *home, hdf5_file *file, description *d, ebb_error *error)
{
    static const char name[] = "optimizer_weights";
    ebb_error problem = {0};
    hdf5_object object;
    uint32_t tensors = 0;
    ebb_status status = hdf5_find(file, hdf5_root(file), name, &object, &problem);

    if (status == EBB_E_NOT_FOUND || (status == EBB_OK && object.kind != HDF5_GROUP)) return EBB_OK;
    tensor_group *group = region_new(home, tensor_group, 1);
    if (group == NULL) return region_fail(home, error, name, "the directory of tensors");
    if (status == EBB_OK)
        status = group_read(home, file, hdf5_root(file), name, group, &tensors, &problem);
    if (status == EBB_E_MEMORY) return fail(error, status, problem.where, "%s", problem.text);
    if (status == EBB_OK && group->count > 0) d->optimizer = group;
    if (status == EBB_OK) return EBB_OK;
    d->optimizer_problem = region_format(home, "%s: %s", problem.where, problem.text);
    return d->optimizer_problem != NULL ? EBB_OK : region_fail(home, error, name, "a text");
}
