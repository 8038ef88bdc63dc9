/* tensorflow_case.h -- graphs of TensorFlow as golden/make_tensorflow.py writes them, as the
 * structs of format/savedmodel/graph_def.h. Faults end the test. */
#ifndef EBB_TESTS_TENSORFLOW_CASE_H
#define EBB_TESTS_TENSORFLOW_CASE_H

#include "harness.h"

#include "format/savedmodel/graph_def.h"
#include "json/json.h"

/* ["float32", [2, 3], [...]]; without numbers: zeros. */
tf_constant *tensorflow_tensor(region *home, const json *x);
/* A list of nodes. */
tf_node *tensorflow_nodes(region *home, const json *list, uint32_t *count);
/* "nodes" and "functions" of an object. */
tf_graph_def *tensorflow_graph(region *home, const json *object);
/* "float32" -> TF_FLOAT. */
tf_type tensorflow_type(const char *name);
/* |found - expected| <= absolute * max(1, largest) + relative * |expected|; integers exactly.
 * `found` is in `dtype`, whatever the type of the expected tensor. */
void tensorflow_check(const char *name, const void *found, ebb_dtype dtype, uint64_t count,
                      const tf_constant *expected, double relative, double absolute);

#endif
