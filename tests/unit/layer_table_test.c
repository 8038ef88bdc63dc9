/* layer_table_test.c -- names, aliases and families of the layer table are unique and complete. */
#include <string.h>

#include "layer_model.h"

/* Counts entries of a table that answer to `name`. */
static uint32_t answers(uint32_t count, const layer_def *(*at)(uint32_t index), const char *name)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        found += strcmp(at(i)->name, name) == 0 || name_among(at(i)->aliases, name);
    }
    return found;
}

static void check_table(uint32_t count, const layer_def *(*at)(uint32_t index),
                        const layer_def *(*find)(const char *name))
{
    for (uint32_t i = 0; i < count; i++) {
        const layer_def *def = at(i);
        CHECK(def->name != NULL && def->family != NULL && def->build != NULL);
        CHECK_EQ(answers(count, at, def->name), 1);
        CHECK(find(def->name) == def);
        for (const layer_field *f = def->fields; f != NULL && f->key != NULL; f++) {
            CHECK(f->offset < def->config_bytes || (f->kind == FIELD_TRAINING && f->offset == 0));
        }
    }
    CHECK(at(count) == NULL);
}

TEST(tables_are_sound)
{
    check_table(layer_table_count(), layer_table_at, layer_find);
    check_table(operation_table_count(), operation_table_at, operation_find);
}

TEST(names_are_found_by_alias)
{
    CHECK(operation_find("TrueDivide") == operation_find("Divide"));
    CHECK(operation_find("TrueDivide") != NULL);
    CHECK(layer_find("InputLayer") != NULL);
    CHECK(layer_find("NoSuchLayer") == NULL);
    CHECK(layer_find("") == NULL);
    CHECK(layer_find(NULL) == NULL);
    CHECK(name_among("A|Bc|D", "Bc"));
    CHECK(!name_among("A|Bc|D", "B"));
    CHECK(!name_among(NULL, "B"));
}

TEST(layers_and_operations_are_apart)
{
    CHECK(operation_find("InputLayer") == NULL);
    CHECK(layer_find("GetItem") == NULL);
    CHECK(operation_find("Add") != NULL);
    CHECK(operation_find("Add") != layer_find("Add"));
}

static ebb_status resolve(test *t, const char *class_name, const char *registered,
                          const layer_def **def)
{
    const layer_config config = {.class_name = class_name,
                                 .registered_name = registered,
                                 .module = "keras.layers",
                                 .name = "x"};
    return layer_resolve(&config, "x", def, &t->error);
}

TEST(python_code_is_refused_by_name)
{
    const layer_def *def = NULL;
    CHECK_OK(resolve(t, "InputLayer", NULL, &def));
    CHECK(def == layer_find("InputLayer"));
    CHECK_OK(resolve(t, "InputLayer", "InputLayer", &def));
    CHECK_STATUS(resolve(t, "Lambda", NULL, &def), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "never run");
    CHECK(def == NULL);
    CHECK_STATUS(resolve(t, "InputLayer", "mine>InputLayer", &def), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "mine>InputLayer");
    CHECK_STATUS(resolve(t, "TFSMLayer", NULL, &def), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "another framework");
    CHECK_STATUS(resolve(t, "Nonesuch", NULL, &def), EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "Nonesuch");
    CHECK_STATUS(resolve(t, "", NULL, &def), EBB_E_FORMAT);
}

TEST_MAIN(RUN(tables_are_sound), RUN(names_are_found_by_alias),
          RUN(layers_and_operations_are_apart), RUN(python_code_is_refused_by_name))
