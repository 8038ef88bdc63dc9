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
    const int before = onednn_enter();
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
    p->items[p->count++] = (onednn_post){
        .kind = ONEDNN_POST_ELTWISE, .function = function, .alpha = alpha, .beta = beta};
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

static void add_binary(onednn_posts *p, onednn_post_kind kind, const onednn_desc *operand,
                       uint32_t input)
{
    p->items[p->count++] = (onednn_post){.kind = kind, .operand = operand, .input = input};
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
    if (has_scale) add_binary(&fused.posts, ONEDNN_POST_MUL, &c->vector, INPUT_SCALE);
    if (has_scale && has_bias) add_binary(&fused.posts, ONEDNN_POST_ADD, &c->vector, INPUT_BIAS);
    if (has_residual) add_binary(&fused.posts, residual_kind, &c->destination, INPUT_RESIDUAL);
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

/* -- parts
 * -------------------------------------------------------------------------------------- */

/* What plans one step: the whole, and how it is cut. */
typedef struct planning {
    kernel_plan *plan;
    const onednn_contraction *whole;
    onednn_step step;
    choice first;     /* of part 0, if made already */
    bool is_repacked; /* weights come from scratch */
} planning;

static uint64_t weights_offset(const onednn_contraction *c, const onednn_slice *slice)
{
    if (!c->is_weights_cut) return 0;
    return (uint64_t)slice->result *
           (onednn_desc_bytes(&c->weights) / (uint64_t)c->cut.result_dims[0]);
}

/* Arguments of the chosen work. */
static bool add_arguments(const planning *p, const choice *best, const onednn_slice *slice,
                          onednn_task *task)
{
    const onednn_contraction *c = p->whole;
    const uint64_t result = onednn_cut_result_offset(&c->cut, slice);
    bool good =
        onednn_step_add(task, DNNL_ARG_SRC, PLACE_INPUT, INPUT_SOURCE,
                        onednn_cut_source_offset(&c->cut, slice)) &&
        onednn_step_add(task, DNNL_ARG_DST, PLACE_OUTPUT, 0, result) &&
        onednn_step_add(task, DNNL_ARG_WEIGHTS, p->is_repacked ? PLACE_SCRATCH : PLACE_INPUT,
                        p->is_repacked ? 0 : INPUT_WEIGHTS, weights_offset(c, slice));

    if (!best->is_fused) return good;
    if (best->is_bias_natural)
        good = good && onednn_step_add(task, DNNL_ARG_BIAS, PLACE_INPUT, INPUT_BIAS, 0);
    for (uint32_t i = 0; good && i < best->posts.count; i++) {
        const onednn_post *post = &best->posts.items[i];

        if (post->kind == ONEDNN_POST_MUL || post->kind == ONEDNN_POST_ADD)
            good = onednn_step_add(task, DNNL_ARG_ATTR_MULTIPLE_POST_OP((int)i) | DNNL_ARG_SRC_1,
                                   PLACE_INPUT, post->input,
                                   post->input == INPUT_RESIDUAL ? result : 0);
    }
    return good;
}

/* The whole with the rows of one slice. Borrows the other descs of the whole: undone by
 * part_drop(). */
static bool part_make(const onednn_contraction *whole, const onednn_slice *slice,
                      onednn_contraction *part)
{
    bool good = true;

    *part = *whole;
    part->source = part->destination = (onednn_desc){0};
    if (whole->is_weights_cut) {
        part->weights = (onednn_desc){0};
        part->weights_dims[0] = slice->result_count;
        good = onednn_desc_make(&part->weights, part->weights_rank, part->weights_dims,
                                whole->weights_strides);
    }
    onednn_cut_window(&whole->cut, slice, &part->window);
    return onednn_cut_descs(&whole->cut, slice, &part->source, &part->destination) && good;
}

static void part_drop(const onednn_contraction *whole, onednn_contraction *part)
{
    onednn_desc_drop(&part->source);
    onednn_desc_drop(&part->destination);
    if (whole->is_weights_cut) onednn_desc_drop(&part->weights);
}

/* Weights in the layout `want`, or (NULL) as they are. */
static choice choose_for_slice(const planning *p, const onednn_slice *slice,
                               const onednn_desc *want)
{
    onednn_contraction part;
    choice best = {0};

    if (part_make(p->whole, slice, &part))
        best = choose(p->plan, &part, want != NULL ? want : &part.weights);
    part_drop(p->whole, &part);
    return best;
}

/* Part k is an earlier one with other rows: the same code. */
static bool borrow(planning *p, uint32_t k, const onednn_slice *slice)
{
    const onednn_cut *cut = &p->whole->cut;

    for (uint32_t i = 0; i < k; i++) {
        onednn_part *part = &p->step.parts[k];
        onednn_slice other;

        if (p->step.parts[i].task.is_borrowed) continue;
        (void)onednn_cut_slice(cut, i, p->step.part_count, &other);
        if (!onednn_slice_same(&other, slice)) continue;
        *part = p->step.parts[i];
        part->task.is_borrowed = true;
        part->lender = i;
        for (uint32_t a = 0; a < part->task.count; a++) {
            onednn_argument *moved = &part->task.arguments[a];
            const bool is_result = moved->id == DNNL_ARG_DST || moved->number == INPUT_RESIDUAL;

            if (moved->id == DNNL_ARG_SRC)
                moved->offset = onednn_cut_source_offset(cut, slice);
            else if (moved->id == DNNL_ARG_WEIGHTS)
                moved->offset = weights_offset(p->whole, slice);
            else if (is_result)
                moved->offset = onednn_cut_result_offset(cut, slice);
        }
        return true;
    }
    return false;
}

static bool plan_part(planning *p, uint32_t k, const onednn_slice *slice, const onednn_desc *want,
                      int rank_least)
{
    onednn_part *part = &p->step.parts[k];
    choice best = k == 0 ? p->first : (choice){0};

    if (k == 0) p->first = (choice){0};
    if (best.work == NULL) best = choose_for_slice(p, slice, want);
    part->task.work = best.work;
    part->is_unfused = !best.is_fused;
    part->is_summed = best.is_summed;
    return best.work != NULL && speed_rank(best.work) >= rank_least &&
           add_arguments(p, &best, slice, &part->task);
}

/* Plans every part with weights in the layout `want` (NULL: as they are). No part may be served
 * worse than `rank_least`. */
static bool plan_parts(planning *p, const onednn_desc *want, int rank_least)
{
    const onednn_cut *cut = &p->whole->cut;

    for (uint32_t k = 0; k < p->step.part_count; k++) {
        onednn_part *part = &p->step.parts[k];
        onednn_slice slice;

        if (!onednn_cut_slice(cut, k, p->step.part_count, &slice)) return false;
        if (!borrow(p, k, &slice) && !plan_part(p, k, &slice, want, rank_least)) return false;
        part->result_offset = onednn_cut_result_offset(cut, &slice);
        part->rows =
            p->whole->rows * (uint64_t)slice.result_count / (uint64_t)cut->result_dims[cut->axis];
    }
    return true;
}

/* A reorder of the weights from the form they have to the one the parts want, into scratch. */
static bool add_repack(planning *p, const onednn_desc *have, const onednn_desc *want)
{
    onednn_task *repack = &p->step.repack;

    repack->work = onednn_reorder_work(have, want);
    if (repack->work == NULL) return false;
    p->is_repacked = true;
    p->plan->scratch_bytes = (onednn_desc_bytes(want) + 63) & ~(uint64_t)63;
    return onednn_step_add(repack, DNNL_ARG_FROM, PLACE_INPUT, INPUT_WEIGHTS, 0) &&
           onednn_step_add(repack, DNNL_ARG_TO, PLACE_SCRATCH, 0, 0);
}

/* Parts with weights in the layout that part 0 likes best; *want is that layout. */
static bool plan_free(planning *p, onednn_desc *want, const onednn_desc *have)
{
    onednn_desc any = {0};
    onednn_slice slice;
    bool good = onednn_cut_slice(&p->whole->cut, 0, p->step.part_count, &slice) &&
                onednn_desc_any(&any, p->whole->weights_rank, p->whole->weights_dims);

    if (good) p->first = choose_for_slice(p, &slice, &any);
    onednn_desc_drop(&any);
    good = good && p->first.work != NULL && onednn_work_weights(p->first.work, want);
    if (good && have != NULL && !onednn_desc_equal(have, want)) good = add_repack(p, have, want);
    good = good && plan_parts(p, want, speed_rank(p->first.work));
    onednn_work_drop(p->first.work);
    p->first.work = NULL;
    return good;
}

/* Was the weight packed from the same matrix? Another node may read it transposed: a square one
 * then has the same lengths, and the packed bytes say nothing of which axis is which. */
static bool is_same_matrix(const planning *p, const packed_layout *l)
{
    onednn_desc plain = {0};
    const bool same =
        onednn_desc_load(&plain, l->plain) && onednn_desc_equal(&plain, &p->whole->weights);

    onednn_desc_drop(&plain);
    return same;
}

/* Weights that were packed for an earlier node or executable. */
static bool plan_decided(planning *p, const weight_form *form)
{
    const packed_layout *layout = form->layout;
    onednn_desc have = {0}, want = {0};

    if (!is_same_matrix(p, layout)) return false;
    bool good = onednn_desc_load(&have, layout->packed);

    if (good && !plan_parts(p, &have, 2)) {
        onednn_step_clear(&p->step);
        good = plan_free(p, &want, &have);
    }
    onednn_desc_drop(&have);
    onednn_desc_drop(&want);
    return good;
}

/* Weights that oneDNN may lay out: decides the form. */
static bool plan_undecided(planning *p, const weight_form **form)
{
    onednn_desc want = {0};
    bool good = plan_free(p, &want, NULL);

    if (good && !onednn_desc_equal(&want, &p->whole->weights)) {
        *form = form_make(p->plan->home, &p->whole->weights, &want);
        good = *form != NULL;
    }
    onednn_desc_drop(&want);
    return good;
}

/* A matrix that is another one at every run: into the library's layout each time, if it has a
 * better one. */
static bool plan_changing(planning *p)
{
    const onednn_contraction *c = p->whole;
    onednn_desc want = {0};
    const bool good = !c->is_weights_cut && !c->is_plain_best && plan_free(p, &want, &c->weights);

    onednn_desc_drop(&want);
    if (good) return true;
    onednn_step_clear(&p->step);
    p->is_repacked = false;
    p->plan->scratch_bytes = 0;
    return plan_parts(p, NULL, 1);
}

static bool plan_weights(planning *p)
{
    const weight_form *form = p->plan->weights[INPUT_WEIGHTS].form;
    const bool is_decided = p->plan->weights[INPUT_WEIGHTS].is_decided;

    if (form != WEIGHT_PLAIN) return is_ours(form) && plan_decided(p, form);
    if (!p->plan->weights[INPUT_WEIGHTS].is_weight) return plan_changing(p);
    if (is_decided || onednn_desc_bytes(&p->whole->weights) > WEIGHT_PACK_BYTES_MAX)
        return plan_parts(p, NULL, 1);
    if (!plan_undecided(p, &form)) return false;
    p->plan->weights[INPUT_WEIGHTS].form = form;
    return true;
}

static bool plan_cut(kernel_plan *plan, const onednn_contraction *c, uint32_t parts)
{
    planning p = {.plan = plan, .whole = c};

    p.step.columns = c->columns;
    p.step.after = *c->epilogue;
    for (uint32_t i = INPUT_BIAS; i <= INPUT_SCALE; i++) p.step.has_input[i] = has_input(plan, i);
    if (onednn_step_parts(plan, &p.step, parts) && plan_weights(&p)) {
        bool is_summed = false;

        for (uint32_t k = 0; k < parts; k++) is_summed = is_summed || p.step.parts[k].is_summed;
        if (is_summed) plan->in_place_with = INPUT_RESIDUAL;
        if (onednn_step_finish(plan, &p.step)) return true;
    }
    plan->in_place_with = 0;
    onednn_step_drop(&p.step);
    plan->scratch_bytes = 0;
    if (!plan->weights[INPUT_WEIGHTS].is_decided) plan->weights[INPUT_WEIGHTS].form = WEIGHT_PLAIN;
    return false;
}

static uint64_t flops_of(const onednn_contraction *c)
{
    uint64_t count = 2 * c->rows;

    for (uint32_t i = 0; i < c->weights_rank; i++) count *= (uint64_t)c->weights_dims[i];
    return c->is_weights_cut ? count / (uint64_t)c->weights_dims[0] : count;
}

bool onednn_contraction_plan(kernel_plan *plan, const onednn_contraction *c)
{
    const uint32_t parts = onednn_cut_parts(&c->cut, plan->threads, flops_of(c));
    const int before = onednn_enter();
    const bool good = plan_cut(plan, c, parts) || (parts > 1 && plan_cut(plan, c, 1));

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
