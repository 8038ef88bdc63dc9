/* shrink.h (internal) -- models with packed weights.
 *
 *     file, or a loaded model   ->  a layout per weight  ->  the stage packs the graph's weights
 *
 * In place: a second model is made beside the first one, like it but for the layouts, its weights
 * read from the first one (pruned on the way); then it takes the first one's handle. */
#ifndef EBB_RUNTIME_SHRINK_H
#define EBB_RUNTIME_SHRINK_H

#include "compress/magnitude.h"
#include "ebb/shrink.h"
#include "format/content.h"
#include "runtime/recipe.h"

/* -- shrink_stage.c: models that are packed ---------------------------------------------------- */

/* m->packings from the recipe or the file, and into the graph. Before passes_run(). */
ebb_status shrink_stage(model *m, const recipe *p, ebb_error *error);
/* E_UNSUPPORTED: weight `index` is packed and cannot be set; the model is and cannot be trained. */
ebb_status shrink_check_set(const model *m, uint32_t index, ebb_error *error);
ebb_status shrink_check_trained(const model *m, ebb_error *error);
/* A line for summaries: " Kept small: 4 weights, 3.03 MB as 0.81 MB (int8)"; "" when there are
 * none. `layouts` by weight, NULL = plain. Returns text. */
const char *shrink_summary(const packed_layout *const *layouts, uint32_t count, char text[160]);
/* What is stored of weight `index`. */
void shrink_describe(const model *m, uint32_t index, ebb_tensor_info *info);
/* The values of a packed weight as they are kept, row-major; or the scales of an I8 one. */
void shrink_stored_read(const model *m, uint32_t index, bool is_scales, void *bytes);
static inline const packed_layout *shrink_layout(const model *m, uint32_t index)
{
    return m->packings == NULL ? NULL : m->packings[index];
}
/* As they are saved to a .keras file: changes the content's tensors, and what reads them. `work`
 * lives until it is written. */
ebb_status shrink_content(region *work, model *m, model_content *content, ebb_error *error);

/* -- shrinking --------------------------------------------------------------------------------- */

/* What becomes of one weight. */
typedef struct shrink_weight {
    const char *class_name, *layer; /* of the layer it belongs to */
    bool is_changed, is_packed;
    const char *reason;   /* why it is not changed; "" */
    packed_layout layout; /* of a packed one */
    float *scales;        /* I8: known once it is measured */
    bool has_scales;
    const magnitude *pruned; /* NULL: not by size */
    uint64_t ties;           /* to begin with, as in magnitude.h */
    uint32_t keep, of;       /* of 0: not in groups */
    uint64_t elements, zeros, bytes_before, bytes_after;
    double error;
} shrink_weight;

typedef struct name_list {
    const char *const *items;
    size_t count;
} name_list;

typedef struct shrink_job {
    model *m;
    region *work;
    shrink_weight *weights; /* by weight of m */
    ebb_dtype kind;         /* F32: as it is */
    bool is_expanding;
    bool is_pruning, is_global;
    double sparsity;
    uint32_t keep, of;
    name_list only, skip;
    uint64_t elements_min, deadline_ns;
    ebb_shrink_function report;
    void *context;
    ebb_shrink_report sum;
    /* of reading */
    uint64_t ties;
} shrink_job;

/* shrink_choose.c: which weights change, into what. E_NOT_FOUND: a name that fits nothing. */
ebb_status shrink_choose(shrink_job *j, ebb_error *error);
/* shrink_measure.c: limits of pruning, scales, what is stored, errors. */
ebb_status shrink_measure(shrink_job *j, ebb_error *error);
/* Elements of a weight as they will be, before they are packed. Pieces in order, from 0 on. */
ebb_status shrink_read(void *context, region *scratch, uint32_t index, uint64_t first,
                       uint64_t count, void *bytes, ebb_error *error);
/* Most scratch bytes it takes. */
uint64_t shrink_read_bytes(const model *m);
/* shrink_make.c: the model like j->m with the weights of the job; plain where `j->weights` says so.
 * Under the lock of training. *id is a handle of its own. */
ebb_status shrink_make(shrink_job *j, const ebb_load_options *load, uint64_t *id, ebb_error *error);
/* A copy of a shrunk model, as ebb_model_clone() makes it. */
ebb_status shrink_clone(model *m, const ebb_build_options *o, uint64_t *id, ebb_error *error);
/* Puts model `fresh` in the place of the one with handle `id`, if that is still `old` and its
 * weights changed `changes` times. *is_done false: they did. E_BUSY, E_STATE, E_STALE. */
ebb_status shrink_replace(uint64_t id, const model *old, uint32_t changes, uint64_t fresh,
                          uint64_t deadline_ns, bool *is_done, ebb_error *error);

ebb_status model_quantize(ebb_model handle, const ebb_quantize_options *options,
                          ebb_shrink_report *report, ebb_error *error);
ebb_status model_prune(ebb_model handle, const ebb_prune_options *options,
                       ebb_shrink_report *report, ebb_error *error);
ebb_status model_expand(ebb_model handle, ebb_shrink_report *report, ebb_error *error);

/* model_compare.c */
ebb_status model_compare(model *a, model *b, const ebb_views *inputs,
                         const ebb_compare_options *options, ebb_difference *differences,
                         size_t count, bool *agree, ebb_error *error);

#endif
