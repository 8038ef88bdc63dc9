/* kernel.h -- the border between graph nodes and code that computes them.
 *
 * A device offers, for each op, kernel rows in order: the fastest first, the portable C kernel
 * last. An executable asks them in turn; the first that says yes serves the node.
 *
 *     plan   decides for concrete shapes; states scratch and lane bytes; chooses how weights are
 * stored. Makes no code and touches no weight. Runs for ebb_model_plan() as well. open   makes what
 * is needed to run (JIT code in a library). At load, once per executable. bind   once per lane,
 * when all pointers are known (they may still change for caller's buffers). run    the only call at
 * prediction time; allocates nothing; any number of lanes at once. unbind, close   undo bind; undo
 * plan and open (also after plan alone).
 *
 * Any of open, bind, unbind, close may be NULL.
 */
#ifndef EBB_DEVICE_KERNEL_H
#define EBB_DEVICE_KERNEL_H

#include "graph/op.h"

typedef struct device device;

/* A tensor with every length known. dtype EBB_DTYPE_NONE: the optional operand is absent. */
typedef struct tensor_desc {
    ebb_dtype dtype;
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX];
} tensor_desc;

uint64_t tensor_desc_count(const tensor_desc *t); /* elements; they fit, as the plan was checked */
uint64_t tensor_desc_bytes(const tensor_desc *t);

/* How the bytes of a weight are laid out. The plain form is Keras's layout, row-major
 * (WEIGHT_PLAIN). A weight has one form for the life of the model: the first kernel that asks
 * decides, later executables must cope with it. Packing loses nothing, so weights can be read back.
 */
typedef struct weight_form {
    const char *name;
    uint64_t bytes;
    const void *layout; /* of the row that made it, in the model's region */
    ebb_status (*pack)(const struct weight_form *form, const tensor_desc *plain, const void *source,
                       void *destination);
    ebb_status (*unpack)(const struct weight_form *form, const tensor_desc *plain,
                         const void *source, void *destination);
} weight_form;
#define WEIGHT_PLAIN NULL

/* Weights above this are never packed: packing needs the plain bytes beside the packed ones for a
 * moment. */
#define WEIGHT_PACK_BYTES_MAX ((uint64_t)16 << 20)

typedef struct kernel_plan {
    const device *device;
    const graph *graph;
    const node *node;
    const tensor_desc *inputs;  /* [node->input_count] */
    const tensor_desc *outputs; /* [node->output_count] */
    uint32_t threads;           /* the executable's; 1 = stay on the calling thread */
    const int64_t *dim_values;  /* for attributes that hold dims; NULL: all dims are known */
    region *home;               /* of the executable, class meta: states and layouts live here */
    /* Per input: is it a weight or folded constant, is its form decided already, and which. When
     * undecided the row may set form to its own; leaving NULL means plain. When decided, form must
     * be accepted. */
    struct {
        bool is_weight, is_decided;
        const weight_form *form;
    } weights[OP_INPUTS_MAX];
    /* Results */
    void *state;            /* passed to open, bind, run, close */
    uint64_t scratch_bytes; /* per lane, in the arena, alive during the step; alignment 64 */
    uint64_t lane_bytes;    /* per lane state, zeroed, 16-aligned */
    bool in_place;          /* output 0 may share memory with input 0 when that dies here */
    uint32_t
        in_place_with; /* if not 0: output 0 may share memory with this input when that dies here */
    bool is_pointwise; /* every output may share memory with any input of its bytes */
} kernel_plan;

typedef struct kernel_call {
    const void *state;
    void *lane;          /* lane_bytes of this step and lane */
    void *const *inputs; /* NULL where absent; weights in their form */
    void *const *outputs;
    void *scratch;
    const tensor_desc *input_descs, *output_descs;
    uint32_t threads;
    uint32_t run; /* of graphs that draw random numbers: no other run of the model has it */
} kernel_call;

typedef struct kernel_def {
    const char *name; /* "portable.conv", "onednn.conv" */
    op_id op;
    bool (*plan)(
        kernel_plan *plan); /* false: not this one (a plain no, or no memory: state stays NULL) */
    ebb_status (*open)(void *state, ebb_error *error);
    ebb_status (*bind)(const kernel_call *call, ebb_error *error);
    void (*run)(const kernel_call *call);
    void (*unbind)(const kernel_call *call);
    void (*close)(void *state);
} kernel_def;

#endif
