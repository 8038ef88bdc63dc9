/* executable_scan.c -- see executable_scan.h. */
#include "exec/executable_scan.h"

#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "exec/fold.h"

typedef struct carried_place {
    uint64_t offset[2]; /* in the step's scratch */
} carried_place;

typedef struct scan_state {
    region *home;
    const scan_attributes *a;
    const node *node;
    executable *inner;
    weights *literals;
    const weight_slot **packed; /* by input: the outer weight in another form than plain; or NULL */
    uint64_t *unpacked;         /* by input: its plain place in scratch */
    carried_place *places;      /* by carried value */
    int64_t steps;
} scan_state;

/* What one lane works with while it runs. */
typedef struct scan_lane {
    uint32_t number;
    ebb_view inputs[OP_INPUTS_MAX + 1], outputs[OP_OUTPUTS_MAX];
} scan_lane;

/* -- planning --------------------------------------------------------------------------------- */

/* Literals and what folds from them, in the executable's own memory. */
static ebb_status make_literals(const executable *e, scan_state *s, ebb_error *error)
{
    weights *w = s->literals;
    ebb_status status = weights_layout(w, error);

    if (status != EBB_OK || w->block_bytes == 0) return status;
    uint8_t *memory = region_alloc(e->home, w->block_bytes + BLOCK_ALIGNMENT, 1);
    if (memory == NULL) return region_fail(e->home, error, "loop", "its constants");
    w->block = memory + (BLOCK_ALIGNMENT - (uintptr_t)memory % BLOCK_ALIGNMENT) % BLOCK_ALIGNMENT;
    region *work = region_open(e->home, "loop", EBB_CLASS_SCRATCH, 0);
    if (work == NULL) return region_fail(e->home, error, "loop", "its constants");
    status = weights_refill(w, work, NULL, error);
    region_close(work);
    return status;
}

static ebb_status make_inner(const executable *e, const step *st, scan_state *s, ebb_error *error)
{
    int64_t symbols[SCAN_SYMBOLS_MAX] = {0};
    const executable_options options = {.home = e->home,
                                        .device = e->device,
                                        .graph = s->a->body,
                                        .symbols = symbols,
                                        .threads = e->threads,
                                        .lanes = e->lanes};
    executable_options filled = options;

    op_scan_symbols(e->graph, st->node, e->dim_values, symbols);
    ebb_status status = weights_open(e->home, e->device, s->a->body, false, &s->literals, error);
    if (status != EBB_OK) return status;
    s->literals->runs = e->weights->runs;
    filled.weights = s->literals;
    status = executable_make(&filled, &s->inner, error);
    return status == EBB_OK ? make_literals(e, s, error) : status;
}

static bool take_scratch(step *st, uint64_t bytes, uint64_t *offset)
{
    size_t end = 0;

    *offset = st->scratch_bytes;
    if (!size_add(st->scratch_bytes, bytes, &end) || !size_align(end, ARENA_ALIGNMENT, &end))
        return false;
    st->scratch_bytes = end;
    return true;
}

/* Weights that another kernel stores in its own form are made plain at the start of each run. */
static ebb_status note_packed(executable *e, step *st, scan_state *s, ebb_error *error)
{
    for (uint32_t i = 0; i < st->node->input_count; i++) {
        const value v = st->node->inputs[i];
        if (!graph_value(e->graph, v)->is_constant) continue;
        weight_slot *slot = weights_slot(e->weights, v);
        if (slot == NULL) return region_fail(e->home, error, "loop", "weights");
        slot->is_decided = true;
        if (slot->form == NULL) continue;
        s->packed[i] = slot;
        if (!take_scratch(st, tensor_desc_bytes(&st->inputs[i]), &s->unpacked[i]))
            return fail_memory(error, "loop", "a weight");
    }
    return EBB_OK;
}

static const kernel_def scan_kernel;

static ebb_status plan_parts(executable *e, step *st, scan_state *s, ebb_error *error)
{
    const scan_attributes *a = st->node->attributes;
    uint64_t arena;

    *s = (scan_state){.home = e->home, .a = a, .node = st->node};
    s->steps = dim_value(a->steps, e->dim_values);
    s->places = region_new(e->home, carried_place, a->carried + 1);
    s->packed = region_new(e->home, const weight_slot *, st->node->input_count);
    s->unpacked = region_new(e->home, uint64_t, st->node->input_count);
    st->state = s;
    st->kernel = &scan_kernel;
    st->shared_input = SHARES_NONE;
    st->lane_bytes = (sizeof(scan_lane) + 15) & ~(uint64_t)15;
    if (s->places == NULL || s->packed == NULL || s->unpacked == NULL)
        return region_fail(e->home, error, "loop", "its state");
    const ebb_status status = make_inner(e, st, s, error);
    if (status != EBB_OK) return status;
    bool fits = take_scratch(st, s->inner->arena_bytes, &arena);
    for (uint32_t i = 0; i < a->carried && fits; i++) {
        const uint64_t bytes = tensor_desc_bytes(&st->outputs[i]);
        fits = take_scratch(st, bytes, &s->places[i].offset[0]) &&
               take_scratch(st, bytes, &s->places[i].offset[1]);
    }
    if (!fits) return fail_memory(error, "loop", "its values");
    return note_packed(e, st, s, error);
}

ebb_status scan_plan(executable *e, step *st, ebb_error *error)
{
    scan_state *s = region_new(e->home, scan_state, 1);

    if (s == NULL) return region_fail(e->home, error, "loop", "its state");
    const ebb_status status = plan_parts(e, st, s, error);
    if (status != EBB_OK) executable_close(s->inner);
    return status;
}

void scan_lane_open(void *state, uint32_t lane)
{
    ((scan_lane *)state)->number = lane;
}

/* -- running ---------------------------------------------------------------------------------- */

static ebb_status scan_open(void *state, ebb_error *error)
{
    return executable_open(((scan_state *)state)->inner, error);
}

static void scan_close(void *state)
{
    if (state != NULL) executable_close(((scan_state *)state)->inner);
}

static ebb_view view_of(const tensor_desc *t, void *data)
{
    ebb_view v = {.dtype = t->dtype, .rank = t->rank, .data = data};

    memcpy(v.dims, t->dims, sizeof v.dims);
    return v;
}

static ebb_status scan_bind(const kernel_call *call, ebb_error *error)
{
    const scan_state *s = call->state;
    scan_lane *lane = call->lane;

    for (uint32_t i = 0; i < s->a->body->input_count; i++)
        lane->inputs[i] = view_of(&s->inner->inputs[i], NULL);
    for (uint32_t i = 0; i < s->a->body->output_count; i++)
        lane->outputs[i] = view_of(&s->inner->outputs[i], NULL);
    return executable_bind(s->inner, lane->number, call->scratch, error);
}

static void scan_unbind(const kernel_call *call)
{
    const scan_state *s = call->state;

    executable_unbind(s->inner, ((const scan_lane *)call->lane)->number);
}

/* What stays the same for every step. */
static void point_invariants(const kernel_call *call)
{
    const scan_state *s = call->state;
    scan_lane *lane = call->lane;

    for (uint32_t i = 0; i < s->node->input_count; i++) {
        void *data = call->inputs[i];
        if (s->packed[i] != NULL) {
            const weight_slot *slot = s->packed[i];
            data = (uint8_t *)call->scratch + s->unpacked[i];
            (void)slot->form->unpack(slot->form, &slot->plain, call->inputs[i], data);
        }
        lane->inputs[i].data = data;
    }
}

/* `number` counts the steps made; `at` is the one that is made. */
static void point_step(const kernel_call *call, uint8_t *const *bases, int64_t number, int64_t at)
{
    const scan_state *s = call->state;
    const scan_attributes *a = s->a;
    scan_lane *lane = call->lane;
    uint8_t *scratch = call->scratch;

    for (uint32_t i = 0; i < a->carried; i++) {
        if (number > 0) lane->inputs[i].data = lane->outputs[i].data;
        lane->outputs[i].data =
            number == s->steps - 1 ? call->outputs[i] : scratch + s->places[i].offset[number & 1];
    }
    for (uint32_t i = a->carried; i < a->carried + a->sequences; i++)
        lane->inputs[i].data = bases[i] + (uint64_t)at * tensor_desc_bytes(&s->inner->inputs[i]);
    for (uint32_t i = a->carried; i < a->carried + a->results; i++)
        lane->outputs[i].data =
            (uint8_t *)call->outputs[i] + (uint64_t)at * tensor_desc_bytes(&s->inner->outputs[i]);
}

static void scan_run(const kernel_call *call)
{
    const scan_state *s = call->state;
    const scan_attributes *a = s->a;
    scan_lane *lane = call->lane;
    uint8_t *bases[OP_INPUTS_MAX];
    int32_t index = 0;

    point_invariants(call);
    for (uint32_t i = 0; i < s->node->input_count; i++) bases[i] = lane->inputs[i].data;
    for (uint32_t i = 0; i < a->carried && s->steps == 0; i++)
        memcpy(call->outputs[i], bases[i], tensor_desc_bytes(&call->output_descs[i]));
    if (a->has_index) lane->inputs[s->node->input_count].data = &index;
    for (int64_t number = 0; number < s->steps; number++) {
        const int64_t at = a->go_backwards ? s->steps - 1 - number : number;
        index = (int32_t)at;
        point_step(call, bases, number, at);
        executable_run(s->inner, lane->number, lane->inputs, lane->outputs);
    }
}

static const kernel_def scan_kernel = {.name = "scan",
                                       .op = OP_scan,
                                       .open = scan_open,
                                       .bind = scan_bind,
                                       .run = scan_run,
                                       .unbind = scan_unbind,
                                       .close = scan_close};
