/**
 * @file status.h
 * Status codes and the error record.
 *
 * Every call of ebb that can fail returns an ebb_status and, when it fails, fills an ebb_error that
 * the caller owns. Nothing is printed, nothing aborts, `errno` is never part of the contract.
 */
#ifndef EBB_STATUS_H
#define EBB_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifndef __cplusplus
#include <stdbool.h>
#endif

#if defined(EBB_STATIC)
#define EBB_API
#else
#define EBB_API __attribute__((visibility("default")))
#endif

#if defined(__GNUC__)
#define EBB_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#else
#define EBB_PRINTF(format_index, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Every status: name, number (stable), text of ebb_status_text(). */
#define EBB_STATUS_MAP(X)                                                                          \
    X(OK, 0, "success")                                                                            \
    X(E_ARGUMENT, 1, "argument outside its documented range")                                      \
    X(E_STALE, 2, "handle was already closed")                                                     \
    X(E_SHAPE, 3, "tensor shape does not match")                                                   \
    X(E_DTYPE, 4, "tensor data type does not match")                                               \
    X(E_MEMORY, 5, "out of memory, or a memory limit reached")                                     \
    X(E_NOT_FOUND, 6, "no such file, model, layer or device")                                      \
    X(E_FORMAT, 7, "file is damaged or not of the expected format")                                \
    X(E_UNSUPPORTED, 8, "valid, but not something this runtime can do")                            \
    X(E_IO, 9, "reading or writing failed")                                                        \
    X(E_BUSY, 10, "still in use when the deadline passed")                                         \
    X(E_CANCELLED, 11, "cancelled by the caller")                                                  \
    X(E_STATE, 12, "not allowed in the present state")                                             \
    X(E_INTERNAL, 13, "a fault inside ebb")

typedef enum ebb_status {
#define EBB_STATUS_ENTRY(name, number, text) EBB_##name = number,
    EBB_STATUS_MAP(EBB_STATUS_ENTRY)
#undef EBB_STATUS_ENTRY
} ebb_status;

/** Why a call failed. The caller owns it; it holds no pointers and may be copied. */
typedef struct ebb_error {
    ebb_status status;
    char       where[160]; /**< "layers[3] dense_1", "model.h5 @ 0x1c40", "ebb_model_predict" */
    char       text[432];  /**< one sentence: what was expected, what was found, what to do */
} ebb_error;

/** Text of a status; "unknown status" for a number outside the map. Never NULL; static storage. */
EBB_API const char *ebb_status_text(ebb_status status);

/** Name of a status as written in C ("EBB_E_STALE"). Never NULL; static storage. */
EBB_API const char *ebb_status_name(ebb_status status);

/** Version of the library, "MAJOR.MINOR.PATCH". Static storage. */
EBB_API const char *ebb_version(void);

#ifdef __cplusplus
}
#endif
#endif
