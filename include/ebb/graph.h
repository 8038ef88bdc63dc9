/**
 * @file graph.h
 * Graphs and sessions as in TensorFlow 1, functions as in TensorFlow 2.
 *
 *     ebb_graph_open(runtime, NULL, &g, &error);
 *     x = ebb_graph_placeholder(g, "x", EBB_F32, 2, (int64_t[]){-1, 4});
 *     w = ebb_graph_variable(g, "w", &initial);
 *     y = ebb_relu(g, ebb_matmul(g, x, w));
 *     ebb_session_open(g, NULL, &session, &error);
 *     ebb_session_target(session, ebb_graph_initializer(g), &error);
 *     ebb_session_run(session, &(ebb_feed){x, view}, 1, &y, &result, 1, NULL, 0, &error);
 *     ebb_session_close(session, &receipt, &error);           every byte it held is back
 *     ebb_graph_close(g, NULL, &error);
 *
 * A graph is a description: operations, their names, where they are placed. It computes nothing and
 * holds no variable's value. A session runs parts of a graph: it owns the values of variables, the
 * memory of its runs and the models loaded into it, and gives all of it back when it is closed.
 *
 * Types: a tensor has the type that was declared (int64, float16 ...), and feeds and fetches are of
 * that type. Inside, floats are computed as float32, integers as int32; strings and complex numbers
 * there are not.
 *
 * Differences to TensorFlow, on purpose: every tensor has a known rank; a run reads all variables
 * as they were before it, unless control dependencies say otherwise (ebb_graph_read()); random
 * numbers are the same in every process until the seed says otherwise.
 *
 * Threads: any thread may call anything. Source: tensorflow/python/framework/ops.py (Graph),
 * client/session.py (Session), eager/polymorphic_function (function).
 */
#ifndef EBB_GRAPH_H
#define EBB_GRAPH_H

#include "ebb/build.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A graph: a plain value, free to copy. {0} is never valid; stale after ebb_graph_close(). */
typedef struct ebb_graph {
    uint64_t id;
} ebb_graph;

/** A session: a plain value, free to copy. {0} is never valid; stale after ebb_session_close(). */
typedef struct ebb_session {
    uint64_t id;
} ebb_session;

/** A function: a plain value, free to copy. {0} is never valid; stale after ebb_function_close().
 */
typedef struct ebb_function {
    uint64_t id;
} ebb_function;

/* -- graphs ------------------------------------------------------------------------------------ */

/** Zero = default. */
typedef struct ebb_graph_options {
    size_t struct_size;
    const char *name;   /**< in reports and messages; NULL = "graph" */
    uint32_t nodes_max; /**< operations; 0 = 1,000,000 */
    uint64_t bytes_max; /**< of the description, constants included; 0 = none of its own */
    uint64_t seed;      /**< as ebb_graph_seed() */
} ebb_graph_options;
#define EBB_GRAPH_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(ebb_graph_options), NULL, 0, 0, 0                                                   \
    }

/**
 * Opens an empty graph. @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_MEMORY
 * Memory: class meta of the runtime; constants lie in it too.
 */
EBB_API ebb_status ebb_graph_open(ebb_runtime runtime, const ebb_graph_options *options,
                                  ebb_graph *graph, ebb_error *error);
/**
 * Closes a graph and gives it back. Closing the runtime does so too.
 * @param receipt  may be NULL
 * @return EBB_OK; EBB_E_STALE; EBB_E_STATE (sessions or functions are open on it: close them first;
 *         or it is the graph of a function's trace)
 */
EBB_API ebb_status ebb_graph_close(ebb_graph graph, ebb_receipt *receipt, ebb_error *error);

/**
 * Empties a graph, and no other: its operations, constants and names are given back, its tensors
 * are stale (EBB_E_STALE), it is no longer finalized. Scopes of devices and control dependencies
 * end.
 *
 * Sessions that are open on it stay open and are empty as well: their variables, and what they kept
 * for speed, are given back with it; models loaded into them stay. They run what is added to the
 * graph from now on.
 * @param receipt  what came back, from the graph and its sessions; may be NULL
 * @return EBB_OK; EBB_E_STALE; EBB_E_STATE (a session on it runs now, a function is open on it, or
 *         it is the graph of a function's trace); EBB_E_MEMORY (nothing changed)
 * Source: tf.compat.v1.reset_default_graph().
 */
EBB_API ebb_status ebb_graph_reset(ebb_graph graph, ebb_receipt *receipt, ebb_error *error);

/**
 * The calling thread's default graph in this runtime, made on first use ("default"). Nothing uses
 * it by itself: it is an ordinary graph that every part of a program can find. When its thread ends
 * it stays until it or the runtime is closed.
 * @return as ebb_graph_open(); EBB_E_UNSUPPORTED (the thread has default graphs of 16 runtimes)
 */
EBB_API ebb_status ebb_graph_default(ebb_runtime runtime, ebb_graph *graph, ebb_error *error);
/**
 * Makes `graph` the calling thread's default graph; {0} = none, the next ebb_graph_default() makes
 * one. @param previous  what it was, {0} if there was none; may be NULL
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (of another runtime); EBB_E_UNSUPPORTED
 */
EBB_API ebb_status ebb_graph_as_default(ebb_runtime runtime, ebb_graph graph, ebb_graph *previous,
                                        ebb_error *error);

/** From now on nothing can be added (EBB_E_STATE). @return EBB_OK; EBB_E_STALE */
EBB_API ebb_status ebb_graph_finalize(ebb_graph graph);

/**
 * The first fault of a call that adds to the graph, since it was last asked for; then it is
 * forgotten.
 *
 * Calls that return a tensor answer {0} when they fail, and given {0} they do nothing and answer
 * {0} again; so a chain of calls needs one look at its end, here or at the run that fetches {0},
 * which tells the fault as well. Other tensors of the graph are not touched by a fault.
 * @return EBB_OK: none; EBB_E_STALE
 */
EBB_API ebb_status ebb_graph_error(ebb_graph graph, ebb_error *error);

typedef struct ebb_graph_info {
    char name[128];
    uint32_t operations, tensors, variables;
    uint32_t sessions; /**< open on it, functions included */
    uint32_t nodes_max;
    uint64_t bytes_max; /**< 0 = none */
    uint64_t seed;
    uint64_t resets;
    bool is_finalized;
    uint64_t reserved[4];
} ebb_graph_info;
/** @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT */
EBB_API ebb_status ebb_graph_info_read(ebb_graph graph, ebb_graph_info *info);
/** @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT */
EBB_API ebb_status ebb_graph_memory_read(ebb_graph graph, ebb_memory *memory);

typedef struct ebb_operation_info {
    char name[128];  /**< unique in the graph: "MatMul_1" */
    char op[64];     /**< TensorFlow's name of what it does: "MatMul" */
    char device[32]; /**< as asked for: "CPU:1"; "" = none */
    uint32_t inputs, outputs, controls;
    uint64_t reserved[2];
} ebb_operation_info;
/** Number of operations, in the order in which they were added; 0 for a stale graph. */
EBB_API uint32_t ebb_graph_operation_count(ebb_graph graph);
/** @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (no such operation) */
EBB_API ebb_status ebb_graph_operation_read(ebb_graph graph, uint32_t index,
                                            ebb_operation_info *info);
/** Name ("MatMul_1:0"), type and shape (-1 = not known before a run) of a tensor.
 *  @return EBB_OK; EBB_E_STALE (also after a reset); EBB_E_ARGUMENT (of another graph) */
EBB_API ebb_status ebb_graph_tensor_info(ebb_graph graph, ebb_tensor tensor, ebb_tensor_info *info);
/** A tensor by name: "MatMul_1:0", or "MatMul_1" for output 0.
 *  @return EBB_OK; EBB_E_STALE; EBB_E_NOT_FOUND (tells the nearest names) */
EBB_API ebb_status ebb_graph_find(ebb_graph graph, const char *name, ebb_tensor *tensor,
                                  ebb_error *error);

/* -- tensors: all of these answer {0} after a fault, see ebb_graph_error() --------------------- */

/** A constant; the data are copied. `name` NULL = "Const". Names that are taken get a number behind
 *  ("Const_1"), here and everywhere. */
EBB_API ebb_tensor ebb_graph_constant(ebb_graph graph, const ebb_view *view, const char *name);
/** A float32 constant without axes. */
EBB_API ebb_tensor ebb_graph_number(ebb_graph graph, double number);
/** Something that each run must be fed with. Every axis has a length or -1; tensors of unknown rank
 *  are refused (EBB_E_ARGUMENT). */
EBB_API ebb_tensor ebb_graph_placeholder(ebb_graph graph, const char *name, ebb_dtype dtype,
                                         uint32_t rank, const int64_t *dims);
/** A variable, of the type and shape of its initial value, which is copied. Each session has a
 * value of its own, from the run of ebb_graph_initializer() or of an assignment on. */
EBB_API ebb_tensor ebb_graph_variable(ebb_graph graph, const char *name, const ebb_view *initial);
/** The same; the initial value is computed by the run that initializes (random numbers, say). Its
 *  shape must be known. */
EBB_API ebb_tensor ebb_graph_variable_from(ebb_graph graph, const char *name, ebb_tensor initial);

/**
 * An operation of TensorFlow's registry: every name of ebb_operation_read().
 * @param attributes  "transpose_b=true, name='scores'"; NULL = defaults. Values: numbers, true and
 *                    false, 'text', types (float32), lists in brackets [1, 2]. "name" names the
 *                    operation; otherwise it is called as what it does
 * @return output 0; ebb_graph_output() gives the others
 */
EBB_API ebb_tensor ebb_graph_op(ebb_graph graph, const char *op, const ebb_tensor *inputs,
                                size_t count, const char *attributes);
/** The same with attributes as in printf: "axis=%d". */
EBB_API ebb_tensor ebb_graph_op_format(ebb_graph graph, const char *op, const ebb_tensor *inputs,
                                       size_t count, const char *format, ...) EBB_PRINTF(5, 6);
/** Output number `index` of the operation that made x. */
EBB_API ebb_tensor ebb_graph_output(ebb_graph graph, ebb_tensor x, uint32_t index);
/** Renames the operation that made x. Returns x. */
EBB_API ebb_tensor ebb_graph_name(ebb_graph graph, ebb_tensor x, const char *name);

/** One operation that ebb_graph_op() knows. Static storage. */
typedef struct ebb_operation {
    const char *name;
    uint32_t inputs_min, inputs_max;
    const char *attributes; /**< "transpose_a: bool = false, transpose_b: bool = false" */
} ebb_operation;
EBB_API uint32_t ebb_operation_count(void);
/** @return false if index is out of range */
EBB_API bool ebb_operation_read(uint32_t index, ebb_operation *operation);

/* -- variables and order ----------------------------------------------------------------------- */

/* Assignments do something when a run fetches them or has them as a target; the tensor is the new
 * value. A variable used as a tensor is what it was before the run. Several assignments to one
 * variable in one run happen in the order in which they were added, each on the result of the one
 * before. A run that fails changes no variable. */
EBB_API ebb_tensor ebb_assign(ebb_graph graph, ebb_tensor variable, ebb_tensor value);
EBB_API ebb_tensor ebb_assign_add(ebb_graph graph, ebb_tensor variable, ebb_tensor value);
EBB_API ebb_tensor ebb_assign_sub(ebb_graph graph, ebb_tensor variable, ebb_tensor value);
/** The variable's value after the assignments of the same run that this operation comes after, by
 *  its control dependencies or because it was added later than they were. */
EBB_API ebb_tensor ebb_graph_read(ebb_graph graph, ebb_tensor variable);
/** An operation that does all of these: a target of runs, without a value of its own. */
EBB_API ebb_tensor ebb_graph_group(ebb_graph graph, const ebb_tensor *tensors, size_t count,
                                   const char *name);
/** A target that gives every variable of the graph, as it is now, its initial value:
 *  tf.compat.v1.global_variables_initializer(). */
EBB_API ebb_tensor ebb_graph_initializer(ebb_graph graph);

/** What is added until ebb_graph_control_pop() runs after these and whenever it runs they do:
 *  tf.control_dependencies(). Nested ones add up. @return EBB_OK; the fault is the graph's too */
EBB_API ebb_status ebb_graph_control_push(ebb_graph graph, const ebb_tensor *tensors, size_t count,
                                          ebb_error *error);
/** @return EBB_OK; EBB_E_STALE; EBB_E_STATE (none is open) */
EBB_API ebb_status ebb_graph_control_pop(ebb_graph graph);
/** The operation of x runs after that of `after`. @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (a
 *  cycle: `after` needs x; or tensors of another graph); EBB_E_STATE; EBB_E_MEMORY */
EBB_API ebb_status ebb_graph_after(ebb_graph graph, ebb_tensor x, ebb_tensor after,
                                   ebb_error *error);

/**
 * Gradients of the sum of all elements of ys with respect to xs: gradients[i] has the type and
 * shape of xs[i], or is {0} where nothing leads from it to ys. May be taken of gradients again
 * where every operation on the way has a second one (EBB_E_UNSUPPORTED; most functions of one
 * tensor have none).
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_DTYPE (an x that is not of a float type);
 *         EBB_E_UNSUPPORTED (through the call of a model, or see above); EBB_E_STATE; EBB_E_MEMORY
 * A run that is fed a tensor in the middle of the way is EBB_E_UNSUPPORTED. Source: tf.gradients().
 */
EBB_API ebb_status ebb_graph_gradients(ebb_graph graph, const ebb_tensor *ys, size_t y_count,
                                       const ebb_tensor *xs, size_t x_count, ebb_tensor *gradients,
                                       ebb_error *error);

/**
 * Seed of the graph's random operations; default 0, which is a seed like others. Numbers are told
 * by the graph's seed, the operation (its own seed, and how many random ones were added before it),
 * and how many runs with random operations the session has done: equal programs, equal numbers, but
 * not those of TensorFlow. @return EBB_OK; EBB_E_STALE; EBB_E_STATE (random operations are there
 * already, or it is finalized)
 */
EBB_API ebb_status ebb_graph_seed(ebb_graph graph, uint64_t seed);

/* -- devices ----------------------------------------------------------------------------------- */

/**
 * What is added until ebb_graph_device_pop() is placed there: "/CPU:1", "/GPU:0", every form of
 * ebb/device.h. Scopes nest, the inner one wins; NULL or "" = no wish. Whether the device is there
 * is asked when a session runs. Variables live where they were added, assignments happen there.
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (does not parse; 64 scopes are open)
 */
EBB_API ebb_status ebb_graph_device_push(ebb_graph graph, const char *device, ebb_error *error);
/** @return EBB_OK; EBB_E_STALE; EBB_E_STATE (none is open) */
EBB_API ebb_status ebb_graph_device_pop(ebb_graph graph);

/* -- models ------------------------------------------------------------------------------------ */

/**
 * An operation that calls a loaded model. Its weights are those of the model, shared and never
 * copied; a change of them is seen by the next run. The graph does not keep the model alive: a run
 * after its unload is EBB_E_STALE and names it. Gradients do not pass.
 * @param outputs  `output_count` of them, in the model's order
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (counts; a model of another runtime); EBB_E_SHAPE;
 *         EBB_E_STATE; EBB_E_MEMORY
 */
EBB_API ebb_status ebb_graph_model_call(ebb_graph graph, ebb_model model, const ebb_tensor *inputs,
                                        size_t input_count, ebb_tensor *outputs,
                                        size_t output_count, ebb_error *error);

/* -- short names ------------------------------------------------------------------------------- */

/* clang-format off */
/** One tensor in, one out: name, TensorFlow's operation. */
#define EBB_UNARY_OPERATION_MAP(X)                                                                 \
    X(identity, "Identity") X(stop_gradient, "StopGradient") X(abs, "Abs") X(neg, "Neg")           \
    X(sign, "Sign") X(square, "Square") X(sqrt, "Sqrt") X(rsqrt, "Rsqrt")                          \
    X(reciprocal, "Reciprocal") X(exp, "Exp") X(expm1, "Expm1") X(log, "Log") X(log1p, "Log1p")    \
    X(sin, "Sin") X(cos, "Cos") X(tan, "Tan") X(tanh, "Tanh") X(erf, "Erf") X(floor, "Floor")      \
    X(ceil, "Ceil") X(round, "Round") X(relu, "Relu") X(relu6, "Relu6") X(elu, "Elu")              \
    X(selu, "Selu") X(sigmoid, "Sigmoid") X(softplus, "Softplus") X(softsign, "Softsign")          \
    X(softmax, "Softmax") X(log_softmax, "LogSoftmax") X(logical_not, "LogicalNot")                \
    X(is_nan, "IsNan") X(is_inf, "IsInf") X(is_finite, "IsFinite") X(zeros_like, "ZerosLike")      \
    X(ones_like, "OnesLike") X(shape_of, "Shape") X(size_of, "Size") X(rank_of, "Rank")

/** Two tensors of one type, which broadcast. */
#define EBB_BINARY_OPERATION_MAP(X)                                                                \
    X(add, "AddV2") X(sub, "Sub") X(mul, "Mul") X(div, "RealDiv") X(floor_div, "FloorDiv")         \
    X(mod, "FloorMod") X(pow, "Pow") X(maximum, "Maximum") X(minimum, "Minimum")                   \
    X(squared_difference, "SquaredDifference") X(atan2, "Atan2") X(equal, "Equal")                 \
    X(not_equal, "NotEqual") X(less, "Less") X(less_equal, "LessEqual") X(greater, "Greater")      \
    X(greater_equal, "GreaterEqual") X(logical_and, "LogicalAnd") X(logical_or, "LogicalOr")

/** Over `count` axes, negative ones from the end; count 0 = all of them. */
#define EBB_REDUCTION_MAP(X)                                                                       \
    X(reduce_sum, "Sum") X(reduce_mean, "Mean") X(reduce_max, "Max") X(reduce_min, "Min")          \
    X(reduce_prod, "Prod") X(reduce_any, "Any") X(reduce_all, "All")
/* clang-format on */

#define EBB_UNARY_OPERATION(name, op) EBB_API ebb_tensor ebb_##name(ebb_graph graph, ebb_tensor x);
#define EBB_BINARY_OPERATION(name, op)                                                             \
    EBB_API ebb_tensor ebb_##name(ebb_graph graph, ebb_tensor a, ebb_tensor b);
#define EBB_REDUCTION(name, op)                                                                    \
    EBB_API ebb_tensor ebb_##name(ebb_graph graph, ebb_tensor x, const int64_t *axes,              \
                                  size_t count, bool keep_dims);
EBB_UNARY_OPERATION_MAP(EBB_UNARY_OPERATION)
EBB_BINARY_OPERATION_MAP(EBB_BINARY_OPERATION)
EBB_REDUCTION_MAP(EBB_REDUCTION)
#undef EBB_UNARY_OPERATION
#undef EBB_BINARY_OPERATION
#undef EBB_REDUCTION

/** [..., m, k] x [..., k, n]; more than two axes: leading ones broadcast. */
EBB_API ebb_tensor ebb_matmul(ebb_graph graph, ebb_tensor a, ebb_tensor b);
EBB_API ebb_tensor ebb_matmul_with(ebb_graph graph, ebb_tensor a, ebb_tensor b, bool transpose_a,
                                   bool transpose_b);
/** One dim may be -1. */
EBB_API ebb_tensor ebb_reshape(ebb_graph graph, ebb_tensor x, uint32_t rank, const int64_t *dims);
/** Axis i of the result is axis order[i] of x; NULL = all of them reversed. */
EBB_API ebb_tensor ebb_transpose(ebb_graph graph, ebb_tensor x, const int64_t *order);
EBB_API ebb_tensor ebb_expand_dims(ebb_graph graph, ebb_tensor x, int64_t axis);
EBB_API ebb_tensor ebb_squeeze(ebb_graph graph, ebb_tensor x, int64_t axis);
EBB_API ebb_tensor ebb_concat(ebb_graph graph, const ebb_tensor *items, size_t count, int64_t axis);
EBB_API ebb_tensor ebb_stack(ebb_graph graph, const ebb_tensor *items, size_t count, int64_t axis);
/** As many begins and sizes as x has axes; size -1 = up to the end. */
EBB_API ebb_tensor ebb_slice(ebb_graph graph, ebb_tensor x, const int64_t *begin,
                             const int64_t *size);
EBB_API ebb_tensor ebb_gather(ebb_graph graph, ebb_tensor x, ebb_tensor indices, int64_t axis);
/** condition ? a : b, element by element. */
EBB_API ebb_tensor ebb_where(ebb_graph graph, ebb_tensor condition, ebb_tensor a, ebb_tensor b);
EBB_API ebb_tensor ebb_cast(ebb_graph graph, ebb_tensor x, ebb_dtype dtype);
EBB_API ebb_tensor ebb_arg_max(ebb_graph graph, ebb_tensor x, int64_t axis);
EBB_API ebb_tensor ebb_one_hot(ebb_graph graph, ebb_tensor indices, int64_t depth);
/** float32 of this shape, filled. */
EBB_API ebb_tensor ebb_fill(ebb_graph graph, uint32_t rank, const int64_t *dims, double number);
/** Random float32. `seed` 0: the operation has none of its own. */
EBB_API ebb_tensor ebb_random_normal(ebb_graph graph, uint32_t rank, const int64_t *dims,
                                     double mean, double deviation, uint64_t seed);
EBB_API ebb_tensor ebb_random_truncated_normal(ebb_graph graph, uint32_t rank, const int64_t *dims,
                                               double mean, double deviation, uint64_t seed);
EBB_API ebb_tensor ebb_random_uniform(ebb_graph graph, uint32_t rank, const int64_t *dims,
                                      double low, double high, uint64_t seed);

/* -- sessions ---------------------------------------------------------------------------------- */

/** Zero = default. */
typedef struct ebb_session_options {
    size_t struct_size;
    const char *name;    /**< in reports and messages; NULL = "session" */
    uint64_t bytes_max;  /**< over all it holds, models in its scope included; 0 = none */
    uint32_t threads;    /**< of one run; 0 = chosen from the work */
    uint32_t plans_max;  /**< runs prepared and kept for other fetches and shapes; 0 = 8 */
    bool soft_placement; /**< a device that is not there becomes the first CPU */
    bool log_placement;  /**< tells the runtime's log where operations are, once a plan */
} ebb_session_options;
#define EBB_SESSION_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(ebb_session_options), NULL, 0, 0, 0, false, false                                   \
    }

/**
 * Opens a session on a graph. Several may be open on one, each with variables of its own.
 * @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT; EBB_E_MEMORY
 * Memory: one page of class meta.
 */
EBB_API ebb_status ebb_session_open(ebb_graph graph, const ebb_session_options *options,
                                    ebb_session *session, ebb_error *error);
/**
 * Closes a session: runs in flight finish, new ones are refused, then its variables, plans, the
 * models loaded into it and all else are back before this returns. The receipt is exact. Closing
 * the runtime does so too.
 * @param receipt  may be NULL
 * @return EBB_OK; EBB_E_STALE; EBB_E_STATE (called from inside one of its own runs)
 */
EBB_API ebb_status ebb_session_close(ebb_session session, ebb_receipt *receipt, ebb_error *error);

/** What a tensor is in one run. */
typedef struct ebb_feed {
    ebb_tensor tensor;
    ebb_view view; /**< dtype that of the tensor, or EBB_DTYPE_NONE for that */
} ebb_feed;

/**
 * Computes what is needed for the fetches and targets, everything once.
 *
 * @param feeds    values for placeholders, or in place of any tensor that is not a constant: what
 *                 leads only there is not computed. In any order; ones that are not needed are
 *                 ignored
 * @param fetches  tensors whose values are wanted
 * @param outputs  one view with memory per fetch: dtype EBB_DTYPE_NONE or the tensor's; rank 0 =
 * not checked, otherwise dims must be those of the result (ebb_session_output_shapes())
 * @param targets  operations to be done without their value: assignments, initializers, groups
 * @return EBB_OK; EBB_E_STALE (session, tensor, or a model that is called); EBB_E_ARGUMENT (tensor
 *         of another graph, placeholder not fed, feed of a constant, twice the same feed, no
 *         memory for an output, output over an input); EBB_E_SHAPE and EBB_E_DTYPE (name the
 *         tensor, what was expected, what was given); EBB_E_STATE (a variable without a value; a
 * run from inside a run); EBB_E_NOT_FOUND (device); EBB_E_UNSUPPORTED; EBB_E_MEMORY Memory: the
 * first run of a combination of fetches, feeds and shapes prepares a plan: classes meta, weights
 * (constants) and activations, on the devices it runs on, counted as cached; the plan not used for
 * longest makes room. Afterwards a run allocates nothing. Outputs are written and variables changed
 * only on success. Threads: runs of one session wait for each other; sessions do not.
 */
EBB_API ebb_status ebb_session_run(ebb_session session, const ebb_feed *feeds, size_t feed_count,
                                   const ebb_tensor *fetches, const ebb_view *outputs,
                                   size_t fetch_count, const ebb_tensor *targets,
                                   size_t target_count, ebb_error *error);
/** One fetch, nothing fed. */
EBB_API ebb_status ebb_session_fetch(ebb_session session, ebb_tensor fetch, const ebb_view *output,
                                     ebb_error *error);
/** One target, nothing fed: initializers, assignments. */
EBB_API ebb_status ebb_session_target(ebb_session session, ebb_tensor target, ebb_error *error);
/** Types and shapes that a run with these feeds (data may be NULL) would give: fills dtype, rank
 * and dims of outputs, leaves data alone. Prepares the plan. Status as ebb_session_run(). */
EBB_API ebb_status ebb_session_output_shapes(ebb_session session, const ebb_feed *feeds,
                                             size_t feed_count, const ebb_tensor *fetches,
                                             ebb_view *outputs, size_t fetch_count,
                                             ebb_error *error);

/**
 * A scope in the session's memory: models loaded or built with it (ebb_load_options.scope) belong
 * to the session, count against its limit and go with it. Made on first use.
 * @return EBB_OK; EBB_E_STALE; EBB_E_MEMORY
 */
EBB_API ebb_status ebb_session_scope(ebb_session session, ebb_scope *scope, ebb_error *error);
/** The session's memory, models of its scope included. @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT
 */
EBB_API ebb_status ebb_session_memory_read(ebb_session session, ebb_memory *memory);

typedef struct ebb_session_info {
    char name[128];
    uint64_t runs;         /**< that succeeded */
    uint32_t plans;        /**< kept now */
    uint64_t plans_made;   /**< since it was opened */
    uint32_t variables;    /**< that have a value */
    uint32_t parts;        /**< of the last run: pieces on one device, calls of models */
    uint64_t bytes_copied; /**< between devices, since it was opened */
    uint64_t reserved[4];
} ebb_session_info;
/** @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT. Waits for a run in flight. */
EBB_API ebb_status ebb_session_info_read(ebb_session session, ebb_session_info *info);

/* -- functions --------------------------------------------------------------------------------- */

/**
 * Describes a function once for a kind of inputs: adds operations to `graph` and stores
 * `output_count` tensors of it. Called inside ebb_function_call() when no trace fits. Variables are
 * made here too; those of equal names are one variable in all traces, initialized when they first
 * appear. Must not call its own function (EBB_E_STATE), nor keep tensors. Faults of the graph are
 * found without its help; returning a status other than EBB_OK ends the call with it.
 */
typedef ebb_status (*ebb_trace_function)(void *context, ebb_graph graph, const ebb_tensor *inputs,
                                         size_t input_count, ebb_tensor *outputs,
                                         size_t output_count, ebb_error *error);

/** Zero = default. */
typedef struct ebb_function_options {
    size_t struct_size;
    const char *name;          /**< in reports and messages; NULL = "function" */
    ebb_trace_function trace;  /**< NULL for ebb_function_from() */
    void *context;             /**< of trace */
    const ebb_view *signature; /**< types and shapes (-1 = any length) of all inputs: traced once,
                                  and other inputs are errors. NULL: any; data are not looked at */
    uint32_t inputs;           /**< how many the signature has */
    uint32_t outputs;          /**< that trace stores; 0 = 1, at most 64 */
    uint32_t traces_max;       /**< kept at once; 0 = 8. The one not used for longest makes room */
    bool exact_shapes; /**< a trace for each shape. Otherwise lengths that differ between two calls
                            with the same types and ranks are any length in the next trace */
    bool no_eviction;  /**< more traces than traces_max are EBB_E_STATE instead */
    ebb_session_options session; /**< limit, threads, placement; struct_size may be 0 = defaults */
} ebb_function_options;
#define EBB_FUNCTION_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(ebb_function_options), NULL, NULL, NULL, NULL, 0, 0, 0, false, false,               \
        {                                                                                          \
            0, NULL, 0, 0, 0, false, false                                                         \
        }                                                                                          \
    }

/** A function that is described by a callback. @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT (no
 *  trace, a signature that is none); EBB_E_MEMORY */
EBB_API ebb_status ebb_function_open(ebb_runtime runtime, const ebb_function_options *options,
                                     ebb_function *function, ebb_error *error);
/** A function over a graph that is there: calls feed `inputs` and fetch `outputs`. It has variables
 *  of its own, initialized by the first call. The graph cannot be closed or reset before it.
 *  @return as ebb_function_open(); tensors as ebb_session_run() */
EBB_API ebb_status ebb_function_from(ebb_graph graph, const ebb_tensor *inputs, size_t input_count,
                                     const ebb_tensor *outputs, size_t output_count,
                                     const ebb_function_options *options, ebb_function *function,
                                     ebb_error *error);
/**
 * Calls a function.
 * @param inputs   at most 64; dtype must be set where there is no signature
 * @param outputs  views with memory, as ebb_session_run()
 * @return as ebb_session_run(); what trace returned; EBB_E_STATE (called from inside its own trace;
 *         no_eviction)
 * Threads: calls of one function wait for each other.
 */
EBB_API ebb_status ebb_function_call(ebb_function function, const ebb_views *inputs,
                                     const ebb_views *outputs, ebb_error *error);
/** Types and shapes of the outputs for these inputs. Traces if need be. Status as a call. */
EBB_API ebb_status ebb_function_output_shapes(ebb_function function, const ebb_views *inputs,
                                              ebb_view *outputs, size_t count, ebb_error *error);

typedef struct ebb_function_info {
    char name[128];
    uint64_t calls;          /**< that succeeded */
    uint32_t traces;         /**< kept now */
    uint64_t traces_made;    /**< since it was opened */
    uint64_t traces_evicted; /**< to make room */
    uint32_t variables;
    uint64_t reserved[4];
} ebb_function_info;
/** @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT. Waits for a call in flight. */
EBB_API ebb_status ebb_function_info_read(ebb_function function, ebb_function_info *info);
/** @return EBB_OK; EBB_E_STALE; EBB_E_ARGUMENT */
EBB_API ebb_status ebb_function_memory_read(ebb_function function, ebb_memory *memory);
/** Calls in flight finish, then everything is back: traces, plans, variables.
 *  @return EBB_OK; EBB_E_STALE; EBB_E_STATE (called from inside a trace) */
EBB_API ebb_status ebb_function_close(ebb_function function, ebb_receipt *receipt,
                                      ebb_error *error);

#ifdef __cplusplus
}
#endif
#endif
