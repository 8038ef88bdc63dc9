/* npy.c -- the header of a .npy file: magic, version, length, and a Python dict of three keys.
 *
 *     \x93NUMPY  major minor  length (2 or 4 bytes)  {'descr': '<f4', 'fortran_order': False,
 * ...}\n
 *
 * Source: numpy/lib/format.py. Read with a cursor that never passes the end; no value is believed
 * before it is checked. Two-byte void ('V2') is what numpy writes for bfloat16, so it is read as
 * such. */
#include "tensor/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

#define KEY_BYTES        32
#define HEADER_BYTES_MAX 256

typedef struct cursor {
    const char *text;
    size_t length, at;
    const char *where;
    ebb_error *error;
} cursor;

typedef struct descr_entry {
    char letter;
    char bytes;
    ebb_dtype dtype;
} descr_entry;

static const descr_entry descrs[] = {
    {'f', '4', EBB_F32},  {'f', '2', EBB_F16}, {'V', '2', EBB_BF16}, {'f', '8', EBB_F64},
    {'i', '1', EBB_I8},   {'i', '2', EBB_I16}, {'i', '4', EBB_I32},  {'i', '8', EBB_I64},
    {'u', '1', EBB_U8},   {'u', '2', EBB_U16}, {'u', '4', EBB_U32},  {'u', '8', EBB_U64},
    {'b', '1', EBB_BOOL},
};

/* -- cursor ------------------------------------------------------------------------------------ */

static char peek(cursor *c)
{
    while (c->at < c->length && memchr(" \t\r\n", c->text[c->at], 4) != NULL) c->at++;
    return c->at < c->length ? c->text[c->at] : '\0';
}

static bool take(cursor *c, char wanted)
{
    if (peek(c) != wanted) return false;
    c->at++;
    return true;
}

static ebb_status damaged(const cursor *c, const char *expected)
{
    return fail(c->error, EBB_E_FORMAT, c->where, "npy header: expected %s at byte %zu of the dict",
                expected, c->at);
}

static ebb_status word_read(cursor *c, char word[KEY_BYTES])
{
    const char quote = peek(c);
    if (quote != '\'' && quote != '"') return damaged(c, "a quoted word");
    c->at++;
    for (size_t i = 0; i < KEY_BYTES && c->at < c->length; i++) {
        const char letter = c->text[c->at++];
        word[i] = letter != quote ? letter : '\0';
        if (letter == quote) return EBB_OK;
    }
    return damaged(c, "the end of a quoted word");
}

/* -- the three values -------------------------------------------------------------------------- */

static ebb_status descr_read(cursor *c, npy_header *header)
{
    char word[KEY_BYTES];
    if (peek(c) == '[') {
        return fail(c->error, EBB_E_UNSUPPORTED, c->where,
                    "npy header: structured data types are not read; save a plain array");
    }
    const ebb_status status = word_read(c, word);
    if (status != EBB_OK) return status;

    const char *type = word;
    if (type[0] != '\0' && strchr("<>=|", type[0]) != NULL) type++;
    header->dtype = dtype_from_name(type);
    for (size_t i = 0; i < sizeof descrs / sizeof descrs[0]; i++) {
        const char known[3] = {descrs[i].letter, descrs[i].bytes, '\0'};
        if (strcmp(type, known) == 0) header->dtype = descrs[i].dtype;
    }
    if (strcmp(type, "?") == 0) header->dtype = EBB_BOOL;
    if (header->dtype == EBB_DTYPE_NONE) {
        return fail(c->error, EBB_E_UNSUPPORTED, c->where,
                    "npy header: data type '%s' is not read%s; save floats, integers or bool", word,
                    type[0] == 'O' ? " (objects are pickled Python)" : "");
    }
    header->swapped = word[0] == '>' && ebb_dtype_bytes(header->dtype) > 1;
    return EBB_OK;
}

static ebb_status flag_read(cursor *c, bool *flag)
{
    peek(c);
    const size_t left = c->length - c->at;
    if (left >= 4 && memcmp(c->text + c->at, "True", 4) == 0) {
        *flag = true;
        c->at += 4;
        return EBB_OK;
    }
    if (left >= 5 && memcmp(c->text + c->at, "False", 5) == 0) {
        *flag = false;
        c->at += 5;
        return EBB_OK;
    }
    return damaged(c, "True or False");
}

static ebb_status dim_read(cursor *c, int64_t *dim)
{
    *dim = 0;
    if (peek(c) < '0' || peek(c) > '9') return damaged(c, "a dimension");
    while (c->at < c->length && c->text[c->at] >= '0' && c->text[c->at] <= '9') {
        const int64_t digit = c->text[c->at] - '0';
        if (!i64_mul(*dim, 10, dim) || !i64_add(*dim, digit, dim)) {
            return damaged(c, "a dimension below 2^63");
        }
        c->at++;
    }
    if (c->at < c->length && c->text[c->at] == 'L') c->at++; /* Python 2 wrote longs so */
    return EBB_OK;
}

static ebb_status shape_read(cursor *c, npy_header *header)
{
    if (!take(c, '(')) return damaged(c, "the tuple of the shape");
    header->rank = 0;
    while (!take(c, ')')) {
        if (header->rank == EBB_RANK_MAX) {
            return fail(c->error, EBB_E_UNSUPPORTED, c->where,
                        "npy header: more than %d dimensions; reshape the array before saving",
                        EBB_RANK_MAX);
        }
        const ebb_status status = dim_read(c, &header->dims[header->rank]);
        if (status != EBB_OK) return status;
        header->rank++;
        if (!take(c, ',') && peek(c) != ')') return damaged(c, "',' or ')' in the shape");
    }
    return EBB_OK;
}

static ebb_status dict_read(cursor *c, npy_header *header)
{
    enum { DESCR = 1, ORDER = 2, SHAPE = 4, ALL = 7 };
    int seen = 0;
    bool fortran = false;

    if (!take(c, '{')) return damaged(c, "'{'");
    while (!take(c, '}')) {
        char key[KEY_BYTES];
        int which;
        ebb_status status = word_read(c, key);
        if (status != EBB_OK) return status;
        if (!take(c, ':')) return damaged(c, "':'");
        if (strcmp(key, "descr") == 0) {
            which = DESCR;
            status = descr_read(c, header);
        } else if (strcmp(key, "fortran_order") == 0) {
            which = ORDER;
            status = flag_read(c, &fortran);
        } else if (strcmp(key, "shape") == 0) {
            which = SHAPE;
            status = shape_read(c, header);
        } else {
            return damaged(c, "only the keys descr, fortran_order and shape");
        }
        if (status != EBB_OK) return status;
        if (seen & which) return damaged(c, "each key once");
        seen |= which;
        if (!take(c, ',') && peek(c) != '}') return damaged(c, "',' or '}'");
    }
    if (seen != ALL) return damaged(c, "the keys descr, fortran_order and shape before the end");
    if (peek(c) != '\0' || c->at != c->length)
        return damaged(c, "nothing but blanks after the dict");
    if (fortran && header->rank > 1) {
        return fail(c->error, EBB_E_UNSUPPORTED, c->where,
                    "npy header: Fortran order is not read; save numpy.ascontiguousarray(array)");
    }
    return EBB_OK;
}

/* -- header ------------------------------------------------------------------------------------ */

ebb_status npy_header_read(const void *bytes, size_t length, const char *where, npy_header *header,
                           ebb_error *error)
{
    const unsigned char *raw = bytes;
    memset(header, 0, sizeof *header);
    if (length < 10 || memcmp(raw, "\x93NUMPY", 6) != 0) {
        return fail(error, EBB_E_FORMAT, where,
                    "not a .npy file: it does not begin with \\x93NUMPY");
    }
    if (raw[6] < 1 || raw[6] > 3) {
        return fail(error, EBB_E_UNSUPPORTED, where, "npy version %d.%d; versions 1 to 3 are read",
                    raw[6], raw[7]);
    }
    const size_t begin = raw[6] == 1 ? 10 : 12;
    if (length < begin)
        return fail(error, EBB_E_FORMAT, where, "npy header: the file ends inside it");
    size_t dict_bytes = raw[8] | (size_t)raw[9] << 8;
    if (raw[6] > 1) dict_bytes |= (size_t)raw[10] << 16 | (size_t)raw[11] << 24;
    if (dict_bytes > length - begin) {
        return fail(error, EBB_E_FORMAT, where,
                    "npy header: %zu bytes announced, %zu present; the file is cut or damaged",
                    dict_bytes, length - begin);
    }
    cursor c = {(const char *)raw + begin, dict_bytes, 0, where, error};
    const ebb_status status = dict_read(&c, header);
    if (status != EBB_OK) return status;

    uint64_t count;
    header->data_offset = begin + dict_bytes;
    if (!dims_count(header->rank, header->dims, &count) ||
        !u64_mul(count, ebb_dtype_bytes(header->dtype), &header->data_bytes) ||
        header->data_bytes > INT64_MAX) {
        return fail(error, EBB_E_FORMAT, where, "npy header: the shape has more than 2^63 bytes");
    }
    return EBB_OK;
}

static const descr_entry *descr_of(ebb_dtype dtype)
{
    for (size_t i = 0; i < sizeof descrs / sizeof descrs[0]; i++) {
        if (descrs[i].dtype == dtype) return &descrs[i];
    }
    return &descrs[0];
}

size_t npy_header_write(const npy_header *header, char bytes[256])
{
    const descr_entry *descr = descr_of(header->dtype);
    const char order = descr->bytes == '1' ? '|' : header->swapped ? '>' : '<';
    char shape[192];
    dims_text(header->rank, header->dims, shape, sizeof shape);

    const size_t begin = 10;
    const int length = snprintf(bytes + begin, HEADER_BYTES_MAX - begin,
                                "{'descr': '%c%c%c', 'fortran_order': False, 'shape': %s, }", order,
                                descr->letter, descr->bytes, shape);
    const size_t used = begin + (size_t)length + 1, whole = (used + 63) & ~(size_t)63;
    memset(bytes + used - 1, ' ', whole - used);
    bytes[whole - 1] = '\n';
    memcpy(bytes, "\x93NUMPY\x01\x00", 8);
    bytes[8] = (char)(unsigned char)((whole - begin) & 0xFF);
    bytes[9] = (char)(unsigned char)((whole - begin) >> 8);
    return whole;
}

void npy_swap(ebb_dtype dtype, void *data, size_t count)
{
    const size_t bytes = ebb_dtype_bytes(dtype);
    char *item = data;
    for (size_t i = 0; i < count; i++, item += bytes) {
        for (size_t low = 0, high = bytes; low + 1 < high; low++) {
            high--;
            const char kept = item[low];
            item[low] = item[high];
            item[high] = kept;
        }
    }
}
