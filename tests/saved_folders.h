/* saved_folders.h -- the SavedModel folders of golden/savedmodel.zip, unpacked for a test, and what
 * TensorFlow computed with them. */
#ifndef EBB_TESTS_SAVED_FOLDERS_H
#define EBB_TESTS_SAVED_FOLDERS_H

#include "json/json.h"
#include "temporary.h"

/* Unpacks folder `name` into d->folder/<name>; its path. */
path_text saved_folder_unpack(test *t, const temporary *d, const char *name);
/* The text of <name>.json in t->home. */
const json *saved_folder_expected(test *t, const char *name);
/* Changes the byte at `offset` (from the end if negative) of a file in place. */
void file_damage(const char *path, int64_t offset, uint8_t difference);
/* Cuts a file to its first `length` bytes. */
void file_cut(const char *path, int64_t length);

#endif
