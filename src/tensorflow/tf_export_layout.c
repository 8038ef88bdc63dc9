/* tf_export_layout.c -- shapes, slices, indices, images, random numbers. */
#include "tensorflow/tf_export_internal.h"

#include <math.h>

/* One unknown length among known ones is left to TensorFlow (-1). */
void export_op_reshape(emitter *e, const node *n)
{
    const reshape_attributes *r = n->attributes;
    const tf_type type = export_type(e, n->inputs[0]);
    const tensor_ref x = export_input(e, n, 0);
    int64_t dims[EBB_RANK_MAX];
    uint32_t unknown = 0;
    bool has_zero = false;

    for (uint32_t i = 0; i < r->to.rank; i++) {
        dims[i] = dim_known(r->to.dims[i]) ? r->to.dims[i] : -1;
        unknown += dims[i] < 0;
        has_zero |= dims[i] == 0;
    }
    export_set(e, n, 0,
               unknown == 0 || (unknown == 1 && !has_zero)
                   ? export_reshape(e, type, x, dims, r->to.rank)
                   : export_2(e, TF_Reshape, type, x, length_shape(e, &r->to)));
}

void export_op_transpose(emitter *e, const node *n)
{
    const transpose_attributes *t = n->attributes;
    const uint32_t rank = graph_rank(e->g, n->inputs[0]);
    int64_t order[EBB_RANK_MAX];

    for (uint32_t i = 0; i < rank; i++) order[i] = t->order[i];
    export_set(
        e, n, 0,
        export_transpose(e, export_type(e, n->inputs[0]), export_input(e, n, 0), order, rank));
}

/* TensorFlow broadcasts along few runs of axes at a time. */
void export_op_broadcast(emitter *e, const node *n)
{
    const broadcast_attributes *b = n->attributes;
    const shape *from = graph_shape(e->g, n->inputs[0]), *to = &b->to;
    const tf_type type = export_type(e, n->inputs[0]);
    const uint32_t new_axes = to->rank - from->rank;
    tensor_ref x = export_input(e, n, 0);
    shape step = *to;
    bool is_open = false;

    for (uint32_t i = 0; i < to->rank; i++)
        step.dims[i] = i < new_axes ? 1 : from->dims[i - new_axes];
    for (uint32_t i = 0; i < to->rank; i++) {
        const bool is_wider = i < new_axes || step.dims[i] != to->dims[i];
        if (is_open && !is_wider) x = export_2(e, TF_BroadcastTo, type, x, length_shape(e, &step));
        is_open = is_wider;
        step.dims[i] = to->dims[i];
    }
    if (is_open) x = export_2(e, TF_BroadcastTo, type, x, length_shape(e, to));
    export_set(e, n, 0, x);
}

void export_op_concat(emitter *e, const node *n)
{
    const concat_attributes *c = n->attributes;
    tensor_ref *items = export_memory(e, (size_t)n->input_count + 1, sizeof *items);
    attributes a = {.count = 0};
    uint32_t count = 0;

    if (items == NULL) return;
    for (uint32_t i = 0; i < n->input_count; i++) {
        if (export_has(n, i)) items[count++] = export_input(e, n, i);
    }
    items[count] = export_i32(e, c->axis);
    attributes_int(&a, "N", count);
    attributes_type(&a, "T", export_type(e, n->inputs[0]));
    attributes_type(&a, "Tidx", TF_INT32);
    export_set(e, n, 0, export_node(e, TF_ConcatV2, items, count + 1, &a));
}

void export_op_slice(emitter *e, const node *n)
{
    const slice_attributes *s = n->attributes;
    const shape *of = graph_shape(e->g, n->inputs[0]);
    length start[EBB_RANK_MAX], lengths[EBB_RANK_MAX];

    for (uint32_t i = 0; i < of->rank; i++) {
        start[i] = length_of(e, s->start[i]);
        lengths[i] = length_of(e, s->length[i]);
    }
    export_set(e, n, 0,
               export_slice(e, export_type(e, n->inputs[0]), export_input(e, n, 0), start, lengths,
                            s->step, of, of->rank));
}

void export_op_pad(emitter *e, const node *n)
{
    const pad_attributes *p = n->attributes;
    const tf_type type = export_type(e, n->inputs[0]);
    const uint32_t rank = graph_rank(e->g, n->inputs[0]);
    const tensor_ref x = export_input(e, n, 0);
    const int64_t pairs[] = {rank, 2};
    length amounts[2 * EBB_RANK_MAX];
    attributes a = {.count = 0};

    for (uint32_t i = 0; i < rank; i++) {
        amounts[2 * i] = length_of(e, p->before[i]);
        amounts[2 * i + 1] = length_of(e, p->after[i]);
    }
    const tensor_ref paddings =
        export_reshape(e, TF_INT32, length_list(e, amounts, 2 * rank), pairs, 2);
    if (p->kind == PAD_CONSTANT) {
        const tensor_ref number = p->number == 0
                                      ? export_zero(e, type)
                                      : export_cast(e, export_f32(e, p->number), TF_FLOAT, type);
        export_set(e, n, 0, export_3(e, TF_PadV2, type, x, paddings, number));
        return;
    }
    attributes_type(&a, "T", type);
    attributes_text(&a, "mode", p->kind == PAD_REFLECT ? "REFLECT" : "SYMMETRIC");
    export_set(e, n, 0, export_node(e, TF_MirrorPad, (const tensor_ref[]){x, paddings}, 2, &a));
}

/* -- indices ----------------------------------------------------------------------------------- */

/* Inside the axis, as gather here has it: what is out of range takes the first or last item. */
static tensor_ref index_inside(emitter *e, tensor_ref index, length items, bool wrap)
{
    const tensor_ref zero = export_i32(e, 0);
    const length last = length_make(e, DIM_SUB, items, length_number(1));

    if (wrap) {
        const tensor_ref is_negative = export_2(e, TF_Less, TF_INT32, index, zero);
        const tensor_ref from_end = export_2(e, TF_AddV2, TF_INT32, index, length_ref(e, items));
        index = export_3(e, TF_SelectV2, TF_INT32, is_negative, from_end, index);
    }
    index = export_2(e, TF_Maximum, TF_INT32, index, zero);
    return export_2(e, TF_Minimum, TF_INT32, index, length_ref(e, last));
}

void export_op_gather(emitter *e, const node *n)
{
    const gather_attributes *p = n->attributes;
    const length items = length_of(e, graph_dim(e->g, n->inputs[0], (int)p->axis));
    const tensor_ref inputs[] = {export_input(e, n, 0),
                                 index_inside(e, export_input(e, n, 1), items, p->wrap),
                                 export_i32(e, p->axis)};
    attributes a = {.count = 0};

    attributes_type(&a, "Tparams", export_type(e, n->inputs[0]));
    attributes_type(&a, "Tindices", TF_INT32);
    attributes_type(&a, "Taxis", TF_INT32);
    attributes_int(&a, "batch_dims", p->batch_dims);
    export_set(e, n, 0, export_node(e, TF_GatherV2, inputs, 3, &a));
}

void export_op_one_hot(emitter *e, const node *n)
{
    const one_hot_attributes *o = n->attributes;
    const tensor_ref inputs[] = {export_input(e, n, 0), export_i32(e, o->depth), export_f32(e, 1),
                                 export_f32(e, 0)};
    attributes a = {.count = 0};

    attributes_type(&a, "T", TF_FLOAT);
    attributes_type(&a, "TI", TF_INT32);
    export_set(e, n, 0, export_node(e, TF_OneHot, inputs, 4, &a));
}

void export_op_iota(emitter *e, const node *n)
{
    const iota_attributes *i = n->attributes;
    const length start = length_of(e, i->start);
    const length end = length_make(e, DIM_ADD, start, length_of(e, i->length));
    const tensor_ref inputs[] = {length_ref(e, start), length_ref(e, end), export_i32(e, 1)};
    attributes a = {.count = 0};

    attributes_type(&a, "Tidx", TF_INT32);
    export_set(e, n, 0, export_node(e, TF_Range, inputs, 3, &a));
}

/* -- images ------------------------------------------------------------------------------------ */

/* As tf.image.resize: with antialias, and for Lanczos always, pixels are mixed by a kernel. */
static const char *kernel_of(const resize_attributes *r)
{
    switch (r->kind) {
    case RESIZE_BILINEAR: return r->antialias ? "triangle" : NULL;
    case RESIZE_BICUBIC: return r->antialias ? "keyscubic" : NULL;
    case RESIZE_LANCZOS3: return "lanczos3";
    case RESIZE_LANCZOS5: return "lanczos5";
    case RESIZE_NEAREST: break;
    }
    return NULL;
}

static tensor_ref emit_mixed(emitter *e, const node *n, const char *kernel, bool antialias,
                             tensor_ref size)
{
    static const float origin[2] = {0};
    const shape *s = graph_shape(e->g, n->inputs[0]);
    const length from[] = {length_of(e, s->dims[1]), length_of(e, s->dims[2])};
    const tensor_ref old = export_cast(e, length_list(e, from, 2), TF_INT32, TF_FLOAT);
    const tensor_ref now = export_cast(e, size, TF_INT32, TF_FLOAT);
    const tensor_ref scale = export_2(e, TF_RealDiv, TF_FLOAT, now, old);
    const tensor_ref shift =
        export_constant(e, TF_FLOAT, &(tf_shape){.has_rank = true, .rank = 1, .dims = {2}}, origin);
    const tensor_ref inputs[] = {export_input(e, n, 0), size, scale, shift};
    attributes a = {.count = 0};

    attributes_type(&a, "T", TF_FLOAT);
    attributes_text(&a, "kernel_type", kernel);
    attributes_bool(&a, "antialias", antialias);
    return export_node(e, TF_ScaleAndTranslate, inputs, 4, &a);
}

void export_op_resize(emitter *e, const node *n)
{
    const resize_attributes *r = n->attributes;
    const length to[] = {length_of(e, r->height), length_of(e, r->width)};
    const tensor_ref size = length_list(e, to, 2);
    const char *kernel = kernel_of(r);
    const operation_id plain = r->kind == RESIZE_NEAREST    ? TF_ResizeNearestNeighbor
                               : r->kind == RESIZE_BILINEAR ? TF_ResizeBilinear
                                                            : TF_ResizeBicubic;
    attributes a = {.count = 0};

    if (kernel != NULL) {
        export_set(e, n, 0, emit_mixed(e, n, kernel, r->antialias, size));
        return;
    }
    attributes_type(&a, "T", TF_FLOAT);
    attributes_bool(&a, "half_pixel_centers", true);
    export_set(e, n, 0,
               export_node(e, plain, (const tensor_ref[]){export_input(e, n, 0), size}, 2, &a));
}

/* -- random numbers ---------------------------------------------------------------------------- */

/* TensorFlow draws its own: other numbers in every run, of the same distribution. */
void export_op_random(emitter *e, const node *n)
{
    static const operation_id operations[] = {[RANDOM_UNIFORM] = TF_RandomUniform,
                                              [RANDOM_NORMAL] = TF_RandomStandardNormal,
                                              [RANDOM_TRUNCATED_NORMAL] = TF_TruncatedNormal};
    const random_attributes *r = n->attributes;
    const tensor_ref size = length_shape(e, &r->to);
    const bool is_uniform = r->kind == RANDOM_UNIFORM;
    const float scale = is_uniform ? r->high - r->low : r->high;
    attributes a = {.count = 0};

    attributes_type(&a, "dtype", TF_FLOAT);
    attributes_type(&a, "T", TF_INT32);
    const tensor_ref drawn = export_node(e, operations[r->kind], &size, 1, &a);
    const tensor_ref wide = export_2(e, TF_Mul, TF_FLOAT, drawn, export_f32(e, scale));
    export_set(e, n, 0, export_2(e, TF_AddV2, TF_FLOAT, wide, export_f32(e, r->low)));
}
