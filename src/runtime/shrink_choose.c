/* shrink_choose.c -- which weights of a model are shrunk, and into what. */
#include <string.h>

#include "base/status.h"
#include "compress/matrix_view.h"
#include "runtime/shrink.h"

#define ELEMENTS_MIN 1024u

/* -- names ------------------------------------------------------------------------------------- */

typedef struct walk {
    shrink_job *j;
    bool *is_only, *is_skipped; /* by weight */
    bool *is_used;              /* by item: only, then skip */
} walk;

static bool fits_instance(const char *item, const layer_instance *i)
{
    return strcmp(item, i->class_name) == 0 || strcmp(item, i->name) == 0 ||
           strcmp(item, i->title) == 0;
}

/* "title", or "title/name" */
static bool fits_weight(const char *item, const layer_weight *w)
{
    const size_t length = strlen(w->title);

    if (strcmp(item, w->title) == 0) return true;
    return strncmp(item, w->title, length) == 0 && item[length] == '/' &&
           strcmp(item + length + 1, w->name) == 0;
}

/* Marks the weights of an instance, and of all inside it, that a list names. `is_all`: the list
 * names something around it. Recursion: LAYER_DEPTH_MAX levels, as the instances were made. */
static void mark_item(const walk *v, const layer_instance *i, const char *item, bool is_all,
                      bool *marks, bool *is_used)
{
    is_all = is_all || fits_instance(item, i);
    for (uint32_t k = 0; k < i->weight_count; k++) {
        const layer_weight *w = &i->weights[k];
        if (!w->is_listed || (!is_all && !fits_weight(item, w))) continue;
        marks[w->index] = true;
        *is_used = true;
    }
    for (uint32_t k = 0; k < i->child_count; k++)
        mark_item(v, i->children[k], item, is_all, marks, is_used);
    for (uint32_t k = 0; i->model != NULL && k < i->model->layer_count; k++)
        mark_item(v, i->model->layers[k], item, is_all, marks, is_used);
}

static ebb_status mark_list(const walk *v, const name_list *list, bool *marks, ebb_error *error)
{
    const nested_model *top = v->j->m->built->top;

    for (size_t n = 0; n < list->count; n++) {
        bool is_used = false;
        const char *item = list->items[n];
        for (uint32_t k = 0; item != NULL && k < top->layer_count; k++)
            mark_item(v, top->layers[k], item, false, marks, &is_used);
        if (is_used) continue;
        return fail(error, EBB_E_NOT_FOUND, v->j->m->info.name,
                    "'%.100s' names no layer, class or weight with weights in this model",
                    item != NULL ? item : "(null)");
    }
    return EBB_OK;
}

/* Recursion as above. */
static void name_weights(shrink_job *j, const layer_instance *i)
{
    for (uint32_t k = 0; k < i->weight_count; k++) {
        if (!i->weights[k].is_listed) continue;
        j->weights[i->weights[k].index].class_name = i->class_name;
        j->weights[i->weights[k].index].layer = i->weights[k].title;
    }
    for (uint32_t k = 0; k < i->child_count; k++) name_weights(j, i->children[k]);
    for (uint32_t k = 0; i->model != NULL && k < i->model->layer_count; k++)
        name_weights(j, i->model->layers[k]);
}

/* -- reasons ----------------------------------------------------------------------------------- */

static uint64_t count_of(const layer_weight *w)
{
    uint64_t count = 1;

    for (uint32_t i = 0; i < w->rank; i++) count *= (uint64_t)w->dims[i]; /* fits: it is loaded */
    return count;
}

/* Biases and the weights of normalisation: what is added or scales, not what multiplies. */
static bool is_additive(const layer_weight *w)
{
    static const char *const names[] = {"gamma", "beta",     "moving_mean", "moving_variance",
                                        "mean",  "variance", "scale",       "alpha"};

    if (w->rank < 2 || w->is_state || strstr(w->name, "bias") != NULL) return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(w->name, names[i]) == 0) return true;
    return false;
}

static const char *reason_of(const shrink_job *j, const layer_weight *w, const walk *v)
{
    const packed_layout *old = shrink_layout(j->m, w->index);
    const uint64_t least = j->elements_min == 0 ? ELEMENTS_MIN : j->elements_min;

    if (j->is_expanding) return old != NULL ? "" : "plain";
    if (j->only.count > 0 && !v->is_only[w->index]) return "not chosen";
    if (v->is_skipped[w->index]) return "skipped";
    if (w->dtype != EBB_F32) return ebb_dtype_name(w->dtype);
    if (is_additive(w)) return w->is_state ? "state" : "bias";
    if (count_of(w) < least) return "small";
    if (!j->is_pruning && old != NULL && ebb_dtype_bytes(old->kind) <= ebb_dtype_bytes(j->kind))
        return "small already";
    return "";
}

/* The form it gets; whether that is sparse is seen when it is measured. */
static void choose_form(const shrink_job *j, const layer_weight *w, shrink_weight *s)
{
    const packed_layout *old = shrink_layout(j->m, w->index);

    s->elements = count_of(w);
    s->bytes_before = weights_slot_find(j->m->weights, w->v)->bytes;
    if (old != NULL)
        s->layout = *old;
    else
        matrix_view_find(j->m->built->graph, w->v, &s->layout);
    if (!j->is_pruning) s->layout.kind = j->kind;
    if (old == NULL && j->is_pruning) s->layout.kind = EBB_F32;
    s->layout.is_sparse = j->is_pruning || (old != NULL && old->is_sparse);
    s->is_packed = !j->is_expanding && s->is_changed;
    if (j->is_pruning && s->is_changed) {
        s->keep = j->keep;
        s->of = j->of;
    }
}

ebb_status shrink_choose(shrink_job *j, ebb_error *error)
{
    const built_model *built = j->m->built;
    const size_t count = (size_t)built->weight_count + 1;
    walk v = {.j = j};

    j->weights = region_new(j->work, shrink_weight, count);
    v.is_only = region_new(j->work, bool, count);
    v.is_skipped = region_new(j->work, bool, count);
    if (j->weights == NULL || v.is_only == NULL || v.is_skipped == NULL)
        return region_fail(j->work, error, j->m->info.name, "the list of weights");
    ebb_status status = mark_list(&v, &j->only, v.is_only, error);
    if (status == EBB_OK) status = mark_list(&v, &j->skip, v.is_skipped, error);
    if (status != EBB_OK) return status;
    for (uint32_t k = 0; k < built->top->layer_count; k++) name_weights(j, built->top->layers[k]);
    for (uint32_t i = 0; i < built->weight_count; i++) {
        shrink_weight *s = &j->weights[i];
        s->reason = reason_of(j, built->weights[i], &v);
        s->is_changed = s->reason[0] == '\0';
        choose_form(j, built->weights[i], s);
        if (s->is_changed || j->is_expanding || shrink_layout(j->m, i) == NULL) continue;
        s->is_packed = true; /* as it was */
        s->layout = *shrink_layout(j->m, i);
    }
    return EBB_OK;
}
