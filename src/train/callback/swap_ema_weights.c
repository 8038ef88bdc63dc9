/* swap_ema_weights.c -- SwapEMAWeights: validation, and with swap_on_epoch what happens at the end
 * of an epoch, sees the moving averages that the optimizer keeps of the weights.
 * Source: keras/src/callbacks/swap_ema_weights.py. */
#include "base/status.h"
#include "train/callback/callback.h"

typedef struct swapping {
    bool swap_on_epoch;
} swapping;

static const layer_field fields[] = {
    TRAIN_FIELD(swapping, swap_on_epoch, FIELD_BOOL, 0),
    TRAIN_FIELD_END,
};

typedef struct swapping_state {
    bool is_swapped; /* averages are in the model */
    bool has_ended;
} swapping_state;

static ebb_status swap(callback *c, engine *e, bool to_averages, ebb_error *error)
{
    swapping_state *state = c->state;

    if (state->is_swapped == to_averages) return EBB_OK;
    const ebb_status status = e->def->swap_averages(e, error);
    if (status == EBB_OK) state->is_swapped = to_averages;
    return status;
}

/* At the end of fit the averages become the weights; the model has them already, so that the
 * averages must be made equal to it before. */
static ebb_status averages_settle(callback *c, engine *e, ebb_error *error)
{
    region *work = region_open(c->home, "averages", EBB_CLASS_SCRATCH, 0);
    void *bytes = work == NULL ? NULL : region_block(work, (size_t)e->def->weights_bytes(e) + 1);
    ebb_status status = bytes != NULL ? EBB_OK
                                      : region_fail(work != NULL ? work : c->home, error, c->where,
                                                    "a copy of the weights");

    if (status == EBB_OK) {
        e->def->weights_read(e, bytes);
        status = e->def->swap_averages(e, error);
    }
    if (status == EBB_OK) e->def->weights_write(e, bytes);
    region_close(work);
    return status;
}

static ebb_status epoch_begin(callback *c, fit_moment *m, ebb_error *error)
{
    const swapping *s = c->config;

    return s->swap_on_epoch ? swap(c, m->engine, false, error) : EBB_OK;
}

static ebb_status epoch_end(callback *c, fit_moment *m, ebb_error *error)
{
    const swapping *s = c->config;
    swapping_state *state = c->state;

    if (!s->swap_on_epoch || state->is_swapped) return EBB_OK;
    const ebb_status status = swap(c, m->engine, true, error);
    if (status != EBB_OK || m->epoch + 1 != m->epochs) return status;
    return averages_settle(c, m->engine, error);
}

static ebb_status test_begin(callback *c, fit_moment *m, ebb_error *error)
{
    return swap(c, m->engine, true, error);
}

static ebb_status test_end(callback *c, fit_moment *m, ebb_error *error)
{
    return swap(c, m->engine, false, error);
}

static ebb_status train_end(callback *c, fit_moment *m, ebb_error *error)
{
    swapping_state *state = c->state;

    (void)m;
    (void)error;
    state->has_ended = true;
    return EBB_OK;
}

/* Training that was cut off leaves the weights of its last step, not their averages. */
static void close_swapping(callback *c, engine *e)
{
    const swapping_state *state = c->state;

    if (!state->has_ended) (void)swap(c, e, false, NULL);
}

const callback_def callback_def_swap_ema_weights = {
    .entry = {"SwapEMAWeights", NULL, sizeof(swapping), fields, NULL},
    .state_bytes = sizeof(swapping_state),
    .at = {[EBB_EPOCH_BEGIN] = epoch_begin,
           [EBB_EPOCH_END] = epoch_end,
           [EBB_TEST_BEGIN] = test_begin,
           [EBB_TEST_END] = test_end,
           [EBB_TRAIN_END] = train_end},
    .close = close_swapping};
