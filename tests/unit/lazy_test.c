/* lazy_test.c -- wrappers that load on first use and unload when idle. */
#include <string.h>
#include <time.h>

#include "digits.h"

static void check_lazy(test *t, const digits *d, ebb_lazy lazy, const float *expected)
{
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    const ebb_view in = {EBB_F32, 4, {DIGITS_ROWS, 8, 8, 1}, (void *)(uintptr_t)d->x};
    const ebb_view out = {EBB_F32, 2, {DIGITS_ROWS, DIGITS_CLASSES}, y};
    const ebb_views inputs = {&in, 1}, outputs = {&out, 1};

    CHECK_OK(ebb_lazy_predict(lazy, &inputs, &outputs, &t->error));
    CHECK(digits_error(y, expected, DIGITS_ROWS) < 1e-5);
}

static ebb_lazy_info info_of(ebb_lazy lazy)
{
    ebb_lazy_info info = {0};

    CHECK_EQ(ebb_lazy_info_read(lazy, &info), EBB_OK);
    return info;
}

static void sleep_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

TEST(a_model_is_there_while_it_is_used)
{
    digits d;
    ebb_lazy lazy;
    ebb_model model, again;
    ebb_receipt receipt;
    ebb_memory memory;

    digits_open(t, &d, NULL);
    const uint64_t before = digits_live(&d);
    CHECK_OK(ebb_lazy_open(d.runtime, digits_mlp, NULL, &lazy, &t->error));
    const uint64_t closed = digits_live(&d);
    CHECK(!info_of(lazy).is_loaded);
    CHECK_OK(ebb_lazy_acquire(lazy, &model, &t->error));
    CHECK_OK(ebb_lazy_acquire(lazy, &again, &t->error));
    CHECK_EQ(model.id, again.id);
    CHECK_EQ(info_of(lazy).users, 2);
    CHECK_OK(ebb_model_memory_read(model, &memory));
    CHECK_EQ(info_of(lazy).bytes_live, memory.live);
    CHECK_STATUS(ebb_lazy_unload(lazy, NULL, &t->error), EBB_E_BUSY);
    CHECK_OK(ebb_lazy_release(lazy));
    CHECK_OK(ebb_lazy_release(lazy));
    CHECK_STATUS(ebb_lazy_release(lazy), EBB_E_STATE);
    check_lazy(t, &d, lazy, d.mlp_y[0]);
    const uint64_t bytes = info_of(lazy).bytes_live;
    CHECK(bytes >= memory.live); /* a plan for sixteen rows came */
    CHECK_OK(ebb_lazy_unload(lazy, &receipt, &t->error));
    CHECK_EQ(receipt.bytes_total, bytes);
    CHECK_EQ(receipt.models, 1);
    CHECK_EQ(digits_live(&d), closed);
    CHECK(!ebb_model_alive(model)); /* the copy kept is stale, not dangerous */
    float y[DIGITS_CLASSES];
    CHECK_STATUS(digits_predict(&d, model, 1, y, &t->error), EBB_E_STALE);
    check_lazy(t, &d, lazy, d.mlp_y[0]); /* loads again */
    CHECK_EQ(info_of(lazy).loads, 2);
    CHECK_OK(ebb_lazy_close(lazy, NULL, &receipt, &t->error));
    CHECK_EQ(receipt.models, 1);
    CHECK_EQ(digits_live(&d), before);
    CHECK_STATUS(ebb_lazy_acquire(lazy, &model, &t->error), EBB_E_STALE);
    CHECK_EQ(model.id, 0);
    digits_close(t, &d);
}

TEST(a_model_unloaded_by_its_own_handle_is_loaded_again)
{
    digits d;
    ebb_lazy lazy;
    ebb_model model;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_lazy_open(d.runtime, digits_mlp, NULL, &lazy, &t->error));
    CHECK_OK(ebb_lazy_acquire(lazy, &model, &t->error));
    CHECK_OK(ebb_lazy_release(lazy));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK(!info_of(lazy).is_loaded);
    check_lazy(t, &d, lazy, d.mlp_y[0]);
    digits_close(t, &d);
}

TEST(idle_models_are_unloaded_without_a_thread)
{
    digits d;
    ebb_lazy quick, never;
    ebb_lazy_options options = EBB_LAZY_OPTIONS_INIT;
    ebb_receipt receipt;
    ebb_model held;

    digits_open(t, &d, NULL);
    options.idle_ns = UINT64_MAX;
    CHECK_OK(ebb_lazy_open(d.runtime, digits_cnn, &options, &never, &t->error));
    options.idle_ns = 1000000;
    CHECK_OK(ebb_lazy_open(d.runtime, digits_mlp, &options, &quick, &t->error));
    check_lazy(t, &d, never, d.cnn_y[0]);
    sleep_ms(5);
    CHECK_OK(ebb_idle_collect(d.runtime, &receipt));
    CHECK_EQ(receipt.models, 0);
    CHECK_OK(ebb_lazy_acquire(quick, &held, &t->error));
    sleep_ms(5);
    CHECK_OK(ebb_idle_collect(d.runtime, &receipt));
    CHECK_EQ(receipt.models, 0); /* in use is not idle */
    CHECK(info_of(quick).is_loaded);
    CHECK_OK(ebb_lazy_release(quick));
    sleep_ms(5);
    check_lazy(t, &d, never, d.cnn_y[0]); /* any call looks */
    CHECK(!info_of(quick).is_loaded);
    CHECK_EQ(info_of(quick).unloads, 1);
    CHECK(!ebb_model_alive(held));
    CHECK_OK(ebb_lazy_acquire(quick, &held, &t->error));
    CHECK_OK(ebb_lazy_release(quick));
    sleep_ms(5);
    CHECK_OK(ebb_idle_collect(d.runtime, &receipt));
    CHECK(!info_of(quick).is_loaded);
    CHECK(info_of(never).is_loaded);
    digits_close(t, &d);
}

TEST(a_timer_thread_is_counted_and_ends)
{
    digits d;
    ebb_lazy lazy;
    ebb_lazy_options options = EBB_LAZY_OPTIONS_INIT;
    ebb_memory memory;

    digits_open(t, &d, NULL);
    options.idle_ns = 10000000;
    CHECK_OK(ebb_lazy_open(d.runtime, digits_mlp, &options, &lazy, &t->error));
    CHECK_OK(ebb_idle_timer(d.runtime, 3600000000000u, &t->error));
    CHECK_OK(ebb_idle_timer(d.runtime, 5000000, &t->error)); /* the same thread, sooner */
    CHECK_OK(ebb_memory_read(d.runtime, &memory));
    CHECK_EQ(memory.threads, 1);
    check_lazy(t, &d, lazy, d.mlp_y[0]);
    for (int i = 0; i < 400 && info_of(lazy).is_loaded; i++) sleep_ms(5);
    CHECK(!info_of(lazy).is_loaded);
    CHECK_OK(ebb_idle_timer(d.runtime, 0, &t->error));
    CHECK_OK(ebb_idle_timer(d.runtime, 0, &t->error));
    CHECK_OK(ebb_memory_read(d.runtime, &memory));
    CHECK_EQ(memory.threads, 0);
    CHECK_OK(ebb_idle_timer(d.runtime, 5000000, &t->error)); /* goes with the runtime */
    digits_close(t, &d);
}

static ebb_plan plan_of(test *t, const digits *d, const char *path)
{
    ebb_plan plan;

    CHECK_OK(ebb_model_plan(d->runtime, path, NULL, &plan, &t->error));
    return plan;
}

TEST(under_one_budget_the_least_recently_used_goes_first)
{
    digits d;
    ebb_lazy a, b, c;
    ebb_scope budget;
    ebb_scope_options scope = EBB_SCOPE_OPTIONS_INIT;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_lazy_options options = EBB_LAZY_OPTIONS_INIT;
    ebb_model outside;

    digits_open(t, &d, NULL);
    /* room to load the large one beside one small one, not beside two */
    const uint64_t small = plan_of(t, &d, digits_mlp).total;
    scope.bytes_max = plan_of(t, &d, digits_cnn).peak + small + small / 3;
    CHECK_OK(ebb_scope_open(d.runtime, &scope, &budget, &t->error));
    load.scope = budget;
    options.load = &load;
    CHECK_OK(ebb_model_load(d.runtime, digits_cnn, NULL, &outside, &t->error));
    CHECK_OK(ebb_lazy_open(d.runtime, digits_mlp, &options, &a, &t->error));
    CHECK_OK(ebb_lazy_open(d.runtime, digits_mlp, &options, &b, &t->error));
    CHECK_OK(ebb_lazy_open(d.runtime, digits_cnn, &options, &c, &t->error));
    check_lazy(t, &d, a, d.mlp_y[0]);
    check_lazy(t, &d, b, d.mlp_y[0]);
    check_lazy(t, &d, a, d.mlp_y[0]);
    CHECK(info_of(a).is_loaded && info_of(b).is_loaded);
    check_lazy(t, &d, c, d.cnn_y[0]);
    CHECK(!info_of(b).is_loaded);
    CHECK_EQ(info_of(b).evictions, 1);
    CHECK(info_of(c).is_loaded);
    CHECK(ebb_model_alive(outside));
    /* what is in use does not go */
    ebb_model held_a, held_c;
    CHECK_OK(ebb_lazy_acquire(c, &held_c, &t->error));
    CHECK_OK(ebb_lazy_acquire(a, &held_a, &t->error));
    CHECK_STATUS(ebb_lazy_acquire(b, &held_a, &t->error), EBB_E_MEMORY);
    CHECK(info_of(a).is_loaded && info_of(c).is_loaded);
    CHECK_OK(ebb_lazy_release(a));
    CHECK_OK(ebb_lazy_release(c));
    check_lazy(t, &d, b, d.mlp_y[0]);
    digits_close(t, &d);
}

TEST(nothing_goes_in_vain)
{
    digits d;
    ebb_lazy a, b;
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;

    digits_open(t, &d, NULL);
    const uint64_t mlp = plan_of(t, &d, digits_mlp).peak, cnn = plan_of(t, &d, digits_cnn).peak;
    const bool is_cnn_larger = cnn > mlp;
    const char *const small = is_cnn_larger ? digits_mlp : digits_cnn;
    const char *const large = is_cnn_larger ? digits_cnn : digits_mlp;
    digits_close(t, &d);
    options.bytes_max = (is_cnn_larger ? cnn : mlp) - 4096; /* never room for the large one */
    digits_open(t, &d, &options);
    CHECK_OK(ebb_lazy_open(d.runtime, small, NULL, &a, &t->error));
    CHECK_OK(ebb_lazy_open(d.runtime, large, NULL, &b, &t->error));
    check_lazy(t, &d, a, is_cnn_larger ? d.mlp_y[0] : d.cnn_y[0]);
    ebb_model model;
    CHECK_STATUS(ebb_lazy_acquire(b, &model, &t->error), EBB_E_MEMORY);
    CHECK(info_of(a).is_loaded);
    digits_close(t, &d);
}

TEST(a_file_that_is_missing_is_told_at_each_use)
{
    digits d;
    ebb_lazy lazy;
    ebb_model model;

    digits_open(t, &d, NULL);
    CHECK_OK(ebb_lazy_open(d.runtime, "missing.keras", NULL, &lazy, &t->error));
    const uint64_t before = digits_live(&d);
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(ebb_lazy_acquire(lazy, &model, &t->error), EBB_E_NOT_FOUND);
        CHECK_CONTAINS(t->error.where, "missing.keras");
        CHECK_EQ(digits_live(&d), before);
    }
    digits_close(t, &d);
}

TEST(closing_waits_for_users)
{
    digits d;
    ebb_lazy lazy;
    ebb_model model;
    ebb_unload_options soon = EBB_UNLOAD_OPTIONS_INIT;

    soon.deadline_ns = 10000000;
    digits_open(t, &d, NULL);
    CHECK_OK(ebb_lazy_open(d.runtime, digits_mlp, NULL, &lazy, &t->error));
    CHECK_OK(ebb_lazy_acquire(lazy, &model, &t->error));
    CHECK_STATUS(ebb_lazy_close(lazy, &soon, NULL, &t->error), EBB_E_BUSY);
    check_lazy(t, &d, lazy, d.mlp_y[0]);
    CHECK_OK(ebb_lazy_release(lazy));
    CHECK_OK(ebb_lazy_close(lazy, &soon, NULL, &t->error));
    digits_close(t, &d);
}

TEST_MAIN(RUN(a_model_is_there_while_it_is_used),
          RUN(a_model_unloaded_by_its_own_handle_is_loaded_again),
          RUN(idle_models_are_unloaded_without_a_thread), RUN(a_timer_thread_is_counted_and_ends),
          RUN(under_one_budget_the_least_recently_used_goes_first), RUN(nothing_goes_in_vain),
          RUN(a_file_that_is_missing_is_told_at_each_use), RUN(closing_waits_for_users))
