/* shrunk.h -- what `ebb quantize` and `ebb prune` share: a model is loaded, shrunk and saved. */
#ifndef EBB_CLI_SHRUNK_H
#define EBB_CLI_SHRUNK_H

#include "json_output.h"
#include "session.h"
#include "table.h"

typedef struct shrink_values {
    const char *to; /* quantize */
    double sparsity;
    bool is_global;
    const char *groups; /* prune: "2:4" */
    text_list only, skip;
    uint32_t elements_min;
    bool is_verbose, keeps, deflates;
} shrink_values;

typedef struct shrink_task {
    const invocation *call;
    const shrink_values *v;
    json_output j;
    table rows;
    /* Shrinks; options `only` ... are in `v`, the report function below. */
    ebb_status (*shrink)(struct shrink_task *t, ebb_model model, ebb_shrink_report *report,
                         ebb_error *error);
} shrink_task;

/* An ebb_shrink_function, context is the task: collects what is told with --verbose. */
bool shrink_tell(void *context, const ebb_shrink_step *step);
int shrink_run(const invocation *call,
               ebb_status (*shrink)(shrink_task *t, ebb_model model, ebb_shrink_report *report,
                                    ebb_error *error));

/* For the tables of options. */
#define SHRINK_OPTIONS                                                                             \
    {"only", OPTION_TEXTS, offsetof(shrink_values, only), "NAME",                                  \
     "nothing but this layer, class or weight; may be given again"},                               \
        {"skip", OPTION_TEXTS, offsetof(shrink_values, skip), "NAME",                              \
         "never this one; may be given again"},                                                    \
        {"min", OPTION_COUNT, offsetof(shrink_values, elements_min), "N",                          \
         "leave arrays of fewer elements alone (default: 1024)"},                                  \
        {"verbose", OPTION_FLAG, offsetof(shrink_values, is_verbose), NULL, "tell every weight"},  \
        {"deflate", OPTION_FLAG, offsetof(shrink_values, deflates), NULL,                          \
         "compress the file (pruned ones always are)"},                                            \
        {"keep", OPTION_FLAG, offsetof(shrink_values, keeps), NULL,                                \
         "never replace a file that exists"},                                                      \
    {                                                                                              \
        0                                                                                          \
    }

#endif
