/* hdf5_write_header.c -- object headers of version 1: what a group or dataset is, and its
 * attributes.
 *
 * Source: HDF5 File Format Specification 3.0, IV.A.2 (messages). */
#include "format/hdf5/hdf5_write_internal.h"

#define MESSAGE_DATASPACE 0x01
#define MESSAGE_DATATYPE  0x03
#define MESSAGE_FILL      0x05
#define MESSAGE_LAYOUT    0x08
#define MESSAGE_FILTERS   0x0b
#define MESSAGE_ATTRIBUTE 0x0c
#define MESSAGE_SYMBOLS   0x11

#define PREFIX_BYTES      16 /* of an object header */
#define MESSAGE_BYTES     8  /* before a message's data */
#define MESSAGE_BYTES_MAX 65528
#define INTEGER_TYPE      12
#define TEXT_TYPE         20 /* variable string: its own 8 and the type of a character */
#define FIXED_TEXT_TYPE   8

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define BYTE_ORDER_BIT 1u
#else
#define BYTE_ORDER_BIT 0u
#endif

/* -- types ------------------------------------------------------------------------------------- */

typedef struct float_parts {
    uint8_t exponent_at, exponent_bits, mantissa_bits;
    uint32_t bias;
} float_parts;

static void class_put(hdf5_pen *p, uint32_t class_number, uint32_t bits, uint32_t bytes)
{
    pen_number(p, 0x10 | class_number, 1); /* version 1 */
    pen_number(p, bits, 3);
    pen_number(p, bytes, 4);
}

static void integer_put(hdf5_pen *p, uint32_t bytes, bool is_signed)
{
    class_put(p, 0, (is_signed ? 0x08u : 0u) | BYTE_ORDER_BIT, bytes);
    pen_number(p, 0, 2);
    pen_number(p, bytes * 8, 2);
}

static void float_put(hdf5_pen *p, uint32_t bytes)
{
    static const float_parts halves = {10, 5, 10, 15}, singles = {23, 8, 23, 127},
                             doubles = {52, 11, 52, 1023};
    const float_parts *f = bytes == 2 ? &halves : bytes == 4 ? &singles : &doubles;

    class_put(p, 1, 0x20u | BYTE_ORDER_BIT | (bytes * 8 - 1) << 8, bytes); /* leading bit implied */
    pen_number(p, 0, 2);
    pen_number(p, bytes * 8, 2);
    pen_number(p, f->exponent_at, 1);
    pen_number(p, f->exponent_bits, 1);
    pen_number(p, 0, 1);
    pen_number(p, f->mantissa_bits, 1);
    pen_number(p, f->bias, 4);
}

/* As h5py writes numpy's bool: an enumeration of int8. */
static void bool_put(hdf5_pen *p)
{
    class_put(p, 8, 2, 1);
    integer_put(p, 1, true);
    pen_bytes(p, "FALSE\0\0\0TRUE\0\0\0\0\0\1", 18);
}

static size_t type_bytes(ebb_dtype dtype)
{
    switch (dtype) {
    case EBB_F16:
    case EBB_F32:
    case EBB_F64: return 20;
    case EBB_BF16: return 8;
    case EBB_BOOL: return 38;
    default: return INTEGER_TYPE;
    }
}

static void type_put(hdf5_pen *p, ebb_dtype dtype)
{
    const uint32_t bytes = (uint32_t)ebb_dtype_bytes(dtype);

    switch (dtype) {
    case EBB_F16:
    case EBB_F32:
    case EBB_F64: float_put(p, bytes); break;
    case EBB_BF16: class_put(p, 5, 0, 2); break;
    case EBB_BOOL: bool_put(p); break;
    case EBB_I8:
    case EBB_I16:
    case EBB_I32:
    case EBB_I64: integer_put(p, bytes, true); break;
    default: integer_put(p, bytes, false); break;
    }
}

/* -- messages ---------------------------------------------------------------------------------- */

static void message_begin(hdf5_pen *p, uint32_t type, size_t bytes)
{
    pen_number(p, type, 2);
    pen_number(p, padded(bytes), 2);
    pen_number(p, type == MESSAGE_DATATYPE || type == MESSAGE_FILL, 1); /* these never change */
    pen_skip(p, 3);
}

static void dataspace_put(hdf5_pen *p, uint32_t rank, const int64_t *dims)
{
    pen_number(p, 1, 1);
    pen_number(p, rank, 1);
    pen_skip(p, 6);
    for (uint32_t i = 0; i < rank; i++) pen_number(p, (uint64_t)dims[i], 8);
}

static size_t dataspace_bytes(uint32_t rank)
{
    return 8 + 8 * (size_t)rank;
}

static size_t chunk_layout_bytes(uint32_t rank)
{
    return 11 + 4 * ((size_t)rank + 1);
}

/* Of a symbol table message, or of the four or five messages of a dataset. */
static size_t kind_bytes(const hdf5_item *item)
{
    if (!item->is_dataset) return MESSAGE_BYTES + 16;
    const size_t all = 4 * MESSAGE_BYTES + dataspace_bytes(item->rank) +
                       padded(type_bytes(item->dtype)) + 8;
    if (item->chunks == NULL) return all + 24;
    return all + padded(chunk_layout_bytes(item->rank)) + MESSAGE_BYTES + 24;
}

static void chunk_layout_put(hdf5_pen *p, const hdf5_item *item, uint64_t tree)
{
    const size_t bytes = chunk_layout_bytes(item->rank);

    message_begin(p, MESSAGE_LAYOUT, bytes);
    pen_bytes(p, "\3\2", 2); /* in chunks */
    pen_number(p, item->rank + 1, 1);
    pen_number(p, tree, 8);
    pen_number(p, (uint64_t)item->chunks->length, 4);
    for (uint32_t i = 1; i < item->rank; i++) pen_number(p, (uint64_t)item->dims[i], 4);
    pen_number(p, ebb_dtype_bytes(item->dtype), 4);
    pen_skip(p, padded(bytes) - bytes);
    message_begin(p, MESSAGE_FILTERS, 24);
    pen_bytes(p, "\1\1\0\0\0\0\0\0", 8); /* version 1, one filter */
    pen_bytes(p, "\1\0\0\0\1\0\1\0", 8); /* deflate, without a name, optional, one number */
    pen_number(p, HDF5_DEFLATE_LEVEL, 4);
    pen_skip(p, 4);
}

static void dataset_put(hdf5_pen *p, const hdf5_item *item, uint64_t tree)
{
    message_begin(p, MESSAGE_DATASPACE, dataspace_bytes(item->rank));
    dataspace_put(p, item->rank, item->dims);
    const size_t type = type_bytes(item->dtype);
    message_begin(p, MESSAGE_DATATYPE, type);
    type_put(p, item->dtype);
    pen_skip(p, padded(type) - type);
    message_begin(p, MESSAGE_FILL, 8);
    if (item->chunks != NULL) {
        pen_bytes(p, "\2\3\2\1\0\0\0\0", 8); /* allocated one by one */
        chunk_layout_put(p, item, tree);
        return;
    }
    pen_bytes(p, "\2\2\2\1\0\0\0\0", 8); /* allocated late, written if set, the default */
    message_begin(p, MESSAGE_LAYOUT, 18);
    pen_bytes(p, "\3\1", 2); /* contiguous */
    pen_number(p, item->data, 8);
    pen_number(p, item->data_bytes, 8);
    pen_skip(p, 6);
}

/* -- attributes -------------------------------------------------------------------------------- */

static size_t attribute_bytes(const hdf5_attribute_out *a)
{
    const bool is_text = a->text != NULL;

    return 8 + padded(strlen(a->name) + 1) + padded(is_text ? TEXT_TYPE : FIXED_TEXT_TYPE) +
           dataspace_bytes(is_text ? 0 : 1) + padded(is_text ? 16 : (size_t)a->count * a->width);
}

static void text_value_put(hdf5_pen *p, const hdf5_attribute_out *a)
{
    class_put(p, 9, 0x101, 16); /* a string, UTF-8 */
    integer_put(p, 1, false);
    pen_skip(p, padded(TEXT_TYPE) - TEXT_TYPE);
    dataspace_put(p, 0, NULL);
    pen_number(p, strlen(a->text), 4);
    pen_number(p, a->heap_index > 0 ? a->heap : 0, 8);
    pen_number(p, a->heap_index, 4);
}

static void texts_value_put(hdf5_pen *p, const hdf5_attribute_out *a)
{
    const int64_t count = a->count;
    const size_t bytes = (size_t)a->count * a->width;

    class_put(p, 3, 1, a->width); /* padded with zeros */
    dataspace_put(p, 1, &count);
    for (uint32_t i = 0; i < a->count; i++) {
        const size_t length = strlen(a->texts[i]);
        pen_bytes(p, a->texts[i], length);
        pen_skip(p, a->width - length);
    }
    pen_skip(p, padded(bytes) - bytes);
}

static void attribute_put(hdf5_pen *p, const hdf5_attribute_out *a)
{
    const size_t name = strlen(a->name) + 1;
    const bool is_text = a->text != NULL;

    message_begin(p, MESSAGE_ATTRIBUTE, attribute_bytes(a));
    pen_number(p, 1, 2);
    pen_number(p, name, 2);
    pen_number(p, is_text ? TEXT_TYPE : FIXED_TEXT_TYPE, 2);
    pen_number(p, dataspace_bytes(is_text ? 0 : 1), 2);
    pen_bytes(p, a->name, name);
    pen_skip(p, padded(name) - name);
    if (is_text) {
        text_value_put(p, a);
    } else {
        texts_value_put(p, a);
    }
}

/* -- headers ----------------------------------------------------------------------------------- */

size_t hdf5_header_bytes(const hdf5_item *item)
{
    size_t bytes = PREFIX_BYTES + kind_bytes(item);
    uint32_t count = 5;

    for (const hdf5_attribute_out *a = item->attributes; a != NULL; a = a->next, count++) {
        const size_t message = attribute_bytes(a);
        if (message > MESSAGE_BYTES_MAX || count == UINT16_MAX) return 0;
        bytes += MESSAGE_BYTES + message;
    }
    return bytes <= UINT32_MAX ? bytes : 0;
}

void hdf5_header_put(hdf5_pen *p, const hdf5_item *item, uint64_t tree, uint64_t heap)
{
    uint32_t count = !item->is_dataset ? 1 : item->chunks != NULL ? 5 : 4;

    for (const hdf5_attribute_out *a = item->attributes; a != NULL; a = a->next) count++;
    pen_number(p, 1, 2);
    pen_number(p, count, 2);
    pen_number(p, 1, 4); /* links to it */
    pen_number(p, item->header_bytes - PREFIX_BYTES, 4);
    pen_skip(p, 4);
    if (item->is_dataset) {
        dataset_put(p, item, tree);
    } else {
        message_begin(p, MESSAGE_SYMBOLS, 16);
        pen_number(p, tree, 8);
        pen_number(p, heap, 8);
    }
    for (const hdf5_attribute_out *a = item->attributes; a != NULL; a = a->next)
        attribute_put(p, a);
}
