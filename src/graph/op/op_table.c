/* op_table.c -- the registry of operations, read from op/list.inc. To add an op: see graph/op.h. */
#include "graph/builder.h"

#define OP(name) extern const op_def op_def_##name;
#include "graph/op/list.inc"
#undef OP

static const op_def *const defs[OP_COUNT] = {
    NULL,
#define OP(name) &op_def_##name,
#include "graph/op/list.inc"
#undef OP
};

const op_def *op_find(op_id op)
{
    return op > OP_NONE && op < OP_COUNT ? defs[op] : NULL;
}
