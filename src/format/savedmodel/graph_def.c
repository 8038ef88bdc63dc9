/* graph_def.c -- see graph_def.h. */
#include "format/savedmodel/graph_def.h"

#include <string.h>

typedef struct type_row {
    tf_type type;
    ebb_dtype dtype;
    const char *name;
} type_row;

static const type_row types[] = {
    {TF_FLOAT, EBB_F32, "DT_FLOAT"},
    {TF_DOUBLE, EBB_F64, "DT_DOUBLE"},
    {TF_INT32, EBB_I32, "DT_INT32"},
    {TF_UINT8, EBB_U8, "DT_UINT8"},
    {TF_INT16, EBB_I16, "DT_INT16"},
    {TF_INT8, EBB_I8, "DT_INT8"},
    {TF_STRING, EBB_DTYPE_NONE, "DT_STRING"},
    {TF_COMPLEX64, EBB_DTYPE_NONE, "DT_COMPLEX64"},
    {TF_INT64, EBB_I64, "DT_INT64"},
    {TF_BOOL, EBB_BOOL, "DT_BOOL"},
    {TF_BFLOAT16, EBB_BF16, "DT_BFLOAT16"},
    {TF_UINT16, EBB_U16, "DT_UINT16"},
    {TF_COMPLEX128, EBB_DTYPE_NONE, "DT_COMPLEX128"},
    {TF_HALF, EBB_F16, "DT_HALF"},
    {TF_RESOURCE, EBB_DTYPE_NONE, "DT_RESOURCE"},
    {TF_VARIANT, EBB_DTYPE_NONE, "DT_VARIANT"},
    {TF_UINT32, EBB_U32, "DT_UINT32"},
    {TF_UINT64, EBB_U64, "DT_UINT64"},
};

#define TYPE_COUNT (sizeof types / sizeof types[0])

ebb_dtype tf_type_dtype(tf_type type)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (types[i].type == type) return types[i].dtype;
    }
    return EBB_DTYPE_NONE;
}

tf_type tf_type_of(ebb_dtype dtype)
{
    for (size_t i = 0; i < TYPE_COUNT && dtype != EBB_DTYPE_NONE; i++) {
        if (types[i].dtype == dtype) return types[i].type;
    }
    return TF_NONE;
}

const char *tf_type_name(tf_type type)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (types[i].type == type) return types[i].name;
    }
    return "DT_?";
}

const tf_attribute *tf_attribute_find(const tf_node *n, const char *name)
{
    for (uint32_t i = 0; i < n->attribute_count; i++) {
        if (strcmp(n->attributes[i].name, name) == 0) return &n->attributes[i];
    }
    return NULL;
}

const tf_function *tf_function_find(const tf_graph_def *g, const char *name)
{
    for (uint32_t i = 0; i < g->function_count; i++) {
        if (strcmp(g->functions[i].name, name) == 0) return &g->functions[i];
    }
    return NULL;
}
