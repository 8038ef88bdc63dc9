/**
 * @file infer.h
 * What a configuration makes, without making it: shapes, types and weights for whoever writes
 * configurations step by step.
 *
 * Threads: any thread may call anything.
 */
#ifndef EBB_INFER_H
#define EBB_INFER_H

#include "ebb/model.h"

/**
 * Reads the text of Keras's model.to_json() as ebb_model_from_json() does, but makes no weights and
 * plans nothing. Writes one JSON object:
 *
 *     {"told": [{"layer": "dense", "call": 0,
 *                "tensors": [{"dtype": "float32", "shape": [null, 3]}]}],
 *      "outputs": [{"name": "dense", "dtype": "float32", "shape": [null, 3], "mask": false}],
 *      "calls": {"dense": 1},
 *      "weights": [{"name": "dense/kernel", "dtype": "float32", "shape": [8, 3],
 *                   "trainable": true}]}
 *
 * Unknown lengths are null, the rows first of all. `mask`: the tensor carries a Keras mask.
 * `told`: what every call of the model's own layers gives, in an order in which they can be made.
 * `calls`: how many outputs the last call of each layer had. Weights are in the order of
 * ebb_model_weight().
 *
 * @param length  bytes of `text`; 0 = up to its terminating zero
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_FORMAT; EBB_E_SHAPE and EBB_E_DTYPE (names the
 *         layer); EBB_E_UNSUPPORTED; EBB_E_MEMORY; EBB_E_CANCELLED (the text function ended it)
 * Memory: class scratch, given back on return.
 */
EBB_API ebb_status ebb_config_infer(ebb_runtime runtime, const char *text, size_t length,
                                    ebb_text_function write, void *context, ebb_error *error);

#endif
