/* promotion.c -- the dtypes Keras declares for results. Values are computed in F32, I32 and BOOL;
 * what a tensor is declared as decides only the type of a model's outputs. Source:
 * keras/src/backend/common/dtypes.py (the lattice), layer.py (compute dtype of a policy). */
#include "layer/assembly.h"
#include "tensor/dtype.h"

static bool is_unsigned(ebb_dtype t)
{
    return t == EBB_U8 || t == EBB_U16 || t == EBB_U32 || t == EBB_U64;
}

static ebb_dtype integers_promote(ebb_dtype a, ebb_dtype b)
{
    if (is_unsigned(a) == is_unsigned(b)) return ebb_dtype_bytes(a) >= ebb_dtype_bytes(b) ? a : b;
    const ebb_dtype plain = is_unsigned(a) ? b : a, positive = is_unsigned(a) ? a : b;
    if (ebb_dtype_bytes(plain) > ebb_dtype_bytes(positive)) return plain;
    switch (positive) {
    case EBB_U8: return EBB_I16;
    case EBB_U16: return EBB_I32;
    case EBB_U32: return EBB_I64;
    default: return EBB_F32;
    }
}

ebb_dtype dtype_promote(ebb_dtype a, ebb_dtype b)
{
    if (a == b || b == EBB_DTYPE_NONE || b == EBB_BOOL) return a == EBB_DTYPE_NONE ? b : a;
    if (a == EBB_DTYPE_NONE || a == EBB_BOOL) return b;
    if (dtype_is_float(a) != dtype_is_float(b)) return dtype_is_float(a) ? a : b;
    if (!dtype_is_float(a)) return integers_promote(a, b);
    return a == EBB_F64 || b == EBB_F64 ? EBB_F64 : EBB_F32;
}

static ebb_dtype argument_promote(const call_argument *a)
{
    if (a->kind == CALL_LIST) return arguments_promote(a->items, a->item_count);
    return a->kind == CALL_TENSOR ? a->tensor.declared : EBB_DTYPE_NONE;
}

/* Recursion: lists within lists, as deep as nested_run lets in. */
ebb_dtype arguments_promote(const call_argument *arguments, uint32_t count)
{
    ebb_dtype all = EBB_DTYPE_NONE;
    for (uint32_t i = 0; i < count; i++) all = dtype_promote(all, argument_promote(&arguments[i]));
    return all;
}

static ebb_dtype integer_default(const layer_instance *i, const layer_call *call)
{
    const bool is_layer = i->source == NULL || !i->source->is_operation;
    if (is_layer && dtype_is_integer(i->compute)) return i->compute;
    ebb_dtype all = EBB_DTYPE_NONE;
    for (uint32_t k = 0; k < call->input_count; k++) {
        if (call->inputs[k].dtype == EBB_I32) all = dtype_promote(all, call->inputs[k].declared);
    }
    return dtype_is_integer(all) ? all : EBB_I32;
}

static ebb_dtype float_default(const layer_instance *i, const layer_call *call)
{
    ebb_dtype t = i->compute;
    if (i->source != NULL && i->source->is_operation) {
        t = arguments_promote(call->arguments, call->argument_count);
    }
    return dtype_is_float(t) ? t : EBB_F32;
}

/* A layer that gives back what it got: floats were brought to its compute dtype on the way in. */
static bool is_passed_on(const layer_instance *i, const layer_call *call,
                         const layer_tensor *output)
{
    if (output->dtype != EBB_F32 || i->model != NULL) return false;
    if (i->source != NULL && i->source->is_operation) return false;
    for (uint32_t k = 0; k < call->input_count; k++) {
        if (call->inputs[k].v == output->v) return call->inputs[k].declared == output->declared;
    }
    return false;
}

void output_complete(const graph *g, const layer_instance *i, const layer_call *call,
                     layer_tensor *output)
{
    output->dtype = graph_value(g, output->v)->dtype;
    if (is_passed_on(i, call, output)) output->declared = EBB_DTYPE_NONE;
    if (output->declared != EBB_DTYPE_NONE) return;
    if (output->dtype == EBB_F32)
        output->declared = float_default(i, call);
    else if (output->dtype == EBB_I32)
        output->declared = integer_default(i, call);
    else
        output->declared = output->dtype;
}
