/* zip_writer.h -- writes a zip of members, stored or deflated, whose data begin at multiples of
 * 64, so that readers may map what is stored.
 *
 * The gap is an extra field of the local header (id 0x6265), which readers skip. Members above 4
 * GiB and archives of more than 65,535 members use zip64 records. Times are fixed, so equal
 * contents give equal files. Source: APPNOTE.TXT 6.3.10. */
#ifndef EBB_FORMAT_ZIP_WRITER_H
#define EBB_FORMAT_ZIP_WRITER_H

#include "format/file_writer.h"

typedef struct zip_record zip_record;
typedef struct zip_deflater zip_deflater;

typedef struct zip_writer {
    region *home;
    file_writer *file;
    zip_record *records; /* newest first */
    uint64_t count;
    uint64_t left;          /* bytes that the open member still lacks */
    zip_deflater *deflater; /* of the open member; NULL: it is stored */
} zip_writer;

void zip_writer_begin(region *home, file_writer *file, zip_writer *w);
/* One member in up to two parts (a header and its data). `name` is copied. */
ebb_status zip_writer_add(zip_writer *w, const char *name, const void *head, size_t head_bytes,
                          const void *data, uint64_t data_bytes, ebb_error *error);
/* One member of a known size, handed over in pieces: begin, put ..., end. The checksum and the
 * compressed size are written into its header at the end. With `deflates` it is compressed, on some
 * 300 KiB of memory in a child of `home`. */
ebb_status zip_writer_begin_member(zip_writer *w, const char *name, uint64_t bytes, bool deflates,
                                   ebb_error *error);
ebb_status zip_writer_put(zip_writer *w, const void *bytes, uint64_t length, ebb_error *error);
/* E_INTERNAL when it got fewer bytes than announced. */
ebb_status zip_writer_end_member(zip_writer *w, ebb_error *error);
/* Gives back what an unfinished member holds; a no-op otherwise. */
void zip_writer_abandon(zip_writer *w);
/* The central directory. The file still has to be committed. */
ebb_status zip_writer_end(zip_writer *w, ebb_error *error);

#endif
