/* fit_history.c -- see fit_history.h.
 *
 *     block: | names | values | is_given | epochs | numbers of name 0 | 1 | ... | flags of 0 | ...
 *
 * One block holds every array; it doubles in whichever direction is full, and the old one goes. */
#include "train/fit_history.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/status.h"

#define NAMES_FIRST  8u
#define EPOCHS_FIRST 16u

static ebb_status grow(history *h, uint32_t names, uint32_t epochs, ebb_error *error)
{
    const uint64_t cells = (uint64_t)names * epochs;
    const uint64_t bytes = names * (sizeof *h->names + sizeof *h->values + sizeof *h->is_given) +
                           epochs * sizeof(uint64_t) + cells * (sizeof(double) + sizeof(bool));
    char *block = bytes < SIZE_MAX ? region_block(h->home, (size_t)bytes) : NULL;

    if (block == NULL) return region_fail(h->home, error, "fit", "History");
    history n = *h;
    n.block = block;
    n.names = (const char **)(void *)block;
    n.values = (double **)(void *)(n.names + names);
    n.is_given = (bool **)(void *)(n.values + names);
    double *numbers = (double *)(void *)(n.is_given + names);
    bool *flags = (bool *)(numbers + cells + epochs);
    n.epochs = (uint32_t *)(void *)(numbers + cells);
    n.name_capacity = names;
    n.capacity = epochs;
    for (uint32_t i = 0; i < names; i++) {
        n.values[i] = numbers + (uint64_t)i * epochs;
        n.is_given[i] = flags + (uint64_t)i * epochs;
        if (i >= h->name_count) continue;
        n.names[i] = h->names[i];
        memcpy(n.values[i], h->values[i], h->epoch_count * sizeof(double));
        memcpy(n.is_given[i], h->is_given[i], h->epoch_count * sizeof(bool));
    }
    if (h->epoch_count > 0) memcpy(n.epochs, h->epochs, h->epoch_count * sizeof *n.epochs);
    region_block_release(h->home, h->block);
    *h = n;
    return EBB_OK;
}

static uint32_t find(const history *h, const char *name)
{
    uint32_t i = 0;

    while (i < h->name_count && strcmp(h->names[i], name) != 0) i++;
    return i;
}

static ebb_status reserve(history *h, const fit_logs *logs, ebb_error *error)
{
    uint32_t names = h->name_capacity > 0 ? h->name_capacity : NAMES_FIRST;
    uint32_t epochs = h->capacity > 0 ? h->capacity : EPOCHS_FIRST;
    uint32_t wanted = h->name_count;

    for (uint32_t i = 0; i < logs->count; i++)
        wanted += find(h, logs->items[i].name) == h->name_count;
    while (names < wanted) names *= 2;
    if (h->epoch_count == epochs) {
        if (epochs > UINT32_MAX / 2)
            return fail(error, EBB_E_UNSUPPORTED, "fit", "too many epochs for one History");
        epochs *= 2;
    }
    if (names == h->name_capacity && epochs == h->capacity) return EBB_OK;
    return grow(h, names, epochs, error);
}

ebb_status history_add(history *h, uint32_t epoch, const fit_logs *logs, ebb_error *error)
{
    const ebb_status status = reserve(h, logs, error);

    if (status != EBB_OK) return status;
    const uint32_t known = h->name_count;
    for (uint32_t i = 0; i < logs->count; i++) {
        if (find(h, logs->items[i].name) < h->name_count) continue;
        const char *name = region_text(h->home, logs->items[i].name);
        if (name == NULL) {
            h->name_count = known;
            return region_fail(h->home, error, "fit", "History");
        }
        h->names[h->name_count] = name;
        for (uint32_t k = 0; k < h->epoch_count; k++) h->values[h->name_count][k] = (double)NAN;
        h->name_count++;
    }
    for (uint32_t i = 0; i < h->name_count; i++) {
        const double *value = fit_logs_find(logs, h->names[i]);

        h->values[i][h->epoch_count] = value != NULL ? *value : (double)NAN;
        h->is_given[i][h->epoch_count] = value != NULL;
    }
    h->epochs[h->epoch_count++] = epoch;
    return EBB_OK;
}

static void name_write(text_writer *w, const history *h, uint32_t index)
{
    const char *separator = "";

    text_json_string(w, h->names[index]);
    text_put(w, ": [");
    for (uint32_t k = 0; k < h->epoch_count; k++) {
        if (!h->is_given[index][k]) continue;
        text_put(w, separator);
        text_json_number(w, h->values[index][k]);
        separator = ", ";
    }
    text_put(w, "]");
}

static ebb_status give_text(ebb_text_function write, void *context, const char *text, size_t length,
                            ebb_error *error)
{
    if (write(context, text, length)) return EBB_OK;
    return fail(error, EBB_E_CANCELLED, "History", "the caller stopped writing");
}

ebb_status history_write(const history *h, ebb_text_function write, void *context, ebb_error *error)
{
    static const char empty[] = "{\"epoch\": [], \"history\": {}}\n";
    text_writer w;

    if (h->home == NULL) return give_text(write, context, empty, sizeof empty - 1, error);
    region *work = region_open(h->home, "history text", EBB_CLASS_SCRATCH, 0);
    if (work == NULL) return region_fail(h->home, error, "History", "its text");
    text_begin(&w, work);
    text_put(&w, "{\"epoch\": [");
    for (uint32_t k = 0; k < h->epoch_count; k++)
        text_format(&w, "%s%" PRIu32, k > 0 ? ", " : "", h->epochs[k]);
    text_put(&w, "], \"history\": {");
    for (uint32_t i = 0; i < h->name_count; i++) {
        if (i > 0) text_put(&w, ", ");
        name_write(&w, h, i);
    }
    text_put(&w, "}}\n");
    ebb_status status = w.failed ? region_fail(work, error, "History", "its text") : EBB_OK;
    if (status == EBB_OK) status = give_text(write, context, w.text, w.length, error);
    region_close(work);
    return status;
}
