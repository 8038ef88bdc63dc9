/* name_table.c -- see name_table.h: open addressing, at most half full. */
#include "format/savedmodel/name_table.h"

#include <string.h>

#include "base/size.h"

bool name_table_make(region *home, size_t count, name_table *result)
{
    size_t places = 8;

    while (places / 2 <= count) {
        if (!size_mul(places, 2, &places)) return false;
    }
    result->places = region_new(home, name_place, places);
    result->mask = places - 1;
    return result->places != NULL;
}

/* FNV-1a, with a last step that spreads the high bits. */
static size_t hash(const char *name, size_t length)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < length; i++) h = (h ^ (uint8_t)name[i]) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32);
}

static name_place *place_of(const name_table *t, const char *name, size_t length)
{
    for (size_t at = hash(name, length) & t->mask;; at = (at + 1) & t->mask) {
        name_place *p = &t->places[at];
        if (p->name == NULL) return p;
        if (p->length == length && memcmp(p->name, name, length) == 0) return p;
    }
}

bool name_table_put(name_table *t, const char *name, uint32_t number)
{
    const size_t length = strlen(name);
    name_place *p = place_of(t, name, length);

    if (p->name != NULL) return false;
    *p = (name_place){name, length, number};
    return true;
}

uint32_t name_table_find(const name_table *t, const char *name, size_t length)
{
    const name_place *p = place_of(t, name, length);

    return p->name == NULL ? NAME_NONE : p->number;
}
