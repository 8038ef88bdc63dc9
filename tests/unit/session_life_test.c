/* session_life_test.c -- what sessions hold and give back; wrong use of graphs and sessions. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "built_models.h"
#include "digits.h"
#include <stdio.h>

#include "graph_fixture.h"

static const float three[] = {1, 2, 3};

static ebb_status run(const fixture *f, const ebb_feed *feeds, size_t feed_count, ebb_tensor fetch,
                      const ebb_view *out, ebb_error *error)
{
    return ebb_session_run(f->session, feeds, feed_count, &fetch, out, 1, NULL, 0, error);
}

/* -- memory ------------------------------------------------------------------------------------ */

TEST(close_gives_everything_back)
{
    fixture f;
    float y[3];
    ebb_memory memory;
    ebb_receipt receipt;
    ebb_scope scope, again;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_model model;

    fixture_open(t, &f);
    const uint64_t before = fixture_live(&f);
    CHECK_OK(ebb_session_memory_read(f.session, &memory));
    const uint64_t empty = memory.live;
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", fixture_vector(&f, 3, three));
    const ebb_tensor r = ebb_random_normal(f.graph, 2, (int64_t[]){300, 300}, 0, 1, 0);
    const ebb_tensor big = ebb_graph_variable_from(f.graph, "big", r);
    CHECK_OK(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error));
    fixture_fetch(t, &f, ebb_add(f.graph, w, w), y);
    fixture_numbers(t, y, (float[]){2, 4, 6}, 3);
    CHECK_OK(ebb_session_scope(f.session, &scope, &t->error));
    CHECK_OK(ebb_session_scope(f.session, &again, &t->error));
    CHECK_EQ(scope.id, again.id);
    load.scope = scope;
    CHECK_OK(ebb_model_load(f.runtime, digits_mlp, &load, &model, &t->error));
    CHECK_OK(ebb_session_memory_read(f.session, &memory));
    CHECK(memory.by_class[EBB_CLASS_WEIGHTS] >= 300 * 300 * 4);
    CHECK(memory.cached > 0);
    CHECK(memory.live > empty);
    CHECK(big.id != 0);
    ebb_memory graph;
    CHECK_OK(ebb_graph_memory_read(f.graph, &graph));
    CHECK_OK(ebb_session_close(f.session, &receipt, &t->error));
    CHECK_EQ(receipt.bytes_total, memory.live);
    CHECK_EQ(receipt.models, 1);
    for (int i = 0; i < EBB_CLASS_COUNT; i++)
        if (i != EBB_CLASS_CODE) CHECK_EQ(receipt.bytes[i], memory.by_class[i]);
    CHECK_EQ(receipt.live_after, fixture_live(&f));
    CHECK_EQ(fixture_live(&f), before - empty + graph.live - 2 * 4096);
    CHECK(!ebb_model_alive(model));
    CHECK_STATUS(ebb_session_close(f.session, NULL, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_session_target(f.session, w, &t->error), EBB_E_STALE);
    CHECK_CONTAINS(t->error.text, "closed");
    CHECK_STATUS(ebb_session_memory_read(f.session, &memory), EBB_E_STALE);
    CHECK_STATUS(ebb_session_scope(f.session, &scope, &t->error), EBB_E_STALE);
    fixture_close(t, &f);
}

TEST(the_scope_of_a_session_can_go_first)
{
    fixture f;
    ebb_scope scope, next;
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_model model;

    fixture_open(t, &f);
    CHECK_OK(ebb_session_scope(f.session, &scope, &t->error));
    load.scope = scope;
    CHECK_OK(ebb_model_load(f.runtime, digits_mlp, &load, &model, &t->error));
    CHECK_OK(ebb_scope_close(scope, NULL, &t->error));
    CHECK(!ebb_model_alive(model));
    CHECK_OK(ebb_session_scope(f.session, &next, &t->error));
    CHECK(next.id != scope.id);
    load.scope = next;
    CHECK_OK(ebb_model_load(f.runtime, digits_mlp, &load, &model, &t->error));
    CHECK_OK(ebb_session_close(f.session, NULL, &t->error));
    CHECK_STATUS(ebb_scope_close(next, NULL, &t->error), EBB_E_STALE);
    fixture_close(t, &f);
}

TEST(limits_of_sessions_hold)
{
    fixture f;
    ebb_session_options options = EBB_SESSION_OPTIONS_INIT;
    ebb_session session;
    ebb_memory memory;

    fixture_open(t, &f);
    const ebb_tensor z = ebb_fill(f.graph, 2, (int64_t[]){1000, 1000}, 1);
    const ebb_tensor big = ebb_graph_variable_from(f.graph, "big", z);
    options.bytes_max = 1 << 20;
    options.name = "tight";
    CHECK_OK(ebb_session_open(f.graph, &options, &session, &t->error));
    CHECK_STATUS(ebb_session_target(session, ebb_graph_initializer(f.graph), &t->error),
                 EBB_E_MEMORY);
    CHECK_OK(ebb_session_memory_read(session, &memory));
    CHECK_EQ(memory.limit, 1 << 20);
    CHECK(memory.live <= 1 << 20);
    float y;
    const ebb_tensor two = ebb_graph_number(f.graph, 2);
    CHECK_OK(ebb_session_fetch(session, two, &(ebb_view){.data = &y}, &t->error)); /* usable */
    CHECK_NEAR(y, 2, 0);
    CHECK(big.id != 0);
    CHECK_OK(ebb_session_close(session, NULL, &t->error));
    fixture_close(t, &f);
}

TEST(plans_are_few_and_trimmed)
{
    fixture f;
    float x[32] = {0}, y[32];
    ebb_session_info info;
    ebb_memory memory;
    ebb_receipt receipt;

    fixture_open(t, &f);
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "p", EBB_F32, 1, (int64_t[]){-1});
    const ebb_tensor r = ebb_exp(f.graph, p);
    for (int64_t n = 1; n <= 20; n++) {
        const ebb_feed feed = {p, fixture_view(n, x)};
        CHECK_OK(run(&f, &feed, 1, r, &(ebb_view){.data = y}, &t->error));
    }
    CHECK_OK(ebb_session_info_read(f.session, &info));
    CHECK_EQ(info.plans, 8);
    CHECK_EQ(info.plans_made, 20);
    CHECK_EQ(info.runs, 20);
    CHECK_OK(ebb_session_memory_read(f.session, &memory));
    const uint64_t with_plans = memory.live, cached = memory.cached;
    CHECK_OK(ebb_trim(f.runtime, &receipt));
    CHECK_OK(ebb_session_memory_read(f.session, &memory));
    CHECK_EQ(receipt.bytes_total, cached);
    CHECK_EQ(memory.live, with_plans - cached);
    CHECK_EQ(memory.cached, 0);
    const ebb_feed feed = {p, fixture_view(20, x)};
    CHECK_OK(run(&f, &feed, 1, r, &(ebb_view){.data = y}, &t->error));
    CHECK_NEAR(y[19], 1, 0);
    fixture_close(t, &f);
}

TEST(a_thousand_sessions_leave_nothing)
{
    fixture f;
    float y[3];

    fixture_open(t, &f);
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", fixture_vector(&f, 3, three));
    const ebb_tensor init = ebb_graph_initializer(f.graph);
    const uint64_t before = fixture_live(&f);
    for (int i = 0; i < 1000; i++) {
        ebb_session session;
        CHECK_OK(ebb_session_open(f.graph, NULL, &session, &t->error));
        if (i % 8 == 0) {
            CHECK_OK(ebb_session_target(session, init, &t->error));
            CHECK_OK(ebb_session_fetch(session, w, &(ebb_view){.data = y}, &t->error));
        }
        CHECK_OK(ebb_session_close(session, NULL, &t->error));
        CHECK_EQ(fixture_live(&f), before);
    }
    fixture_close(t, &f);
}

TEST(the_runtime_takes_all_along)
{
    fixture f;
    ebb_receipt receipt;
    ebb_memory memory;

    fixture_open(t, &f);
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", fixture_vector(&f, 3, three));
    CHECK_OK(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error));
    CHECK_OK(ebb_memory_read(f.runtime, &memory));
    CHECK_OK(ebb_runtime_close(f.runtime, &receipt));
    CHECK_EQ(receipt.bytes_total, memory.live);
    CHECK_STATUS(ebb_session_target(f.session, w, &t->error), EBB_E_STALE);
    CHECK_STATUS(ebb_graph_finalize(f.graph), EBB_E_STALE);
    CHECK_STATUS(ebb_session_close(f.session, NULL, &t->error), EBB_E_STALE);
}

typedef struct notes {
    char text[8192];
    size_t length;
} notes;

static void note_line(void *context, ebb_log_level level, const char *line)
{
    notes *n = context;

    (void)level;
    n->length += (size_t)snprintf(n->text + n->length, sizeof n->text - n->length, "%s\n", line);
    CHECK(n->length < sizeof n->text);
}

static bool note_text(void *context, const char *text, size_t length)
{
    notes *n = context;

    if (length >= sizeof n->text - n->length) return false;
    memcpy(n->text + n->length, text, length);
    n->length += length;
    return true;
}

TEST(who_holds_what_is_told)
{
    notes log = {{0}, 0}, table = {{0}, 0}, json = {{0}, 0};
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_graph_options named = EBB_GRAPH_OPTIONS_INIT;
    fixture f;

    options.log_level = EBB_LOG_INFO;
    options.log = note_line;
    options.log_context = &log;
    named.name = "forgotten";
    CHECK_OK(ebb_runtime_open(&options, &f.runtime, &t->error));
    CHECK_OK(ebb_graph_open(f.runtime, &named, &f.graph, &t->error));
    CHECK_OK(ebb_session_open(f.graph, NULL, &f.session, &t->error));
    CHECK_OK(ebb_memory_report(f.runtime, EBB_REPORT_TABLE, note_text, &table));
    CHECK_OK(ebb_memory_report(f.runtime, EBB_REPORT_JSON, note_text, &json));
    CHECK_CONTAINS(table.text, "\nforgotten ");
    CHECK_CONTAINS(table.text, "\nsession ");
    CHECK_CONTAINS(json.text, "{\"owner\":\"session\",\"live\":");
    CHECK_OK(ebb_runtime_close(f.runtime, NULL));
    CHECK_CONTAINS(log.text, "the runtime closes: a session was open, ");
    CHECK_CONTAINS(log.text, "the runtime closes: a graph was open, ");
}

/* -- reset ------------------------------------------------------------------------------------- */

TEST(a_reset_empties_one_graph)
{
    fixture f;
    float y[3];
    ebb_graph other;
    ebb_session beside;
    ebb_receipt receipt;
    ebb_graph_info info;
    ebb_tensor_info tensor;

    fixture_open(t, &f);
    CHECK_OK(ebb_graph_open(f.runtime, NULL, &other, &t->error));
    CHECK_OK(ebb_session_open(other, NULL, &beside, &t->error));
    const ebb_view view = {EBB_F32, 1, {3}, (void *)(uintptr_t)three};
    const ebb_tensor stays = ebb_neg(other, ebb_graph_constant(other, &view, NULL));
    const uint64_t before = fixture_live(&f);
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", fixture_vector(&f, 3, three));
    CHECK_OK(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error));
    CHECK_OK(ebb_graph_finalize(f.graph));
    CHECK(fixture_live(&f) > before);
    CHECK_OK(ebb_graph_reset(f.graph, &receipt, &t->error));
    CHECK_EQ(fixture_live(&f), before);
    CHECK(receipt.bytes_total > 0);
    CHECK_EQ(receipt.live_after, before);
    CHECK_OK(ebb_graph_info_read(f.graph, &info));
    CHECK_EQ(info.operations, 0);
    CHECK_EQ(info.resets, 1);
    CHECK_EQ(info.sessions, 1);
    CHECK(!info.is_finalized);
    CHECK_STATUS(ebb_graph_tensor_info(f.graph, w, &tensor), EBB_E_STALE);
    CHECK_STATUS(ebb_session_fetch(f.session, w, &(ebb_view){.data = y}, &t->error), EBB_E_STALE);
    CHECK_CONTAINS(t->error.text, "before the graph was reset");
    CHECK_EQ(ebb_neg(f.graph, w).id, 0);
    CHECK_STATUS(ebb_graph_error(f.graph, &t->error), EBB_E_STALE);
    const ebb_tensor v = ebb_graph_variable_from(f.graph, "w", fixture_vector(&f, 3, three));
    CHECK_STATUS(ebb_session_fetch(f.session, v, &(ebb_view){.data = y}, &t->error), EBB_E_STATE);
    CHECK_OK(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error));
    fixture_fetch(t, &f, v, y);
    fixture_numbers(t, y, three, 3);
    CHECK_OK(ebb_session_fetch(beside, stays, &(ebb_view){.data = y}, &t->error));
    CHECK_NEAR(y[2], -3, 0);
    CHECK_STATUS(ebb_graph_close(other, NULL, &t->error), EBB_E_STATE);
    CHECK_CONTAINS(t->error.text, "1 sessions");
    CHECK_OK(ebb_session_close(beside, NULL, &t->error));
    CHECK_OK(ebb_graph_close(other, &receipt, &t->error));
    CHECK(receipt.bytes_total > 0);
    fixture_close(t, &f);
}

/* -- wrong use --------------------------------------------------------------------------------- */

TEST(wrong_feeds_are_told)
{
    fixture f;
    float x[6] = {0}, y[6];
    double d[3] = {0};

    fixture_open(t, &f);
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "x", EBB_F32, 2, (int64_t[]){-1, 3});
    const ebb_tensor c = fixture_vector(&f, 3, three);
    const ebb_tensor r = ebb_add(f.graph, p, c);
    const ebb_view out = {.data = y};
    ebb_feed feeds[2] = {{p, {EBB_F32, 2, {2, 3}, x}}, {p, {EBB_F32, 2, {2, 3}, x}}};
    CHECK_STATUS(run(&f, NULL, 0, r, &out, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "must be fed");
    CHECK_CONTAINS(t->error.where, "x");
    CHECK_STATUS(run(&f, feeds, 2, r, &out, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "twice");
    CHECK_OK(run(&f, feeds, 1, r, &out, &t->error));
    feeds[0].view.dims[1] = 2;
    CHECK_STATUS(run(&f, feeds, 1, r, &out, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "(?, 3)");
    CHECK_CONTAINS(t->error.text, "(2, 2)");
    CHECK_CONTAINS(t->error.where, "x:0");
    feeds[0].view = (ebb_view){EBB_F32, 1, {3}, x};
    CHECK_STATUS(run(&f, feeds, 1, r, &out, &t->error), EBB_E_SHAPE);
    feeds[0].view = (ebb_view){EBB_F64, 2, {1, 3}, d};
    CHECK_STATUS(run(&f, feeds, 1, r, &out, &t->error), EBB_E_DTYPE);
    CHECK_CONTAINS(t->error.text, "float32");
    CHECK_CONTAINS(t->error.text, "float64");
    feeds[0].view = (ebb_view){EBB_F32, 2, {1, 3}, NULL};
    CHECK_STATUS(run(&f, feeds, 1, r, &out, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "no data");
    feeds[0] = (ebb_feed){c, {EBB_F32, 1, {3}, x}};
    CHECK_STATUS(run(&f, feeds, 1, r, &out, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "constant");
    CHECK_CONTAINS(t->error.where, "Const:0");
    fixture_close(t, &f);
}

TEST(wrong_fetches_are_told)
{
    fixture f, other;
    float x[3] = {1, 2, 3}, y[6];

    fixture_open(t, &f);
    fixture_open(t, &other);
    const ebb_tensor foreign = fixture_vector(&other, 3, three);
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "x", EBB_F32, 1, (int64_t[]){3});
    const ebb_tensor r = ebb_neg(f.graph, p);
    const ebb_tensor nothing = ebb_graph_group(f.graph, &r, 1, "nothing");
    const ebb_feed feed = {p, fixture_view(3, x)}, wrong = {foreign, fixture_view(3, x)};
    ebb_view out = {.data = y};
    CHECK_STATUS(run(&f, NULL, 0, foreign, &out, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "another graph");
    CHECK_STATUS(run(&f, &wrong, 1, r, &out, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(run(&f, NULL, 0, (ebb_tensor){0}, &out, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(run(&f, NULL, 0, nothing, &out, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "target");
    CHECK_STATUS(ebb_session_target(f.session, foreign, &t->error), EBB_E_ARGUMENT);
    out = (ebb_view){EBB_F32, 1, {4}, y};
    CHECK_STATUS(run(&f, &feed, 1, r, &out, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "(3,)");
    out = (ebb_view){EBB_I32, 1, {3}, y};
    CHECK_STATUS(run(&f, &feed, 1, r, &out, &t->error), EBB_E_DTYPE);
    out = (ebb_view){EBB_F32, 1, {3}, NULL};
    CHECK_STATUS(run(&f, &feed, 1, r, &out, &t->error), EBB_E_ARGUMENT);
    out = fixture_view(3, x + 1);
    CHECK_STATUS(run(&f, &feed, 1, r, &out, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "overlaps");
    CHECK_STATUS(run(&f, &feed, 1, r, NULL, &t->error), EBB_E_ARGUMENT);
    CHECK_EQ(ebb_add(f.graph, p, foreign).id, 0);
    CHECK_STATUS(ebb_graph_error(f.graph, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "another graph");
    ebb_view shape = {0};
    CHECK_OK(ebb_session_output_shapes(f.session, &feed, 1, &r, &shape, 1, &t->error));
    CHECK_EQ(shape.rank, 1);
    CHECK_EQ(shape.dims[0], 3);
    CHECK_EQ(shape.dtype, EBB_F32);
    fixture_close(t, &other);
    fixture_close(t, &f);
}

TEST(a_fault_of_the_graph_is_told_by_the_run)
{
    fixture f;
    float y[3];

    fixture_open(t, &f);
    const ebb_tensor bad =
        ebb_matmul(f.graph, fixture_vector(&f, 3, three), fixture_vector(&f, 3, three));
    const ebb_tensor chain = ebb_relu(f.graph, ebb_neg(f.graph, bad));
    CHECK_EQ(chain.id, 0);
    CHECK_STATUS(run(&f, NULL, 0, chain, &(ebb_view){.data = y}, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.where, "MatMul");
    CHECK_STATUS(ebb_graph_error(f.graph, &t->error), EBB_E_SHAPE);
    fixture_good(t, &f); /* told and forgotten */
    fixture_fetch(t, &f, ebb_neg(f.graph, fixture_vector(&f, 3, three)), y);
    CHECK_NEAR(y[0], -1, 0);
    fixture_close(t, &f);
}

TEST(gradients_know_their_limits)
{
    fixture f;
    float x[3] = {1, 2, 3}, h[3] = {4, 5, 6}, y[3];
    int32_t ones[3] = {1, 1, 1};
    ebb_tensor g[2];

    fixture_open(t, &f);
    const ebb_tensor p = ebb_graph_placeholder(f.graph, "x", EBB_F32, 1, (int64_t[]){3});
    const ebb_tensor other = ebb_graph_placeholder(f.graph, "z", EBB_F32, 1, (int64_t[]){3});
    const ebb_tensor n =
        ebb_graph_constant(f.graph, &(ebb_view){EBB_I32, 1, {3}, ones}, "integers");
    const ebb_tensor middle = ebb_square(f.graph, p), l = ebb_square(f.graph, middle);
    const ebb_tensor xs[] = {p, other};
    CHECK_OK(ebb_graph_gradients(f.graph, &l, 1, xs, 2, g, &t->error));
    CHECK_EQ(g[1].id, 0); /* nothing leads there */
    const ebb_feed feeds[] = {{p, fixture_view(3, x)}, {middle, fixture_view(3, h)}};
    CHECK_OK(run(&f, feeds, 1, g[0], &(ebb_view){.data = y}, &t->error));
    fixture_numbers(t, y, (float[]){4, 32, 108}, 3);
    CHECK_STATUS(run(&f, feeds, 2, g[0], &(ebb_view){.data = y}, &t->error), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "gradient goes through it");
    CHECK_STATUS(ebb_graph_gradients(f.graph, &l, 1, &n, 1, g + 1, &t->error), EBB_E_DTYPE);
    const ebb_tensor first = g[0];
    CHECK_STATUS(ebb_graph_gradients(f.graph, &first, 1, &p, 1, g + 1, &t->error),
                 EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "gradient of a gradient");
    const ebb_tensor cube = ebb_mul(f.graph, p, ebb_mul(f.graph, p, p));
    CHECK_OK(ebb_graph_gradients(f.graph, &cube, 1, &p, 1, g, &t->error));
    CHECK_OK(ebb_graph_gradients(f.graph, g, 1, &p, 1, g + 1, &t->error));
    CHECK_OK(run(&f, feeds, 1, g[1], &(ebb_view){.data = y}, &t->error));
    fixture_numbers(t, y, (float[]){6, 12, 18}, 3);
    fixture_good(t, &f);
    fixture_close(t, &f);
}

typedef struct inside {
    ebb_session session;
    ebb_status close, run;
    int lines;
} inside;

static void close_inside(void *context, ebb_log_level level, const char *line)
{
    inside *i = context;

    (void)level;
    if (i->session.id == 0 || strstr(line, "/device:") == NULL) return;
    i->lines++;
    i->close = ebb_session_close(i->session, NULL, NULL);
    i->run = ebb_session_target(i->session, (ebb_tensor){0}, NULL);
}

TEST(closing_from_inside_is_an_answer)
{
    fixture f;
    inside i = {0};
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_session_options session = EBB_SESSION_OPTIONS_INIT;
    float y[3];

    options.allocator = test_allocator(t);
    options.log = close_inside;
    options.log_context = &i;
    options.log_level = EBB_LOG_INFO;
    CHECK_OK(ebb_runtime_open(&options, &f.runtime, &t->error));
    f.before = fixture_live(&f);
    CHECK_OK(ebb_graph_open(f.runtime, NULL, &f.graph, &t->error));
    session.log_placement = true;
    CHECK_OK(ebb_session_open(f.graph, &session, &f.session, &t->error));
    i.session = f.session;
    fixture_fetch(t, &f, ebb_neg(f.graph, fixture_vector(&f, 3, three)), y);
    CHECK_EQ(i.lines, 2);
    CHECK_STATUS(i.close, EBB_E_STATE);
    CHECK_STATUS(i.run, EBB_E_STATE);
    i.session.id = 0;
    fixture_close(t, &f);
}

/* -- models ------------------------------------------------------------------------------------ */

TEST(a_model_is_called_and_not_kept)
{
    digits d;
    fixture f;
    float y[DIGITS_CLASSES], expected[DIGITS_CLASSES];
    ebb_model model;
    ebb_session_info info;
    ebb_tensor out, outs[2];

    digits_open(t, &d, NULL);
    f.runtime = d.runtime;
    CHECK_OK(ebb_model_load(d.runtime, digits_mlp, NULL, &model, &t->error));
    CHECK_OK(digits_predict(&d, model, 1, expected, &t->error));
    f.before = fixture_live(&f);
    CHECK_OK(ebb_graph_open(d.runtime, NULL, &f.graph, &t->error));
    CHECK_OK(ebb_session_open(f.graph, NULL, &f.session, &t->error));
    const ebb_tensor p =
        ebb_graph_placeholder(f.graph, "image", EBB_F32, 4, (int64_t[]){-1, 8, 8, 1});
    const ebb_tensor half = ebb_mul(f.graph, p, ebb_graph_number(f.graph, 0.5));
    const ebb_tensor whole = ebb_add(f.graph, half, half);
    CHECK_OK(ebb_graph_model_call(f.graph, model, &whole, 1, &out, 1, &t->error));
    const ebb_tensor r = ebb_mul(f.graph, out, ebb_graph_number(f.graph, 2));
    const ebb_feed feed = {p, {EBB_F32, 4, {1, 8, 8, 1}, d.x[0]}};
    CHECK_OK(run(&f, &feed, 1, r, &(ebb_view){.data = y}, &t->error));
    for (int i = 0; i < DIGITS_CLASSES; i++) CHECK_NEAR(y[i], 2 * expected[i], 1e-5);
    CHECK_OK(ebb_session_info_read(f.session, &info));
    CHECK_EQ(info.parts, 3);
    ebb_tensor g;
    CHECK_STATUS(ebb_graph_gradients(f.graph, &r, 1, &p, 1, &g, &t->error), EBB_E_UNSUPPORTED);
    const ebb_tensor small = ebb_graph_placeholder(f.graph, "s", EBB_F32, 2, (int64_t[]){1, 3});
    CHECK_STATUS(ebb_graph_model_call(f.graph, model, &small, 1, &out, 1, &t->error), EBB_E_SHAPE);
    CHECK_STATUS(ebb_graph_model_call(f.graph, model, &small, 1, outs, 2, &t->error),
                 EBB_E_ARGUMENT);
    y[0] = -1;
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    CHECK_STATUS(run(&f, &feed, 1, r, &(ebb_view){.data = y}, &t->error), EBB_E_STALE);
    CHECK_CONTAINS(t->error.text, "was unloaded");
    CHECK_NEAR(y[0], -1, 0); /* nothing was written */
    CHECK_OK(ebb_trim(f.runtime, NULL));
    CHECK_STATUS(run(&f, &feed, 1, r, &(ebb_view){.data = y}, &t->error), EBB_E_STALE);
    CHECK_OK(ebb_session_close(f.session, NULL, &t->error));
    CHECK_OK(ebb_graph_close(f.graph, NULL, &t->error));
    digits_close(t, &d);
}

TEST(a_forked_child_runs_and_closes_its_own)
{
    if (!test_forks_are_followed()) return;
    fixture f;
    float y[3];
    int result = 0;

    fixture_open(t, &f);
    const ebb_tensor w = ebb_graph_variable_from(f.graph, "w", fixture_vector(&f, 3, three));
    CHECK_OK(ebb_session_target(f.session, ebb_graph_initializer(f.graph), &t->error));
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        const ebb_view out = {.data = y};
        const bool good = ebb_session_fetch(f.session, w, &out, NULL) == EBB_OK && y[2] == 3 &&
                          ebb_session_close(f.session, NULL, NULL) == EBB_OK &&
                          ebb_runtime_close(f.runtime, NULL) == EBB_OK;
        _exit(good ? 0 : 1);
    }
    CHECK_EQ(waitpid(child, &result, 0), child);
    CHECK_EQ(WIFEXITED(result) ? WEXITSTATUS(result) : -1, 0);
    fixture_fetch(t, &f, w, y);
    fixture_close(t, &f);
}

TEST_MAIN(RUN(close_gives_everything_back), RUN(the_scope_of_a_session_can_go_first),
          RUN(limits_of_sessions_hold), RUN(plans_are_few_and_trimmed),
          RUN(a_thousand_sessions_leave_nothing), RUN(the_runtime_takes_all_along),
          RUN(who_holds_what_is_told), RUN(a_reset_empties_one_graph), RUN(wrong_feeds_are_told),
          RUN(wrong_fetches_are_told), RUN(a_fault_of_the_graph_is_told_by_the_run),
          RUN(gradients_know_their_limits), RUN(closing_from_inside_is_an_answer),
          RUN(a_model_is_called_and_not_kept), RUN(a_forked_child_runs_and_closes_its_own))
