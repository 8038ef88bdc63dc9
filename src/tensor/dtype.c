/* dtype.c -- the table of data types and the conversion of any into any.
 *
 * Every type is read into one of three wide types that hold it exactly (int64, uint64, double),
 * block by block on the stack, and written from there: 13 readers and 3 x 13 writers instead of 169
 * pairs. The pairs that a prediction meets have loops of their own.
 *
 * Semantics are numpy's astype on x86-64, written without undefined behaviour: integers wrap; a
 * float is truncated; outside the range of int32 (types up to 16 bits and int32) or int64 (the
 * others) it becomes the lowest value of that type, whose low bits are then kept. NaN counts as out
 * of range; uint64 takes all of its own range and makes 0 of what is above. float64 to bfloat16 and
 * integers to half types go by way of float32, as numpy and ml_dtypes do. */
#include "tensor/dtype.h"

#include <string.h>

#include "tensor/half.h"

#define BLOCK_ITEMS 256

typedef enum wide_kind { WIDE_SIGNED, WIDE_UNSIGNED, WIDE_DOUBLE, WIDE_COUNT } wide_kind;

typedef union wide {
    int64_t as_signed[BLOCK_ITEMS];
    uint64_t as_unsigned[BLOCK_ITEMS];
    double as_double[BLOCK_ITEMS];
} wide;

typedef void (*reader)(const void *source, size_t count, wide *block);
typedef void (*writer)(const wide *block, size_t count, void *destination);

/* -- float to integer -------------------------------------------------------------------------- */

static int32_t int32_of(double x)
{
    return x > -2147483649.0 && x < 2147483648.0 ? (int32_t)x : INT32_MIN;
}

static int64_t int64_of(double x)
{
    return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN;
}

static uint64_t uint64_of(double x)
{
    if (!(x >= 0x1p63)) return (uint64_t)int64_of(x);
    return x < 0x1p64 ? (uint64_t)x : 0;
}

/* -- readers and writers, by macro: T in memory, W wide ---------------------------------------- */

#define READER(name, T, member, expression)                                                        \
    static void read_##name(const void *source, size_t count, wide *block)                         \
    {                                                                                              \
        const char *from = source;                                                                 \
        for (size_t i = 0; i < count; i++) {                                                       \
            T x;                                                                                   \
            memcpy(&x, from + i * sizeof x, sizeof x);                                             \
            block->member[i] = expression;                                                         \
        }                                                                                          \
    }

#define WRITER(name, T, member, W, expression)                                                     \
    static void write_##name##_##member(const wide *block, size_t count, void *destination)        \
    {                                                                                              \
        char *to = destination;                                                                    \
        for (size_t i = 0; i < count; i++) {                                                       \
            const W x = block->member[i];                                                          \
            const T y = expression;                                                                \
            memcpy(to + i * sizeof y, &y, sizeof y);                                               \
        }                                                                                          \
    }

#define WRITERS(name, T, from_integer, from_double)                                                \
    WRITER(name, T, as_signed, int64_t, from_integer)                                              \
    WRITER(name, T, as_unsigned, uint64_t, from_integer)                                           \
    WRITER(name, T, as_double, double, from_double)

READER(F32, float, as_double, (double)x)
READER(F16, uint16_t, as_double, (double)half_expand(x))
READER(BF16, uint16_t, as_double, (double)bfloat_expand(x))
READER(F64, double, as_double, x)
READER(I8, int8_t, as_signed, x)
READER(I16, int16_t, as_signed, x)
READER(I32, int32_t, as_signed, x)
READER(I64, int64_t, as_signed, x)
READER(U8, uint8_t, as_signed, x)
READER(U16, uint16_t, as_signed, x)
READER(U32, uint32_t, as_signed, x)
READER(U64, uint64_t, as_unsigned, x)
READER(BOOL, uint8_t, as_signed, x != 0)

WRITERS(F32, float, (float)x, (float)x)
WRITERS(F16, uint16_t, half_round((float)x), double_to_half(x))
WRITERS(BF16, uint16_t, bfloat_round((float)x), bfloat_round((float)x))
WRITERS(F64, double, (double)x, x)
WRITERS(I8, uint8_t, (uint8_t)x, (uint8_t)int32_of(x))
WRITERS(I16, uint16_t, (uint16_t)x, (uint16_t)int32_of(x))
WRITERS(I32, uint32_t, (uint32_t)x, (uint32_t)int32_of(x))
WRITERS(I64, uint64_t, (uint64_t)x, (uint64_t)int64_of(x))
WRITERS(U8, uint8_t, (uint8_t)x, (uint8_t)int32_of(x))
WRITERS(U16, uint16_t, (uint16_t)x, (uint16_t)int32_of(x))
WRITERS(U32, uint32_t, (uint32_t)x, (uint32_t)int64_of(x))
WRITERS(U64, uint64_t, (uint64_t)x, uint64_of(x))
WRITERS(BOOL, uint8_t, x != 0, x != 0)

/* -- the table --------------------------------------------------------------------------------- */

#define KIND_F32  WIDE_DOUBLE
#define KIND_F16  WIDE_DOUBLE
#define KIND_BF16 WIDE_DOUBLE
#define KIND_F64  WIDE_DOUBLE
#define KIND_I8   WIDE_SIGNED
#define KIND_I16  WIDE_SIGNED
#define KIND_I32  WIDE_SIGNED
#define KIND_I64  WIDE_SIGNED
#define KIND_U8   WIDE_SIGNED
#define KIND_U16  WIDE_SIGNED
#define KIND_U32  WIDE_SIGNED
#define KIND_U64  WIDE_UNSIGNED
#define KIND_BOOL WIDE_SIGNED

typedef struct dtype_entry {
    const char *name;
    size_t bytes;
    wide_kind kind;
    reader read;
    writer write[WIDE_COUNT];
} dtype_entry;

static const dtype_entry entries[] = {
    [EBB_DTYPE_NONE] = {"none", 0, WIDE_SIGNED, NULL, {NULL, NULL, NULL}},
#define EBB_DTYPE_ENTRY(NAME, number, bytes, text)                                                 \
    [number] = {text,                                                                              \
                bytes,                                                                             \
                KIND_##NAME,                                                                       \
                read_##NAME,                                                                       \
                {write_##NAME##_as_signed, write_##NAME##_as_unsigned, write_##NAME##_as_double}},
    EBB_DTYPE_MAP(EBB_DTYPE_ENTRY)
#undef EBB_DTYPE_ENTRY
};

#define ENTRY_COUNT (sizeof entries / sizeof entries[0])

static const dtype_entry *entry_of(ebb_dtype dtype)
{
    return (size_t)dtype < ENTRY_COUNT ? &entries[dtype] : &entries[EBB_DTYPE_NONE];
}

size_t ebb_dtype_bytes(ebb_dtype dtype)
{
    return entry_of(dtype)->bytes;
}

const char *ebb_dtype_name(ebb_dtype dtype)
{
    return entry_of(dtype)->name;
}

ebb_dtype dtype_from_name(const char *name)
{
    if (name == NULL) return EBB_DTYPE_NONE;
    for (size_t i = 1; i < ENTRY_COUNT; i++) {
        if (strcmp(entries[i].name, name) == 0) return (ebb_dtype)i;
    }
    return EBB_DTYPE_NONE;
}

bool dtype_is_float(ebb_dtype dtype)
{
    const dtype_entry *entry = entry_of(dtype);
    return entry->bytes > 0 && entry->kind == WIDE_DOUBLE;
}

bool dtype_is_integer(ebb_dtype dtype)
{
    const dtype_entry *entry = entry_of(dtype);
    return entry->bytes > 0 && entry->kind != WIDE_DOUBLE && dtype != EBB_BOOL;
}

/* -- conversion -------------------------------------------------------------------------------- */

#define DIRECT(name, T, S, expression)                                                             \
    static void direct_##name(const char *source, size_t count, char *destination)                 \
    {                                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            S x;                                                                                   \
            memcpy(&x, source + i * sizeof x, sizeof x);                                           \
            const T y = expression;                                                                \
            memcpy(destination + i * sizeof y, &y, sizeof y);                                      \
        }                                                                                          \
    }

DIRECT(f16_f32, float, uint16_t, half_expand(x))
DIRECT(bf16_f32, float, uint16_t, bfloat_expand(x))
DIRECT(i32_f32, float, int32_t, (float)x)
DIRECT(i64_f32, float, int64_t, (float)x)
DIRECT(u8_f32, float, uint8_t, (float)x)
DIRECT(f64_f32, float, double, (float)x)
DIRECT(f32_f16, uint16_t, float, half_round(x))
DIRECT(f32_bf16, uint16_t, float, bfloat_round(x))

typedef struct direct_entry {
    ebb_dtype to, from;
    void (*convert)(const char *source, size_t count, char *destination);
} direct_entry;

static const direct_entry directs[] = {
    {EBB_F32, EBB_F16, direct_f16_f32}, {EBB_F32, EBB_BF16, direct_bf16_f32},
    {EBB_F32, EBB_I32, direct_i32_f32}, {EBB_F32, EBB_I64, direct_i64_f32},
    {EBB_F32, EBB_U8, direct_u8_f32},   {EBB_F32, EBB_F64, direct_f64_f32},
    {EBB_F16, EBB_F32, direct_f32_f16}, {EBB_BF16, EBB_F32, direct_f32_bf16},
};

void dtype_convert(ebb_dtype to, void *destination, ebb_dtype from, const void *source,
                   size_t count)
{
    const dtype_entry *target = entry_of(to), *origin = entry_of(from);
    if (count == 0 || target->bytes == 0 || origin->bytes == 0) return;
    if (to == from && to != EBB_BOOL) {
        if (destination != source) memcpy(destination, source, count * target->bytes);
        return;
    }
    for (size_t i = 0; i < sizeof directs / sizeof directs[0]; i++) {
        if (directs[i].to != to || directs[i].from != from) continue;
        directs[i].convert(source, count, destination);
        return;
    }
    const char *in = source;
    char *out = destination;
    const writer write = target->write[origin->kind];
    wide block;
    while (count > 0) {
        const size_t items = count < BLOCK_ITEMS ? count : BLOCK_ITEMS;
        origin->read(in, items, &block);
        write(&block, items, out);
        in += items * origin->bytes;
        out += items * target->bytes;
        count -= items;
    }
}
