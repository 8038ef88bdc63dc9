/* api_objects.c -- the tables of layers and of what training knows as one list, with the parameters
 * of Keras's constructors.
 *
 * A constructor is a text in its table's list.inc (layer/layer.h says how to read it); kinds and
 * most defaults are those of the configuration fields of the same names. Invariant (the unit test):
 * every text parses, every default is JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ebb/objects.h"
#include "train/callback/callback.h"
#include "train/callback/number_text.h"
#include "train/constraint/constraint.h"
#include "train/initializer/initializer.h"
#include "train/loss/loss.h"
#include "train/metric/metric.h"
#include "train/optimizer/optimizer.h"
#include "train/regularizer/regularizer.h"
#include "train/schedule/schedule.h"

/* -- objects: layers, activations, and the entries of training's tables ------------------------ */

static const train_table *const train_tables[EBB_OBJECT_KIND_COUNT] = {
    [EBB_OBJECT_OPTIMIZER] = &optimizer_table,
    [EBB_OBJECT_SCHEDULE] = &schedule_table,
    [EBB_OBJECT_LOSS] = &loss_table,
    [EBB_OBJECT_METRIC] = &metric_table,
    [EBB_OBJECT_CALLBACK] = &callback_table,
    [EBB_OBJECT_INITIALIZER] = &initializer_table,
    [EBB_OBJECT_REGULARIZER] = &regularizer_table,
    [EBB_OBJECT_CONSTRAINT] = &constraint_table,
};

/* One object, whatever its table is. */
typedef struct object {
    const char *name, *aliases, *family;
    const layer_field *fields;
    constructor constructor;
    train_defaults defaults;
} object;

static bool is_kind(ebb_object_kind kind)
{
    return kind > 0 && kind < EBB_OBJECT_KIND_COUNT;
}

static bool object_at(ebb_object_kind kind, uint32_t index, object *o)
{
    *o = (object){0};
    if (index >= ebb_object_count(kind)) return false;
    if (kind == EBB_OBJECT_LAYER) {
        const layer_def *const def = layer_table_at(index);
        o->name = def->name;
        o->aliases = def->aliases;
        o->family = def->family;
        o->fields = def->fields;
        o->constructor = *layer_constructor_at(index);
    } else if (kind == EBB_OBJECT_ACTIVATION) {
        const activation_def *const def = activation_at(index);
        o->name = def->name;
        o->aliases = def->aliases;
        o->constructor = (constructor){def->name, ""};
    } else {
        const train_table *const table = train_tables[kind];
        const train_entry *const entry = table->entries[index];
        o->name = entry->name;
        o->aliases = entry->aliases;
        o->fields = entry->fields;
        o->constructor = table->constructors[index];
        if (table->defaults != NULL) o->defaults = table->defaults(entry);
    }
    return true;
}

/* -- the text of a constructor ----------------------------------------------------------------- */

/* Up to the next comma that is in no bracket. */
static const char *token_end(const char *at)
{
    int depth = 0;
    for (; *at != '\0' && (*at != ',' || depth > 0); at++) depth += (*at == '[') - (*at == ']');
    return at;
}

typedef struct token_list {
    const char *at;
    const char *from, *end; /* of the token */
} token_list;

static bool token_next(token_list *t)
{
    while (*t->at == ',' || *t->at == ' ') t->at++;
    t->from = t->at;
    t->at = t->end = token_end(t->from);
    return t->from < t->end;
}

static bool token_is(const token_list *t, const char *text)
{
    const size_t length = (size_t)(t->end - t->from);
    return strlen(text) == length && memcmp(t->from, text, length) == 0;
}

/* -- kinds and defaults ------------------------------------------------------------------------ */

/* NULL: the name tells. */
static const char *const kind_of_field[FIELD_GIVEN + 1] = {
    [FIELD_I64] = "integer", [FIELD_F32] = "number",    [FIELD_BOOL] = "bool",
    [FIELD_TEXT] = "text",   [FIELD_CHOICE] = "choice", [FIELD_ACTIVATION] = "activation",
    [FIELD_INTS] = "list",   [FIELD_F64] = "number",    [FIELD_F64_OR_NONE] = "number",
};

/* What constructors take besides what fields can be: "name:kind". */
static const char *const other_kinds[] = {
    "any",      "dtype",  "function", "initializer", "layer",       "layers",
    "numbers",  "number", "rate",     "optimizer",   "constraint",  "seed",
    "schedule", "text",   "list",     "bool",        "regularizer", "integer",
};

/* Parameters that mean the same wherever they are. */
typedef struct common_parameter {
    const char *name, *kind;
    const char *choices;
    const char *otherwise; /* NULL: null */
} common_parameter;

static const common_parameter commons[] = {
    {"name", "text", NULL, NULL},
    {"dtype", "dtype", NULL, NULL},
    {"seed", "seed", NULL, NULL},
    {"data_format", "choice", "channels_last|channels_first", NULL},
    {"reduction", "choice", "sum_over_batch_size|sum|mean|mean_with_sample_weight|none",
     "\"sum_over_batch_size\""},
    {"learning_rate", "rate", NULL, NULL},
    {"inner_optimizer", "optimizer", NULL, NULL},
    {"axis", "list", NULL, NULL},
    {"axes", "list", NULL, NULL},
    {"layer", "layer", NULL, NULL},
    {"backward_layer", "layer", NULL, NULL},
    {"cell", "layer", NULL, NULL},
    {"cells", "layers", NULL, NULL},
    {"layers", "layers", NULL, NULL},
    {"value_range", "numbers", NULL, NULL},
    {"factor", "numbers", NULL, NULL},
    {"scale", "numbers", NULL, NULL},
    {"offset", "numbers", NULL, NULL},
    {"alpha", "numbers", NULL, NULL},
    {"fill_value", "numbers", NULL, NULL},
    {"thresholds", "numbers", NULL, NULL},
    {"threshold", "number", NULL, NULL},
    {"max_value", "number", NULL, NULL},
    {"lora_rank", "integer", NULL, NULL},
    {"lora_alpha", "number", NULL, NULL},
    {"interpolation", "text", NULL, NULL},
    {"fill_mode", "text", NULL, NULL},
    {"unroll", "bool", NULL, NULL},
    {"sparse", "bool", NULL, NULL},
    {"unit_forget_bias", "bool", NULL, NULL},
    {"flash_attention", "bool", NULL, NULL},
};

static const common_parameter *common_find(const char *name)
{
    for (size_t i = 0; i < sizeof commons / sizeof commons[0]; i++) {
        if (strcmp(commons[i].name, name) == 0) return &commons[i];
    }
    return NULL;
}

static const layer_field *field_find(const layer_field *fields, const char *name)
{
    for (const layer_field *f = fields; f != NULL && f->key != NULL; f++) {
        if (strcmp(f->key, name) == 0) return f;
    }
    return NULL;
}

static const char *kind_by_suffix(const char *name)
{
    static const char *const suffixes[] = {"initializer", "regularizer", "constraint"};
    const char *const last = strrchr(name, '_');

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0] && last != NULL; i++) {
        if (strcmp(last + 1, suffixes[i]) == 0) return suffixes[i];
    }
    return NULL;
}

/* `text` in quotes; NULL is null. */
static void otherwise_text(ebb_parameter_info *info, const char *text, size_t length)
{
    if (text == NULL)
        snprintf(info->otherwise, sizeof info->otherwise, "null");
    else
        snprintf(info->otherwise, sizeof info->otherwise, "\"%.*s\"", (int)length, text);
}

static void otherwise_choice(ebb_parameter_info *info, const layer_field *f)
{
    const char *at = f->choices;
    for (uint32_t skip = (uint32_t)f->otherwise; skip > 0 && at != NULL; skip--) {
        at = strchr(at, '|');
        at += at != NULL;
    }
    otherwise_text(info, at, at != NULL ? strcspn(at, "|") : 0);
}

static void otherwise_number(ebb_parameter_info *info, double number)
{
    char text[NUMBER_REPR_BYTES];

    if (isnan(number)) {
        otherwise_text(info, NULL, 0);
        return;
    }
    number_repr(number, text);
    snprintf(info->otherwise, sizeof info->otherwise, "%s", text);
}

static void otherwise_of_field(ebb_parameter_info *info, const layer_field *f)
{
    switch (f->kind) {
    case FIELD_I64:
        snprintf(info->otherwise, sizeof info->otherwise, "%" PRId64, (int64_t)f->otherwise);
        break;
    case FIELD_BOOL:
        snprintf(info->otherwise, sizeof info->otherwise, f->otherwise != 0 ? "true" : "false");
        break;
    case FIELD_F32:
    case FIELD_F64:
    case FIELD_F64_OR_NONE: otherwise_number(info, f->otherwise); break;
    case FIELD_CHOICE: otherwise_choice(info, f); break;
    case FIELD_TEXT:
    case FIELD_ACTIVATION:
        otherwise_text(info, f->choices, f->choices != NULL ? strlen(f->choices) : 0);
        break;
    case FIELD_INTS:
    case FIELD_JSON:
    case FIELD_TRAINING:
    case FIELD_GIVEN: otherwise_text(info, NULL, 0); break;
    }
}

/* The default where the text of the constructor does not give it. */
static void otherwise_known(ebb_parameter_info *info, const object *o, const layer_field *f)
{
    const common_parameter *const common = common_find(info->name);

    if (strcmp(info->name, "name") == 0)
        otherwise_text(info, o->defaults.name,
                       o->defaults.name != NULL ? strlen(o->defaults.name) : 0);
    else if (strcmp(info->name, "learning_rate") == 0)
        otherwise_number(info, o->defaults.learning_rate);
    else if (f != NULL && f->kind == FIELD_CHOICE && common != NULL && common->choices != NULL)
        otherwise_text(info, NULL, 0);
    else if (f != NULL)
        otherwise_of_field(info, f);
    else if (common != NULL && common->otherwise != NULL)
        snprintf(info->otherwise, sizeof info->otherwise, "%s", common->otherwise);
    else
        otherwise_text(info, NULL, 0);
}

/* `kind` of a text, `length` characters, as one in static storage. */
static const char *kind_named(const char *kind, size_t length)
{
    for (size_t i = 0; i < sizeof other_kinds / sizeof other_kinds[0]; i++) {
        if (strlen(other_kinds[i]) == length && memcmp(other_kinds[i], kind, length) == 0)
            return other_kinds[i];
    }
    return NULL;
}

static void kind_known(ebb_parameter_info *info, const layer_field *f)
{
    const common_parameter *const common = common_find(info->name);

    if (f != NULL && kind_of_field[f->kind] != NULL) {
        info->kind = kind_of_field[f->kind];
        info->choices = f->kind == FIELD_CHOICE ? f->choices : NULL;
        return;
    }
    info->kind = kind_by_suffix(info->name);
    if (info->kind == NULL && common != NULL) {
        info->kind = common->kind;
        info->choices = common->choices;
    }
    if (info->kind == NULL) info->kind = "any";
}

/* "name", "name!", "name=json", "name:kind=json" */
static void parameter_parse(const token_list *t, const object *o, ebb_parameter_info *info)
{
    const size_t length = (size_t)(t->end - t->from);
    const size_t name = strcspn(t->from, ":=!, ");
    const char *at = t->from + (name < length ? name : length);
    snprintf(info->name, sizeof info->name, "%.*s", (int)(at - t->from), t->from);
    const layer_field *const f = field_find(o->fields, info->name);

    kind_known(info, f);
    if (at < t->end && *at == ':') {
        const size_t word = strcspn(at + 1, "=!, ");
        info->kind = kind_named(at + 1, word);
        info->choices = NULL;
        at += 1 + word;
    }
    if (at < t->end && *at == '=') {
        snprintf(info->otherwise, sizeof info->otherwise, "%.*s", (int)(t->end - at - 1), at + 1);
        for (char *c = info->otherwise; *c != '\0'; c++) *c = *c == '\'' ? '"' : *c;
        return;
    }
    info->required = (at < t->end && *at == '!') || (f != NULL && f->required);
    if (!info->required) otherwise_known(info, o, f);
}

/* -- the public face --------------------------------------------------------------------------- */

const char *ebb_object_kind_name(ebb_object_kind kind)
{
    static const char *const names[EBB_OBJECT_KIND_COUNT] = {
        [EBB_OBJECT_LAYER] = "layer",
        [EBB_OBJECT_ACTIVATION] = "activation",
        [EBB_OBJECT_OPTIMIZER] = "optimizer",
        [EBB_OBJECT_SCHEDULE] = "schedule",
        [EBB_OBJECT_LOSS] = "loss",
        [EBB_OBJECT_METRIC] = "metric",
        [EBB_OBJECT_CALLBACK] = "callback",
        [EBB_OBJECT_INITIALIZER] = "initializer",
        [EBB_OBJECT_REGULARIZER] = "regularizer",
        [EBB_OBJECT_CONSTRAINT] = "constraint",
    };
    return is_kind(kind) ? names[kind] : NULL;
}

uint32_t ebb_object_count(ebb_object_kind kind)
{
    if (!is_kind(kind)) return 0;
    if (kind == EBB_OBJECT_LAYER) return layer_table_count();
    if (kind == EBB_OBJECT_ACTIVATION) return activation_keras_count();
    return train_tables[kind]->count;
}

bool ebb_object_read(ebb_object_kind kind, uint32_t index, ebb_object_info *info)
{
    object o;

    if (info == NULL || !object_at(kind, index, &o)) return false;
    *info = (ebb_object_info){
        .name = o.name, .symbol = o.constructor.symbol, .aliases = o.aliases, .family = o.family};
    for (token_list t = {.at = o.constructor.parameters}; token_next(&t);) {
        if (token_is(&t, "**"))
            info->takes_keywords = true;
        else if (!token_is(&t, "*"))
            info->parameters++;
    }
    return true;
}

bool ebb_object_find(ebb_object_kind kind, const char *name, uint32_t *index)
{
    object o;

    if (name == NULL || index == NULL) return false;
    for (*index = 0; object_at(kind, *index, &o); ++*index) {
        if (strcmp(o.name, name) == 0 || name_among(o.aliases, name)) return true;
        if (kind != EBB_OBJECT_LAYER && kind != EBB_OBJECT_ACTIVATION &&
            train_entry_matches(train_tables[kind]->entries[*index], name))
            return true;
    }
    return false;
}

bool ebb_parameter_read(ebb_object_kind kind, uint32_t index, uint32_t parameter,
                        ebb_parameter_info *info)
{
    object o;
    bool by_name = false;

    if (info == NULL || !object_at(kind, index, &o)) return false;
    for (token_list t = {.at = o.constructor.parameters}; token_next(&t);) {
        if (token_is(&t, "**")) continue;
        if (token_is(&t, "*")) {
            by_name = true;
            continue;
        }
        if (parameter-- > 0) continue;
        *info = (ebb_parameter_info){.by_name = by_name};
        parameter_parse(&t, &o, info);
        return true;
    }
    return false;
}
