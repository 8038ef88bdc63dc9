/* path.c -- see path.h. Data edges only, and those lead to nodes that were added before, so one
 * pass in each direction is enough. */
#include "runtime/session/path.h"

#define MARK_BELOW 1u /* depends on an x */
#define MARK_ABOVE 2u /* a y depends on it */

static void mark_below(const symbolic *s, uint8_t *marks)
{
    const sym_body *b = &s->body;

    for (uint32_t i = 0; i < b->node_count; i++) {
        const sym_node *n = &b->nodes[i];
        uint8_t any = 0;
        for (uint32_t k = 0; k < n->input_count; k++) any |= marks[n->inputs[k]] & MARK_BELOW;
        for (uint32_t k = 0; k < n->output_count; k++) marks[n->output_first + k] |= any;
    }
}

static void mark_above(const symbolic *s, uint8_t *marks)
{
    const sym_body *b = &s->body;

    for (uint32_t i = b->node_count; i-- > 0;) {
        const sym_node *n = &b->nodes[i];
        uint8_t any = 0;
        for (uint32_t k = 0; k < n->output_count; k++)
            any |= marks[n->output_first + k] & MARK_ABOVE;
        for (uint32_t k = 0; k < n->input_count; k++) marks[n->inputs[k]] |= any;
    }
}

ebb_status path_find(region *work, const symbolic *s, const uint32_t *ys, uint32_t y_count,
                     const uint32_t *xs, uint32_t x_count, sym_path *result, ebb_error *error)
{
    uint8_t *marks = region_new(work, uint8_t, s->body.tensor_count + 1);

    if (marks == NULL) return region_fail(work, error, s->name, "gradients");
    for (uint32_t i = 0; i < x_count; i++) marks[xs[i]] |= MARK_BELOW;
    for (uint32_t i = 0; i < y_count; i++) marks[ys[i]] |= MARK_ABOVE;
    mark_below(s, marks);
    mark_above(s, marks);
    result->marks = marks;
    return EBB_OK;
}

bool path_reaches(const sym_path *p, uint32_t tensor)
{
    return (p->marks[tensor] & MARK_ABOVE) != 0;
}

bool path_passes(const symbolic *s, const sym_path *p, uint32_t node)
{
    const sym_node *n = &s->body.nodes[node];
    uint8_t in = 0, out = 0;

    for (uint32_t k = 0; k < n->input_count; k++) in |= p->marks[n->inputs[k]];
    for (uint32_t k = 0; k < n->output_count; k++) out |= p->marks[n->output_first + k];
    return (in & MARK_BELOW) != 0 && (out & MARK_ABOVE) != 0;
}
