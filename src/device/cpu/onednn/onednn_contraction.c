/* onednn_contraction.c -- planning matmul, conv and conv_transpose: epilogue as post-ops,
 * weights packed or plain, and the choice between what oneDNN offers for each. */
#include <math.h>
#include <string.h>

#include "device/cpu/onednn/onednn_step.h"

/* Layout of a weight that oneDNN packed: saved descs. */
typedef struct packed_layout {
    const void *plain, *packed;
} packed_layout;

static ebb_status reorder(const void *from_saved, const void *to_saved, const void *source,
                          void *destination)
{
    onednn_desc from = {0}, to = {0}, scratch = {0};
    dnnl_primitive_desc_t work = NULL;
    onednn_task task = {0};
    ebb_status status = EBB_E_MEMORY;
    const int before = onednn_enter(1);
    dnnl_stream_t stream = onednn_stream_make();
    dnnl_exec_arg_t a[2] = {{DNNL_ARG_FROM, NULL}, {DNNL_ARG_TO, NULL}};

    if (stream != NULL && onednn_desc_load(&from, from_saved) && onednn_desc_load(&to, to_saved))
        work = onednn_reorder_work(&from, &to);
    if (work != NULL && onednn_work_scratch(work, &scratch)) {
        /* a scratchpad never came up for plain F32 reorders; without the caller's region there
         * is none */
        task.prim = onednn_desc_bytes(&scratch) == 0 ? onednn_prim_make(work) : NULL;
        a[0].memory = onednn_memory_make(&from, (void *)source);
        a[1].memory = onednn_memory_make(&to, destination);
        if (task.prim != NULL && a[0].memory != NULL && a[1].memory != NULL) {
            onednn_prim_run(task.prim, stream, 2, a);
            status = EBB_OK;
        }
        onednn_memory_drop(a[0].memory);
        onednn_memory_drop(a[1].memory);
        onednn_prim_drop(task.prim);
    }
    onednn_work_drop(work);
    onednn_desc_drop(&scratch);
    onednn_desc_drop(&from);
    onednn_desc_drop(&to);
    onednn_stream_drop(stream);
    onednn_leave(before);
    return status;
}

static ebb_status weight_pack(const weight_form *form, const tensor_desc *plain, const void *source,
                              void *destination)
{
    const packed_layout *l = form->layout;

    (void)plain;
    return reorder(l->plain, l->packed, source, destination);
}

static ebb_status weight_unpack(const weight_form *form, const tensor_desc *plain,
                                const void *source, void *destination)
{
    const packed_layout *l = form->layout;

    (void)plain;
    return reorder(l->packed, l->plain, source, destination);
}

static bool is_ours(const weight_form *form)
{
    return form->pack == weight_pack;
}

static const weight_form *form_make(region *home, const onednn_desc *plain,
                                    const onednn_desc *packed)
{
    weight_form *form = region_new(home, weight_form, 1);
    packed_layout *layout = region_new(home, packed_layout, 1);

    if (form == NULL || layout == NULL) return NULL;
    layout->plain = onednn_desc_save(plain, home);
    layout->packed = onednn_desc_save(packed, home);
    if (layout->plain == NULL || layout->packed == NULL) return NULL;
    *form = (weight_form){"onednn", onednn_desc_bytes(packed), layout, weight_pack, weight_unpack};
    return form;
}

/* -- the epilogue as post-ops
 * ------------------------------------------------------------------- */

static bool add_eltwise(onednn_posts *p, dnnl_alg_kind_t function, float alpha, float beta)
{
    if (p->count == ONEDNN_POSTS_MAX) return false;
    p->items[p->count++] = (onednn_post){ONEDNN_POST_ELTWISE, NULL, function, alpha, beta};
    return true;
}

static bool add_relu(onednn_posts *p, const unary_attributes *a)
{
    if (a->beta != 0) return false;
    if (a->alpha == 0 && a->gamma < INFINITY) return add_eltwise(p, dnnl_eltwise_clip, 0, a->gamma);
    if (a->gamma < INFINITY) return false;
    return add_eltwise(p, dnnl_eltwise_relu, a->alpha, 0);
}

/* False: no post-op computes this one. oneDNN 3 takes parameters where 2 had constants. */
static bool add_activation(onednn_posts *p, const unary_attributes *a)
{
    switch (a->kind) {
    case UNARY_IDENTITY: return true;
    case UNARY_RELU: return add_relu(p, a);
    case UNARY_SIGMOID: return add_eltwise(p, dnnl_eltwise_logistic, 0, 0);
    case UNARY_TANH: return add_eltwise(p, dnnl_eltwise_tanh, 0, 0);
    case UNARY_SILU: return add_eltwise(p, dnnl_eltwise_swish, 1, 0);
    case UNARY_ELU: return add_eltwise(p, dnnl_eltwise_elu, a->alpha, 0);
    case UNARY_GELU_TANH: return add_eltwise(p, dnnl_eltwise_gelu_tanh, 0, 0);
    case UNARY_GELU: return add_eltwise(p, dnnl_eltwise_gelu_erf, 0, 0);
    case UNARY_CLIP: return add_eltwise(p, dnnl_eltwise_clip, a->alpha, a->beta);
    case UNARY_HARD_TANH: return add_eltwise(p, dnnl_eltwise_clip, -1, 1);
    case UNARY_HARD_SIGMOID:
        return add_eltwise(p, dnnl_eltwise_linear, a->alpha, a->beta) &&
               add_eltwise(p, dnnl_eltwise_clip, 0, 1);
    case UNARY_HARD_SILU: return add_eltwise(p, dnnl_eltwise_hardswish, 1.0f / 6, 0.5f);
    case UNARY_AFFINE: return add_eltwise(p, dnnl_eltwise_linear, a->alpha, a->beta);
    case UNARY_ABS: return add_eltwise(p, dnnl_eltwise_abs, 0, 0);
    default: return false;
    }
}

static bool has_input(const kernel_plan *plan, uint32_t i)
{
    return i < plan->node->input_count && plan->inputs[i].dtype != EBB_DTYPE_NONE;
}

static void add_binary(onednn_posts *p, onednn_post_kind kind, const onednn_desc *operand)
{
    p->items[p->count++] = (onednn_post){.kind = kind, .operand = operand};
}

/* -- choosing
 * ----------------------------------------------------------------------------------- */

typedef struct choice {
    dnnl_primitive_desc_t work;
    bool is_fused, is_bias_natural, is_summed;
    onednn_posts posts;
} choice;

/* How fast an implementation is known to be by its kind: small-matrix code, other JIT code,
 * im2col. */
static int speed_rank(dnnl_primitive_desc_t work)
{
    if (work == NULL) return 0;
    const char *name = onednn_work_name(work);
    if (strstr(name, "brg") != NULL || strstr(name, "brdgmm") != NULL) return 3;
    return strstr(name, "gemm") != NULL ? 1 : 2;
}

static bool has_operands(const onednn_posts *p)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (p->items[i].kind != ONEDNN_POST_ELTWISE) return true;
    return false;
}

/* The im2col convolution of 2.6 gives wrong numbers with post-ops that have operands (seen with
 * small channel counts and a scale per channel): such a choice is no choice. */
static void drop_if_doubtful(choice *c)
{
    if (speed_rank(c->work) != 1 || !has_operands(&c->posts)) return;
    onednn_work_drop(c->work);
    c->work = NULL;
}

/* The whole epilogue inside the primitive; the residual is added by `residual_kind`. No work:
 * not possible. */
static choice choose_fused(const kernel_plan *plan, const onednn_contraction *c,
                           const onednn_desc *weights, onednn_post_kind residual_kind)
{
    const bool has_bias = has_input(plan, INPUT_BIAS), has_scale = has_input(plan, INPUT_SCALE);
    const bool has_residual = has_input(plan, INPUT_RESIDUAL);
    onednn_operands o = {&c->source, weights, NULL, &c->destination, NULL};
    choice fused = {.is_fused = true, .is_bias_natural = has_bias && !has_scale};

    fused.is_summed = has_residual && residual_kind == ONEDNN_POST_SUM;
    if (has_scale) add_binary(&fused.posts, ONEDNN_POST_MUL, &c->vector);
    if (has_scale && has_bias) add_binary(&fused.posts, ONEDNN_POST_ADD, &c->vector);
    if (has_residual) add_binary(&fused.posts, residual_kind, &c->destination);
    if (!add_activation(&fused.posts, &c->epilogue->activation)) return fused;
    o.bias = fused.is_bias_natural ? &c->bias : NULL;
    o.posts = &fused.posts;
    fused.work = c->make(&o, &c->window);
    drop_if_doubtful(&fused);
    return fused;
}

static void keep_faster(choice *best, choice other)
{
    if (speed_rank(other.work) > speed_rank(best->work)) {
        onednn_work_drop(best->work);
        *best = other;
    } else {
        onednn_work_drop(other.work);
    }
}

/* The best work for weights of a given desc: fused if that costs no slower implementation. */
static choice choose(const kernel_plan *plan, const onednn_contraction *c,
                     const onednn_desc *weights)
{
    const onednn_operands o = {&c->source, weights, NULL, &c->destination, NULL};
    choice best = choose_fused(plan, c, weights, ONEDNN_POST_SUM), bare = {0};

    if (speed_rank(best.work) < 3 && has_input(plan, INPUT_RESIDUAL))
        keep_faster(&best, choose_fused(plan, c, weights, ONEDNN_POST_ADD));
    if (speed_rank(best.work) < 2) {
        bare.work = c->make(&o, &c->window);
        keep_faster(&best, bare);
    }
    return best;
}

/* Arguments of the chosen work, weights apart. */
static bool add_arguments(const onednn_contraction *c, const choice *best, onednn_task *task)
{
    int next = 0;
    bool good = onednn_step_add(task, DNNL_ARG_SRC, PLACE_INPUT, INPUT_SOURCE, &c->source) &&
                onednn_step_add(task, DNNL_ARG_DST, PLACE_OUTPUT, 0, &c->destination);

    if (!best->is_fused) return good;
    if (best->is_bias_natural)
        good = good && onednn_step_add(task, DNNL_ARG_BIAS, PLACE_INPUT, INPUT_BIAS, &c->bias);
    for (uint32_t i = 0; good && i < best->posts.count; i++, next++) {
        const onednn_post *p = &best->posts.items[i];
        const uint32_t input = p->kind == ONEDNN_POST_MUL ? INPUT_SCALE
                               : p->operand == &c->vector ? INPUT_BIAS
                                                          : INPUT_RESIDUAL;

        if (p->kind == ONEDNN_POST_MUL || p->kind == ONEDNN_POST_ADD)
            good = onednn_step_add(task, DNNL_ARG_ATTR_MULTIPLE_POST_OP(next) | DNNL_ARG_SRC_1,
                                   PLACE_INPUT, input, p->operand);
    }
    return good;
}

/* A reorder from the form the weight has to the one the work wants, into scratch. */
static bool add_repack(kernel_plan *plan, onednn_step *step, const onednn_desc *have,
                       const onednn_desc *want)
{
    step->repack.work = onednn_reorder_work(have, want);
    if (step->repack.work == NULL) return false;
    plan->scratch_bytes = (onednn_desc_bytes(want) + 63) & ~(uint64_t)63;
    return onednn_step_add(&step->repack, DNNL_ARG_FROM, PLACE_INPUT, INPUT_WEIGHTS, have) &&
           onednn_step_add(&step->repack, DNNL_ARG_TO, PLACE_SCRATCH, 0, want) &&
           onednn_step_add(&step->main, DNNL_ARG_WEIGHTS, PLACE_SCRATCH, 0, want);
}

/* Weights that oneDNN may lay out: decides the form if nobody has. */
static bool plan_packed(kernel_plan *plan, const onednn_contraction *c, onednn_step *step,
                        choice *best, const weight_form **form)
{
    onednn_desc any = {0}, have = {0}, want = {0};
    bool good = onednn_desc_any(&any, c->weights_rank, c->weights_dims);

    if (good && *form != NULL) {
        good = onednn_desc_load(&have, ((const packed_layout *)(*form)->layout)->packed);
        if (good) *best = choose(plan, c, &have);
    }
    if (good && speed_rank(best->work) < 2) {
        onednn_work_drop(best->work);
        *best = choose(plan, c, &any);
    }
    good = good && best->work != NULL && onednn_work_weights(best->work, &want);
    if (good && *form == NULL) {
        if (!onednn_desc_equal(&want, &c->weights))
            *form = form_make(plan->home, &c->weights, &want);
        good = onednn_step_add(&step->main, DNNL_ARG_WEIGHTS, PLACE_INPUT, INPUT_WEIGHTS, &want) &&
               (*form != NULL || onednn_desc_equal(&want, &c->weights));
    } else if (good && onednn_desc_equal(&have, &want)) {
        good = onednn_step_add(&step->main, DNNL_ARG_WEIGHTS, PLACE_INPUT, INPUT_WEIGHTS, &want);
    } else if (good) {
        good = add_repack(plan, step, &have, &want);
    }
    onednn_desc_drop(&any);
    onednn_desc_drop(&have);
    onednn_desc_drop(&want);
    return good;
}

static bool plan_plain(kernel_plan *plan, const onednn_contraction *c, onednn_step *step,
                       choice *best)
{
    *best = choose(plan, c, &c->weights);
    return best->work != NULL &&
           onednn_step_add(&step->main, DNNL_ARG_WEIGHTS, PLACE_INPUT, INPUT_WEIGHTS, &c->weights);
}

static bool plan_weights(kernel_plan *plan, const onednn_contraction *c, onednn_step *step,
                         choice *best)
{
    const weight_form *form = plan->weights[INPUT_WEIGHTS].form;
    const bool is_decided = plan->weights[INPUT_WEIGHTS].is_decided;

    if (form != WEIGHT_PLAIN) return is_ours(form) && plan_packed(plan, c, step, best, &form);
    if (!plan->weights[INPUT_WEIGHTS].is_weight || is_decided ||
        onednn_desc_bytes(&c->weights) > WEIGHT_PACK_BYTES_MAX)
        return plan_plain(plan, c, step, best);
    if (!plan_packed(plan, c, step, best, &form)) return false;
    plan->weights[INPUT_WEIGHTS].form = form;
    return true;
}

bool onednn_contraction_plan(kernel_plan *plan, const onednn_contraction *c)
{
    onednn_step step = {.threads = plan->threads, .rows = c->rows, .columns = c->columns};
    choice best = {0};
    const int before = onednn_enter(plan->threads);
    bool good = plan_weights(plan, c, &step, &best);

    step.main.work = best.work;
    step.is_unfused = !best.is_fused;
    step.is_summed = best.is_summed;
    step.after = *c->epilogue;
    for (uint32_t i = INPUT_BIAS; i <= INPUT_SCALE; i++) step.has_input[i] = has_input(plan, i);
    good = good && add_arguments(c, &best, &step.main);
    if (good) {
        good = onednn_step_finish(plan, &step);
        if (good && step.is_summed) plan->in_place_with = INPUT_RESIDUAL;
    } else {
        onednn_step_drop(&step);
        plan->scratch_bytes = 0;
    }
    if (!good && !plan->weights[INPUT_WEIGHTS].is_decided)
        plan->weights[INPUT_WEIGHTS].form = WEIGHT_PLAIN;
    onednn_leave(before);
    return good;
}

void onednn_contraction_drop(onednn_contraction *c)
{
    onednn_desc_drop(&c->source);
    onednn_desc_drop(&c->weights);
    onednn_desc_drop(&c->destination);
    onednn_desc_drop(&c->bias);
    onednn_desc_drop(&c->vector);
}
