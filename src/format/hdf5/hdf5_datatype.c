/* hdf5_datatype.c -- datatype and dataspace messages, and bringing numbers into this machine's
 * order.
 *
 * A type that is neither number nor string parses fine and says in words what it is: whoever needs
 * its values refuses it by that name. Enumerations are their base type, except h5py's bool (an
 * int8 enumeration of FALSE and TRUE). Source: HDF5 File Format Specification 3.0, IV.A.2.b and d.
 */
#include <inttypes.h>

#include "format/hdf5/hdf5_internal.h"

enum {
    CLASS_INTEGER = 0,
    CLASS_FLOAT = 1,
    CLASS_STRING = 3,
    CLASS_OPAQUE = 5,
    CLASS_ENUM = 8,
    CLASS_VLEN = 9,
    CLASS_COUNT = 12
};

static const char *const class_texts[CLASS_COUNT] = {"an unusual integer type",
                                                     "an unusual floating point type",
                                                     "a time type",
                                                     "a string",
                                                     "a bit field",
                                                     "an opaque type",
                                                     "a compound type",
                                                     "a reference",
                                                     "an enumeration",
                                                     "a variable-length list",
                                                     "an array type",
                                                     "a complex type"};

static void type_integer(hdf5_type *type, uint32_t bits, hdf5_cursor *c)
{
    static const ebb_dtype by_log2[2][4] = {{EBB_U8, EBB_U16, EBB_U32, EBB_U64},
                                            {EBB_I8, EBB_I16, EBB_I32, EBB_I64}};
    const uint32_t bytes = type->bytes;
    const uint64_t offset = hdf5_take_number(c, 2), precision = hdf5_take_number(c, 2);

    if (bytes == 0 || bytes > 8 || (bytes & (bytes - 1)) != 0) return;
    if (c->is_bad || offset != 0 || precision != 8 * (uint64_t)bytes) return;
    type->kind = HDF5_TYPE_NUMBER;
    type->dtype = by_log2[(bits >> 3) & 1][hdf5_log2(bytes)];
    type->is_big_endian = (bits & 1) != 0;
}

/* Only the IEEE formats and bfloat16 are numbers here, in either byte order. */
static void type_float(hdf5_type *type, uint32_t bits, hdf5_cursor *c)
{
    static const struct {
        ebb_dtype dtype;
        uint8_t bytes, exponent_at, exponent_bits, mantissa_bits;
        uint32_t bias;
    } formats[] = {{EBB_F32, 4, 23, 8, 23, 127},
                   {EBB_F64, 8, 52, 11, 52, 1023},
                   {EBB_F16, 2, 10, 5, 10, 15},
                   {EBB_BF16, 2, 7, 8, 7, 127}};
    const uint64_t offset = hdf5_take_number(c, 2), precision = hdf5_take_number(c, 2);
    const uint64_t exponent_at = hdf5_take_number(c, 1), exponent_bits = hdf5_take_number(c, 1);
    const uint64_t mantissa_at = hdf5_take_number(c, 1), mantissa_bits = hdf5_take_number(c, 1);
    const uint64_t bias = hdf5_take_number(c, 4);

    if (c->is_bad || offset != 0 || mantissa_at != 0 || (bits & 0x40) != 0) return;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (type->bytes != formats[i].bytes || precision != 8u * formats[i].bytes ||
            exponent_at != formats[i].exponent_at || exponent_bits != formats[i].exponent_bits ||
            mantissa_bits != formats[i].mantissa_bits || bias != formats[i].bias) {
            continue;
        }
        type->kind = HDF5_TYPE_NUMBER;
        type->dtype = formats[i].dtype;
        type->is_big_endian = (bits & 1) != 0;
    }
}

/* The member names behind the base type of an enumeration: is it h5py's bool? */
static bool is_bool(const hdf5_type *base, uint32_t version, uint32_t members, hdf5_cursor *c)
{
    static const char *const names[2] = {"FALSE", "TRUE"};

    if (base->kind != HDF5_TYPE_NUMBER || base->dtype != EBB_I8 || members != 2) return false;
    for (size_t i = 0; i < 2; i++) {
        const size_t length = strlen(names[i]) + 1;
        const uint8_t *name = hdf5_take(c, version < 3 ? 8 : length); /* old names fill eights */

        if (name == NULL || memcmp(name, names[i], length) != 0) return false;
    }
    const uint8_t *values = hdf5_take(c, 2);
    return values != NULL && values[0] == 0 && values[1] == 1;
}

typedef struct type_head {
    uint32_t class_index, version, bits;
} type_head;

static ebb_status head_parse(const hdf5_file *file, uint64_t address, hdf5_cursor *c,
                             type_head *head, hdf5_type *type, ebb_error *error)
{
    const uint32_t first = (uint32_t)hdf5_take_number(c, 1);

    head->class_index = first & 15;
    head->version = first >> 4;
    head->bits = (uint32_t)hdf5_take_number(c, 3);
    *type = (hdf5_type){.kind = HDF5_TYPE_OTHER, .bytes = (uint32_t)hdf5_take_number(c, 4)};
    if (c->is_bad || head->version < 1 || head->version > 5) {
        return hdf5_damaged(file, address, error, "a datatype message is cut short or damaged");
    }
    type->text =
        head->class_index < CLASS_COUNT ? class_texts[head->class_index] : "an unknown type";
    return EBB_OK;
}

/* `c` stands behind the head of an enumeration: its base type, then names and values. */
static ebb_status type_enum(const hdf5_file *file, uint64_t address, hdf5_cursor *c,
                            const type_head *head, hdf5_type *type, ebb_error *error)
{
    hdf5_type base;
    type_head base_head;
    const ebb_status status = head_parse(file, address, c, &base_head, &base, error);

    if (status != EBB_OK) return status;
    if (base_head.class_index != CLASS_INTEGER || base.bytes != type->bytes) return EBB_OK;
    type_integer(&base, base_head.bits, c);
    if (base.kind != HDF5_TYPE_NUMBER) return EBB_OK;
    base.text = type->text;
    *type = base;
    if (is_bool(&base, head->version, head->bits & 0xffff, c)) type->dtype = EBB_BOOL;
    return EBB_OK;
}

ebb_status hdf5_type_parse(const hdf5_file *file, uint64_t address, hdf5_cursor *c, hdf5_type *type,
                           ebb_error *error)
{
    type_head head;
    ebb_status status = head_parse(file, address, c, &head, type, error);

    if (status != EBB_OK) return status;
    if (head.class_index == CLASS_INTEGER) type_integer(type, head.bits, c);
    if (head.class_index == CLASS_FLOAT) type_float(type, head.bits, c);
    if (head.class_index == CLASS_OPAQUE) type->kind = HDF5_TYPE_OPAQUE;
    if (head.class_index == CLASS_ENUM) status = type_enum(file, address, c, &head, type, error);
    if (head.class_index == CLASS_STRING) {
        type->kind = HDF5_TYPE_STRING;
        type->is_space_padded = (head.bits & 15) == 2;
    }
    if (head.class_index == CLASS_VLEN && (head.bits & 15) == 1) {
        type->kind = HDF5_TYPE_VLEN_STRING;
        type->text = "a variable-length string";
        if (type->bytes != 8u + file->address_bytes) {
            return hdf5_damaged(file, address, error, "a variable-length string of %u bytes",
                                type->bytes);
        }
    }
    if (type->bytes == 0) return hdf5_damaged(file, address, error, "a datatype of no bytes");
    return status;
}

ebb_status hdf5_space_parse(const hdf5_file *file, uint64_t address, hdf5_cursor *c,
                            hdf5_space *space, ebb_error *error)
{
    const uint64_t version = hdf5_take_number(c, 1);
    const uint64_t rank = hdf5_take_number(c, 1);
    const uint64_t flags = hdf5_take_number(c, 1);
    const uint64_t kind = hdf5_take_number(c, 1);

    *space = (hdf5_space){.count = 1};
    if (version == 1) hdf5_take(c, 4);
    if (c->is_bad || version < 1 || version > 2) {
        return hdf5_damaged(file, address, error, "a dataspace message is cut short or damaged");
    }
    if (version == 2 && kind == 2) {
        space->is_null = true;
        space->count = 0;
        return EBB_OK;
    }
    if (rank > EBB_RANK_MAX) {
        return hdf5_unsupported(file, address, error, "%u axes; at most %d are read",
                                (unsigned)rank, EBB_RANK_MAX);
    }
    space->rank = (uint32_t)rank;
    for (uint32_t i = 0; i < rank; i++) space->dims[i] = hdf5_take_length(file, c);
    for (uint32_t i = 0; i < rank; i++) {
        const uint64_t unlimited = UINT64_MAX >> (64 - 8 * file->length_bytes);
        const uint64_t most = (flags & 1) != 0 ? hdf5_take_length(file, c) : space->dims[i];

        space->dims_max[i] = most == unlimited ? UINT64_MAX : most;
        if (space->dims[i] > INT64_MAX || space->dims_max[i] < space->dims[i]) {
            return hdf5_damaged(file, address, error,
                                "axis %u has %" PRIu64 " elements of at most %" PRIu64, i,
                                space->dims[i], space->dims_max[i]);
        }
    }
    if (c->is_bad) return hdf5_damaged(file, address, error, "a dataspace message is cut short");
    for (uint32_t i = 0; i < rank; i++) {
        if (space->dims[i] == 0) space->count = 0;
    }
    for (uint32_t i = 0; i < rank && space->count > 0; i++) {
        if (!u64_mul(space->count, space->dims[i], &space->count) || space->count > INT64_MAX) {
            return hdf5_damaged(file, address, error,
                                "the number of elements does not fit 63 bits");
        }
    }
    return EBB_OK;
}

void hdf5_type_finish(const hdf5_type *type, void *bytes, uint64_t count)
{
    const bool is_little_machine = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    uint8_t *at = bytes;
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    for (uint64_t i = 0; type->dtype == EBB_BOOL && i < count; i++) at[i] = at[i] != 0;
    if (type->is_big_endian != is_little_machine) return;
    for (uint64_t i = 0; i < count; i++, at += type->bytes) {
        if (type->bytes == 2) {
            memcpy(&two, at, 2);
            two = __builtin_bswap16(two);
            memcpy(at, &two, 2);
        } else if (type->bytes == 4) {
            memcpy(&four, at, 4);
            four = __builtin_bswap32(four);
            memcpy(at, &four, 4);
        } else if (type->bytes == 8) {
            memcpy(&eight, at, 8);
            eight = __builtin_bswap64(eight);
            memcpy(at, &eight, 8);
        }
    }
}
