/* nearest.h -- the names of a table that are most like a given one, for messages.
 *
 *     nearest n = nearest_begin("mean_square_error");
 *     for (each entry) nearest_consider(&n, entry->name);
 *     fail(..., "no loss is called '%s'; nearest are %s", name, nearest_text(&n, text, size)); */
#ifndef EBB_TRAIN_NEAREST_H
#define EBB_TRAIN_NEAREST_H

#include <stdint.h>

#define NEAREST_COUNT 3

typedef struct nearest {
    const char *wanted;
    const char *names[NEAREST_COUNT]; /* the best first; NULL: none yet */
    uint32_t distances[NEAREST_COUNT];
} nearest;

nearest nearest_begin(const char *wanted);
/* `name` is borrowed until nearest_text(); names given twice are kept once. */
void nearest_consider(nearest *n, const char *name);
/* "Hinge, SquaredHinge, Huber". Returns text. */
char *nearest_text(const nearest *n, char *text, uint32_t capacity);

#endif
