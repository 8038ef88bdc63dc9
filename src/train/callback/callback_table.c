/* callback_table.c -- the table of callbacks, a list of them at work, and the two entries that do
 * nothing of their own: LambdaCallback and History (fit keeps it always). */
#include "train/callback/callback.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

#define CALLBACK(name, parameters) extern const callback_def callback_def_##name;
#include "train/callback/list.inc"
#undef CALLBACK

static const train_entry *const entries[] = {
#define CALLBACK(name, parameters) &callback_def_##name.entry,
#include "train/callback/list.inc"
#undef CALLBACK
};

static const constructor constructors[] = {
#define CALLBACK(name, parameters) {#name, parameters},
#include "train/callback/list.inc"
#undef CALLBACK
};

const train_table callback_table = {"callback", entries, sizeof entries / sizeof entries[0],
                                    constructors, NULL};

static const layer_field no_fields[] = {TRAIN_FIELD_END};

const callback_def callback_def_history = {.entry = {"History", NULL, 0, no_fields, NULL}};

const callback_def callback_def_lambda_callback = {
    .entry = {"LambdaCallback", NULL, 0, no_fields, NULL},
    .takes_function = true,
    .at = {[EBB_TRAIN_BEGIN] = callback_call,
           [EBB_TRAIN_END] = callback_call,
           [EBB_EPOCH_BEGIN] = callback_call,
           [EBB_EPOCH_END] = callback_call,
           [EBB_BATCH_BEGIN] = callback_call,
           [EBB_BATCH_END] = callback_call,
           [EBB_TEST_BEGIN] = callback_call,
           [EBB_TEST_END] = callback_call,
           [EBB_TEST_BATCH_BEGIN] = callback_call,
           [EBB_TEST_BATCH_END] = callback_call}};

/* -- a list ------------------------------------------------------------------------------------ */

static ebb_status config_read(callback *c, const ebb_callback *given, ebb_error *error)
{
    const char *const name = given->name != NULL ? given->name : "LambdaCallback";
    const json *config = NULL;
    train_object object;
    ebb_status status = EBB_OK;

    if (given->config != NULL)
        status = json_read(c->home, given->config, strlen(given->config), c->where, &config, error);
    if (status != EBB_OK) return status;
    json_member members[] = {
        {"class_name", {.kind = JSON_STRING, .count = (uint32_t)strlen(name), .as.string = name}},
        {"config", {.kind = JSON_NULL}}};
    if (config != NULL) members[1].value = *config;
    const json whole = {.kind = JSON_OBJECT, .count = 2, .as.members = members};
    status = train_object_read(&callback_table, c->home, &whole, c->where, &object, error);
    if (status != EBB_OK) return status;
    const callback_def *const def = (const callback_def *)object.entry;
    if (given->function != NULL && !def->takes_function) {
        return fail(error, EBB_E_ARGUMENT, c->where,
                    "%s takes no function; give the function a callback of its own",
                    def->entry.name);
    }
    c->config = object.config;
    c->state = region_alloc(c->home, 1, def->state_bytes + 1);
    if (c->state == NULL) return region_fail(c->home, error, c->where, "its state");
    c->def = def;
    return EBB_OK;
}

static ebb_status callback_open(callback *c, engine *e, const ebb_callback *given, uint32_t index,
                                ebb_error *error)
{
    if (given->name == NULL && given->function == NULL) {
        return fail(error, EBB_E_ARGUMENT, "callbacks",
                    "callback %" PRIu32 " has neither a name nor a function", index);
    }
    c->where = region_format(c->home, "callbacks[%" PRIu32 "] %.60s", index,
                             given->name != NULL ? given->name : "function");
    if (c->where == NULL) return region_fail(c->home, error, "callbacks", "a callback");
    c->function = given->function;
    c->context = given->context;
    const ebb_status status = config_read(c, given, error);
    if (status != EBB_OK || c->def->open == NULL) return status;
    return c->def->open(c, e, error);
}

ebb_status callbacks_open(region *home, engine *e, const ebb_callback *given, size_t count,
                          callback_list *result, ebb_error *error)
{
    ebb_status status = EBB_OK;

    *result = (callback_list){.engine = e};
    if (count >= UINT32_MAX) return fail(error, EBB_E_ARGUMENT, "callbacks", "too many of them");
    result->items = region_new(home, callback, count + 1);
    if (result->items == NULL) return region_fail(home, error, "callbacks", "callbacks");
    for (uint32_t i = 0; i < count && status == EBB_OK; i++) {
        callback *c = &result->items[result->count++];

        c->home = region_open(home, "callback", EBB_CLASS_META, 0);
        status = c->home == NULL ? region_fail(home, error, "callbacks", "a callback")
                                 : callback_open(c, e, &given[i], i, error);
    }
    return status;
}

ebb_status callbacks_tell(callback_list *list, fit_moment *m, ebb_error *error)
{
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < list->count && status == EBB_OK; i++) {
        callback *c = &list->items[i];

        if (c->def->at[m->moment] != NULL) status = c->def->at[m->moment](c, m, error);
    }
    return status;
}

void callbacks_close(callback_list *list)
{
    for (uint32_t i = list->count; i-- > 0;) {
        callback *c = &list->items[i];

        if (c->def != NULL && c->def->close != NULL) c->def->close(c, list->engine);
        region_close(c->home);
    }
    *list = (callback_list){0};
}

/* -- for the entries --------------------------------------------------------------------------- */

ebb_status callback_call(callback *c, fit_moment *m, ebb_error *error)
{
    ebb_training_event event = {.moment = m->moment,
                                .model = m->engine->model,
                                .epoch = m->epoch,
                                .epochs = m->epochs,
                                .step = m->step,
                                .steps = m->steps,
                                .logs = m->logs->items,
                                .log_count = m->logs->count,
                                .learning_rate = (double)NAN};

    (void)error;
    if (c->function == NULL) return EBB_OK;
    if (m->engine->def->learning_rate(m->engine, &event.learning_rate, NULL) != EBB_OK)
        event.learning_rate = (double)NAN;
    if (!c->function(c->context, &event)) m->stops = true;
    return EBB_OK;
}

ebb_status callback_log_rate(fit_moment *m, ebb_error *error)
{
    double rate = 0;
    const ebb_status status = m->engine->def->learning_rate(m->engine, &rate, error);

    if (status == EBB_OK) fit_logs_put(m->logs, "learning_rate", rate);
    return status;
}

ebb_status callback_frequency(const callback *c, const char *key, const json *given,
                              uint64_t *batches, ebb_error *error)
{
    const int64_t count = json_integer(given, 0);
    char text[80];

    *batches = 0;
    if (json_is_null(given) || json_is_text(given, "epoch")) return EBB_OK;
    if (count > 0) {
        *batches = (uint64_t)count;
        return EBB_OK;
    }
    return fail(error, EBB_E_ARGUMENT, c->where,
                "%s: expected \"epoch\" or a number of batches, found %s", key,
                json_describe(given, text, sizeof text));
}
