/* model_states.c -- what stateful recurrent layers keep from call to call, where the model was
 * loaded with keeps_states.
 *
 * The states are variables of the model's graph, in memory of its own that training and passes work
 * on as well. Whoever runs or copies them holds training_mutex. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "runtime/training.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

ebb_status model_states_open(model *m, ebb_error *error)
{
    const built_model *built = m->built;
    const uint32_t count = built->state_count;

    if (count == 0) return EBB_OK;
    m->lane_count = 1;
    m->states = region_new(m->home, void *, count);
    void **memory = region_new(m->home, void *, built_model_variable_count(built));
    bool good = m->states != NULL && memory != NULL;
    for (uint32_t i = 0; i < count && good; i++) {
        const tensor_desc d = desc_of(built->graph, built->states[i]->v, NULL);
        m->states[i] = region_alloc(m->home, tensor_desc_bytes(&d) + BLOCK_ALIGNMENT, 1);
        good = m->states[i] != NULL;
        if (!good) break;
        const uintptr_t begin = (uintptr_t)m->states[i];
        m->states[i] = (uint8_t *)m->states[i] + (BLOCK_ALIGNMENT - begin % BLOCK_ALIGNMENT);
    }
    if (!good) return region_fail(m->home, error, m->d->path, "the states of its layers");
    model_states_share(m, memory);
    weights_lend(m->weights, memory);
    return EBB_OK;
}

void model_states_share(const model *m, void **memory)
{
    for (uint32_t i = 0; m->states != NULL && i < m->built->state_count; i++)
        memory[m->built->states[i]->index] = m->states[i];
}

static const layer_weight *state_find(const model *m, uint32_t index, ebb_error *error)
{
    const uint32_t count = m->states == NULL ? 0 : m->built->state_count;

    if (index < count) return m->built->states[index];
    fail(error, EBB_E_ARGUMENT, m->info.name,
         count == 0 ? "there is no state %" PRIu32 "; the model keeps none: load it with "
                      "keeps_states, with a layer that is stateful"
                    : "there is no state %" PRIu32 "; the model keeps %" PRIu32,
         index, count);
    return NULL;
}

ebb_status model_state_info(const model *m, uint32_t index, ebb_tensor_info *info, ebb_error *error)
{
    const layer_weight *w = state_find(m, index, error);

    if (w == NULL) return EBB_E_ARGUMENT;
    const char *number = strrchr(w->path, '/');
    *info = (ebb_tensor_info){.dtype = w->dtype, .rank = w->rank, .stored = w->dtype};
    snprintf(info->name, sizeof info->name, "%s%s", w->title, number != NULL ? number : "");
    memcpy(info->dims, w->dims, w->rank * sizeof w->dims[0]);
    const tensor_desc d = desc_of(m->built->graph, w->v, NULL);
    info->stored_bytes = tensor_desc_bytes(&d);
    return EBB_OK;
}

static ebb_status view_check(const layer_weight *w, const ebb_view *view, ebb_error *error)
{
    char expected[160], got[160];

    if (view == NULL || view->data == NULL)
        return fail(error, EBB_E_ARGUMENT, w->title, "the view of a state has no memory");
    if (view->dtype != EBB_DTYPE_NONE && ebb_dtype_bytes(view->dtype) == 0)
        return fail(error, EBB_E_DTYPE, w->title, "%d is no data type of EBB_DTYPE_MAP",
                    (int)view->dtype);
    if (view->rank == w->rank && memcmp(view->dims, w->dims, w->rank * sizeof w->dims[0]) == 0)
        return EBB_OK;
    return fail(error, EBB_E_SHAPE, w->title, "the state has shape %s, the view %s",
                dims_text(w->rank, w->dims, expected, sizeof expected),
                dims_text(view->rank < EBB_RANK_MAX ? view->rank : EBB_RANK_MAX, view->dims, got,
                          sizeof got));
}

ebb_status model_state_copy(model *m, uint32_t index, const ebb_view *view, bool is_set,
                            ebb_error *error)
{
    const layer_weight *w = state_find(m, index, error);

    if (w == NULL) return EBB_E_ARGUMENT;
    const ebb_status status = view_check(w, view, error);
    if (status != EBB_OK) return status;
    const ebb_dtype dtype = view->dtype == EBB_DTYPE_NONE ? w->dtype : view->dtype;
    uint64_t count = 0;
    (void)dims_count(w->rank, w->dims, &count);
    training_wait(m);
    if (is_set)
        dtype_convert(w->dtype, m->states[index], dtype, view->data, (size_t)count);
    else
        dtype_convert(dtype, view->data, w->dtype, m->states[index], (size_t)count);
    pthread_mutex_unlock(&m->training_mutex);
    return EBB_OK;
}

/* Is it the layer of that name, or inside it? */
static bool belongs(const char *title, const char *layer)
{
    const size_t length = strlen(layer);

    return strncmp(title, layer, length) == 0 && (title[length] == '\0' || title[length] == '/');
}

ebb_status model_states_reset(model *m, const char *layer, ebb_error *error)
{
    const uint32_t count = m->states == NULL ? 0 : m->built->state_count;
    bool any = layer == NULL;

    training_wait(m);
    for (uint32_t i = 0; i < count; i++) {
        const layer_weight *w = m->built->states[i];
        const tensor_desc d = desc_of(m->built->graph, w->v, NULL);
        if (layer != NULL && !belongs(w->title, layer)) continue;
        memset(m->states[i], 0, tensor_desc_bytes(&d));
        any = true;
    }
    pthread_mutex_unlock(&m->training_mutex);
    if (any) return EBB_OK;
    return fail(error, EBB_E_NOT_FOUND, m->info.name, "no layer '%s' keeps states", layer);
}
