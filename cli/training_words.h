/* training_words.h -- words that the commands which train share: settings of compile, files of
 * data, callbacks; from the command line to the structs of the library.
 *
 * What is made points into the words it was made from. */
#ifndef EBB_CLI_TRAINING_WORDS_H
#define EBB_CLI_TRAINING_WORDS_H

#include "match.h"

/* Settings of compile; all NULL and empty = those of the model's file. */
typedef struct compile_words {
    const char *optimizer, *loss, *loss_weights;
    text_list metrics, weighted_metrics;
    double learning_rate; /* 0 = as the optimizer has it */
} compile_words;

#define COMPILE_WORDS_OPTIONS(type, member)                                                        \
    {"optimizer", OPTION_TEXT, offsetof(type, member.optimizer), "O",                              \
     "name or JSON (default: the file's settings)"},                                               \
        {"loss", OPTION_TEXT, offsetof(type, member.loss), "L",                                    \
         "name or JSON; a JSON list or object for several outputs"},                               \
        {"loss-weights", OPTION_TEXT, offsetof(type, member.loss_weights), "JSON",                 \
         "number, list or object by output"},                                                      \
        {"metrics", OPTION_TEXTS, offsetof(type, member.metrics), "M",                             \
         "name or JSON; may be given several times"},                                              \
    {                                                                                              \
        "weighted-metrics", OPTION_TEXTS, offsetof(type, member.weighted_metrics), "M",            \
            "the same; these see sample weights"                                                   \
    }

/* The options of a compile and the texts made for them. */
typedef struct compile_choice {
    ebb_compile_options options;
    char *metrics, *weighted_metrics;
} compile_choice;

ebb_status compile_choice_make(compile_choice *c, const compile_words *words, ebb_error *error);
void compile_choice_free(compile_choice *c);
/* Compiles and sets the learning rate. `bytes_max` is for the model and its training together (0 =
 * none). */
ebb_status compile_choice_apply(compile_choice *c, const compile_words *words, ebb_model model,
                                uint64_t bytes_max, ebb_error *error);

/* Files of x, y and sample weights. */
typedef struct data_words {
    text_list x, y;
    const char *sample_weight;
} data_words;

#define DATA_WORDS_OPTIONS(type, member)                                                           \
    {"x", OPTION_TEXTS, offsetof(type, member.x), "FILE",                                          \
     ".npy, .npz or .csv; or INPUT=FILE, once per input"},                                         \
        {"y", OPTION_TEXTS, offsetof(type, member.y), "FILE",                                      \
         "targets, the same way (default: in the files of --x)"},                                  \
    {                                                                                              \
        "sample-weight", OPTION_TEXT, offsetof(type, member.sample_weight), "FILE",                \
            "one weight a row"                                                                     \
    }

typedef struct data_choice {
    const char *x[TEXT_LIST_MAX], *y[TEXT_LIST_MAX];
    ebb_data data;
} data_choice;

/* One file for all, or one per input and output, by name or in the model's order. Without files of
 * y the targets are looked for in those of x. is_validation: faults name the options --val-... */
ebb_status data_choice_make(data_choice *d, const data_words *words, bool is_validation,
                            const ports *inputs, const ports *outputs, ebb_error *error);

/* "NAME" and "NAME=JSON". */
typedef struct callback_choice {
    char names[TEXT_LIST_MAX][64];
    ebb_callback items[TEXT_LIST_MAX + 1]; /* room for one more, the command's own */
    size_t count;
} callback_choice;

ebb_status callback_choice_make(callback_choice *c, const text_list *words, ebb_error *error);

#endif
