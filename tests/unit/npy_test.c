/* npy_test.c -- headers numpy writes, headers it does not, and every damaged byte of one. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "tensor/npy.h"

/* A version 1 or 2 file with this dict; the length goes into *length. */
static const char *file_with(int version, const char *dict, size_t *length)
{
    static char bytes[70000];
    const size_t begin = version == 1 ? 10 : 12, used = strlen(dict);
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (char)version;
    bytes[8] = (char)(unsigned char)(used & 0xFF);
    bytes[9] = (char)(unsigned char)(used >> 8 & 0xFF);
    if (version > 1) bytes[10] = (char)(unsigned char)(used >> 16);
    memcpy(bytes + begin, dict, used);
    *length = begin + used;
    return bytes;
}

static ebb_status read_dict(test *t, int version, const char *dict, npy_header *header)
{
    size_t length;
    const char *bytes = file_with(version, dict, &length);
    return npy_header_read(bytes, length, "x.npy", header, &t->error);
}

TEST(npy_reads_what_numpy_writes)
{
    npy_header header;
    const char *dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }            \n";
    CHECK_OK(read_dict(t, 1, dict, &header));
    CHECK_EQ(header.dtype, EBB_F32);
    CHECK_EQ(header.rank, 2);
    CHECK_EQ(header.dims[0], 3);
    CHECK_EQ(header.dims[1], 4);
    CHECK(!header.swapped);
    CHECK_EQ(header.data_bytes, 48);
    CHECK_EQ(header.data_offset, 10 + strlen(dict));
    CHECK_OK(read_dict(t, 2, dict, &header));
    CHECK_EQ(header.data_offset, 12 + strlen(dict));
    CHECK_OK(read_dict(t, 3, dict, &header));
    CHECK_OK(
        read_dict(t, 1, "{\"shape\":(5L,),\"fortran_order\":True,\"descr\":\">i8\"}", &header));
    CHECK_EQ(header.rank, 1);
    CHECK_EQ(header.dims[0], 5);
    CHECK(header.swapped);
    CHECK_OK(read_dict(t, 1, "{'descr':'|b1','fortran_order':False,'shape':()}", &header));
    CHECK_EQ(header.rank, 0);
    CHECK_EQ(header.data_bytes, 1);
    CHECK_OK(read_dict(t, 1, "{'descr':'<f8','fortran_order':False,'shape':(0, 7)}", &header));
    CHECK_EQ(header.data_bytes, 0);
}

TEST(npy_knows_every_type)
{
    static const struct {
        const char *descr;
        ebb_dtype dtype;
        bool swapped;
    } known[] = {
        {"<f4", EBB_F32, false},  {">f4", EBB_F32, true},   {"=f4", EBB_F32, false},
        {"<f2", EBB_F16, false},  {"<V2", EBB_BF16, false}, {"<f8", EBB_F64, false},
        {"|i1", EBB_I8, false},   {">i1", EBB_I8, false},   {"<i2", EBB_I16, false},
        {">i4", EBB_I32, true},   {"<i8", EBB_I64, false},  {"|u1", EBB_U8, false},
        {">u2", EBB_U16, true},   {"<u4", EBB_U32, false},  {"<u8", EBB_U64, false},
        {"|b1", EBB_BOOL, false}, {"?", EBB_BOOL, false},   {"bool", EBB_BOOL, false},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char dict[128];
        npy_header header;
        snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': (2,)}",
                 known[i].descr);
        CHECK_OK(read_dict(t, 1, dict, &header));
        CHECK_EQ(header.dtype, known[i].dtype);
        CHECK_EQ(header.swapped, known[i].swapped);
        CHECK_EQ(header.data_bytes, 2 * ebb_dtype_bytes(known[i].dtype));
    }
}

TEST(npy_refuses_by_name)
{
    npy_header header;
    CHECK_STATUS(read_dict(t, 1, "{'descr':'<f4','fortran_order':True,'shape':(2,3)}", &header),
                 EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "Fortran");
    CHECK_STATUS(
        read_dict(t, 1, "{'descr':[('a','<f4')],'fortran_order':False,'shape':(2,)}", &header),
        EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "structured");
    CHECK_STATUS(read_dict(t, 1, "{'descr':'|O','fortran_order':False,'shape':(2,)}", &header),
                 EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "pickled");
    CHECK_STATUS(read_dict(t, 1, "{'descr':'<c8','fortran_order':False,'shape':(2,)}", &header),
                 EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "'<c8'");
    CHECK_STATUS(read_dict(t, 1,
                           "{'descr':'<f4','fortran_order':False,'shape':(1,1,1,1,1,1,1,1,1)}",
                           &header),
                 EBB_E_UNSUPPORTED);
    CHECK_STATUS(read_dict(t, 4, "{}", &header), EBB_E_UNSUPPORTED);
}

TEST(npy_refuses_damage)
{
    static const char *const dicts[] = {
        "",
        "{",
        "{}",
        "[]",
        "{'descr':'<f4'}",
        "{'descr':'<f4','fortran_order':False}",
        "{'descr':'<f4','fortran_order':False,'shape':(2,)",
        "{'descr':'<f4','fortran_order':Maybe,",
        "{'descr':'<f4','fortran_order':False,'shape':(2,)} x",
        "{'descr':'<f4','fortran_order':False,'shape':(2,),'more':1}",
        "{'descr':'<f4','descr':'<f4','fortran_order':False,'shape':(2,)}",
        "{'descr':'<f4','fortran_order':False,'shape':(-2,)}",
        "{'descr':'<f4','fortran_order':False,'shape':(2 3)}",
        "{'descr':'<f4','fortran_order':False,'shape':2}",
        "{'descr':'<f4','fortran_order':False,'shape':(99999999999999999999,)}",
        "{'descr':'<f4','fortran_order':False,'shape':(4294967296,4294967296)}",
        "{'descr':'<f8','fortran_order':False,'shape':(2305843009213693952,)}",
        "{'descr':'a name that is far longer than any type has','fortran_order':False,'shape':()}",
        "{'descr':'<f4','fortran_order':False,'shape':(2,)",
    };
    npy_header header;
    for (size_t i = 0; i < sizeof dicts / sizeof dicts[0]; i++) {
        CHECK_STATUS(read_dict(t, 1, dicts[i], &header), EBB_E_FORMAT);
        CHECK_TEXT(t->error.where, "x.npy");
    }
    size_t length;
    const char *bytes = file_with(2, "{'descr':'<f4','fortran_order':False,'shape':(2,)}", &length);
    for (size_t cut = 0; cut < length; cut++) {
        CHECK_STATUS(npy_header_read(bytes, cut, "cut", &header, &t->error), EBB_E_FORMAT);
    }
    CHECK_STATUS(npy_header_read("PK\3\4 a zip archive", 18, "z", &header, NULL), EBB_E_FORMAT);
}

/* Any byte of a header replaced by any other: an answer, and never a size that does not add up. */
TEST(npy_survives_every_byte)
{
    size_t length;
    const char *good =
        file_with(1, "{'descr':'<f4','fortran_order':False,'shape':(12, 3)}", &length);
    char *copy = region_alloc(t->home, length, 1);
    npy_header header;
    memcpy(copy, good, length);
    for (size_t i = 0; i < length; i++) {
        for (int value = 0; value < 256; value++) {
            const char kept = copy[i];
            copy[i] = (char)(unsigned char)value;
            const ebb_status status = npy_header_read(copy, length, "m", &header, &t->error);
            copy[i] = kept;
            if (status != EBB_OK) continue;
            CHECK(header.rank <= EBB_RANK_MAX);
            CHECK(ebb_dtype_bytes(header.dtype) > 0);
            CHECK_EQ(header.data_bytes % ebb_dtype_bytes(header.dtype), 0);
        }
    }
}

TEST(npy_reads_what_it_writes)
{
    for (int type = 1; type <= 13; type++) {
        for (uint32_t rank = 0; rank <= EBB_RANK_MAX; rank++) {
            npy_header header = {.dtype = (ebb_dtype)type, .rank = rank}, back;
            for (uint32_t i = 0; i < rank; i++) header.dims[i] = i == 3 ? 0 : INT64_MAX - i;
            if (rank < 4) {
                for (uint32_t i = 0; i < rank; i++) header.dims[i] = 10 + i;
            }
            char bytes[257];
            bytes[256] = 0x77;
            const size_t length = npy_header_write(&header, bytes);
            CHECK(length > 0 && length <= 256 && length % 64 == 0);
            CHECK_EQ(bytes[256], 0x77);
            CHECK_EQ(bytes[length - 1], '\n');
            CHECK_OK(npy_header_read(bytes, length, "w", &back, &t->error));
            CHECK_EQ(back.dtype, type);
            CHECK_EQ(back.rank, rank);
            CHECK_EQ(back.data_offset, length);
            for (uint32_t i = 0; i < rank; i++) CHECK_EQ(back.dims[i], header.dims[i]);
        }
    }
}

TEST(npy_writes_as_numpy)
{
    static const char wanted[] = "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, "
                                 "'shape': (3, 4), }  ";
    char bytes[256];
    const npy_header header = {.dtype = EBB_F32, .rank = 2, .dims = {3, 4}};
    CHECK_EQ(npy_header_write(&header, bytes), 128);
    CHECK(memcmp(bytes, wanted, sizeof wanted - 1) == 0);
}

TEST(npy_swaps_bytes)
{
    unsigned char data[] = {1, 2, 3, 4, 5, 6, 7, 8};
    npy_swap(EBB_I16, data, 4);
    CHECK(memcmp(data, "\2\1\4\3\6\5\10\7", 8) == 0);
    npy_swap(EBB_F32, data, 2);
    CHECK(memcmp(data, "\3\4\1\2\7\10\5\6", 8) == 0);
    npy_swap(EBB_F64, data, 1);
    CHECK(memcmp(data, "\6\5\10\7\2\1\4\3", 8) == 0);
    npy_swap(EBB_U8, data, 8);
    CHECK(memcmp(data, "\6\5\10\7\2\1\4\3", 8) == 0);
}

TEST_MAIN(RUN(npy_reads_what_numpy_writes), RUN(npy_knows_every_type), RUN(npy_refuses_by_name),
          RUN(npy_refuses_damage), RUN(npy_survives_every_byte), RUN(npy_reads_what_it_writes),
          RUN(npy_writes_as_numpy), RUN(npy_swaps_bytes))
