/* profile_writer.h -- a timeline that has stopped, as text. */
#ifndef EBB_PROFILE_PROFILE_WRITER_H
#define EBB_PROFILE_PROFILE_WRITER_H

#include "ebb/profile.h"
#include "profile/profile_sink.h"
#include "profile/timeline.h"

void profile_write_text(profile_sink *s, const timeline *t);
void profile_write_json(profile_sink *s, const timeline *t);
void profile_write_svg(profile_sink *s, const timeline *t);
void profile_write_trace(profile_sink *s, const timeline *t);

#endif
