/* report.h -- texts about a runtime and about files that are not loaded. */
#ifndef EBB_RUNTIME_REPORT_H
#define EBB_RUNTIME_REPORT_H

#include "runtime/model.h"

ebb_status report_memory(runtime *r, ebb_report_format format, ebb_text_function write,
                         void *context, ebb_error *error);
ebb_status report_summary(runtime *r, const char *path, const ebb_load_options *options,
                          ebb_text_function write, void *context, ebb_error *error);
ebb_status report_model_summary(model *m, ebb_text_function write, void *context, ebb_error *error);
ebb_status report_problems(runtime *r, const char *path, const ebb_load_options *options,
                           ebb_text_function write, void *context, uint32_t *problems,
                           ebb_error *error);

#endif
