/* csv_reader.c -- see csv_reader.h. A window of the file and one field are all the memory used. */
#include "train/data/csv_reader.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "json/json_text.h"

#define WINDOW_BYTES ((size_t)64 << 10)
#define FIELD_BYTES  256
#define COLUMNS_MAX  1000000u

typedef struct csv_scan {
    source *file;
    char *window;
    uint64_t offset; /* of the byte after the window */
    size_t at, length;
    char separator;
    int64_t line;
    char field[FIELD_BYTES]; /* blanks around it taken off; longer ones are cut: no numbers */
    size_t field_bytes;
    bool is_row_end; /* the field was the last of its row */
    ebb_status status;
    ebb_error *error;
} csv_scan;

/* -- characters -------------------------------------------------------------------------------- */

static ebb_status scan_open(csv_scan *s, region *scratch, source *file, ebb_error *error)
{
    *s = (csv_scan){.file = file, .line = 1, .error = error};
    s->window = region_block(scratch, WINDOW_BYTES);
    if (s->window == NULL) return region_fail(scratch, error, source_name(file), "a window of it");
    return EBB_OK;
}

static bool window_fill(csv_scan *s)
{
    const uint64_t left = source_bytes(s->file) - s->offset;

    s->at = 0;
    s->length = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
    if (s->status == EBB_OK)
        s->status = source_read(s->file, s->offset, s->window, s->length, s->error);
    if (s->status != EBB_OK) s->length = 0;
    s->offset += s->length;
    return s->length > 0;
}

/* -1: the end, or a fault in s->status. */
static int peek(csv_scan *s)
{
    if (s->at == s->length && !window_fill(s)) return -1;
    return (unsigned char)s->window[s->at];
}

static int next(csv_scan *s)
{
    const int c = peek(s);

    if (c >= 0) s->at++;
    if (c == '\n') s->line++;
    return c;
}

static void scan_begin(csv_scan *s)
{
    s->offset = 0;
    s->line = 1;
    s->at = s->length = 0;
    if (peek(s) >= 0 && s->length >= 3 && memcmp(s->window, "\xEF\xBB\xBF", 3) == 0) s->at = 3;
}

/* -- fields ------------------------------------------------------------------------------------ */

static void field_put(csv_scan *s, int c)
{
    if (s->field_bytes < FIELD_BYTES - 1) s->field[s->field_bytes] = (char)c;
    s->field_bytes++;
}

/* After the opening quote. False: the file ends inside. */
static bool quoted_read(csv_scan *s)
{
    for (int c = next(s); c >= 0; c = next(s)) {
        if (c != '"') {
            field_put(s, c);
        } else if (peek(s) == '"') {
            field_put(s, next(s));
        } else {
            return true;
        }
    }
    return false;
}

static void field_trim(csv_scan *s)
{
    size_t begin = 0, end = s->field_bytes < FIELD_BYTES - 1 ? s->field_bytes : FIELD_BYTES - 1;

    while (end > 0 && isspace((unsigned char)s->field[end - 1])) end--;
    while (begin < end && isspace((unsigned char)s->field[begin])) begin++;
    memmove(s->field, s->field + begin, end - begin);
    s->field[end - begin] = '\0';
    if (s->field_bytes < FIELD_BYTES - 1) s->field_bytes = end - begin;
}

/* False at the end of the file and after a fault. */
static bool field_next(csv_scan *s)
{
    const int64_t line = s->line;
    int c = peek(s);
    bool was_quoted = false;

    if (c < 0) return false;
    s->field_bytes = 0;
    for (c = next(s); c >= 0 && c != s->separator && c != '\n'; c = next(s)) {
        if (c == '"' && !was_quoted && s->field_bytes == 0) {
            was_quoted = true;
            if (quoted_read(s)) continue;
            if (s->status == EBB_OK) {
                s->status = fail(s->error, EBB_E_FORMAT, source_name(s->file),
                                 "line %" PRId64 ": a quote is opened and never closed", line);
            }
            return false;
        }
        field_put(s, c);
    }
    s->is_row_end = c != s->separator;
    field_trim(s);
    return s->status == EBB_OK;
}

/* -- numbers ----------------------------------------------------------------------------------- */

static bool word_is(const char *text, const char *word)
{
    while (*word != '\0' && tolower((unsigned char)*text) == *word) {
        text++;
        word++;
    }
    return *word == '\0' && *text == '\0';
}

/* What people write (+1, .5, 1., 007) in the strict form of JSON. */
static bool number_of(const char *text, double *number)
{
    char strict[FIELD_BYTES + 4];
    size_t length = 0, points = 0;
    json_decimal value;

    if (*text == '-') strict[length++] = '-';
    if (*text == '-' || *text == '+') text++;
    if (word_is(text, "nan") || word_is(text, "inf") || word_is(text, "infinity")) {
        *number = tolower((unsigned char)*text) == 'n' ? (double)NAN : (double)INFINITY;
        if (length > 0) *number = -*number;
        return true;
    }
    if (!isdigit((unsigned char)*text) && !(*text == '.' && isdigit((unsigned char)text[1])))
        return false;
    while (*text == '0' && isdigit((unsigned char)text[1])) text++;
    if (*text == '.') strict[length++] = '0';
    for (; *text != '\0'; text++) {
        if (*text == '.' && ++points > 1) return false;
        if (*text == '.' && !isdigit((unsigned char)text[1])) continue;
        strict[length++] = *text;
    }
    strict[length] = '\0';
    if (json_decimal_read(strict, length, &value) != length) return false;
    *number = value.number;
    return true;
}

static bool field_number(const csv_scan *s, double *number)
{
    return s->field_bytes > 0 && s->field_bytes < FIELD_BYTES - 1 && number_of(s->field, number);
}

/* -- tables ------------------------------------------------------------------------------------ */

/* Of the first line that has any. */
static char separator_find(csv_scan *s)
{
    static const char known[] = {',', ';', '\t'};
    size_t counts[sizeof known] = {0}, best = 0;
    bool is_quoted = false, is_blank = true;

    for (int c = next(s); c >= 0 && (c != '\n' || is_quoted || is_blank); c = next(s)) {
        if (c == '"') is_quoted = !is_quoted;
        is_blank &= isspace(c) != 0 && c != '\t';
        for (size_t i = 0; i < sizeof known; i++) counts[i] += !is_quoted && c == known[i];
    }
    for (size_t i = 1; i < sizeof known; i++) {
        if (counts[i] > counts[best]) best = i;
    }
    return known[best];
}

static ebb_status count_fault(const csv_scan *s, int64_t line, uint32_t expected, uint32_t found)
{
    return fail(s->error, EBB_E_FORMAT, source_name(s->file),
                "line %" PRId64 ": expected %u fields as in the first line, found %u", line,
                expected, found);
}

ebb_status csv_measure(region *scratch, source *file, csv_table *table, ebb_error *error)
{
    csv_scan s;
    int64_t rows = 0, line = 1;
    uint32_t fields = 0;
    double number;

    ebb_status status = scan_open(&s, scratch, file, error);
    if (status != EBB_OK) return status;
    scan_begin(&s);
    *table = (csv_table){.file = file, .separator = separator_find(&s)};
    s.separator = table->separator;
    scan_begin(&s);
    for (line = s.line; field_next(&s); line = s.is_row_end ? s.line : line) {
        const bool is_blank = fields == 0 && s.is_row_end && s.field_bytes == 0;

        if (is_blank) continue;
        if (rows == 0 && !field_number(&s, &number)) table->has_header = true;
        if (++fields > COLUMNS_MAX) {
            return fail(error, EBB_E_UNSUPPORTED, source_name(file),
                        "line %" PRId64 " has more than %u fields", line, COLUMNS_MAX);
        }
        if (!s.is_row_end) continue;
        if (rows > 0 && fields != table->columns)
            return count_fault(&s, line, table->columns, fields);
        table->columns = fields;
        fields = 0;
        rows++;
    }
    if (s.status != EBB_OK) return s.status;
    if (fields > 0) return count_fault(&s, line, table->columns, fields);
    table->rows = rows - table->has_header;
    if (table->rows > 0) return EBB_OK;
    return fail(error, EBB_E_FORMAT, source_name(file), "expected at least one row of numbers");
}

static void value_store(const csv_part *parts, uint32_t part_count, int64_t row, uint32_t column,
                        float value)
{
    for (uint32_t i = 0; i < part_count; i++) {
        const csv_part *p = &parts[i];

        if (column - p->first < p->count)
            p->values[row * (int64_t)p->count + (column - p->first)] = value;
    }
}

ebb_status csv_read(region *scratch, const csv_table *table, const csv_part *parts,
                    uint32_t part_count, ebb_error *error)
{
    csv_scan s;
    int64_t row = table->has_header ? -1 : 0, line;
    uint32_t column = 0;
    double number = 0;

    const ebb_status status = scan_open(&s, scratch, table->file, error);
    if (status != EBB_OK) return status;
    s.separator = table->separator;
    scan_begin(&s);
    for (line = s.line; row < table->rows && field_next(&s); line = s.is_row_end ? s.line : line) {
        if (column == 0 && s.is_row_end && s.field_bytes == 0) continue;
        if (row >= 0 && !field_number(&s, &number)) {
            return fail(error, EBB_E_FORMAT, source_name(table->file),
                        "line %" PRId64 ", field %u: expected a number, found %s%.40s%s", line,
                        column + 1, s.field_bytes > 0 ? "'" : "nothing", s.field,
                        s.field_bytes > 0 ? "'" : "");
        }
        if (row >= 0) value_store(parts, part_count, row, column, (float)number);
        column++;
        if (!s.is_row_end) continue;
        if (column != table->columns) return count_fault(&s, line, table->columns, column);
        column = 0;
        row++;
    }
    if (s.status != EBB_OK) return s.status;
    if (row == table->rows) return EBB_OK;
    return fail(error, EBB_E_IO, source_name(table->file), "the file changed while it was read");
}
