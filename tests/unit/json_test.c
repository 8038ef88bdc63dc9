/* json_test.c -- the JSON reader: values, limits, damage, memory, every allocation failing. */
#include "harness.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "json/json.h"

static const json *read_text(test *t, const char *text)
{
    const json *value = NULL;
    CHECK_OK(json_read(t->home, text, strlen(text), "text", &value, &t->error));
    CHECK(value != NULL);
    return value;
}

/* The error of a text that must be refused. */
static const char *refused_length(test *t, const char *text, size_t length)
{
    const json *value = (const json *)t;
    t->error.text[0] = '\0';
    const ebb_status status = json_read(t->home, text, length, "text", &value, &t->error);
    if (status != EBB_E_FORMAT) {
        harness_fail(__FILE__, __LINE__, "accepted (%s): %s", ebb_status_name(status), text);
    }
    CHECK(value == NULL);
    CHECK_TEXT(t->error.where, "text");
    return t->error.text;
}

static const char *refused(test *t, const char *text)
{
    return refused_length(t, text, strlen(text));
}

TEST(json_reads_scalars)
{
    CHECK_EQ(read_text(t, "null")->kind, JSON_NULL);
    CHECK_EQ(read_text(t, " true ")->as.boolean, true);
    CHECK_EQ(read_text(t, "false")->as.boolean, false);
    CHECK_EQ(read_text(t, "-12")->as.integer, -12);
    CHECK_EQ(read_text(t, "0")->kind, JSON_INTEGER);
    CHECK_EQ(read_text(t, "-0")->kind, JSON_INTEGER);
    CHECK_EQ(read_text(t, "9223372036854775807")->as.integer, INT64_MAX);
    CHECK_EQ(read_text(t, "-9223372036854775808")->as.integer, INT64_MIN);
    CHECK_EQ(read_text(t, "9223372036854775808")->kind, JSON_NUMBER);
    CHECK_NEAR(read_text(t, "9223372036854775808")->as.number, 9223372036854775808.0, 0);
    CHECK_NEAR(read_text(t, "-9223372036854775809")->as.number, -9223372036854775808.0, 0);
    CHECK_EQ(read_text(t, "3.0")->kind, JSON_NUMBER);
    CHECK_NEAR(read_text(t, "-1.5e3")->as.number, -1500, 0);
    CHECK(isnan(read_text(t, "NaN")->as.number));
    CHECK_NEAR(read_text(t, "Infinity")->as.number, INFINITY, 0);
    CHECK_NEAR(read_text(t, "-Infinity")->as.number, -INFINITY, 0);
    CHECK(signbit(read_text(t, "-0.0")->as.number));
    CHECK_TEXT(read_text(t, "\"\"")->as.string, "");
}

/* Numbers that are hard to round, and those beyond the range; wanted are the compiler's own. */
TEST(json_rounds_numbers_correctly)
{
    static const struct {
        const char *text;
        double value;
    } known[] = {
        {"0.1", 0.1},
        {"1e-07", 1e-07},
        {"0.001", 0.001},
        {"123456789012345678", 123456789012345680.0},
        {"1.7976931348623157e308", 1.7976931348623157e308},
        {"1.7976931348623158e308", 1.7976931348623158e308},
        {"2.2250738585072011e-308", 2.2250738585072011e-308},
        {"2.2250738585072014e-308", 2.2250738585072014e-308},
        {"4.9406564584124654e-324", 4.9406564584124654e-324},
        {"2.4703282292062327e-324", 0},
        {"2.4703282292062328e-324", 4.9406564584124654e-324},
        {"9007199254740993.0", 9007199254740992.0},
        {"9007199254740993.00000000000000000000000000000000001", 9007199254740994.0},
        {"7.2057594037927933e16", 72057594037927936.0},
        {"1e22", 1e22},
        {"1e23", 1e23},
        {"8.98846567431158e307", 8.98846567431158e307},
        {"1e400", INFINITY},
        {"-1e400", -INFINITY},
        {"1e-400", 0},
        {"1e999999999999999999999", INFINITY},
        {"1e-999999999999999999999", 0},
        {"0e999999999999999999999", 0},
        {"0.000000000000000000000000000000000000000001e42", 1},
        {"100000000000000000000000000000000000000000e-41", 1},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        CHECK_NEAR(json_number(read_text(t, known[i].text), -1), known[i].value, 0);
    }
}

/* Far more digits than a double holds: only the sticky rest decides. */
TEST(json_reads_very_long_numbers)
{
    enum { DIGITS = 100000 };
    char *text = region_alloc(t->home, DIGITS + 64, 1);
    memcpy(text, "9007199254740993.", 17);
    memset(text + 17, '0', DIGITS);
    CHECK_NEAR(read_text(t, text)->as.number, 9007199254740992.0, 0);
    text[17 + DIGITS - 1] = '1';
    CHECK_NEAR(read_text(t, text)->as.number, 9007199254740994.0, 0);
    memset(text, '1', DIGITS);
    text[DIGITS] = '\0';
    CHECK_NEAR(read_text(t, text)->as.number, INFINITY, 0);
    snprintf(text + DIGITS, 64, "e-%d", DIGITS - 1);
    CHECK_NEAR(read_text(t, text)->as.number, 10.0 / 9.0, 0);
}

TEST(json_numbers_ignore_the_locale)
{
    static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    for (size_t i = 0; i < 4; i++) {
        if (setlocale(LC_NUMERIC, locales[i]) != NULL) break;
    }
    const double number = read_text(t, "1.2345678901234567890123")->as.number;
    text_writer w;
    text_begin(&w, t->home);
    text_json_number(&w, 0.1);
    setlocale(LC_NUMERIC, "C");
    CHECK_NEAR(number, 1.2345678901234567890123, 0);
    CHECK_TEXT(w.text, "0.1");
}

TEST(json_reads_strings)
{
    CHECK_TEXT(read_text(t, "\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"")->as.string, "a\"\\/\b\f\n\r\tz");
    CHECK_TEXT(read_text(t, "\"\\u0041\\u00e9\\u20AC\"")->as.string, "A\xC3\xA9\xE2\x82\xAC");
    CHECK_TEXT(read_text(t, "\"\\ud83c\\uDF0a\"")->as.string, "\xF0\x9F\x8C\x8A");
    CHECK_TEXT(read_text(t, "\"\xF0\x9F\x8C\x8A\"")->as.string, "\xF0\x9F\x8C\x8A");
    CHECK_TEXT(read_text(t, "\"\\ud83cx\"")->as.string, "\xEF\xBF\xBDx");
    CHECK_TEXT(read_text(t, "\"\\udf0a\"")->as.string, "\xEF\xBF\xBD");
    CHECK_TEXT(read_text(t, "\"\\ud83c\\ud83c\\udf0a\"")->as.string,
               "\xEF\xBF\xBD\xF0\x9F\x8C\x8A");
    CHECK_TEXT(read_text(t, "\"\\ud83c\\u0041\"")->as.string, "\xEF\xBF\xBD"
                                                              "A");
    CHECK_EQ(read_text(t, "\"\\u20ac\"")->count, 3);
    CHECK_TEXT(read_text(t, "\"\x7F\"")->as.string, "\x7F");
}

TEST(json_reads_trees)
{
    const json *v =
        read_text(t, "{\"class_name\": \"Dense\", \"config\": {\"units\": 10, \"rate\": 0.5,"
                     "\"use_bias\": true, \"none\": null, \"dims\": [null, 28, [1, 2]],"
                     "\"empty\": {}, \"nothing\": []}, \"n\": 1}");
    CHECK_EQ(v->kind, JSON_OBJECT);
    CHECK_EQ(v->count, 3);
    CHECK_TEXT(v->as.members[0].key, "class_name");
    CHECK_TEXT(v->as.members[2].key, "n");
    CHECK(json_is_text(json_get(v, "class_name"), "Dense"));
    const json *config = json_get(v, "config");
    CHECK_EQ(config->offset, 34);
    CHECK_EQ(json_integer(json_get(config, "units"), -1), 10);
    CHECK_EQ(json_integer(json_path(v, "config.units"), -1), 10);
    CHECK_NEAR(json_number(json_path(v, "config.rate"), 0), 0.5, 0);
    CHECK(json_boolean(json_path(v, "config.use_bias"), false));
    CHECK(json_is_null(json_path(v, "config.none")));
    CHECK_EQ(json_path(v, "config.dims")->count, 3);
    CHECK(json_is_null(json_item(json_path(v, "config.dims"), 0)));
    CHECK_EQ(json_integer(json_item(json_item(json_path(v, "config.dims"), 2), 1), 0), 2);
    CHECK_EQ(json_path(v, "config.empty")->count, 0);
    CHECK_EQ(json_path(v, "config.nothing")->count, 0);
    CHECK_EQ(read_text(t, "[[],[[]],{}]")->count, 3);
    CHECK_EQ(read_text(t, "[\"a,b]\", \"\\\"]\", 1]")->count, 3);
}

TEST(json_lookups_never_fail)
{
    const json *v =
        read_text(t, "{\"a\": {\"b\": [1, 2.5, 3.0, \"x\", 1e300, true]}, \"s\": \"t\"}");
    const json *items = json_path(v, "a.b");
    CHECK(json_get(NULL, "a") == NULL && json_get(items, "a") == NULL && json_get(v, NULL) == NULL);
    CHECK(json_get(v, "A") == NULL && json_get(v, "") == NULL);
    CHECK(json_path(v, "a.c") == NULL && json_path(v, "s.t") == NULL && json_path(v, "") == NULL);
    CHECK(json_path(v, "a.") == NULL && json_path(v, ".a") == NULL && json_path(NULL, "a") == NULL);
    CHECK(json_path(v, NULL) == NULL);
    CHECK(json_item(items, 6) == NULL && json_item(v, 0) == NULL && json_item(NULL, 0) == NULL);
    CHECK(json_is_null(NULL) && !json_is_null(items));
    CHECK_TEXT(json_text(json_item(items, 0), "other"), "other");
    CHECK_TEXT(json_text(json_item(items, 3), "other"), "x");
    CHECK_EQ(json_integer(json_item(items, 1), -7), -7);
    CHECK_EQ(json_integer(json_item(items, 2), -7), 3);
    CHECK_EQ(json_integer(json_item(items, 4), -7), -7);
    CHECK_EQ(json_integer(json_item(items, 5), -7), -7);
    CHECK_EQ(json_integer(NULL, -7), -7);
    CHECK_NEAR(json_number(json_item(items, 0), -7), 1, 0);
    CHECK_NEAR(json_number(json_item(items, 3), -7), -7, 0);
    CHECK(json_boolean(json_item(items, 0), false));
    CHECK(!json_boolean(json_item(items, 1), false) && json_boolean(json_item(items, 1), true));
    CHECK(!json_is_text(NULL, "x") && !json_is_text(json_item(items, 3), NULL));
    CHECK_TEXT(json_kind_name(JSON_OBJECT), "object");
    CHECK_TEXT(json_kind_name((json_kind)99), "unknown");
}

TEST(json_last_key_counts)
{
    const json *v = read_text(t, "{\"a\": 1, \"b\": 2, \"a\": 3}");
    CHECK_EQ(json_integer(json_get(v, "a"), 0), 3);
    CHECK_EQ(v->count, 3);
}

static const char *const damaged_texts[] = {
    "",
    " ",
    "x",
    "nul",
    "nulll",
    "truefalse",
    "[",
    "]",
    "{",
    "}",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1,,2]",
    "[1}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,}",
    "{\"a\" 1}",
    "{a:1}",
    "{'a':1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1]",
    "{1:2}",
    "{[]:1}",
    "[1]]",
    "1 2",
    "{} {}",
    "\"",
    "\"abc",
    "\"\\",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u123",
    "\"\\u12g4\"",
    "\"\\u0000\"",
    "\"a\nb\"",
    "\"\t\"",
    "01",
    "-",
    "-x",
    "+1",
    ".5",
    "1.",
    "1.e5",
    "1e",
    "1e+",
    "1e+x",
    "0x10",
    "--1",
    "1-",
    "-01",
    "- 1",
    "infinity",
    "nan",
    "-NaN",
    "Infinit",
    "//x\n1",
    "[1]//",
    "\"\xFF\"",
    "\"\xC3\"",
    "\"\xC0\x80\"",
    "\"\xE0\x80\x80\"",
    "\"\xED\xA0\x80\"",
    "\"\xF4\x90\x80\x80\"",
    "\"\xF8\x88\x80\x80\x80\"",
    "\"\x80\"",
    "\"\xE2\x82\"",
    "\xEF\xBB\xBF{}",
    "[\"a\",]",
    "[1\f]",
    "{\"a\":[}",
    "[[[[[1]]]]",
    "{\"a\":{\"b\":}}",
};

TEST(json_refuses_damage)
{
    for (size_t i = 0; i < sizeof damaged_texts / sizeof damaged_texts[0]; i++) {
        CHECK_CONTAINS(refused(t, damaged_texts[i]), "byte");
    }
    CHECK_TEXT(refused(t, "[1, 2"), "JSON, byte 5: expected ',' or ']', found the end");
    CHECK_TEXT(refused(t, "{\"a\" 1}"), "JSON, byte 5: expected ':' after a key, found '1'");
    CHECK_CONTAINS(refused_length(t, "[1\0]", 4), "byte 2: expected ',' or ']', found byte 0x00");
    CHECK_CONTAINS(refused_length(t, "\"a\0\"", 4), "control character");
    CHECK_CONTAINS(refused_length(t, "1\0", 2), "nothing after the document");
    CHECK_STATUS(json_read(t->home, "[", UINT32_MAX, "big", &(const json *){NULL}, &t->error),
                 EBB_E_FORMAT);
}

TEST(json_depth_is_bounded)
{
    char text[2002];
    for (size_t depth = 199; depth <= 1000; depth = depth < 202 ? depth + 1 : depth + 399) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        if (depth <= 200) {
            CHECK_EQ(read_text(t, text)->kind, JSON_ARRAY);
        } else {
            CHECK_CONTAINS(refused(t, text), "byte 200: nested deeper than 200");
        }
    }
}

static const char sample[] =
    "{\"module\": \"keras.layers\", \"class_name\": \"Dense\", \"config\": {\"name\": \"dense_1\", "
    "\"units\": 10, \"rate\": -1.5e-3, \"axis\": [-1, 2], \"\\u00e9\": \"\xE2\x82\xAC\\n\", \"n\": "
    "null, "
    "\"b\": [true, false, NaN, -Infinity, {}, []]}, \"build\": {\"input_shape\": [null, 784]}}";

/* A fresh region for each text, so that the region of the test does not grow without end. */
static ebb_status try_read(test *t, const char *text, size_t length)
{
    const json *value;
    region *r = region_open(t->home, "try", EBB_CLASS_META, 0);
    const ebb_status status =
        r != NULL ? json_read(r, text, length, "m", &value, &t->error) : EBB_E_MEMORY;
    region_close(r);
    return status;
}

/* Cut anywhere: refused. Any byte replaced: an answer; the sanitizers watch the rest. */
TEST(json_survives_every_byte)
{
    const size_t length = sizeof sample - 1;
    char *copy = region_alloc(t->home, length, 1);
    CHECK_OK(try_read(t, sample, length));
    for (size_t cut = 0; cut < length; cut++) {
        memcpy(copy, sample, length);
        CHECK_STATUS(try_read(t, copy, cut), EBB_E_FORMAT);
    }
    static const char values[] = "\"\\{}[],:0-.eEuNtn x\x01\x80\xE2\xFF";
    memcpy(copy, sample, length);
    for (size_t i = 0; i < length; i++) {
        for (size_t j = 0; j < sizeof values; j++) {
            copy[i] = values[j];
            const ebb_status status = try_read(t, copy, length);
            CHECK(status == EBB_OK || status == EBB_E_FORMAT);
        }
        copy[i] = sample[i];
    }
}

/* Text at the very end of a block: a read behind it is a fault. */
TEST(json_reads_no_byte_too_many)
{
    static const char *const texts[] = {"[1",     "\"a",         "\"\\",   "\"\\u", "\"\\u00", "1",
                                        "-",      "1.",          "1e",     "t",     "NaN",     "Na",
                                        "\"\xE2", "\"\\ud83c\\", "{\"a\"", "[1,"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const size_t length = strlen(texts[i]);
        char *block = region_block(t->home, 4096);
        char *text = block + 4096 - length;
        memcpy(text, texts[i], length);
        const ebb_status status = try_read(t, text, length);
        CHECK(status == EBB_OK || status == EBB_E_FORMAT);
    }
}

/* Memory is linear in the text, also for texts made to cost much. */
TEST(json_memory_is_linear)
{
    static const char *const pieces[] = {"[],", "1,", "{},", "\"\",", "{\"\":1},", "[[[[1]]]],"};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        const size_t bytes = strlen(pieces[i]);
        uint64_t costs[2];
        for (size_t round = 0; round < 2; round++) {
            const size_t count = 20000 << round;
            region *r = region_open(t->home, "linear", EBB_CLASS_META, 0);
            char *text = region_block(t->home, count * bytes + 2);
            const json *value;
            text[0] = '[';
            for (size_t k = 0; k < count; k++) memcpy(text + 1 + k * bytes, pieces[i], bytes);
            text[count * bytes] = ']';
            CHECK_OK(json_read(r, text, count * bytes + 1, "m", &value, &t->error));
            CHECK_EQ(value->count, count);
            costs[round] = region_bytes_peak(r);
            CHECK(costs[round] < 40 * count * bytes);
            region_close(r);
            region_block_release(t->home, text);
        }
        CHECK(costs[1] < costs[0] * 5 / 2);
    }
}

TEST(json_failure_leaves_nothing)
{
    const uint64_t before = region_bytes_live(t->home);
    int64_t n = 0;
    for (;; n++) {
        test_fail_allocation(t, n);
        const ebb_status status = try_read(t, sample, sizeof sample - 1);
        CHECK_STATUS(status, test_allocation_failed(t) ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(region_bytes_live(t->home), before);
        if (status == EBB_OK) break;
    }
    CHECK(n > 20);
    test_fail_allocation(t, -1);
    region *small = region_open(t->home, "small", EBB_CLASS_META, 8192);
    const json *value;
    CHECK_STATUS(json_read(small, sample, sizeof sample - 1, "m", &value, &t->error), EBB_OK);
    region_limit(small, 4096);
    CHECK_STATUS(json_read(small, sample, sizeof sample - 1, "m", &value, &t->error), EBB_E_MEMORY);
    CHECK_CONTAINS(t->error.text, "limit of 4,096 bytes on 'small'");
}

/* The reader leaves nothing of its own behind: only the tree stays. */
TEST(json_gives_its_counts_back)
{
    const char *text = "[[[[[[]]]]]]";
    const json *value;
    region *r = region_open(t->home, "r", EBB_CLASS_META, 0);
    CHECK_OK(json_read(r, text, strlen(text), "m", &value, &t->error));
    CHECK_EQ(region_bytes_live(r), 4096);
    CHECK_EQ(ledger_regions(t->ledger), 2);
}

TEST_MAIN(RUN(json_reads_scalars), RUN(json_rounds_numbers_correctly),
          RUN(json_reads_very_long_numbers), RUN(json_numbers_ignore_the_locale),
          RUN(json_reads_strings), RUN(json_reads_trees), RUN(json_lookups_never_fail),
          RUN(json_last_key_counts), RUN(json_refuses_damage), RUN(json_depth_is_bounded),
          RUN(json_survives_every_byte), RUN(json_reads_no_byte_too_many),
          RUN(json_memory_is_linear), RUN(json_failure_leaves_nothing),
          RUN(json_gives_its_counts_back))
