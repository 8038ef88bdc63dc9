/* tf_emit.h -- the functions that emit operations, by the lines of the table. */
#ifndef EBB_TENSORFLOW_TF_EMIT_H
#define EBB_TENSORFLOW_TF_EMIT_H

#include "tensorflow/tf_call.h"

#define TF(name, least, most, emits, parameter, attributes, outputs)                               \
    bool tf_emit_##emits(tf_build *b, tf_call *c, const tf_entry *e);
#define TF_RESOURCE TF
#include "tensorflow/tf_list.inc"
#undef TF_RESOURCE
#undef TF

#endif
