/* json_case.h -- tests whose numbers are JSON: cases with a config, nested lists and results.
 *
 * Goldens of losses and metrics (golden/losses.json ...) and the conformance data's units/ have
 * this form:
 *
 *     {"class": "Huber", "cases": [{"key": ..., "what": ..., "config": {...}, "y_true": [[...]]}]}
 *
 * A golden file holds many classes: there each case names its own. Faults end the test. */
#ifndef EBB_TESTS_JSON_CASE_H
#define EBB_TESTS_JSON_CASE_H

#include "harness.h"

#include "json/json.h"
#include "kernel_case.h"

/* The whole file, in `home`. */
const json *json_case_file(region *home, const char *path);
/* A nested list or a number as a tensor: I32 when every number is an integer, else F32. "NaN" and
 * "Infinity" as text; true and false are 1 and 0. dtype NONE for null. */
case_tensor json_case_tensor(region *home, const json *numbers);
/* The same, whatever the numbers look like. */
case_tensor json_case_floats(region *home, const json *numbers);
case_tensor json_case_bools(region *home, const json *numbers);
/* {"class_name": ..., "config": {...}} of a case. Arguments that Keras leaves out of its config
 * are taken from the object in "what". */
const json *json_case_object(region *home, const json *item, const char *class_name);
/* The same with the config as it is, whatever "what" says. */
const json *json_case_configured(region *home, const json *item, const char *class_name);
/* A graph input of the tensor's shape; VALUE_NONE if it is absent. */
value json_case_input(graph *g, const case_tensor *x);

/* |found - expected| <= 1e-6 * max(1, largest) + 1e-5 * |expected|, NaN equal to NaN. The number
 * of elements has to be that of `expected`; its dtype F32 or I32. `name` for the message. */
void json_case_check(const char *name, const void *found, uint64_t count, ebb_dtype dtype,
                     const json *expected, region *home);
/* The same with other tolerances. */
void json_case_check_within(const char *name, const void *found, uint64_t count, ebb_dtype dtype,
                            const json *expected, region *home, double relative, double absolute);

#endif
