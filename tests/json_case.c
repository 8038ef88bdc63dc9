/* json_case.c -- see json_case.h. */
#include "json_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX ((size_t)16 << 20)
#define RELATIVE       1e-5
#define ABSOLUTE       1e-6

const json *json_case_file(region *home, const char *path)
{
    FILE *const file = fopen(path, "rb");
    char *const text = region_alloc(home, 1, FILE_BYTES_MAX);
    const json *result = NULL;
    ebb_error error = {0};

    if (file == NULL) harness_fail(__FILE__, __LINE__, "%s cannot be read", path);
    CHECK(text != NULL);
    const size_t length = fread(text, 1, FILE_BYTES_MAX, file);
    fclose(file);
    CHECK(length < FILE_BYTES_MAX);
    CHECK_OK(json_read(home, text, length, path, &result, &error));
    return result;
}

/* -- tensors ----------------------------------------------------------------------------------- */

static double number_of(const json *x)
{
    if (x->kind == JSON_STRING) return strtod(x->as.string, NULL);
    if (x->kind == JSON_BOOL) return x->as.boolean;
    return json_number(x, (double)NAN);
}

/* Depth: the rank of the tensor, at most EBB_RANK_MAX. */
static void flatten(const json *x, double *numbers, uint64_t *count, bool *is_whole)
{
    if (x->kind != JSON_ARRAY) {
        *is_whole = *is_whole && x->kind == JSON_INTEGER;
        if (numbers != NULL) numbers[*count] = number_of(x);
        ++*count;
        return;
    }
    for (uint32_t i = 0; i < x->count; i++) flatten(json_item(x, i), numbers, count, is_whole);
}

static case_tensor tensor_of(region *home, const json *x, ebb_dtype wanted)
{
    int64_t dims[EBB_RANK_MAX];
    uint32_t rank = 0;
    uint64_t count = 0;
    bool is_whole = true;

    if (json_is_null(x)) return (case_tensor){.desc = {.dtype = EBB_DTYPE_NONE}};
    for (const json *at = x; at->kind == JSON_ARRAY; at = json_item(at, 0)) {
        CHECK(rank < EBB_RANK_MAX && at->count > 0);
        dims[rank++] = at->count;
    }
    flatten(x, NULL, &count, &is_whole);
    double *const numbers = region_new(home, double, count + 1);
    CHECK(numbers != NULL);
    count = 0;
    flatten(x, numbers, &count, &is_whole);
    const ebb_dtype dtype = wanted != EBB_DTYPE_NONE ? wanted : is_whole ? EBB_I32 : EBB_F32;
    const case_tensor t = case_tensor_make(home, dtype, rank, dims);
    CHECK_EQ(tensor_desc_count(&t.desc), count);
    for (uint64_t i = 0; i < count; i++) {
        if (dtype == EBB_I32)
            ((int32_t *)t.data)[i] = (int32_t)numbers[i];
        else if (dtype == EBB_F32)
            ((float *)t.data)[i] = (float)numbers[i];
        else
            ((uint8_t *)t.data)[i] = numbers[i] != 0;
    }
    return t;
}

case_tensor json_case_tensor(region *home, const json *numbers)
{
    return tensor_of(home, numbers, EBB_DTYPE_NONE);
}

case_tensor json_case_floats(region *home, const json *numbers)
{
    return tensor_of(home, numbers, EBB_F32);
}

case_tensor json_case_bools(region *home, const json *numbers)
{
    return tensor_of(home, numbers, EBB_BOOL);
}

value json_case_input(graph *g, const case_tensor *x)
{
    shape s = {.rank = x->desc.rank};

    if (x->desc.dtype == EBB_DTYPE_NONE) return VALUE_NONE;
    for (uint32_t i = 0; i < s.rank; i++) s.dims[i] = x->desc.dims[i];
    return graph_input(g, x->desc.dtype, &s);
}

/* -- configs ----------------------------------------------------------------------------------- */

static void put_members(text_writer *w, const json *object, const json *unless)
{
    for (uint32_t i = 0; object != NULL && i < object->count; i++) {
        const json_member *m = &object->as.members[i];
        if (json_get(unless, m->key) != NULL) continue;
        if (w->text[w->length - 1] != '{') text_put(w, ", ");
        text_json_string(w, m->key);
        text_put(w, ": ");
        text_json_value(w, &m->value);
    }
}

const json *json_case_object(region *home, const json *item, const char *class_name)
{
    const json *config = json_get(item, "config"), *what = NULL, *result = NULL;
    const char *text = json_text(json_get(item, "what"), "null");
    text_writer w;

    if (json_read(home, text, strlen(text), "what", &what, NULL) != EBB_OK) what = NULL;
    const json *arguments = json_item(what, 0);
    if (arguments != NULL && arguments->kind != JSON_OBJECT) arguments = json_item(what, 1);
    text_begin(&w, home);
    text_format(&w, "{\"class_name\": \"%s\", \"config\": {", class_name);
    put_members(&w, config, NULL);
    put_members(&w, arguments, config);
    text_put(&w, "}}");
    CHECK(!w.failed);
    CHECK_OK(json_read(home, w.text, w.length, "config", &result, NULL));
    return result;
}

const json *json_case_configured(region *home, const json *item, const char *class_name)
{
    static const json empty = {.kind = JSON_OBJECT};
    const json *config = json_get(item, "config");
    json *const object = region_new(home, json, 1);
    json_member *const members = region_new(home, json_member, 2);

    CHECK(object != NULL && members != NULL);
    members[0].key = "class_name";
    members[0].value = (json){.kind = JSON_STRING, .as.string = class_name};
    members[1].key = "config";
    members[1].value = config != NULL ? *config : empty;
    *object = (json){.kind = JSON_OBJECT, .count = 2, .as.members = members};
    return object;
}

/* -- checks ------------------------------------------------------------------------------------ */

void json_case_check(const char *name, const void *found, uint64_t count, ebb_dtype dtype,
                     const json *expected, region *home)
{
    json_case_check_within(name, found, count, dtype, expected, home, RELATIVE, ABSOLUTE);
}

void json_case_check_within(const char *name, const void *found, uint64_t count, ebb_dtype dtype,
                            const json *expected, region *home, double relative, double absolute)
{
    const case_tensor want = json_case_floats(home, expected);
    const float *b = want.data;
    double largest = 1;

    if (tensor_desc_count(&want.desc) != count)
        harness_fail(__FILE__, __LINE__, "%s: %llu numbers, expected %llu", name,
                     (unsigned long long)count, (unsigned long long)tensor_desc_count(&want.desc));
    for (uint64_t i = 0; i < count; i++)
        if (isfinite(b[i]) && fabs((double)b[i]) > largest) largest = fabs((double)b[i]);
    for (uint64_t i = 0; i < count; i++) {
        const double a =
            dtype == EBB_I32 ? ((const int32_t *)found)[i] : (double)((const float *)found)[i];
        const double e = (double)b[i];
        if ((isnan(a) && isnan(e)) || a == e) continue;
        if (fabs(a - e) <= absolute * largest + relative * fabs(e)) continue;
        harness_fail(__FILE__, __LINE__, "%s: number %llu is %.9g, expected %.9g", name,
                     (unsigned long long)i, a, e);
    }
}
