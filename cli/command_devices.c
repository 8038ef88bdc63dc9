/* command_devices.c -- `ebb devices`: the hardware, the logical devices it is divided into, what
 * they hold; or whether there is a certain one. */
#include <inttypes.h>
#include <string.h>

#include "console.h"
#include "json_output.h"
#include "session.h"
#include "table.h"

#define DEVICES_MAX 64

typedef struct devices {
    ebb_physical_device_info physical[DEVICES_MAX];
    ebb_device_info logical[DEVICES_MAX];
    size_t physical_count, logical_count;
} devices;

static size_t shown(size_t count)
{
    return count < DEVICES_MAX ? count : DEVICES_MAX;
}

static bool read_devices(session *s, devices *d)
{
    d->physical_count = d->logical_count = DEVICES_MAX;
    if (ebb_devices_list(s->runtime, d->logical, &d->logical_count, &s->error) != EBB_OK) {
        complain_of(&s->error);
        return false;
    }
    ebb_physical_devices_list(s->runtime, d->physical, &d->physical_count);
    return true;
}

static void write_json(const devices *d)
{
    json_output j = {0};

    json_object(&j, NULL);
    json_array(&j, "physical");
    for (size_t i = 0; i < shown(d->physical_count); i++) {
        const ebb_physical_device_info *p = &d->physical[i];
        json_object(&j, NULL);
        json_text(&j, "name", p->name);
        json_text(&j, "description", p->description);
        json_count(&j, "logical", p->logical);
        json_bool(&j, "visible", p->is_visible);
        json_bool(&j, "divided", p->is_divided);
        json_bool(&j, "growth", p->has_growth);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_array(&j, "logical");
    for (size_t i = 0; i < shown(d->logical_count); i++) {
        const ebb_device_info *l = &d->logical[i];
        json_object(&j, NULL);
        json_text(&j, "name", l->name);
        json_text(&j, "physical", d->physical[l->physical].name);
        json_count(&j, "live", l->bytes_live);
        json_count(&j, "peak", l->bytes_peak);
        json_count(&j, "limit", l->bytes_limit);
        json_count(&j, "models", l->models);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
}

static void write_text(const devices *d)
{
    table t;

    table_open(&t, "physical|description|>logical");
    for (size_t i = 0; i < shown(d->physical_count); i++) {
        table_add(&t, "%s", d->physical[i].name);
        table_add(&t, "%s", d->physical[i].description);
        table_add(&t, "%" PRIu32, d->physical[i].logical);
    }
    table_close(&t);
    putchar('\n');
    table_open(&t, "logical|of|>limit|>live|>peak|>models");
    for (size_t i = 0; i < shown(d->logical_count); i++) {
        const ebb_device_info *l = &d->logical[i];
        table_add(&t, "%s", l->name);
        table_add(&t, "%s", d->physical[l->physical].name);
        if (l->bytes_limit == 0)
            table_add(&t, "none");
        else
            table_add_grouped(&t, l->bytes_limit);
        table_add_grouped(&t, l->bytes_live);
        table_add_grouped(&t, l->bytes_peak);
        table_add(&t, "%" PRIu32, l->models);
    }
    table_close(&t);
}

/* Is there this one? */
static int ask(session *s, const char *name, bool is_json)
{
    char text[EBB_DEVICE_NAME_BYTES];
    json_output j = {0};

    if (ebb_device_text_read(name, text, &s->error) == EBB_E_ARGUMENT) {
        complain_of(&s->error);
        return EXIT_USAGE;
    }
    const bool is_there = ebb_device_exists(s->runtime, name);
    if (is_json) {
        json_object(&j, NULL);
        json_text(&j, "device", text);
        json_bool(&j, "exists", is_there);
        json_object_end(&j);
    } else {
        printf("%s: %s\n", text, is_there ? "yes" : "no such device");
    }
    return is_there ? EXIT_DONE : EXIT_NO;
}

static int run(const invocation *call)
{
    devices d;
    session s;
    int code = EXIT_FAILED;

    if (!session_open_with(&s, call)) return EXIT_FAILED;
    if (call->word_count == 1) {
        code = ask(&s, call->words[0], call->is_json);
    } else if (read_devices(&s, &d)) {
        if (call->is_json)
            write_json(&d);
        else
            write_text(&d);
        code = EXIT_DONE;
    }
    return session_close(&s, code);
}

const command command_devices = {
    .name = "devices",
    .summary = "the devices of this machine, or whether there is a certain one",
    .usage = "[DEVICE] [options]",
    .help = "Lists the hardware and the logical devices that models are loaded on, with their\n"
            "limits and what they hold. With --device-limit, as a device would be divided:\n"
            "the other commands take the same option. With a DEVICE, status 1 says that it is\n"
            "not there.",
    .example = "  ebb devices\n"
               "  ebb devices /GPU:0\n"
               "  ebb devices --device-limit 64M,1G",
    .words_min = 0,
    .words_max = 1,
    .uses = USES_DEVICE | USES_JSON,
    .run = run,
};
