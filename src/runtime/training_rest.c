/* training_rest.c -- a compiled model that is put aside: its step graphs stay, the arena goes, and
 * the variables when they are written down elsewhere. See suspend.h. Nobody uses the model. */
#include <string.h>

#include "base/status.h"
#include "runtime/suspend.h"
#include "runtime/training.h"

void training_rest(training *t, bool drops_variables)
{
    sides_unbind(t);
    t->had_arena = t->arena != NULL;
    if (t->had_arena) region_block_release(t->arena_home, t->arena);
    t->arena = NULL;
    if (!drops_variables) return;
    region_block_release(t->variables, t->variable_block);
    region_block_release(t->state, t->state_block);
    t->variable_block = t->state_block = NULL;
}

/* The block's bytes are those that training_stage.c asks for. */
static bool block_take(region *home, uint64_t bytes, uint8_t **block)
{
    *block = region_block(home, bytes + 1);
    return *block != NULL;
}

ebb_status training_wake_blocks(training *t, bool has_variables, ebb_error *error)
{
    const region *asked = t->arena_home;
    uint8_t *arena = NULL;
    bool good = true;

    if (t->had_arena) good = block_take(t->arena_home, t->arena_bytes, &arena);
    t->arena = arena;
    if (good && !has_variables) {
        asked = t->variables;
        good = block_take(t->variables, t->variable_bytes, &t->variable_block);
    }
    if (good && !has_variables) {
        asked = t->state;
        good = block_take(t->state, t->state_bytes, &t->state_block);
    }
    return good ? EBB_OK : region_fail(asked, error, t->m->info.name, "training");
}

void training_wake_undo(training *t, bool has_variables)
{
    region_block_release(t->arena_home, t->arena);
    t->arena = NULL;
    if (has_variables) return;
    region_block_release(t->variables, t->variable_block);
    region_block_release(t->state, t->state_block);
    t->variable_block = t->state_block = NULL;
}

void training_wake(training *t)
{
    const uint32_t own = t->m->built->weight_count;

    for (uint32_t i = 0; i < t->variable_count; i++)
        t->memory[i] = (i < own ? t->variable_block : t->state_block) + t->offsets[i];
    model_states_share(t->m, t->memory);
    sides_lend(t);
}
