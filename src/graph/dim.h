/* dim.h -- symbolic dimensions: a dim is a number, or an expression over the unknown axes of the
 * inputs.
 *
 * dim >= 0: that many elements. dim < 0: entry -1 - dim of the graph's table of expressions.
 * Expressions are hash-consed and simplified (constants folded, x+0, x*1, x-x, (x*c)/c, nested
 * constants merged), so equal expressions are equal numbers and `a == b` is the question "always
 * the same length?". An executable evaluates the table once for the shapes at hand; then
 * everything is a number.
 *
 * Failure (no memory, overflow) is sticky in the graph, as everywhere in the builder.
 */
#ifndef EBB_GRAPH_DIM_H
#define EBB_GRAPH_DIM_H

#include <stdbool.h>
#include <stdint.h>

#include "ebb/status.h"

typedef int64_t dim;
typedef struct graph graph;

typedef enum dim_kind {
    DIM_INPUT,     /* a = number of the free symbol (dim_symbol) */
    DIM_ADD,       /* a + b */
    DIM_SUB,       /* a - b */
    DIM_MUL,       /* a * b */
    DIM_DIV,       /* floor(a / b) */
    DIM_DIV_UP,    /* ceil(a / b) */
    DIM_MAX,       /* max(a, b) */
    DIM_BROADCAST, /* a if a == b or b == 1, b if a == 1, else an error when evaluated */
    DIM_SAME       /* a if a == b, else an error when evaluated */
} dim_kind;

#define DIM_UNKNOWN_MAX 4096 /* expressions per graph; more is an error */

/* A new free symbol with a name for messages ("batch", "input_1 axis 2"). */
dim dim_symbol(graph *g, const char *name);
dim dim_make(graph *g, dim_kind kind, dim a, dim b);
static inline bool dim_known(dim d)
{
    return d >= 0;
}

/* Values of all expressions for given values of the free symbols (in order of creation).
 * values[DIM_UNKNOWN_MAX]-sized array or graph_dim_count() entries. E_SHAPE explains a clash:
 * a negative length, a broadcast that does not fit, two lengths that must agree. */
ebb_status dim_evaluate(const graph *g, const int64_t *symbols, int64_t *values, ebb_error *error);
static inline int64_t dim_value(dim d, const int64_t *values)
{
    return d >= 0 ? d : values[-1 - d];
}

/* The expression of another graph's table, with a length of `to` for each of its free symbols. */
dim dim_translate(graph *to, const graph *from, dim d, const dim *symbols);

/* What an expression is made of (DIM_INPUT: its number in *a); false: d is a number. */
bool dim_parts(const graph *g, dim d, dim_kind *kind, dim *a, dim *b);
uint32_t dim_count(const graph *g);        /* expressions in the table */
uint32_t dim_symbol_count(const graph *g); /* free symbols */
const char *dim_symbol_name(const graph *g, uint32_t symbol);
int64_t dim_symbol_number(const graph *g, dim d);         /* -1 unless d is a free symbol itself */
bool dim_depends(const graph *g, dim d, uint32_t symbol); /* does the expression hold it? */
/* "batch", "3", "((time+1)/2)" into text. Returns text. */
char *dim_text(const graph *g, dim d, char *text, uint32_t capacity);

#endif
