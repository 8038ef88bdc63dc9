/* measure.h -- what the benchmark programs share: words of the command line, time, memory of the
 * process, a model with its inputs and outputs. They use the public API only. */
#ifndef EBB_BENCH_MEASURE_H
#define EBB_BENCH_MEASURE_H

#include "ebb/ebb.h"

#define PORTS_MAX   16
#define SAMPLES_MAX 200000

/* A loaded model with memory for one prediction; inputs are random unless read from files. */
typedef struct subject {
    ebb_runtime runtime;
    ebb_model model;
    ebb_view inputs[PORTS_MAX], outputs[PORTS_MAX];
    ebb_views in, out;
    ebb_arrays arrays;
} subject;

/* One option, "--threads"; where its value goes: one of the four, a flag takes none. */
typedef struct word_option {
    const char *name;
    const char **text;
    uint32_t *count;
    double *number;
    bool *flag;
} word_option;

/* Options end with name NULL; the one other word is *path, which must be there. Ends the program
 * with `usage` for anything else. */
void words_read(int count, char **words, const char *usage, const word_option *options,
                const char **path);
/* Ends the program. */
void words_refuse(const char *usage);

uint64_t now_ns(void);
/* A number of kB from a line of /proc/self/<file>, in bytes; 0 if there is none. */
uint64_t process_bytes(const char *file, const char *key);
uint64_t resident_bytes(void);
/* Lets the high-water mark of the process begin anew; peak_bytes() reads it. */
void peak_reset(void);
uint64_t peak_bytes(void);

void sort_times(uint64_t *times, size_t count);
/* Calls until the seconds are over, three times at least; times[SAMPLES_MAX] receives what the
 * calls return, sorted. How many there are. */
size_t sample_times(uint64_t (*time_once)(void *context), void *context, double seconds,
                    uint64_t *times);
/* Calls for every line of standard input, a number of seconds. */
void serve_lines(void (*answer)(void *context, double seconds), void *context);

/* Ends the program with a message unless status is EBB_OK. */
void must(ebb_status status, const ebb_error *error, const char *what);

void subject_open_runtime(subject *s);
/* Makes views for `batch` rows; input_path (.npy or .npz) may be NULL. Needs s->model. */
void subject_make_views(subject *s, uint32_t batch, const char *input_path);
void subject_predict(subject *s);
void subject_save(subject *s, const char *output_path);
void subject_drop_views(subject *s);

#endif
