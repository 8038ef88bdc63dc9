/* recipe.h -- models that come from a configuration instead of a file: its text, and where the
 * weights come from.
 *
 * A recipe takes the way of a file (model.h): text -> description -> assembly -> plan -> weights ->
 * sealed. Only the reader of weights is another one: it copies from models that are loaded, or asks
 * the initializers. Every weight can be asked for any number of times and is the same each time. */
#ifndef EBB_RUNTIME_RECIPE_H
#define EBB_RUNTIME_RECIPE_H

#include "ebb/build.h"
#include "runtime/model.h"

/* Weights of a layer that are copies. */
typedef struct recipe_origin {
    const char *layer; /* in the new model; NULL: all of it */
    uint64_t from_id;
    model *from;            /* pinned by whoever makes the model */
    const char *from_layer; /* NULL: all of the model */
} recipe_origin;

struct recipe {
    const char *name; /* for messages, and of the region */
    const char *text; /* Keras JSON; not kept */
    size_t length;
    uint64_t seed;
    bool seed_by_number; /* a weight's stream is told by its number instead of its name */
    recipe_origin *origins;
    uint32_t origin_count;
    const model *like; /* whose place the model takes: its format and version; NULL: of none */
    const packed_layout *const *packings; /* by weight, NULL = plain; NULL: none is packed */
};

/* The reader of one model's weights while it is made. */
typedef struct weight_copy {
    model *from; /* NULL: its initializer */
    uint32_t index;
    bool is_counted; /* as a transfer between devices */
} weight_copy;

typedef struct weight_maker {
    const recipe *recipe;
    model *m;
    weight_copy *copies; /* by weight of m */
    weight_reader reader;
} weight_maker;

/* The description of a recipe, in `home`. */
ebb_status recipe_read(region *home, const recipe *p, description **result, ebb_error *error);
/* Matches origins with the weights of a staged model. E_SHAPE when they differ. In `work`. */
ebb_status weight_maker_open(region *work, const recipe *p, model *m, weight_maker *w,
                             ebb_error *error);
/* Most scratch bytes that making one weight takes. */
uint64_t weight_maker_bytes(const built_model *built);

/* Keras 3's configuration of a loaded model as its layers are frozen now, in `home`.
 * E_UNSUPPORTED: it has no words for it. */
ebb_status recipe_text_make(region *home, model *m, const char **text, ebb_error *error);
/* Its models are pinned from the ids, and let go. */
ebb_status recipe_pin(recipe *p, const char *where, ebb_error *error);
void recipe_unpin(recipe *p);

/* Makes the model. */
ebb_status recipe_build(runtime *r, const recipe *p, const ebb_build_options *options, uint64_t *id,
                        ebb_error *error);
ebb_status recipe_plan(runtime *r, const recipe *p, const ebb_build_options *options,
                       ebb_plan *plan, ebb_error *error);
/* Where a model that is made from another one goes: what the options or the thread's device scope
 * say, or else where the other one is. `place` lives as long as the options. */
typedef struct build_place {
    ebb_load_options load;
    char device[32];
} build_place;
void build_options_place(const model *from, build_place *place, ebb_build_options *o);
/* Defaults filled in. */
ebb_status build_options_read(const ebb_build_options *options, ebb_build_options *result,
                              ebb_error *error);

#endif
