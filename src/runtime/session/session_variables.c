/* session_variables.c -- values of variables: memory from the first run that touches them until the
 * session, or the function, is closed. Small ones share pages, each at a multiple of 64 bytes. */
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "runtime/session/session_core.h"

#define OWN_BLOCK_BYTES ((uint64_t)64 << 10) /* from here on a variable has pages of its own */

void variable_store_close(variable_store *v)
{
    region *const parent = v->parent;

    region_close(v->home);
    *v = (variable_store){.parent = parent};
}

/* -- memory ------------------------------------------------------------------------------------ */

static ebb_status store_open(variable_store *v, const session *s, ebb_error *error)
{
    if (v->home != NULL) return EBB_OK;
    v->home = region_open(v->parent, "variables", EBB_CLASS_META, 0);
    if (v->home != NULL) v->by_device = region_new(v->home, region *, devices_count(s->owner));
    if (v->by_device != NULL) return EBB_OK;
    const ebb_status status =
        region_fail(v->home != NULL ? v->home : v->parent, error, s->name, "variables");
    variable_store_close(v);
    return status;
}

static void *value_memory(variable_store *v, const stored_variable *item)
{
    region **at = &v->by_device[item->device->index];
    uintptr_t address;

    if (*at == NULL)
        *at = region_open_on(v->home, item->device->account, "values", EBB_CLASS_WEIGHTS, 0);
    if (*at == NULL) return NULL;
    if (item->bytes >= OWN_BLOCK_BYTES) return region_block(*at, item->bytes);
    address = (uintptr_t)region_alloc(*at, item->bytes + BLOCK_ALIGNMENT, 1);
    if (address == 0) return NULL;
    return (void *)((address + BLOCK_ALIGNMENT - 1) & ~(uintptr_t)(BLOCK_ALIGNMENT - 1));
}

static bool items_grow(variable_store *v)
{
    if (v->count < v->capacity) return true;
    const uint32_t larger = v->capacity == 0 ? 16 : v->capacity * 2;
    stored_variable **items = region_new(v->home, stored_variable *, larger);
    if (items == NULL) return false;
    if (v->count > 0) memcpy(items, v->items, v->count * sizeof *items);
    v->items = items;
    v->capacity = larger;
    return true;
}

/* -- items ------------------------------------------------------------------------------------- */

static stored_variable *item_find(const variable_store *v, const char *name)
{
    for (uint32_t i = 0; i < v->count; i++)
        if (strcmp(v->items[i]->name, name) == 0) return v->items[i];
    return NULL;
}

static ebb_status item_make(session *s, const sym_variable *from, const char *name,
                            logical_device *device, stored_variable **result, ebb_error *error)
{
    variable_store *v = s->variables;
    ebb_status status = store_open(v, s, error);

    if (status != EBB_OK) return status;
    stored_variable *item = region_new(v->home, stored_variable, 1);
    if (item != NULL) item->name = region_text(v->home, name);
    if (item == NULL || item->name == NULL || !items_grow(v))
        return region_fail(v->home, error, name, "a variable");
    item->dtype = emit_dtype(from->dtype);
    item->rank = from->rank;
    memcpy(item->dims, from->dims, sizeof item->dims);
    item->device = device;
    item->bytes = ebb_dtype_bytes(item->dtype);
    for (uint32_t i = 0; i < item->rank; i++) {
        if (!u64_mul(item->bytes, (uint64_t)item->dims[i], &item->bytes))
            return fail(error, EBB_E_SHAPE, name, "the variable is too large to address");
    }
    item->memory = value_memory(v, item);
    if (item->memory == NULL) {
        const region *at = v->by_device[device->index];
        return region_fail(at != NULL ? at : v->home, error, name, "the value of a variable");
    }
    v->items[v->count++] = item;
    *result = item;
    return EBB_OK;
}

static bool same_shape(const stored_variable *item, const sym_variable *v)
{
    return item->dtype == emit_dtype(v->dtype) && item->rank == v->rank &&
           memcmp(item->dims, v->dims, v->rank * sizeof v->dims[0]) == 0;
}

static ebb_status numbers_grow(session *s, uint32_t index, ebb_error *error)
{
    if (index < s->item_capacity) return EBB_OK;
    const uint32_t larger = index < 8 ? 16 : index * 2;
    region *home = region_open(s->home, "variable numbers", EBB_CLASS_META, 0);
    stored_variable **items = home == NULL ? NULL : region_new(home, stored_variable *, larger);
    if (items == NULL) {
        const ebb_status status =
            region_fail(home == NULL ? s->home : home, error, s->name, "variables");
        region_close(home);
        return status;
    }
    if (s->item_capacity > 0) memcpy(items, s->items, s->item_capacity * sizeof *items);
    region_close(s->items_home);
    s->items_home = home;
    s->items = items;
    s->item_capacity = larger;
    return EBB_OK;
}

ebb_status session_variable(session *s, uint32_t index, logical_device *device,
                            stored_variable **result, ebb_error *error)
{
    const sym_variable *v = &s->graph->body.variables[index];
    const char *name = s->graph->body.nodes[v->node].name;
    ebb_status status = numbers_grow(s, index, error);

    if (status != EBB_OK) return status;
    stored_variable *item = s->items[index];
    if (item == NULL && s->variables != &s->own) item = item_find(s->variables, name);
    if (item == NULL) status = item_make(s, v, name, device, &item, error);
    if (status != EBB_OK) return status;
    if (!same_shape(item, v))
        return fail(error, EBB_E_SHAPE, name,
                    "a variable of this name has another type or shape in another trace of the "
                    "function");
    s->items[index] = *result = item;
    return EBB_OK;
}
