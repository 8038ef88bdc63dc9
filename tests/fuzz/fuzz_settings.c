/* fuzz_settings.c -- libFuzzer target: any texts as the options of compile, for a small model with
 * two outputs; what compiles makes a training step and a test step of two rows.
 *
 * The input is lines: optimizer, loss, metrics, weighted metrics, weights of losses. */
#include <stdio.h>
#include <stdlib.h>

#include "ebb/ebb.h"
#include "json_mutator.h"

#define MEMORY_MAX ((uint64_t)128 << 20)
#define ROWS       2
#define LINES      5

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t length_max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t length_max, unsigned seed)
{
    return json_mutate(bytes, length, length_max, seed);
}

typedef struct scene {
    ebb_runtime runtime;
    ebb_model model, first; /* the latter keeps the first weights */
    uint64_t live;
} scene;

static void must(ebb_status status, const ebb_error *error)
{
    if (status == EBB_OK) return;
    fprintf(stderr, "%s: %s: %s\n", ebb_status_name(status), error->where, error->text);
    __builtin_trap();
}

static uint64_t live(ebb_runtime runtime)
{
    ebb_memory memory = {0};

    must(ebb_memory_read(runtime, &memory), &(ebb_error){0});
    return memory.live;
}

static ebb_model build(ebb_runtime runtime)
{
    ebb_error error = {0};
    ebb_builder b;
    ebb_model model;

    must(ebb_build_open(runtime, NULL, &b, &error), &error);
    ebb_tensor x = ebb_build_input(b, "x", EBB_F32, 1, (int64_t[]){3});
    x = ebb_build_layer(b, "Dense", "units=4, activation='relu', name='body'", x);
    const ebb_tensor outputs[] = {
        ebb_build_layer(b, "Dense", "units=3, activation='softmax', name='a'", x),
        ebb_build_layer(b, "Dense", "units=1, activation='sigmoid', name='b'", x)};
    must(ebb_build_finish(b, outputs, 2, NULL, &model, &error), &error);
    return model;
}

/* One runtime for all inputs: what one leaves the next one meets. */
static void open_once(scene *s)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_error error = {0};

    if (s->runtime.id != 0) return;
    options.bytes_max = MEMORY_MAX;
    options.threads = 1;
    must(ebb_runtime_open(&options, &s->runtime, &error), &error);
    s->first = build(s->runtime);
    s->model = build(s->runtime);
    s->live = live(s->runtime);
}

/* Everything that can be said about a status. */
static void check(ebb_status status, const ebb_error *error)
{
    if (status == EBB_E_INTERNAL || (status != EBB_OK && error->text[0] == '\0'))
        must(EBB_E_INTERNAL, error);
}

/* Targets as classes or as one number per class; with sample weights or not. */
static ebb_status step(const scene *s, bool is_sparse, bool has_weights, ebb_error *error)
{
    static float x_data[ROWS][3] = {{0.5f, -1, 2}, {0, 0.25f, -3}};
    static float a_data[ROWS][3] = {{0, 1, 0}, {1, 0, 0}}, b_data[ROWS] = {1, 0};
    static float weight_data[ROWS] = {2, 0.5f};
    static int32_t class_data[ROWS] = {1, 0};
    const ebb_view x = {EBB_F32, 2, {ROWS, 3}, x_data};
    const ebb_view classes = {EBB_I32, 1, {ROWS}, class_data};
    const ebb_view numbers = {EBB_F32, 2, {ROWS, 3}, a_data};
    const ebb_view y[] = {is_sparse ? classes : numbers, {EBB_F32, 2, {ROWS, 1}, b_data}};
    const ebb_view weight = {EBB_F32, 1, {ROWS}, weight_data};
    const ebb_batch batch = {{&x, 1}, {y, 2}, {&weight, has_weights ? 1 : 0}};
    ebb_status status = ebb_model_train_on_batch(s->model, &batch, NULL, NULL, error);

    check(status, error);
    if (status == EBB_OK) {
        status = ebb_model_test_on_batch(s->model, &batch, NULL, NULL, error);
        check(status, error);
    }
    return status;
}

static void exercise(const scene *s, const ebb_compile_options *options, bool has_weights)
{
    ebb_error error = {0};
    ebb_status status = ebb_model_compile(s->model, options, &error);

    check(status, &error);
    if (status == EBB_OK) {
        status = step(s, false, has_weights, &error);
        if (status != EBB_OK) (void)step(s, true, has_weights, &error);
        must(ebb_model_uncompile(s->model, NULL, &error), &error);
    }
    if (live(s->runtime) != s->live) __builtin_trap();
    must(ebb_model_weights_copy(s->first, s->model, NULL, NULL, &error), &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static scene s;
    ebb_compile_options options = EBB_COMPILE_OPTIONS_INIT;
    const char **const texts[LINES] = {&options.optimizer, &options.loss, &options.metrics,
                                       &options.weighted_metrics, &options.loss_weights};
    char *const text = malloc(length + 1);

    if (text == NULL) return 0;
    if (length > 0) memcpy(text, bytes, length);
    text[length] = '\0';
    char *at = text;
    for (int i = 0; i < LINES && at != NULL; i++) {
        char *const end = strchr(at, '\n');
        if (end != NULL) *end = '\0';
        if (at[0] != '\0') *texts[i] = at;
        at = end == NULL ? NULL : end + 1;
    }
    open_once(&s);
    options.batch = ROWS;
    exercise(&s, &options, length % 2 == 1);
    free(text);
    return 0;
}
