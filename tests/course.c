/* course.c -- see course.h. */
#include "course.h"

#include <time.h>

#define FOR_EVER 4000000000u /* epochs */

void course_open(test *t, course *c, const ebb_runtime_options *runtime)
{
    float y[DIGITS_ROWS * DIGITS_CLASSES];

    *c = (course){.options = EBB_FIT_OPTIONS_INIT};
    digits_open(t, &c->d, runtime);
    c->idle = digits_live(&c->d);
    CHECK_OK(ebb_model_load(c->d.runtime, digits_mlp, NULL, &c->model, &t->error));
    CHECK_OK(digits_predict(&c->d, c->model, DIGITS_ROWS, y, &t->error)); /* plans are cached */
    c->loaded = digits_live(&c->d);
    for (int i = 0; i < DIGITS_ROWS; i++) c->labels[i] = i % DIGITS_CLASSES;
    c->x = (ebb_view){EBB_F32, 4, {DIGITS_ROWS, 8, 8, 1}, c->d.x};
    c->y = (ebb_view){EBB_I32, 1, {DIGITS_ROWS}, c->labels};
    c->data = (ebb_data){.x = {&c->x, 1}, .y = {&c->y, 1}};
    c->batch = (ebb_batch){.x = {&c->x, 1}, .y = {&c->y, 1}};
    c->options.batch_size = 4;
}

ebb_status course_compile(const course *c, ebb_error *error)
{
    ebb_compile_options o = EBB_COMPILE_OPTIONS_INIT;

    o.optimizer = "{\"class_name\": \"Adam\", \"config\": {\"learning_rate\": 0.01}}";
    o.loss = "sparse_categorical_crossentropy";
    o.metrics = "[\"accuracy\"]";
    o.batch = 4;
    return ebb_model_compile(c->model, &o, error);
}

ebb_status course_fit(const course *c, ebb_error *error)
{
    return ebb_model_fit(c->model, &c->data, &c->options, error);
}

ebb_status course_step(const course *c, ebb_error *error)
{
    return ebb_model_train_on_batch(c->model, &c->batch, NULL, NULL, error);
}

void course_uncompile(test *t, const course *c)
{
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_memory memory;

    if (ebb_model_compiled(c->model)) CHECK_OK(ebb_model_uncompile(c->model, NULL, &t->error));
    CHECK_OK(digits_predict(&c->d, c->model, DIGITS_ROWS, y, &t->error));
    CHECK_EQ(digits_live(&c->d), c->loaded);
    CHECK_OK(ebb_memory_read(c->d.runtime, &memory));
    CHECK_EQ(memory.descriptors, 0);
}

void course_unload(test *t, const course *c)
{
    CHECK_OK(ebb_model_unload(c->model, NULL, NULL, &t->error));
    CHECK_EQ(digits_live(&c->d), c->idle);
}

void course_close(test *t, course *c)
{
    course_uncompile(t, c);
    course_unload(t, c);
    digits_close(t, &c->d);
}

/* -- a fit in a thread ------------------------------------------------------------------------- */

static void sleep_ms(long ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static bool pass_gate(void *context, const ebb_training_event *event)
{
    trainer *r = context;

    if (event->moment != EBB_BATCH_END) return true;
    atomic_fetch_add(&r->batches, 1);
    while (atomic_load(&r->is_closed)) {
        atomic_store(&r->is_inside, true);
        sleep_ms(1);
    }
    atomic_store(&r->is_inside, false);
    return true;
}

static void *fit_on(void *context)
{
    trainer *r = context;

    r->status = course_fit(&r->c, NULL);
    return NULL;
}

void trainer_open(test *t, trainer *r)
{
    *r = (trainer){.callback = {.function = pass_gate, .context = r}};
    course_open(t, &r->c, NULL);
    r->c.options.epochs = FOR_EVER;
    r->c.options.callbacks = &r->callback;
    r->c.options.callback_count = 1;
}

void trainer_start(test *t, trainer *r, bool is_closed)
{
    CHECK_OK(course_compile(&r->c, &t->error));
    atomic_store(&r->is_closed, is_closed);
    atomic_store(&r->batches, 0);
    CHECK_EQ(pthread_create(&r->thread, NULL, fit_on, r), 0);
    while (is_closed ? !atomic_load(&r->is_inside) : atomic_load(&r->batches) < 3) sleep_ms(1);
}

void trainer_join(trainer *r)
{
    atomic_store(&r->is_closed, false);
    CHECK_EQ(pthread_join(r->thread, NULL), 0);
    CHECK_STATUS(r->status, EBB_E_CANCELLED);
}
