/* match.h -- the arrays of the input files, put in the order of the model's inputs.
 *
 * By name when every input has an array of its name; else by their order in the files, as many as
 * there are inputs. */
#ifndef EBB_CLI_MATCH_H
#define EBB_CLI_MATCH_H

#include "batch.h"
#include "command_options.h"

/* A file of --input or --output: "NAME=FILE" when NAME is an input (output) of the model, else all
 * is the path. */
typedef struct named_file {
    const char *name; /* NULL = none given */
    const char *path;
} named_file;

/* Names and shapes of the model's inputs, or of its outputs. */
typedef struct ports {
    ebb_tensor_info *items;
    uint32_t count;
} ports;

ebb_status ports_make_inputs(ports *p, ebb_model model, ebb_error *error);
ebb_status ports_make_outputs(ports *p, ebb_model model, ebb_error *error);
void ports_free(ports *p);

/* Splits list item by item into files (room for TEXT_LIST_MAX). NAME= of no port is refused, unless
 * a file is called so. */
ebb_status named_files_make(named_file *files, const text_list *list, const ports *p,
                            const char *option_name, ebb_error *error);
/* Paths in the ports' order: by name when all have one, else as given. Needs exactly one per port.
 */
ebb_status named_files_order(const named_file *files, uint32_t count, const ports *p,
                             const char *option_name, const char **paths, ebb_error *error);
bool path_is_npy(const char *path);

/* All arrays of all files, and which of them feeds which input. */
typedef struct feed {
    ebb_arrays files[TEXT_LIST_MAX];
    uint32_t file_count;
    const char *names[TEXT_LIST_MAX];
    ebb_view arrays[TEXT_LIST_MAX];
    uint32_t array_count;
    ebb_view inputs[TEXT_LIST_MAX]; /* in the model's order */
} feed;

ebb_status feed_make(feed *f, ebb_runtime runtime, const named_file *files, uint32_t count,
                     const ports *inputs, ebb_error *error);
void feed_free(feed *f);

#endif
