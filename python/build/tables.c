/* tables.c -- prints what ebb knows of Keras by name as JSON, for tables.py. */
#include <stdio.h>

#include "ebb/objects.h"

static void text(const char *key, const char *value)
{
    if (value == NULL)
        printf("\"%s\": null, ", key);
    else
        printf("\"%s\": \"%s\", ", key, value);
}

static void parameters(ebb_object_kind kind, uint32_t object)
{
    ebb_parameter_info p;

    printf("\"parameters\": [");
    for (uint32_t i = 0; ebb_parameter_read(kind, object, i, &p); i++) {
        printf("%s{", i > 0 ? ", " : "");
        text("name", p.name);
        text("kind", p.kind);
        text("choices", p.choices);
        if (!p.required) printf("\"default\": %s, ", p.otherwise);
        printf("\"by_name\": %s}", p.by_name ? "true" : "false");
    }
    printf("]");
}

int main(void)
{
    printf("{");
    for (ebb_object_kind kind = 1; kind < EBB_OBJECT_KIND_COUNT; kind++) {
        ebb_object_info o;
        printf("%s\"%s\": [", kind > 1 ? ",\n" : "", ebb_object_kind_name(kind));
        for (uint32_t i = 0; ebb_object_read(kind, i, &o); i++) {
            printf("%s{", i > 0 ? ",\n" : "");
            text("name", o.name);
            text("symbol", o.symbol);
            text("aliases", o.aliases);
            text("family", o.family);
            printf("\"takes_keywords\": %s, ", o.takes_keywords ? "true" : "false");
            parameters(kind, i);
            printf("}");
        }
        printf("]");
    }
    printf("}\n");
    return ferror(stdout) != 0 || fflush(stdout) != 0;
}
