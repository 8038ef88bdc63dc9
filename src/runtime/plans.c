/* plans.c -- executables by input shape: the planned ones, and a bounded cache for the others.
 *
 * A cached executable lives in a child region of the model's "plans" (reported as cached) with an
 * arena of its own where the lane's is too small. The least recently used one that nobody runs
 * makes room. */
#include <string.h>

#include "base/status.h"
#include "runtime/advice.h"

bool executable_matches(const executable *e, const int64_t *symbols)
{
    const uint32_t count = dim_symbol_count(e->graph);
    return memcmp(e->symbols, symbols, count * sizeof *symbols) == 0;
}

static void entry_close(plan_entry *entry)
{
    executable_close(entry->e);
    region_close(entry->home);
    *entry = (plan_entry){0};
}

static ebb_status entry_make(model *m, plan_entry *entry, const int64_t *symbols, ebb_error *error)
{
    entry->home = region_open(m->plans, "plan", EBB_CLASS_ACTIVATIONS, 0);
    if (entry->home == NULL) return region_fail(m->plans, error, m->info.name, "another plan");
    const executable_options options = {
        .home = entry->home,
        .device = model_device(m),
        .graph = m->built->graph,
        .weights = m->weights,
        .symbols = symbols,
        .threads = m->options.threads == 0 && m->info.threads == 1 ? 1 : m->options.threads,
        .lanes = m->lane_count};
    ebb_status status = executable_make(&options, &entry->e, error);
    if (status == EBB_OK) status = executable_open(entry->e, error);
    if (status == EBB_OK) {
        entry->arenas = region_new(entry->home, void *, m->lane_count);
        if (entry->arenas == NULL) status = region_fail(entry->home, error, m->info.name, "a plan");
    }
    return status;
}

/* Connects the executable to a lane the first time that lane runs it. The lane is held by the
 * caller. */
static ebb_status entry_bind(model *m, plan_entry *entry, uint32_t lane_index, ebb_error *error)
{
    void *arena = m->lanes[lane_index].arena;

    if (entry->e->bindings[lane_index].is_bound) return EBB_OK;
    if (arena == NULL || entry->e->arena_bytes > m->arena_bytes) {
        if (entry->arenas[lane_index] == NULL) {
            entry->arenas[lane_index] = region_block(entry->home, entry->e->arena_bytes + 1);
        }
        arena = entry->arenas[lane_index];
        if (arena == NULL) return region_fail(entry->home, error, m->info.name, "activations");
    }
    return executable_bind(entry->e, lane_index, arena, error);
}

/* A free entry, or the least recently used idle one, emptied; NULL if every one is running. */
static plan_entry *entry_room(model *m)
{
    plan_entry *oldest = NULL;

    for (uint32_t i = 0; i < m->entry_max; i++) {
        plan_entry *entry = &m->entries[i];
        if (entry->e == NULL) return entry;
        if (entry->users == 0 && (oldest == NULL || entry->used_at < oldest->used_at))
            oldest = entry;
    }
    if (oldest != NULL) entry_close(oldest);
    return oldest;
}

static plan_entry *entry_find(model *m, const int64_t *symbols)
{
    for (uint32_t i = 0; i < m->entry_max; i++) {
        plan_entry *entry = &m->entries[i];
        if (entry->e != NULL && executable_matches(entry->e, symbols)) return entry;
    }
    return NULL;
}

static ebb_status cache_find(model *m, const int64_t *symbols, uint32_t lane_index,
                             plan_entry **result, ebb_error *error)
{
    plan_entry *entry = entry_find(m, symbols);
    ebb_status status = EBB_OK;

    if (entry == NULL) {
        entry = entry_room(m);
        if (entry == NULL) {
            return fail(error, EBB_E_BUSY, m->info.name,
                        "all %u cached plans are running; raise plans_max", m->entry_max);
        }
        status = entry_make(m, entry, symbols, error);
        if (status != EBB_OK) entry_close(entry);
    }
    if (status == EBB_OK) status = entry_bind(m, entry, lane_index, error);
    if (status != EBB_OK) return status;
    entry->used_at = ++m->clock;
    entry->users++;
    *result = entry;
    return EBB_OK;
}

ebb_status plans_find(model *m, const int64_t *symbols, uint32_t lane_index, executable **result,
                      plan_entry **entry, ebb_error *error)
{
    *entry = NULL;
    for (uint32_t i = 0; i < m->planned_count; i++) {
        if (!executable_matches(m->planned[i], symbols)) continue;
        *result = m->planned[i];
        return EBB_OK;
    }
    pthread_mutex_lock(&m->mutex);
    const ebb_status status = cache_find(m, symbols, lane_index, entry, error);
    pthread_mutex_unlock(&m->mutex);
    if (status != EBB_OK) return advice_add(m, status, error);
    *result = (*entry)->e;
    return EBB_OK;
}

void plans_release(model *m, plan_entry *entry)
{
    if (entry == NULL) return;
    pthread_mutex_lock(&m->mutex);
    entry->users--;
    pthread_mutex_unlock(&m->mutex);
}

uint64_t plans_trim(model *m)
{
    pthread_mutex_lock(&m->mutex);
    const uint64_t before = region_bytes_live(m->plans);
    for (uint32_t i = 0; i < m->entry_max; i++) {
        if (m->entries[i].e != NULL && m->entries[i].users == 0) entry_close(&m->entries[i]);
    }
    const uint64_t after = region_bytes_live(m->plans);
    pthread_mutex_unlock(&m->mutex);
    return before - after;
}

void plans_close(model *m)
{
    for (uint32_t i = 0; m->entries != NULL && i < m->entry_max; i++) {
        if (m->entries[i].home != NULL) entry_close(&m->entries[i]);
    }
}
