/* folder_writer.h -- a folder that appears whole or not at all: made beside its name, forced to
 * disk, renamed. A folder that has the name already is exchanged in one step where the file system
 * can, and is then called as `replaced` says; whoever knows what it holds removes it. */
#ifndef EBB_FORMAT_FOLDER_WRITER_H
#define EBB_FORMAT_FOLDER_WRITER_H

#include "format/file_writer.h"

#define FOLDER_ENTRIES_MAX 8

typedef struct folder_writer {
    region *home;
    ledger *ledger;
    char *path, *temporary, *replaced;
    bool keeps_old;
    bool is_open;
    struct {
        const char *name;
        bool is_folder;
    } entries[FOLDER_ENTRIES_MAX]; /* made so far */
    uint32_t entry_count;
} folder_writer;

/* `path` without a slash at its end; names live in `home`. E_ARGUMENT: something else than a folder
 * has the name; E_STATE: keeps_old, and something has it; E_IO. */
ebb_status folder_writer_open(region *home, const char *path, bool keeps_old, folder_writer *w,
                              ebb_error *error);
/* A folder in it: "variables". Names must last. */
ebb_status folder_writer_folder(folder_writer *w, const char *name, ebb_error *error);
/* A file in it: "variables/variables.index"; to be committed or discarded before the folder is. */
ebb_status folder_writer_file(folder_writer *w, const char *name, file_writer *file,
                              ebb_error *error);
/* Gives the folder its name. On failure it is gone. */
ebb_status folder_writer_commit(folder_writer *w, ebb_error *error);
/* Removes what was begun. A no-op after commit. */
void folder_writer_discard(folder_writer *w);

#endif
