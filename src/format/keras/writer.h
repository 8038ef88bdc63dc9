/* writer.h -- what the writers of .keras and .h5 files share. */
#ifndef EBB_FORMAT_KERAS_WRITER_H
#define EBB_FORMAT_KERAS_WRITER_H

#include "format/content.h"
#include "format/file_writer.h"
#include "format/hdf5/hdf5_write.h"

#define KERAS_VERSION_WRITTEN "3.15.1" /* whose terms configurations are written in */

typedef struct model_text {
    const char *config;        /* config.json, or model_config */
    const char *training;      /* training_config of .h5; NULL: there is none */
    const char *keras_version; /* that the configuration is written in */
    const char *backend;
    const json *settings; /* of compile(), settings_find(); may be NULL */
} model_text;

/* config.json of a .keras file: the file's own text where it is Keras 3's, else the upgraded
 * configuration in Keras 3's terms. E_UNSUPPORTED names what Keras 3 has no words for. Texts live
 * in `home`. */
ebb_status keras_text_make(region *home, const model_content *content, model_text *text,
                           ebb_error *error);
/* The attributes of a whole-model .h5: those of the file where they still hold. */
ebb_status h5_text_make(region *home, const model_content *content, model_text *text,
                        ebb_error *error);

/* Writers of one format each, into a file that is open. `content` is as given, `home` for all that
 * is needed meanwhile. */
typedef ebb_status (*content_writer)(region *home, const model_content *content, file_writer *file,
                                     bool deflates, ebb_error *error);
ebb_status keras_file_write(region *home, const model_content *content, file_writer *file,
                            bool deflates, ebb_error *error);
ebb_status h5_file_write(region *home, const model_content *content, file_writer *file,
                         bool deflates, ebb_error *error);
ebb_status weights_file_write(region *home, const model_content *content, file_writer *file,
                              bool deflates, ebb_error *error);

/* -- weights_writer.c -------------------------------------------------------------------------- */

/* A file being made: its tree, and which tensor fills which dataset. */
typedef struct weights_file {
    hdf5_writer *h5;
    const model_content *content;
    const saved_tensor **tensors; /* in the order of the datasets */
    hdf5_item **items;
    uint32_t count, capacity;
} weights_file;

ebb_status weights_file_open(region *home, const model_content *content, weights_file *f,
                             ebb_error *error);
/* A dataset at `path` below `group`. */
void weights_file_add(weights_file *f, hdf5_item *group, const char *path,
                      const saved_tensor *tensor);
/* "<object>/vars/<i>" for all tensors and extras: .weights.h5. */
ebb_status weights_file_tree(region *home, weights_file *f, ebb_error *error);
/* After hdf5_write_layout(): the whole file into the sink, one tensor in memory at a time. */
ebb_status weights_file_put(region *home, weights_file *f, const hdf5_sink *sink, ebb_error *error);

#endif
