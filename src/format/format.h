/* format.h -- the table of file formats (list.inc): probe and read. A new format is one file and
 * one line. */
#ifndef EBB_FORMAT_FORMAT_H
#define EBB_FORMAT_FORMAT_H

#include "format/description.h"

typedef struct format_def {
    const char *name;        /* "keras" */
    const char *description; /* for people */
    /* Does this path look like the format? Reads at most the first bytes; never fails. */
    bool (*probe)(const char *path, const uint8_t *head, size_t head_bytes, bool is_directory);
    /* `architecture` may be NULL. Everything lives in `home`. */
    ebb_status (*read)(region *home, const char *path, const char *architecture,
                       description **result, ebb_error *error);
} format_def;

/* Finds the format by content and reads the description. E_NOT_FOUND; E_FORMAT names what it looks
 * like. */
ebb_status format_read(region *home, const char *path, const char *architecture,
                       description **result, ebb_error *error);

/* Given as architecture: configurations are not read, description.model stays NULL. */
extern const char format_tensors_only[];

/* Opens the file of a description that was closed once more, with tensors only. E_IO: it is not the
 * same any more. */
ebb_status format_read_again(region *home, const description *d, description **result,
                             ebb_error *error);

uint32_t format_count(void);
const format_def *format_at(uint32_t index);

#endif
