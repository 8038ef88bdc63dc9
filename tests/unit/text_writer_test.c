/* text_writer_test.c -- growing text, and JSON that reads back as it was. */
#include "harness.h"

#include <math.h>
#include <string.h>

#include "json/json.h"

TEST(text_grows)
{
    text_writer w;
    text_begin(&w, t->home);
    CHECK_TEXT(w.text, "");
    text_put(&w, "live ");
    text_format(&w, "%d of %s", 12, "many");
    text_put_length(&w, "xyz", 1);
    CHECK_TEXT(w.text, "live 12 of manyx");
    CHECK_EQ(w.length, 16);
    CHECK(!w.failed);
}

/* From 64 KiB on the text is one block and the old ones are gone. */
TEST(text_becomes_a_block)
{
    enum { LINES = 20000 };
    text_writer w;
    text_begin(&w, t->home);
    for (int i = 0; i < LINES; i++) text_format(&w, "line %08d and more text\n", i);
    CHECK(!w.failed);
    CHECK_EQ(w.length, LINES * 28);
    CHECK_EQ(strlen(w.text), w.length);
    CHECK(memcmp(w.text + 28 * 19999, "line 00019999 and more text\n", 28) == 0);
    CHECK_EQ(w.capacity, (size_t)1 << 20);
    CHECK(region_bytes_live(t->home) < ((size_t)1 << 20) + ((size_t)256 << 10));
}

TEST(text_one_long_piece)
{
    const size_t bytes = 300000;
    char *piece = region_block(t->home, bytes + 1);
    text_writer w;
    memset(piece, 'a', bytes);
    text_begin(&w, t->home);
    text_put(&w, piece);
    text_format(&w, "%s", piece);
    CHECK_EQ(w.length, 2 * bytes);
    CHECK_EQ(strlen(w.text), 2 * bytes);
}

static void build(text_writer *w, region *home)
{
    text_begin(w, home);
    for (int i = 0; i < 9000; i++) text_format(w, "%d,", i);
    text_json_string(w, "\n");
    text_json_number(w, 0.5);
}

TEST(text_failure_is_sticky)
{
    const uint64_t before = region_bytes_live(t->home);
    int64_t n = 0;
    for (;; n++) {
        text_writer w;
        region *r = region_open(t->home, "text", EBB_CLASS_SCRATCH, 0);
        test_fail_allocation(t, n);
        build(&w, r);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_EQ(w.failed, failed);
        if (failed && w.text != NULL) CHECK_EQ(strlen(w.text), w.length);
        const size_t length = w.length;
        text_put(&w, "more");
        CHECK_EQ(w.length, failed ? length : length + 4);
        region_close(r);
        CHECK_EQ(region_bytes_live(t->home), before);
        if (!failed) break;
    }
    CHECK(n > 5);
    text_writer w;
    text_begin(&w, t->home);
    text_put_length(&w, "x", SIZE_MAX);
    CHECK(w.failed);
}

static const char *string_of(test *t, const char *text)
{
    text_writer w;
    text_begin(&w, t->home);
    text_json_string(&w, text);
    CHECK(!w.failed);
    return w.text;
}

TEST(text_escapes_strings)
{
    CHECK_TEXT(string_of(t, ""), "\"\"");
    CHECK_TEXT(string_of(t, "dense_1/kernel:0"), "\"dense_1/kernel:0\"");
    CHECK_TEXT(string_of(t, "a\"\\/\b\f\n\r\t\x01\x1F z"),
               "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f z\"");
    CHECK_TEXT(string_of(t, "\xC3\xA9\xF0\x9F\x8C\x8A"), "\"\xC3\xA9\xF0\x9F\x8C\x8A\"");
    CHECK_TEXT(string_of(t, "\xFFx\xE2\x82"), "\"\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static const char *number_of(test *t, double number)
{
    text_writer w;
    text_begin(&w, t->home);
    text_json_number(&w, number);
    return w.text;
}

TEST(text_numbers_are_short)
{
    CHECK_TEXT(number_of(t, 0), "0.0");
    CHECK_TEXT(number_of(t, -0.0), "-0.0");
    CHECK_TEXT(number_of(t, 3), "3.0");
    CHECK_TEXT(number_of(t, 0.1), "0.1");
    CHECK_TEXT(number_of(t, 0.1 + 0.2), "0.30000000000000004");
    CHECK_TEXT(number_of(t, 1e22), "1e+22");
    CHECK_TEXT(number_of(t, 1e-7), "1e-07");
    CHECK_TEXT(number_of(t, 5e-324), "5e-324");
    CHECK_TEXT(number_of(t, 1.0 / 3), "0.3333333333333333");
    CHECK_TEXT(number_of(t, NAN), "NaN");
    CHECK_TEXT(number_of(t, -INFINITY), "-Infinity");
    CHECK_TEXT(number_of(t, 1.7976931348623157e308), "1.7976931348623157e+308");
}

TEST(text_numbers_read_back)
{
    uint64_t random = 88172645463325252u;
    for (size_t i = 0; i < 20000; i++) {
        double number;
        const json *back;
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        memcpy(&number, &random, sizeof number);
        if (isnan(number)) continue;
        region *r = region_open(t->home, "number", EBB_CLASS_META, 0);
        text_writer w;
        text_begin(&w, r);
        text_json_number(&w, number);
        CHECK_OK(json_read(r, w.text, w.length, "n", &back, &t->error));
        CHECK_EQ(back->kind, JSON_NUMBER);
        CHECK(memcmp(&back->as.number, &number, sizeof number) == 0);
        region_close(r);
    }
}

TEST(text_trees_read_back)
{
    static const char *const texts[] = {
        "null",
        "true",
        "-12",
        "1.5",
        "\"a\\nb\"",
        "[]",
        "{}",
        "[[],{}]",
        "[1,[2,[3.0]],{\"a\":[]}]",
        "{\"a\":{\"b\":[null,false,{\"c\":\"\xE2\x82\xAC\"}]},\"d\":-Infinity,\"\":NaN}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const json *value;
        text_writer w;
        CHECK_OK(json_read(t->home, texts[i], strlen(texts[i]), "t", &value, &t->error));
        text_begin(&w, t->home);
        text_json_value(&w, value);
        CHECK(!w.failed);
        CHECK_TEXT(w.text, texts[i]);
    }
    text_writer w;
    text_begin(&w, t->home);
    text_json_value(&w, NULL);
    CHECK_TEXT(w.text, "null");
}

TEST(text_deep_trees)
{
    char text[401];
    const json *value;
    text_writer w;
    memset(text, '[', 200);
    memset(text + 200, ']', 200);
    CHECK_OK(json_read(t->home, text, 400, "t", &value, &t->error));
    text_begin(&w, t->home);
    text_json_value(&w, value);
    CHECK(!w.failed && w.length == 400 && memcmp(w.text, text, 400) == 0);

    const json outer = {.kind = JSON_ARRAY, .count = 1, .as.items = value};
    text_begin(&w, t->home);
    text_json_value(&w, &outer);
    CHECK(w.failed);
}

TEST_MAIN(RUN(text_grows), RUN(text_becomes_a_block), RUN(text_one_long_piece),
          RUN(text_failure_is_sticky), RUN(text_escapes_strings), RUN(text_numbers_are_short),
          RUN(text_numbers_read_back), RUN(text_trees_read_back), RUN(text_deep_trees))
