/* removal.h -- takes files from the disk that are ours from top to bottom, and notes them in a
 * receipt. A model's files have rules of their own: remove.c. */
#ifndef EBB_RUNTIME_LIFECYCLE_REMOVAL_H
#define EBB_RUNTIME_LIFECYCLE_REMOVAL_H

#include "ebb/memory.h"

/* A file, or a folder with all in it. Links are removed, never followed. What was a file is noted
 * with its size, and the folder itself; `receipt` may be NULL. E_NOT_FOUND: it is gone already;
 * E_IO. */
ebb_status removal_tree(const char *path, ebb_receipt *receipt, ebb_error *error);

/* One removed file to the receipt's list. */
void receipt_note_file(ebb_receipt *receipt, const char *name, uint64_t bytes);
/* Those of `part` to those of `sum`. */
void receipt_add_files(ebb_receipt *sum, const ebb_receipt *part);

#endif
