/* table_goldens.h -- tests of a table of training: each entry has a golden, each golden passes. */
#ifndef EBB_TESTS_TABLE_GOLDENS_H
#define EBB_TESTS_TABLE_GOLDENS_H

#include <stdio.h>
#include <string.h>

#include "json_case.h"
#include "train/object.h"

typedef void (*golden_check)(test *t, const char *class_name, const json *item);

/* One case in a region of its own, so that many cases need the memory of one. */
static inline void golden_run(test *t, golden_check check, const char *class_name, const json *item)
{
    test inner = *t;

    inner.home = region_open(t->home, "case", EBB_CLASS_META, 0);
    CHECK(inner.home != NULL);
    check(&inner, class_name, item);
    region_close(inner.home);
}

/* Every case of a golden file; every entry of the table has one. */
static inline void golden_file(test *t, const train_table *table, const char *path,
                               golden_check check)
{
    const json *cases = json_get(json_case_file(t->home, path), "cases");
    uint32_t found[64] = {0};

    CHECK(cases != NULL && table->count < 64);
    for (uint32_t i = 0; i < cases->count; i++) {
        const json *item = json_item(cases, i);
        const char *name = json_text(json_get(item, "class"), "");

        golden_run(t, check, name, item);
        for (uint32_t k = 0; k < table->count; k++) {
            found[k] += strcmp(table->entries[k]->name, name) == 0;
        }
    }
    for (uint32_t k = 0; k < table->count; k++) {
        if (found[k] > 0) continue;
        harness_fail(__FILE__, __LINE__, "no golden for %s", table->entries[k]->name);
    }
}

/* Every vector of units/<folder>/ of the conformance data; how many there were. */
static inline uint32_t golden_shared(test *t, const train_table *table, const char *folder,
                                     golden_check check)
{
    char path[1024], file[128];
    uint32_t count = 0;

    for (uint32_t k = 0; k < table->count; k++) {
        const char *name = table->entries[k]->name;

        snprintf(file, sizeof file, "conformance/units/%s/%s.json", folder, name);
        if (!test_shared(file, path)) continue;
        const json *cases = json_get(json_case_file(t->home, path), "cases");
        for (uint32_t i = 0; i < cases->count; i++, count++) {
            golden_run(t, check, name, json_item(cases, i));
        }
        test_table("units", folder, name, cases->count);
    }
    return count;
}

/* With ' for "; ends the test when it does not parse. */
static inline const json *golden_json(test *t, const char *text)
{
    char *const copy = region_text(t->home, text);
    const json *result = NULL;

    CHECK(copy != NULL);
    for (char *at = copy; *at != '\0'; at++) {
        if (*at == '\'') *at = '"';
    }
    CHECK_OK(json_read(t->home, copy, strlen(copy), "test", &result, &t->error));
    return result;
}

/* Texts that must not be read, each with the status and a part of the message. */
typedef struct golden_fault {
    const char *text;
    ebb_status status;
    const char *part;
} golden_fault;

static inline void golden_faults(test *t, const train_table *table, const golden_fault *faults,
                                 uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const json *given = golden_json(t, faults[i].text);
        train_object object;

        CHECK_STATUS(train_object_read(table, t->home, given, "compile", &object, &t->error),
                     faults[i].status);
        CHECK_CONTAINS(t->error.text, faults[i].part);
        CHECK(object.entry == NULL);
    }
}

#endif
