/* weights.h -- the stored weights of a model: which values are kept, in which form, where in one
 * block.
 *
 *     block:  | slot 0 | pad to 64 | slot 1 | ...        class weights, 2 MB pages when large
 *
 * A slot is a weight, or a constant that was folded from weights (batch-norm scales, folded
 * kernels). Executables ask for slots while they are planned, which fixes each slot's form; after
 * weights_layout() the block's size is known to the byte, before a single weight is read.
 *
 * With keep_all every weight has a slot, so that it can be read back and set; without
 * (inference_only) only what the executables read is stored.
 *
 * A weight whose value has a packing (graph_weight_pack()) is stored in that layout: decided from
 * the start, filled piece by piece without a plain copy of it, never set.
 *
 * Variables (graph_variable()) are plain, and their memory is lent by whoever owns it: several
 * graphs may work on the same variables.
 */
#ifndef EBB_EXEC_WEIGHTS_H
#define EBB_EXEC_WEIGHTS_H

#include <stdatomic.h>

#include "device/device.h"
#include "tensor/packed.h"

/* Reads elements of weight `index` in its stored dtype, row-major, into `bytes`. */
typedef struct weight_reader {
    ebb_status (*read)(void *context, region *scratch, uint32_t index, uint64_t first,
                       uint64_t count, void *bytes, ebb_error *error);
    void *context;
} weight_reader;

/* What is known of packed weights beside their elements; each function may be NULL. */
typedef struct packed_reader {
    /* The bytes in this very layout; NULL: there are none. */
    const void *(*bytes)(void *context, uint32_t index, const packed_layout *l);
    /* The scales of an I8 weight; *is_known false: they are measured. */
    ebb_status (*scales)(void *context, region *scratch, uint32_t index, float *scales,
                         bool *is_known, ebb_error *error);
    void *context;
} packed_reader;

typedef struct weight_slot {
    value v;
    tensor_desc plain;
    const weight_form *form; /* NULL = plain */
    const packed_layout *packing; /* NULL: none */
    bool is_decided;
    bool is_folded; /* computed from other constants; else a weight or literal */
    void *lent;     /* a variable's memory; NULL: in the block */
    uint64_t bytes, offset;
} weight_slot;

typedef struct weights {
    region *home; /* meta */
    const device *device;
    const graph *graph;
    weight_slot *slots;
    uint32_t slot_count, slot_capacity;
    uint32_t *slot_of; /* by value: slot + 1, 0 = none */
    uint64_t block_bytes;
    uint8_t *block; /* NULL until weights_fill() */
    const packed_reader *packed_from; /* while it is filled; NULL: elements are all there is */
    atomic_uint own_runs, *runs; /* of graphs that draw random numbers: how many there were, by all
                                    lanes of all executables; loops count those of their model */
} weights;

ebb_status weights_open(region *home, const device *device, const graph *g, bool keep_all,
                        weights **result, ebb_error *error);
/* Memory of the variables by weight index, 64 bytes aligned: before executables are bound. */
void weights_lend(weights *w, void *const *memory);
/* The slot of a constant value, made if it is new. NULL: no memory. */
weight_slot *weights_slot(weights *w, value v);
/* Gives a slot to every constant that running nodes read, and fixes offsets; afterwards no slot may
 * be added. */
ebb_status weights_layout(weights *w, ebb_error *error);
/* Most scratch bytes weights_fill() holds at once. */
uint64_t weights_scratch_bytes(const weights *w);
/* The same where there is nothing to read from a file. */
uint64_t weights_fold_bytes(const weights *w);

/* Allocates the block in `store` and fills every slot. */
ebb_status weights_fill(weights *w, region *store, region *scratch, const weight_reader *reader,
                        ebb_error *error);

/* Fills every slot anew from `reader`: after a failure some are old and some new. */
ebb_status weights_refill(const weights *w, region *scratch, const weight_reader *reader,
                          ebb_error *error);

/* Bytes of what cannot be computed again from the rest: every slot but folded ones and literals.
 * Only with keep_all, and while the graph's literals are there. */
uint64_t weights_stow_bytes(const weights *w);
/* Copies those slots, as they are, one after another. */
void weights_stow(const weights *w, uint8_t *to);
/* Fills the block from such a copy and makes the other slots again, bit for bit. */
ebb_status weights_unstow(const weights *w, const uint8_t *from, region *scratch,
                          ebb_error *error);

/* Copies a stored value out in its plain form. */
ebb_status weights_get(const weights *w, value v, void *bytes, ebb_error *error);
/* Elements [first, first + count) of it; what kernels have packed is copied out as a whole, into a
 * child of `scratch`. */
ebb_status weights_get_some(const weights *w, value v, region *scratch, uint64_t first,
                            uint64_t count, void *bytes, ebb_error *error);
/* The slot of a weight that is stored; NULL: it is not. */
const weight_slot *weights_slot_find(const weights *w, value v);
/* Stores a variable from its plain form and computes the folded slots anew: all of it or nothing.
 */
ebb_status weights_set(weights *w, value v, const void *bytes, region *scratch, ebb_error *error);

static inline void *weights_pointer(const weights *w, value v)
{
    const weight_slot *slot = w->slot_of[v] == 0 ? NULL : &w->slots[w->slot_of[v] - 1];

    if (slot == NULL) return NULL;
    return slot->lent != NULL ? slot->lent : w->block == NULL ? NULL : w->block + slot->offset;
}

#endif
