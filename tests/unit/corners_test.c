/* corners_test.c -- models whose shapes, masks or weights are out of the ordinary, against Keras's
 * own answers, golden/corners/ (make_corners.py). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "ebb/ebb.h"
#include "harness.h"

#define PORTS 4
#define BYTES 4096

typedef struct corner {
    ebb_arrays arrays;
    ebb_view in[PORTS], want[PORTS], out[PORTS];
    uint32_t in_count, out_count;
    char memory[PORTS][BYTES];
} corner;

static void corner_open(test *t, ebb_runtime runtime, const char *name, corner *c)
{
    char path[512];

    memset(c, 0, sizeof *c);
    snprintf(path, sizeof path, EBB_GOLDEN "/corners/%s.npz", name);
    CHECK_OK(ebb_arrays_open(runtime, path, &c->arrays, &t->error));
    for (uint32_t i = 0; i < ebb_arrays_count(c->arrays); i++) {
        const char *member;
        ebb_view view;
        CHECK_OK(ebb_arrays_read(c->arrays, i, &member, &view));
        const bool is_input = strncmp(member, "in/", 3) == 0;
        const uint32_t port = (uint32_t)atoi(strchr(member, '/') + 1);
        CHECK(port < PORTS);
        (is_input ? c->in : c->want)[port] = view;
        *(is_input ? &c->in_count : &c->out_count) += 1;
    }
}

static void corner_check(test *t, ebb_model model, corner *c)
{
    const ebb_views inputs = {c->in, c->in_count}, outputs = {c->out, c->out_count};
    double worst;

    CHECK_OK(ebb_model_output_shapes(model, &inputs, c->out, c->out_count, &t->error));
    for (uint32_t i = 0; i < c->out_count; i++) {
        CHECK(ebb_view_bytes(&c->out[i]) <= BYTES);
        c->out[i].data = c->memory[i];
    }
    CHECK_OK(ebb_model_predict(model, &inputs, &outputs, &t->error));
    for (uint32_t i = 0; i < c->out_count; i++) {
        CHECK(compare_views(&c->out[i], &c->want[i], 1e-5, 1e-5, &worst));
    }
}

/* Loaded in full and for inference only, with the batch named and not. */
static void corner_agrees(test *t, const char *name, const char *ending)
{
    static corner c;
    const ebb_runtime_options options = {.struct_size = sizeof options,
                                         .allocator = test_allocator(t)};
    char path[512];
    ebb_runtime runtime;

    snprintf(path, sizeof path, EBB_GOLDEN "/corners/%s.%s", name, ending);
    CHECK_OK(ebb_runtime_open(&options, &runtime, &t->error));
    corner_open(t, runtime, name, &c);
    for (uint32_t mode = 0; mode < 4; mode++) {
        ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
        ebb_model model;
        load.inference_only = (mode & 1) != 0;
        load.batch = (mode & 2) != 0 ? (uint32_t)c.in[0].dims[0] : 0;
        CHECK_OK(ebb_model_load(runtime, path, &load, &model, &t->error));
        corner_check(t, model, &c);
        corner_check(t, model, &c);
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    CHECK_OK(ebb_arrays_close(c.arrays));
    CHECK_OK(ebb_runtime_close(runtime, NULL));
}

TEST(the_file_fixes_the_rows)
{
    corner_agrees(t, "rows_fixed", "keras");
    corner_agrees(t, "rows_fixed_in_one_input", "keras");
}

/* Axis 0 is the height of one image: one row would be too few. */
TEST(axis_0_is_no_batch)
{
    corner_agrees(t, "one_image", "keras");
}

/* The mask's lengths are known with the call only, and no guess fits them before. */
TEST(an_attention_mask_has_no_rows)
{
    corner_agrees(t, "mask_without_rows", "keras");
}

/* Rows without any step to look at are among them. */
TEST(masks_travel_through_attention)
{
    corner_agrees(t, "mask_of_heads", "keras");
    corner_agrees(t, "mask_of_attention", "keras");
}

/* Keras's MultiHeadAttention takes the mask off its input. */
TEST(the_second_block_finds_no_mask)
{
    corner_agrees(t, "mask_of_blocks", "keras");
}

TEST(adapted_layers_of_h5_files)
{
    corner_agrees(t, "lora_dense", "h5");
    corner_agrees(t, "lora_einsum_dense", "h5");
    corner_agrees(t, "lora_conv1d", "h5");
}

TEST_MAIN(RUN(the_file_fixes_the_rows), RUN(axis_0_is_no_batch), RUN(an_attention_mask_has_no_rows),
          RUN(masks_travel_through_attention), RUN(the_second_block_finds_no_mask),
          RUN(adapted_layers_of_h5_files))
