/* settings_text.c -- settings from a caller's texts, and from training_config of Keras 1 and 2, in
 * the form of Keras 3's compile_config, so that Keras reads what is saved with them.
 *
 * Source of the form: keras/src/saving/serialization_lib.py; of the old one:
 * keras/src/legacy/saving/saving_utils.py of 3.15. */
#include <string.h>

#include "base/status.h"
#include "train/schedule/schedule.h"
#include "train/settings_parts.h"

/* An object being made: as many members as it was opened for. Members that are NULL are left out.
 */
typedef struct object_maker {
    json_member *members;
    uint32_t count;
} object_maker;

static bool object_begin(object_maker *o, region *home, uint32_t capacity)
{
    *o = (object_maker){.members = region_new(home, json_member, (size_t)capacity + 1)};
    return o->members != NULL;
}

static void object_put(object_maker *o, const char *key, const json *given)
{
    if (given != NULL) o->members[o->count++] = (json_member){key, *given};
}

static void object_put_text(object_maker *o, const char *key, const char *text)
{
    object_put(o, key,
               &(json){.kind = JSON_STRING, .count = (uint32_t)strlen(text), .as.string = text});
}

static json object_end(const object_maker *o)
{
    return (json){.kind = JSON_OBJECT, .count = o->count, .as.members = o->members};
}

static const json *keep(region *home, json made)
{
    json *const kept = region_new(home, json, 1);

    if (kept != NULL) *kept = made;
    return kept;
}

/* -- objects ----------------------------------------------------------------------------------- */

typedef enum object_kind {
    KIND_OPTIMIZER,
    KIND_SCHEDULE,
    KIND_LOSS,
    KIND_METRIC,
    KIND_NONE /* no Keras object */
} object_kind;

static const char *const modules[] = {"keras.optimizers", "keras.optimizers.schedules",
                                      "keras.losses", "keras.metrics"};

static const train_table *const tables[] = {&optimizer_table, &schedule_table, &loss_table,
                                            &metric_table};

static const char *class_name_of(object_kind kind, const char *name)
{
    const train_entry *entry = kind != KIND_NONE ? train_entry_find(tables[kind], name) : NULL;

    return entry != NULL ? entry->name : name;
}

static bool complete(region *home, object_kind kind, const json *given, json *result);

/* Is the key one that Keras 3 does not take any more? */
static bool is_gone(object_kind kind, const json_member *m)
{
    if (kind == KIND_OPTIMIZER) return name_among("decay|is_legacy_optimizer", m->key);
    if (kind != KIND_LOSS) return false;
    return strcmp(m->key, "fn") == 0 ||
           (strcmp(m->key, "reduction") == 0 && json_is_text(&m->value, "auto"));
}

static bool config_complete(region *home, object_kind kind, const json *config, json *result)
{
    const uint32_t count = config != NULL && config->kind == JSON_OBJECT ? config->count : 0;
    object_maker o;

    if (!object_begin(&o, home, count)) return false;
    for (uint32_t i = 0; i < count; i++) {
        const json_member *m = &config->as.members[i];
        json made = m->value;

        if (is_gone(kind, m)) continue;
        const bool is_rate = kind == KIND_OPTIMIZER && name_among("learning_rate|lr", m->key);
        const bool is_inner = kind == KIND_OPTIMIZER && strcmp(m->key, "inner_optimizer") == 0;
        if ((is_rate || is_inner) &&
            !complete(home, is_rate ? KIND_SCHEDULE : KIND_OPTIMIZER, &m->value, &made)) {
            return false;
        }
        object_put(&o, is_rate ? "learning_rate" : m->key, &made);
    }
    *result = object_end(&o);
    return true;
}

/* An object that does not say its module gets Keras's. Recursion: inner optimizers; the depth of
 * the document, which json_read() bounds. */
static bool complete(region *home, object_kind kind, const json *given, json *result)
{
    const json *settings;
    object_maker o;
    json config;

    *result = *given;
    if (kind == KIND_NONE || given->kind != JSON_OBJECT || json_get(given, "module") != NULL ||
        !settings_is_one(given) || json_is_text(json_get(given, "class_name"), "function")) {
        return true;
    }
    given = settings_unwrap(home, given);
    if (given == NULL) return false;
    const char *name = train_object_name(given, &settings);
    if (!config_complete(home, kind, settings, &config) || !object_begin(&o, home, 4)) return false;
    object_put_text(&o, "module", modules[kind]);
    object_put_text(&o, "class_name", class_name_of(kind, name));
    object_put(&o, "config", &config);
    object_put(&o, "registered_name", &(json){.kind = JSON_NULL});
    *result = object_end(&o);
    return true;
}

/* The same for all objects in lists and by name. Recursion: as complete(). */
static bool complete_all(region *home, object_kind kind, const json *given, json *result)
{
    *result = *given;
    if (settings_is_one(given)) return complete(home, kind, given, result);
    if (given->kind == JSON_ARRAY) {
        json *const items = region_new(home, json, (size_t)given->count + 1);
        if (items == NULL) return false;
        for (uint32_t i = 0; i < given->count; i++) {
            if (!complete_all(home, kind, &given->as.items[i], &items[i])) return false;
        }
        result->as.items = items;
    } else if (given->kind == JSON_OBJECT) {
        json_member *const members = region_new(home, json_member, (size_t)given->count + 1);
        if (members == NULL) return false;
        for (uint32_t i = 0; i < given->count; i++) {
            members[i].key = given->as.members[i].key;
            if (!complete_all(home, kind, &given->as.members[i].value, &members[i].value))
                return false;
        }
        result->as.members = members;
    }
    return true;
}

const json *settings_unwrap(region *home, const json *given)
{
    const json *config = json_get(given, "config");
    const json *fn = json_get(config, "fn"), *ignored;
    const char *class_name = json_text(json_get(given, "class_name"), "");
    const char *name = train_object_name(fn, &ignored);
    object_maker inner, outer;

    if (name == NULL || !name_among("MeanMetricWrapper|LossFunctionWrapper", class_name))
        return given;
    if (!object_begin(&inner, home, config->count) || !object_begin(&outer, home, 2)) return NULL;
    for (uint32_t i = 0; i < config->count; i++) {
        const json_member *m = &config->as.members[i];
        if (strcmp(m->key, "fn") != 0) object_put(&inner, m->key, &m->value);
    }
    const json made = object_end(&inner);
    object_put_text(&outer, "class_name", name);
    object_put(&outer, "config", &made);
    return keep(home, object_end(&outer));
}

/* -- what files say ---------------------------------------------------------------------------- */

static const json *traced_name(const json *given)
{
    const char *class_name = json_text(json_get(given, "class_name"), "");

    return name_among("Traced|TracedLabels", class_name)
               ? json_get(json_get(given, "config"), "keras")
               : NULL;
}

/* Recursion: the depth of the document, which json_read() bounds. */
static bool has_traced(const json *given)
{
    if (given->kind < JSON_ARRAY) return false;
    if (traced_name(given) != NULL) return true;
    for (uint32_t i = 0; i < given->count; i++) {
        if (has_traced(given->kind == JSON_ARRAY ? &given->as.items[i]
                                                 : &given->as.members[i].value))
            return true;
    }
    return false;
}

/* Recursion: as has_traced(). */
static bool without_traced(region *home, const json *given, json *result)
{
    const json *name = given->kind == JSON_OBJECT ? traced_name(given) : NULL;

    *result = name != NULL ? *name : *given;
    if (name != NULL || given->kind < JSON_ARRAY) return true;
    json *const items = region_new(home, json, (size_t)given->count + 1);
    json_member *const members = region_new(home, json_member, (size_t)given->count + 1);
    if (items == NULL || members == NULL) return false;
    for (uint32_t i = 0; i < given->count; i++) {
        const bool is_list = given->kind == JSON_ARRAY;
        const json *from = is_list ? &given->as.items[i] : &given->as.members[i].value;
        json *to = is_list ? &items[i] : &members[i].value;

        if (!is_list) members[i].key = given->as.members[i].key;
        if (!without_traced(home, from, to)) return false;
    }
    if (given->kind == JSON_ARRAY)
        result->as.items = items;
    else
        result->as.members = members;
    return true;
}

const json *settings_for_files(region *home, const json *config)
{
    json result;

    if (!has_traced(config)) return config;
    return without_traced(home, config, &result) ? keep(home, result) : NULL;
}

/* -- the whole --------------------------------------------------------------------------------- */

/* What compile() takes, in the order in which Keras writes it. */
typedef struct compile_part {
    const char *key;
    object_kind kind;
} compile_part;

static const compile_part parts[] = {{"optimizer", KIND_OPTIMIZER},
                                     {"loss", KIND_LOSS},
                                     {"loss_weights", KIND_NONE},
                                     {"metrics", KIND_METRIC},
                                     {"weighted_metrics", KIND_METRIC}};
enum { PART_COUNT = sizeof parts / sizeof parts[0] };

/* given[PART_COUNT], NULL for null. */
static const json *compile_object(region *home, const json *const *given)
{
    static const json null = {.kind = JSON_NULL}, no = {.kind = JSON_BOOL},
                      one = {.kind = JSON_INTEGER, .as.integer = 1};
    object_maker o;

    if (!object_begin(&o, home, PART_COUNT + 3)) return NULL;
    for (uint32_t i = 0; i < PART_COUNT; i++) {
        json made = null;
        if (given[i] != NULL && !complete_all(home, parts[i].kind, given[i], &made)) return NULL;
        object_put(&o, parts[i].key, &made);
    }
    object_put(&o, "run_eagerly", &no);
    object_put(&o, "steps_per_execution", &one);
    object_put(&o, "jit_compile", &no);
    return keep(home, object_end(&o));
}

const json *settings_modernize(region *home, const json *training_config)
{
    const json *given[PART_COUNT] = {json_get(training_config, "optimizer_config")};

    for (uint32_t i = 1; i < PART_COUNT; i++) given[i] = json_get(training_config, parts[i].key);
    return compile_object(home, given);
}

/* JSON, or else a name. */
static ebb_status text_read(region *home, const char *key, const char *text, const json **result,
                            ebb_error *error)
{
    const size_t space = strspn(text, " \t\r\n");
    const char *begin = text + space;

    if (*begin == '\0') return fail(error, EBB_E_ARGUMENT, key, "the text is empty");
    if (strchr("{[\"-0123456789", *begin) != NULL || strcmp(begin, "null") == 0) {
        return json_read(home, begin, strlen(begin), key, result, error);
    }
    const char *copy = region_text(home, begin);
    if (copy == NULL) return region_fail(home, error, key, "its text");
    *result =
        keep(home, (json){.kind = JSON_STRING, .count = (uint32_t)strlen(copy), .as.string = copy});
    return *result != NULL ? EBB_OK : region_fail(home, error, key, "its text");
}

/* Keras takes metrics as a list only. */
static const json *listed(region *home, const json *given)
{
    if (!settings_is_one(given)) return given;
    return keep(home, (json){.kind = JSON_ARRAY, .count = 1, .as.items = given});
}

ebb_status settings_text_read(region *home, const ebb_compile_options *options, const json **result,
                              ebb_error *error)
{
    const char *const texts[PART_COUNT] = {options->optimizer, options->loss, options->loss_weights,
                                           options->metrics, options->weighted_metrics};
    const json *given[PART_COUNT] = {NULL};
    bool is_empty = true;

    *result = NULL;
    for (uint32_t i = 0; i < PART_COUNT; i++) {
        if (texts[i] == NULL) continue;
        is_empty = false;
        ebb_status status = text_read(home, parts[i].key, texts[i], &given[i], error);
        if (status != EBB_OK) return status;
        if (parts[i].kind == KIND_METRIC) given[i] = listed(home, given[i]);
        if (given[i] == NULL) return region_fail(home, error, parts[i].key, "its text");
    }
    if (is_empty) return EBB_OK;
    if (given[0] == NULL) {
        const ebb_status status = text_read(home, parts[0].key, "rmsprop", &given[0], error);
        if (status != EBB_OK) return status;
    }
    *result = compile_object(home, given);
    return *result != NULL ? EBB_OK : region_fail(home, error, "compile", "its settings");
}
