/* parts_writer.h -- writes files of texts and arrays that somebody else has put together: .keras,
 * .weights.h5 and .h5, as the writers of models do, without a model. */
#ifndef EBB_FORMAT_PARTS_WRITER_H
#define EBB_FORMAT_PARTS_WRITER_H

#include "ebb/parts.h"
#include "format/file_writer.h"

typedef enum parts_kind { PARTS_ARCHIVE, PARTS_WEIGHTS, PARTS_LAYERS } parts_kind;

/* By the ending of the name. E_ARGUMENT: none of them. */
ebb_status parts_kind_find(const char *path, parts_kind *kind, ebb_error *error);

/* Into a file that is open; the caller commits it. Memory: `home`. */
ebb_status parts_file_write(region *home, const ebb_parts *parts, parts_kind kind,
                            file_writer *file, ebb_error *error);

#endif
