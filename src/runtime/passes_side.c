/* passes_side.c -- the graphs of passes: one forwards in each mode, and gradients for the last few
 * sets that were asked for. */
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "runtime/passes.h"

/* -- closing ----------------------------------------------------------------------------------- */

void pass_gradient_close(pass_gradient *g)
{
    runner_close(&g->r);
    region_close(g->home);
    *g = (pass_gradient){0};
}

void pass_side_close(pass_side *s)
{
    for (uint32_t i = 0; i < PASS_GRADIENTS; i++) pass_gradient_close(&s->gradients[i]);
    runner_close(&s->r);
    region_close(s->home);
    *s = (pass_side){0};
}

/* -- states ------------------------------------------------------------------------------------ */

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + BLOCK_ALIGNMENT - 1) & ~(uint64_t)(BLOCK_ALIGNMENT - 1);
}

static uint64_t state_bytes(const built_model *built, uint32_t index)
{
    const value v = index == 0 ? built->random : built->states[index - 1]->v;
    const tensor_desc d = desc_of(built->graph, v, NULL);

    return tensor_desc_bytes(&d);
}

/* The stream of random numbers and the states of stateful layers stay as long as the model: both
 * modes work on them. Where the model keeps states itself, they are those. */
static ebb_status state_make(passes *p, const built_model *built, ebb_error *error)
{
    const uint32_t count = built->state_count + 1;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < count; i++) bytes += aligned(state_bytes(built, i));
    region *home = region_open(p->home, "state", EBB_CLASS_GRADIENTS, 0);
    uint8_t *block = home == NULL ? NULL : region_block(home, bytes);
    void **memory = block == NULL ? NULL : region_new(home, void *, p->weight_count + count);
    if (memory == NULL) {
        const ebb_status status =
            region_fail(home == NULL ? p->home : home, error, p->m->info.name, "its states");
        region_close(home);
        return status;
    }
    for (uint32_t i = 0; i < count; i++) {
        memory[p->weight_count + i] = block;
        block += aligned(state_bytes(built, i));
    }
    model_states_share(p->m, memory);
    model_states_share(p->m, memory);
    p->state = home;
    p->memory = memory;
    p->state_bytes = bytes;
    p->variable_count = p->weight_count + count;
    return EBB_OK;
}

static ebb_status state_find(passes *p, const built_model *built, ebb_error *error)
{
    uint64_t bytes = 0;

    if (p->state == NULL) return state_make(p, built, error);
    for (uint32_t i = 0; i <= built->state_count; i++) bytes += aligned(state_bytes(built, i));
    if (built_model_variable_count(built) == p->variable_count && bytes == p->state_bytes)
        return EBB_OK;
    return fail(error, EBB_E_UNSUPPORTED, p->m->info.name,
                "its layers keep other states in training than at inference");
}

/* -- sides ------------------------------------------------------------------------------------- */

static bool is_kept(const forward_graph *f, uint32_t index)
{
    return f->is_read[index] && f->is_updated[index];
}

static size_t asked_count(const passes *p, const pass_side *s)
{
    return (size_t)s->forward.output_count + s->forward.model->input_count + p->weight_count;
}

/* Where gradients read what a pass keeps, and other tables. */
static ebb_status kept_make(const passes *p, pass_side *s, ebb_error *error)
{
    s->memory = region_new(s->home, void *, p->variable_count);
    s->kept = region_new(s->home, uint32_t, p->variable_count);
    s->kept_offsets = region_new(s->home, uint64_t, p->variable_count);
    s->asked = region_new(s->home, bool, asked_count(p, s) + 1);
    s->kept_sizes = region_new(s->home, uint64_t, p->variable_count);
    if (s->memory == NULL || s->kept == NULL || s->kept_offsets == NULL || s->kept_sizes == NULL ||
        s->asked == NULL)
        return region_fail(s->home, error, p->m->info.name, "passes");
    const built_model *built = s->forward.model;
    for (uint32_t i = 0; i < p->variable_count; i++) {
        if (!is_kept(&s->forward, i)) continue;
        const uint64_t bytes =
            i < p->weight_count ? p->sizes[i] : state_bytes(built, i - p->weight_count);
        s->kept_offsets[s->kept_count] = s->kept_bytes;
        s->kept_sizes[s->kept_count] = bytes;
        s->kept[s->kept_count++] = i;
        s->kept_bytes += aligned(bytes);
    }
    s->kept_block = region_block(s->home, s->kept_bytes + 1);
    if (s->kept_block == NULL) return region_fail(s->home, error, p->m->info.name, "passes");
    memcpy(s->memory, p->memory, p->variable_count * sizeof *s->memory);
    for (uint32_t k = 0; k < s->kept_count; k++)
        s->memory[s->kept[k]] = s->kept_block + s->kept_offsets[k];
    return EBB_OK;
}

static pass_options options_of(const passes *p, bool is_training)
{
    return (pass_options){.d = p->m->d,
                          .is_training = is_training,
                          .seed = p->seed,
                          .trainable = {choices_answer, p->choices}};
}

static ebb_status side_make(passes *p, pass_side *s, bool is_training, ebb_error *error)
{
    const pass_options options = options_of(p, is_training);

    s->home = region_open(p->cache, is_training ? "training" : "inference", EBB_CLASS_META, 0);
    if (s->home == NULL) return region_fail(p->cache, error, p->m->info.name, "passes");
    ebb_status status = forward_graph_make(s->home, &options, &s->forward, error);
    if (status != EBB_OK) return status;
    const graph *g = s->forward.model->graph;
    if (dim_symbol_count(g) > SYMBOLS_MAX) {
        return fail(error, EBB_E_UNSUPPORTED, p->m->info.name,
                    "%u unknown axes; at most %u are possible", dim_symbol_count(g), SYMBOLS_MAX);
    }
    s->forward.is_updated[p->weight_count] = true; /* every pass draws numbers of its own */
    status = state_find(p, s->forward.model, error);
    if (status == EBB_OK) status = kept_make(p, s, error);
    if (status != EBB_OK) return status;
    region *home = region_open(s->home, "forwards", EBB_CLASS_META, 0);
    if (home == NULL) return region_fail(s->home, error, p->m->info.name, "passes");
    runner_open(&s->r, &p->runners, home, s->forward.model->graph, model_device(p->m), p->memory);
    s->r.threads = p->m->options.threads;
    return EBB_OK;
}

/* Layers were frozen or freed: other graphs. */
static ebb_status cache_find(passes *p, ebb_error *error)
{
    model *m = p->m;
    const uint32_t changes = atomic_load(&m->choice_changes);

    if (p->cache != NULL && p->choice_changes == changes) return EBB_OK;
    for (uint32_t i = 0; i < 2; i++) pass_side_close(&p->sides[i]);
    region_close(p->cache);
    p->choices = NULL;
    p->cache = region_open(p->home, "plans", EBB_CLASS_META, 0);
    if (p->cache == NULL) return region_fail(p->home, error, m->info.name, "passes");
    region_mark_cached(p->cache);
    p->choice_changes = changes;
    const ebb_status status = choices_copy(m, p->cache, &p->choices, error);
    if (status == EBB_OK) return EBB_OK;
    region_close(p->cache);
    p->cache = NULL;
    return status;
}

ebb_status pass_side_find(passes *p, bool is_training, pass_side **result, ebb_error *error)
{
    pass_side *s = &p->sides[is_training];
    ebb_status status = cache_find(p, error);

    *result = s;
    if (status != EBB_OK || s->home != NULL) return status;
    status = side_make(p, s, is_training, error);
    if (status != EBB_OK) pass_side_close(s);
    return status;
}

/* -- gradients --------------------------------------------------------------------------------- */

static ebb_status gradient_make(passes *p, pass_side *s, pass_gradient *g, const bool *asked,
                                ebb_error *error)
{
    const bool is_training = s == &p->sides[1];
    const pass_options options = options_of(p, is_training);
    const uint32_t outputs = s->forward.output_count, inputs = s->forward.model->input_count;
    const gradient_request request = {asked, asked + outputs, asked + outputs + inputs};

    g->home = region_open(s->home, "gradients", EBB_CLASS_META, 0);
    if (g->home == NULL) return region_fail(s->home, error, p->m->info.name, "gradients");
    const ebb_status status = gradient_graph_make(g->home, &options, &request, &g->graph, error);
    if (status != EBB_OK) return status;
    const size_t count = asked_count(p, s);
    g->asked = region_new(g->home, bool, count + 1);
    g->inputs = region_new(g->home, ebb_view, (size_t)inputs + outputs + 1);
    g->results = region_new(g->home, ebb_view, (size_t)g->graph.result_count + 1);
    region *home = region_open(g->home, "backwards", EBB_CLASS_META, 0);
    if (g->asked == NULL || g->inputs == NULL || g->results == NULL || home == NULL)
        return region_fail(g->home, error, p->m->info.name, "gradients");
    memcpy(g->asked, asked, count * sizeof *asked);
    runner_open(&g->r, &p->runners, home, g->graph.model->graph, model_device(p->m), s->memory);
    g->r.threads = p->m->options.threads;
    return EBB_OK;
}

ebb_status pass_gradient_find(passes *p, pass_side *s, const bool *asked, pass_gradient **result,
                              ebb_error *error)
{
    pass_gradient *oldest = &s->gradients[0];

    for (uint32_t i = 0; i < PASS_GRADIENTS; i++) {
        pass_gradient *g = &s->gradients[i];
        if (g->home != NULL && memcmp(g->asked, asked, asked_count(p, s) * sizeof *asked) == 0) {
            g->used_at = ++p->clock;
            *result = g;
            return EBB_OK;
        }
        if (g->used_at < oldest->used_at) oldest = g;
    }
    pass_gradient_close(oldest);
    const ebb_status status = gradient_make(p, s, oldest, asked, error);
    if (status != EBB_OK) pass_gradient_close(oldest);
    oldest->used_at = status == EBB_OK ? ++p->clock : 0;
    *result = oldest;
    return status;
}
