/* tf_random.c -- random numbers. The distributions are TensorFlow's, the numbers are our own: a
 * function of a seed, which tells operations apart, and a stream, which tells runs apart.
 *
 * Stateless operations take their stream from what they are given, so equal seeds give equal
 * numbers in every run. Integers are made from 24 random bits.
 */
#include "tensorflow/tf_emit.h"

#define GOLDEN 0x9E3779B97F4A7C15u

static uint64_t mixed(uint64_t a, uint64_t c)
{
    uint64_t hash = (a + GOLDEN) * 0xBF58476D1CE4E5B9u ^ (c + GOLDEN) * 0x94D049BB133111EBu;

    hash ^= hash >> 29;
    return hash * GOLDEN;
}

/* The numbers of an operation with a state; VALUE_NONE after a failure. */
static value drawn(tf_build *b, tf_call *c, const tf_entry *e, random_attributes *r)
{
    const uint64_t seed = (uint64_t)tf_int(c, e, "seed"), seed2 = (uint64_t)tf_int(c, e, "seed2");

    if (!tf_shape_input(b, c, 0, &r->to)) return VALUE_NONE;
    r->seed = seed != 0 || seed2 != 0 ? mixed(seed, seed2) : mixed(b->seed, ++b->random_count);
    return op_random_stream(b->graph, r, b->random);
}

static random_attributes standard(int kind)
{
    return (random_attributes){.kind = (random_kind)kind, .low = 0, .high = 1};
}

static tf_type dtype_of(const tf_call *c)
{
    const tf_attribute *type = tf_attribute_of(c, "dtype");

    return type != NULL && type->count == 1 ? type->values[0].type : TF_FLOAT;
}

bool tf_emit_random(tf_build *b, tf_call *c, const tf_entry *e)
{
    random_attributes r = standard(e->parameter);
    const value v = drawn(b, c, e, &r);

    return v != VALUE_NONE && tf_give(b, c, 0, v, dtype_of(c));
}

/* Integers from `low` to `high` - 1 out of numbers in [0, 1). */
static bool give_integers(tf_build *b, tf_call *c, value unit, uint32_t low_input)
{
    graph *g = b->graph;
    const tf_tensor *low_tensor = &c->inputs[low_input];
    const value low = tf_input(b, c, low_input), high = tf_input(b, c, low_input + 1);

    if (!graph_ok(g)) return false;
    const value span = op_sub(g, high, low);
    const value scaled = op_mul(g, unit, op_cast(g, span, EBB_F32));
    const value last = op_sub(g, span, graph_scalar_i32(g, 1));
    const value place =
        op_binary(g, BINARY_MIN, op_cast(g, op_unary(g, UNARY_FLOOR, scaled), EBB_I32), last);
    return tf_give(b, c, 0, op_add(g, place, low), low_tensor->type);
}

bool tf_emit_random_int(tf_build *b, tf_call *c, const tf_entry *e)
{
    random_attributes r = standard(RANDOM_UNIFORM);
    const value unit = drawn(b, c, e, &r);

    return unit != VALUE_NONE && give_integers(b, c, unit, 1);
}

/* -- without a state --------------------------------------------------------------------------- */

/* Item `i` of a vector, as a scalar. */
static value item(tf_build *b, value v, dim i)
{
    return op_reshape(b->graph, op_slice_axis(b->graph, v, 0, i, 1, 1), &(shape){.rank = 0});
}

/* The two numbers of a seed in one. */
static value key_of_seed(tf_build *b, const tf_call *c, uint32_t i)
{
    graph *g = b->graph;
    const value seed = tf_input(b, c, i);

    if (seed == VALUE_NONE) return VALUE_NONE;
    if (graph_rank(g, seed) != 1 || graph_dim(g, seed, 0) != 2) {
        (void)tf_fail(b, c, EBB_E_SHAPE, "the seed must be two integers");
        return VALUE_NONE;
    }
    const value high = op_mul(g, item(b, seed, 0), graph_scalar_i32(g, 0x3C6EF372));
    return op_add(g, high, item(b, seed, 1));
}

/* Inputs: shape, seed (older), or shape, key, counter, algorithm. */
static value drawn_stateless(tf_build *b, tf_call *c, bool has_key, random_attributes *r)
{
    if (!tf_shape_input(b, c, 0, &r->to)) return VALUE_NONE;
    r->seed = mixed(GOLDEN, 1);
    if (!has_key) return op_random_stream(b->graph, r, key_of_seed(b, c, 1));
    const value key = tf_input(b, c, 1), counter = tf_input(b, c, 2);
    if (!graph_ok(b->graph)) return VALUE_NONE;
    return op_random_stream(b->graph, r, op_add(b->graph, item(b, key, 0), item(b, counter, 0)));
}

bool tf_emit_random_stateless(tf_build *b, tf_call *c, const tf_entry *e)
{
    random_attributes r = standard(e->parameter);
    const value v = drawn_stateless(b, c, e->inputs_max == 4, &r);

    return graph_ok(b->graph) && tf_give(b, c, 0, v, dtype_of(c));
}

bool tf_emit_random_stateless_int(tf_build *b, tf_call *c, const tf_entry *e)
{
    random_attributes r = standard(RANDOM_UNIFORM);
    const value unit = drawn_stateless(b, c, e->parameter == 1, &r);

    return graph_ok(b->graph) && give_integers(b, c, unit, e->parameter == 1 ? 4 : 2);
}

bool tf_emit_random_key_counter(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    static const int32_t zeros[2] = {0};
    const value key = key_of_seed(b, c, 0);

    (void)e;
    if (!graph_ok(g)) return false;
    const shape one = {.rank = 1, .dims = {1}}, two = {.rank = 1, .dims = {2}};
    return tf_give(b, c, 0, op_reshape(g, key, &one), TF_UINT64) &&
           tf_give(b, c, 1, graph_constant(g, EBB_I32, &two, zeros), TF_UINT64);
}

/* 1: Philox. */
bool tf_emit_random_algorithm(tf_build *b, tf_call *c, const tf_entry *e)
{
    const dim philox = 1;

    (void)e;
    return tf_give_lengths(b, c, TF_INT32, 0, NULL, &philox, 1);
}
