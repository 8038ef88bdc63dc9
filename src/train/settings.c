/* settings.c -- the optimizer, and losses with their weights by output: CompileLoss of
 * keras/src/trainers/compile_utils.py. */
#include "train/settings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "train/settings_parts.h"

bool settings_is_one(const json *given)
{
    if (given == NULL) return false;
    return given->kind == JSON_STRING ||
           (given->kind == JSON_OBJECT && json_text(json_get(given, "class_name"), NULL) != NULL);
}

ebb_status settings_no_memory(settings_reader *r)
{
    return region_fail(r->home, r->error, "compile", "its settings");
}

uint32_t settings_output_find(settings_reader *r, const char *what, const char *name)
{
    char known[240] = "";
    size_t used = 0;

    for (uint32_t k = 0; k < r->model->output_count; k++) {
        const char *own = r->model->outputs[k].name;
        if (strcmp(own, name) == 0) return k;
        if (used < sizeof known) {
            used += (size_t)snprintf(known + used, sizeof known - used, "%s'%s'", k > 0 ? ", " : "",
                                     own);
        }
    }
    fail(r->error, EBB_E_ARGUMENT, what, "the model has no output called '%.60s'; it has %s", name,
         known);
    return UINT32_MAX;
}

ebb_status settings_about(settings_reader *r, const char *what, uint32_t output, ebb_status status)
{
    ebb_error *const e = r->error;

    if (status != EBB_OK && e != NULL && r->model->output_count > 1) {
        (void)snprintf(e->where, sizeof e->where, "%s of output '%.100s'", what,
                       r->model->outputs[output].name);
    }
    return status;
}

/* -- the optimizer ----------------------------------------------------------------------------- */

/* Does a layer at the top keep float32 and compute in float16? The config of a model seldom says
 * what its own policy is; Keras gives it that of its layers' time. */
static bool is_mixed_float16(const built_model *m)
{
    const nested_model *top = m->top;

    for (uint32_t k = 0; top != NULL && k < top->layer_count; k++) {
        const layer_instance *i = top->layers[k];
        if (i != NULL && i->compute == EBB_F16 && i->variable_dtype == EBB_F32) return true;
    }
    return false;
}

static ebb_status optimizer_settings(settings_reader *r, const json *given)
{
    static const char where[] = "optimizer";
    const json *ignored;

    if (json_is_null(given)) return EBB_OK;
    optimizer *const o = region_new(r->home, optimizer, 2);
    if (o == NULL) return settings_no_memory(r);
    ebb_status status = optimizer_read(r->home, given, where, o, r->error);
    if (status != EBB_OK) return status;
    r->s->optimizer = o;
    const char *name = train_object_name(given, &ignored);
    const train_entry *entry = name != NULL ? train_entry_find(&optimizer_table, name) : NULL;
    if (!is_mixed_float16(r->model) ||
        (entry != NULL && strcmp(entry->name, "LossScaleOptimizer") == 0)) {
        return EBB_OK;
    }
    r->s->optimizer = o + 1;
    return optimizer_wrap_loss_scale(r->home, o, o + 1, r->error);
}

/* -- losses ------------------------------------------------------------------------------------ */

static ebb_status loss_form_fail(settings_reader *r, const json *given)
{
    char text[80];

    return fail(r->error, EBB_E_FORMAT, "loss",
                "expected the name of a loss or an object with class_name and config, found %s",
                json_describe(given, text, sizeof text));
}

/* One loss, null, or a list of one. */
static ebb_status loss_place(settings_reader *r, uint32_t output, const json *given,
                             const json **places)
{
    const bool is_list = given->kind == JSON_ARRAY && given->count == 1;
    const json *one = is_list ? json_item(given, 0) : given;

    if (json_is_null(one)) return EBB_OK;
    if (!settings_is_one(one)) return settings_about(r, "loss", output, loss_form_fail(r, one));
    places[output] = one;
    return EBB_OK;
}

/* What each output's loss is, NULL for none. */
static ebb_status losses_spread(settings_reader *r, const json *given, const json **places)
{
    const uint32_t outputs = r->model->output_count;
    ebb_status status = EBB_OK;

    if (json_is_null(given)) return EBB_OK;
    if (settings_is_one(given)) {
        for (uint32_t k = 0; k < outputs; k++) places[k] = given;
        return EBB_OK;
    }
    if (given->kind != JSON_ARRAY && given->kind != JSON_OBJECT) {
        return loss_form_fail(r, given);
    }
    if (given->kind == JSON_ARRAY && given->count > outputs) {
        return fail(r->error, EBB_E_ARGUMENT, "loss", "%u losses for %u output%s", given->count,
                    outputs, outputs == 1 ? "" : "s");
    }
    for (uint32_t i = 0; i < given->count && status == EBB_OK; i++) {
        if (given->kind == JSON_ARRAY) {
            status = loss_place(r, i, json_item(given, i), places);
            continue;
        }
        const json_member *member = &given->as.members[i];
        const uint32_t output = settings_output_find(r, "loss", member->key);
        if (output == UINT32_MAX) return EBB_E_ARGUMENT;
        status = loss_place(r, output, &member->value, places);
    }
    return status;
}

static ebb_status weight_set(settings_reader *r, uint32_t output, const json *given)
{
    output_loss *const to = &r->s->losses[output];
    char text[80];

    if (json_is_null(given)) return EBB_OK;
    if (given->kind == JSON_ARRAY && given->count == 1) given = json_item(given, 0);
    to->weight = json_number(given, NAN);
    to->has_weight = true;
    if (isfinite((float)to->weight)) return EBB_OK;
    return settings_about(r, "loss_weights", output,
                          fail(r->error, EBB_E_FORMAT, "loss_weights",
                               "expected a number, found %s",
                               json_describe(given, text, sizeof text)));
}

static ebb_status weights_by_name(settings_reader *r, const json *given)
{
    for (uint32_t i = 0; i < given->count; i++) {
        const json_member *member = &given->as.members[i];
        const uint32_t output = settings_output_find(r, "loss_weights", member->key);
        if (output == UINT32_MAX) return EBB_E_ARGUMENT;
        const ebb_status status = weight_set(r, output, &member->value);
        if (status != EBB_OK) return status;
    }
    for (uint32_t k = 0; k < r->model->output_count; k++) {
        if (!r->s->losses[k].is_used || json_get(given, r->model->outputs[k].name) != NULL)
            continue;
        return fail(r->error, EBB_E_ARGUMENT, "loss_weights",
                    "output '%s' has a loss and no weight; null stands for none",
                    r->model->outputs[k].name);
    }
    return EBB_OK;
}

/* As many weights as losses, or one number for all. */
static ebb_status loss_weights_read(settings_reader *r, const json *losses, const json *given)
{
    const uint32_t outputs = r->model->output_count;
    const uint32_t loss_count = settings_is_one(losses) ? 1 : losses->count;

    if (json_is_null(given)) return EBB_OK;
    const bool is_nested = given->kind == JSON_ARRAY || given->kind == JSON_OBJECT;
    const uint32_t weight_count = is_nested ? given->count : 1;
    if (loss_count != weight_count) {
        return fail(r->error, EBB_E_ARGUMENT, "loss_weights",
                    "%u weight%s for %u loss%s; give as many, in the same form", weight_count,
                    weight_count == 1 ? "" : "s", loss_count, loss_count == 1 ? "" : "es");
    }
    if (given->kind == JSON_OBJECT && !settings_is_one(losses)) return weights_by_name(r, given);
    if (given->kind == JSON_OBJECT) given = &given->as.members[0].value; /* whatever its name */
    ebb_status status = EBB_OK;
    for (uint32_t k = 0, next = 0; k < outputs && status == EBB_OK; k++) {
        const bool is_there = losses->kind == JSON_ARRAY
                                  ? k < loss_count
                                  : json_get(losses, r->model->outputs[k].name) != NULL;

        if (!is_nested || settings_is_one(losses)) {
            status = weight_set(r, k, given);
        } else if (is_there) {
            status = weight_set(r, k, json_item(given, next++));
        }
    }
    return status;
}

static ebb_status losses_read(settings_reader *r, const json *config)
{
    const uint32_t outputs = r->model->output_count;
    const json *given = json_get(config, "loss");
    const json **places = region_new(r->home, const json *, (size_t)outputs + 1);
    uint32_t used = 0;

    r->s->losses = region_new(r->home, output_loss, (size_t)outputs + 1);
    if (places == NULL || r->s->losses == NULL) return settings_no_memory(r);
    ebb_status status = losses_spread(r, given, places);
    for (uint32_t k = 0; k < outputs && status == EBB_OK; k++) {
        output_loss *const to = &r->s->losses[k];

        to->weight = 1;
        to->title = region_format(r->home, "%s_loss", r->model->outputs[k].name);
        if (to->title == NULL) return settings_no_memory(r);
        if (places[k] == NULL) continue;
        const json *one = settings_unwrap(r->home, places[k]);
        if (one == NULL) return settings_no_memory(r);
        status = loss_read(r->home, one, "loss", &to->l, r->error);
        status = settings_about(r, "loss", k, status);
        to->is_used = status == EBB_OK;
        used++;
    }
    r->s->shows_losses = used > 1;
    if (status != EBB_OK || used == 0) return status;
    return loss_weights_read(r, given, json_get(config, "loss_weights"));
}

ebb_status settings_read(region *home, const json *config, const built_model *model,
                         settings *result, ebb_error *error)
{
    settings_reader r = {.home = home, .model = model, .s = result, .error = error};

    *result = (settings){.compile_config = config};
    if (config == NULL || config->kind != JSON_OBJECT) {
        return fail(error, EBB_E_FORMAT, "compile", "its settings are no object");
    }
    if (json_get(config, "optimizer_config") != NULL) {
        result->compile_config = settings_modernize(home, config);
        if (result->compile_config == NULL) return settings_no_memory(&r);
    }
    result->compile_config = settings_for_files(home, result->compile_config);
    if (result->compile_config == NULL) return settings_no_memory(&r);
    const json *given = json_get(config, "optimizer_config");
    if (given == NULL) given = json_get(config, "optimizer");
    ebb_status status = optimizer_settings(&r, given);
    if (status == EBB_OK) status = losses_read(&r, config);
    if (status == EBB_OK) status = settings_metrics_read(&r, config);
    return status;
}
