/* lanes.c -- leases of a model's activation arenas. Without contention a lease is one atomic
 * exchange.
 *
 * No wake-up is lost: a waiter counts itself and then looks, a releaser frees and then looks for
 * waiters; all four in one order (sequentially consistent), so at least one sees the other. */
#include "runtime/model.h"

static bool try_take(model *m, uint32_t *index)
{
    for (uint32_t i = 0; i < m->lane_count; i++) {
        if (!atomic_load(&m->lanes[i].is_busy) && !atomic_exchange(&m->lanes[i].is_busy, true)) {
            *index = i;
            return true;
        }
    }
    return false;
}

uint32_t lane_take(model *m)
{
    uint32_t index = 0;

    if (try_take(m, &index)) return index;
    pthread_mutex_lock(&m->mutex);
    atomic_fetch_add(&m->lane_waiters, 1);
    while (!try_take(m, &index)) pthread_cond_wait(&m->lane_free, &m->mutex);
    atomic_fetch_sub(&m->lane_waiters, 1);
    pthread_mutex_unlock(&m->mutex);
    return index;
}

void lane_release(model *m, uint32_t index)
{
    atomic_store(&m->lanes[index].is_busy, false);
    if (atomic_load(&m->lane_waiters) == 0) return;
    pthread_mutex_lock(&m->mutex);
    pthread_cond_broadcast(&m->lane_free);
    pthread_mutex_unlock(&m->mutex);
}

void lanes_take_all(model *m)
{
    pthread_mutex_lock(&m->mutex);
    atomic_fetch_add(&m->lane_waiters, 1);
    for (uint32_t i = 0; i < m->lane_count; i++) {
        while (atomic_exchange(&m->lanes[i].is_busy, true)) {
            pthread_cond_wait(&m->lane_free, &m->mutex);
        }
    }
    atomic_fetch_sub(&m->lane_waiters, 1);
    pthread_mutex_unlock(&m->mutex);
}

void lanes_release_all(model *m)
{
    for (uint32_t i = 0; i < m->lane_count; i++) lane_release(m, i);
}
