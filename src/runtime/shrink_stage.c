/* shrink_stage.c -- models with packed weights: how they are staged, filled and saved. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/keras/packed_tensors.h"
#include "runtime/shrink.h"
#include "tensor/dtype.h"

/* -- staging ----------------------------------------------------------------------------------- */

static bool layout_fits(const layer_weight *w, const packed_layout *l)
{
    uint64_t count = 1;

    for (uint32_t i = 0; i < w->rank; i++) {
        if (__builtin_mul_overflow(count, (uint64_t)w->dims[i], &count)) return false;
    }
    return w->dtype == EBB_F32 && count == l->rows * l->columns;
}

/* Scales as the file has them. */
static ebb_status file_scales(void *context, region *scratch, uint32_t index, float *scales,
                              bool *is_known, ebb_error *error)
{
    const model *m = context;
    const packed_tensor *t = m->packed[index];

    (void)scratch;
    *is_known = t->scales != NULL;
    if (!*is_known) return EBB_OK;
    return t->scales->read(t->scales, 0, packed_scale_count(&t->layout), scales, error);
}

static ebb_status find_weights(model *m, ebb_error *error)
{
    const built_model *built = m->built;
    uint32_t at = 0; /* records and weights are in the same order */

    m->packed = region_new(m->home, const packed_tensor *, (size_t)built->weight_count + 1);
    if (m->packed == NULL) return region_fail(m->home, error, m->d->path, "shrunk weights");
    for (uint32_t i = 0; i < m->d->packed_count; i++) {
        const packed_tensor *t = &m->d->packed[i];
        uint32_t tries = 0;
        if (t->is_copy) continue;
        while (tries < built->weight_count && (built->weights[at]->variable != t->variable ||
                                               strcmp(built->weights[at]->path, t->path) != 0)) {
            at = (at + 1) % built->weight_count;
            tries++;
        }
        if (tries == built->weight_count || !layout_fits(built->weights[at], &t->layout)) {
            return fail(error, EBB_E_FORMAT, t->path,
                        "metadata.json speaks of a shrunk variable %u that the model does not have "
                        "in this shape",
                        t->variable);
        }
        m->packings[at] = &t->layout;
        m->packed[at] = t;
    }
    m->packed_from = (packed_reader){.scales = file_scales, .context = m};
    return EBB_OK;
}

static ebb_status copy_layouts(model *m, const recipe *p, ebb_error *error)
{
    for (uint32_t i = 0; i < m->built->weight_count; i++) {
        if (p->packings[i] == NULL) continue;
        packed_layout *l = region_new(m->home, packed_layout, 1);
        if (l == NULL) return region_fail(m->home, error, m->d->path, "shrunk weights");
        *l = *p->packings[i];
        m->packings[i] = l;
    }
    return EBB_OK;
}

ebb_status shrink_stage(model *m, const recipe *p, ebb_error *error)
{
    const uint32_t count = m->built->weight_count;
    graph *g = m->built->graph;

    if (p != NULL ? p->packings == NULL : m->d->packed_count == 0) return EBB_OK;
    m->packings = region_new(m->home, const packed_layout *, (size_t)count + 1);
    if (m->packings == NULL) return region_fail(m->home, error, m->d->path, "shrunk weights");
    const ebb_status status = p != NULL ? copy_layouts(m, p, error) : find_weights(m, error);
    if (status != EBB_OK) return status;
    for (uint32_t i = 0; i < count; i++) {
        if (m->packings[i] != NULL) graph_weight_pack(g, m->built->weights[i]->v, m->packings[i]);
    }
    if (!graph_ok(g) && error != NULL) *error = g->error;
    return g->error.status;
}

/* -- what cannot be ---------------------------------------------------------------------------- */

static const char *kind_text(const packed_layout *l)
{
    return l->kind == EBB_F32 ? "without its zeros" : ebb_dtype_name(l->kind);
}

ebb_status shrink_check_set(const model *m, uint32_t index, ebb_error *error)
{
    const packed_layout *l = shrink_layout(m, index);

    if (l == NULL) return EBB_OK;
    return fail(error, EBB_E_UNSUPPORTED, m->built->weights[index]->title,
                "weight '%s' is kept as %s and cannot be set; make the model plain with "
                "ebb_model_expand() first",
                m->built->weights[index]->name, kind_text(l));
}

ebb_status shrink_check_trained(const model *m, ebb_error *error)
{
    for (uint32_t i = 0; m->packings != NULL && i < m->built->weight_count; i++) {
        if (m->packings[i] == NULL) continue;
        return fail(error, EBB_E_UNSUPPORTED, m->built->weights[i]->title,
                    "weight '%s' is kept as %s and cannot be trained; make the model plain with "
                    "ebb_model_expand(), or its file with `ebb convert`, first",
                    m->built->weights[i]->name, kind_text(m->packings[i]));
    }
    return EBB_OK;
}

void shrink_describe(const model *m, uint32_t index, ebb_tensor_info *info)
{
    const packed_layout *l = shrink_layout(m, index);
    const weight_slot *slot = weights_slot_find(m->weights, m->built->weights[index]->v);

    info->stored = l != NULL ? l->kind : info->dtype;
    info->sparse = l != NULL && l->is_sparse;
    info->stored_bytes = slot != NULL ? slot->bytes : 0;
}

/* -- summaries --------------------------------------------------------------------------------- */

const char *shrink_summary(const packed_layout *const *layouts, uint32_t count, char text[160])
{
    static const ebb_dtype kinds[] = {EBB_I8, EBB_F16, EBB_BF16, EBB_F32};
    uint64_t plain = 0, packed = 0;
    uint32_t found = 0;
    char names[96] = "";

    for (uint32_t i = 0; layouts != NULL && i < count; i++) {
        if (layouts[i] == NULL) continue;
        found++;
        plain += layouts[i]->rows * layouts[i]->columns * sizeof(float);
        packed += layouts[i]->bytes;
    }
    for (size_t k = 0; k < 2 * sizeof kinds / sizeof kinds[0]; k++) {
        bool is_used = false;
        for (uint32_t i = 0; found > 0 && i < count; i++)
            is_used |= layouts[i] != NULL && layouts[i]->kind == kinds[k / 2] &&
                       layouts[i]->is_sparse == (k % 2 == 1);
        const size_t used = strlen(names);
        if (is_used)
            (void)snprintf(names + used, sizeof names - used, "%s%s%s", used > 0 ? ", " : "",
                           k % 2 == 1 ? "pruned " : "", ebb_dtype_name(kinds[k / 2]));
    }
    text[0] = '\0';
    if (found > 0)
        (void)snprintf(text, 160, " Kept small: %" PRIu32 " weight%s, %.2f MB as %.2f MB (%s)",
                       found, found == 1 ? "" : "s", (double)plain / 0x1p20,
                       (double)packed / 0x1p20, names);
    return text;
}

/* -- saving ------------------------------------------------------------------------------------ */

typedef struct shrunk_content {
    model *m;
    ebb_status (*read)(void *context, const saved_tensor *tensor, void *bytes, ebb_error *error);
    void *context;
} shrunk_content;

void shrink_stored_read(const model *m, uint32_t index, bool is_scales, void *bytes)
{
    const packed_layout *l = m->packings[index];
    const void *block = weights_pointer(m->weights, m->built->weights[index]->v);
    float row[1024];

    if (l->kind == EBB_I8 && !is_scales) {
        packed_unpack_numbers(l, block, 0, l->rows, bytes);
    } else if (l->kind == EBB_I8) {
        memcpy(bytes, block, packed_scale_count(l) * sizeof(float));
    } else if (l->kind == EBB_F32) {
        packed_unpack(l, block, 0, l->rows, bytes);
    } else {
        uint16_t *to = bytes;
        for (uint64_t r = 0; r < l->rows; r++) {
            for (uint64_t p = 0; p < packed_panels(l); p++) {
                const uint64_t width = packed_width(l, p);
                packed_unpack_panel(l, block, p, r, 1, row, PACKED_PANEL);
                dtype_convert(l->kind, to + r * l->columns + p * PACKED_PANEL, EBB_F32, row,
                              (size_t)width);
            }
        }
    }
}

static ebb_status content_read(void *context, const saved_tensor *t, void *bytes, ebb_error *error)
{
    const shrunk_content *c = context;

    if (t->source >= c->m->built->weight_count || shrink_layout(c->m, t->source) == NULL)
        return c->read(c->context, t, bytes, error);
    shrink_stored_read(c->m, t->source, t->dtype != EBB_I8, bytes); /* nobody can set it */
    return EBB_OK;
}

/* The numbers and the scales of an I8 weight. */
static bool apart_add(region *work, uint32_t record, const saved_tensor *from,
                      const packed_layout *l, saved_tensor *to)
{
    const char *path = region_format(work, PACKED_GROUP_NAME "/%u", record);

    to[0] = *from;
    to[0].path = path;
    to[0].variable = 0;
    to[0].dtype = EBB_I8;
    to[0].deflates = l->is_sparse;
    to[1] = (saved_tensor){.path = path,
                           .variable = 1,
                           .name = from->name,
                           .dtype = EBB_F32,
                           .rank = 1,
                           .dims = {(int64_t)packed_scale_count(l)},
                           .source = from->source};
    return path != NULL;
}

/* Is it the weight itself, and not where a wrapper has it too? */
static bool is_own(const model *m, const saved_tensor *t)
{
    const layer_weight *w = m->built->weights[t->source];
    return t->variable == w->variable && strcmp(t->path, w->path) == 0;
}

static bool tensors_make(region *work, const model *m, model_content *content)
{
    const size_t most = 2 * (size_t)content->tensor_count + 1;
    saved_tensor *tensors = region_new(work, saved_tensor, most);
    packed_tensor *packed = region_new(work, packed_tensor, most);
    uint32_t count = 0, records = 0;
    bool is_good = tensors != NULL && packed != NULL;

    for (uint32_t i = 0; is_good && i < content->tensor_count; i++) {
        const saved_tensor *t = &content->tensors[i];
        const packed_layout *l =
            t->source < m->built->weight_count ? shrink_layout(m, t->source) : NULL;
        const bool is_first = l != NULL && is_own(m, t);
        if (l == NULL || l->kind != EBB_I8) {
            tensors[count] = *t;
            if (l != NULL) tensors[count].dtype = l->kind;
            tensors[count].deflates = l != NULL && l->is_sparse;
            count++;
        } else {
            is_good = apart_add(work, records, t, l, &tensors[count]);
            count += 2;
        }
        if (is_first || (l != NULL && l->kind == EBB_I8))
            packed[records++] = (packed_tensor){
                .path = t->path, .variable = t->variable, .layout = *l, .is_copy = !is_first};
    }
    content->tensors = tensors;
    content->tensor_count = count;
    content->packed = packed;
    content->packed_count = records;
    return is_good;
}

ebb_status shrink_content(region *work, model *m, model_content *content, ebb_error *error)
{
    shrunk_content *c = region_new(work, shrunk_content, 1);

    if (c == NULL || !tensors_make(work, m, content))
        return region_fail(work, error, m->info.name, "the list of shrunk weights");
    *c = (shrunk_content){m, content->read, content->context};
    content->read = content_read;
    content->context = c;
    return EBB_OK;
}
