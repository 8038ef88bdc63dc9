/* api_build.c -- the public functions of ebb/build.h about builders: argument checks, handle to
 * object, nothing else. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "mem/handle.h"
#include "runtime/model_builder.h"
#include "runtime/options.h"

#define NONE UINT32_MAX

static const ebb_tensor no_tensor = {0};

static builder *builder_acquire(ebb_builder handle)
{
    return handle_acquire(HANDLE_BUILDER, handle.id);
}

static ebb_status builder_stale(const char *where, ebb_error *error)
{
    return fail(error, EBB_E_STALE, where,
                "the builder was finished or closed, or the handle was never valid");
}

ebb_status ebb_build_open(ebb_runtime handle, const char *name, ebb_builder *result,
                          ebb_error *error)
{
    if (result == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_build_open", "expected a place for the handle");
    result->id = 0;
    runtime *r = runtime_acquire(handle, "ebb_build_open", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = builder_open(r, name, &result->id, error);
    handle_release(handle.id);
    return status;
}

/* The runtime of a builder, pinned; NULL: stale. */
static runtime *owner_acquire(ebb_builder handle)
{
    const builder *b = builder_acquire(handle);

    if (b == NULL) return NULL;
    const ebb_runtime owner = {b->owner->id};
    handle_release(handle.id);
    return runtime_acquire(owner, "builder", NULL);
}

ebb_status ebb_build_close(ebb_builder handle)
{
    void *object = NULL;
    runtime *r = owner_acquire(handle);

    if (r == NULL) return EBB_E_STALE;
    const uint64_t owner = r->id;
    const bool won = handle_close_begin(HANDLE_BUILDER, handle.id, 0, &object);
    if (won) {
        builder_discard(object);
        handle_close_end(handle.id);
    }
    handle_release(owner);
    return won ? EBB_OK : EBB_E_STALE;
}

ebb_status ebb_build_error(ebb_builder handle, ebb_error *error)
{
    const builder *b = builder_acquire(handle);

    if (b == NULL) return builder_stale("ebb_build_error", error);
    const ebb_status status = b->error.status;
    if (status != EBB_OK && error != NULL) *error = b->error;
    handle_release(handle.id);
    return status;
}

/* -- layers ------------------------------------------------------------------------------------ */

ebb_tensor ebb_build_input(ebb_builder handle, const char *name, ebb_dtype dtype, uint32_t rank,
                           const int64_t *dims)
{
    builder *b = builder_acquire(handle);

    if (b == NULL) return no_tensor;
    const uint32_t layer = builder_input_make(b, name, dtype, rank, dims);
    const ebb_tensor x = layer == NONE ? no_tensor : builder_call(b, layer, NULL, 0);
    handle_release(handle.id);
    return x;
}

static ebb_tensor layer_called(ebb_builder handle, const char *class_name, const char *arguments,
                               const ebb_tensor *inputs, size_t count)
{
    builder *b = builder_acquire(handle);

    if (b == NULL) return no_tensor;
    const uint32_t layer = builder_layer_make(b, class_name, arguments);
    const ebb_tensor x = layer == NONE ? no_tensor : builder_call(b, layer, inputs, count);
    handle_release(handle.id);
    return x;
}

ebb_tensor ebb_build_layer(ebb_builder handle, const char *class_name, const char *arguments,
                           ebb_tensor x)
{
    const bool can_begin = class_name != NULL && (strcmp(class_name, "InputLayer") == 0 ||
                                                  strcmp(class_name, "Variable") == 0);

    return layer_called(handle, class_name, arguments, &x, can_begin && x.id == 0 ? 0 : 1);
}

ebb_tensor ebb_build_layer_format(ebb_builder handle, const char *class_name, ebb_tensor x,
                                  const char *format, ...)
{
    char text[2048];
    va_list arguments;

    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof text)
        return ebb_build_layer(handle, class_name, text, x);
    builder *b = builder_acquire(handle);
    if (b == NULL) return no_tensor;
    builder_fail(b, EBB_E_ARGUMENT, class_name != NULL ? class_name : "layer",
                 "arguments of more than %zu characters; ebb_build_layer() takes longer ones",
                 sizeof text - 1);
    handle_release(handle.id);
    return no_tensor;
}

ebb_tensor ebb_build_merge(ebb_builder handle, const char *class_name, const char *arguments,
                           const ebb_tensor *inputs, size_t count)
{
    return layer_called(handle, class_name, arguments, inputs, count);
}

ebb_tensor ebb_build_sequential(ebb_builder handle, ebb_tensor x, const ebb_layer_text *layers,
                                size_t count)
{
    for (size_t i = 0; layers != NULL && i < count; i++)
        x = ebb_build_layer(handle, layers[i].class_name, layers[i].arguments, x);
    return x;
}

ebb_layer ebb_build_layer_make(ebb_builder handle, const char *class_name, const char *arguments)
{
    builder *b = builder_acquire(handle);

    if (b == NULL) return (ebb_layer){0};
    const ebb_layer layer = builder_layer_handle(b, builder_layer_make(b, class_name, arguments));
    handle_release(handle.id);
    return layer;
}

ebb_layer ebb_build_operation_make(ebb_builder handle, const char *class_name,
                                   const char *arguments)
{
    builder *b = builder_acquire(handle);

    if (b == NULL) return (ebb_layer){0};
    const ebb_layer layer =
        builder_layer_handle(b, builder_operation_make(b, class_name, arguments));
    handle_release(handle.id);
    return layer;
}

uint32_t ebb_build_operation_count(void)
{
    return operation_table_count();
}

const char *ebb_build_operation_name(uint32_t index)
{
    return index < operation_table_count() ? operation_table_at(index)->name : NULL;
}

/* A model to take something from; a fault of the builder when it is gone. */
static model *source_acquire(builder *b, ebb_model handle)
{
    return builder_good(b) ? model_acquire(handle, "builder", &b->error) : NULL;
}

ebb_layer ebb_build_model_make(ebb_builder handle, ebb_model source, const char *name)
{
    builder *b = builder_acquire(handle);

    if (b == NULL) return (ebb_layer){0};
    model *from = source_acquire(b, source);
    const uint32_t layer = from == NULL ? NONE : builder_model_make(b, from, name);
    if (from != NULL) handle_release(source.id);
    handle_release(handle.id);
    return builder_layer_handle(b, layer);
}

ebb_tensor ebb_build_call(ebb_builder handle, ebb_layer layer, const ebb_tensor *inputs,
                          size_t count)
{
    uint32_t index;
    ebb_tensor x = no_tensor;
    builder *b = builder_acquire(handle);

    if (b == NULL) return no_tensor;
    if (builder_layer_read(b, layer, &index)) x = builder_call(b, index, inputs, count);
    handle_release(handle.id);
    return x;
}

ebb_tensor ebb_build_call_with(ebb_builder handle, ebb_layer layer,
                               const ebb_call_argument *arguments, size_t count)
{
    uint32_t index;
    ebb_tensor x = no_tensor;
    builder *b = builder_acquire(handle);

    if (b == NULL) return no_tensor;
    if (builder_layer_read(b, layer, &index)) x = builder_call_with(b, index, arguments, count);
    handle_release(handle.id);
    return x;
}

/* -- tensors ----------------------------------------------------------------------------------- */

ebb_tensor ebb_build_output(ebb_builder handle, ebb_tensor x, uint32_t index)
{
    tensor_ref ref;
    ebb_tensor y = no_tensor;
    builder *b = builder_acquire(handle);

    if (b == NULL) return no_tensor;
    if (builder_tensor_read(b, x, &ref)) y = builder_tensor_make(b, ref.layer, index);
    handle_release(handle.id);
    return y;
}

ebb_status ebb_build_tensor_info(ebb_builder handle, ebb_tensor x, ebb_tensor_info *info,
                                 ebb_error *error)
{
    static const char where[] = "ebb_build_tensor_info";

    if (info == NULL) return fail(error, EBB_E_ARGUMENT, where, "expected a place for the answer");
    *info = (ebb_tensor_info){0};
    builder *b = builder_acquire(handle);
    if (b == NULL) return builder_stale(where, error);
    const ebb_status status = builder_tensor_info(b, x, info, error);
    handle_release(handle.id);
    return status;
}

ebb_tensor ebb_build_import(ebb_builder handle, ebb_model source, const ebb_import_options *options)
{
    ebb_import_options o = EBB_IMPORT_OPTIONS_INIT;
    ebb_tensor x = no_tensor;
    builder *b = builder_acquire(handle);

    if (b == NULL) return no_tensor;
    model *from = source_acquire(b, source);
    if (from != NULL && options_copy(&o, sizeof o, options, "import options",
                                     "EBB_IMPORT_OPTIONS_INIT", &b->error) == EBB_OK) {
        x = builder_import(b, from, &o);
    }
    if (from != NULL) handle_release(source.id);
    handle_release(handle.id);
    return x;
}

ebb_tensor ebb_build_find(ebb_builder handle, const char *layer, uint32_t index)
{
    ebb_tensor x = no_tensor;
    builder *b = builder_acquire(handle);

    if (b == NULL) return no_tensor;
    const uint32_t wanted = builder_layer_wanted(b, layer);
    uint32_t node = 0;
    while (wanted != NONE && node < b->node_count && b->nodes[node].layer != wanted) node++;
    if (wanted != NONE && node == b->node_count)
        builder_fail(b, EBB_E_ARGUMENT, layer, "the layer has not been called yet");
    else if (wanted != NONE)
        x = builder_tensor_make(b, node, index);
    handle_release(handle.id);
    return x;
}

void ebb_build_trainable(ebb_builder handle, const char *layer, bool trainable)
{
    builder *b = builder_acquire(handle);

    if (b == NULL) return;
    const uint32_t wanted = builder_layer_wanted(b, layer);
    if (wanted != NONE && builder_good(b)) builder_trainable_set(b, wanted, trainable);
    handle_release(handle.id);
}

/* -- models ------------------------------------------------------------------------------------ */

/* What finishing and planning do with the recipe. */
typedef ebb_status (*recipe_use)(runtime *r, const recipe *p, const ebb_build_options *options,
                                 void *result, ebb_error *error);

static ebb_status use_build(runtime *r, const recipe *p, const ebb_build_options *options,
                            void *result, ebb_error *error)
{
    return recipe_build(r, p, options, &((ebb_model *)result)->id, error);
}

static ebb_status use_plan(runtime *r, const recipe *p, const ebb_build_options *options,
                           void *result, ebb_error *error)
{
    return recipe_plan(r, p, options, result, error);
}

static ebb_status builder_use(builder *b, const ebb_tensor *outputs, size_t count,
                              const ebb_build_options *options, recipe_use use, void *result,
                              ebb_error *error)
{
    runtime *r = b->owner;
    ebb_build_options o;
    recipe p = {0};
    ebb_status status = build_options_read(options, &o, error);

    if (status != EBB_OK) return status;
    region *work = region_open(r->root, "build", EBB_CLASS_SCRATCH, 0);
    if (work == NULL) return region_fail(r->root, error, "build", "a model");
    status = builder_recipe_make(b, work, outputs, count, o.sequential, &p, error);
    p.seed = o.seed;
    if (status == EBB_OK) status = recipe_pin(&p, p.name, error);
    if (status == EBB_OK) status = use(r, &p, &o, result, error);
    recipe_unpin(&p);
    region_close(work);
    return status;
}

ebb_status ebb_build_finish(ebb_builder handle, const ebb_tensor *outputs, size_t count,
                            const ebb_build_options *options, ebb_model *result, ebb_error *error)
{
    void *object = NULL;
    runtime *r = owner_acquire(handle);

    if (result != NULL) result->id = 0;
    if (r == NULL) return builder_stale("ebb_build_finish", error);
    const uint64_t owner = r->id;
    ebb_status status = EBB_E_STALE;
    if (!handle_close_begin(HANDLE_BUILDER, handle.id, 0, &object)) {
        status = builder_stale("ebb_build_finish", error);
    } else {
        builder *b = object;
        status = result == NULL ? fail(error, EBB_E_ARGUMENT, "ebb_build_finish",
                                       "expected a place for the handle")
                                : builder_use(b, outputs, count, options, use_build, result, error);
        builder_discard(b);
        handle_close_end(handle.id);
    }
    handle_release(owner);
    return status;
}

ebb_status ebb_build_plan(ebb_builder handle, const ebb_tensor *outputs, size_t count,
                          const ebb_build_options *options, ebb_plan *plan, ebb_error *error)
{
    if (plan == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_build_plan", "expected a place for the plan");
    *plan = (ebb_plan){0};
    builder *b = builder_acquire(handle);
    if (b == NULL) return builder_stale("ebb_build_plan", error);
    const ebb_status status = builder_use(b, outputs, count, options, use_plan, plan, error);
    handle_release(handle.id);
    return status;
}
