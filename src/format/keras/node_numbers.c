/* node_numbers.c -- one way to count calls: from 0, whatever the file does.
 *
 * Keras models start with a call of their own (inputs to outputs) that is not saved. So the calls
 * of a nested model count from 1: in files of Keras 1 and 2 everywhere (also for a Sequential,
 * unless it was built late); in files of Keras 3 only in input_layers and output_layers, and only
 * for a Functional, while keras_history counts from 0. The numbers in use decide where they can: a
 * 0 means from 0, a number equal to the count of calls means from 1.
 */
#include <string.h>

#include "base/status.h"
#include "format/keras/model_reader.h"

typedef struct node_span {
    uint32_t low, high; /* numbers in use; low > high: none */
} node_span;

typedef struct settling {
    model_reader *r;
    node_span *spans; /* by layer */
    bool is_measuring;
} settling;

static bool is_input(const layer_config *layer)
{
    return strcmp(layer->class_name, "InputLayer") == 0 && layer->registered_name == NULL;
}

static uint32_t first_number(const settling *s, uint32_t index)
{
    const layer_config *layer = &s->r->model->layers[index];
    const node_span *span = &s->spans[index];

    if (layer->model == NULL || span->low > span->high || span->low == 0) return 0;
    if (span->high >= layer->call_count) return 1;
    const bool is_sequential = strcmp(layer->model->class_name, "Sequential") == 0;
    return is_sequential && !s->r->is_legacy ? 0 : 1;
}

static ebb_status settle(settling *s, tensor_ref *ref)
{
    const layer_config *layer = &s->r->model->layers[ref->layer];
    const uint32_t calls = is_input(layer) ? 1 : layer->call_count;
    node_span *span = &s->spans[ref->layer];

    if (s->is_measuring) {
        if (ref->node < span->low) span->low = ref->node;
        if (ref->node > span->high) span->high = ref->node;
        return EBB_OK;
    }
    const uint32_t written = ref->node;
    ref->node -= first_number(s, ref->layer);
    if (ref->node < calls) return EBB_OK;
    return fail(s->r->error, EBB_E_FORMAT, s->r->where,
                "refers to call %u of '%.120s', which is called %u time%s", written, layer->name,
                calls, calls == 1 ? "" : "s");
}

/* Recursion: ARGUMENT_DEPTH_MAX. */
static ebb_status arguments_settle(settling *s, argument *arguments, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        argument *a = &arguments[i];
        ebb_status status = EBB_OK;
        if (a->kind == ARGUMENT_TENSOR) status = settle(s, &a->ref);
        if (a->kind == ARGUMENT_LIST) status = arguments_settle(s, a->items, a->item_count);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

static ebb_status calls_settle(settling *s)
{
    model_reader *r = s->r;
    const char *outer = r->where;
    for (uint32_t i = 0; i < r->model->layer_count; i++) {
        layer_config *layer = &r->model->layers[i];
        if (!s->is_measuring) r->where = layer_where(r, i, layer->name);
        for (uint32_t k = 0; k < layer->call_count; k++) {
            call_config *call = &layer->calls[k];
            const ebb_status status = arguments_settle(s, call->arguments, call->argument_count);
            if (status != EBB_OK) return status;
        }
    }
    r->where = outer;
    return EBB_OK;
}

static ebb_status ports_settle(settling *s)
{
    model_config *m = s->r->model;
    ebb_status status = EBB_OK;
    for (uint32_t i = 0; i < m->input_count && status == EBB_OK; i++)
        status = settle(s, &m->inputs[i].ref);
    for (uint32_t i = 0; i < m->output_count && status == EBB_OK; i++)
        status = settle(s, &m->outputs[i].ref);
    return status;
}

static void spans_clear(settling *s)
{
    for (uint32_t i = 0; i < s->r->model->layer_count; i++)
        s->spans[i] = (node_span){UINT32_MAX, 0};
}

ebb_status nodes_settle(model_reader *r)
{
    settling s = {.r = r,
                  .spans = region_new(r->home, node_span, (size_t)r->model->layer_count + 1)};
    if (s.spans == NULL) return reader_no_memory(r, "the numbers of calls");
    /* Keras 3 calls stay as they are: an empty span means from 0. */
    spans_clear(&s);
    s.is_measuring = true;
    if (r->is_legacy) calls_settle(&s);
    if (r->is_legacy) ports_settle(&s);
    s.is_measuring = false;
    ebb_status status = calls_settle(&s);
    if (status != EBB_OK) return status;
    if (!r->is_legacy) {
        s.is_measuring = true;
        ports_settle(&s);
        s.is_measuring = false;
    }
    return ports_settle(&s);
}
