/* onednn_step.c -- opening, binding and running planned primitives. */
#include "device/cpu/onednn/onednn_step.h"

#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "device/cpu/parallel.h"
#include "device/cpu/unary_math.h"

/* The memory objects of one task in one lane; data[i] is what arguments[i].memory points at. */
typedef struct bound_task {
    dnnl_exec_arg_t arguments[ONEDNN_ARGUMENTS_MAX];
    const void *data[ONEDNN_ARGUMENTS_MAX];
} bound_task;

typedef struct bound_step {
    dnnl_stream_t stream;
    bound_task repack, main;
} bound_step;

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

bool onednn_step_add(onednn_task *task, int id, onednn_place place, uint64_t where,
                     const onednn_desc *desc)
{
    onednn_argument *a = &task->arguments[task->count];

    if (task->count == ONEDNN_ARGUMENTS_MAX) return false;
    *a = (onednn_argument){.id = id, .place = place, .where = where};
    if (!onednn_desc_copy(&a->desc, desc)) return false;
    task->count++;
    return true;
}

static void task_drop(onednn_task *task)
{
    for (uint32_t i = 0; i < task->count; i++) onednn_desc_drop(&task->arguments[i].desc);
    onednn_prim_drop(task->prim);
    onednn_work_drop(task->work);
    *task = (onednn_task){0};
}

void onednn_step_drop(onednn_step *step)
{
    task_drop(&step->repack);
    task_drop(&step->main);
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
        good = onednn_step_add(task, DNNL_ARG_SCRATCHPAD, PLACE_SCRATCH, *scratch_bytes, &desc) &&
               size_add(*scratch_bytes, bytes, &end) && size_align(end, 64, &end);
        if (good) *scratch_bytes = end;
    }
    onednn_desc_drop(&desc);
    return good;
}

bool onednn_step_finish(kernel_plan *plan, onednn_step *step)
{
    onednn_step *state = NULL;

    if (add_scratchpad(&step->repack, &plan->scratch_bytes) &&
        add_scratchpad(&step->main, &plan->scratch_bytes))
        state = region_new(plan->home, onednn_step, 1);
    if (state == NULL) {
        onednn_step_drop(step);
        plan->scratch_bytes = 0;
        return false;
    }
    *state = *step;
    plan->state = state;
    plan->lane_bytes = sizeof(bound_step);
    return true;
}

ebb_status onednn_step_open(void *state, ebb_error *error)
{
    onednn_step *s = state;
    const int before = onednn_enter(s->threads);
    bool good = true;

    if (s->repack.work != NULL) good = (s->repack.prim = onednn_prim_make(s->repack.work)) != NULL;
    if (good) good = (s->main.prim = onednn_prim_make(s->main.work)) != NULL;
    onednn_leave(before);
    if (good) return EBB_OK;
    return fail(error, EBB_E_MEMORY, "onednn",
                "oneDNN could not make %s: no memory, or generated code is "
                "forbidden here (then open the device with no_jit)",
                onednn_work_name(s->main.work));
}

void onednn_step_close(void *state)
{
    if (state != NULL) onednn_step_drop(state);
}

static void *argument_data(const onednn_argument *a, const kernel_call *call)
{
    switch (a->place) {
    case PLACE_INPUT: return call->inputs[a->where];
    case PLACE_OUTPUT: return call->outputs[a->where];
    default: return (char *)call->scratch + a->where;
    }
}

static bool bind_task(const onednn_task *task, bound_task *bound, const kernel_call *call)
{
    for (uint32_t i = 0; i < task->count; i++) {
        void *const data = argument_data(&task->arguments[i], call);

        bound->arguments[i].arg = task->arguments[i].id;
        bound->arguments[i].memory = onednn_memory_make(&task->arguments[i].desc, data);
        bound->data[i] = data;
        if (bound->arguments[i].memory == NULL) return false;
    }
    return true;
}

ebb_status onednn_step_bind(const kernel_call *call, ebb_error *error)
{
    const onednn_step *s = call->state;
    bound_step *b = call->lane;

    b->stream = onednn_stream_make();
    if (b->stream != NULL && bind_task(&s->repack, &b->repack, call) &&
        bind_task(&s->main, &b->main, call))
        return EBB_OK;
    onednn_step_unbind(call);
    return fail_memory(error, "onednn", "the memory objects of a lane");
}

static void unbind_task(bound_task *bound)
{
    for (uint32_t i = 0; i < ONEDNN_ARGUMENTS_MAX; i++)
        onednn_memory_drop(bound->arguments[i].memory);
    *bound = (bound_task){0};
}

void onednn_step_unbind(const kernel_call *call)
{
    bound_step *b = call->lane;

    unbind_task(&b->repack);
    unbind_task(&b->main);
    onednn_stream_drop(b->stream);
    b->stream = NULL;
}

static void run_task(const onednn_task *task, bound_task *bound, const kernel_call *call,
                     dnnl_stream_t stream)
{
    for (uint32_t i = 0; i < task->count; i++) {
        void *const data = argument_data(&task->arguments[i], call);

        if (data == bound->data[i]) continue;
        onednn_memory_move(bound->arguments[i].memory, data);
        bound->data[i] = data;
    }
    onednn_prim_run(task->prim, stream, (int)task->count, bound->arguments);
}

/* Floats a thread should at least copy. */
#define COPY_GRAIN ((size_t)16384)

static void copy_residual(void *context, size_t begin, size_t end)
{
    const kernel_call *call = context;
    float *const to = call->outputs[0];
    const float *const from = call->inputs[INPUT_RESIDUAL];

    memcpy(to + begin, from + begin, (end - begin) * sizeof(float));
}

void onednn_step_run(const kernel_call *call)
{
    const onednn_step *s = call->state;
    bound_step *b = call->lane;
    const int before = onednn_enter(s->threads);

    if (s->is_summed && call->outputs[0] != call->inputs[INPUT_RESIDUAL])
        parallel_for(s->threads, s->rows * s->columns, COPY_GRAIN, copy_residual, (void *)call);
    if (s->repack.work != NULL) run_task(&s->repack, &b->repack, call, b->stream);
    run_task(&s->main, &b->main, call, b->stream);
    onednn_leave(before);
    if (s->is_unfused) {
        const epilogue_operands operands = {
            s->has_input[INPUT_SCALE] ? call->inputs[INPUT_SCALE] : NULL,
            s->has_input[INPUT_BIAS] ? call->inputs[INPUT_BIAS] : NULL,
            s->has_input[INPUT_RESIDUAL] ? call->inputs[INPUT_RESIDUAL] : NULL,
        };

        epilogue_apply(&s->after, &operands, call->outputs[0], s->rows, s->columns, s->columns);
    }
}
