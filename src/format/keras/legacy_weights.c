/* legacy_weights.c -- see legacy_weights.h.
 *
 * Every rule writes moves into a plan. Shapes come from a file, so dims are checked to be positive
 * and small enough that products of them stay within int64 (the HDF5 reader bounds a dataset's
 * size; here it is checked again). */
#include "format/keras/legacy_weights.h"

#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "format/keras/upgrade.h"

typedef struct planner {
    const legacy_layer *layer; /* the innermost one */
    const weight_shape *stored, *wanted;
    uint32_t stored_count, wanted_count;
    uint32_t first_stored, first_wanted; /* offset of this part in the whole layer */
    legacy_plan *plan;
    bool failed;
} planner;

#define WRAPPER_STEPS_MAX 8

static bool shape_is(const weight_shape *s, uint32_t rank, const int64_t *dims)
{
    return s->rank == rank && memcmp(s->dims, dims, rank * sizeof *dims) == 0;
}

static int64_t elements(const weight_shape *s)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < s->rank; i++) {
        if (!i64_mul(count, s->dims[i], &count)) return INT64_MAX;
    }
    return count;
}

static void strides_fill(const weight_shape *s, int64_t *strides)
{
    int64_t step = 1;
    for (uint32_t i = s->rank; i > 0; i--) {
        strides[i - 1] = step;
        step *= s->dims[i - 1];
    }
}

static weight_move *move_add(planner *p, uint32_t stored, uint32_t wanted)
{
    legacy_plan *plan = p->plan;
    if (plan->move_count >= LEGACY_MOVES_MAX || p->first_wanted + wanted >= LEGACY_ARRAYS_MAX) {
        p->failed = true;
        return &plan->moves[0];
    }
    weight_move *m = &plan->moves[plan->move_count++];
    memset(m, 0, sizeof *m);
    m->stored = p->first_stored + stored;
    m->wanted = p->first_wanted + wanted;
    return m;
}

static void shape_set(planner *p, uint32_t wanted, const weight_shape *shape)
{
    const uint32_t index = p->first_wanted + wanted;
    if (index >= LEGACY_ARRAYS_MAX) {
        p->failed = true;
        return;
    }
    p->plan->shapes[index] = *shape;
    if (index + 1 > p->plan->count) p->plan->count = index + 1;
}

/* wanted[i] = stored transposed: axis i comes from stored axis order[i]; bit i of `flips` turns
 * axis i. */
static void transpose(planner *p, uint32_t stored, uint32_t wanted, const uint32_t *order,
                      uint32_t rank, uint32_t flips)
{
    const weight_shape *from = &p->stored[stored];
    weight_move *m = move_add(p, stored, wanted);
    weight_shape shape = {.rank = rank};
    int64_t strides[EBB_RANK_MAX];

    strides_fill(from, strides);
    m->rank = rank;
    for (uint32_t i = 0; i < rank; i++) {
        shape.dims[i] = m->dims[i] = from->dims[order[i]];
        m->from_strides[i] = strides[order[i]];
        if ((flips >> i & 1) != 0) {
            m->from += (m->dims[i] - 1) * m->from_strides[i];
            m->from_strides[i] = -m->from_strides[i];
        }
    }
    strides_fill(&shape, m->to_strides);
    shape_set(p, wanted, &shape);
}

static void copy(planner *p, uint32_t stored, uint32_t wanted)
{
    static const uint32_t same[EBB_RANK_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};
    transpose(p, stored, wanted, same, p->stored[stored].rank, 0);
}

static void copy_rest(planner *p, uint32_t first)
{
    for (uint32_t i = first; i < p->stored_count; i++) copy(p, i, i);
}

/* wanted = stored[sources[0]], [1], ... joined along the last axis. Optionally transposed by
 * `order` first. */
static void join(planner *p, const uint32_t *sources, uint32_t count, uint32_t wanted,
                 const uint32_t *order, uint32_t flips)
{
    const weight_shape *part = &p->stored[sources[0]];
    weight_shape shape = {.rank = part->rank};
    int64_t offset = 0, strides[EBB_RANK_MAX];
    const uint32_t begin = p->plan->move_count;

    if (part->rank == 0) {
        p->failed = true;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (p->stored[sources[i]].rank != part->rank) p->failed = true;
        if (!p->failed) transpose(p, sources[i], wanted, order, part->rank, flips);
    }
    if (p->failed) return;
    shape = p->plan->shapes[p->first_wanted + wanted];
    shape.dims[part->rank - 1] *= count;
    strides_fill(&shape, strides);
    for (uint32_t i = 0; i < count; i++) {
        weight_move *m = &p->plan->moves[begin + i];
        if (i > 0 && memcmp(m->dims, p->plan->moves[begin].dims, sizeof m->dims) != 0)
            p->failed = true;
        memcpy(m->to_strides, strides, sizeof strides);
        m->to = offset;
        offset += m->dims[part->rank - 1];
    }
    shape_set(p, wanted, &shape);
}

/* -- convolutions ------------------------------------------------------------------------------ */

static const uint32_t order_same[EBB_RANK_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};
static const uint32_t order_first_to_last[] = {2, 3, 1, 0}; /* (out, in, h, w) */
static const uint32_t order_first_to_last_3d[] = {2, 3, 4, 1, 0};
static const uint32_t order_first_transposed[] = {2, 3, 0, 1}; /* Conv2DTranspose, channels_first */
static const uint32_t order_last_transposed[] = {0, 1, 3, 2};  /* Conv2DTranspose, channels_last */
static const uint32_t order_mismatch[] = {3, 2, 0, 1}; /* what Keras tries when shapes differ */

static bool channels_first(const legacy_layer *layer)
{
    return json_is_text(json_get(layer->config, "data_format"), "channels_first");
}

static bool theano_turned(const legacy_layer *layer)
{
    return layer->backend != NULL && strcmp(layer->backend, "theano") == 0 &&
           layer->keras_major < 3;
}

static bool order_fits(const planner *p, const weight_shape *stored, const uint32_t *order,
                       uint32_t index)
{
    if (p->wanted == NULL || index >= p->wanted_count || p->wanted[index].rank != stored->rank)
        return false;
    for (uint32_t i = 0; i < stored->rank; i++) {
        if (p->wanted[index].dims[i] != stored->dims[order[i]]) return false;
    }
    return true;
}

/* Which order a kernel of Keras 1 was saved in; order_same for the rest. */
static const uint32_t *kernel_order(const planner *p, const weight_shape *kernel)
{
    const char *name = p->layer->class_name;
    const bool first = channels_first(p->layer);

    if (p->layer->keras_major != 1) return order_same;
    if (strcmp(name, "Conv2DTranspose") == 0 && kernel->rank == 4) {
        return first ? order_first_transposed : order_last_transposed;
    }
    if (!first) return order_same;
    if (kernel->rank == 4) return order_first_to_last;
    return kernel->rank == 5 ? order_first_to_last_3d : order_same;
}

static void kernel_plan(planner *p, uint32_t index)
{
    const weight_shape *kernel = &p->stored[index];
    const uint32_t *order = kernel_order(p, kernel);
    const bool is_known = p->wanted != NULL && index < p->wanted_count;
    uint32_t flips = 0;

    if (is_known && kernel->rank == 4 && !order_fits(p, kernel, order, index)) {
        if (order_fits(p, kernel, order_mismatch, index)) {
            order = order_mismatch;
        } else if (order_fits(p, kernel, order_first_to_last, index)) {
            order = order_first_to_last;
        }
    }
    if (theano_turned(p->layer) && kernel->rank > 2) flips = (1u << (kernel->rank - 2)) - 1;
    transpose(p, index, index, order, kernel->rank, flips);
}

/* Keras 1 Conv1D: (length, 1, in, out), or in Keras 1.0 (out, in, length, 1): the axis of one goes.
 */
static void conv1d_plan(planner *p)
{
    const weight_shape *kernel = &p->stored[0];
    const int64_t filters = json_integer(json_get(p->layer->config, "filters"), -1);
    weight_shape shape = {.rank = 3};
    int64_t strides[EBB_RANK_MAX];
    const bool is_old = !(kernel->dims[1] == 1 && kernel->dims[3] == filters);
    const uint32_t axes[3] = {is_old ? 2 : 0, is_old ? 1 : 2, is_old ? 0 : 3};

    weight_move *m = move_add(p, 0, 0);
    strides_fill(kernel, strides);
    m->rank = 3;
    for (uint32_t i = 0; i < 3; i++) {
        shape.dims[i] = m->dims[i] = kernel->dims[axes[i]];
        m->from_strides[i] = strides[axes[i]];
    }
    if (theano_turned(p->layer)) {
        m->from = (m->dims[0] - 1) * m->from_strides[0];
        m->from_strides[0] = -m->from_strides[0];
    }
    strides_fill(&shape, m->to_strides);
    shape_set(p, 0, &shape);
    copy_rest(p, 1);
}

static void convolution_plan(planner *p)
{
    const bool is_separable = strcmp(p->layer->class_name, "SeparableConv2D") == 0;
    const bool has_two = is_separable || strcmp(p->layer->class_name, "ConvLSTM2D") == 0;

    if (strcmp(p->layer->class_name, "Conv1D") == 0 && p->stored[0].rank == 4) {
        conv1d_plan(p);
        return;
    }
    kernel_plan(p, 0);
    if (has_two && p->stored_count > 1) kernel_plan(p, 1);
    copy_rest(p, has_two && p->stored_count > 1 ? 2 : 1);
}

/* -- gates ------------------------------------------------------------------------------------- */

/* Arrays (W, U, b) of each gate, in the order given by `gates`, joined. */
static void gates_plan(planner *p, const uint32_t *gates, uint32_t count)
{
    const bool is_kernel = strcmp(p->layer->class_name, "ConvLSTM2D") == 0;
    for (uint32_t part = 0; part < 3; part++) {
        uint32_t sources[4];
        const uint32_t *order = order_same;
        uint32_t flips = 0;
        for (uint32_t i = 0; i < count; i++) sources[i] = 3 * gates[i] + part;
        if (is_kernel && part < 2 && p->stored[part].rank == 4) {
            if (channels_first(p->layer)) order = order_first_to_last;
            if (theano_turned(p->layer)) flips = 3;
        }
        join(p, sources, count, part, order, flips);
    }
}

/* One gate of a cuDNN kernel: its numbers in row-major order are the canonical gate's in
 * column-major order. */
static void cudnn_kernel(planner *p, uint32_t gates, int64_t units)
{
    const int64_t rows = p->stored[0].dims[0];
    for (uint32_t g = 0; g < gates; g++) {
        weight_move *m = move_add(p, 0, 0);
        m->rank = 2;
        m->dims[0] = rows;
        m->dims[1] = units;
        m->from_strides[0] = m->to_strides[0] = gates * units;
        m->from_strides[1] = m->to_strides[1] = 1;
        m->from = m->to = g * units;
        m->fold = rows;
    }
    shape_set(p, 0, &p->stored[0]);
}

static void cudnn_recurrent(planner *p, uint32_t gates, int64_t units)
{
    for (uint32_t g = 0; g < gates; g++) {
        weight_move *m = move_add(p, 1, 1);
        m->rank = 2;
        m->dims[0] = m->dims[1] = units;
        m->from_strides[0] = m->to_strides[1] = 1;
        m->from_strides[1] = m->to_strides[0] = gates * units;
        m->from = m->to = g * units;
    }
    shape_set(p, 1, &p->stored[1]);
}

static void cudnn_plan(planner *p, uint32_t gates, int64_t units)
{
    cudnn_kernel(p, gates, units);
    cudnn_recurrent(p, gates, units);
    if (gates == 3) {
        const weight_shape shape = {.rank = 2, .dims = {2, 3 * units}};
        weight_move *m = move_add(p, 2, 2);
        m->rank = 1;
        m->dims[0] = 6 * units;
        m->from_strides[0] = m->to_strides[0] = 1;
        shape_set(p, 2, &shape);
        return;
    }
    const weight_shape shape = {.rank = 1, .dims = {4 * units}};
    for (uint32_t half = 0; half < 2; half++) {
        weight_move *m = move_add(p, 2, 2);
        m->rank = 1;
        m->dims[0] = 4 * units;
        m->from_strides[0] = m->to_strides[0] = 1;
        m->from = half * 4 * units;
        m->adds = half == 1;
    }
    shape_set(p, 2, &shape);
}

/* Number of gates of a cuDNN layer; 0 for other layers. */
static uint32_t cudnn_gates(const planner *p)
{
    const bool is_lstm = strcmp(p->layer->class_name, "LSTM") == 0;
    if (!is_lstm && strcmp(p->layer->class_name, "GRU") != 0) return 0;
    if (p->stored_count != 3 || p->stored[0].rank != 2 || p->stored[1].rank != 2) return 0;
    const int64_t units = p->stored[1].dims[0], gates = is_lstm ? 4 : 3;
    const int64_t bias[] = {2 * gates * units};
    if (p->stored[0].dims[1] != gates * units || p->stored[1].dims[1] != gates * units) return 0;
    return shape_is(&p->stored[2], 1, bias) ? (uint32_t)gates : 0;
}

/* -- LoRA -------------------------------------------------------------------------------------- */

/* The kernel does not learn any more: it comes last, unless nothing learns. Reading its own files,
 * Keras forgets lora_alpha in some classes, which is to say that it is lora_rank. */
static bool lora_plan(planner *p)
{
    const json *config = p->layer->config;
    const int64_t rank = json_integer(json_get(config, "lora_rank"), 0);
    const bool is_frozen = !json_boolean(json_get(config, "trainable"), true);
    const bool forgets = name_in("|Dense|Embedding|ReversibleEmbedding|", p->layer->class_name);
    const uint32_t others = p->wanted_count - 1;

    if (rank <= 0 || p->wanted == NULL || p->wanted_count == 0 ||
        p->stored_count != p->wanted_count + 2)
        return false;
    const uint32_t kernel = is_frozen ? 0 : others + 2, a = is_frozen ? others + 1 : others;
    const weight_shape *shape = &p->stored[kernel];
    if (shape->rank < 2 || p->stored[a].rank != shape->rank || p->stored[a + 1].rank != 2)
        return false;
    const int64_t columns = shape->dims[shape->rank - 1], rows = elements(shape) / columns;
    const int64_t dims_b[] = {rank, columns};
    weight_shape left = *shape;
    left.dims[left.rank - 1] = rank;
    if (!shape_is(&p->stored[a], left.rank, left.dims) || !shape_is(&p->stored[a + 1], 2, dims_b))
        return false;
    copy(p, kernel, 0);
    for (uint32_t i = 0; i < others; i++) copy(p, i + is_frozen, i + 1);
    const double alpha = json_number(json_get(config, "lora_alpha"), (double)rank);
    p->plan->product = (weight_product){.a = a,
                                        .b = a + 1,
                                        .rows = rows,
                                        .inner = rank,
                                        .columns = columns,
                                        .scale = forgets ? 1.0f : (float)(alpha / (double)rank)};
    return !p->failed;
}

/* -- layers ------------------------------------------------------------------------------------ */

static void layer_plan(planner *p)
{
    static const uint32_t lstm_gates[] = {0, 2, 1, 3}; /* stored i, c, f, o */
    static const uint32_t gru_gates[] = {0, 1, 2};
    const char *name = p->layer->class_name;
    const uint32_t cudnn = cudnn_gates(p);

    if (p->stored_count == 0) return;
    if (name_in("|LSTM|ConvLSTM2D|", name) && p->stored_count == 12) {
        gates_plan(p, lstm_gates, 4);
    } else if (strcmp(name, "GRU") == 0 && p->stored_count == 9) {
        gates_plan(p, gru_gates, 3);
    } else if (cudnn > 0) {
        cudnn_plan(p, cudnn, p->stored[1].dims[0]);
    } else if (name_in("|Conv1D|Conv2D|Conv3D|Conv2DTranspose|ConvLSTM2D|", name)) {
        convolution_plan(p);
    } else if (strcmp(name, "SeparableConv2D") == 0 && p->layer->keras_major == 1) {
        convolution_plan(p);
    } else {
        copy_rest(p, 0);
    }
}

/* A half of Bidirectional. */
static void half_plan(planner *p, const legacy_layer *inner, uint32_t half)
{
    const uint32_t count = p->stored_count / 2, wanted = p->wanted_count / 2;
    planner part = *p;

    part.layer = inner;
    part.stored = p->stored + half * count;
    part.stored_count = count;
    part.wanted = p->wanted == NULL ? NULL : p->wanted + half * wanted;
    part.wanted_count = wanted;
    part.first_stored = half * count;
    part.first_wanted = p->plan->count;
    layer_plan(&part);
    p->failed |= part.failed;
}

static bool wrapped_layer(const legacy_layer *outer, const char *key, legacy_layer *inner)
{
    const json *object = json_get(outer->config, key);
    *inner = *outer;
    inner->class_name = json_text(json_get(object, "class_name"), "");
    inner->config = json_get(object, "config");
    return inner->class_name[0] != '\0' && inner->config != NULL;
}

static bool is_identity(const legacy_plan *plan, const weight_shape *stored, uint32_t stored_count)
{
    if (plan->count != stored_count || plan->move_count != stored_count) return false;
    for (uint32_t i = 0; i < plan->move_count; i++) {
        const weight_move *m = &plan->moves[i];
        const weight_shape *s = &stored[i];
        if (m->stored != i || m->wanted != i || m->from != 0 || m->to != 0 || m->fold != 0)
            return false;
        if (!shape_is(&plan->shapes[i], s->rank, s->dims)) return false;
        for (uint32_t k = 0; k < m->rank; k++) {
            if (m->dims[k] > 1 && m->from_strides[k] != m->to_strides[k]) return false;
        }
    }
    return true;
}

static bool shapes_usable(const weight_shape *stored, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (stored[i].rank > EBB_RANK_MAX) return false;
        for (uint32_t k = 0; k < stored[i].rank; k++) {
            if (stored[i].dims[k] <= 0) return false;
        }
        if (elements(&stored[i]) > INT64_MAX / 16) return false;
    }
    return true;
}

static const char convertible[] =
    "|LSTM|GRU|Conv1D|Conv2D|Conv3D|Conv2DTranspose|ConvLSTM2D|SeparableConv2D|";

/* Follows TimeDistributed and Bidirectional inwards. False: a layer without conversions. */
static bool innermost(legacy_layer *layer, legacy_layer *backward, bool *is_bidirectional)
{
    for (uint32_t i = 0; i < WRAPPER_STEPS_MAX && strcmp(layer->class_name, "TimeDistributed") == 0;
         i++) {
        const legacy_layer outer = *layer;
        if (!wrapped_layer(&outer, "layer", layer)) return false;
    }
    *is_bidirectional = strcmp(layer->class_name, "Bidirectional") == 0;
    if (*is_bidirectional) {
        const legacy_layer outer = *layer;
        if (!wrapped_layer(&outer, "layer", layer)) return false;
        if (!wrapped_layer(&outer, "backward_layer", backward)) *backward = *layer;
    }
    return name_in(convertible, layer->class_name);
}

ebb_status legacy_weights_plan(const legacy_layer *layer, const weight_shape *stored,
                               uint32_t stored_count, const weight_shape *wanted,
                               uint32_t wanted_count, legacy_plan *plan, ebb_error *error)
{
    legacy_layer inner = *layer, backward = *layer;
    bool is_bidirectional = false;
    planner p = {.layer = &inner,
                 .stored = stored,
                 .stored_count = stored_count,
                 .wanted = wanted,
                 .wanted_count = wanted_count,
                 .plan = plan};

    memset(plan, 0, sizeof *plan);
    plan->is_identity = true;
    if (!shapes_usable(stored, stored_count)) return EBB_OK;
    if (layer->keras_major >= 3) {
        plan->is_identity = !lora_plan(&p);
        return EBB_OK;
    }
    if (!innermost(&inner, &backward, &is_bidirectional)) return EBB_OK;
    if (is_bidirectional && stored_count % 2 != 0) return EBB_OK;
    if (is_bidirectional) {
        half_plan(&p, &inner, 0);
        half_plan(&p, &backward, 1);
    } else {
        layer_plan(&p);
    }
    if (p.failed) {
        return fail(error, EBB_E_FORMAT, layer->class_name,
                    "the %u stored arrays do not fit together as weights of this layer",
                    stored_count);
    }
    plan->is_identity = is_identity(plan, stored, stored_count);
    return EBB_OK;
}

uint64_t legacy_weights_elements(const legacy_plan *plan, uint32_t index)
{
    return (uint64_t)elements(&plan->shapes[index]);
}

bool legacy_weights_needs(const legacy_plan *plan, uint32_t index, uint32_t stored)
{
    const weight_product *product = &plan->product;
    if (product->inner > 0 && product->wanted == index &&
        (product->a == stored || product->b == stored))
        return true;
    for (uint32_t i = 0; i < plan->move_count; i++) {
        if (plan->moves[i].wanted == index && plan->moves[i].stored == stored) return true;
    }
    return false;
}

static void move_apply(const weight_move *m, const float *from, float *result)
{
    int64_t at[EBB_RANK_MAX] = {0}, source = m->from, target = m->to, n = 0;
    for (;;) {
        const int64_t folded =
            m->fold > 0 ? (n % m->fold) * m->to_strides[0] + (n / m->fold) * m->to_strides[1] : 0;
        float *to = &result[m->fold > 0 ? m->to + folded : target];
        *to = m->adds ? *to + from[source] : from[source];
        n++;
        uint32_t axis = m->rank;
        for (; axis > 0; axis--) {
            const uint32_t k = axis - 1;
            source += m->from_strides[k];
            target += m->to_strides[k];
            if (++at[k] < m->dims[k]) break;
            source -= m->dims[k] * m->from_strides[k];
            target -= m->dims[k] * m->to_strides[k];
            at[k] = 0;
        }
        if (axis == 0) return;
    }
}

static void product_apply(const weight_product *p, const float *a, const float *b, float *result)
{
    for (int64_t i = 0; i < p->rows; i++) {
        for (int64_t j = 0; j < p->inner; j++) {
            const float factor = p->scale * a[i * p->inner + j];
            for (int64_t k = 0; k < p->columns; k++)
                result[i * p->columns + k] += factor * b[j * p->columns + k];
        }
    }
}

void legacy_weights_apply(const legacy_plan *plan, uint32_t index, const float *const *stored,
                          float *result)
{
    for (uint32_t i = 0; i < plan->move_count; i++) {
        const weight_move *m = &plan->moves[i];
        if (m->wanted == index) move_apply(m, stored[m->stored], result);
    }
    const weight_product *product = &plan->product;
    if (product->inner > 0 && product->wanted == index)
        product_apply(product, stored[product->a], stored[product->b], result);
}
