/* report_memory.c -- the ledger as a table for people and as JSON. */
#include <inttypes.h>

#include "json/json.h"
#include "runtime/devices.h"
#include "runtime/report.h"

static void put_columns(text_writer *w, const char *name, const ebb_memory *m)
{
    text_format(w, "%-24.24s %14" PRIu64 " %14" PRIu64 " %14" PRIu64, name, m->live, m->peak,
                m->cached);
    if (m->limit == 0)
        text_put(w, "              -");
    else
        text_format(w, " %14" PRIu64, m->limit);
    text_put(w, " ");
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) {
        if (m->by_class[i] == 0) continue;
        text_format(w, " %s %" PRIu64, ebb_class_name((ebb_class)i), m->by_class[i]);
    }
    text_put(w, "\n");
}

static void put_members(text_writer *w, const ebb_memory *m)
{
    text_format(w,
                "\"live\":%" PRIu64 ",\"peak\":%" PRIu64 ",\"cached\":%" PRIu64
                ",\"limit\":%" PRIu64 ",\"classes\":{",
                m->live, m->peak, m->cached, m->limit);
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) {
        text_format(w, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", ebb_class_name((ebb_class)i),
                    m->by_class[i]);
    }
    text_put(w, "}");
}

static ebb_memory model_memory(const model *m)
{
    ebb_memory memory = {0};

    region_read(m->home, &memory);
    memory.peak = region_bytes_peak(m->home);
    memory.limit = region_bytes_max(m->home);
    return memory;
}

static const char *device_of(const model *m)
{
    const logical_device *device = m->device;

    return device->name;
}

static ebb_memory device_memory(const logical_device *device)
{
    ebb_memory memory = {0};

    account_read(device->account, &memory);
    memory.peak = account_bytes_peak(device->account);
    memory.limit = account_bytes_max(device->account);
    return memory;
}

/* What lives beside models: sessions, graphs, registries, arrays, scopes (with the models in them).
 * Copied at one moment. */
#define OTHERS_MAX 256u
typedef struct others {
    region_entry *entries;
    uint32_t count, left_out;
} others;

static bool is_model(const runtime *r, const region *home)
{
    for (const model *m = r->models; m != NULL; m = m->next)
        if (m->home == home) return true;
    return false;
}

static bool others_read(const runtime *r, region *work, others *o)
{
    uint32_t kept = 0;

    o->entries = region_new(work, region_entry, OTHERS_MAX);
    if (o->entries == NULL) return false;
    const uint32_t count = region_children_read(r->root, o->entries, OTHERS_MAX);
    for (uint32_t i = 0; i < count && i < OTHERS_MAX; i++) {
        const region *home = o->entries[i].r;
        if (home == work || is_model(r, home) || o->entries[i].memory.live == 0) continue;
        o->entries[kept++] = o->entries[i];
    }
    o->count = kept;
    o->left_out = count > OTHERS_MAX ? count - OTHERS_MAX : 0;
    return true;
}

static void write_table(text_writer *w, runtime *r, const ebb_memory *all, const others *o)
{
    text_format(w, "%-24s %14s %14s %14s %14s  %s\n", "owner", "live", "peak", "cached", "limit",
                "by class");
    put_columns(w, "runtime", all);
    for (const model *m = r->models; m != NULL; m = m->next) {
        const ebb_memory memory = model_memory(m);
        put_columns(w, m->info.name, &memory);
    }
    for (uint32_t i = 0; i < o->count; i++)
        put_columns(w, o->entries[i].tag, &o->entries[i].memory);
    if (o->left_out > 0) text_format(w, "and %u more\n", o->left_out);
    text_format(w, "%-24s %14s %14s %14s %14s  %s\n", "device", "live", "peak", "cached", "limit",
                "by class");
    for (uint32_t i = 0; i < r->devices->logical_count; i++) {
        const ebb_memory memory = device_memory(&r->devices->logical[i]);
        put_columns(w, r->devices->logical[i].name, &memory);
    }
    text_format(w, "fixed %" PRIu64 "; threads %u; descriptors %u; models %u\n", all->fixed,
                all->threads, all->descriptors, r->model_count);
}

static void write_others(text_writer *w, const others *o)
{
    text_put(w, "],\"others\":[");
    for (uint32_t i = 0; i < o->count; i++) {
        text_put(w, i == 0 ? "{\"owner\":" : ",{\"owner\":");
        text_json_string(w, o->entries[i].tag);
        text_put(w, ",");
        put_members(w, &o->entries[i].memory);
        text_put(w, "}");
    }
    text_format(w, "],\"others_left_out\":%u}\n", o->left_out);
}

static void write_json(text_writer *w, runtime *r, const ebb_memory *all, const others *o)
{
    text_put(w, "{");
    put_members(w, all);
    text_format(w, ",\"fixed\":%" PRIu64 ",\"threads\":%u,\"descriptors\":%u,\"devices\":{",
                all->fixed, all->threads, all->descriptors);
    for (uint32_t i = 0; i < r->devices->logical_count; i++) {
        const ebb_memory memory = device_memory(&r->devices->logical[i]);
        text_format(w, "%s\"%s\":{", i > 0 ? "," : "", r->devices->logical[i].name);
        put_members(w, &memory);
        text_put(w, "}");
    }
    text_put(w, "},\"models\":[");
    for (const model *m = r->models; m != NULL; m = m->next) {
        const ebb_memory memory = model_memory(m);
        text_put(w, m == r->models ? "{\"name\":" : ",{\"name\":");
        text_json_string(w, m->info.name);
        text_put(w, ",\"path\":");
        text_json_string(w, m->info.path);
        text_format(w, ",\"device\":\"%s\",", device_of(m));
        put_members(w, &memory);
        text_put(w, "}");
    }
    write_others(w, o);
}

ebb_status report_memory(runtime *r, ebb_report_format format, ebb_text_function write,
                         void *context, ebb_error *error)
{
    ebb_memory all;
    runtime_memory(r, &all);
    region *work = region_open(r->root, "report", EBB_CLASS_SCRATCH, 0);
    text_writer w;

    if (work == NULL) return region_fail(r->root, error, "memory report", "a report");
    text_begin(&w, work);
    others o;
    pthread_mutex_lock(&r->mutex);
    const bool is_read = others_read(r, work, &o);
    if (is_read && format == EBB_REPORT_JSON)
        write_json(&w, r, &all, &o);
    else if (is_read)
        write_table(&w, r, &all, &o);
    pthread_mutex_unlock(&r->mutex);
    ebb_status status = EBB_OK;
    if (!is_read || w.failed)
        status = region_fail(work, error, "memory report", "a report");
    else if (!write(context, w.text, w.length))
        status = EBB_E_CANCELLED;
    region_close(work);
    return status;
}
