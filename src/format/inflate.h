/* inflate.h -- zlib's inflate with its memory taken from a region.
 *
 * zlib frees nothing here: its state and window (about 40 KiB) go when the region closes, so the
 * region must be a scratch region of the call. One inflater may run any number of streams in turn.
 */
#ifndef EBB_FORMAT_INFLATE_H
#define EBB_FORMAT_INFLATE_H

#include "format/source.h"

typedef struct inflater inflater;

typedef enum inflate_wrapper {
    INFLATE_RAW, /* zip members */
    INFLATE_ZLIB /* HDF5 chunks: header and Adler-32, which zlib verifies */
} inflate_wrapper;

/* NULL: no memory in `scratch`. */
inflater *inflate_open(region *scratch, inflate_wrapper wrapper);

/* Inflates one whole stream. *produced is at most `capacity`; a stream that holds more, ends
 * early, is damaged or is followed by other bytes is E_FORMAT. `where` names the stream in the
 * error. */
ebb_status inflate_buffer(inflater *i, const void *input, size_t length, void *output,
                          size_t capacity, size_t *produced, const char *where, ebb_error *error);

/* The same from `length` bytes of a source, through a window of 64 KiB in the inflater's region. */
ebb_status inflate_source(inflater *i, source *s, uint64_t offset, uint64_t length, void *output,
                          size_t capacity, size_t *produced, const char *where, ebb_error *error);

#endif
