/* crc32c_test.c -- known answers of RFC 3720, appendix B.4, however the bytes are cut. */
#include <string.h>

#include "base/crc32c.h"
#include "harness.h"

TEST(known_answers)
{
    uint8_t bytes[32];

    CHECK_EQ(crc32c_extend(0, "", 0), 0);
    CHECK_EQ(crc32c_extend(0, "123456789", 9), 0xE3069283u);
    memset(bytes, 0, sizeof bytes);
    CHECK_EQ(crc32c_extend(0, bytes, sizeof bytes), 0x8A9136AAu);
    memset(bytes, 0xFF, sizeof bytes);
    CHECK_EQ(crc32c_extend(0, bytes, sizeof bytes), 0x62A8AB43u);
    for (uint8_t i = 0; i < 32; i++) bytes[i] = i;
    CHECK_EQ(crc32c_extend(0, bytes, sizeof bytes), 0x46DD794Eu);
    for (uint8_t i = 0; i < 32; i++) bytes[i] = 31 - i;
    CHECK_EQ(crc32c_extend(0, bytes, sizeof bytes), 0x113FDB5Cu);
}

TEST(parts_add_up)
{
    uint8_t bytes[100];

    for (uint8_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 37 + 5);
    const uint32_t whole = crc32c_extend(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        const uint32_t first = crc32c_extend(0, bytes, cut);
        CHECK_EQ(crc32c_extend(first, bytes + cut, sizeof bytes - cut), whole);
    }
}

/* The checksum of an empty block of a table with its kind, as every index of TensorFlow ends. */
TEST(masks_as_tables_do)
{
    const uint8_t block[] = {0, 0, 0, 0, 1, 0, 0, 0, 0};

    CHECK_EQ(crc32c_masked(0), 0xA282EAD8u);
    CHECK_EQ(crc32c_masked(crc32c_extend(0, block, sizeof block)), 0xB0A1F2C0u);
}

TEST_MAIN(RUN(known_answers), RUN(parts_add_up), RUN(masks_as_tables_do))
