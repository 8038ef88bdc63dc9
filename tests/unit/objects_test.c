/* objects_test.c -- the list of objects and of constructors' parameters: complete, unambiguous, its
 * defaults JSON, and its kinds among those that are written down. */
#include <stdio.h>
#include <string.h>

#include "ebb/objects.h"
#include "harness.h"
#include "json/json.h"
#include "layer/layer.h"
#include "mem/region.h"
#include "train/callback/callback.h"
#include "train/constraint/constraint.h"
#include "train/initializer/initializer.h"
#include "train/loss/loss.h"
#include "train/metric/metric.h"
#include "train/optimizer/optimizer.h"
#include "train/regularizer/regularizer.h"
#include "train/schedule/schedule.h"

static const char *const kinds[] = {
    "integer", "number",      "bool",        "text",       "choice", "list",  "numbers",
    "layers",  "initializer", "regularizer", "constraint", "dtype",  "layer", "optimizer",
    "rate",    "activation",  "function",    "seed",       "any",
};

static bool is_known_kind(const char *kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kind != NULL && strcmp(kinds[i], kind) == 0) return true;
    }
    return false;
}

static bool is_choice(const char *choices, const json *given)
{
    if (given->kind != JSON_STRING) return given->kind == JSON_NULL;
    const char *const at = strstr(choices, given->as.string);
    return at != NULL && (at == choices || at[-1] == '|');
}

/* A default is of the kind that it is said to be. */
static bool is_of_kind(const ebb_parameter_info *p, const json *given)
{
    const json_kind found = given->kind;
    const bool is_number = found == JSON_NUMBER || found == JSON_INTEGER;

    if (found == JSON_NULL || strcmp(p->kind, "any") == 0) return true;
    if (strcmp(p->kind, "choice") == 0) return is_choice(p->choices, given);
    if (strcmp(p->kind, "bool") == 0) return found == JSON_BOOL;
    if (strcmp(p->kind, "integer") == 0 || strcmp(p->kind, "number") == 0 ||
        strcmp(p->kind, "rate") == 0)
        return is_number;
    if (strcmp(p->kind, "list") == 0 || strcmp(p->kind, "numbers") == 0)
        return is_number || found == JSON_ARRAY;
    return found == JSON_STRING;
}

static bool is_among(const char *names, const char *name)
{
    const size_t length = strlen(name);

    for (const char *at = names; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, name, length) == 0 && (at[length] == 0 || at[length] == '|')) return true;
    }
    return false;
}

static void check_parameter(test *t, const ebb_parameter_info *p)
{
    const json *given = NULL;

    CHECK(p->name[0] != 0 &&
          strspn(p->name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(p->name));
    CHECK(is_known_kind(p->kind));
    CHECK((p->choices != NULL) == (strcmp(p->kind, "choice") == 0));
    CHECK_EQ(p->required, p->otherwise[0] == 0);
    if (p->required) return;
    CHECK(strlen(p->otherwise) + 1 < sizeof p->otherwise);
    CHECK_OK(json_read(t->home, p->otherwise, strlen(p->otherwise), p->name, &given, &t->error));
    CHECK(given != NULL && is_of_kind(p, given));
}

TEST(objects_have_parameters_that_read)
{
    uint32_t parameters = 0;

    for (ebb_object_kind kind = 1; kind < EBB_OBJECT_KIND_COUNT; kind++) {
        CHECK(ebb_object_kind_name(kind) != NULL);
        CHECK(ebb_object_count(kind) >= 4);
        ebb_object_info o;
        for (uint32_t i = 0; ebb_object_read(kind, i, &o); i++) {
            ebb_parameter_info p, other;
            uint32_t count = 0;
            bool was_optional = false;
            for (; ebb_parameter_read(kind, i, count, &p); count++) {
                check_parameter(t, &p);
                CHECK(p.by_name || !p.required || !was_optional);
                was_optional |= !p.required;
                for (uint32_t k = 0; k < count; k++) {
                    CHECK(ebb_parameter_read(kind, i, k, &other));
                    CHECK(strcmp(other.name, p.name) != 0);
                }
            }
            CHECK_EQ(count, o.parameters);
            parameters += count;
        }
    }
    CHECK(parameters > 1300);
}

TEST(objects_are_found_by_every_name)
{
    for (ebb_object_kind kind = 1; kind < EBB_OBJECT_KIND_COUNT; kind++) {
        ebb_object_info o, other;
        for (uint32_t i = 0; ebb_object_read(kind, i, &o); i++) {
            uint32_t found = UINT32_MAX;
            CHECK(ebb_object_find(kind, o.name, &found));
            CHECK_EQ(found, i);
            if (kind != EBB_OBJECT_LAYER && strcmp(o.symbol, "multi") != 0 &&
                strcmp(o.symbol, "loss_scale") != 0) {
                CHECK(ebb_object_find(kind, o.symbol, &found));
                CHECK_EQ(found, i);
            }
            for (uint32_t k = 0; k < i; k++) {
                CHECK(ebb_object_read(kind, k, &other));
                CHECK(strcmp(o.name, other.name) != 0 && strcmp(o.symbol, other.symbol) != 0);
                CHECK(!is_among(other.aliases, o.name) && !is_among(o.aliases, other.name));
            }
        }
    }
}

static void check_default(ebb_object_kind kind, const char *object, const char *parameter,
                          const char *otherwise)
{
    ebb_parameter_info p;
    uint32_t index;

    CHECK(ebb_object_find(kind, object, &index));
    for (uint32_t i = 0; ebb_parameter_read(kind, index, i, &p); i++) {
        if (strcmp(p.name, parameter) != 0) continue;
        CHECK_TEXT(p.otherwise, otherwise);
        return;
    }
    CHECK(!"the parameter is there");
}

TEST(objects_have_the_defaults_of_keras)
{
    check_default(EBB_OBJECT_LAYER, "Dense", "units", "");
    check_default(EBB_OBJECT_LAYER, "Dense", "activation", "null");
    check_default(EBB_OBJECT_LAYER, "Dense", "use_bias", "true");
    check_default(EBB_OBJECT_LAYER, "Convolution2D", "strides", "[1, 1]");
    check_default(EBB_OBJECT_LAYER, "Conv2D", "padding", "\"valid\"");
    check_default(EBB_OBJECT_LAYER, "Conv2D", "data_format", "null");
    check_default(EBB_OBJECT_LAYER, "LSTM", "activation", "\"tanh\"");
    check_default(EBB_OBJECT_LAYER, "Cropping2D", "cropping", "[[0, 0], [0, 0]]");
    check_default(EBB_OBJECT_OPTIMIZER, "adam", "learning_rate", "0.001");
    check_default(EBB_OBJECT_OPTIMIZER, "Adam", "epsilon", "1e-07");
    check_default(EBB_OBJECT_OPTIMIZER, "SGD", "momentum", "0.0");
    check_default(EBB_OBJECT_OPTIMIZER, "SGD", "clipnorm", "null");
    check_default(EBB_OBJECT_LOSS, "mse", "reduction", "\"sum_over_batch_size\"");
    check_default(EBB_OBJECT_LOSS, "Huber", "name", "\"huber_loss\"");
    check_default(EBB_OBJECT_METRIC, "AUC", "name", "null");
    check_default(EBB_OBJECT_METRIC, "AUC", "num_thresholds", "200");
    check_default(EBB_OBJECT_CALLBACK, "EarlyStopping", "monitor", "\"val_loss\"");
    check_default(EBB_OBJECT_INITIALIZER, "glorot_uniform", "seed", "null");
    check_default(EBB_OBJECT_CONSTRAINT, "max_norm", "max_value", "2");
}

/* -- defaults as a configuration --------------------------------------------------------------- */

/* What a parameter may be: by name where the value matters, else by kind where it must be given. */
static const char *sample(const ebb_parameter_info *p)
{
    static const char *const by_name[][2] = {
        {"filepath", "\"model.keras\""},
        {"num_tokens", "4"},
        {"target_class_ids", "[1]"},
        {"boundaries", "[10]"},
        {"values", "[0.1, 0.01]"},
        {"optimizer_map", "{\"config\": {\"default_optimizer\": \"sgd\"}}"},
    };
    static const char *const by_kind[][2] = {
        {"integer", "2"},     {"number", "0.5"},         {"list", "[2]"},
        {"numbers", "[0.5]"}, {"text", "\"ab,bc->ac\""}, {"activation", "\"relu\""},
        {"layers", "[]"},
    };
    for (size_t i = 0; i < sizeof by_name / sizeof by_name[0]; i++) {
        if (strcmp(by_name[i][0], p->name) == 0) return by_name[i][1];
    }
    if (!p->required) return p->otherwise;
    for (size_t i = 0; i < sizeof by_kind / sizeof by_kind[0]; i++) {
        if (strcmp(by_kind[i][0], p->kind) == 0) return by_kind[i][1];
    }
    return "{\"class_name\": \"SGD\", \"config\": {}}";
}

/* Parameters that no configuration holds: Keras's get_config() leaves them out. */
static const char constructor_only[] = "use_cudnn|weights|input_tensor|schedule";

/* {"units": 2, "activation": null ...} */
static const json *config_of_defaults(test *t, ebb_object_kind kind, uint32_t index)
{
    static char text[8192];
    ebb_parameter_info p;
    const json *config = NULL;
    size_t used = (size_t)snprintf(text, sizeof text, "{");

    for (uint32_t i = 0; ebb_parameter_read(kind, index, i, &p); i++) {
        if (is_among(constructor_only, p.name)) continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s\"%s\": %s",
                                 used > 1 ? ", " : "", p.name, sample(&p));
    }
    snprintf(text + used, sizeof text - used, "}");
    CHECK_OK(json_read(t->home, text, strlen(text), "defaults", &config, &t->error));
    return config;
}

static ebb_status read_defaults(test *t, ebb_object_kind kind, uint32_t index,
                                const ebb_object_info *o)
{
    const json *const config = config_of_defaults(t, kind, index);
    json_member members[] = {
        {"class_name",
         {.kind = JSON_STRING, .count = (uint32_t)strlen(o->name), .as.string = o->name}},
        {"config", *config}};
    const json given = {.kind = JSON_OBJECT, .count = 2, .as.members = members};
    optimizer as_optimizer;
    loss as_loss;
    metric as_metric;
    train_object as_object;

    switch (kind) {
    case EBB_OBJECT_OPTIMIZER:
        return optimizer_read(t->home, &given, o->name, &as_optimizer, &t->error);
    case EBB_OBJECT_LOSS: return loss_read(t->home, &given, o->name, &as_loss, &t->error);
    case EBB_OBJECT_METRIC: return metric_read(t->home, &given, o->name, &as_metric, &t->error);
    case EBB_OBJECT_SCHEDULE: return schedule_read(t->home, &given, o->name, &as_object, &t->error);
    case EBB_OBJECT_CALLBACK:
        return train_object_read(&callback_table, t->home, &given, o->name, &as_object, &t->error);
    case EBB_OBJECT_INITIALIZER:
        return initializer_read(t->home, &given, o->name, &as_object, &t->error);
    case EBB_OBJECT_REGULARIZER:
        return regularizer_read(t->home, &given, o->name, &as_object, &t->error);
    case EBB_OBJECT_CONSTRAINT:
        return constraint_read(t->home, &given, o->name, &as_object, &t->error);
    default: break;
    }
    const layer_def *const def = layer_table_at(index);
    void *const made = region_alloc(t->home, 1, def->config_bytes > 0 ? def->config_bytes : 1);
    return layer_config_read(def, t->home, config, o->name, made, &t->error);
}

TEST(objects_read_a_configuration_of_their_defaults)
{
    for (ebb_object_kind kind = 1; kind < EBB_OBJECT_KIND_COUNT; kind++) {
        ebb_object_info o;
        if (kind == EBB_OBJECT_ACTIVATION) continue;
        for (uint32_t i = 0; ebb_object_read(kind, i, &o); i++)
            CHECK_OK(read_defaults(t, kind, i, &o));
    }
}

TEST(objects_refuse_what_is_out_of_range)
{
    ebb_object_info o;
    ebb_parameter_info p;
    uint32_t index;

    (void)t;
    CHECK(ebb_object_kind_name(0) == NULL);
    CHECK(ebb_object_kind_name(EBB_OBJECT_KIND_COUNT) == NULL);
    CHECK_EQ(ebb_object_count(0), 0);
    CHECK_EQ(ebb_object_count(EBB_OBJECT_KIND_COUNT), 0);
    CHECK(!ebb_object_read(0, 0, &o));
    CHECK(!ebb_object_read(EBB_OBJECT_LAYER, 0, NULL));
    CHECK(!ebb_object_read(EBB_OBJECT_LAYER, ebb_object_count(EBB_OBJECT_LAYER), &o));
    CHECK(!ebb_parameter_read(EBB_OBJECT_LAYER, 0, 1000, &p));
    CHECK(!ebb_parameter_read(EBB_OBJECT_LAYER, 0, 0, NULL));
    CHECK(!ebb_object_find(EBB_OBJECT_LOSS, "hungarian", &index));
    CHECK(!ebb_object_find(EBB_OBJECT_ACTIVATION, "hard_sigmoid_keras2", &index));
    CHECK(!ebb_object_find(EBB_OBJECT_LAYER, NULL, &index));
    CHECK(!ebb_object_find(EBB_OBJECT_LAYER, "Dense", NULL));
}

TEST_MAIN(RUN(objects_have_parameters_that_read), RUN(objects_are_found_by_every_name),
          RUN(objects_have_the_defaults_of_keras),
          RUN(objects_read_a_configuration_of_their_defaults),
          RUN(objects_refuse_what_is_out_of_range))
