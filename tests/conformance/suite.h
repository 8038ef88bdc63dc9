/* suite.h -- what the areas of the conformance runner share: the run, its verdicts, the reading of
 * cases.
 *
 * An area is one file with a function that runs a case of it; the list of areas is in
 * conformance_test.c. */
#ifndef EBB_TESTS_SUITE_H
#define EBB_TESTS_SUITE_H

#include "ebb/ebb.h"
#include "json/json.h"
#include "mem/ledger.h"
#include "npz_file.h"

#define ROWS_MAX 1024
#define PORTS    64

typedef enum verdict { PASSED, REFUSED, FAILED } verdict;

typedef struct row {
    char area[16], name[80];
    uint32_t count[3], unlisted; /* unlisted: refused, and not in refused.txt */
} row;

typedef struct suite {
    const char *shared, *area, *class_name;
    uint32_t every, seen, row_count;
    bool is_verbose, has_table;
    ebb_runtime runtime;
    ledger *work; /* of the runner itself */
    row rows[ROWS_MAX];
    char message[1024], reason[sizeof(((ebb_error *)0)->text)];
} suite;

/* What a failed call means: E_UNSUPPORTED is a refusal, all else a failure. */
verdict judge(suite *s, const char *where, const ebb_error *error);
verdict fault(suite *s, const char *where, const char *format, ...) EBB_PRINTF(3, 4);

/* Fails with a message unless the ledger of the runtime is as it was. */
verdict check_end(suite *s, const ebb_memory *before, const char *where);

/* Arrays prefix/0, prefix/1 ... into views[PORTS]; returns how many. Prefix "in@1" is one too. */
uint32_t collect(const npz_file *file, const char *prefix, ebb_view *views);
/* NULL: no such file, or no JSON. */
const json *read_json(region *home, const char *path);

/* Areas training, resume and history: the case in `folder`. */
verdict run_training_case(suite *s, const char *folder);

#endif
