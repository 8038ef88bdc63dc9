/* builder.h -- what the files of graph/ share among themselves; nobody outside includes it.
 *
 * Everything here is sticky like the public builder: after the first failure in g->error nothing
 * happens. */
#ifndef EBB_GRAPH_BUILDER_H
#define EBB_GRAPH_BUILDER_H

#include "graph/op.h"

#define SHAPE_TEXT_MAX 160 /* characters of a shape in a message */

/* The empty table of expressions of a new graph; false: no memory. */
bool dim_table_open(graph *g);
/* Evaluation fails when this length turns out negative; fails at once when it already is. */
void dim_require(graph *g, dim d);
/* dim_require() for every axis. */
void shape_require(graph *g, const shape *s);

/* graph_fail() for functions that return bool: always false. */
bool graph_fault(graph *g, ebb_status status, const char *format, ...) EBB_PRINTF(3, 4);
/* Zeroed memory in g->home; NULL (and the failure) when there is none. */
void *graph_memory(graph *g, size_t count, size_t size);
/* Room for one more item: the array, twice as large and moved if it was full. NULL: no memory. */
void *graph_grow(graph *g, void *items, uint32_t count, uint32_t *capacity, size_t size);

/* Removes a node: its inputs lose a use each. */
void graph_remove(graph *g, uint32_t index);
/* Counts the uses of all values again, after inputs were changed in place. */
void graph_count_uses(graph *g);

/* Checks arity and required inputs of a node, then asks its op for dtypes and shapes. */
bool node_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes);
/* Do the results not depend on inputs, random numbers or unknown lengths? */
bool node_is_constant(const graph *g, const node *n, const shape *shapes);

/* Shape rules: checks with a message that starts with the op's name. */
bool expect_dtype(graph *g, const char *op, const char *what, value v, ebb_dtype dtype);
bool expect_compute_dtype(graph *g, const char *op, value v);
bool expect_rank(graph *g, const char *op, const char *what, value v, uint32_t rank);
/* Two lengths that must agree: false if they cannot; checked when evaluated if that is not known
 * yet.
 * *result is the simpler of the two. */
bool expect_same(graph *g, const char *op, const char *what, dim a, dim b, dim *result);
/* "matmul: ..." with both shapes in words. */
bool shape_fault(graph *g, const char *op, const char *what, const shape *a, const shape *b);

/* Operations when an op has none of its own (moves, casts). */
uint64_t flops_none(const graph *g, const node *n, const int64_t *dim_values);
uint64_t flops_of_input(const graph *g, const node *n, const int64_t *dim_values);

#endif
