/* temporary_file.h -- files and folders that go with their owner.
 *
 *     ebb-HOST-BOOT-PROCESS-START-NUMBER.npy
 *
 * HOST is a checksum of the machine's name and the namespace of its process numbers, BOOT the
 * beginning of the kernel's boot id, PROCESS and START name a process (a number alone is given
 * again). Together they tell whether who made a file can still be alive. */
#ifndef EBB_RUNTIME_LIFECYCLE_TEMPORARY_FILE_H
#define EBB_RUNTIME_LIFECYCLE_TEMPORARY_FILE_H

#include "ebb/manage.h"
#include "runtime/runtime.h"

ebb_status temporary_make(runtime *r, const ebb_temporary_options *options, char *path,
                          size_t capacity, ebb_error *error);
ebb_status temporary_remove(runtime *r, const char *path, ebb_error *error);

/* Removes those of one owner: the id of a model or a scope. `receipt` lists them. */
void temporaries_remove(runtime *r, uint64_t owner, ebb_receipt *receipt);
/* Removes those of the runtime itself and what else there is. */
void temporaries_close(runtime *r, ebb_receipt *receipt);

ebb_status temporaries_collect(const char *folder, ebb_receipt *receipt, ebb_error *error);

#endif
