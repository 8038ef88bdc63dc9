/* messages.c -- see messages.h. */
#include "format/savedmodel/messages.h"

#include "base/status.h"

#define GROWTH_MAX  64u /* bytes of memory a byte of text may take */
#define GROWTH_FREE ((uint64_t)1 << 20)
#define GROWTH_FLAT ((uint64_t)512 << 20) /* beyond this only 4 bytes a byte */

static void *message_allocate(void *home, size_t bytes)
{
    return region_alloc(home, 1, bytes);
}

/* Everything goes with the region. */
static void message_release(void *home, void *memory)
{
    (void)home;
    (void)memory;
}

static uint64_t allowance(uint64_t length)
{
    const uint64_t steep = length * GROWTH_MAX, flat = length * 4 + GROWTH_FLAT;

    return GROWTH_FREE + (steep < flat ? steep : flat);
}

ebb_status message_read(region *home, const ProtobufCMessageDescriptor *kind, const void *bytes,
                        size_t length, const char *where, const void **result, ebb_error *error)
{
    *result = NULL;
    if (length > INT32_MAX) {
        return fail(error, EBB_E_FORMAT, where, "%zu bytes are more than a message may have",
                    length);
    }
    region *room = region_open(home, "message", EBB_CLASS_SCRATCH, allowance(length));
    if (room == NULL) return region_fail(home, error, where, "a message");
    ProtobufCAllocator allocator = {message_allocate, message_release, room};
    *result = protobuf_c_message_unpack(kind, &allocator, length, bytes);
    if (*result != NULL) return EBB_OK;
    const ebb_status status =
        region_refusals(room) > 0
            ? region_fail(room, error, where, "a message")
            : fail(error, EBB_E_FORMAT, where,
                   "the file is damaged, or no %s of TensorFlow (protobuf)", kind->short_name);
    region_close(room);
    return status;
}
