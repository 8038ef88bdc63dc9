/* view_test.c -- sums over shapes, and shapes as text. */
#include "harness.h"

#include <string.h>

#include "tensor/view.h"

TEST(dims_are_counted)
{
    uint64_t count = 7;
    const int64_t plain[] = {2, 3, 4}, empty[] = {5, 0, 2}, unknown[] = {-1, 3};
    const int64_t large[] = {(int64_t)1 << 62, 4}, large_empty[] = {(int64_t)1 << 62, 4, 0};
    const int64_t empty_bad[] = {0, -1};
    CHECK(dims_count(3, plain, &count));
    CHECK_EQ(count, 24);
    CHECK(dims_count(0, plain, &count));
    CHECK_EQ(count, 1);
    CHECK(dims_count(3, empty, &count));
    CHECK_EQ(count, 0);
    CHECK(!dims_count(2, unknown, &count));
    CHECK(!dims_count(2, empty_bad, &count));
    CHECK(!dims_count(2, large, &count));
    CHECK_EQ(count, UINT64_MAX);
    CHECK(dims_count(3, large_empty, &count));
    CHECK_EQ(count, 0);
}

TEST(dims_as_text)
{
    char text[32];
    const int64_t dims[] = {-1, 224, 224, 3};
    CHECK_TEXT(dims_text(4, dims, text, sizeof text), "(?, 224, 224, 3)");
    CHECK_TEXT(dims_text(1, dims + 1, text, sizeof text), "(224,)");
    CHECK_TEXT(dims_text(0, dims, text, sizeof text), "()");
}

/* Any capacity: terminated, never over the end, and a cut shows. */
TEST(dims_text_is_cut)
{
    const int64_t dims[] = {INT64_MAX, 0, INT64_MAX, -5, 1, 2, 3, INT64_MAX};
    char whole[128], text[128];
    dims_text(8, dims, whole, sizeof whole);
    const size_t length = strlen(whole);
    for (size_t capacity = 0; capacity < sizeof text; capacity++) {
        memset(text, 0x77, sizeof text);
        CHECK(dims_text(8, dims, text, capacity) == text);
        CHECK_EQ(text[capacity], 0x77);
        if (capacity == 0) continue;
        CHECK(strlen(text) < capacity);
        if (capacity > length) CHECK_TEXT(text, whole);
        if (capacity <= length && capacity > 3) CHECK_TEXT(text + capacity - 4, "...");
    }
}

TEST(view_bytes)
{
    ebb_view view = {EBB_F32, 2, {10, 784}, NULL};
    CHECK_EQ(ebb_view_bytes(&view), 31360);
    view.rank = 0;
    CHECK_EQ(ebb_view_bytes(&view), 4);
    view.rank = EBB_RANK_MAX + 1;
    CHECK_EQ(ebb_view_bytes(&view), UINT64_MAX);
    view.rank = 1;
    view.dims[0] = -1;
    CHECK_EQ(ebb_view_bytes(&view), UINT64_MAX);
    view.dims[0] = INT64_MAX;
    CHECK_EQ(ebb_view_bytes(&view), UINT64_MAX);
    view.dtype = EBB_DTYPE_NONE;
    CHECK_EQ(ebb_view_bytes(&view), 0);
    CHECK_EQ(ebb_view_bytes(NULL), UINT64_MAX);
}

TEST_MAIN(RUN(dims_are_counted), RUN(dims_as_text), RUN(dims_text_is_cut), RUN(view_bytes))
