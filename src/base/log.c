/* log.c -- one formatted line to the caller's log function. A line is cut at 511 bytes: logging
 * takes no memory beyond the stack. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void log_line(const log_sink *sink, ebb_log_level level, const char *format, ...)
{
    if (sink == NULL || sink->function == NULL) return;
    if (level == EBB_LOG_OFF || level > sink->level) return;
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length >= 0) sink->function(sink->context, level, line);
}
