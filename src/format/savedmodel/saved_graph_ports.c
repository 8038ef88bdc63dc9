/* saved_graph_ports.c -- the order of a signature's inputs and outputs; see saved_graph_parts.h.
 *
 * A signature names its ports but does not order them, and the function behind it takes them by
 * name. The function that one calls is the model's own, with the ports in the model's order: so
 * calls are followed as long as one call takes all inputs, or gives all outputs. Where there is no
 * such call the names decide, numbers in them by value ("output_2" before "output_10"). */
#include <string.h>

#include "base/status.h"
#include "format/order.h"
#include "format/savedmodel/saved_graph_parts.h"

#define CALLS_MAX 32 /* followed */

/* Where ports are now: in the graph, or in a function. */
typedef struct level {
    const graph_view *v;
    const function_message *f; /* NULL: the graph */
    name_table names;          /* of the function's nodes */
    bool failed;               /* no memory */
} level;

static const node_message *level_node(const level *l, const char *input)
{
    const char *name;
    const size_t length = input_name(input, &name);

    if (l->f == NULL) return graph_view_node(l->v, input);
    const uint32_t number = name_table_find(&l->names, name, length);
    return number == NAME_NONE ? NULL : l->f->node_def[number];
}

static bool level_enter(level *l, const function_message *f)
{
    l->failed = !name_table_make(l->v->scratch, f->n_node_def, &l->names);
    if (l->failed) return false;
    l->f = f;
    for (size_t i = 0; i < f->n_node_def; i++)
        (void)name_table_put(&l->names, f->node_def[i]->name, (uint32_t)i);
    return true;
}

static bool is_identity(const node_message *n)
{
    return n != NULL && strcmp(n->op, "Identity") == 0 && n->n_input > 0;
}

/* -- outputs ------------------------------------------------------------------------------------
 */

/* The call that gives the tensor; NULL: none. *input: its tensor, behind Identity. */
static const node_message *giver(const level *l, const char **input)
{
    const node_message *n = level_node(l, *input);

    for (int steps = 0; is_identity(n) && steps < CALLS_MAX; steps++) {
        *input = n->input[0];
        n = level_node(l, *input);
    }
    return n;
}

static const char *result_text(const function_message *f, uint32_t number)
{
    if (number >= f->signature->n_output_arg) return NULL;
    for (size_t i = 0; i < f->n_ret; i++) {
        if (strcmp(f->ret[i]->key, f->signature->output_arg[number]->name) == 0)
            return f->ret[i]->value;
    }
    return NULL;
}

/* Goes one call inwards; false: `list` stays. */
static bool outputs_descend(level *l, const char **tensors, port_order *list, size_t count)
{
    const function_message *f = NULL;

    for (size_t i = 0; i < count; i++) {
        const char *tensor = tensors[i];
        const node_message *n = giver(l, &tensor);
        const function_message *own = n == NULL ? NULL : graph_view_callee(l->v, n);
        if (own == NULL || (f != NULL && own != f)) return false;
        f = own;
        if (result_text(f, output_number(tensor)) == NULL) return false;
    }
    for (size_t i = 0; i < count; i++) {
        const char *tensor = tensors[i];
        (void)giver(l, &tensor);
        list[i].place = output_number(tensor);
        tensors[i] = result_text(f, output_number(tensor));
    }
    return count > 0 && level_enter(l, f);
}

/* -- inputs -------------------------------------------------------------------------------------
 */

static bool is_name(const char *input, const char *name)
{
    const char *own;
    const size_t length = input_name(input, &own);

    return input[0] != '^' && strlen(name) == length && memcmp(own, name, length) == 0;
}

static bool call_takes(const node_message *n, const char *name, uint32_t *number)
{
    for (size_t i = 0; i < n->n_input; i++) {
        if (!is_name(n->input[i], name)) continue;
        *number = (uint32_t)i;
        return true;
    }
    return false;
}

static bool inputs_descend_by(level *l, const node_message *n, const char **names, port_order *list,
                              size_t count)
{
    const function_message *f = graph_view_callee(l->v, n);
    uint32_t number = 0;

    if (f == NULL) return false;
    for (size_t i = 0; i < count; i++) {
        if (!call_takes(n, names[i], &number) || number >= f->signature->n_input_arg) return false;
    }
    for (size_t i = 0; i < count; i++) {
        (void)call_takes(n, names[i], &number);
        list[i].place = number;
        names[i] = f->signature->input_arg[number]->name;
    }
    return level_enter(l, f);
}

/* The first call that takes them all. */
static bool inputs_descend(level *l, const char **names, port_order *list, size_t count)
{
    const size_t all = l->f == NULL ? l->v->node_count : l->f->n_node_def;

    for (size_t i = 0; i < all && count > 0; i++) {
        const node_message *n = l->f == NULL ? l->v->nodes[i] : l->f->node_def[i];
        uint32_t number;
        if (!call_takes(n, names[0], &number)) continue;
        if (inputs_descend_by(l, n, names, list, count)) return true;
        if (l->failed) return false;
    }
    return false;
}

/* -----------------------------------------------------------------------------------------------
 */

/* As strcmp, but digits count as numbers. */
static int compare_names(const char *a, const char *b)
{
    while (*a != '\0' && *b != '\0') {
        const size_t left = strspn(a, "0123456789"), right = strspn(b, "0123456789");
        if (left > 0 && right > 0) {
            if (left != right) return left < right ? -1 : 1;
            const int order = memcmp(a, b, left);
            if (order != 0) return order;
            a += left;
            b += right;
            continue;
        }
        if (*a != *b) break;
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

static int compare_ports(const void *left, const void *right)
{
    const port_order *a = left, *b = right;

    if (a->place != b->place) return a->place < b->place ? -1 : 1;
    return compare_names((*a->port)->key, (*b->port)->key);
}

ebb_status graph_ports_order(const graph_view *v, const signature_message *s, bool is_output,
                             port_order *list)
{
    const size_t count = is_output ? s->n_outputs : s->n_inputs;
    port_message *const *ports = is_output ? s->outputs : s->inputs;
    const char **names = region_new(v->scratch, const char *, count + 1);
    level l = {.v = v};
    bool is_followed = true;

    if (names == NULL) return region_fail(v->scratch, v->error, v->where, "a signature");
    for (size_t i = 0; i < count; i++) {
        const char *tensor = ports[i]->value != NULL ? ports[i]->value->name : "", *begin;
        const size_t length = input_name(tensor, &begin);
        list[i] = (port_order){.port = &ports[i]};
        names[i] = is_output ? tensor : region_text_length(v->scratch, begin, length);
        if (names[i] == NULL) return region_fail(v->scratch, v->error, v->where, "a signature");
    }
    for (int steps = 0; is_followed && steps < CALLS_MAX; steps++) {
        is_followed = is_output ? outputs_descend(&l, names, list, count)
                                : inputs_descend(&l, names, list, count);
    }
    if (l.failed) return region_fail(v->scratch, v->error, v->where, "a signature");
    order_sort(list, count, sizeof *list, compare_ports);
    return EBB_OK;
}
