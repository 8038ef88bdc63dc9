/* console.h -- everything that reaches the terminal: faults, text from files, numbers, progress,
 * Ctrl-C.
 *
 * Results go to stdout, everything else to stderr. Text that comes from a file may hold control
 * characters; none reaches the terminal. */
#ifndef EBB_CLI_CONSOLE_H
#define EBB_CLI_CONSOLE_H

#include <stdio.h>

#include "ebb/ebb.h"

/* "ebb: ..." on stderr. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Reports the error of a library call. Returns EXIT_FAILED. */
int complain_of(const ebb_error *error);

/* An ebb_text_function: context is the FILE *. */
bool put_text(void *context, const char *text, size_t length);
/* The same without a look at the text, for what is printed later. */
bool put_raw(void *context, const char *text, size_t length);
/* One name or line, as put_text; returns its width in columns. */
size_t put_clean(FILE *file, const char *text);

/* "1,234,567"; the text lies in `buffer`. */
typedef struct text_buffer {
    char text[192];
} text_buffer;
const char *text_grouped(text_buffer *buffer, uint64_t number);
/* "812 ns", "2.41 us", "13.2 ms", "1.50 s" */
const char *text_duration(text_buffer *buffer, uint64_t time_ns);
/* "[any, 8, 8, 1]" */
const char *text_shape(text_buffer *buffer, const int64_t *dims, uint32_t rank);
/* "812 bytes", "12.3 KiB", "528 MiB" */
const char *text_size(text_buffer *buffer, uint64_t bytes);
/* "weights 16,384, meta 8,192; code about 4,096": the classes that are not 0. Code is measured and
 * in no sum. */
const char *text_classes(text_buffer *buffer, const uint64_t bytes[EBB_CLASS_COUNT]);

/* A bar on stderr, drawn only when that is a terminal and at most ten times a second. */
typedef struct progress {
    const char *what;
    uint64_t drawn_ns;
    bool is_visible;
} progress;
void progress_draw(progress *p, uint64_t done, uint64_t total);
void progress_clear(progress *p);

/* From here Ctrl-C and SIGTERM only set a flag; a second one ends the process at once. */
void interrupt_watch(void);
bool interrupt_seen(void);
/* Ends the process by the signal that was seen, so that the shell knows. Call when everything is
 * put away. */
void interrupt_finish(void);

#endif
