/* main.c -- the `ebb` command: finds the command in list.inc, parses its options, runs it. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "console.h"

#define COMMAND(name) extern const command command_##name;
#include "list.inc"
#undef COMMAND
static const command *const commands[] = {
#define COMMAND(name) &command_##name,
#include "list.inc"
#undef COMMAND
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

/* -- options that several commands share --------------------------------------------- */

static const option file_options[] = {
    {"architecture", OPTION_TEXT, offsetof(ebb_load_options, architecture), "FILE",
     "JSON file with the architecture, for files with weights only"},
    {"signature", OPTION_TEXT, offsetof(ebb_load_options, signature), "NAME",
     "of a SavedModel folder: run this signature of its graph"},
    {0},
};
static const option load_options[] = {
    {"batch", OPTION_COUNT, offsetof(ebb_load_options, batch), "N",
     "rows planned for (default: chosen)"},
    {"sequence", OPTION_COUNT, offsetof(ebb_load_options, sequence), "N",
     "planned length of every other unknown axis"},
    {"lanes", OPTION_COUNT, offsetof(ebb_load_options, lanes), "N",
     "predictions at once (default: 1)"},
    {"threads", OPTION_COUNT, offsetof(ebb_load_options, threads), "N",
     "threads per prediction (default: chosen)"},
    {"limit", OPTION_SIZE, offsetof(ebb_load_options, bytes_max), "SIZE",
     "most memory the model may take: 64M, 1.5G"},
    {"inference-only", OPTION_FLAG, offsetof(ebb_load_options, inference_only), NULL,
     "least memory; weights cannot be read back"},
    {0},
};
static const option device_options[] = {
    {"device", OPTION_TEXT, offsetof(invocation, load.device), "NAME",
     "where it runs: CPU:0, /GPU:0 (default: CPU:0)"},
    {"device-limit", OPTION_TEXT, offsetof(invocation, device_limits), "SIZES",
     "divide CPU:0 into parts with these limits: 64M,1G,none; GPU:0=2G for another one"},
    {"soft-placement", OPTION_FLAG, offsetof(invocation, is_soft), NULL,
     "take CPU:0 where the device is not there"},
    {0},
};

typedef struct common {
    bool is_help, is_json;
} common;
static const option json_options[] = {
    {"json", OPTION_FLAG, offsetof(common, is_json), NULL, "write the results as JSON"},
    {"help", OPTION_FLAG, offsetof(common, is_help), NULL, "this text"},
    {0},
};
static const option help_options[] = {
    {"help", OPTION_FLAG, offsetof(common, is_help), NULL, "this text"},
    {0},
};
static const option no_options[] = {{0}};

#define SETS_MAX 5

static size_t collect_sets(const command *c, option_set sets[SETS_MAX], void *values,
                           invocation *call, common *shared)
{
    ebb_load_options *load = call != NULL ? &call->load : NULL;
    size_t count = 0;

    sets[count++] = (option_set){"options", c->options != NULL ? c->options : no_options, values};
    if (c->uses & USES_LOAD) sets[count++] = (option_set){"loading", load_options, load};
    const bool has_model = c->uses & (USES_LOAD | USES_FILE);
    if (c->uses & (USES_LOAD | USES_DEVICE)) /* without a model, not --device itself */
        sets[count++] = (option_set){"devices", device_options + !has_model, call};
    if (c->uses & USES_FILE) sets[count++] = (option_set){"file", file_options, load};
    sets[count++] =
        (option_set){"output", c->uses & USES_JSON ? json_options : help_options, shared};
    return count;
}

/* -- help ---------------------------------------------------------------------------- */

static void print_overview(FILE *file)
{
    fprintf(file, "ebb runs Keras models and gives every byte back.\n\n"
                  "usage: ebb COMMAND ...\n\ncommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(file, "  %-10s  %s\n", commands[i]->name, commands[i]->summary);
    fprintf(
        file,
        "\n`ebb COMMAND --help` explains one, with an example. `ebb --version` tells the version.\n"
        "Exit status: 0 done, 1 the answer is no, 2 wrong usage, 3 failed.\n");
}

static void print_help(const command *c)
{
    option_set sets[SETS_MAX];
    const option_sets all = {sets, collect_sets(c, sets, NULL, NULL, NULL)};

    printf("ebb %s - %s\n\nusage: ebb %s %s\n\n%s\n", c->name, c->summary, c->name, c->usage,
           c->help);
    options_print(&all);
    printf("\nexample:\n%s\n", c->example);
}

/* -- running ------------------------------------------------------------------------- */

static const char *command_at(void *context, uint32_t index)
{
    (void)context;
    return index < COMMAND_COUNT ? commands[index]->name : NULL;
}

static const command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    }
    const char *nearest = text_nearest(name, command_at, NULL);
    if (nearest != NULL)
        complain("unknown command '%s'; did you mean '%s'? `ebb --help` lists all", name, nearest);
    else
        complain("unknown command '%s'; `ebb --help` lists all", name);
    return NULL;
}

static bool words_fit(const command *c, uint32_t count, const char *const *words)
{
    if (count < c->words_min) {
        complain("%s: something is missing; usage: ebb %s %s", c->name, c->name, c->usage);
        return false;
    }
    if (count > c->words_max) {
        complain("%s: '%s' is too much; usage: ebb %s %s", c->name, words[c->words_max], c->name,
                 c->usage);
        return false;
    }
    return true;
}

static int run_command(const command *c, int argc, char **argv)
{
    const ebb_load_options defaults = EBB_LOAD_OPTIONS_INIT;
    invocation call = {.load = defaults};
    common shared = {0};
    option_set sets[SETS_MAX];
    const char **words = calloc((size_t)argc + 1, sizeof *words);
    void *values = calloc(1, c->values_bytes + 1);
    int code = EXIT_USAGE;

    if (words == NULL || values == NULL) {
        complain("no memory for the options");
        code = EXIT_FAILED;
        goto done;
    }
    if (c->defaults != NULL) memcpy(values, c->defaults, c->values_bytes);
    const option_sets all = {sets, collect_sets(c, sets, values, &call, &shared)};
    if (!options_parse(&all, c->name, argc, argv, words, &call.word_count)) goto done;
    call.words = words;
    call.values = values;
    call.is_json = shared.is_json;
    if (shared.is_help) {
        print_help(c);
        code = EXIT_DONE;
    } else if (words_fit(c, call.word_count, words)) {
        code = c->run(&call);
    }
done:
    free(words);
    free(values);
    return code;
}

static int dispatch(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;

    if (name == NULL) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        printf("ebb %s\n", ebb_version());
        return EXIT_DONE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 ||
        (strcmp(name, "help") == 0 && argc == 2)) {
        print_overview(stdout);
        return EXIT_DONE;
    }
    const bool is_help = strcmp(name, "help") == 0;
    const command *c = command_find(is_help ? argv[2] : name);
    if (c == NULL) return EXIT_USAGE;
    if (!is_help) return run_command(c, argc - 2, argv + 2);
    print_help(c);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE,
           SIG_DFL); /* `ebb layers | head` ends quietly, also under a parent that ignores it */
    int code = dispatch(argc, argv);

    if ((fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE) {
        complain("writing the results failed: %s", strerror(errno));
        code = EXIT_FAILED;
    }
    interrupt_finish();
    return code;
}
