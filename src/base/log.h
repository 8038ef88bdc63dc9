/* log.h -- the log sink of a runtime: lines go to the caller's function, or nowhere. */
#ifndef EBB_BASE_LOG_H
#define EBB_BASE_LOG_H

#include "ebb/runtime.h"

typedef struct log_sink {
    ebb_log_function function;
    void            *context;
    ebb_log_level    level;
} log_sink;

/* Formats and sends one line if `level` is wanted. `sink` may be NULL. */
void log_line(const log_sink *sink, ebb_log_level level, const char *format, ...) EBB_PRINTF(3, 4);

#endif
