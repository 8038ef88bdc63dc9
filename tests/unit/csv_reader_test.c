/* csv_reader_test.c -- tables of numbers: separators, headers, quotes, and what is wrong where. */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "json/json.h"
#include "train/data/csv_reader.h"

static source *text_source(test *t, const char *text)
{
    source *file = NULL;

    CHECK_OK(source_memory(t->home, text, strlen(text), "table.csv", &file, &t->error));
    return file;
}

static csv_table measure(test *t, const char *text)
{
    csv_table table;

    CHECK_OK(csv_measure(t->home, text_source(t, text), &table, &t->error));
    return table;
}

static void check_values(test *t, const char *text, uint32_t columns, const float *expected,
                         int64_t rows)
{
    const csv_table table = measure(t, text);
    float values[64];
    const csv_part part = {0, columns, values};

    CHECK_EQ(table.columns, columns);
    CHECK_EQ(table.rows, rows);
    CHECK_OK(csv_read(t->home, &table, &part, 1, &t->error));
    for (int64_t i = 0; i < rows * columns; i++) CHECK_NEAR(values[i], expected[i], 0);
}

TEST(plain_tables)
{
    const float six[] = {1, 2, 3, 4, 5, 6};

    check_values(t, "1,2,3\n4,5,6\n", 3, six, 2);
    check_values(t, "1,2,3\n4,5,6", 3, six, 2);
    check_values(t, "1;2;3\r\n4;5;6\r\n", 3, six, 2);
    check_values(t, "1\t2\t3\n4\t5\t6\n", 3, six, 2);
    check_values(t, "a,b,c\n1,2,3\n\n4, 5 ,6\n\n", 3, six, 2);
    check_values(t,
                 "\xEF\xBB\xBF"
                 "1,2,3\n4,5,6\n",
                 3, six, 2);
    check_values(t, "1\n2\n3\n", 1, six, 3);
    check_values(t, "\n\n1;2\n3;4\n5;6\n", 2, six, 3);
}

TEST(quotes_and_forms_of_numbers)
{
    const float numbers[] = {1.5f, -2, 0.5f, 1, 7, 1e-3f, 10, 0};

    check_values(t, "\"a, with comma\",\"two\nlines\"\n\"1.5\",-2\n.5,1.\n+007,1e-3\n1.e1,-0\n", 2,
                 numbers, 4);
}

TEST(nan_and_infinity)
{
    const csv_table table = measure(t, "x,y\nnan,-inf\nNaN,Infinity\n");
    float v[4];
    const csv_part part = {0, 2, v};

    CHECK(table.has_header);
    CHECK_OK(csv_read(t->home, &table, &part, 1, &t->error));
    CHECK(isnan(v[0]) && isnan(v[2]));
    CHECK(isinf(v[1]) && v[1] < 0 && isinf(v[3]) && v[3] > 0);
}

TEST(parts_are_dense)
{
    const csv_table table = measure(t, "1,2,3\n4,5,6\n");
    float left[4], right[2];
    const csv_part parts[] = {{0, 2, left}, {2, 1, right}};

    CHECK(!table.has_header);
    CHECK_OK(csv_read(t->home, &table, parts, 2, &t->error));
    CHECK_NEAR(left[2], 4, 0);
    CHECK_NEAR(left[3], 5, 0);
    CHECK_NEAR(right[0], 3, 0);
    CHECK_NEAR(right[1], 6, 0);
}

static void check_fault(test *t, const char *text, ebb_status expected, const char *part_of_text)
{
    csv_table table;
    float values[64];
    const csv_part part = {0, 8, values};
    ebb_status status = csv_measure(t->home, text_source(t, text), &table, &t->error);

    if (status == EBB_OK) status = csv_read(t->home, &table, &part, 1, &t->error);
    CHECK_STATUS(status, expected);
    CHECK_CONTAINS(t->error.text, part_of_text);
    CHECK_CONTAINS(t->error.where, "table.csv");
}

TEST(faults_name_the_line)
{
    check_fault(t, "", EBB_E_FORMAT, "at least one row");
    check_fault(t, "a,b\n", EBB_E_FORMAT, "at least one row");
    check_fault(t, "1,2\n3\n", EBB_E_FORMAT,
                "line 2: expected 2 fields as in the first line, found 1");
    check_fault(t, "1,2\n3,4,5\n", EBB_E_FORMAT, "line 2");
    check_fault(t, "a,b\n1,2\n3,x\n", EBB_E_FORMAT,
                "line 3, field 2: expected a number, found 'x'");
    check_fault(t, "1,2\n3,\n", EBB_E_FORMAT, "line 2, field 2: expected a number, found nothing");
    check_fault(t, "1,2\n\"3,4\n", EBB_E_FORMAT, "line 2: a quote is opened");
    check_fault(t, "1,2\n1..2,3\n", EBB_E_FORMAT, "found '1..2'");
    check_fault(t, "1;2\n1,5;2\n", EBB_E_FORMAT, "found '1,5'");
    check_fault(t, "1,2\n0x10,3\n", EBB_E_FORMAT, "found '0x10'");
    check_fault(t, "1,2\n\"a\nb\",3\n", EBB_E_FORMAT, "line 2, field 1");
    check_fault(t, "1,2\n-,3\n", EBB_E_FORMAT, "found '-'");
}

TEST(long_files_cross_the_window)
{
    const int64_t rows = 40000;
    text_writer w;
    csv_table table;
    source *file = NULL;
    float *values = region_block(t->home, (size_t)rows * 2 * sizeof *values);
    const csv_part part = {0, 2, values};

    text_begin(&w, t->home);
    text_put(&w, "first,second\n");
    for (int64_t i = 0; i < rows; i++)
        text_format(&w, "%lld,%lld.25\n", (long long)i, (long long)(rows - i));
    CHECK(!w.failed && values != NULL);
    CHECK_OK(source_memory(t->home, w.text, w.length, "long.csv", &file, &t->error));
    CHECK_OK(csv_measure(t->home, file, &table, &t->error));
    CHECK_EQ(table.rows, rows);
    CHECK_OK(csv_read(t->home, &table, &part, 1, &t->error));
    for (int64_t i = 0; i < rows; i++) {
        CHECK_NEAR(values[2 * i], (double)i, 0);
        CHECK_NEAR(values[2 * i + 1], (double)(rows - i) + 0.25, 0);
    }
}

TEST_MAIN(RUN(plain_tables), RUN(quotes_and_forms_of_numbers), RUN(nan_and_infinity),
          RUN(parts_are_dense), RUN(faults_name_the_line), RUN(long_files_cross_the_window))
