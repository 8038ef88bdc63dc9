/* command_prune.c -- `ebb prune`: a model without its smallest weights. */
#include <inttypes.h>
#include <stdio.h>

#include "batch.h"
#include "shrunk.h"

/* "2:4" */
static bool groups_read(const char *text, uint32_t *keep, uint32_t *of)
{
    char more;

    return text == NULL || sscanf(text, "%" SCNu32 ":%" SCNu32 "%c", keep, of, &more) == 2;
}

static ebb_status prune(shrink_task *t, ebb_model model, ebb_shrink_report *report,
                        ebb_error *error)
{
    ebb_prune_options options = EBB_PRUNE_OPTIONS_INIT;

    if (!groups_read(t->v->groups, &options.keep, &options.of)) {
        return refuse(error, EBB_E_ARGUMENT, "--groups", "expected KEEP:OF such as 2:4, got '%s'",
                      t->v->groups);
    }
    options.sparsity = t->v->sparsity;
    options.is_global = t->v->is_global;
    options.only = t->v->only.items;
    options.only_count = t->v->only.count;
    options.skip = t->v->skip.items;
    options.skip_count = t->v->skip.count;
    options.elements_min = t->v->elements_min;
    options.report = shrink_tell;
    options.context = t;
    return ebb_model_prune(model, &options, report, error);
}

static int run(const invocation *call)
{
    return shrink_run(call, prune);
}

static const option options[] = {
    {"sparsity", OPTION_REAL, offsetof(shrink_values, sparsity), "PART",
     "part of the elements to become zero (default: 0.5)"},
    {"global", OPTION_FLAG, offsetof(shrink_values, is_global), NULL,
     "one limit for all weights together, not one for each"},
    {"groups", OPTION_TEXT, offsetof(shrink_values, groups), "KEEP:OF",
     "of every OF neighbours the KEEP largest stay: 2:4"},
    SHRINK_OPTIONS,
};

const command command_prune = {
    .name = "prune",
    .summary = "writes a model without its smallest weights",
    .usage = "MODEL OUT [--sparsity PART] [options]",
    .help = "Sets the smallest weights of MODEL to zero and writes OUT, a .keras file. ebb\n"
            "keeps nothing for the zeros, in memory and in the file; Keras reads the file\n"
            "as well. Together with `ebb quantize`, in any order, it takes less still.",
    .example = "  ebb prune model.keras sparse.keras --sparsity 0.8\n"
               "  ebb prune model.keras sparse.keras --groups 2:4 --only Dense\n"
               "  ebb quantize sparse.keras tiny.keras",
    .options = options,
    .values_bytes = sizeof(shrink_values),
    .words_min = 2,
    .words_max = 2,
    .uses = USES_FILE | USES_JSON,
    .run = run,
};
