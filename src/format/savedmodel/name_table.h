/* name_table.h -- finds the number of a name among many, in about the same time however many. */
#ifndef EBB_FORMAT_SAVEDMODEL_NAME_TABLE_H
#define EBB_FORMAT_SAVEDMODEL_NAME_TABLE_H

#include "mem/region.h"

#define NAME_NONE UINT32_MAX

typedef struct name_place {
    const char *name; /* NULL: free. Not terminated where it is part of a longer text */
    size_t length;
    uint32_t number;
} name_place;

typedef struct name_table {
    name_place *places;
    size_t mask;
} name_table;

/* Room for `count` names; false: no memory. */
bool name_table_make(region *home, size_t count, name_table *result);
/* The name is kept, not copied. False: it is there already. */
bool name_table_put(name_table *t, const char *name, uint32_t number);
/* NAME_NONE: not there. */
uint32_t name_table_find(const name_table *t, const char *name, size_t length);

#endif
