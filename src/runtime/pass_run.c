/* pass_run.c -- one pass: inputs copied, one run forwards; and its gradients, as often as they are
 * asked for. Everything that can fail comes before a run. */
#include <inttypes.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "runtime/options.h"
#include "runtime/passes.h"
#include "runtime/shrink.h"
#include "runtime/suspend.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

/* -- may it be? -------------------------------------------------------------------------------- */

static ebb_status check_model(const model *m, ebb_error *error)
{
    ebb_status status = model_awake(m, NULL, error);

    if (status == EBB_OK && m->options.inference_only) {
        return fail(error, EBB_E_UNSUPPORTED, m->info.name,
                    "the model was loaded with inference_only, so its weights were folded; load it "
                    "without");
    }
    if (status == EBB_OK && m->d->model == NULL)
        status = description_no_layers(m->d, "gradients of it cannot be taken", error);
    return status == EBB_OK ? shrink_check_trained(m, error) : status;
}

/* -- inputs ------------------------------------------------------------------------------------ */

typedef struct pass_request {
    ebb_view inputs[PORTS_MAX];
    int64_t symbols[SYMBOLS_MAX];
} pass_request;

static ebb_status read_inputs(const passes *p, const forward_graph *f, const ebb_views *given,
                              pass_request *q, ebb_error *error)
{
    const built_model *built = f->model;
    const graph *g = built->graph;
    const uint32_t symbols = dim_symbol_count(g);

    if (given == NULL || given->count != built->input_count ||
        (given->count > 0 && given->items == NULL)) {
        return fail(error, EBB_E_ARGUMENT, p->m->info.name, "expected %u inputs, got %zu",
                    built->input_count, given == NULL ? (size_t)0 : given->count);
    }
    for (uint32_t i = 0; i < symbols; i++) q->symbols[i] = -1;
    for (uint32_t i = 0; i < built->input_count; i++) {
        const char *name = built->inputs[i].name;
        q->inputs[i] = given->items[i];
        const ebb_status status = input_read(g, i, name, &q->inputs[i], q->symbols, error);
        if (status != EBB_OK) return status;
        if (given->items[i].data == NULL)
            return fail(error, EBB_E_ARGUMENT, name, "input %u has no data", i);
    }
    const int rows = built->batch == 0 ? -1 : dim_symbol_number(g, built->batch);
    if (rows < 0 || q->symbols[rows] > 0) return EBB_OK;
    return fail(error, EBB_E_SHAPE, p->m->info.name,
                "the batch is empty: expected at least 1 row, got 0");
}

/* -- a pass in its block ----------------------------------------------------------------------- */

/* Places in a block, one after another; the first round only counts. */
typedef struct carver {
    uint8_t *block; /* NULL: counting */
    size_t end;
    bool is_too_large;
} carver;

static void *carve(carver *c, uint64_t bytes)
{
    void *const place = c->block == NULL ? NULL : c->block + c->end;

    if (bytes > SIZE_MAX / 4 || !size_add(c->end, (size_t)bytes, &c->end) ||
        !size_align(c->end, BLOCK_ALIGNMENT, &c->end))
        c->is_too_large = true;
    return place;
}

static void view_of(const tensor_desc *d, void *data, ebb_view *view)
{
    *view = (ebb_view){.dtype = d->dtype, .rank = d->rank, .data = data};
    memcpy(view->dims, d->dims, sizeof view->dims);
}

/* `pass` NULL: counts. */
static model_pass *carve_pass(carver *c, const passes *p, const pass_side *s, const executable *e)
{
    const uint32_t inputs = s->forward.model->input_count, outputs = s->forward.output_count;
    model_pass *const pass = carve(c, sizeof *pass);
    ebb_view *const in = carve(c, inputs * sizeof *in);
    ebb_view *const out = carve(c, outputs * sizeof *out);
    bool *const reaches_weight = carve(c, p->weight_count);
    bool *const reaches_input = carve(c, inputs);
    uint8_t *const kept = carve(c, s->kept_bytes);

    for (uint32_t i = 0; i < inputs; i++) {
        void *data = carve(c, tensor_desc_bytes(&e->inputs[i]) + 1);
        if (pass != NULL) view_of(&e->inputs[i], data, &in[i]);
    }
    for (uint32_t i = 0; i < outputs; i++) {
        void *data = carve(c, tensor_desc_bytes(&e->outputs[i]) + 1);
        if (pass != NULL) view_of(&e->outputs[i], data, &out[i]);
    }
    if (pass == NULL) return NULL;
    *pass = (model_pass){.model = p->m->id,
                         .is_training = s == &p->sides[1],
                         .choice_changes = p->choice_changes,
                         .training_steps = p->m->variable_changes,
                         .input_count = inputs,
                         .output_count = outputs,
                         .weight_count = p->weight_count,
                         .inputs = in,
                         .outputs = out,
                         .reaches_weight = reaches_weight,
                         .reaches_input = reaches_input,
                         .kept = kept};
    memcpy(reaches_weight, s->forward.reaches_weight, p->weight_count);
    memcpy(reaches_input, s->forward.reaches_input, inputs);
    return pass;
}

static void keep(const passes *p, const pass_side *s, uint8_t *kept)
{
    for (uint32_t k = 0; k < s->kept_count; k++)
        memcpy(kept + s->kept_offsets[k], p->memory[s->kept[k]], s->kept_sizes[k]);
}

static ebb_status make_pass(passes *p, const pass_side *s, const executable *e,
                            const pass_request *q, model_pass **result, ebb_error *error)
{
    const char *name = p->m->info.name;
    carver c = {.block = NULL};

    (void)carve_pass(&c, p, s, e);
    if (c.is_too_large)
        return fail(error, EBB_E_MEMORY, name, "the pass does not fit into memory addresses");
    region *home = region_open(p->home, "pass", EBB_CLASS_GRADIENTS, 0);
    uint8_t *block = home == NULL ? NULL : region_block(home, c.end);
    if (block == NULL) {
        const ebb_status status =
            region_fail(home == NULL ? p->home : home, error, name, "inputs and outputs");
        region_close(home);
        return status;
    }
    c = (carver){.block = block};
    model_pass *const pass = carve_pass(&c, p, s, e);
    pass->home = home;
    for (uint32_t i = 0; i < pass->input_count; i++) {
        const ebb_view *from = &q->inputs[i], *to = &pass->inputs[i];
        dtype_convert(to->dtype, to->data, from->dtype, from->data,
                      tensor_desc_count(&e->inputs[i]));
    }
    keep(p, s, pass->kept);
    pass->id = handle_issue(HANDLE_PASS, pass);
    *result = pass;
    if (pass->id != 0) return EBB_OK;
    region_close(home);
    return fail(error, EBB_E_MEMORY, name, "no handle left for another pass");
}

/* -- forwards ---------------------------------------------------------------------------------- */

/* The run changed these: the model's own weights have fallen behind. */
static void note_updates(passes *p, const pass_side *s)
{
    int32_t *const stream = p->memory[p->weight_count];

    *stream = (int32_t)((uint32_t)*stream + 1);
    p->time++;
    for (uint32_t i = 0; i < p->weight_count; i++) {
        if (!s->forward.is_updated[i]) continue;
        p->changed_at[i] = p->time;
        atomic_fetch_add(&p->m->weight_changes, 1);
        atomic_store(&p->m->is_behind, true);
    }
}

static void link_pass(model *m, model_pass *pass)
{
    pthread_mutex_lock(&m->mutex);
    pass->next = m->passes->first;
    if (pass->next != NULL) pass->next->previous = pass;
    m->passes->first = pass;
    pthread_mutex_unlock(&m->mutex);
}

void pass_close(model *m, model_pass *pass)
{
    pthread_mutex_lock(&m->mutex);
    if (pass->next != NULL) pass->next->previous = pass->previous;
    if (pass->previous != NULL)
        pass->previous->next = pass->next;
    else
        m->passes->first = pass->next;
    pthread_mutex_unlock(&m->mutex);
    region_close(pass->home);
}

static ebb_status open_locked(model *m, const ebb_views *inputs, const ebb_pass_options *options,
                              uint64_t *id, ebb_error *error)
{
    pass_request q;
    passes *p = NULL;
    pass_side *s = NULL;
    executable *e = NULL;
    model_pass *pass = NULL;
    ebb_status status = check_model(m, error);

    if (status == EBB_OK) status = passes_find(m, options->seed, &p, error);
    if (status == EBB_OK) status = pass_side_find(p, options->training, &s, error);
    if (status == EBB_OK) status = passes_variables(p, error);
    if (status == EBB_OK) status = read_inputs(p, &s->forward, inputs, &q, error);
    if (status != EBB_OK) return status;
    status = runner_ready(&s->r, q.symbols, &e, error);
    if (status == EBB_OK) status = make_pass(p, s, e, &q, &pass, error);
    if (status != EBB_OK) {
        if (s->r.weights == NULL) pass_side_close(s);
        return status;
    }
    runner_run(&p->runners, e, pass->inputs, pass->outputs);
    note_updates(p, s);
    pass->time = p->time;
    link_pass(m, pass);
    *id = pass->id;
    return EBB_OK;
}

ebb_status pass_open(model *m, const ebb_views *inputs, const ebb_pass_options *options,
                     uint64_t *id, ebb_error *error)
{
    ebb_pass_options o = EBB_PASS_OPTIONS_INIT;
    ebb_status status =
        options_copy(&o, sizeof o, options, "pass options", "EBB_PASS_OPTIONS_INIT", error);

    if (status != EBB_OK) return status;
    training_wait(m);
    status = open_locked(m, inputs, &o, id, error);
    pthread_mutex_unlock(&m->training_mutex);
    return status;
}

/* -- gradients --------------------------------------------------------------------------------- */

static ebb_status check_unchanged(const passes *p, const pass_side *s, const model_pass *pass,
                                  ebb_error *error)
{
    const model *m = p->m;

    if (pass->choice_changes != p->choice_changes) {
        return fail(error, EBB_E_STATE, m->info.name,
                    "layers were frozen or freed since the pass; take gradients before");
    }
    if (pass->training_steps != m->variable_changes) {
        return fail(error, EBB_E_STATE, m->info.name,
                    "the model was trained since the pass; take gradients before");
    }
    for (uint32_t i = 0; i < p->weight_count; i++) {
        const bool is_kept = s->forward.is_updated[i];
        if (!s->forward.is_read[i] || is_kept || p->changed_at[i] <= pass->time) continue;
        const layer_weight *w = m->built->weights[i];
        return fail(error, EBB_E_STATE, m->info.name,
                    "weight %u, '%s' of '%s', was changed since the pass; take gradients before", i,
                    w->name, w->title);
    }
    return EBB_OK;
}

/* A gradient of the shape of what it is of. */
static ebb_status check_view(const char *what, uint32_t index, const ebb_view *view, uint32_t rank,
                             const int64_t *dims, ebb_error *error)
{
    char expected[160], got[160];

    if (view->data == NULL) return EBB_OK;
    if (view->dtype != EBB_DTYPE_NONE && ebb_dtype_bytes(view->dtype) == 0) {
        return fail(error, EBB_E_DTYPE, what, "gradient %u: %d is no data type of EBB_DTYPE_MAP",
                    index, (int)view->dtype);
    }
    if (view->rank == rank && memcmp(view->dims, dims, rank * sizeof *dims) == 0) return EBB_OK;
    return fail(error, EBB_E_SHAPE, what, "gradient %u: expected shape %s, got %s", index,
                dims_text(rank, dims, expected, sizeof expected),
                dims_text(view->rank < EBB_RANK_MAX ? view->rank : EBB_RANK_MAX, view->dims, got,
                          sizeof got));
}

/* What is asked, one bool each, and whether the views fit. */
static ebb_status read_request(const model *m, const model_pass *pass, const gradient_views *given,
                               bool *asked, ebb_error *error)
{
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < pass->output_count && status == EBB_OK; i++) {
        const ebb_view *y = &pass->outputs[i];
        *asked++ = given->outputs[i].data != NULL;
        status = check_view("output", i, &given->outputs[i], y->rank, y->dims, error);
    }
    for (uint32_t i = 0; i < pass->input_count && status == EBB_OK; i++) {
        const ebb_view *x = &pass->inputs[i];
        *asked++ = given->inputs != NULL && given->inputs[i].data != NULL;
        if (given->inputs != NULL)
            status = check_view("input", i, &given->inputs[i], x->rank, x->dims, error);
    }
    for (uint32_t i = 0; i < pass->weight_count && status == EBB_OK; i++) {
        const layer_weight *w = m->built->weights[i];
        *asked++ = given->weights != NULL && given->weights[i].data != NULL;
        if (given->weights != NULL)
            status = check_view("weight", i, &given->weights[i], w->rank, w->dims, error);
    }
    return status;
}

static void as_f32(ebb_view *view)
{
    if (view->dtype == EBB_DTYPE_NONE) view->dtype = EBB_F32;
}

/* A view that is wanted becomes the place of its result, or is filled with zeros. */
static void take_result(pass_gradient *g, uint32_t result, const ebb_view *wanted)
{
    if (wanted->data == NULL) return;
    ebb_view view = *wanted;
    as_f32(&view);
    if (result == GRADIENT_NOTHING)
        memset(view.data, 0, ebb_view_bytes(&view));
    else
        g->results[result] = view;
}

static void connect(pass_gradient *g, const model_pass *pass, const gradient_views *given)
{
    for (uint32_t i = 0; i < pass->input_count; i++) g->inputs[i] = pass->inputs[i];
    for (uint32_t i = 0; i < pass->output_count; i++) {
        const uint32_t seed = g->graph.seed_inputs[i];
        if (seed == GRADIENT_NOTHING) continue;
        g->inputs[seed] = given->outputs[i];
        as_f32(&g->inputs[seed]);
    }
    for (uint32_t i = 0; given->inputs != NULL && i < pass->input_count; i++)
        take_result(g, g->graph.input_results[i], &given->inputs[i]);
    for (uint32_t i = 0; given->weights != NULL && i < pass->weight_count; i++)
        take_result(g, g->graph.weight_results[i], &given->weights[i]);
}

/* The lengths that the pass had. */
static ebb_status read_symbols(const pass_gradient *g, const model_pass *pass, int64_t *symbols,
                               ebb_error *error)
{
    const built_model *built = g->graph.model;

    for (uint32_t i = 0; i < dim_symbol_count(built->graph); i++) symbols[i] = -1;
    for (uint32_t i = 0; i < pass->input_count; i++) {
        ebb_view view = pass->inputs[i];
        const ebb_status status =
            input_read(built->graph, i, built->inputs[i].name, &view, symbols, error);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

static ebb_status gradients_run(passes *p, pass_side *s, pass_gradient *g, const model_pass *pass,
                                const gradient_views *given, ebb_error *error)
{
    int64_t symbols[SYMBOLS_MAX];
    executable *e = NULL;
    ebb_status status = EBB_OK;

    if (g->graph.result_count > 0) {
        status = read_symbols(g, pass, symbols, error);
        if (status == EBB_OK) status = runner_ready(&g->r, symbols, &e, error);
        if (status != EBB_OK) {
            if (g->r.weights == NULL) pass_gradient_close(g);
            return status;
        }
    }
    connect(g, pass, given);
    if (e == NULL) return EBB_OK;
    memcpy(s->kept_block, pass->kept, s->kept_bytes);
    runner_run(&p->runners, e, g->inputs, g->results);
    return EBB_OK;
}

static ebb_status gradients_locked(model *m, const model_pass *pass, const gradient_views *given,
                                   ebb_error *error)
{
    passes *const p = m->passes;
    pass_side *s = NULL;
    pass_gradient *g = NULL;
    ebb_status status = model_awake(m, NULL, error);

    if (status == EBB_OK) status = pass_side_find(p, pass->is_training, &s, error);
    if (status == EBB_OK) status = check_unchanged(p, s, pass, error);
    if (status == EBB_OK) status = passes_variables(p, error);
    if (status == EBB_OK) status = read_request(m, pass, given, s->asked, error);
    if (status == EBB_OK) status = pass_gradient_find(p, s, s->asked, &g, error);
    return status == EBB_OK ? gradients_run(p, s, g, pass, given, error) : status;
}

ebb_status pass_gradients(model *m, const model_pass *pass, const gradient_views *given,
                          ebb_error *error)
{
    training_wait(m);
    const ebb_status status = gradients_locked(m, pass, given, error);
    pthread_mutex_unlock(&m->training_mutex);
    return status;
}
