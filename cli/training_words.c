/* training_words.c -- see training_words.h. */
#include "training_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- compile ------------------------------------------------------------------------- */

static bool is_json_text(const char *text)
{
    return text[0] == '{' || text[0] == '[' || text[0] == '"';
}

static char *put_name(char *to, const char *name)
{
    *to++ = '"';
    for (; *name != 0; name++) {
        if (*name == '"' || *name == '\\') *to++ = '\\';
        *to++ = *name;
    }
    *to++ = '"';
    return to;
}

/* A JSON list of names and objects; one word that is JSON stays as it is. */
static ebb_status join(const text_list *list, char **text, ebb_error *error)
{
    size_t bytes = 3;

    if (list->count == 0) return EBB_OK;
    for (uint32_t i = 0; i < list->count; i++) bytes += 2 * strlen(list->items[i]) + 3;
    *text = malloc(bytes);
    if (*text == NULL) return refuse(error, EBB_E_MEMORY, "", "no memory for the metrics");
    if (list->count == 1 && is_json_text(list->items[0])) {
        memcpy(*text, list->items[0], strlen(list->items[0]) + 1);
        return EBB_OK;
    }
    char *to = *text;
    *to++ = '[';
    for (uint32_t i = 0; i < list->count; i++) {
        const char *item = list->items[i];
        const size_t length = strlen(item);
        if (i > 0) *to++ = ',';
        if (is_json_text(item)) {
            memcpy(to, item, length);
            to += length;
        } else {
            to = put_name(to, item);
        }
    }
    *to++ = ']';
    *to = 0;
    return EBB_OK;
}

ebb_status compile_choice_make(compile_choice *c, const compile_words *words, ebb_error *error)
{
    const ebb_compile_options defaults = EBB_COMPILE_OPTIONS_INIT;
    const bool has_others = words->optimizer != NULL || words->loss_weights != NULL ||
                            words->metrics.count + words->weighted_metrics.count > 0;

    *c = (compile_choice){.options = defaults};
    if (has_others && words->loss == NULL) {
        return refuse(error, EBB_E_ARGUMENT, "--loss",
                      "is missing: settings given here take the place of all of the file's");
    }
    ebb_status status = join(&words->metrics, &c->metrics, error);
    if (status == EBB_OK) status = join(&words->weighted_metrics, &c->weighted_metrics, error);
    c->options.optimizer = words->optimizer;
    c->options.loss = words->loss;
    c->options.loss_weights = words->loss_weights;
    c->options.metrics = c->metrics;
    c->options.weighted_metrics = c->weighted_metrics;
    return status;
}

void compile_choice_free(compile_choice *c)
{
    free(c->metrics);
    free(c->weighted_metrics);
    *c = (compile_choice){0};
}

ebb_status compile_choice_apply(compile_choice *c, const compile_words *words, ebb_model model,
                                uint64_t bytes_max, ebb_error *error)
{
    ebb_memory memory = {0};
    ebb_status status = ebb_model_memory_read(model, &memory);

    if (status != EBB_OK) return refuse(error, status, "", "%s", ebb_status_text(status));
    if (bytes_max > 0 && bytes_max <= memory.live) {
        return refuse(error, EBB_E_MEMORY, "--limit",
                      "the model alone takes %" PRIu64 " bytes, the limit is %" PRIu64, memory.live,
                      bytes_max);
    }
    c->options.bytes_max = bytes_max > 0 ? bytes_max - memory.live : 0;
    status = ebb_model_compile(model, &c->options, error);
    if (status != EBB_OK || words->learning_rate == 0) return status;
    return ebb_model_learning_rate_set(model, words->learning_rate, error);
}

/* -- data ---------------------------------------------------------------------------- */

static ebb_status order_files(const text_list *list, const ports *p, const char *option_name,
                              const char **paths, ebb_error *error)
{
    named_file files[TEXT_LIST_MAX];
    ebb_status status = named_files_make(files, list, p, option_name, error);

    if (status != EBB_OK) return status;
    if (p->count > TEXT_LIST_MAX) {
        return refuse(error, EBB_E_UNSUPPORTED, option_name, "more than %d of them", TEXT_LIST_MAX);
    }
    if (list->count != 1 || files[0].name != NULL)
        return named_files_order(files, list->count, p, option_name, paths, error);
    for (uint32_t i = 0; i < p->count; i++) paths[i] = files[0].path;
    return EBB_OK;
}

ebb_status data_choice_make(data_choice *d, const data_words *words, bool is_validation,
                            const ports *inputs, const ports *outputs, ebb_error *error)
{
    const char *x_option = is_validation ? "--val-x" : "--x";
    const char *y_option = is_validation ? "--val-y" : "--y";

    *d = (data_choice){.data.sample_weight_file = words->sample_weight};
    ebb_status status = order_files(&words->x, inputs, x_option, d->x, error);
    d->data.x_files = d->x;
    if (status != EBB_OK || words->y.count == 0) return status;
    d->data.y_files = d->y;
    return order_files(&words->y, outputs, y_option, d->y, error);
}

/* -- callbacks ----------------------------------------------------------------------- */

ebb_status callback_choice_make(callback_choice *c, const text_list *words, ebb_error *error)
{
    c->count = 0;
    for (uint32_t i = 0; i < words->count; i++) {
        const char *text = words->items[i];
        const size_t length = strcspn(text, "=");
        if (length >= sizeof c->names[i]) {
            return refuse(error, EBB_E_ARGUMENT, "--callback",
                          "expected NAME or NAME={\"key\": value}, got '%.60s'", text);
        }
        memcpy(c->names[i], text, length);
        c->names[i][length] = 0;
        c->items[c->count++] = (ebb_callback){
            .name = c->names[i], .config = text[length] == '=' ? text + length + 1 : NULL};
    }
    return EBB_OK;
}
