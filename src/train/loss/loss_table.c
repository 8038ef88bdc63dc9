/* loss_table.c -- the table of losses, and reading a loss from a file or a caller. */
#include <stddef.h>
#include <string.h>

#include "base/status.h"
#include "train/loss/loss_values.h"
#include "train/named_config.h"

#define LOSS(name, parameters) extern const loss_def loss_def_##name;
#include "train/loss/list.inc"
#undef LOSS

static const train_entry *const entries[] = {
#define LOSS(name, parameters) &loss_def_##name.entry,
#include "train/loss/list.inc"
#undef LOSS
};

static const constructor constructors[] = {
#define LOSS(name, parameters) {#name, parameters},
#include "train/loss/list.inc"
#undef LOSS
};

static train_defaults defaults(const train_entry *entry)
{
    return (train_defaults){((const loss_def *)entry)->default_name, 0};
}

const train_table loss_table = {"loss", entries, sizeof entries / sizeof entries[0], constructors,
                                defaults};

/* "crossentropy" names no class: shapes decide when the nodes are emitted. */
static value by_shape_values(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    (void)config;
    switch (loss_shape(g, y_true, y_pred)) {
    case LOSS_SHAPE_BINARY:
        return loss_binary_crossentropy(g, &(loss_crossentropy){.axis = -1}, y_true, y_pred, mask);
    case LOSS_SHAPE_SPARSE:
        return loss_sparse_categorical_crossentropy(
            g, &(loss_sparse_crossentropy){.ignore_class = INT64_MIN, .axis = -1}, y_true, y_pred,
            mask);
    case LOSS_SHAPE_CATEGORICAL: break;
    }
    return loss_categorical_crossentropy(g, &(loss_crossentropy){.axis = -1}, y_true, y_pred, mask);
}

static const loss_def by_shape = {
    .entry = {.name = "crossentropy", .aliases = "ce"},
    .default_name = "crossentropy",
    .values = by_shape_values,
};

static const train_entry *const traced[] = {&loss_def_traced.entry, &loss_def_traced_labels.entry,
                                            NULL};
static const named_table names = {&loss_table, &by_shape.entry, traced};

/* The fields that every loss has; "auto" is Keras 2's. */
typedef struct common_config {
    uint32_t reduction;
    const json *fn;
} common_config;
static const char reductions[] = "sum_over_batch_size|sum|mean|mean_with_sample_weight|none|auto";

/* The common fields stand behind those of the class, so that one look finds unknown keys. */
#define FIELDS_MAX 12
typedef struct own_config {
    common_config common;
    max_align_t own[1];
} own_config;

static ebb_status read_config(region *home, const loss_def *def, const json *settings,
                              const char *where, loss *result, ebb_error *error)
{
    const train_entry *entry = &def->entry;
    const uint32_t first = offsetof(own_config, own);
    own_config *config = region_alloc(home, 1, first + entry->config_bytes);
    layer_field fields[FIELDS_MAX] = {
        TRAIN_FIELD_CHOICE(common_config, reduction, LOSS_SUM_OVER_BATCH_SIZE, reductions),
        TRAIN_FIELD(common_config, fn, FIELD_JSON, 0)};
    uint32_t count = 2;

    if (config == NULL) return region_fail(home, error, where, "the config of a loss");
    for (const layer_field *f = entry->fields; f != NULL && f->key != NULL; f++) {
        if (count + 1 == FIELDS_MAX)
            return fail(error, EBB_E_INTERNAL, where, "%s has too many fields", entry->name);
        fields[count] = *f;
        fields[count++].offset += first;
    }
    ebb_status status = named_config_fields(entry->name, fields, settings, where, config, error);
    if (status == EBB_OK) status = named_config_dtype(settings, where, NULL, error);
    if (status == EBB_OK && entry->check != NULL) status = entry->check(config->own, where, error);
    result->config = config->own;
    result->reduction =
        config->common.reduction > LOSS_NONE ? LOSS_SUM_OVER_BATCH_SIZE : config->common.reduction;
    return status;
}

static ebb_status make(region *home, const named_choice *choice, const char *where, loss *result,
                       ebb_error *error)
{
    const bool is_function = choice->is_plain && strcmp(choice->word, choice->entry->name) != 0;

    result->def = (const loss_def *)choice->entry;
    const char *own = is_function ? choice->word : result->def->default_name;
    result->name = region_text(home, json_text(json_get(choice->settings, "name"), own));
    if (result->name == NULL) return region_fail(home, error, where, "the name of a loss");
    return read_config(home, result->def, choice->settings, where, result, error);
}

ebb_status loss_read(region *home, const json *given, const char *where, loss *result,
                     ebb_error *error)
{
    named_choice choice;
    const ebb_status status = named_choose(&names, given, where, &choice, error);

    *result = (loss){0};
    return status == EBB_OK ? make(home, &choice, where, result, error) : status;
}

ebb_status loss_named(region *home, const char *name, const char *where, loss *result,
                      ebb_error *error)
{
    const json word = named_word(name);

    return loss_read(home, &word, where, result, error);
}

int64_t loss_class_count(const graph *g, const loss *l, value y_true, value y_pred,
                         int64_t *ignored)
{
    const dim classes = graph_dim(g, y_pred, -1);
    bool is_sparse = l->def->is_sparse;

    *ignored = INT64_MIN;
    if (l->def == &by_shape) is_sparse = loss_shape(g, y_true, y_pred) == LOSS_SHAPE_SPARSE;
    if (l->def == &loss_def_sparse_categorical_crossentropy)
        *ignored = ((const loss_sparse_crossentropy *)l->config)->ignore_class;
    return is_sparse && dim_known(classes) ? classes : 0;
}
