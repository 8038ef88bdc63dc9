/* profile_sink.h -- where the writers of a profile put their text: pieces for the caller's
 * function, in a buffer of fixed size. A reader that says stop is not asked again. */
#ifndef EBB_PROFILE_PROFILE_SINK_H
#define EBB_PROFILE_PROFILE_SINK_H

#include "ebb/runtime.h"

typedef struct profile_sink {
    ebb_text_function write;
    void *context;
    bool is_stopped;
    size_t length;
    char text[4096];
} profile_sink;

void sink_put(profile_sink *s, const char *text);
/* At most 511 bytes. */
void sink_format(profile_sink *s, const char *format, ...) EBB_PRINTF(2, 3);
/* Text of others inside a JSON string or an XML text: quoted as it must be, without the quotes. */
void sink_json(profile_sink *s, const char *text);
void sink_xml(profile_sink *s, const char *text);
/* What is left; false: the reader said stop. */
bool sink_end(profile_sink *s);

/* "1,204,224" and "1.15 MiB" */
typedef struct sink_number {
    char text[32];
} sink_number;
sink_number sink_grouped(uint64_t number);
sink_number sink_size(uint64_t bytes);

#endif
