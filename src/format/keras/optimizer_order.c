/* optimizer_order.c -- see optimizer_order.h. */
#include "format/keras/optimizer_order.h"

#include <string.h>
#include <strings.h>

typedef struct known_optimizer {
    const char *class_name;
    uint32_t slots;        /* of every variable, before those that fields add */
    bool is_joined;        /* Keras 3 has the first two of a variable together */
    bool is_stored_joined; /* tf.keras up to 2.10 too */
    bool is_newer;         /* tf.keras up to 2.10 does not have it */
    const char *fields;    /* "|momentum|centered|": each that is not 0 adds a slot */
} known_optimizer;

/* Those whose variables of Keras 2 and 3 mean the same. SGD's slot is there with a momentum only.
 */
static const known_optimizer known[] = {
    {"SGD", 1, false, false, false, NULL},
    {"RMSprop", 1, false, false, false, "|momentum|centered|"},
    {"Adagrad", 1, false, false, false, NULL},
    {"Adadelta", 2, true, false, false, NULL},
    {"Adam", 2, true, false, false, "|amsgrad|"},
    {"AdamW", 2, true, false, true, "|amsgrad|"},
    {"Adamax", 2, true, false, false, NULL},
    {"Ftrl", 2, true, true, false, NULL},
    {"Lion", 1, false, false, true, NULL},
};

static const known_optimizer *known_find(const char *class_name)
{
    for (size_t i = 0; class_name != NULL && i < sizeof known / sizeof known[0]; i++) {
        if (strcasecmp(known[i].class_name, class_name) == 0) return &known[i];
    }
    return NULL;
}

const char *optimizer_known_name(const char *name)
{
    const known_optimizer *o = known_find(name);

    return o != NULL ? o->class_name : NULL;
}

const char *optimizer_class_of(const json *settings, const json **config)
{
    const json *object = json_get(settings, "optimizer_config");

    if (object == NULL) object = json_get(settings, "optimizer");
    *config = json_get(object, "config");
    const char *name = json_text(object, json_text(json_get(object, "class_name"), NULL));
    const char *package = name != NULL ? strrchr(name, '>') : NULL;
    return package != NULL ? package + 1 : name;
}

static uint32_t lists_of(const known_optimizer *o, const json *config)
{
    static const char *const fields[] = {"momentum", "centered", "amsgrad"};
    uint32_t lists = o->slots;

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const json *value = json_get(config, fields[i]);
        if (o->fields == NULL || strstr(o->fields, fields[i]) == NULL) continue;
        lists += json_boolean(value, false) || json_number(value, 0) != 0;
    }
    return lists;
}

uint32_t optimizer_lists(const json *settings, bool *is_joined)
{
    static const char *const newer[] = {"weight_decay", "loss_scale_factor",
                                        "gradient_accumulation_steps"};
    const json *config;
    const known_optimizer *o = known_find(optimizer_class_of(settings, &config));

    if (o == NULL || o->is_newer || json_boolean(json_get(config, "use_ema"), false)) return 0;
    for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++) {
        if (!json_is_null(json_get(config, newer[i]))) return 0;
    }
    *is_joined = o->is_joined && !o->is_stored_joined;
    return lists_of(o, config);
}

/* -- names ------------------------------------------------------------------------------------- */

/* Is the last part of the name, without ":0", `text`? */
static bool name_ends(const tensor_entry *e, const char *text)
{
    const char *slash = strrchr(e->name, '/');
    const char *last = slash != NULL ? slash + 1 : e->name;
    const size_t length = strlen(text);

    return strncmp(last, text, length) == 0 && (last[length] == '\0' || last[length] == ':');
}

typedef struct sorter {
    const tensor_entry *stored;
    uint32_t stored_count, slots_at; /* where the slots begin */
    bool has_schedule, is_numbered;  /* variables have numbers for names */
    const known_optimizer *optimizer;
    uint32_t lists; /* slots of every variable */
    optimizer_order *order;
} sorter;

static bool shapes_equal(const tensor_entry *a, const tensor_entry *b)
{
    if (a->rank != b->rank) return false;
    return a->rank == 0 || memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]) == 0;
}

static void put(sorter *s, const tensor_entry *e)
{
    s->order->variables[s->order->count++] = e;
}

static void refuse(sorter *s, const char *why)
{
    s->order->count = 0;
    s->order->problem = why;
}

/* The counter, which some lack, and the learning rate, which stands in the settings. */
static void put_scalars(sorter *s)
{
    const bool has_counter = s->stored_count > 0 && s->stored[0].rank == 0 &&
                             (s->is_numbered || strstr(s->stored[0].name, "iter") != NULL);

    put(s, has_counter ? &s->stored[0] : NULL);
    s->slots_at = has_counter ? 1 : 0;
    if (s->slots_at < s->stored_count && name_ends(&s->stored[s->slots_at], "learning_rate")) {
        put(s, &s->stored[s->slots_at++]);
    } else if (!s->has_schedule) {
        put(s, NULL);
    }
}

/* -- Keras 3's order already ------------------------------------------------------------------- */

static void put_rest(sorter *s)
{
    for (uint32_t i = s->slots_at; i < s->stored_count; i++) put(s, &s->stored[i]);
}

/* -- list after list --------------------------------------------------------------------------- */

/* Are there `lists` lists of equal length and shapes? */
static bool lists_fit(const sorter *s, uint32_t lists)
{
    const uint32_t all = s->stored_count - s->slots_at, each = lists > 0 ? all / lists : 0;
    const tensor_entry *first = s->stored + s->slots_at;

    if (lists == 0 || all % lists != 0) return false;
    for (uint32_t i = each; i < all; i++) {
        if (!shapes_equal(&first[i], &first[i % each])) return false;
    }
    return true;
}

/* Adam of Keras 2.1.3 to 2.3 keeps a third list that is not used, of arrays of one element. */
static bool has_idle_list(const sorter *s)
{
    const uint32_t all = s->stored_count - s->slots_at, each = all / 3;
    sorter without = *s;

    if (s->lists != 2 || all == 0 || all % 3 != 0) return false;
    for (uint32_t i = 2 * each; i < all; i++) {
        const tensor_entry *e = &s->stored[s->slots_at + i];
        if (e->rank != 1 || e->dims[0] != 1) return false;
    }
    without.stored_count -= each;
    return lists_fit(&without, 2);
}

static void put_lists(sorter *s)
{
    const tensor_entry *first = s->stored + s->slots_at;
    uint32_t all = s->stored_count - s->slots_at;

    if (s->optimizer->is_stored_joined) {
        put_rest(s);
        return;
    }
    if (has_idle_list(s)) {
        all -= all / 3;
    } else if (!lists_fit(s, s->lists)) {
        refuse(s, "the optimizer's variables do not fit together");
        return;
    }
    const uint32_t each = all / s->lists;
    const bool joins = s->optimizer->is_joined;
    for (uint32_t i = 0; joins && i < each; i++) {
        put(s, &first[i]);
        put(s, &first[each + i]);
    }
    for (uint32_t i = joins ? 2 * each : 0; i < all; i++) put(s, &first[i]);
}

/* ---------------------------------------------------------------------------------------------- */

static bool is_still(const known_optimizer *o, const json *config)
{
    return strcmp(o->class_name, "SGD") == 0 && json_number(json_get(config, "momentum"), 0) == 0;
}

/* Keras 3 itself, or a .h5 written here in the order of tf.keras. */
static void sort_new(sorter *s, const json *config)
{
    if (s->optimizer == NULL || s->stored_count == 0 || !name_ends(&s->stored[0], "iter")) {
        put_rest(s);
        return;
    }
    put_scalars(s);
    if (!is_still(s->optimizer, config)) put_lists(s);
}

static void sort_old(sorter *s, const description *d, const json *config)
{
    if (d->keras_major < 2) {
        refuse(s, "Keras 1 kept the weights that they belong to in another form");
    } else if (strcmp(d->backend, "theano") == 0) {
        refuse(s, "Theano keeps kernels the other way round");
    } else if (s->optimizer == NULL) {
        refuse(s, "this optimizer kept other variables before Keras 3");
    } else {
        put_scalars(s);
        if (is_still(s->optimizer, config)) return;
        if (s->is_numbered || (s->slots_at > 0 && name_ends(&s->stored[0], "iteration"))) {
            put_rest(s);
        } else {
            put_lists(s);
        }
    }
}

ebb_status optimizer_order_find(region *home, const description *d, const tensor_group *stored,
                                optimizer_order *result, ebb_error *error)
{
    const json *config;
    const char *class_name = optimizer_class_of(d->compile_config, &config);
    sorter s = {.stored = stored->tensors,
                .stored_count = stored->count,
                .is_numbered = d->layout == WEIGHTS_BY_PATH,
                .optimizer = known_find(class_name),
                .order = result};
    const json *rate = json_get(config, "learning_rate");

    *result = (optimizer_order){
        .variables = region_new(home, const tensor_entry *, (size_t)stored->count + 3)};
    if (result->variables == NULL)
        return region_fail(home, error, d->path, "the variables of an optimizer");
    s.has_schedule = rate != NULL && rate->kind == JSON_OBJECT;
    if (s.optimizer != NULL) s.lists = lists_of(s.optimizer, config);
    if (d->keras_major >= 3) {
        sort_new(&s, config);
    } else {
        sort_old(&s, d, config);
    }
    return EBB_OK;
}
