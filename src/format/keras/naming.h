/* naming.h -- Keras's snake case: the names of objects in weight files. */
#ifndef EBB_FORMAT_KERAS_NAMING_H
#define EBB_FORMAT_KERAS_NAMING_H

#include <stddef.h>

/* "Conv2D" -> "conv2d", "LSTMCell" -> "lstm_cell", as keras/src/utils/naming.py. Cut to fit
 * `capacity`. */
void keras_snake_case(const char *class_name, char *out, size_t capacity);

#endif
