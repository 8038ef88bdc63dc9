/**
 * @file tensor.h
 * Data types and views: how tensors cross the API. A view borrows memory; ebb never keeps it.
 */
#ifndef EBB_TENSOR_H
#define EBB_TENSOR_H

#include "ebb/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Highest rank of a tensor. */
#define EBB_RANK_MAX 8

/** Every data type: name, number (stable), bytes per element, numpy/Keras name. */
#define EBB_DTYPE_MAP(X)                                                                           \
    X(F32, 1, 4, "float32")                                                                        \
    X(F16, 2, 2, "float16")                                                                        \
    X(BF16, 3, 2, "bfloat16")                                                                      \
    X(F64, 4, 8, "float64")                                                                        \
    X(I8, 5, 1, "int8")                                                                            \
    X(I16, 6, 2, "int16")                                                                          \
    X(I32, 7, 4, "int32")                                                                          \
    X(I64, 8, 8, "int64")                                                                          \
    X(U8, 9, 1, "uint8")                                                                           \
    X(U16, 10, 2, "uint16")                                                                        \
    X(U32, 11, 4, "uint32")                                                                        \
    X(U64, 12, 8, "uint64")                                                                        \
    X(BOOL, 13, 1, "bool")

typedef enum ebb_dtype {
    EBB_DTYPE_NONE = 0, /**< in a view: the type of the model's input or output */
#define EBB_DTYPE_ENTRY(name, number, bytes, text) EBB_##name = number,
    EBB_DTYPE_MAP(EBB_DTYPE_ENTRY)
#undef EBB_DTYPE_ENTRY
} ebb_dtype;

/**
 * A dense tensor in somebody's memory, row-major (C order), without gaps.
 *
 * `dims[0]` is the batch axis of model inputs and outputs. `data` needs no alignment beyond that of
 * its element type. Memory: borrowed for the duration of one call.
 */
typedef struct ebb_view {
    ebb_dtype dtype;
    uint32_t  rank;
    int64_t   dims[EBB_RANK_MAX];
    void     *data;
} ebb_view;

/** Several views: a model's inputs or outputs, in the model's order. */
typedef struct ebb_views {
    const ebb_view *items;
    size_t          count;
} ebb_views;

/** Bytes of one element; 0 for EBB_DTYPE_NONE or an unknown number. */
EBB_API size_t ebb_dtype_bytes(ebb_dtype dtype);

/** Name as numpy and Keras write it ("float32"); "none" if unknown. Static storage. */
EBB_API const char *ebb_dtype_name(ebb_dtype dtype);

/** Bytes a view spans; UINT64_MAX if a dim is negative or the product does not fit. */
EBB_API uint64_t ebb_view_bytes(const ebb_view *view);

#ifdef __cplusplus
}
#endif
#endif
