/* optimizer_writer.c -- where the variables of an optimizer stand in files; see training_writer.h.
 *
 * Source: keras/src/saving/saving_lib.py, keras/src/optimizers/loss_scale_optimizer.py and
 * multi_optimizer.py; tf_keras/src/optimizers/legacy/. */
#include <string.h>

#include "format/keras/naming.h"
#include "format/keras/optimizer_order.h"
#include "format/keras/training_writer.h"

#define CLASS_BYTES_MAX 64

static bool name_ends(const saved_tensor *t, const char *end)
{
    const size_t length = strlen(t->name), own = strlen(end);

    return length >= own && strcmp(t->name + length - own, end) == 0;
}

/* -- .h5 --------------------------------------------------------------------------------------- */

/* iteration, then each list; "iter" is what tf.keras calls it, and tells readers of the order. */
static bool lists_make(region *home, const model_content *c, uint32_t lists, bool is_joined,
                       saved_tensor *result, uint32_t *count)
{
    const uint32_t first = c->extra_count > 1 && name_ends(&c->extra[1], "/learning_rate") ? 2 : 1;
    const uint32_t all = c->extra_count - first, each = all / lists;
    const size_t prefix = strlen(c->extra[0].name) - strlen("iteration");

    result[0] = c->extra[0];
    result[0].name = region_format(home, "%.*siter", (int)prefix, c->extra[0].name);
    *count = 1;
    for (uint32_t k = 0; is_joined && k < 2; k++) {
        for (uint32_t i = 0; i < each; i++) result[(*count)++] = c->extra[first + 2 * i + k];
    }
    for (uint32_t i = is_joined ? 2 * each : 0; i < all; i++)
        result[(*count)++] = c->extra[first + i];
    return result[0].name != NULL;
}

ebb_status optimizer_tensors_list(region *home, const model_content *content, const json *settings,
                                  const saved_tensor **tensors, uint32_t *count, ebb_error *error)
{
    const uint32_t extra = content->extra_count;
    bool is_joined = false;
    const uint32_t lists = optimizer_lists(settings, &is_joined);

    *tensors = content->extra;
    *count = extra;
    if (lists == 0 || extra == 0 || !name_ends(&content->extra[0], "iteration")) return EBB_OK;
    const uint32_t scalars = extra > 1 && name_ends(&content->extra[1], "/learning_rate") ? 2 : 1;
    if ((extra - scalars) % lists != 0) return EBB_OK;
    saved_tensor *made = region_new(home, saved_tensor, extra);
    if (made == NULL || !lists_make(home, content, lists, is_joined, made, count))
        return region_fail(home, error, "optimizer", "the names of its variables");
    *tensors = made;
    return EBB_OK;
}

/* -- .keras ------------------------------------------------------------------------------------ */

/* Class of inner optimizer `number` of a MultiOptimizer: those of the map, then the default. */
static const char *inner_class(const json *config, uint32_t number)
{
    const json *outer = json_path(config, "optimizer_map.config");
    const json *map = json_get(outer, "optimizer_map"), *inner = NULL;

    if (map != NULL && map->kind == JSON_OBJECT && number < map->count) {
        inner = &map->as.members[number].value;
    } else {
        inner = json_get(outer, "default_optimizer");
    }
    return json_text(json_get(inner, "class_name"), NULL);
}

/* "optimizer/optimizers/adam_1": the second Adam inside. */
const char *optimizer_inner_path(region *home, const json *settings, uint32_t number)
{
    const json *config;
    const char *outer = optimizer_class_of(settings, &config);
    const char *class_name = inner_class(config, number);
    char snake[CLASS_BYTES_MAX];
    uint32_t earlier = 0;

    if (outer != NULL && strcmp(outer, "LossScaleOptimizer") == 0)
        return region_text(home, "optimizer/inner_optimizer");
    if (class_name == NULL) return region_format(home, "optimizer/optimizers/%u", number);
    keras_snake_case(class_name, snake, sizeof snake);
    for (uint32_t i = 0; i < number; i++) {
        const char *other = inner_class(config, i);
        earlier += other != NULL && strcmp(other, class_name) == 0;
    }
    if (earlier == 0) return region_format(home, "optimizer/optimizers/%s", snake);
    return region_format(home, "optimizer/optimizers/%s_%u", snake, earlier);
}

ebb_status optimizer_inner_places(region *home, const model_content *content,
                                  const inner_place **places, ebb_error *error)
{
    const json *config;
    const char *class_name = optimizer_class_of(settings_of(content), &config), *path = NULL;
    const bool is_scale = class_name != NULL && strcmp(class_name, "LossScaleOptimizer") == 0;
    const bool is_multi = class_name != NULL && strcmp(class_name, "MultiOptimizer") == 0;
    uint32_t inner = 0, variable = 0;

    *places = NULL;
    if (!is_scale && !is_multi) return EBB_OK;
    inner_place *made = region_new(home, inner_place, (size_t)content->extra_count + 1);
    if (made == NULL) return region_fail(home, error, "optimizer", "its variables");
    for (uint32_t i = 1; i < content->extra_count; i++) {
        if (name_ends(&content->extra[i], "/iteration")) {
            path = optimizer_inner_path(home, settings_of(content), inner++);
            if (path == NULL) return region_fail(home, error, "optimizer", "its variables");
            variable = 0;
        }
        made[i] = (inner_place){.path = path, .variable = variable++};
    }
    *places = made;
    return EBB_OK;
}
