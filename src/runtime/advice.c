/* advice.c -- see advice.h. */
#include "runtime/advice.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

#define MISSING_UNKNOWN UINT64_MAX
#define NAMED_MAX       3u /* models that are named; the others are counted */

typedef struct tenant {
    const model *m;
    uint64_t bytes;
} tenant;

typedef struct tenants {
    tenant largest[NAMED_MAX];
    uint32_t count;
    tenant enough; /* the smallest that makes room alone */
    uint64_t cached;
} tenants;

static void tenant_add(tenants *t, tenant one, uint64_t missing)
{
    if (one.bytes >= missing && (t->enough.m == NULL || one.bytes < t->enough.bytes))
        t->enough = one;
    t->count++;
    for (uint32_t i = 0; i < NAMED_MAX; i++) {
        if (t->largest[i].m != NULL && t->largest[i].bytes >= one.bytes) continue;
        const tenant moved = t->largest[i];
        t->largest[i] = one;
        one = moved;
        if (one.m == NULL) return;
    }
}

static void tenants_find(tenants *t, const runtime *r, const logical_device *device,
                         const model *except, uint64_t missing)
{
    for (const model *m = r->models; m != NULL; m = m->next) {
        ebb_memory memory = {0};
        if (m == except || (device != NULL && m->device != device)) continue;
        region_read(m->home, &memory);
        t->cached += memory.cached;
        tenant_add(t, (tenant){m, memory.live}, missing);
    }
}

typedef struct line {
    char *text;
    size_t length;
} line;

static void EBB_PRINTF(2, 3) put(line *l, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int wrote = vsnprintf(l->text + l->length, ADVICE_BYTES - l->length, format, arguments);
    va_end(arguments);
    if (wrote > 0) l->length += (size_t)wrote;
    if (l->length >= ADVICE_BYTES) l->length = ADVICE_BYTES - 1;
}

const char *advice_write(runtime *r, const logical_device *device, const model *except,
                         uint64_t missing, char text[ADVICE_BYTES])
{
    tenants t = {.count = 0};
    line l = {text, 0};

    text[0] = '\0';
    pthread_mutex_lock(&r->mutex);
    tenants_find(&t, r, device, except, missing);
    const uint32_t named = t.count < NAMED_MAX ? t.count : NAMED_MAX;
    put(&l, t.count == 0 ? "nothing is loaded that could go" : "loaded now: ");
    for (uint32_t i = 0; i < named; i++) {
        put(&l, "%s%.32s %" PRIu64, i > 0 ? ", " : "", t.largest[i].m->info.name,
            t.largest[i].bytes);
    }
    if (t.count > named) put(&l, " and %u more", t.count - named);
    if (t.enough.m != NULL)
        put(&l, "; unload %.32s", t.enough.m->info.name);
    else if (t.count > 1 && missing < MISSING_UNKNOWN)
        put(&l, "; unload several");
    pthread_mutex_unlock(&r->mutex);
    if (t.cached > 0) put(&l, "; ebb_trim() gives back %" PRIu64, t.cached);
    return text;
}

ebb_status device_admit(runtime *r, const logical_device *device, const model *except,
                        uint64_t peak, uint64_t own, const char *where, ebb_error *error)
{
    const uint64_t limit = account_bytes_max(device->account);
    const uint64_t all = account_bytes_live(device->account);
    const uint64_t live = all > own ? all - own : 0;
    const uint64_t room = live < limit ? limit - live : 0;
    char advice[ADVICE_BYTES];

    if (limit == 0 || peak <= room) return EBB_OK;
    return fail(error, EBB_E_MEMORY, where,
                "%s is limited to %" PRIu64 " bytes, %" PRIu64 " in use, %" PRIu64
                " asked; %s; or ask for less with a smaller batch or fewer lanes",
                device->name, limit, live, peak,
                advice_write(r, device, except, peak - room, advice));
}

ebb_status advice_add(const model *m, ebb_status status, ebb_error *error)
{
    runtime *const r = m->owner;
    const logical_device *device = m->device;
    char advice[ADVICE_BYTES];

    if (status != EBB_E_MEMORY || error == NULL) return status;
    if (account_bytes_max(device->account) == 0) device = NULL;
    if (device == NULL && region_bytes_max(r->root) == 0) return status;
    size_t length = strlen(error->text);
    if (device != NULL && strstr(error->text, device->name) == NULL) {
        (void)snprintf(error->text + length, sizeof error->text - length,
                       "; %s is limited to %" PRIu64 " bytes, %" PRIu64 " in use", device->name,
                       account_bytes_max(device->account), account_bytes_live(device->account));
        length = strlen(error->text);
    }
    (void)snprintf(error->text + length, sizeof error->text - length, "; %s",
                   advice_write(r, device, m, MISSING_UNKNOWN, advice));
    return status;
}
