/* wrapped.c -- finds layers given as JSON inside the configs of wrappers: {"layer": {"class_name",
 * "config"}}.
 *
 * They are built when their wrapper is called. A check of a file wants to know about all of them,
 * also when a problem further up means that the wrapper is never called. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/keras/upgrade.h"
#include "layer/assembly.h"

static const char child_keys[] = "layer|forward_layer|backward_layer|cell|cells|layers";

static bool child_check(assembly *a, const json *object, const char *title, uint32_t depth);

/* Recursion: bounded by LAYER_DEPTH_MAX. */
static bool config_check(assembly *a, const json *config, const char *title, uint32_t depth)
{
    bool good = true;
    if (config == NULL || config->kind != JSON_OBJECT || depth > LAYER_DEPTH_MAX) return true;
    for (uint32_t i = 0; i < config->count; i++) {
        const json_member *m = &config->as.members[i];
        if (!name_among(child_keys, m->key)) continue;
        char inner[160];
        snprintf(inner, sizeof inner, "%.100s/%.50s", title, m->key);
        if (m->value.kind == JSON_OBJECT) good &= child_check(a, &m->value, inner, depth + 1);
        if (m->value.kind != JSON_ARRAY) continue;
        for (uint32_t k = 0; k < m->value.count; k++) {
            good &= child_check(a, &m->value.as.items[k], inner, depth + 1);
        }
    }
    return good;
}

static bool child_check(assembly *a, const json *object, const char *title, uint32_t depth)
{
    const char *class_name = json_text(json_get(object, "class_name"), NULL);
    if (class_name == NULL) return true;
    const char *module = json_text(json_get(object, "module"), "");
    const json *config = json_get(object, "config");
    bool failed = false, good = true;
    const layer_config probe = {.class_name = class_name,
                                .module = module,
                                .registered_name = custom_class(a->home, object, &failed),
                                .is_operation = strstr(module, ".ops.") != NULL};
    const bool is_model = probe.registered_name == NULL && class_is_model(class_name);
    const layer_def *def = NULL;
    if (failed) return assembly_no_memory(a, title);
    if (!is_model && layer_resolve(&probe, title, &def, &a->graph->error) != EBB_OK) {
        good = false;
        if (!assembly_goes_on(a)) return false;
    }
    return config_check(a, config, title, depth) && good;
}

bool wrapped_check(assembly *a, const json *config, const char *title)
{
    return config_check(a, config, title, 0);
}
