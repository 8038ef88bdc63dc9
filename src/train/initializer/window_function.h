/* window_function.h -- the windows of signal processing that STFT names, as scipy.signal has them.
 */
#ifndef EBB_TRAIN_INITIALIZER_WINDOW_FUNCTION_H
#define EBB_TRAIN_INITIALIZER_WINDOW_FUNCTION_H

#include <stdbool.h>
#include <stdint.h>

typedef struct window_function window_function;

/* NULL: there is none of that name. */
const window_function *window_function_find(const char *name);
/* Number `index` of `length`. Periodic: the window of one more, without its last number. */
double window_function_at(const window_function *w, uint64_t index, uint64_t length,
                          bool is_periodic);

#endif
