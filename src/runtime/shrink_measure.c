/* shrink_measure.c -- what is known of each weight before the smaller model is made: how many
 * elements are stored, with which scales, and how far they are from what they were.
 *
 * Weights are read in pieces, so that what this takes does not grow with the model. */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "runtime/shrink.h"

#define PIECE_ELEMENTS ((uint64_t)1 << 18)

/* -- reading ----------------------------------------------------------------------------------- */

static ebb_status read_old(const shrink_job *j, region *scratch, uint32_t index, uint64_t first,
                           uint64_t count, void *bytes, ebb_error *error)
{
    return weights_get_some(j->m->weights, j->m->built->weights[index]->v, scratch, first, count,
                            bytes, error);
}

/* Pieces are whole rows, and as many as go into groups. */
static void prune(shrink_job *j, const shrink_weight *s, uint64_t first, uint64_t count, float *x)
{
    if (s->of > 0) magnitude_keep(s->keep, s->of, count / s->layout.columns, s->layout.columns, x);
    if (s->pruned == NULL) return;
    if (first == 0) j->ties = s->ties;
    magnitude_apply(s->pruned, &j->ties, x, count);
}

ebb_status shrink_read(void *context, region *scratch, uint32_t index, uint64_t first,
                       uint64_t count, void *bytes, ebb_error *error)
{
    shrink_job *j = context;
    const shrink_weight *s = &j->weights[index];
    const ebb_status status = read_old(j, scratch, index, first, count, bytes, error);

    if (status == EBB_OK && s->is_changed) prune(j, s, first, count, bytes);
    return status;
}

/* A weight that kernels have packed is copied out whole to read a piece of it. */
uint64_t shrink_read_bytes(const model *m)
{
    uint64_t most = 0;

    for (uint32_t i = 0; i < m->weights->slot_count; i++) {
        const weight_slot *slot = &m->weights->slots[i];
        const uint64_t bytes = tensor_desc_bytes(&slot->plain);
        if (slot->form != NULL && bytes > most) most = bytes;
    }
    return most == 0 ? 0 : region_block_bytes((size_t)most + 1) + PAGE_BYTES;
}

/* -- pieces ------------------------------------------------------------------------------------ */

typedef struct pieces {
    shrink_job *j;
    uint32_t index;
    float *old, *now; /* room for a piece each */
    uint64_t rows;    /* of a piece */
} pieces;

static uint64_t piece_rows(const packed_layout *l)
{
    const uint64_t rows = PIECE_ELEMENTS / l->columns;
    const uint64_t whole = rows < PACKED_ROWS ? PACKED_ROWS : rows - rows % PACKED_ROWS;

    return whole < l->rows ? whole : l->rows;
}

typedef ebb_status (*piece_function)(const pieces *p, void *context, uint64_t first_row,
                                     uint64_t rows, ebb_error *error);

/* Every piece of a weight, as it was and as it will be but for rounding. */
static ebb_status all_pieces(pieces *p, uint32_t index, piece_function use, void *context,
                             ebb_error *error)
{
    shrink_job *j = p->j;
    const shrink_weight *s = &j->weights[index];
    const packed_layout *l = &s->layout;
    ebb_status status = EBB_OK;

    p->index = index;
    p->rows = piece_rows(l);
    for (uint64_t at = 0; at < l->rows && status == EBB_OK; at += p->rows) {
        const uint64_t rows = l->rows - at < p->rows ? l->rows - at : p->rows;
        const uint64_t count = rows * l->columns;
        status = read_old(j, j->work, index, at * l->columns, count, p->old, error);
        if (status != EBB_OK) break;
        memcpy(p->now, p->old, (size_t)count * sizeof *p->now);
        prune(j, s, at * l->columns, count, p->now);
        status = use(p, context, at, rows, error);
    }
    return status;
}

/* -- limits ------------------------------------------------------------------------------------ */

static ebb_status count_upper(const pieces *p, void *context, uint64_t first, uint64_t rows,
                              ebb_error *error)
{
    (void)first;
    (void)error;
    magnitude_count_upper(context, p->old, rows * p->j->weights[p->index].layout.columns);
    return EBB_OK;
}

static ebb_status count_lower(const pieces *p, void *context, uint64_t first, uint64_t rows,
                              ebb_error *error)
{
    (void)first;
    (void)error;
    magnitude_count_lower(context, p->old, rows * p->j->weights[p->index].layout.columns);
    return EBB_OK;
}

static uint64_t wanted_of(double sparsity, uint64_t elements)
{
    return (uint64_t)(sparsity * (double)elements + 0.5);
}

/* The limit of weights [first, end) together. */
static ebb_status find_limit(pieces *p, uint32_t first, uint32_t end, magnitude *m,
                             ebb_error *error)
{
    shrink_job *j = p->j;
    ebb_status status = EBB_OK;

    for (int pass = 0; pass < 2 && status == EBB_OK; pass++) {
        for (uint32_t i = first; i < end && status == EBB_OK; i++) {
            if (!j->weights[i].is_changed) continue;
            status = all_pieces(p, i, pass == 0 ? count_upper : count_lower, m, error);
        }
        if (pass == 0)
            magnitude_find_upper(m);
        else
            magnitude_find(m);
    }
    return status;
}

static ebb_status count_ties(const pieces *p, void *context, uint64_t first, uint64_t rows,
                             ebb_error *error)
{
    magnitude *m = context;

    (void)first;
    (void)error;
    magnitude_apply(m, &m->ties, p->now, rows * p->j->weights[p->index].layout.columns);
    return EBB_OK;
}

/* One limit for all; each weight begins with the ties that those before it have left. */
static ebb_status limit_global(pieces *p, ebb_error *error)
{
    shrink_job *j = p->j;
    magnitude *m = region_new(j->work, magnitude, 1);
    uint64_t elements = 0;
    const uint32_t count = j->m->built->weight_count;

    for (uint32_t i = 0; i < count; i++)
        elements += j->weights[i].is_changed ? j->weights[i].elements : 0;
    if (m == NULL || !magnitude_open(j->work, wanted_of(j->sparsity, elements), m))
        return region_fail(j->work, error, j->m->info.name, "sizes of weights");
    ebb_status status = find_limit(p, 0, count, m, error);
    for (uint32_t i = 0; i < count && status == EBB_OK; i++) {
        if (!j->weights[i].is_changed) continue;
        j->weights[i].ties = m->ties;
        status = all_pieces(p, i, count_ties, m, error);
    }
    for (uint32_t i = 0; i < count; i++)
        if (j->weights[i].is_changed) j->weights[i].pruned = m;
    return status;
}

static ebb_status limit_each(pieces *p, ebb_error *error)
{
    shrink_job *j = p->j;
    ebb_status status = EBB_OK;
    uint64_t *bins = NULL;

    for (uint32_t i = 0; i < j->m->built->weight_count && status == EBB_OK; i++) {
        if (!j->weights[i].is_changed) continue;
        magnitude *m = region_new(j->work, magnitude, 1);
        if (m == NULL) return region_fail(j->work, error, j->m->info.name, "sizes of weights");
        *m = (magnitude){.bins = bins, .wanted = wanted_of(j->sparsity, j->weights[i].elements)};
        if (bins == NULL && !magnitude_open(j->work, m->wanted, m))
            return region_fail(j->work, error, j->m->info.name, "sizes of weights");
        bins = m->bins;
        memset(bins, 0, MAGNITUDE_BINS * sizeof *bins);
        status = find_limit(p, i, i + 1, m, error);
        j->weights[i].ties = m->ties;
        j->weights[i].pruned = m;
    }
    return status;
}

/* -- scales, counts, errors -------------------------------------------------------------------- */

static ebb_status measure_scales(const pieces *p, void *context, uint64_t first, uint64_t rows,
                                 ebb_error *error)
{
    shrink_weight *s = context;

    (void)error;
    packed_measure(&s->layout, s->scales, first, rows, p->now);
    return EBB_OK;
}

static ebb_status find_scales(pieces *p, uint32_t index, ebb_error *error)
{
    shrink_job *j = p->j;
    shrink_weight *s = &j->weights[index];
    const packed_layout *old = shrink_layout(j->m, index);
    const size_t count = (size_t)packed_scale_count(&s->layout);

    s->scales = region_new(j->work, float, count + 1);
    if (s->scales == NULL) return region_fail(j->work, error, j->m->info.name, "scales");
    s->has_scales = true;
    if (old != NULL && old->kind == EBB_I8) {
        memcpy(s->scales, weights_pointer(j->m->weights, j->m->built->weights[index]->v),
               count * sizeof *s->scales);
        return EBB_OK;
    }
    const ebb_status status = all_pieces(p, index, measure_scales, s, error);
    packed_measured(&s->layout, s->scales);
    return status;
}

static ebb_status not_finite(const pieces *p, float old, ebb_error *error)
{
    const layer_weight *w = p->j->m->built->weights[p->index];

    return fail(error, EBB_E_UNSUPPORTED, w->title,
                "weight '%s' holds %g, which %s cannot keep; skip it or use bfloat16", w->name,
                (double)old, ebb_dtype_name(p->j->weights[p->index].layout.kind));
}

static ebb_status measure(const pieces *p, void *context, uint64_t first, uint64_t rows,
                          ebb_error *error)
{
    shrink_weight *s = context;
    const uint64_t count = rows * s->layout.columns;

    s->layout.stored += packed_nonzeros(&s->layout, s->scales, first, rows, p->now);
    packed_round(&s->layout, s->scales, first, rows, p->now);
    for (uint64_t i = 0; i < count; i++) {
        const bool is_lost = s->layout.kind == EBB_I8 ? !isfinite(p->old[i])
                                                      : isfinite(p->old[i]) && !isfinite(p->now[i]);
        if (is_lost) return not_finite(p, p->old[i], error);
        const double difference = fabs((double)p->now[i] - (double)p->old[i]);
        if (difference > s->error) s->error = difference;
        s->zeros += p->now[i] == 0;
    }
    return EBB_OK;
}

/* The form that takes the fewest bytes, and whether there is one that takes fewer than float32. */
static void settle_form(shrink_weight *s)
{
    const uint64_t plain = s->elements * sizeof(float), stored = s->layout.stored;
    packed_layout dense = s->layout;

    dense.is_sparse = false;
    const bool can_dense = s->layout.kind != EBB_F32 && packed_layout_make(&dense);
    const bool can_sparse = s->layout.is_sparse && packed_layout_make(&s->layout);
    if (!can_sparse || (can_dense && dense.bytes <= s->layout.bytes)) s->layout = dense;
    const bool is_smaller = (can_sparse || can_dense) && s->layout.bytes < plain;
    s->is_packed = is_smaller;
    s->bytes_after = is_smaller ? s->layout.bytes : plain;
    if (!is_smaller) s->layout.stored = stored;
}

static ebb_status measure_weight(pieces *p, uint32_t index, ebb_error *error)
{
    shrink_weight *s = &p->j->weights[index];
    ebb_status status = EBB_OK;

    if (p->j->is_expanding) {
        s->bytes_after = s->elements * sizeof(float);
        return EBB_OK;
    }
    if (s->layout.kind == EBB_I8) status = find_scales(p, index, error);
    s->layout.stored = 0;
    if (status == EBB_OK) status = all_pieces(p, index, measure, s, error);
    if (status == EBB_OK) settle_form(s);
    /* what would not get smaller is left alone, unless zeros were asked for */
    if (status == EBB_OK && !s->is_packed && !p->j->is_pruning) {
        const packed_layout *old = shrink_layout(p->j->m, index);
        s->is_changed = false;
        s->reason = "no gain";
        s->is_packed = old != NULL;
        if (old != NULL) s->layout = *old;
    }
    return status;
}

static ebb_status tell(shrink_job *j, uint32_t index, ebb_error *error)
{
    const layer_weight *w = j->m->built->weights[index];
    const shrink_weight *s = &j->weights[index];
    const char *name = region_format(j->work, "%s/%s", w->title, w->name);
    const ebb_shrink_step step = {
        .index = index,
        .weight = name,
        .layer = s->layer,
        .class_name = s->class_name,
        .is_changed = s->is_changed,
        .reason = s->reason,
        .bytes_before = s->bytes_before,
        .bytes_after = s->is_changed ? s->bytes_after : s->bytes_before,
        .error = s->is_changed ? s->error : 0,
        .sparsity = s->is_changed && s->elements > 0 ? (double)s->zeros / (double)s->elements : 0};

    if (name == NULL) return region_fail(j->work, error, w->title, "its name");
    if (j->report == NULL || j->report(j->context, &step)) return EBB_OK;
    return fail(error, EBB_E_CANCELLED, j->m->info.name, "cancelled; nothing was changed");
}

static void add(shrink_job *j, uint32_t index)
{
    const layer_weight *w = j->m->built->weights[index];
    const shrink_weight *s = &j->weights[index];
    ebb_shrink_report *sum = &j->sum;

    sum->changed += s->is_changed;
    sum->kept += !s->is_changed;
    if (!s->is_changed) return;
    sum->elements += s->elements;
    sum->zeros += s->zeros;
    if (s->error <= sum->error) return;
    sum->error = s->error;
    const size_t length = strlen(w->title), room = sizeof sum->error_weight - 2;
    const size_t kept = length < room ? length : room;
    memcpy(sum->error_weight, w->title, kept);
    sum->error_weight[kept] = '/';
    const size_t rest = sizeof sum->error_weight - kept - 2, own = strlen(w->name);
    memcpy(sum->error_weight + kept + 1, w->name, own < rest ? own : rest);
    sum->error_weight[kept + 1 + (own < rest ? own : rest)] = '\0';
}

static uint64_t largest_piece(const shrink_job *j)
{
    uint64_t most = 1;

    for (uint32_t i = 0; i < j->m->built->weight_count; i++) {
        const packed_layout *l = &j->weights[i].layout;
        if (j->weights[i].is_changed && piece_rows(l) * l->columns > most)
            most = piece_rows(l) * l->columns;
    }
    return most;
}

ebb_status shrink_measure(shrink_job *j, ebb_error *error)
{
    const size_t room = (size_t)largest_piece(j) * sizeof(float);
    pieces p = {.j = j};
    ebb_status status = EBB_OK;

    p.old = region_block(j->work, room);
    p.now = region_block(j->work, room);
    if (p.old == NULL || p.now == NULL)
        return region_fail(j->work, error, j->m->info.name, "a piece of a weight");
    j->sum = (ebb_shrink_report){0};
    if (j->is_pruning && j->of == 0)
        status = j->is_global ? limit_global(&p, error) : limit_each(&p, error);
    for (uint32_t i = 0; i < j->m->built->weight_count && status == EBB_OK; i++) {
        if (j->weights[i].is_changed) status = measure_weight(&p, i, error);
        if (status == EBB_OK) add(j, i);
        if (status == EBB_OK) status = tell(j, i, error);
    }
    if (j->sum.elements > 0) j->sum.sparsity = (double)j->sum.zeros / (double)j->sum.elements;
    return status;
}
