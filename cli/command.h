/* command.h -- what a command of `ebb` is, and what main.c hands to it.
 *
 * A command is one file, command_<name>.c, that defines `command_<name>`, and one line in list.inc.
 * Its options are a table; main.c parses them into the command's own struct before run() is called.
 */
#ifndef EBB_CLI_COMMAND_H
#define EBB_CLI_COMMAND_H

#include "ebb/ebb.h"
#include "command_options.h"

/* How a command ends. */
enum {
    EXIT_DONE = 0,
    EXIT_NO = 1, /* the answer is no: problems found, a leak, a limit below the plan */
    EXIT_USAGE = 2,
    EXIT_FAILED = 3
};

/* Which of the shared options a command takes. */
enum {
    USES_FILE = 1, /* --architecture */
    USES_LOAD = 2, /* --batch, --lanes, --limit ... */
    USES_JSON = 4,
    USES_DEVICE = 8 /* --device, --device-limit, --soft-placement; part of USES_LOAD */
};

typedef struct invocation {
    const char *const *words; /* what is no option */
    uint32_t word_count;
    ebb_load_options load;
    const char *device_limits; /* "64M,1G", "GPU:0=2G"; NULL: none */
    bool is_soft;              /* an absent device is replaced by the first one */
    bool is_json;
    const void *values; /* the command's own struct */
} invocation;

typedef struct command {
    const char *name;
    const char *summary;   /* one line, no full stop */
    const char *usage;     /* what follows the name: "MODEL [options]" */
    const char *help;      /* paragraphs */
    const char *example;   /* lines as typed */
    const option *options; /* ends with {0}; NULL = none of its own */
    const void *defaults;  /* of the command's own struct; NULL = zeroes */
    size_t values_bytes;   /* size of the command's own struct */
    uint32_t words_min, words_max;
    uint32_t uses;
    int (*run)(const invocation *call); /* returns an EXIT_ number */
} command;

#endif
