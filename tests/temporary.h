/* temporary.h -- a folder of its own for a test, gone afterwards, and the files tests put there. */
#ifndef EBB_TESTS_TEMPORARY_H
#define EBB_TESTS_TEMPORARY_H

#include "ebb/tensor.h"
#include "harness.h"

typedef struct temporary {
    char folder[64];
} temporary;

typedef struct path_text {
    char text[512];
} path_text;

void temporary_open(temporary *d);
/* Removes the folder and all that is in it; links are not followed. */
void temporary_close(temporary *d);

/* "<folder>/<name>"; .text lives as long as the value. */
path_text temporary_path(const temporary *d, const char *name);
/* Entries of the folder, hidden ones included. */
uint32_t temporary_count(const temporary *d);

bool file_exists(const char *path); /* a dangling link exists */
void file_write(const char *path, const void *bytes, size_t length);
/* The whole file in `home`. */
uint8_t *file_read(test *t, const char *path, size_t *length);
bool     files_equal(test *t, const char *a, const char *b);
/* A little-endian .npy. */
void npy_write(const char *path, const ebb_view *view);

/* Rewrites a .keras archive: in its config.json the first `from` becomes `to` (NULL: as it is), and
 * the member `without` is left out (NULL: none). */
void keras_edit(test *t, const char *source_path, const char *from, const char *to,
                const char *without, const char *path);
/* A .keras archive of this config.json and, unless NULL, the weights of another archive. */
void keras_write(test *t, const char *config, const char *weights_of, const char *path);

#endif
