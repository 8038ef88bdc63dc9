/* session.c -- see session.h. */
#include "session.h"

#include <inttypes.h>
#include <string.h>

#include "console.h"

#define DEVICE_PARTS_MAX 64

bool session_open(session *s)
{
    *s = (session){0};
    if (ebb_runtime_open(NULL, &s->runtime, &s->error) == EBB_OK) return true;
    complain_of(&s->error);
    return false;
}

/* "[DEVICE=]SIZE,SIZE...", where "none" is no limit. */
static bool divide_devices(session *s, const char *text)
{
    uint64_t limits[DEVICE_PARTS_MAX];
    size_t count = 0;
    char device[EBB_DEVICE_NAME_BYTES] = "", size[32];
    const char *at = strchr(text, '=');

    if (at != NULL)
        snprintf(device, sizeof device, "%.*s", (int)(at - text), text);
    for (at = at != NULL ? at + 1 : text; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        snprintf(size, sizeof size, "%.*s", (int)strcspn(at, ","), at);
        if (count == DEVICE_PARTS_MAX) {
            complain("--device-limit: at most %d parts are possible", DEVICE_PARTS_MAX);
            return false;
        }
        limits[count] = 0;
        if (strcmp(size, "none") != 0 && !size_read(size, &limits[count])) {
            complain("--device-limit expects sizes such as 64M or none, with commas between, got "
                     "'%s' in '%s'",
                     size, text);
            return false;
        }
        count++;
    }
    if (ebb_device_logical_set(s->runtime, device, limits, count, &s->error) == EBB_OK) return true;
    complain_of(&s->error);
    return false;
}

bool session_open_with(session *s, const invocation *call)
{
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;

    *s = (session){0};
    options.soft_placement = call->is_soft;
    if (ebb_runtime_open(&options, &s->runtime, &s->error) != EBB_OK) {
        complain_of(&s->error);
        return false;
    }
    if (call->device_limits == NULL || divide_devices(s, call->device_limits)) return true;
    ebb_runtime_close(s->runtime, NULL);
    return false;
}

bool session_load(session *s, const invocation *call, const char *path, ebb_model *model)
{
    if (ebb_model_load(s->runtime, path, &call->load, model, &s->error) == EBB_OK) return true;
    complain_of(&s->error);
    return false;
}

int session_exit_code(const session *s, ebb_status status)
{
    if (status == EBB_OK) return EXIT_DONE;
    const int code = complain_of(&s->error);
    return status == EBB_E_ARGUMENT ? EXIT_USAGE : code;
}

int session_close(session *s, int code)
{
    ebb_receipt receipt = {0};

    ebb_runtime_close(s->runtime, &receipt);
    if (receipt.bytes_kept == 0) return code;
    complain("%" PRIu64 " bytes were not given back: %s", receipt.bytes_kept, receipt.kept_reason);
    return EXIT_FAILED;
}
