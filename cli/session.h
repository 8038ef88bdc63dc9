/* session.h -- a runtime and the models a command loads into it. Faults are reported here. */
#ifndef EBB_CLI_SESSION_H
#define EBB_CLI_SESSION_H

#include "command.h"

typedef struct session {
    ebb_runtime runtime;
    ebb_error error; /* for the calls of the command */
} session;

bool session_open(session *s);
/* With the devices that the shared options say. */
bool session_open_with(session *s, const invocation *call);
/* Loads as the shared options say. */
bool session_load(session *s, const invocation *call, const char *path, ebb_model *model);
/* The EXIT_ number of a call's status: a fault is reported, one of an argument is EXIT_USAGE. */
int session_exit_code(const session *s, ebb_status status);
/* Unloads everything and closes; returns `code`, or EXIT_FAILED when bytes were kept. */
int session_close(session *s, int code);

#endif
