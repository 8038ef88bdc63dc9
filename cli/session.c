/* session.c -- see session.h. */
#include "session.h"

#include <inttypes.h>

#include "console.h"

bool session_open(session *s)
{
    *s = (session){0};
    if (ebb_runtime_open(NULL, &s->runtime, &s->error) == EBB_OK) return true;
    complain_of(&s->error);
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
