/* number_text.h -- numbers as Python prints them, whatever the locale of the process is. */
#ifndef EBB_TRAIN_CALLBACK_NUMBER_TEXT_H
#define EBB_TRAIN_CALLBACK_NUMBER_TEXT_H

#include <stddef.h>

#include "ebb/status.h"

#define NUMBER_REPR_BYTES 32

/* repr(): the shortest text that reads back; "1e-05", "3.3443498611450195", "nan", "inf". */
void number_repr(double number, char text[NUMBER_REPR_BYTES]);

/* A value of format(): a whole number or a float. */
typedef struct named_number {
    const char *name;
    bool is_integer;
    double value;
} named_number;

/* str.format() with numbers by name: "{epoch:02d}-{val_loss:.2f}.keras", {{ and }}. Known: fill,
 * alignment, sign, 0, width, precision, and the types d e E f F g G %. E_ARGUMENT: no such name or
 * no such format. */
ebb_status number_format(const char *pattern, const named_number *numbers, size_t count,
                         const char *where, char *text, size_t capacity, ebb_error *error);

#endif
