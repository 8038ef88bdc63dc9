/* initializer_constant.c -- Zeros, Ones, Constant, Identity, STFT: the same numbers whatever the
 * seed. */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "train/initializer/initializer.h"
#include "train/initializer/window_function.h"

#define PI 3.14159265358979323846

/* -- Zeros, Ones ------------------------------------------------------------------------------- */

static void same_number(const void *context, uint64_t first, uint32_t count, float *to)
{
    (void)first;
    for (uint32_t i = 0; i < count; i++) to[i] = *(const float *)context;
}

static ebb_status zeros_fill(const void *config, const initializer_call *call)
{
    (void)config;
    initializer_write(call, same_number, &(const float){0});
    return EBB_OK;
}

static ebb_status ones_fill(const void *config, const initializer_call *call)
{
    (void)config;
    initializer_write(call, same_number, &(const float){1});
    return EBB_OK;
}

const initializer_def initializer_def_zeros = {{"Zeros", "zero", 0, NULL, NULL}, zeros_fill};
const initializer_def initializer_def_ones = {{"Ones", "one", 0, NULL, NULL}, ones_fill};

/* -- Constant: a number, or nested lists that are broadcast to the shape as numpy does -----------
 */

typedef struct constant {
    const json *value; /* NULL: 0 */
} constant;

static const layer_field constant_fields[] = {
    TRAIN_FIELD(constant, value, FIELD_JSON, 0),
    TRAIN_FIELD_END,
};

static const json *constant_unwrap(const json *given)
{
    if (given == NULL || given->kind != JSON_OBJECT) return given;
    const json *inner = json_path(given, "config.value");
    return inner != NULL ? inner : json_get(given, "value");
}

static bool is_number(const json *given)
{
    return given->kind == JSON_INTEGER || given->kind == JSON_NUMBER || given->kind == JSON_BOOL;
}

static float number_of(const json *given)
{
    if (given->kind == JSON_BOOL) return given->as.boolean;
    return (float)json_number(given, 0);
}

/* Every list of a level has the same length, 1 or that of the axis; numbers at the bottom.
 * Recursion: EBB_RANK_MAX levels. */
static bool constant_fits(const json *given, const initializer_call *call, uint32_t axis)
{
    if (axis == call->rank) return is_number(given);
    if (given->kind != JSON_ARRAY || given->count == 0) return false;
    if (given->count != 1 && given->count != call->dims[axis]) return false;
    for (uint32_t i = 0; i < given->count; i++) {
        if (!constant_fits(json_item(given, i), call, axis + 1)) return false;
    }
    return true;
}

typedef struct nested_numbers {
    const json *top;
    uint32_t axis; /* of the top list */
    const initializer_call *call;
} nested_numbers;

static void nested_write(const void *context, uint64_t first, uint32_t count, float *to)
{
    const nested_numbers *const n = context;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t rest = first + i, index[EBB_RANK_MAX];
        const json *at = n->top;

        for (uint32_t axis = n->call->rank; axis-- > n->axis;) {
            index[axis] = rest % (uint64_t)n->call->dims[axis];
            rest /= (uint64_t)n->call->dims[axis];
        }
        for (uint32_t axis = n->axis; axis < n->call->rank; axis++) {
            at = json_item(at, at->count == 1 ? 0 : (uint32_t)index[axis]);
        }
        to[i] = number_of(at);
    }
}

static ebb_status constant_fill(const void *config, const initializer_call *call)
{
    const constant *c = config;
    const json *given = constant_unwrap(c->value);
    uint32_t depth = 0;

    if (given == NULL) return zeros_fill(NULL, call);
    if (is_number(given)) {
        initializer_write(call, same_number, &(const float){number_of(given)});
        return EBB_OK;
    }
    for (const json *at = given; at != NULL && at->kind == JSON_ARRAY; at = json_item(at, 0))
        depth++;
    if (depth == 0 || depth > call->rank || !constant_fits(given, call, call->rank - depth)) {
        return fail(call->error, EBB_E_SHAPE, call->where,
                    "Constant: value is no number and no list of the weight's shape");
    }
    const nested_numbers numbers = {given, call->rank - depth, call};
    initializer_write(call, nested_write, &numbers);
    return EBB_OK;
}

const initializer_def initializer_def_constant = {
    {"Constant", NULL, sizeof(constant), constant_fields, NULL}, constant_fill};

/* -- Identity: gain on the diagonal of a matrix --------------------------------------------------
 */

typedef struct identity {
    double gain;
} identity;

static const layer_field identity_fields[] = {
    TRAIN_FIELD(identity, gain, FIELD_F64, 1),
    TRAIN_FIELD_END,
};

typedef struct diagonal {
    float gain;
    uint64_t columns;
} diagonal;

static void diagonal_write(const void *context, uint64_t first, uint32_t count, float *to)
{
    const diagonal *const d = context;

    for (uint32_t i = 0; i < count; i++) {
        const uint64_t place = first + i;

        to[i] = place / d->columns == place % d->columns ? d->gain : 0;
    }
}

static ebb_status identity_fill(const void *config, const initializer_call *call)
{
    const identity *c = config;

    if (call->rank != 2) {
        return fail(call->error, EBB_E_SHAPE, call->where,
                    "Identity: expected a matrix, got a weight of rank %u", call->rank);
    }
    initializer_write(call, diagonal_write, &(diagonal){(float)c->gain, (uint64_t)call->dims[1]});
    return EBB_OK;
}

const initializer_def initializer_def_identity = {
    {"Identity", "IdentityInitializer", sizeof(identity), identity_fields, NULL}, identity_fill};

/* -- STFT: the kernel of a short-time Fourier transform, [frame, 1, frequencies] -----------------
 */

enum { SIDE_REAL, SIDE_IMAGINARY };

typedef struct stft {
    uint32_t side;
    const json *window;  /* name, numbers or null; NULL: "hann" */
    const json *scaling; /* "density", "spectrum" or null; NULL: "density" */
    bool periodic;
} stft;

static const layer_field stft_fields[] = {
    TRAIN_FIELD_CHOICE(stft, side, SIDE_REAL, "real|imag"),
    TRAIN_FIELD(stft, window, FIELD_GIVEN, 0),
    TRAIN_FIELD(stft, scaling, FIELD_GIVEN, 0),
    TRAIN_FIELD(stft, periodic, FIELD_BOOL, 0),
    TRAIN_FIELD_END,
};

/* The text that stands there, `otherwise` when the key is missing, "" for null. */
static const char *text_given(const json *given, const char *otherwise)
{
    return given == NULL ? otherwise : json_text(given, "");
}

static const json *stft_numbers(const stft *c)
{
    return c->window != NULL && c->window->kind == JSON_ARRAY ? c->window : NULL;
}

static ebb_status stft_check(const void *config, const char *where, ebb_error *error)
{
    const stft *c = config;
    const char *scaling = text_given(c->scaling, "density");
    const char *window = text_given(c->window, "hann");

    if (c->scaling != NULL && !json_is_null(c->scaling) && strcmp(scaling, "density") != 0 &&
        strcmp(scaling, "spectrum") != 0) {
        return fail(error, EBB_E_ARGUMENT, where, "scaling: expected density, spectrum or null");
    }
    if (stft_numbers(c) != NULL || (c->window != NULL && json_is_null(c->window))) return EBB_OK;
    if (window_function_find(window) != NULL) return EBB_OK;
    return fail(error, EBB_E_UNSUPPORTED, where,
                "window: there is no window function '%.40s' here; a list of numbers works",
                window);
}

typedef struct waves {
    const stft *config;
    const window_function *window;
    uint64_t frequencies, frame;
    double factor;
} waves;

static double waves_window(const waves *w, uint64_t time)
{
    const json *numbers = stft_numbers(w->config);

    if (numbers != NULL) return json_number(json_item(numbers, (uint32_t)time), 0);
    if (w->window == NULL) return 1;
    return window_function_at(w->window, time, w->frame, w->config->periodic);
}

static void waves_write(const void *context, uint64_t first, uint32_t count, float *to)
{
    const waves *const w = context;
    const double length = 2.0 * ((double)w->frequencies - 1);

    for (uint32_t i = 0; i < count; i++) {
        const uint64_t time = (first + i) / w->frequencies;
        const double frequency = (double)((first + i) % w->frequencies) / length;
        const double angle = -2 * PI * (double)time * frequency;
        const double wave = w->config->side == SIDE_REAL ? cos(angle) : sin(angle);

        to[i] = (float)(wave * waves_window(w, time) / w->factor);
    }
}

static ebb_status stft_fill(const void *config, const initializer_call *call)
{
    const stft *c = config;
    const json *numbers = stft_numbers(c);
    const char *scaling = text_given(c->scaling, "density");
    double sum = 0, squares = 0;

    if (call->rank != 3 || call->dims[1] != 1 || call->dims[2] < 2) {
        return fail(call->error, EBB_E_SHAPE, call->where,
                    "STFT: expected a weight of shape (frame, 1, frequencies), got rank %u",
                    call->rank);
    }
    waves w = {c, window_function_find(text_given(c->window, "hann")), (uint64_t)call->dims[2],
               (uint64_t)call->dims[0], 1};
    if (numbers != NULL && numbers->count != w.frame) {
        return fail(call->error, EBB_E_SHAPE, call->where,
                    "STFT: the window has %u numbers, the frame has %lld", numbers->count,
                    (long long)call->dims[0]);
    }
    for (uint64_t time = 0; time < w.frame; time++) {
        const double at = waves_window(&w, time);
        sum += fabs(at);
        squares += at * at;
    }
    if (numbers != NULL || w.window != NULL) {
        if (strcmp(scaling, "density") == 0) w.factor = sqrt(squares);
        if (strcmp(scaling, "spectrum") == 0) w.factor = sum;
    }
    initializer_write(call, waves_write, &w);
    return EBB_OK;
}

const initializer_def initializer_def_stft = {
    {"STFT", "STFTInitializer", sizeof(stft), stft_fields, stft_check}, stft_fill};
