/* literal.c -- numbers written inside a configuration become constants of the graph.
 *
 * Keras writes an array that is an argument of a call as {"class_name": "__numpy__", "config":
 * {"value": nested lists, "dtype": name}} ("__tensor__" likewise). Ragged lists are refused. */
#include <string.h>

#include "base/status.h"
#include "layer/assembly.h"
#include "tensor/dtype.h"

typedef struct literal_reader {
    graph *g;
    shape s;
    float *numbers;
    size_t used;
    bool has_fraction, has_number;
} literal_reader;

bool literal_is_wrapped(const json *literal)
{
    const char *class_name = json_text(json_get(literal, "class_name"), "");
    return strcmp(class_name, "__numpy__") == 0 || strcmp(class_name, "__tensor__") == 0;
}

static bool is_scalar(const json *j)
{
    return j->kind == JSON_INTEGER || j->kind == JSON_NUMBER || j->kind == JSON_BOOL;
}

/* The shape by the first item of every level. */
static bool shape_guess(const json *j, shape *s, uint64_t *count)
{
    *count = 1;
    s->rank = 0;
    while (j->kind == JSON_ARRAY) {
        if (s->rank == EBB_RANK_MAX) return false;
        s->dims[s->rank++] = j->count;
        *count *=
            j->count; /* below 2^32 items of text each: no overflow before the check of the fill */
        if (j->count == 0) return true;
        if (*count > UINT32_MAX) return false;
        j = &j->as.items[0];
    }
    return is_scalar(j);
}

/* Recursion: EBB_RANK_MAX levels. */
static bool fill(literal_reader *r, const json *j, uint32_t level)
{
    if (level == r->s.rank) {
        if (!is_scalar(j)) return false;
        r->has_fraction |= j->kind == JSON_NUMBER;
        r->has_number |= j->kind != JSON_BOOL;
        r->has_fraction |=
            j->kind == JSON_INTEGER && (j->as.integer > INT32_MAX || j->as.integer < INT32_MIN);
        if (r->numbers != NULL) {
            r->numbers[r->used] =
                j->kind == JSON_BOOL ? (float)j->as.boolean : (float)json_number(j, 0);
        }
        r->used++;
        return true;
    }
    if (j->kind != JSON_ARRAY || j->count != (uint64_t)r->s.dims[level]) return false;
    for (uint32_t i = 0; i < j->count; i++) {
        if (!fill(r, &j->as.items[i], level + 1)) return false;
    }
    return true;
}

/* The same walk as fill(), into int32: float would lose the low bits. Recursion: EBB_RANK_MAX
 * levels. */
static void fill_integers(const json *j, int32_t *numbers, size_t *used)
{
    if (j->kind != JSON_ARRAY) {
        numbers[(*used)++] = j->kind == JSON_BOOL ? j->as.boolean : (int32_t)json_integer(j, 0);
        return;
    }
    for (uint32_t i = 0; i < j->count; i++) fill_integers(&j->as.items[i], numbers, used);
}

static value constant_make(literal_reader *r, region *scratch, const json *numbers,
                           ebb_dtype *dtype)
{
    *dtype = r->has_fraction ? EBB_F32 : r->has_number ? EBB_I32 : EBB_BOOL;
    const size_t count = r->used > 0 ? r->used : 1;
    r->used = 0;
    if (*dtype == EBB_F32) {
        r->numbers = region_new(scratch, float, count);
        if (r->numbers == NULL) return graph_fail(r->g, EBB_E_MEMORY, "no memory for a constant");
        fill(r, numbers, 0);
        return graph_constant(r->g, EBB_F32, &r->s, r->numbers);
    }
    int32_t *integers = region_new(scratch, int32_t, count);
    if (integers == NULL) return graph_fail(r->g, EBB_E_MEMORY, "no memory for a constant");
    fill_integers(numbers, integers, &r->used);
    const value v = graph_constant(r->g, EBB_I32, &r->s, integers);
    return op_cast(r->g, v, *dtype);
}

static ebb_dtype compute_for(ebb_dtype declared)
{
    if (declared == EBB_BOOL) return EBB_BOOL;
    return dtype_is_integer(declared) ? EBB_I32 : EBB_F32;
}

bool literal_tensor(graph *g, const json *literal, layer_tensor *tensor)
{
    *tensor = (layer_tensor){0};
    if (literal == NULL || !graph_ok(g)) return false;
    const bool is_wrapped = literal_is_wrapped(literal);
    const json *numbers = is_wrapped ? json_path(literal, "config.value") : literal;
    literal_reader r = {.g = g};
    uint64_t count = 0;
    if (numbers == NULL || !shape_guess(numbers, &r.s, &count) || !fill(&r, numbers, 0))
        return false;
    region *scratch = region_open(g->home, "literal", EBB_CLASS_META, 0);
    if (scratch == NULL) return graph_fail(g, EBB_E_MEMORY, "no memory for a constant"), false;
    tensor->v = constant_make(&r, scratch, numbers, &tensor->dtype);
    region_close(scratch);
    if (is_wrapped) {
        const json *config = json_get(literal, "config");
        tensor->declared = dtype_from_name(json_text(json_get(config, "dtype"), "float32"));
        if (tensor->declared == EBB_DTYPE_NONE) {
            graph_fail(g, EBB_E_UNSUPPORTED, "a constant of dtype '%.40s' is not supported",
                       json_text(json_get(config, "dtype"), "?"));
            return false;
        }
        tensor->dtype = compute_for(tensor->declared);
        tensor->v = op_cast(g, tensor->v, tensor->dtype);
    }
    return graph_ok(g);
}
