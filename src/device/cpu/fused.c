/* fused.c -- fused elementwise nodes: the portable and the vector row, which differ in the
 * functions that their steps call.
 *
 * The elements are taken in blocks that stay in the first-level cache; each step runs over a block
 * as a whole. What a step makes lies in a slot (a block of scratch), or already in the result:
 *
 *     input  ....[block]....      slot 0 [block]   slot 1 [block]      result ....[block]....
 *
 * An input that repeats is used where it lies when a block sees one piece of it, else it is spread
 * out in a slot; a block holds whole repetitions if they are short, so that this is done once.
 * A result may share memory with any input of its shape: it is written in place only by steps after
 * which no such input is read, and copied at the end of the block otherwise. Each thread has slots
 * of its own; which blocks it takes depends on counts alone, and no element on its block. Sums are
 * doubles, each thread's its own, added up in order at the end.
 */
#include <math.h>
#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"
#include "device/cpu/unary_gradient_math.h"
#include "device/cpu/vector.h"

#define BLOCK_FLOATS  ((size_t)1024)
#define REGISTERS_MAX (FUSED_INPUTS_MAX + FUSED_STEPS_MAX)
#define PLACE_NONE    UINT8_MAX
/* Steps times elements below which another thread costs more than it does. */
#define PARALLEL_WORK ((size_t)65536)

typedef struct fused_work {
    fused_kind kind;
    uint32_t function;
    uint32_t a, b, c, result; /* registers */
    vector_form form;
    unary_attributes attributes;
    vector_unary unary;
    vector_slope slope;
    vector_pair pair; /* NULL: the portable loop of the kind */
    vector_choice choice;
} fused_work;

/* Where the block of a register lies. */
typedef struct fused_register {
    uint8_t slot;   /* PLACE_NONE: in the input or result itself */
    uint8_t output; /* PLACE_NONE: in none */
    bool is_spread; /* an input that is copied into its slot */
    bool is_bool;   /* its memory holds bytes */
    size_t period;  /* of an input; 0: as long as the result */
} fused_register;

typedef struct fused_state {
    size_t count, block, parts;
    size_t columns, width; /* of sums; width 0: there are none */
    uint64_t sums;         /* [parts, sum_count, width] in scratch */
    uint32_t sum_count;
    vector_down down;
    uint32_t input_count, step_count, result_count, slot_count;
    fused_register registers[REGISTERS_MAX];
    fused_work steps[FUSED_STEPS_MAX];
    fused_result results[FUSED_RESULTS_MAX];
} fused_state;

/* -- portable steps --------------------------------------------------------------------------- */

#define COMPARE_LOOP(operator)                                                                     \
    for (size_t i = 0; i < count; i++) y[i] = a[i] operator b[i] ? 1.0f : 0.0f;                    \
    break

static void compare_portable(uint32_t kind, const float *a, const float *b, float *y, size_t count)
{
    switch ((compare_kind)kind) {
    case COMPARE_EQUAL: COMPARE_LOOP(==);
    case COMPARE_NOT_EQUAL: COMPARE_LOOP(!=);
    case COMPARE_LESS: COMPARE_LOOP(<);
    case COMPARE_LESS_EQUAL: COMPARE_LOOP(<=);
    case COMPARE_GREATER: COMPARE_LOOP(>);
    case COMPARE_GREATER_EQUAL: COMPARE_LOOP(>=);
    }
}

static void select_portable(const float *condition, const float *a, const float *b, float *y,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) y[i] = condition[i] != 0 ? a[i] : b[i];
}

static void run_step(const fused_work *w, const float *a, const float *b, const float *c, float *y,
                     size_t count)
{
    switch (w->kind) {
    case FUSED_UNARY: w->unary(&w->attributes, a, y, count); return;
    case FUSED_SLOPE: w->slope(&w->attributes, a, b, y, count); return;
    case FUSED_SELECT: w->choice(a, b, c, y, count); return;
    case FUSED_BINARY:
        if (w->pair != NULL)
            w->pair(a, b, y, count);
        else
            portable_binary_line((binary_kind)w->function)(a, w->form != VECTOR_ONE_LEFT, b,
                                                           w->form != VECTOR_ONE_RIGHT, y, count);
        return;
    case FUSED_COMPARE:
        if (w->pair != NULL)
            w->pair(a, b, y, count);
        else
            compare_portable(w->function, a, b, y, count);
        return;
    }
}

/* -- planning --------------------------------------------------------------------------------- */

static uint32_t operands_of(const fused_work *w, uint32_t operands[3])
{
    operands[0] = w->a;
    operands[1] = w->b;
    operands[2] = w->c;
    return w->kind == FUSED_UNARY ? 1 : w->kind == FUSED_SELECT ? 3 : 2;
}

static bool describe_inputs(const kernel_plan *plan, fused_state *s)
{
    for (uint32_t i = 0; i < s->input_count; i++) {
        const size_t count = (size_t)tensor_desc_count(&plan->inputs[i]);

        s->registers[i] = (fused_register){.slot = PLACE_NONE,
                                           .output = PLACE_NONE,
                                           .is_bool = plan->inputs[i].dtype == EBB_BOOL,
                                           .period = count == s->count ? 0 : count};
        if (count == 0 || s->count % count != 0) return false;
    }
    return true;
}

/* A number alone beside a whole operand needs no copies of it. */
static bool is_number(const fused_state *s, uint32_t r)
{
    return r < s->input_count && s->registers[r].period == 1 && !s->registers[r].is_bool;
}

static void describe_step(const fused_state *s, const kernel_plan *plan, const fused_step *from,
                          fused_work *w)
{
    const cpu_isa isa = plan->device->isa;

    *w = (fused_work){
        .kind = from->kind,
        .function = from->function,
        .a = from->a,
        .b = from->b,
        .c = from->c,
        .attributes = {(unary_kind)from->function, from->alpha, from->beta, from->gamma}};
    switch (from->kind) {
    case FUSED_UNARY: w->unary = vector_unary_find(isa, &w->attributes); break;
    case FUSED_SLOPE: w->slope = vector_slope_find(isa, &w->attributes); break;
    case FUSED_BINARY:
        if (is_number(s, w->a) && !is_number(s, w->b)) w->form = VECTOR_ONE_LEFT;
        if (is_number(s, w->b) && !is_number(s, w->a)) w->form = VECTOR_ONE_RIGHT;
        w->pair = vector_binary_find(isa, (binary_kind)w->function, w->form);
        break;
    case FUSED_COMPARE: w->pair = vector_compare_find(isa, (compare_kind)w->function); break;
    case FUSED_SELECT:
        w->choice = vector_select_find(isa);
        if (w->choice == NULL) w->choice = select_portable;
        break;
    }
}

/* Is operand k of this step read as one number? */
static bool takes_number(const fused_work *w, uint32_t k)
{
    return (w->form == VECTOR_ONE_LEFT && k == 0) || (w->form == VECTOR_ONE_RIGHT && k == 1);
}

static void choose_block(fused_state *s)
{
    size_t longest = 1;

    for (uint32_t i = 0; i < s->input_count; i++) {
        const size_t period = s->registers[i].period;

        if (period > longest && period <= BLOCK_FLOATS) longest = period;
    }
    s->block = BLOCK_FLOATS / longest * longest;
    if (s->block > s->count) s->block = s->count;
}

/* Inputs that must be copied before a step can read them as a block. */
static void choose_spread(fused_state *s)
{
    for (uint32_t i = 0; i < s->step_count; i++) {
        uint32_t operands[3];
        const uint32_t count = operands_of(&s->steps[i], operands);

        for (uint32_t k = 0; k < count; k++) {
            fused_register *r = &s->registers[operands[k]];

            if (operands[k] >= s->input_count || takes_number(&s->steps[i], k)) continue;
            r->is_spread = r->is_spread || r->is_bool || r->period != 0;
        }
    }
    for (uint32_t i = 0; i < s->input_count; i++)
        if (s->registers[i].is_spread) s->registers[i].slot = (uint8_t)s->slot_count++;
}

/* The last step that reads a register; its own step if none does. */
static uint32_t last_use(const fused_state *s, uint32_t r)
{
    uint32_t last = r < s->input_count ? 0 : r - s->input_count;

    for (uint32_t i = 0; i < s->step_count; i++) {
        uint32_t operands[3];
        const uint32_t count = operands_of(&s->steps[i], operands);

        for (uint32_t k = 0; k < count; k++)
            if (operands[k] == r) last = i;
    }
    return last;
}

/* A result that lies in its own memory at once: no input that could share it is read later. */
static void choose_outputs(fused_state *s)
{
    uint32_t last_input = 0;

    for (uint32_t i = 0; i < s->input_count; i++) {
        const uint32_t last = last_use(s, i);

        if (s->registers[i].period == 0 && last > last_input) last_input = last;
    }
    for (uint32_t k = 0; k < s->result_count; k++) {
        fused_register *r = &s->registers[s->results[k].source];

        if (s->results[k].dtype == EBB_F32 && s->results[k].summed_axes == 0 &&
            r->output == PLACE_NONE && s->results[k].source - s->input_count >= last_input)
            r->output = (uint8_t)k;
    }
}

static bool is_result(const fused_state *s, uint32_t r)
{
    for (uint32_t k = 0; k < s->result_count; k++)
        if (s->results[k].source == r) return true;
    return false;
}

/* Slots for the steps, given back after their last use; results keep theirs. */
static void choose_slots(fused_state *s)
{
    uint8_t free_slots[REGISTERS_MAX];
    uint32_t free_count = 0;

    for (uint32_t i = 0; i < s->step_count; i++) {
        fused_register *own = &s->registers[s->input_count + i];

        if (own->output == PLACE_NONE)
            own->slot = free_count > 0 ? free_slots[--free_count] : (uint8_t)s->slot_count++;
        for (uint32_t r = s->input_count; r <= s->input_count + i; r++)
            if (s->registers[r].slot != PLACE_NONE && last_use(s, r) == i && !is_result(s, r))
                free_slots[free_count++] = s->registers[r].slot;
    }
}

static void count_elements(const kernel_plan *plan, fused_state *s)
{
    for (uint32_t i = 0; i < plan->node->input_count; i++) {
        const size_t count = (size_t)tensor_desc_count(&plan->inputs[i]);

        if (count > s->count || i == 0) s->count = count;
        if (count == 0) {
            s->count = 0;
            return;
        }
    }
}

/* Sums of the parts, behind the slots. */
static void plan_sums(kernel_plan *plan, fused_state *s)
{
    for (uint32_t k = 0; k < s->result_count; k++) {
        if (s->results[k].summed_axes == 0) continue;
        s->columns = (size_t)tensor_desc_count(&plan->outputs[k]);
        s->width = vector_column_width(s->columns);
        s->sum_count++;
    }
    s->down = vector_down_find(plan->device->isa);
    s->sums = plan_scratch(plan, s->parts * s->sum_count * s->width * sizeof(double));
}

static bool plan_state(const kernel_plan *plan, fused_state *s)
{
    const fused_attributes *a = plan->node->attributes;

    s->input_count = plan->node->input_count;
    s->step_count = a->step_count;
    s->result_count = a->result_count;
    memcpy(s->results, a->results, sizeof s->results);
    if (!describe_inputs(plan, s)) return false;
    for (uint32_t i = 0; i < s->step_count; i++) {
        describe_step(s, plan, &a->steps[i], &s->steps[i]);
        s->steps[i].result = s->input_count + i;
        s->registers[s->input_count + i] =
            (fused_register){.slot = PLACE_NONE, .output = PLACE_NONE};
    }
    choose_block(s);
    choose_spread(s);
    choose_outputs(s);
    choose_slots(s);
    const size_t blocks = (s->count - 1) / s->block + 1;
    s->parts = s->count * s->step_count < PARALLEL_WORK ? 1 : size_min(plan->threads, blocks);
    return true;
}

/* No elements: sums are 0, and means as 0 / 0 are. */
static bool plan_nothing(const kernel_plan *plan, fused_state *s)
{
    const fused_attributes *a = plan->node->attributes;

    s->result_count = a->result_count;
    memcpy(s->results, a->results, sizeof s->results);
    return true;
}

/* Bytes of bools may be as many as those of an input that repeats, and is read again. */
static bool is_pointwise(const fused_state *s)
{
    bool has_bools = false, has_repeats = false;

    for (uint32_t k = 0; k < s->result_count; k++)
        has_bools = has_bools || s->results[k].dtype == EBB_BOOL;
    for (uint32_t i = 0; i < s->input_count; i++)
        has_repeats = has_repeats || s->registers[i].period != 0;
    return !has_bools || !has_repeats;
}

/* The slots of one part follow those of the one before. */
static bool fused_plan(kernel_plan *plan)
{
    if (!plan_weights_are_plain(plan)) return false;
    fused_state *const s = region_new(plan->home, fused_state, 1);
    if (s == NULL) return false;
    plan->state = s;
    count_elements(plan, s);
    if (s->count == 0) return plan_nothing(plan, s);
    if (!plan_state(plan, s)) return false;
    (void)plan_scratch(plan, s->parts * s->slot_count * BLOCK_FLOATS * sizeof(float));
    plan_sums(plan, s);
    plan->is_pointwise = is_pointwise(s);
    plan->in_place = !s->registers[0].is_bool && s->registers[0].period == 0 &&
                     plan->outputs[0].dtype == EBB_F32 && s->results[0].summed_axes == 0;
    return true;
}

static bool vector_plan(kernel_plan *plan)
{
    return VECTOR_X86 && plan->device->isa != ISA_PORTABLE && fused_plan(plan);
}

/* -- running ---------------------------------------------------------------------------------- */

typedef struct fused_run {
    const kernel_call *call;
    const fused_state *s;
    float *slots; /* of this part */
    double *sums; /* of this part */
    size_t begin, count;
    const float *blocks[REGISTERS_MAX]; /* of the registers, for the block at hand */
} fused_run;

static float *slot_of(const fused_run *r, uint32_t index)
{
    return r->slots + r->s->registers[index].slot * BLOCK_FLOATS;
}

/* Copies what the block sees of an input that repeats, or that holds bytes. */
static void spread(const fused_run *r, uint32_t index)
{
    const fused_register *x = &r->s->registers[index];
    const size_t period = x->period == 0 ? r->s->count : x->period;
    float *const to = slot_of(r, index);

    for (size_t i = 0, at = r->begin % period; i < r->count; at = 0) {
        const size_t run = size_min(period - at, r->count - i);

        if (x->is_bool) {
            const uint8_t *const from = (const uint8_t *)r->call->inputs[index] + at;

            for (size_t k = 0; k < run; k++) to[i + k] = from[k] != 0 ? 1.0f : 0.0f;
        } else {
            const float *const from = (const float *)r->call->inputs[index] + at;

            if (run == 1)
                to[i] = *from;
            else
                memcpy(to + i, from, run * sizeof *to);
        }
        i += run;
    }
}

static void place_input(fused_run *r, uint32_t index, bool is_first)
{
    const fused_register *x = &r->s->registers[index];
    const float *const data = r->call->inputs[index];

    if (!x->is_spread) {
        r->blocks[index] = x->period == 0 ? data + r->begin : data;
        return;
    }
    const size_t at = x->period == 0 ? 0 : r->begin % x->period;
    if (!x->is_bool && x->period != 0 && at + r->count <= x->period) {
        r->blocks[index] = data + at;
        return;
    }
    const bool is_same = x->period != 0 && r->s->block % x->period == 0;
    if (is_first || !is_same) spread(r, index);
    r->blocks[index] = slot_of(r, index);
}

static void deliver(const fused_run *r)
{
    const fused_state *const s = r->s;
    double *sums = r->sums;

    for (uint32_t k = 0; k < s->result_count; k++) {
        const float *const from = r->blocks[s->results[k].source];

        if (s->results[k].summed_axes > 0) {
            vector_columns_add(s->down, sums, s->width, from, r->begin, r->count);
            sums += s->width;
        } else if (s->results[k].dtype == EBB_BOOL) {
            uint8_t *const to = (uint8_t *)r->call->outputs[k] + r->begin;

            for (size_t i = 0; i < r->count; i++) to[i] = from[i] != 0;
        } else if (s->registers[s->results[k].source].output != k) {
            memcpy((float *)r->call->outputs[k] + r->begin, from, r->count * sizeof *from);
        }
    }
}

static void run_block(fused_run *r, bool is_first)
{
    const fused_state *const s = r->s;

    for (uint32_t i = 0; i < s->input_count; i++) place_input(r, i, is_first);
    for (uint32_t i = 0; i < s->step_count; i++) {
        const fused_work *const w = &s->steps[i];
        const uint8_t output = s->registers[w->result].output;
        float *const y = output == PLACE_NONE ? slot_of(r, w->result)
                                              : (float *)r->call->outputs[output] + r->begin;

        run_step(w, r->blocks[w->a], r->blocks[w->b], r->blocks[w->c], y, r->count);
        r->blocks[w->result] = y;
    }
    deliver(r);
}

static void run_parts(void *context, size_t begin, size_t end)
{
    const kernel_call *const call = context;
    const fused_state *const s = call->state;
    const size_t blocks = (s->count - 1) / s->block + 1;

    for (size_t part = begin; part < end; part++) {
        const size_t first = blocks * part / s->parts, last = blocks * (part + 1) / s->parts;
        fused_run r = {.call = call,
                       .s = s,
                       .slots = (float *)call->scratch + part * s->slot_count * BLOCK_FLOATS,
                       .sums =
                           (double *)call_scratch(call, s->sums) + part * s->sum_count * s->width};

        memset(r.sums, 0, s->sum_count * s->width * sizeof *r.sums);
        for (size_t block = first; block < last; block++) {
            r.begin = block * s->block;
            r.count = size_min(s->block, s->count - r.begin);
            run_block(&r, block == first);
        }
    }
}

static void finish_sums(const kernel_call *call)
{
    const fused_state *const s = call->state;
    const double *sums = call_scratch(call, s->sums);

    for (uint32_t k = 0; k < s->result_count; k++) {
        const double divisor = s->results[k].is_mean ? (double)(s->count / s->columns) : 1.0;

        if (s->results[k].summed_axes == 0) continue;
        vector_columns_finish(sums, s->parts, s->sum_count * s->width, s->width, s->columns,
                              divisor, call->outputs[k]);
        sums += s->width;
    }
}

/* Sums of nothing. */
static void run_nothing(const kernel_call *call)
{
    const fused_state *const s = call->state;

    for (uint32_t k = 0; k < s->result_count; k++) {
        float *const y = call->outputs[k];
        const size_t count = (size_t)tensor_desc_count(&call->output_descs[k]);

        if (s->results[k].summed_axes == 0) continue;
        for (size_t i = 0; i < count; i++) y[i] = s->results[k].is_mean ? NAN : 0.0f;
    }
}

static void fused_run_all(const kernel_call *call)
{
    const fused_state *const s = call->state;

    if (s->count == 0) {
        run_nothing(call);
        return;
    }
    parallel_for(call->threads, s->parts, 1, run_parts, (void *)call);
    if (s->sum_count > 0) finish_sums(call);
}

const kernel_def kernel_vector_fused = {
    .name = "vector.fused", .op = OP_fused, .plan = vector_plan, .run = fused_run_all};
const kernel_def kernel_portable_fused = {
    .name = "portable.fused", .op = OP_fused, .plan = fused_plan, .run = fused_run_all};
