/* gradient_case.c -- see gradient_case.h. */
#include "gradient_case.h"

#include <math.h>
#include <string.h>

#include "exec/fold.h"
#include "graph/gradient.h"
#include "harness.h"

#define STEP     2e-3
#define RELATIVE 1e-2
#define ABSOLUTE 3e-3

gradient_case gradient_case_open(region *home, uint64_t *seed)
{
    gradient_case c = {.g = graph_open(home), .seed = seed};

    CHECK(c.g != NULL);
    return c;
}

value gradient_case_given(gradient_case *c, const case_tensor *data)
{
    shape s = {.rank = data->desc.rank};

    for (uint32_t i = 0; i < s.rank; i++) s.dims[i] = data->desc.dims[i];
    CHECK(c->input_count < GRADIENT_INPUTS_MAX);
    c->inputs[c->input_count++] = *data;
    return graph_input(c->g, data->desc.dtype, &s);
}

value gradient_case_input(gradient_case *c, uint32_t rank, const int64_t *dims, double low,
                          double high)
{
    const case_tensor x = case_tensor_make(c->g->home, EBB_F32, rank, dims);
    const uint64_t count = tensor_desc_count(&x.desc);
    float *const numbers = x.data;

    for (uint64_t i = 0; i < count; i++) {
        double number = low + (high - low) * ((double)i + 0.5) / (double)count;
        const double apart = number - 0.25 * rint(number * 4);
        const uint64_t other = case_random(c->seed) % (i + 1);

        if (fabs(apart) < 0.01) number += apart < 0 ? -0.011 : 0.011;
        numbers[i] = numbers[other]; /* a shuffle */
        numbers[other] = (float)number;
    }
    return gradient_case_given(c, &x);
}

void gradient_case_output(gradient_case *c, value y)
{
    if (!graph_ok(c->g)) harness_fail(__FILE__, __LINE__, "%s", c->g->error.text);
    CHECK(c->output_count < GRADIENT_OUTPUTS_MAX);
    c->outputs[c->output_count++] = y;
}

/* -- computing -------------------------------------------------------------------------------- */

static ebb_status read_leaf(void *context, region *scratch, value v, const void **bytes,
                            ebb_error *error)
{
    const gradient_case *c = context;
    const value_info *info = graph_value(c->g, v);

    (void)scratch;
    (void)error;
    CHECK(info->kind == VALUE_CONSTANT || info->index < c->input_count);
    *bytes = info->kind == VALUE_CONSTANT ? info->data : c->inputs[info->index].data;
    return EBB_OK;
}

static void compute(const gradient_case *c, value v, void *result)
{
    device cpu = {.def = device_def_find("CPU")};
    region *scratch = region_open(c->g->home, "compute", EBB_CLASS_SCRATCH, 0);
    const fold_leaf leaf = {.read = read_leaf, .context = (void *)(uintptr_t)c};
    ebb_error error = {0};
    const void *bytes;

    CHECK(scratch != NULL);
    CHECK_OK(cpu.def->open(&cpu, &(device_options){.isa = "portable", .no_jit = true, .threads = 1},
                           &error));
    if (graph_value(c->g, v)->kind == VALUE_RESULT) {
        const ebb_status status = fold_evaluate(&cpu, c->g, v, scratch, &leaf, result, &error);
        if (status != EBB_OK) harness_fail(__FILE__, __LINE__, "%s: %s", error.where, error.text);
    } else {
        CHECK_OK(read_leaf((void *)(uintptr_t)c, scratch, v, &bytes, &error));
        const tensor_desc desc = desc_of_constant(c->g, v);
        memcpy(result, bytes, (size_t)tensor_desc_bytes(&desc));
    }
    region_close(scratch);
}

case_tensor gradient_case_value(const gradient_case *c, value v)
{
    const tensor_desc desc = desc_of_constant(c->g, v);
    const case_tensor y = case_tensor_make(c->g->home, desc.dtype, desc.rank, desc.dims);

    compute(c, v, y.data);
    return y;
}

/* -- gradients -------------------------------------------------------------------------------- */

uint32_t gradient_case_gradients(gradient_case *c, const case_tensor *seeds, value *gradients)
{
    const uint32_t count = c->input_count;
    value given[GRADIENT_OUTPUTS_MAX];
    ebb_error error = {0};

    for (uint32_t i = 0; i < c->output_count; i++) {
        const shape *s = graph_shape(c->g, c->outputs[i]);

        if (seeds == NULL) {
            given[i] = gradient_case_input(c, s->rank, s->dims, -1, 1);
        } else {
            given[i] = gradient_case_given(c, &seeds[i]);
        }
    }
    const bool done =
        graph_gradients(c->g, c->outputs, given, c->output_count, c->g->inputs, gradients, count);
    if (!done) harness_fail(__FILE__, __LINE__, "%s: %s", c->g->error.where, c->g->error.text);
    CHECK_OK(graph_verify(c->g, &error));
    return count;
}

/* Sum over outputs of seed * (output at +step - output at -step) for one element of one input. */
static double difference(const gradient_case *c, uint32_t first_seed, float *element,
                         case_tensor high[], case_tensor low[])
{
    const float kept = *element;
    double sum = 0;

    for (uint32_t i = 0; i < c->output_count; i++) {
        const float *seed = c->inputs[first_seed + i].data, *a = high[i].data, *b = low[i].data;
        const uint64_t count = tensor_desc_count(&high[i].desc);

        *element = (float)((double)kept + STEP);
        compute(c, c->outputs[i], high[i].data);
        *element = (float)((double)kept - STEP);
        compute(c, c->outputs[i], low[i].data);
        *element = kept;
        for (uint64_t k = 0; k < count; k++) sum += (double)seed[k] * ((double)a[k] - (double)b[k]);
    }
    return sum / (double)((float)((double)kept + STEP) - (float)((double)kept - STEP));
}

static void check_input(gradient_case *c, const char *name, uint32_t input, value gradient,
                        uint32_t first_seed)
{
    const case_tensor *x = &c->inputs[input];
    const uint64_t count = tensor_desc_count(&x->desc);
    case_tensor high[GRADIENT_OUTPUTS_MAX], low[GRADIENT_OUTPUTS_MAX];

    CHECK(shape_equal(graph_shape(c->g, gradient), graph_shape(c->g, c->g->inputs[input])));
    const case_tensor found = gradient_case_value(c, gradient);
    for (uint32_t i = 0; i < c->output_count; i++) {
        high[i] = gradient_case_value(c, c->outputs[i]);
        low[i] = gradient_case_value(c, c->outputs[i]);
    }
    for (uint64_t k = 0; k < count; k++) {
        const double expected = difference(c, first_seed, (float *)x->data + k, high, low);
        const double got = (double)((const float *)found.data)[k];

        if (fabs(got - expected) <= ABSOLUTE + RELATIVE * fabs(expected)) continue;
        harness_fail(__FILE__, __LINE__,
                     "%s: gradient by element %llu of input %u is %g, differences say %g", name,
                     (unsigned long long)k, input, got, expected);
    }
}

void gradient_case_check(gradient_case *c, const char *name)
{
    value gradients[GRADIENT_INPUTS_MAX];
    const uint32_t count = gradient_case_gradients(c, NULL, gradients);

    for (uint32_t i = 0; i < count; i++) {
        if (c->inputs[i].desc.dtype != EBB_F32) continue;
        if (gradients[i] == VALUE_NONE)
            harness_fail(__FILE__, __LINE__, "%s: no gradient by input %u", name, i);
        check_input(c, name, i, gradients[i], count);
    }
}
