/* model_compare.c -- two models on the same inputs: how their outputs differ. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "runtime/options.h"
#include "runtime/shrink.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

#define ROWS_DEFAULT  8u
#define LENGTH_OTHER  16 /* of axes without a length, beside the batch */
#define NUMBERS_OTHER 10 /* integers that look into no table are below this */
#define PIECE         ((size_t)256)

typedef struct comparison {
    model *a, *b;
    region *work;
    ebb_compare_options options;
    ebb_views inputs;
    ebb_view outputs[2][PORTS_MAX];
} comparison;

/* -- random inputs ----------------------------------------------------------------------------- */

/* SplitMix64. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state += 0x9E3779B97F4A7C15u;

    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

/* Box and Muller. */
static float random_normal(uint64_t *state)
{
    const double u = ((double)(random_next(state) >> 11) + 1) * 0x1p-53;
    const double v = (double)(random_next(state) >> 11) * 0x1p-53;

    return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

static bool hands_on(op_id op)
{
    return op == OP_cast || op == OP_reshape || op == OP_transpose || op == OP_slice ||
           op == OP_unary || op == OP_concat || op == OP_stop;
}

/* The length of the shortest table that an input's numbers may look into; 0: none. */
static int64_t table_length(const graph *g, value input, bool *is_reached)
{
    int64_t shortest = 0;

    memset(is_reached, 0, g->value_count * sizeof *is_reached);
    is_reached[input] = true;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        bool is_read = false;
        for (uint32_t k = 0; k < n->input_count && !n->is_dead; k++)
            is_read |= n->inputs[k] != VALUE_NONE && is_reached[n->inputs[k]];
        if (!is_read) continue;
        if (hands_on(n->op)) is_reached[n->outputs[0]] = true;
        const bool is_gather = n->op == OP_gather || n->op == OP_packed_gather;
        if (!is_gather || !is_reached[n->inputs[1]]) continue;
        const uint32_t axis =
            n->op == OP_gather ? ((const gather_attributes *)n->attributes)->axis : 0;
        const int64_t length = graph_dim(g, n->inputs[0], (int)axis);
        if (dim_known(length) && (shortest == 0 || length < shortest)) shortest = length;
    }
    return shortest;
}

static void fill_input(ebb_view *view, int64_t table, float *plain, size_t count, uint64_t *state)
{
    const bool is_whole = table > 0 || dtype_is_integer(view->dtype);
    const uint64_t below = table > 0 ? (uint64_t)table : NUMBERS_OTHER;

    for (size_t i = 0; i < count; i++) {
        plain[i] = view->dtype == EBB_BOOL ? (float)(random_next(state) & 1)
                   : is_whole              ? (float)(random_next(state) % below)
                                           : random_normal(state);
    }
    dtype_convert(view->dtype, view->data, EBB_F32, plain, count);
}

static ebb_status make_input(comparison *c, uint32_t index, ebb_view *view, uint64_t *state,
                             ebb_error *error)
{
    const graph *g = c->a->built->graph;
    const shape *s = graph_shape(g, g->inputs[index]);
    const uint64_t rows = c->options.rows == 0 ? ROWS_DEFAULT : c->options.rows;
    size_t count = 1, bytes;

    *view = (ebb_view){.dtype = graph_value(g, g->inputs[index])->dtype, .rank = s->rank};
    for (uint32_t i = 0; i < s->rank; i++) {
        view->dims[i] = dim_known(s->dims[i]) ? s->dims[i] : i == 0 ? (int64_t)rows : LENGTH_OTHER;
        if (view->dims[i] < 0 || !size_mul(count, (size_t)view->dims[i], &count))
            return fail(error, EBB_E_ARGUMENT, "compare options", "%" PRIu64 " rows are too many",
                        rows);
    }
    bool *is_reached = region_new(c->work, bool, g->value_count);
    if (!size_mul(count, sizeof(double), &bytes)) bytes = SIZE_MAX;
    float *plain = region_block(c->work, bytes == 0 ? 1 : bytes);
    view->data = region_block(c->work, bytes == 0 ? 1 : bytes);
    if (is_reached == NULL || plain == NULL || view->data == NULL)
        return region_fail(c->work, error, c->a->info.name, "random inputs");
    fill_input(view, table_length(g, g->inputs[index], is_reached), plain, count, state);
    region_block_release(c->work, plain);
    return EBB_OK;
}

static ebb_status make_inputs(comparison *c, ebb_error *error)
{
    const uint32_t count = c->a->built->input_count;
    ebb_view *views = region_new(c->work, ebb_view, (size_t)count + 1);
    uint64_t state = c->options.seed;
    ebb_status status = EBB_OK;

    if (views == NULL) return region_fail(c->work, error, c->a->info.name, "random inputs");
    for (uint32_t i = 0; i < count && status == EBB_OK; i++)
        status = make_input(c, i, &views[i], &state, error);
    c->inputs = (ebb_views){views, count};
    return status;
}

/* -- running ----------------------------------------------------------------------------------- */

static ebb_status run(comparison *c, model *m, ebb_view *outputs, ebb_error *error)
{
    const uint32_t count = m->built->output_count;
    ebb_status status = model_output_shapes(m, &c->inputs, outputs, count, error);

    for (uint32_t i = 0; i < count && status == EBB_OK; i++) {
        outputs[i].data = region_block(c->work, (size_t)ebb_view_bytes(&outputs[i]) + 1);
        if (outputs[i].data == NULL) status = region_fail(c->work, error, m->info.name, "outputs");
    }
    const ebb_views views = {outputs, count};
    return status == EBB_OK ? model_predict(m, &c->inputs, &views, error) : status;
}

static ebb_status check_outputs(const comparison *c, ebb_error *error)
{
    char first[96], second[96];

    for (uint32_t i = 0; i < c->a->built->output_count; i++) {
        const ebb_view *a = &c->outputs[0][i], *b = &c->outputs[1][i];
        if (a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]) == 0)
            continue;
        return fail(error, EBB_E_SHAPE, c->a->built->outputs[i].name,
                    "output %u has shape %s in the first model, %s in the second", i,
                    dims_text(a->rank, a->dims, first, sizeof first),
                    dims_text(b->rank, b->dims, second, sizeof second));
    }
    return EBB_OK;
}

/* -- measuring --------------------------------------------------------------------------------- */

typedef struct sums {
    double squares, aa, bb, ab;
    uint64_t agreeing_rows, rows;
    double best_a, best_b; /* of the row */
    uint64_t place_a, place_b;
} sums;

static void add_element(const comparison *c, ebb_difference *d, sums *s, double a, double b)
{
    const double difference = fabs(a - b), size = fabs(a);
    const bool both_nan = isnan(a) && isnan(b);
    const bool is_equal = both_nan || a == b;
    const bool agrees = is_equal || difference <= c->options.atol + c->options.rtol * size;

    d->outside += !agrees;
    if (is_equal || isnan(difference)) {
        if (!is_equal) d->absolute = d->relative = INFINITY;
    } else {
        if (difference > d->absolute) d->absolute = difference;
        if (size > 0 && difference / size > d->relative) d->relative = difference / size;
        s->squares += difference * difference;
    }
    if (size > d->scale) d->scale = size;
    if (!isfinite(a) || !isfinite(b)) return;
    s->aa += a * a;
    s->bb += b * b;
    s->ab += a * b;
}

/* The largest of the row so far: the first of equals. */
static void add_place(sums *s, uint64_t place, uint64_t width, double a, double b)
{
    if (place == 0 || a > s->best_a) {
        s->best_a = a;
        s->place_a = place;
    }
    if (place == 0 || b > s->best_b) {
        s->best_b = b;
        s->place_b = place;
    }
    if (place + 1 < width) return;
    s->rows++;
    s->agreeing_rows += s->place_a == s->place_b;
}

static void measure(const comparison *c, uint32_t index, ebb_difference *d)
{
    const ebb_view *views[2] = {&c->outputs[0][index], &c->outputs[1][index]};
    const uint64_t width = views[0]->rank == 0 ? 1 : (uint64_t)views[0]->dims[views[0]->rank - 1];
    double numbers[2][PIECE];
    sums s = {0};

    *d = (ebb_difference){.elements = 1};
    (void)snprintf(d->name, sizeof d->name, "%s", c->a->built->outputs[index].name);
    for (uint32_t i = 0; i < views[0]->rank; i++) d->elements *= (uint64_t)views[0]->dims[i];
    for (uint64_t at = 0; at < d->elements; at += PIECE) {
        const size_t count = d->elements - at < PIECE ? (size_t)(d->elements - at) : PIECE;
        for (int k = 0; k < 2; k++) {
            const uint8_t *from = views[k]->data;
            dtype_convert(EBB_F64, numbers[k], views[k]->dtype,
                          from + at * ebb_dtype_bytes(views[k]->dtype), count);
        }
        for (size_t i = 0; i < count; i++) {
            add_element(c, d, &s, numbers[0][i], numbers[1][i]);
            add_place(&s, (at + i) % width, width, numbers[0][i], numbers[1][i]);
        }
    }
    d->rms = d->elements == 0 ? 0 : sqrt(s.squares / (double)d->elements);
    d->cosine = s.aa > 0 && s.bb > 0 ? s.ab / (sqrt(s.aa) * sqrt(s.bb)) : s.aa == s.bb ? 1 : 0;
    d->agreement = s.rows == 0 ? 1 : (double)s.agreeing_rows / (double)s.rows;
}

/* -- both -------------------------------------------------------------------------------------- */

static ebb_status check_models(const comparison *c, size_t count, ebb_error *error)
{
    const built_model *a = c->a->built, *b = c->b->built;

    if (a->input_count != b->input_count || a->output_count != b->output_count) {
        return fail(error, EBB_E_SHAPE, c->b->info.name,
                    "%u inputs and %u outputs in the first model, %u and %u in the second",
                    a->input_count, a->output_count, b->input_count, b->output_count);
    }
    if (count == a->output_count) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, c->a->info.name, "expected room for %u outputs, got %zu",
                a->output_count, count);
}

static ebb_status options_read(const ebb_compare_options *options, ebb_compare_options *o,
                               ebb_error *error)
{
    *o = (ebb_compare_options)EBB_COMPARE_OPTIONS_INIT;
    const ebb_status status =
        options_copy(o, sizeof *o, options, "compare options", "EBB_COMPARE_OPTIONS_INIT", error);
    if (status != EBB_OK) return status;
    if (!(o->rtol >= 0) || !(o->atol >= 0))
        return fail(error, EBB_E_ARGUMENT, "compare options",
                    "rtol is %g and atol %g, expected 0 or more", o->rtol, o->atol);
    if (!o->is_exact && o->rtol == 0 && o->atol == 0) o->rtol = o->atol = 1e-3;
    return EBB_OK;
}

static ebb_status compare_in(comparison *c, const ebb_views *inputs, ebb_difference *differences,
                             bool *agree, ebb_error *error)
{
    ebb_status status = EBB_OK;

    if (inputs != NULL)
        c->inputs = *inputs;
    else
        status = make_inputs(c, error);
    if (status == EBB_OK) status = run(c, c->a, c->outputs[0], error);
    if (status == EBB_OK) status = run(c, c->b, c->outputs[1], error);
    if (status == EBB_OK) status = check_outputs(c, error);
    if (status != EBB_OK) return status;
    bool is_same = true;
    for (uint32_t i = 0; i < c->a->built->output_count; i++) {
        measure(c, i, &differences[i]);
        is_same &= differences[i].outside == 0;
    }
    if (agree != NULL) *agree = is_same;
    return EBB_OK;
}

ebb_status model_compare(model *a, model *b, const ebb_views *inputs,
                         const ebb_compare_options *options, ebb_difference *differences,
                         size_t count, bool *agree, ebb_error *error)
{
    region *work = region_open(a->owner->root, "compare", EBB_CLASS_DATA, 0);
    comparison *c = work == NULL ? NULL : region_new(work, comparison, 1);

    if (c == NULL) {
        const ebb_status status =
            region_fail(work == NULL ? a->owner->root : work, error, a->info.name, "a comparison");
        region_close(work);
        return status;
    }
    c->a = a;
    c->b = b;
    c->work = work;
    ebb_status status = options_read(options, &c->options, error);
    if (status == EBB_OK) status = check_models(c, count, error);
    if (status == EBB_OK) status = compare_in(c, inputs, differences, agree, error);
    region_close(work);
    return status;
}
