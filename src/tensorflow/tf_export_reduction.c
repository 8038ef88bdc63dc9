/* tf_export_reduction.c -- sums and the like, softmax, normalisation, cumulative sums. */
#include "tensorflow/tf_export_internal.h"

/* log(sum(exp(x))), safe for large x. */
static tensor_ref log_sum_exp(emitter *e, tensor_ref x, uint32_t axes, uint32_t rank,
                              bool keep_dims)
{
    const tensor_ref most = export_reduce(e, TF_Max, TF_FLOAT, x, axes, rank, true);
    const tensor_ref is_finite = export_1(e, TF_IsFinite, TF_FLOAT, most);
    const tensor_ref centre =
        export_3(e, TF_SelectV2, TF_FLOAT, is_finite, most, export_zero(e, TF_FLOAT));
    const tensor_ref power =
        export_1(e, TF_Exp, TF_FLOAT, export_2(e, TF_Sub, TF_FLOAT, x, centre));
    const tensor_ref sum = export_reduce(e, TF_Sum, TF_FLOAT, power, axes, rank, keep_dims);
    const tensor_ref back =
        keep_dims ? centre : export_reduce(e, TF_Sum, TF_FLOAT, centre, axes, rank, false);

    return export_2(e, TF_AddV2, TF_FLOAT, export_1(e, TF_Log, TF_FLOAT, sum), back);
}

void export_op_reduce(emitter *e, const node *n)
{
    static const operation_id operations[] = {
        [REDUCE_SUM] = TF_Sum, [REDUCE_MEAN] = TF_Mean, [REDUCE_MAX] = TF_Max,
        [REDUCE_MIN] = TF_Min, [REDUCE_PROD] = TF_Prod, [REDUCE_ANY] = TF_Any,
        [REDUCE_ALL] = TF_All,
    };
    const reduce_attributes *r = n->attributes;
    const uint32_t rank = graph_rank(e->g, n->inputs[0]);
    const tensor_ref x = export_input(e, n, 0);

    export_set(e, n, 0,
               r->kind == REDUCE_LOG_SUM_EXP
                   ? log_sum_exp(e, x, r->axes, rank, r->keep_dims)
                   : export_reduce(e, operations[r->kind], export_type(e, n->inputs[0]), x, r->axes,
                                   rank, r->keep_dims));
}

void export_op_arg_reduce(emitter *e, const node *n)
{
    const arg_reduce_attributes *r = n->attributes;
    const tensor_ref inputs[] = {export_input(e, n, 0), export_i32(e, r->axis)};
    attributes a = {.count = 0};

    attributes_type(&a, "T", export_type(e, n->inputs[0]));
    attributes_type(&a, "output_type", TF_INT32);
    export_set(e, n, 0, export_node(e, r->is_max ? TF_ArgMax : TF_ArgMin, inputs, 2, &a));
}

void export_op_softmax(emitter *e, const node *n)
{
    const softmax_attributes *s = n->attributes;
    const uint32_t rank = graph_rank(e->g, n->inputs[0]);
    const tensor_ref x = export_input(e, n, 0);

    if (rank > 0 && s->axes == 1u << (rank - 1)) {
        export_set(e, n, 0, export_1(e, s->is_log ? TF_LogSoftmax : TF_Softmax, TF_FLOAT, x));
        return;
    }
    const tensor_ref most = export_reduce(e, TF_Max, TF_FLOAT, x, s->axes, rank, true);
    const tensor_ref centred = export_2(e, TF_Sub, TF_FLOAT, x, most);
    const tensor_ref power = export_1(e, TF_Exp, TF_FLOAT, centred);
    const tensor_ref sum = export_reduce(e, TF_Sum, TF_FLOAT, power, s->axes, rank, true);
    export_set(e, n, 0,
               s->is_log
                   ? export_2(e, TF_Sub, TF_FLOAT, centred, export_1(e, TF_Log, TF_FLOAT, sum))
                   : export_2(e, TF_RealDiv, TF_FLOAT, power, sum));
}

void export_op_normalize(emitter *e, const node *n)
{
    const normalize_attributes *a = n->attributes;
    const uint32_t rank = graph_rank(e->g, n->inputs[0]);
    const uint32_t axes = ((1u << a->axis_count) - 1) << (rank - a->axis_count);
    tensor_ref x = export_input(e, n, 0), square;

    if (a->is_rms) {
        square = export_1(e, TF_Square, TF_FLOAT, x);
    } else {
        const tensor_ref mean = export_reduce(e, TF_Mean, TF_FLOAT, x, axes, rank, true);
        x = export_2(e, TF_Sub, TF_FLOAT, x, mean);
        square = export_1(e, TF_Square, TF_FLOAT, x);
    }
    const tensor_ref spread = export_reduce(e, TF_Mean, TF_FLOAT, square, axes, rank, true);
    const tensor_ref safe = export_2(e, TF_AddV2, TF_FLOAT, spread, export_f32(e, a->epsilon));
    tensor_ref y = export_2(e, TF_Mul, TF_FLOAT, x, export_1(e, TF_Rsqrt, TF_FLOAT, safe));
    if (export_has(n, 1)) y = export_2(e, TF_Mul, TF_FLOAT, y, export_input(e, n, 1));
    if (export_has(n, 2)) y = export_2(e, TF_AddV2, TF_FLOAT, y, export_input(e, n, 2));
    export_set(e, n, 0, y);
}

void export_op_cumulative(emitter *e, const node *n)
{
    const cumulative_attributes *c = n->attributes;
    const tensor_ref inputs[] = {export_input(e, n, 0), export_i32(e, c->axis)};
    attributes a = {.count = 0};

    attributes_type(&a, "T", export_type(e, n->inputs[0]));
    attributes_bool(&a, "exclusive", c->exclusive);
    attributes_bool(&a, "reverse", c->reverse);
    export_set(e, n, 0, export_node(e, c->is_product ? TF_Cumprod : TF_Cumsum, inputs, 2, &a));
}
