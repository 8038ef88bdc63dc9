/* onednn_step.c -- opening, binding and running planned primitives. */
#include "device/cpu/onednn/onednn_step.h"

#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "device/cpu/parallel.h"
#include "device/cpu/unary_math.h"

/* The memory objects of one task in one lane; data[i] is what arguments[i].memory points at. */
typedef struct bound_task {
    dnnl_stream_t stream;
    dnnl_exec_arg_t arguments[ONEDNN_ARGUMENTS_MAX];
    const void *data[ONEDNN_ARGUMENTS_MAX];
} bound_task;

/* In a lane: bound_task of the repack and of the delivery, then one for each part. */
enum { LANE_REPACK, LANE_DELIVER, LANE_PARTS };

/* Floats below which a sum is not split over threads. */
#define SUM_GRAIN ((size_t)16384)

void onednn_strides(uint32_t rank, const int64_t *dims, int64_t *strides)
{
    int64_t stride = 1;

    for (uint32_t i = rank; i-- > 0;) {
        strides[i] = stride;
        stride *= dims[i];
    }
}

uint32_t onednn_image_dims(const tensor_desc *t, uint32_t spatial, int64_t *dims, int64_t *strides)
{
    int64_t plain[EBB_RANK_MAX] = {0}, plain_strides[EBB_RANK_MAX] = {0};
    uint32_t rank = 0;

    plain[rank++] = t->dims[0];
    if (spatial == 1) plain[rank++] = 1;
    for (uint32_t i = 1; i < t->rank; i++) plain[rank++] = t->dims[i];
    onednn_strides(rank, plain, plain_strides);
    dims[0] = plain[0];
    strides[0] = plain_strides[0];
    dims[1] = plain[rank - 1];
    strides[1] = 1;
    for (uint32_t i = 2; i < rank; i++) {
        dims[i] = plain[i - 1];
        strides[i] = plain_strides[i - 1];
    }
    return rank;
}

bool onednn_step_add(onednn_task *task, int id, onednn_place place, uint32_t number,
                     uint64_t offset)
{
    if (task->count == ONEDNN_ARGUMENTS_MAX) return false;
    task->arguments[task->count++] = (onednn_argument){id, place, number, offset};
    return true;
}

bool onednn_step_parts(kernel_plan *plan, onednn_step *step, uint32_t count)
{
    step->parts = region_new(plan->home, onednn_part, count);
    step->part_count = step->parts == NULL ? 0 : count;
    return step->parts != NULL;
}

static void task_drop(onednn_task *task)
{
    if (!task->is_borrowed) {
        onednn_prim_drop(task->prim);
        onednn_work_drop(task->work);
    }
    *task = (onednn_task){0};
}

void onednn_step_clear(onednn_step *step)
{
    task_drop(&step->repack);
    task_drop(&step->deliver);
    for (uint32_t i = 0; i < step->part_count; i++) {
        task_drop(&step->parts[i].task);
        step->parts[i] = (onednn_part){0};
    }
}

void onednn_step_drop(onednn_step *step)
{
    onednn_step_clear(step);
    step->part_count = 0;
}

/* Gives a task its scratchpad at the end of the step's scratch. */
static bool add_scratchpad(onednn_task *task, uint64_t *scratch_bytes)
{
    onednn_desc desc = {0};
    size_t end;

    if (task->work == NULL) return true;
    if (!onednn_work_scratch(task->work, &desc)) return false;
    const size_t bytes = onednn_desc_bytes(&desc);
    bool good = true;
    if (bytes > 0) {
        good = onednn_step_add(task, DNNL_ARG_SCRATCHPAD, PLACE_SCRATCH, 0, *scratch_bytes) &&
               size_add(*scratch_bytes, bytes, &end) && size_align(end, 64, &end);
        if (good) *scratch_bytes = end;
    }
    onednn_desc_drop(&desc);
    return good;
}

bool onednn_step_finish(kernel_plan *plan, onednn_step *step)
{
    onednn_step *state = NULL;
    bool good = add_scratchpad(&step->repack, &plan->scratch_bytes) &&
                add_scratchpad(&step->deliver, &plan->scratch_bytes);

    for (uint32_t i = 0; good && i < step->part_count; i++)
        good = add_scratchpad(&step->parts[i].task, &plan->scratch_bytes);
    if (good) state = region_new(plan->home, onednn_step, 1);
    if (state == NULL) {
        onednn_step_drop(step);
        plan->scratch_bytes = 0;
        return false;
    }
    *state = *step;
    plan->state = state;
    plan->lane_bytes = sizeof(bound_task) * (LANE_PARTS + (uint64_t)step->part_count);
    return true;
}

static bool make_prims(onednn_step *s)
{
    if (s->repack.work != NULL && (s->repack.prim = onednn_prim_make(s->repack.work)) == NULL)
        return false;
    if (s->deliver.work != NULL && (s->deliver.prim = onednn_prim_make(s->deliver.work)) == NULL)
        return false;
    for (uint32_t i = 0; i < s->part_count; i++) {
        onednn_part *part = &s->parts[i];

        part->task.prim = part->task.is_borrowed ? s->parts[part->lender].task.prim
                                                 : onednn_prim_make(part->task.work);
        if (part->task.prim == NULL) return false;
    }
    return true;
}

ebb_status onednn_step_open(void *state, ebb_error *error)
{
    onednn_step *s = state;
    const int before = onednn_enter();
    const bool good = make_prims(s);

    onednn_leave(before);
    if (good) return EBB_OK;
    return fail(error, EBB_E_MEMORY, "onednn",
                "oneDNN could not make %s: no memory, or generated code is "
                "forbidden here (then open the device with no_jit)",
                onednn_work_name(s->parts[0].task.work));
}

void onednn_step_close(void *state)
{
    if (state != NULL) onednn_step_drop(state);
}

static void *argument_data(const onednn_argument *a, const kernel_call *call)
{
    switch (a->place) {
    case PLACE_INPUT: return (char *)call->inputs[a->number] + a->offset;
    case PLACE_OUTPUT: return (char *)call->outputs[a->number] + a->offset;
    default: return (char *)call->scratch + a->offset;
    }
}

static bool bind_task(const onednn_task *task, bound_task *bound, const kernel_call *call)
{
    if (task->work == NULL) return true;
    bound->stream = onednn_stream_make();
    for (uint32_t i = 0; i < task->count; i++) {
        void *const data = argument_data(&task->arguments[i], call);
        onednn_desc desc = {0};

        bound->arguments[i].arg = task->arguments[i].id;
        bound->data[i] = data;
        if (onednn_work_argument(task->work, task->arguments[i].id, &desc))
            bound->arguments[i].memory = onednn_memory_make(&desc, data);
        onednn_desc_drop(&desc);
        if (bound->arguments[i].memory == NULL) return false;
    }
    return bound->stream != NULL;
}

ebb_status onednn_step_bind(const kernel_call *call, ebb_error *error)
{
    const onednn_step *s = call->state;
    bound_task *bound = call->lane;
    bool good = bind_task(&s->repack, &bound[LANE_REPACK], call) &&
                bind_task(&s->deliver, &bound[LANE_DELIVER], call);

    for (uint32_t i = 0; good && i < s->part_count; i++)
        good = bind_task(&s->parts[i].task, &bound[LANE_PARTS + i], call);
    if (good) return EBB_OK;
    onednn_step_unbind(call);
    return fail_memory(error, "onednn", "the memory objects of a lane");
}

static void unbind_task(bound_task *bound)
{
    for (uint32_t i = 0; i < ONEDNN_ARGUMENTS_MAX; i++)
        onednn_memory_drop(bound->arguments[i].memory);
    onednn_stream_drop(bound->stream);
    *bound = (bound_task){0};
}

void onednn_step_unbind(const kernel_call *call)
{
    const onednn_step *s = call->state;
    bound_task *bound = call->lane;

    for (uint32_t i = 0; i < LANE_PARTS + s->part_count; i++) unbind_task(&bound[i]);
}

static void run_task(const onednn_task *task, bound_task *bound, const kernel_call *call)
{
    for (uint32_t i = 0; i < task->count; i++) {
        void *const data = argument_data(&task->arguments[i], call);

        if (data == bound->data[i]) continue;
        onednn_memory_move(bound->arguments[i].memory, data);
        bound->data[i] = data;
    }
    onednn_prim_run(task->prim, bound->stream, (int)task->count, bound->arguments);
}

static const float *operand(const onednn_step *s, const kernel_call *call, uint32_t input)
{
    return s->has_input[input] ? call->inputs[input] : NULL;
}

static void run_part(const kernel_call *call, uint32_t k)
{
    const onednn_step *s = call->state;
    const onednn_part *part = &s->parts[k];
    const uint64_t first = part->result_offset / sizeof(float);
    float *const result = (float *)call->outputs[0] + first;
    const float *residual = operand(s, call, INPUT_RESIDUAL);

    if (residual != NULL) residual += first;
    if (part->is_summed && result != residual)
        memcpy(result, residual, part->rows * s->columns * sizeof(float));
    run_task(&part->task, (bound_task *)call->lane + LANE_PARTS + k, call);
    if (part->is_unfused) {
        const epilogue_operands operands = {operand(s, call, INPUT_SCALE),
                                            operand(s, call, INPUT_BIAS), residual};

        epilogue_apply(&s->after, &operands, result, part->rows, s->columns, s->columns);
    }
}

static void run_some(void *context, size_t begin, size_t end)
{
    const int before = onednn_enter();

    for (size_t k = begin; k < end; k++) run_part(context, (uint32_t)k);
    onednn_leave(before);
}

/* Adds the terms of the parts up in the first one's place, always in the same order. */
static void run_sum(void *context, size_t begin, size_t end)
{
    const kernel_call *call = context;
    const onednn_step *s = call->state;
    float *const sum = call->scratch;

    for (uint32_t k = 1; k < s->part_count; k++) {
        const float *const term =
            (const float *)(void *)((char *)call->scratch + k * s->sum_stride);

        for (size_t i = begin; i < end; i++) sum[i] += term[i];
    }
}

static void run_alone(const onednn_task *task, bound_task *bound, const kernel_call *call)
{
    const int before = onednn_enter();

    run_task(task, bound, call);
    onednn_leave(before);
}

void onednn_step_run(const kernel_call *call)
{
    const onednn_step *s = call->state;
    bound_task *const bound = call->lane;

    if (s->repack.work != NULL) run_alone(&s->repack, &bound[LANE_REPACK], call);
    parallel_for(s->part_count, s->part_count, 1, run_some, (void *)call);
    if (s->sum_floats > 0 && s->part_count > 1)
        parallel_for(s->part_count, s->sum_floats, SUM_GRAIN, run_sum, (void *)call);
    if (s->deliver.work != NULL) run_alone(&s->deliver, &bound[LANE_DELIVER], call);
}
