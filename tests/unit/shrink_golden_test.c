/* shrink_golden_test.c -- int8 weights are those that Keras's quantize("int8") makes: the same
 * numbers, the same scales, along the same axes (golden/make_shrink.py). */
#include <string.h>

#include "built_models.h"
#include "format/format.h"
#include "json_case.h"
#include "shrink_models.h"
#include "temporary.h"

static ebb_model model_of(test *t, ebb_runtime r, const json *item)
{
    const json *input = json_get(item, "input");
    const ebb_dtype dtype = json_is_text(json_get(item, "dtype"), "int32") ? EBB_I32 : EBB_F32;
    int64_t dims[EBB_RANK_MAX];
    text_writer config;
    ebb_builder b;
    ebb_model model;

    for (uint32_t i = 0; i < input->count; i++) dims[i] = json_integer(json_item(input, i), 0);
    text_begin(&config, t->home);
    text_json_value(&config, json_get(item, "config"));
    CHECK_OK(ebb_build_open(r, "case", &b, &t->error));
    const ebb_tensor x = ebb_build_input(b, "x", dtype, input->count, dims);
    const ebb_tensor y = ebb_build_layer(b, json_text(json_get(item, "class"), ""), config.text, x);
    CHECK_OK(ebb_build_error(b, &t->error));
    CHECK_OK(ebb_build_finish(b, &y, 1, NULL, &model, &t->error));
    return model;
}

static void kernel_set(test *t, ebb_model model, const case_tensor *kernel)
{
    ebb_tensor_info info;
    ebb_view view = {.dtype = EBB_F32, .data = kernel->data};

    CHECK_EQ(ebb_model_weight(model, 0, &info), EBB_OK);
    view.rank = info.rank;
    memcpy(view.dims, info.dims, sizeof view.dims);
    CHECK_EQ(ebb_view_bytes(&view), tensor_desc_bytes(&kernel->desc));
    CHECK_OK(ebb_model_weight_set(model, 0, &view, &t->error));
}

/* What the file says: numbers and scales, bit for bit. */
static void check_file(test *t, const char *path, const json *item)
{
    const case_tensor numbers = json_case_floats(t->home, json_get(item, "numbers"));
    const case_tensor scale = json_case_floats(t->home, json_get(item, "scale"));
    const uint64_t count = tensor_desc_count(&numbers.desc);
    int8_t *found = region_alloc(t->home, count, 1);
    float scales[128];
    description *d = NULL;

    CHECK(found != NULL);
    CHECK_OK(format_read(t->home, path, NULL, &d, &t->error));
    CHECK_EQ(d->packed_count, 1);
    const packed_tensor *p = &d->packed[0];
    CHECK_EQ(packed_scale_count(&p->layout), tensor_desc_count(&scale.desc));
    CHECK_EQ(p->layout.rows * p->layout.columns, count);
    CHECK_OK(p->numbers->read(p->numbers, 0, count, found, &t->error));
    CHECK_OK(p->scales->read(p->scales, 0, packed_scale_count(&p->layout), scales, &t->error));
    for (uint64_t i = 0; i < count; i++) CHECK_EQ(found[i], (int)((float *)numbers.data)[i]);
    CHECK_EQ(memcmp(scales, scale.data, packed_scale_count(&p->layout) * sizeof *scales), 0);
    description_close(d);
}

TEST(numbers_and_scales_are_those_of_keras)
{
    const json *cases = json_get(json_case_file(t->home, EBB_GOLDEN "/shrink.json"), "cases");
    ebb_quantize_options options = EBB_QUANTIZE_OPTIONS_INIT;
    const ebb_runtime r = built_runtime(t);
    temporary folder;

    CHECK(cases != NULL && cases->count >= 5);
    options.elements_min = 1;
    temporary_open(&folder);
    for (uint32_t i = 0; i < cases->count; i++) {
        const json *item = json_item(cases, i);
        const path_text path = temporary_path(&folder, "case.keras");
        const case_tensor kernel = json_case_floats(t->home, json_get(item, "kernel"));
        const ebb_model model = model_of(t, r, item);
        ebb_shrink_report report;

        kernel_set(t, model, &kernel);
        CHECK_OK(ebb_model_quantize(model, &options, &report, &t->error));
        CHECK_EQ(report.changed, 1);
        CHECK_OK(ebb_model_save(model, path.text, NULL, &t->error));
        check_file(t, path.text, item);
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    }
    temporary_close(&folder);
    built_close(t, r);
}

TEST_MAIN(RUN(numbers_and_scales_are_those_of_keras))
