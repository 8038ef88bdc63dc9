/* constraint.c -- the table of constraints and all of them: MaxNorm, MinMaxNorm, NonNeg, UnitNorm.
 */
#include "train/constraint/constraint.h"

#include <inttypes.h>

#include "train/arithmetic.h"

#define CONSTRAINT(name, parameters) static const constraint_def constraint_def_##name;
#include "train/constraint/list.inc"
#undef CONSTRAINT

static const train_entry *const entries[] = {
#define CONSTRAINT(name, parameters) &constraint_def_##name.entry,
#include "train/constraint/list.inc"
#undef CONSTRAINT
};

static const constructor constructors[] = {
#define CONSTRAINT(name, parameters) {#name, parameters},
#include "train/constraint/list.inc"
#undef CONSTRAINT
};

const train_table constraint_table = {"constraint", entries, sizeof entries / sizeof entries[0],
                                      constructors, NULL};

#define EPSILON 1e-7 /* keras.config.epsilon() */

ebb_status constraint_read(region *home, const json *given, const char *where, train_object *result,
                           ebb_error *error)
{
    return train_object_read(&constraint_table, home, given, where, result, error);
}

value constraint_emit(graph *g, const train_object *constraint, value w)
{
    return ((const constraint_def *)constraint->entry)->emit(g, constraint->config, w);
}

static value non_neg_emit(graph *g, const void *config, value w)
{
    (void)config;
    return arith_max(g, w, graph_scalar(g, 0));
}

static const constraint_def constraint_def_non_neg = {{"NonNeg", NULL, 0, NULL, NULL},
                                                      non_neg_emit};

/* -- the norms along `axis` are brought into a range, as far as `rate` says ----------------------
 */

typedef struct norm {
    double min_value, max_value, rate;
    int_list axis;     /* empty: 0 */
    const json *given; /* the same, to tell null (all axes) from a missing key */
} norm;

#define AXIS_FIELDS                                                                                \
    TRAIN_FIELD(norm, axis, FIELD_INTS, 0),                                                        \
    {                                                                                              \
        "axis", FIELD_GIVEN, offsetof(norm, given), false, 0, NULL                                 \
    }

/* VALUE_NONE when an axis is outside the tensor. */
static value norm_along(graph *g, const norm *c, value w)
{
    uint32_t axes = c->axis.count == 0 ? 1 : 0;

    if (!graph_ok(g)) return VALUE_NONE;
    if (c->given != NULL && json_is_null(c->given)) return arith_norm(g, w, 0);
    const int64_t rank = graph_rank(g, w);
    for (uint32_t i = 0; i < c->axis.count || rank == 0; i++) {
        const int64_t axis = c->axis.items[i];
        if (axis < -rank || axis >= rank) {
            return graph_fail(g, EBB_E_SHAPE,
                              "constraint: axis %" PRId64 " is outside a weight of rank %" PRId64,
                              axis, rank);
        }
        axes |= 1u << (axis < 0 ? axis + rank : axis);
    }
    return arith_norm(g, w, axes);
}

static ebb_status norm_check(const void *config, const char *where, ebb_error *error)
{
    const norm *c = config;

    if (c->max_value < 0) {
        return train_range_fail(error, where, "max_value", "no negative number", c->max_value);
    }
    if (c->min_value <= c->max_value) return EBB_OK;
    return train_range_fail(error, where, "min_value", "no more than max_value", c->min_value);
}

static value max_norm_emit(graph *g, const void *config, value w)
{
    const norm *c = config;
    const value norms = norm_along(g, c, w);
    const value desired = arith_clip(g, norms, 0, c->max_value);

    return op_mul(g, w, op_div(g, desired, arith_affine(g, norms, 1, EPSILON)));
}

static const layer_field max_norm_fields[] = {
    TRAIN_FIELD(norm, max_value, FIELD_F64, 2),
    AXIS_FIELDS,
    TRAIN_FIELD_END,
};

static const constraint_def constraint_def_max_norm = {
    {"MaxNorm", NULL, sizeof(norm), max_norm_fields, norm_check}, max_norm_emit};

static value min_max_norm_emit(graph *g, const void *config, value w)
{
    const norm *c = config;
    const value norms = norm_along(g, c, w);
    const value inside =
        arith_affine(g, arith_clip(g, norms, c->min_value, c->max_value), c->rate, 0);
    const value desired = op_add(g, inside, arith_affine(g, norms, 1 - c->rate, 0));

    return op_mul(g, w, op_div(g, desired, arith_affine(g, norms, 1, EPSILON)));
}

static const layer_field min_max_norm_fields[] = {
    TRAIN_FIELD(norm, min_value, FIELD_F64, 0),
    TRAIN_FIELD(norm, max_value, FIELD_F64, 1),
    TRAIN_FIELD(norm, rate, FIELD_F64, 1),
    AXIS_FIELDS,
    TRAIN_FIELD_END,
};

static const constraint_def constraint_def_min_max_norm = {
    {"MinMaxNorm", NULL, sizeof(norm), min_max_norm_fields, norm_check}, min_max_norm_emit};

static value unit_norm_emit(graph *g, const void *config, value w)
{
    return op_div(g, w, arith_affine(g, norm_along(g, config, w), 1, EPSILON));
}

static const layer_field unit_norm_fields[] = {
    AXIS_FIELDS,
    TRAIN_FIELD_END,
};

static const constraint_def constraint_def_unit_norm = {
    {"UnitNorm", NULL, sizeof(norm), unit_norm_fields, NULL}, unit_norm_emit};
