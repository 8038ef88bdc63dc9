/* executable.h -- a graph made ready to run for one set of input shapes.
 *
 *     graph + shapes ──> steps (node, kernel row, state) + plan (offset of every tensor in one
 * arena)
 *
 * Built in two halves so that a plan costs no memory that counts: executable_make() chooses
 * kernels, fixes weight forms and offsets and takes every byte of meta (also for the lanes);
 * executable_open() makes code and binds the lanes to their arenas. Running allocates nothing.
 *
 * A lane is one activation arena, so one run at a time; the lanes of a model are shared by its
 * executables. Inputs and outputs are read and written in the caller's memory when type and
 * alignment allow, else they are staged in the arena.
 *
 * Updates of variables (graph_update()) are computed straight into the variable where nobody reads
 * the old value afterwards; others are kept in the arena and stored when all steps are done.
 */
#ifndef EBB_EXEC_EXECUTABLE_H
#define EBB_EXEC_EXECUTABLE_H

#include "exec/weights.h"

#define ARENA_ALIGNMENT 64u
#define SHARES_NONE     UINT32_MAX

typedef struct step {
    const kernel_def *kernel;
    void *state;
    const node *node;
    const tensor_desc *inputs, *outputs;
    uint64_t scratch_bytes, scratch_offset;
    uint64_t lane_bytes;
    uint32_t shared_input; /* whose memory output 0 may take over, or SHARES_NONE */
    bool is_pointwise;     /* every output may lie over any input of its bytes */
    bool is_open;
} step;

/* Where a value lives while the executable runs. */
typedef enum place_kind {
    PLACE_NONE,
    PLACE_ARENA,
    PLACE_WEIGHT,
    PLACE_INPUT,
    PLACE_OUTPUT
} place_kind;

typedef struct place {
    place_kind kind;
    uint32_t index;  /* INPUT, OUTPUT: number; WEIGHT: the value whose memory it is */
    uint64_t offset; /* ARENA */
} place;

/* A pointer that must be set to the caller's buffer before each run. */
typedef struct patch {
    void **slot;
    uint32_t index; /* input number, or input_count + output number */
} patch;

typedef struct binding {
    kernel_call *calls; /* one per step */
    patch *patches;
    uint32_t patch_count;
    void **externals; /* present pointers: inputs, then outputs */
    bool is_bound;
} binding;

typedef struct executable {
    region *home; /* meta */
    const device *device;
    const graph *graph;
    weights *weights;
    uint32_t threads, lanes;
    bool draws; /* random numbers that no input tells apart from run to run */
    int64_t *symbols;    /* key: values of the free symbols */
    int64_t *dim_values; /* all expressions */
    step *steps;
    uint32_t step_count;
    place *places;                            /* by value */
    tensor_desc *inputs, *outputs;            /* of the graph, in their declared types */
    uint32_t result_count;                    /* outputs that are no updates */
    uint64_t *input_staging, *output_staging; /* arena offsets */
    uint64_t arena_bytes;
    uint64_t flops;
    binding *bindings; /* one per lane */
    uint64_t used_at;  /* for the plan cache */
    uint32_t users;
} executable;

typedef struct executable_options {
    region *home;
    const device *device;
    const graph *graph;
    weights *weights;
    const int64_t *symbols;
    uint32_t threads; /* 0 = chosen from the work */
    uint32_t lanes;
} executable_options;

/* *result is valid for executable_close() also when planning failed half-way (or NULL). */
ebb_status executable_make(const executable_options *options, executable **result,
                           ebb_error *error);
/* Makes code. Needs weights in place. */
ebb_status executable_open(executable *e, ebb_error *error);
ebb_status executable_bind(executable *e, uint32_t lane, void *arena, ebb_error *error);
/* Frees a lane from its arena, so that it may be bound to another. */
void executable_unbind(executable *e, uint32_t lane);
/* Runs on `lane`. inputs, and outputs that are no updates: views that were checked already. */
void executable_run(executable *e, uint32_t lane, const ebb_view *inputs, const ebb_view *outputs);
/* Undoes bind, open and make; the memory goes with its region. NULL is a no-op. */
void executable_close(executable *e);

/* True if rows (axis 0) never influence each other, so that a batch may run in passes. */
bool graph_rows_independent(const graph *g, uint32_t batch_symbol);

#endif
