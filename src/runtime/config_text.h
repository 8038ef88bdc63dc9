/* config_text.h -- configuration and settings of compile() of a loaded model as text. */
#ifndef EBB_RUNTIME_CONFIG_TEXT_H
#define EBB_RUNTIME_CONFIG_TEXT_H

#include "runtime/model.h"

ebb_status model_config_write(model *m, ebb_text_function write, void *context, ebb_error *error);
ebb_status model_compile_config_write(model *m, ebb_text_function write, void *context,
                                      ebb_error *error);

#endif
