/* packed_tensors.h -- shrunk weights in .keras files: a list in metadata.json, which Keras does not
 * look at, beside the tensors.
 *
 *     {"keras_version": ..., "ebb": {"packed": [{"path": "layers/dense", "variable": 0,
 *      "dtype": "int8", "sparse": true, "by_row": false, "rows": 64, "columns": 32,
 *      "stored": 512}, ...]}}
 *
 * Tensors that are float16, bfloat16 or float32 (without most of their elements, but with zeros for
 * them in the file) stand at their path, where Keras finds them. Those of int8 stand apart:
 * "_ebb/<number in the list>/vars/0" is the array, of int8, vars/1 its scales; the path has
 * nothing, so that Keras refuses the file instead of taking the numbers for weights. A weight that
 * a wrapper has too (SpectralNormalization) stands there once more, as "copy". */
#ifndef EBB_FORMAT_KERAS_PACKED_TENSORS_H
#define EBB_FORMAT_KERAS_PACKED_TENSORS_H

#include "format/content.h"

#define PACKED_GROUP_NAME "_ebb"

/* d->packed from metadata.json; nothing when it has no list. E_FORMAT. */
ebb_status packed_list_read(region *home, const json *metadata, description *d, ebb_error *error);
/* Once the directory is read: gives every tensor of the list its entry. E_FORMAT: the file has not
 * what the list says. */
ebb_status packed_entries_make(region *home, description *d, ebb_error *error);
/* ", "ebb": {...}" when content->packed has any. */
void packed_list_write(text_writer *w, const model_content *content);

#endif
