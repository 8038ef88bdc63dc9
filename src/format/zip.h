/* zip.h -- a bounded reader of zip archives: stored and deflated members, zip64, data descriptors.
 *
 * Reads the end record and the central directory; a member's local header must agree with it.
 * Refused: encryption, other methods, overlapping members, members outside the file, names that
 * are absolute or hold "..", duplicate names, more than 65,536 members, inflated sizes over 4 GiB
 * or, from 64 MiB on, over 100 times the compressed (Keras's guard). Members are sorted by name.
 * Inflating goes through zlib with memory from the region. CRC-32 is verified for inflated members
 * and when asked for stored ones. Source: APPNOTE.TXT 6.3.10.
 */
#ifndef EBB_FORMAT_ZIP_H
#define EBB_FORMAT_ZIP_H

#include "format/source.h"

typedef struct zip_member {
    const char *name;
    uint64_t    compressed_bytes, bytes; /* stored, and after inflating */
    uint64_t    data_offset;             /* of the first stored byte in the archive */
    uint32_t    crc;
    uint16_t    method; /* 0 stored, 8 deflated */
} zip_member;

typedef struct zip_archive {
    source           *file;
    const zip_member *members;
    uint32_t          count;
} zip_archive;

ebb_status zip_open(region *home, source *s, zip_archive **archive, ebb_error *error);
const zip_member *zip_find(const zip_archive *archive, const char *name); /* NULL: there is none */

/* The whole member in a block of `home` (region_block), zero terminated; refuses more than
 * bytes_max. */
ebb_status zip_read(region *home, zip_archive *archive, const zip_member *member,
                    uint64_t bytes_max, const char **bytes, ebb_error *error);
/* A member as a source: stored ones as a range of the file, deflated ones inflated into a block of
 * `home`. */
ebb_status zip_source(region *home, zip_archive *archive, const zip_member *member,
                      source **result, ebb_error *error);

#endif
