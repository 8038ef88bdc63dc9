/* hand_loop.c -- see hand_loop.h. */
#include "hand_loop.h"

#include <math.h>
#include <string.h>

void hand_fill(float *numbers, size_t count, double seed)
{
    for (size_t i = 0; i < count; i++)
        numbers[i] = (float)sin(seed + 12.9898 * (double)(i + 1) + 0.37 * seed * (double)i);
}

uint64_t hand_count(const ebb_view *view)
{
    uint64_t count = 1;

    for (uint32_t i = 0; i < view->rank; i++) count *= (uint64_t)view->dims[i];
    return count;
}

static ebb_view view_of(const ebb_tensor_info *info, float *data)
{
    ebb_view view = {EBB_F32, info->rank, {0}, data};

    memcpy(view.dims, info->dims, sizeof view.dims);
    return view;
}

hand_loop *hand_loop_open(test *t, ebb_runtime runtime, ebb_model model, const char *optimizer,
                          const char *loss)
{
    hand_loop *l = region_new(t->home, hand_loop, 1);
    ebb_tensor_info info, trained[HAND_WEIGHTS];
    uint64_t used = 0;

    CHECK(l != NULL);
    *l = (hand_loop){.runtime = runtime, .model = model, .loss = loss};
    for (uint32_t i = 0; ebb_model_weight(model, i, &info) == EBB_OK; i++) {
        CHECK(i < HAND_WEIGHTS);
        l->weight_count++;
        l->wanted[i] = view_of(&info, NULL);
        if (!info.trainable) continue;
        const uint32_t k = l->trained_count++;
        l->trained[k] = i;
        trained[k] = info;
        l->values[k] = view_of(&info, l->numbers + used);
        l->gradients[k] = view_of(&info, l->numbers + HAND_NUMBERS + used);
        l->wanted[i] = l->gradients[k];
        used += hand_count(&l->values[k]);
        CHECK(used <= HAND_NUMBERS);
    }
    CHECK_OK(ebb_optimizer_open(runtime, optimizer, trained, l->trained_count, &l->optimizer,
                                &t->error));
    return l;
}

void hand_loop_step(test *t, hand_loop *l, const ebb_view *x, const ebb_view *y)
{
    const ebb_pass pass = hand_pass(t, l->model, x, true);
    ebb_view output;

    CHECK_EQ(ebb_pass_outputs(pass), 1);
    CHECK_OK(ebb_pass_output(pass, 0, &output));
    CHECK(hand_count(&output) <= HAND_NUMBERS);
    ebb_view dy = output;
    dy.data = l->dy;
    const ebb_operands operands = {y, &output, NULL};
    CHECK_OK(ebb_loss_gradient(l->runtime, l->loss, &operands, NULL, &dy, &t->error));
    CHECK_OK(ebb_pass_gradients(pass, &dy, 1, NULL, 0, l->wanted, l->weight_count, &t->error));
    for (uint32_t k = 0; k < l->trained_count; k++)
        CHECK_OK(ebb_model_weight_get(l->model, l->trained[k], &l->values[k], &t->error));
    CHECK_OK(
        ebb_optimizer_apply(l->optimizer, l->values, l->gradients, l->trained_count, &t->error));
    for (uint32_t k = 0; k < l->trained_count; k++)
        CHECK_OK(ebb_model_weight_set(l->model, l->trained[k], &l->values[k], &t->error));
    CHECK_OK(ebb_pass_close(pass, &t->error));
}

void hand_loop_close(test *t, hand_loop *l)
{
    CHECK_OK(ebb_optimizer_close(l->optimizer, &t->error));
}

double hand_difference(test *t, ebb_model a, ebb_model b)
{
    float *numbers = region_new(t->home, float, (size_t)2 * HAND_NUMBERS);
    ebb_tensor_info info;
    double worst = 0;

    CHECK(numbers != NULL);
    for (uint32_t i = 0; ebb_model_weight(a, i, &info) == EBB_OK; i++) {
        const ebb_view one = view_of(&info, numbers), two = view_of(&info, numbers + HAND_NUMBERS);
        CHECK(hand_count(&one) <= HAND_NUMBERS);
        CHECK_OK(ebb_model_weight_get(a, i, &one, &t->error));
        CHECK_OK(ebb_model_weight_get(b, i, &two, &t->error));
        for (uint64_t k = 0; k < hand_count(&one); k++) {
            const double x = (double)numbers[k], y = (double)numbers[HAND_NUMBERS + k];
            const double apart = fabs(x - y) / (1 + fabs(x));
            if (!(apart <= worst)) worst = apart;
        }
    }
    return worst;
}

ebb_pass hand_pass(test *t, ebb_model model, const ebb_view *x, bool training)
{
    const ebb_views inputs = {(ebb_view *)(uintptr_t)x, 1};
    ebb_pass_options options = EBB_PASS_OPTIONS_INIT;
    ebb_pass pass;

    options.training = training;
    CHECK_OK(ebb_model_pass_open(model, &inputs, &options, &pass, &t->error));
    return pass;
}
