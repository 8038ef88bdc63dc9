/* saved_model_bundle.h -- writes the checkpoint that bundle.h reads: one file of data, written
 * variable by variable, and its index. */
#ifndef EBB_FORMAT_SAVEDMODEL_SAVED_MODEL_BUNDLE_H
#define EBB_FORMAT_SAVEDMODEL_SAVED_MODEL_BUNDLE_H

#include "format/file_writer.h"
#include "format/savedmodel/saved_model_maker.h"

/* What the index says of a tensor. */
typedef struct bundle_record {
    uint64_t offset, bytes;
    uint32_t crc; /* masked */
} bundle_record;

/* records[variable_count] and, behind them, that of the checkpoint's objects. Holds the largest
 * variable in a child of `home`. */
ebb_status saved_data_write(region *home, const saved_model_content *c, file_writer *file,
                            const uint8_t *objects, size_t object_bytes, bundle_record *records,
                            ebb_error *error);
ebb_status saved_index_write(region *home, const saved_model_content *c, file_writer *file,
                             const bundle_record *records, ebb_error *error);

#endif
