/* feed_test.c -- data sets and feeds: arrays, files and functions, batch by batch; what is copied
 * and what not; class weights; faults, and nothing left after them. */
#include "train/data/feed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "fake_engine.h"
#include "format/zip_writer.h"
#include "temporary.h"
#include "tensor/npy.h"

#define ROWS 10

typedef struct arrays {
    float x[ROWS][2];
    int32_t y[ROWS];
    float w[ROWS];
    ebb_view views[3];
    ebb_data data;
} arrays;

static void arrays_make(arrays *a)
{
    for (int i = 0; i < ROWS; i++) {
        a->x[i][0] = (float)i;
        a->x[i][1] = (float)i + 0.5f;
        a->y[i] = i % 3;
        a->w[i] = 1.0f + (float)i / 10;
    }
    a->views[0] = (ebb_view){EBB_F32, 2, {ROWS, 2}, a->x};
    a->views[1] = (ebb_view){EBB_I32, 1, {ROWS}, a->y};
    a->views[2] = (ebb_view){EBB_F32, 1, {ROWS}, a->w};
    a->data = (ebb_data){.x = {&a->views[0], 1}, .y = {&a->views[1], 1}};
}

static feed *open_feed(test *t, const engine *e, const ebb_data *data, const feed_options *o,
                       data_set **set)
{
    feed *f = NULL;

    CHECK_OK(data_set_open(t->home, e, data, "data", set, &t->error));
    CHECK_OK(feed_open(t->home, e, *set, o, &f, &t->error));
    return f;
}

static void close_feed(feed *f, data_set *set)
{
    feed_close(f);
    data_set_close(set);
}

/* One epoch: its batches' rows and first values into text, "4:0 1 2 3|2:4 5". */
static const char *epoch_text(test *t, feed *f, uint32_t epoch, char *text, size_t size)
{
    const ebb_batch *batch = NULL;
    size_t used = 0;

    text[0] = '\0';
    feed_begin(f, epoch);
    for (;;) {
        CHECK_OK(feed_next(f, &batch, &t->error));
        if (batch == NULL) break;
        const ebb_view *x = &batch->x.items[0];
        used += (size_t)snprintf(text + used, size - used, "%s%d:", used > 0 ? "|" : "",
                                 (int)x->dims[0]);
        for (int64_t i = 0; i < x->dims[0]; i++) {
            const float *row = (const float *)x->data + i * 2;

            CHECK_NEAR(row[1], row[0] + 0.5, 0);
            if (batch->y.count > 0 && batch->y.items[0].dtype == EBB_I32)
                CHECK_EQ(((const int32_t *)batch->y.items[0].data)[i], (int)row[0] % 3);
            used += (size_t)snprintf(text + used, size - used, "%s%g", i > 0 ? " " : "",
                                     (double)row[0]);
        }
    }
    CHECK_OK(feed_end(f, &t->error));
    return text;
}

TEST(arrays_in_order_are_borrowed)
{
    fake_engine e;
    arrays a;
    data_set *set;
    char text[256];
    const ebb_batch *batch;

    arrays_make(&a);
    fake_engine_open(t, &e, 2);
    feed *f = open_feed(t, &e.base, &a.data, &(feed_options){.batch_size = 4}, &set);
    CHECK_EQ(feed_steps(f), 3);
    CHECK_TEXT(epoch_text(t, f, 0, text, sizeof text), "4:0 1 2 3|4:4 5 6 7|2:8 9");
    CHECK_TEXT(epoch_text(t, f, 1, text, sizeof text), "4:0 1 2 3|4:4 5 6 7|2:8 9");
    feed_begin(f, 2);
    CHECK_OK(feed_next(f, &batch, &t->error));
    CHECK(batch->x.items[0].data == (void *)a.x[0]);
    CHECK_OK(feed_next(f, &batch, &t->error));
    CHECK(batch->x.items[0].data == (void *)a.x[4]);
    CHECK(batch->y.items[0].data == (void *)(a.y + 4));
    CHECK_EQ(batch->sample_weight.count, 0);
    CHECK_EQ(ledger_threads(t->ledger), 0);
    close_feed(f, set);
}

TEST(batches_have_keras_default_sizes)
{
    fake_engine e;
    float many[100][2] = {{0}};
    const ebb_view view = {EBB_F32, 2, {100, 2}, many};
    const ebb_data data = {.x = {&view, 1}};
    data_set *set;

    fake_engine_open(t, &e, 2);
    feed *f = open_feed(t, &e.base, &data, &(feed_options){0}, &set);
    CHECK_EQ(feed_steps(f), 4); /* of 32 */
    close_feed(f, set);
    f = open_feed(t, &e.base, &data, &(feed_options){.steps = 7}, &set);
    const ebb_batch *batch;
    feed_begin(f, 0);
    CHECK_OK(feed_next(f, &batch, &t->error));
    CHECK_EQ(batch->x.items[0].dims[0], 15); /* ceil(100 / 7) */
    close_feed(f, set);
}

TEST(shuffling_is_by_seed_and_epoch)
{
    fake_engine e;
    arrays a;
    data_set *set;
    char first[256], text[256], resumed[256];
    uint32_t seen = 0;

    arrays_make(&a);
    fake_engine_open(t, &e, 2);
    const feed_options o = {.batch_size = 4, .shuffles = true, .seed = 11};
    feed *f = open_feed(t, &e.base, &a.data, &o, &set);
    epoch_text(t, f, 0, first, sizeof first);
    for (char digit = '0'; digit <= '9'; digit++) seen += strchr(first + 2, digit) != NULL;
    CHECK_EQ(seen, 10);
    CHECK(strcmp(first, "4:0 1 2 3|4:4 5 6 7|2:8 9") != 0);
    CHECK(strcmp(epoch_text(t, f, 1, text, sizeof text), first) != 0);
    close_feed(f, set);
    /* the same run again, and one that begins with epoch 1 */
    f = open_feed(t, &e.base, &a.data, &o, &set);
    CHECK_TEXT(epoch_text(t, f, 1, resumed, sizeof resumed), text);
    CHECK_TEXT(epoch_text(t, f, 0, resumed, sizeof resumed), first);
    close_feed(f, set);
}

TEST(steps_go_on_over_epochs)
{
    fake_engine e;
    arrays a;
    data_set *set;
    char text[256];

    arrays_make(&a);
    fake_engine_open(t, &e, 2);
    feed *f = open_feed(t, &e.base, &a.data, &(feed_options){.batch_size = 2, .steps = 3}, &set);
    CHECK_EQ(feed_steps(f), 3);
    CHECK_TEXT(epoch_text(t, f, 0, text, sizeof text), "2:0 1|2:2 3|2:4 5");
    CHECK_TEXT(e.log, "");
    CHECK_TEXT(epoch_text(t, f, 1, text, sizeof text), "2:6 7|2:8 9"); /* Keras ends here too */
    CHECK_CONTAINS(e.log, "the data ended after 2 of 3 steps");
    CHECK_TEXT(epoch_text(t, f, 2, text, sizeof text), "2:0 1|2:2 3|2:4 5");
    feed_restart(f);
    CHECK_TEXT(epoch_text(t, f, 3, text, sizeof text), "2:0 1|2:2 3|2:4 5");
    close_feed(f, set);
    /* going on with epoch 2 after one step */
    f = open_feed(t, &e.base, &a.data, &(feed_options){.batch_size = 2, .steps = 3}, &set);
    feed_begin(f, 2);
    CHECK_OK(feed_skip(f, 2, 1, &t->error));
    const ebb_batch *batch;
    CHECK_OK(feed_next(f, &batch, &t->error));
    CHECK_NEAR(*(const float *)batch->x.items[0].data, 2, 0);
    CHECK_OK(feed_next(f, &batch, &t->error));
    CHECK_OK(feed_next(f, &batch, &t->error));
    CHECK(batch == NULL);
    close_feed(f, set);
}

TEST(splits_take_the_end)
{
    fake_engine e;
    arrays a;
    data_set *set;
    char text[256];
    int64_t first = 0;

    arrays_make(&a);
    fake_engine_open(t, &e, 2);
    CHECK_OK(data_set_open(t->home, &e.base, &a.data, "data", &set, &t->error));
    CHECK_OK(data_set_split(set, 0.3, &first, &t->error));
    CHECK_EQ(first, 7);
    CHECK_OK(data_set_split(set, 0.15, &first, &t->error));
    CHECK_EQ(first, 8);
    CHECK_STATUS(data_set_split(set, 0.999, &first, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "too few");
    feed *train = NULL, *rest = NULL;
    CHECK_OK(feed_open(t->home, &e.base, set, &(feed_options){.rows = 7, .shuffles = true}, &train,
                       &t->error));
    CHECK_OK(feed_open(t->home, &e.base, set, &(feed_options){.first = 7}, &rest, &t->error));
    epoch_text(t, train, 0, text, sizeof text);
    CHECK(strpbrk(text + 2, "789") == NULL);
    CHECK_TEXT(epoch_text(t, rest, 0, text, sizeof text), "3:7 8 9");
    feed_close(train);
    close_feed(rest, set);
}

/* -- files ------------------------------------------------------------------------------------- */

static void put_member(zip_writer *z, const char *name, const ebb_view *view, bool deflates)
{
    char head[256];
    npy_header h = {.dtype = view->dtype, .rank = view->rank};
    memcpy(h.dims, view->dims, sizeof h.dims);
    const size_t length = npy_header_write(&h, head);

    CHECK_OK(zip_writer_begin_member(z, name, length + ebb_view_bytes(view), deflates, NULL));
    CHECK_OK(zip_writer_put(z, head, length, NULL));
    CHECK_OK(zip_writer_put(z, view->data, ebb_view_bytes(view), NULL));
    CHECK_OK(zip_writer_end_member(z, NULL));
}

static void write_archive(test *t, const char *path, const char *x, const char *y, const arrays *a,
                          bool deflates)
{
    region *work = region_open(t->home, "archive", EBB_CLASS_SCRATCH, 0);
    file_writer file;
    zip_writer z;

    CHECK_OK(file_writer_open(work, path, &file, &t->error));
    zip_writer_begin(work, &file, &z);
    if (y != NULL) put_member(&z, y, &a->views[1], deflates);
    put_member(&z, x, &a->views[0], deflates);
    CHECK_OK(zip_writer_end(&z, &t->error));
    CHECK_OK(file_writer_commit(&file, &t->error));
    region_close(work);
}

static void check_files(test *t, fake_engine *e, const char *x, const char *y, bool has_thread)
{
    const ebb_data data = {.x_files = &x, .y_files = y != NULL ? &y : NULL};
    data_set *set;
    char text[256], memory[256];
    arrays a;

    arrays_make(&a);
    for (int shuffles = 0; shuffles < 2; shuffles++) {
        const feed_options o = {.batch_size = 4, .shuffles = shuffles, .seed = 5};
        feed *f = open_feed(t, &e->base, &data, &o, &set);

        CHECK_EQ(set->y_count, 1);
        CHECK_EQ(ledger_threads(t->ledger), has_thread);
        for (uint32_t epoch = 0; epoch < 3; epoch++) {
            epoch_text(t, f, epoch, text, sizeof text);
            if (!shuffles) CHECK_TEXT(text, "4:0 1 2 3|4:4 5 6 7|2:8 9");
        }
        close_feed(f, set);
        /* an order is the same for files and arrays */
        f = open_feed(t, &e->base, &a.data, &o, &set);
        for (uint32_t epoch = 0; epoch < 3; epoch++) epoch_text(t, f, epoch, memory, sizeof memory);
        CHECK_TEXT(text, memory);
        close_feed(f, set);
    }
    CHECK_EQ(ledger_descriptors(t->ledger), 0);
}

TEST(npy_and_npz_files)
{
    fake_engine e;
    arrays a;
    temporary d;

    temporary_open(&d);
    arrays_make(&a);
    fake_engine_open(t, &e, 2);
    const path_text x = temporary_path(&d, "x.npy"), y = temporary_path(&d, "y.npy");
    const path_text both = temporary_path(&d, "both.npz"), small = temporary_path(&d, "small.npz");
    const path_text named = temporary_path(&d, "named.npz"), one = temporary_path(&d, "one.npz");

    npy_write(x.text, &a.views[0]);
    npy_write(y.text, &a.views[1]);
    check_files(t, &e, x.text, y.text, true);
    write_archive(t, both.text, "x.npy", "y.npy", &a, false);
    check_files(t, &e, both.text, both.text, true);
    check_files(t, &e, both.text, NULL, true);
    write_archive(t, small.text, "x.npy", "y.npy", &a, true);
    check_files(t, &e, small.text, NULL, false);
    write_archive(t, named.text, "features.npy", "target.npy", &a, false);
    check_files(t, &e, named.text, NULL, true);
    write_archive(t, one.text, "whatever.npy", NULL, &a, false);
    check_files(t, &e, one.text, y.text, true);
    temporary_close(&d);
}

TEST(big_endian_files)
{
    fake_engine e;
    arrays a;
    temporary d;
    char head[256], bytes[256 + sizeof a.x];

    temporary_open(&d);
    arrays_make(&a);
    fake_engine_open(t, &e, 2);
    const path_text x = temporary_path(&d, "x.npy"), y = temporary_path(&d, "y.npy");
    const size_t length = npy_header_write(
        &(npy_header){.dtype = EBB_F32, .swapped = true, .rank = 2, .dims = {ROWS, 2}}, head);

    memcpy(bytes, head, length);
    memcpy(bytes + length, a.x, sizeof a.x);
    npy_swap(EBB_F32, bytes + length, ROWS * 2);
    file_write(x.text, bytes, length + sizeof a.x);
    npy_write(y.text, &a.views[1]);
    check_files(t, &e, x.text, y.text, true);
    temporary_close(&d);
}

TEST(tables)
{
    static const char whole[] = "a,b,c\n0,0.5,0\n1,1.5,1\n2,2.5,2\n3,3.5,0\n";
    static const char targets[] = "0\n1\n2\n0\n";
    fake_engine e;
    temporary d;
    data_set *set;
    char text[256];

    temporary_open(&d);
    fake_engine_open(t, &e, 2);
    const path_text a = temporary_path(&d, "a.csv"), b = temporary_path(&d, "b.csv");
    const char *paths[] = {a.text, b.text};
    file_write(a.text, whole, sizeof whole - 1);
    file_write(b.text, targets, sizeof targets - 1);

    const ebb_data alone = {.x_files = paths}, same = {.x_files = paths, .y_files = paths};
    const ebb_data *const ways[] = {&alone, &same};
    for (int i = 0; i < 2; i++) {
        feed *f = open_feed(t, &e.base, ways[i], &(feed_options){.batch_size = 3}, &set);
        CHECK_EQ(set->x_count, 1);
        CHECK_EQ(set->y_count, 1);
        CHECK_EQ(set->columns[0].rows.dims[1], 2);
        CHECK_EQ(set->columns[1].rows.dims[1], 1);
        CHECK_NEAR(((const float *)set->columns[1].rows.data)[2], 2, 0);
        CHECK_TEXT(epoch_text(t, f, 0, text, sizeof text), "3:0 1 2|1:3");
        CHECK_EQ(set->file_count, 1);
        close_feed(f, set);
    }
    const ebb_data apart = {.x_files = paths, .y_files = paths + 1, .sample_weight_file = b.text};
    CHECK_OK(data_set_open(t->home, &e.base, &apart, "data", &set, &t->error));
    CHECK_EQ(set->columns[0].rows.dims[1], 3);
    CHECK_EQ(set->columns[1].rows.dims[1], 1);
    CHECK_EQ(set->columns[2].rows.rank, 1);
    data_set_close(set);
    e.base.output_count = 2; /* two outputs take two columns */
    CHECK_OK(data_set_open(t->home, &e.base, &alone, "data", &set, &t->error));
    CHECK_EQ(set->columns[0].rows.dims[1], 1);
    CHECK_NEAR(((const float *)set->columns[1].rows.data)[3], 3.5, 0);
    CHECK_NEAR(((const float *)set->columns[2].rows.data)[2], 2, 0);
    data_set_close(set);
    const ebb_data few = {.x_files = paths + 1};
    CHECK_STATUS(data_set_open(t->home, &e.base, &few, "data", &set, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "2 of them are targets");
    temporary_close(&d);
}

/* 64 MiB of rows: class data holds two batches of 64 KiB, whatever the order is. */
TEST(large_files_take_two_batches)
{
    enum { COUNT = 4096, LENGTH = 4096, BATCH = 4 };
    fake_engine e;
    temporary d;
    data_set *set;
    char head[256];
    const ebb_batch *batch;

    temporary_open(&d);
    fake_engine_open(t, &e, 2);
    const path_text x = temporary_path(&d, "x.npy");
    const char *const path = x.text;
    const size_t length =
        npy_header_write(&(npy_header){.dtype = EBB_F32, .rank = 2, .dims = {COUNT, LENGTH}}, head);
    file_write(x.text, head, length);
    CHECK_EQ(truncate(x.text, (off_t)(length + (size_t)COUNT * LENGTH * 4)), 0);

    const uint64_t before = region_bytes_live(t->home);
    const ebb_data data = {.x_files = &path};
    const feed_options o = {.batch_size = BATCH, .shuffles = true};
    feed *f = open_feed(t, &e.base, &data, &o, &set);
    const uint64_t opened = region_bytes_live(t->home);
    CHECK(opened - before <= 2 * (BATCH * LENGTH * 4 + PAGE_BYTES) + 6 * PAGE_BYTES);
    feed_begin(f, 0);
    for (int i = 0; i < 200; i++) CHECK_OK(feed_next(f, &batch, &t->error));
    CHECK_EQ(region_bytes_live(t->home), opened);
    CHECK_OK(feed_end(f, &t->error));
    close_feed(f, set);
    CHECK_EQ(region_bytes_live(t->home), before);
    temporary_close(&d);
}

TEST(files_that_are_damaged_or_change)
{
    fake_engine e;
    arrays a;
    temporary d;
    data_set *set = NULL;
    char text[256];

    temporary_open(&d);
    arrays_make(&a);
    fake_engine_open(t, &e, 2);
    const path_text x = temporary_path(&d, "x.npy"), y = temporary_path(&d, "y.npy");
    const char *xs[] = {x.text}, *ys[] = {y.text};
    const ebb_data data = {.x_files = xs, .y_files = ys};
    npy_write(y.text, &a.views[1]);

    CHECK_STATUS(data_set_open(t->home, &e.base, &data, "data", &set, &t->error), EBB_E_NOT_FOUND);
    file_write(x.text, "not an array", 12);
    CHECK_STATUS(data_set_open(t->home, &e.base, &data, "data", &set, &t->error), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "not a .npy");
    file_write(x.text, "PK\3\4 nothing", 12);
    CHECK_STATUS(data_set_open(t->home, &e.base, &data, "data", &set, &t->error), EBB_E_FORMAT);
    npy_write(x.text, &a.views[0]);
    CHECK_EQ(truncate(x.text, 150), 0);
    CHECK_STATUS(data_set_open(t->home, &e.base, &data, "data", &set, &t->error), EBB_E_FORMAT);
    CHECK_CONTAINS(t->error.text, "truncated");
    ebb_view fewer = a.views[0];
    fewer.dims[0] = 9;
    npy_write(x.text, &fewer);
    CHECK_STATUS(data_set_open(t->home, &e.base, &data, "data", &set, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "y has 10 rows where x has 9");
    CHECK(set == NULL);

    npy_write(x.text, &a.views[0]);
    feed *f = open_feed(t, &e.base, &data, &(feed_options){.batch_size = 4}, &set);
    epoch_text(t, f, 0, text, sizeof text);
    CHECK_EQ(truncate(x.text, 140), 0);
    const ebb_batch *batch;
    ebb_status status = EBB_OK;
    feed_begin(f, 1);
    while (status == EBB_OK) {
        status = feed_next(f, &batch, &t->error);
        if (status == EBB_OK && batch == NULL) status = feed_end(f, &t->error);
    }
    CHECK_STATUS(status, EBB_E_IO);
    CHECK_CONTAINS(t->error.text, "shrank");
    close_feed(f, set);
    /* of the same size: seen at the end of the pass */
    npy_write(x.text, &a.views[0]);
    f = open_feed(t, &e.base, &data, &(feed_options){.batch_size = 4}, &set);
    const struct timespec later[2] = {{2000000000, 0}, {2000000000, 0}};
    CHECK_EQ(utimensat(AT_FDCWD, x.text, later, 0), 0);
    feed_begin(f, 0);
    for (int i = 0; i < 4; i++) CHECK_OK(feed_next(f, &batch, &t->error));
    CHECK_STATUS(feed_end(f, &t->error), EBB_E_IO);
    close_feed(f, set);
    temporary_close(&d);
}

/* -- functions --------------------------------------------------------------------------------- */

typedef struct generator {
    arrays a;
    ebb_view x, y, w;
    uint32_t at, batches, calls, restarts;
    ebb_status fails_with;
    bool is_empty, has_weights;
} generator;

static ebb_status generate(void *context, bool restart, ebb_batch *batch, ebb_error *error)
{
    generator *g = context;

    g->calls++;
    g->restarts += restart;
    if (restart) g->at = 0;
    if (g->fails_with != EBB_OK) return fail(error, g->fails_with, "generator", "broken");
    if (g->at == g->batches) return EBB_E_NOT_FOUND;
    g->x = (ebb_view){EBB_F32, 2, {g->is_empty ? 0 : 2, 2}, g->a.x[g->at * 2]};
    g->y = (ebb_view){EBB_I32, 1, {2}, g->a.y + g->at * 2};
    g->w = (ebb_view){EBB_F32, 1, {2}, g->a.w + g->at * 2};
    batch->x = (ebb_views){&g->x, 1};
    batch->y = (ebb_views){&g->y, 1};
    if (g->has_weights) batch->sample_weight = (ebb_views){&g->w, 1};
    g->at++;
    return EBB_OK;
}

TEST(functions)
{
    fake_engine e;
    generator g = {.batches = 3};
    const ebb_data data = {.next = generate, .context = &g};
    data_set *set;
    char text[256];
    int64_t first;

    arrays_make(&g.a);
    fake_engine_open(t, &e, 2);
    feed *f = open_feed(t, &e.base, &data, &(feed_options){0}, &set);
    CHECK_EQ(feed_steps(f), 0);
    CHECK_TEXT(epoch_text(t, f, 0, text, sizeof text), "2:0 1|2:2 3|2:4 5");
    CHECK_TEXT(epoch_text(t, f, 1, text, sizeof text), "2:0 1|2:2 3|2:4 5");
    CHECK_EQ(g.restarts, 2);
    CHECK_STATUS(data_set_split(set, 0.5, &first, &t->error), EBB_E_ARGUMENT);
    close_feed(f, set);

    g = (generator){.a = g.a, .batches = 5};
    f = open_feed(t, &e.base, &data, &(feed_options){.steps = 2}, &set);
    CHECK_TEXT(epoch_text(t, f, 0, text, sizeof text), "2:0 1|2:2 3");
    CHECK_TEXT(epoch_text(t, f, 1, text, sizeof text), "2:4 5|2:6 7");
    CHECK_TEXT(epoch_text(t, f, 2, text, sizeof text), "2:8 9");
    CHECK_CONTAINS(e.log, "after 1 of 2 steps");
    CHECK_TEXT(epoch_text(t, f, 3, text, sizeof text), "2:0 1|2:2 3");
    CHECK_EQ(g.restarts, 2);
    close_feed(f, set);
}

TEST(functions_that_fail)
{
    fake_engine e;
    generator g = {.batches = 0};
    const ebb_data data = {.next = generate, .context = &g};
    data_set *set;
    const ebb_batch *batch;

    arrays_make(&g.a);
    fake_engine_open(t, &e, 2);
    feed *f = open_feed(t, &e.base, &data, &(feed_options){0}, &set);
    feed_begin(f, 0);
    CHECK_STATUS(feed_next(f, &batch, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "no batch for this epoch");
    g.batches = 1;
    g.is_empty = true;
    feed_begin(f, 1);
    CHECK_STATUS(feed_next(f, &batch, &t->error), EBB_E_SHAPE);
    g.fails_with = EBB_E_IO;
    feed_begin(f, 2);
    CHECK_STATUS(feed_next(f, &batch, &t->error), EBB_E_IO);
    CHECK_TEXT(t->error.text, "broken");
    close_feed(f, set);
}

/* -- class weights ----------------------------------------------------------------------------- */

static class_weights weights_of(test *t, const char *text)
{
    class_weights w;

    CHECK_OK(class_weights_read(t->home, text, &w, &t->error));
    return w;
}

static void check_weights(test *t, const engine *e, const ebb_data *data, const class_weights *w,
                          const float *expected)
{
    data_set *set;
    const ebb_batch *batch;
    uint32_t row = 0;

    feed *f = open_feed(t, e, data, &(feed_options){.batch_size = 2, .weights = w}, &set);
    feed_begin(f, 0);
    for (;;) {
        CHECK_OK(feed_next(f, &batch, &t->error));
        if (batch == NULL) break;
        CHECK_EQ(batch->sample_weight.count, 1);
        const ebb_view *view = &batch->sample_weight.items[0];
        CHECK_EQ(view->rank, 1);
        CHECK_EQ(view->dims[0], 2);
        for (int i = 0; i < 2; i++) CHECK_NEAR(((const float *)view->data)[i], expected[row++], 0);
    }
    CHECK(row >= 6);
    close_feed(f, set);
}

TEST(weights_by_class)
{
    const float plain[ROWS] = {0.5f, 1, 4, 0.5f, 1, 4, 0.5f, 1, 4, 0.5f};
    float times[ROWS], hot[ROWS][3] = {{0}};
    fake_engine e;
    arrays a;
    generator g = {.batches = 3, .has_weights = true};

    arrays_make(&a);
    arrays_make(&g.a);
    fake_engine_open(t, &e, 2);
    const class_weights w = weights_of(t, "{\"0\": 0.5, \"2\": 4}");
    check_weights(t, &e.base, &a.data, &w, plain);
    for (int i = 0; i < ROWS; i++) {
        times[i] = plain[i] * a.w[i];
        hot[i][a.y[i]] = 1;
    }
    a.data.sample_weight = (ebb_views){&a.views[2], 1};
    check_weights(t, &e.base, &a.data, &w, times);
    const ebb_data function = {.next = generate, .context = &g};
    check_weights(t, &e.base, &function, &w, times);
    a.data.sample_weight = (ebb_views){NULL, 0};
    a.views[1] = (ebb_view){EBB_F32, 2, {ROWS, 3}, hot};
    check_weights(t, &e.base, &a.data, &w, plain);
    float column[ROWS];
    for (int i = 0; i < ROWS; i++) column[i] = (float)a.y[i];
    a.views[1] = (ebb_view){EBB_F32, 2, {ROWS, 1}, column};
    check_weights(t, &e.base, &a.data, &w, plain);
    a.views[1].rank = 3;
    a.views[1].dims[2] = 1;
    check_weights(t, &e.base, &a.data, &w, plain);
}

TEST(faults_of_class_weights)
{
    fake_engine e;
    arrays a;
    float cube[ROWS][3][2];
    data_set *set;
    feed *f = NULL;
    class_weights w;

    CHECK_STATUS(class_weights_read(t->home, "[1, 2]", &w, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(class_weights_read(t->home, "{}", &w, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(class_weights_read(t->home, "{\"a\": 1}", &w, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "'a'");
    CHECK_STATUS(class_weights_read(t->home, "{\"1\": \"x\"}", &w, &t->error), EBB_E_ARGUMENT);
    CHECK_STATUS(class_weights_read(t->home, "{1", &w, &t->error), EBB_E_FORMAT);
    w = weights_of(t, "{\"0\": 2}");
    arrays_make(&a);
    fake_engine_open(t, &e, 2);
    a.views[1] = (ebb_view){EBB_F32, 3, {ROWS, 3, 2}, cube};
    const feed_options o = {.weights = &w};
    CHECK_OK(data_set_open(t->home, &e.base, &a.data, "data", &set, &t->error));
    CHECK_STATUS(feed_open(t->home, &e.base, set, &o, &f, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "(10, 3, 2)");
    data_set_close(set);
    a.data.y.count = 0;
    CHECK_OK(data_set_open(t->home, &e.base, &a.data, "data", &set, &t->error));
    CHECK_STATUS(feed_open(t->home, &e.base, set, &o, &f, &t->error), EBB_E_ARGUMENT);
    CHECK_CONTAINS(t->error.text, "one target");
    data_set_close(set);
}

/* -- faults ------------------------------------------------------------------------------------ */

static void check_refused(test *t, const ebb_data *data, ebb_status status, const char *text)
{
    fake_engine e;
    data_set *set = NULL;

    fake_engine_open(t, &e, 2);
    CHECK_STATUS(data_set_open(t->home, &e.base, data, "data", &set, &t->error), status);
    CHECK_CONTAINS(t->error.text, text);
    CHECK(set == NULL);
}

TEST(faults_of_data)
{
    arrays a;
    const char *path = "x.npy";

    arrays_make(&a);
    check_refused(t, &(ebb_data){0}, EBB_E_ARGUMENT, "there are no data");
    check_refused(t, &(ebb_data){.x = a.data.x, .next = generate}, EBB_E_ARGUMENT, "give one of");
    check_refused(t, &(ebb_data){.y = a.data.y, .x_files = &path}, EBB_E_ARGUMENT, "give one of");
    a.views[1].dims[0] = 9;
    check_refused(t, &a.data, EBB_E_SHAPE, "y has 9 rows where x has 10");
    a.views[1].dims[0] = 0;
    check_refused(t, &a.data, EBB_E_SHAPE, "at least one row");
    a.views[1] = (ebb_view){EBB_I32, 0, {0}, a.y};
    check_refused(t, &a.data, EBB_E_SHAPE, "at least one row");
    a.views[1] = (ebb_view){EBB_I32, 1, {ROWS}, NULL};
    check_refused(t, &a.data, EBB_E_ARGUMENT, "no memory");
    a.views[1] = (ebb_view){(ebb_dtype)77, 1, {ROWS}, a.y};
    check_refused(t, &a.data, EBB_E_ARGUMENT, "no valid shape");
}

TEST(nothing_stays_after_a_failed_allocation)
{
    fake_engine e;
    arrays a;
    temporary d;
    char text[256];

    temporary_open(&d);
    arrays_make(&a);
    fake_engine_open(t, &e, 2);
    const path_text npz = temporary_path(&d, "a.npz"), csv = temporary_path(&d, "a.csv");
    const path_text deflated = temporary_path(&d, "b.npz");
    const char *const paths[] = {npz.text, deflated.text, csv.text};
    write_archive(t, npz.text, "x.npy", "y.npy", &a, false);
    write_archive(t, deflated.text, "x.npy", "y.npy", &a, true);
    file_write(csv.text, "0,0.5,0\n1,1.5,1\n", 16);
    const class_weights w = weights_of(t, "{\"0\": 2}");
    const feed_options o = {.batch_size = 4, .shuffles = true, .weights = &w};

    for (uint32_t i = 0; i < 4; i++) {
        const ebb_data files = {.x_files = &paths[i % 3]};
        const ebb_data *data = i < 3 ? &files : &a.data;
        const uint64_t before = region_bytes_live(t->home);

        for (int64_t n = 0;; n++) {
            data_set *set = NULL;
            feed *f = NULL;

            test_fail_allocation(t, n);
            ebb_status status = data_set_open(t->home, &e.base, data, "data", &set, &t->error);
            if (status == EBB_OK) status = feed_open(t->home, &e.base, set, &o, &f, &t->error);
            const bool failed = test_allocation_failed(t);
            test_fail_allocation(t, -1);
            CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
            if (status == EBB_OK) epoch_text(t, f, 0, text, sizeof text);
            close_feed(f, set);
            CHECK_EQ(region_bytes_live(t->home), before);
            CHECK_EQ(ledger_descriptors(t->ledger), 0);
            CHECK_EQ(ledger_threads(t->ledger), 0);
            if (!failed) break;
        }
    }
    temporary_close(&d);
}

TEST_MAIN(RUN(arrays_in_order_are_borrowed), RUN(batches_have_keras_default_sizes),
          RUN(shuffling_is_by_seed_and_epoch), RUN(steps_go_on_over_epochs),
          RUN(splits_take_the_end), RUN(npy_and_npz_files), RUN(big_endian_files), RUN(tables),
          RUN(large_files_take_two_batches), RUN(files_that_are_damaged_or_change), RUN(functions),
          RUN(functions_that_fail), RUN(weights_by_class), RUN(faults_of_class_weights),
          RUN(faults_of_data), RUN(nothing_stays_after_a_failed_allocation))
