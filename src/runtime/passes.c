/* passes.c -- see passes.h: life, and the variables. */
#include "runtime/passes.h"

#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "mem/handle.h"

/* -- life -------------------------------------------------------------------------------------- */

static ebb_status lay_out(passes *p, ebb_error *error)
{
    const built_model *built = p->m->built;
    size_t end = 0;

    for (uint32_t i = 0; i < p->weight_count; i++) {
        const tensor_desc d = desc_of(built->graph, built->weights[i]->v, NULL);
        p->offsets[i] = end;
        p->sizes[i] = tensor_desc_bytes(&d);
        if (!size_add(end, p->sizes[i], &end) || !size_align(end, BLOCK_ALIGNMENT, &end)) {
            return fail(error, EBB_E_MEMORY, p->m->info.name,
                        "the variables do not fit into memory addresses");
        }
    }
    p->variable_bytes = end;
    return EBB_OK;
}

static ebb_status open_parts(passes *p, ebb_error *error)
{
    const size_t count = (size_t)p->weight_count + 1;

    p->variables = region_open(p->home, "variables", EBB_CLASS_WEIGHTS, 0);
    p->runners.arena_home = region_open(p->home, "arena", EBB_CLASS_GRADIENTS, 0);
    p->offsets = region_new(p->home, uint64_t, count);
    p->sizes = region_new(p->home, uint64_t, count);
    p->changed_at = region_new(p->home, uint64_t, count);
    if (p->variables == NULL || p->runners.arena_home == NULL || p->offsets == NULL ||
        p->sizes == NULL || p->changed_at == NULL)
        return region_fail(p->home, error, p->m->info.name, "passes");
    region_mark_cached(p->runners.arena_home);
    return lay_out(p, error);
}

ebb_status passes_find(model *m, uint64_t seed, passes **result, ebb_error *error)
{
    *result = m->passes;
    if (m->passes != NULL) return EBB_OK;
    region *home = region_open(m->home, "passes", EBB_CLASS_META, 0);
    passes *p = home == NULL ? NULL : region_new(home, passes, 1);
    ebb_status status = EBB_OK;

    if (p == NULL) {
        status = region_fail(home == NULL ? m->home : home, error, m->info.name, "passes");
    } else {
        *p = (passes){.m = m, .home = home, .seed = seed, .weight_count = m->built->weight_count};
        p->runners.owner = m->owner;
        p->runners.name = m->info.name;
        status = open_parts(p, error);
    }
    if (status != EBB_OK) {
        region_close(home);
        return status;
    }
    *result = m->passes = p;
    return EBB_OK;
}

/* Could the model's own weights be all there is? */
static bool is_copy(const passes *p)
{
    return p->m->training != NULL || !atomic_load(&p->m->is_behind);
}

static void drop_variables(passes *p)
{
    if (p->block != NULL) region_block_release(p->variables, p->block);
    p->block = NULL;
    p->lent = NULL;
}

uint32_t passes_rest(passes *p)
{
    const uint32_t threads = runners_rest(&p->runners);

    for (uint32_t i = 0; i < 2; i++) pass_side_close(&p->sides[i]);
    region_close(p->cache);
    p->cache = NULL;
    p->choices = NULL;
    p->lent = NULL;
    if (is_copy(p)) drop_variables(p);
    return threads;
}

uint64_t passes_trim(model *m)
{
    uint64_t bytes = 0;

    if (pthread_mutex_trylock(&m->training_mutex) != 0) return 0;
    if (m->passes != NULL) {
        const uint64_t before = region_bytes_live(m->passes->home);
        (void)passes_rest(m->passes);
        bytes = before - region_bytes_live(m->passes->home);
    }
    pthread_mutex_unlock(&m->training_mutex);
    return bytes;
}

/* In a forked child a pass that a thread of the parent was closing can be closed by nobody: its
 * memory goes all the same. */
uint32_t passes_close(passes *p)
{
    void *object = NULL;

    if (p == NULL) return 0;
    for (const model_pass *pass = p->first; pass != NULL; pass = pass->next) {
        if (handle_close_begin(HANDLE_PASS, pass->id, 0, &object)) handle_close_end(pass->id);
    }
    const uint32_t threads = passes_rest(p);
    p->m->passes = NULL;
    region_close(p->home);
    return threads;
}

/* -- variables --------------------------------------------------------------------------------- */

/* What the model's weights are now. */
static ebb_status copy_weights(passes *p, ebb_error *error)
{
    model *m = p->m;
    const uint32_t lane_index = lane_take(m);
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < p->weight_count && status == EBB_OK; i++) {
        status = weights_get(m->weights, m->built->weights[i]->v, p->block + p->offsets[i], error);
    }
    lane_release(m, lane_index);
    return status;
}

static ebb_status own_block(passes *p, ebb_error *error)
{
    if (p->block != NULL) return EBB_OK;
    p->block = region_block(p->variables, p->variable_bytes + 1);
    if (p->block == NULL)
        return region_fail(p->variables, error, p->m->info.name, "the weights as variables");
    const ebb_status status = copy_weights(p, error);
    if (status != EBB_OK) drop_variables(p);
    return status;
}

static void lend(passes *p, const uint8_t *block)
{
    if (p->lent == block) return;
    for (uint32_t i = 0; i < p->weight_count; i++) {
        p->memory[i] = model_variable(p->m, i);
        for (uint32_t k = 0; k < 2; k++) {
            const pass_side *s = &p->sides[k];
            if (s->home != NULL && !(s->forward.is_read[i] && s->forward.is_updated[i]))
                s->memory[i] = p->memory[i];
        }
    }
    for (runner *r = p->runners.first; r != NULL; r = r->next) runner_lend(r);
    p->lent = block;
}

ebb_status passes_variables(passes *p, ebb_error *error)
{
    const training *t = p->m->training;

    if (t != NULL) {
        if (p->block != NULL) drop_variables(p);
        lend(p, t->variable_block);
        return EBB_OK;
    }
    const ebb_status status = own_block(p, error);
    if (status == EBB_OK) lend(p, p->block);
    return status;
}

void *model_variable(const model *m, uint32_t index)
{
    if (atomic_load(&m->suspension.is_on)) return NULL;
    if (m->training != NULL) return m->training->memory[index];
    const passes *p = m->passes;
    return p == NULL || p->block == NULL ? NULL : p->block + p->offsets[index];
}

void model_variable_set(model *m, uint32_t index, const void *bytes)
{
    void *const memory = model_variable(m, index);
    passes *const p = m->passes;

    if (p != NULL && (memory == NULL || memcmp(memory, bytes, p->sizes[index]) != 0))
        p->changed_at[index] = ++p->time;
    if (memory == NULL) return;
    const size_t size = p != NULL ? p->sizes[index] : m->training->sizes[index];
    memcpy(memory, bytes, size);
}
