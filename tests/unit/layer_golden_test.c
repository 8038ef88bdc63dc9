/* layer_golden_test.c -- every layer of the table against Keras's own answers, golden/layers/
 * (make_layers.py).
 *
 * Each model is loaded as Keras keeps it and again for inference only, for the golden's own batch
 * and for one row at a time. An entry of the table without a golden fails. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "ebb/ebb.h"
#include "harness.h"

#define FOLDER EBB_GOLDEN "/layers/"
#define PORTS  4
#define ROWS   3

typedef struct golden {
    ebb_arrays arrays;
    ebb_view in[PORTS], out[PORTS];
    uint32_t in_count, out_count;
} golden;

static void golden_open(test *t, ebb_runtime runtime, const char *name, golden *g)
{
    char path[512];

    memset(g, 0, sizeof *g);
    snprintf(path, sizeof path, FOLDER "%s.npz", name);
    CHECK_OK(ebb_arrays_open(runtime, path, &g->arrays, &t->error));
    for (uint32_t i = 0; i < ebb_arrays_count(g->arrays); i++) {
        const char *member;
        ebb_view view;
        CHECK_OK(ebb_arrays_read(g->arrays, i, &member, &view));
        const bool is_input = strncmp(member, "in/", 3) == 0;
        const uint32_t port = (uint32_t)atoi(strchr(member, '/') + 1);
        CHECK(port < PORTS);
        (is_input ? g->in : g->out)[port] = view;
        *(is_input ? &g->in_count : &g->out_count) += 1;
    }
}

/* Is what the model makes of these inputs what Keras made? */
static bool answers(test *t, ebb_model model, const golden *g, const ebb_view *in,
                    const ebb_view *want, const char *name)
{
    static char memory[PORTS][65536];
    ebb_view out[PORTS] = {0};
    double worst;
    const ebb_views inputs = {in, g->in_count}, outputs = {out, g->out_count};

    CHECK_OK(ebb_model_output_shapes(model, &inputs, out, g->out_count, &t->error));
    for (uint32_t i = 0; i < g->out_count; i++) {
        CHECK(ebb_view_bytes(&out[i]) <= sizeof memory[i]);
        out[i].data = memory[i];
    }
    const ebb_status status = ebb_model_predict(model, &inputs, &outputs, &t->error);
    if (status != EBB_OK) {
        print_message("%s: %s: %s\n", name, t->error.where, t->error.text);
        return false;
    }
    for (uint32_t i = 0; i < g->out_count; i++) {
        if (compare_views(&out[i], &want[i], 1e-5, 1e-5, &worst)) continue;
        print_message("%s: output %u is off by %g more than allowed\n", name, i, worst);
        return false;
    }
    return true;
}

/* Row `row` of a view with the batch axis first. */
static ebb_view row_of(ebb_view view, int64_t row)
{
    view.data = (char *)view.data + ebb_view_bytes(&view) / ROWS * (size_t)row;
    view.dims[0] = 1;
    return view;
}

static bool model_agrees(test *t, ebb_runtime runtime, const char *name, bool inference_only)
{
    char path[512];
    golden g;
    ebb_model model;
    ebb_load_options options = EBB_LOAD_OPTIONS_INIT;
    ebb_plan plan;
    ebb_memory memory;

    snprintf(path, sizeof path, FOLDER "%s.keras", name);
    options.inference_only = inference_only;
    options.batch = ROWS;
    if (ebb_model_load(runtime, path, &options, &model, &t->error) != EBB_OK) {
        print_message("%s: %s: %s\n", name, t->error.where, t->error.text);
        return false;
    }
    CHECK_OK(ebb_model_plan(runtime, path, &options, &plan, &t->error));
    CHECK_OK(ebb_model_memory_read(model, &memory));
    CHECK_EQ(plan.total, memory.live);
    golden_open(t, runtime, name, &g);
    bool agrees = answers(t, model, &g, g.in, g.out, name);
    for (int64_t row = 0; row < ROWS && agrees; row++) {
        ebb_view in[PORTS], out[PORTS];
        for (uint32_t i = 0; i < PORTS; i++) {
            in[i] = row_of(g.in[i], row);
            out[i] = row_of(g.out[i], row);
        }
        agrees = answers(t, model, &g, in, out, name);
    }
    CHECK_OK(ebb_arrays_close(g.arrays));
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    return agrees;
}

static void all_agree(test *t, bool inference_only)
{
    const ebb_runtime_options options = {.struct_size = sizeof options,
                                         .allocator = test_allocator(t)};
    ebb_runtime runtime;
    uint32_t seen = 0, wrong = 0;
    DIR *folder = opendir(FOLDER);

    CHECK(folder != NULL);
    CHECK_OK(ebb_runtime_open(&options, &runtime, &t->error));
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char *end, name[256];
        snprintf(name, sizeof name, "%s", entry->d_name);
        end = strstr(name, ".keras");
        if (end == NULL) continue;
        *end = '\0';
        seen++;
        wrong += !model_agrees(t, runtime, name, inference_only);
    }
    closedir(folder);
    CHECK_OK(ebb_runtime_close(runtime, NULL));
    CHECK_EQ(wrong, 0);
    CHECK(seen >= ebb_layer_count());
}

TEST(layers_answer_as_keras_does)
{
    all_agree(t, false);
}

TEST(layers_for_inference_only_answer_the_same)
{
    all_agree(t, true);
}

TEST(every_layer_of_the_table_has_a_golden)
{
    uint32_t missing = 0;

    for (uint32_t i = 0; i < ebb_layer_count(); i++) {
        ebb_layer_info info;
        char path[512];
        CHECK(ebb_layer_read(i, &info));
        if (strcmp(info.name, "InputLayer") == 0) continue; /* part of every golden */
        snprintf(path, sizeof path, FOLDER "%s.0.keras", info.name);
        FILE *file = fopen(path, "rb");
        if (file != NULL) {
            fclose(file);
        } else {
            print_message("no golden for %s\n", info.name);
            missing++;
        }
    }
    CHECK_EQ(missing, 0);
}

TEST_MAIN(RUN(layers_answer_as_keras_does), RUN(layers_for_inference_only_answer_the_same),
          RUN(every_layer_of_the_table_has_a_golden))
