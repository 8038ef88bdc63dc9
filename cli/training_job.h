/* training_job.h -- what `ebb fit` and `ebb evaluate` do alike: a model is loaded, its data are
 * found, its settings compiled. */
#ifndef EBB_CLI_TRAINING_JOB_H
#define EBB_CLI_TRAINING_JOB_H

#include "session.h"
#include "training_words.h"

#define RESULT_DIGITS 9 /* losses and metrics are float32 */

typedef struct training_job_words {
    compile_words compile;
    data_words data;
    uint32_t batch_size, seed, threads;
    uint64_t bytes_max; /* of the model and its training */
} training_job_words;

typedef struct training_job {
    const training_job_words *words;
    session s;
    ebb_model model;
    ports inputs, outputs;
    data_choice data;
} training_job;

/* false: the fault was reported, nothing is open. */
bool training_job_open(training_job *j, const invocation *call, const training_job_words *words);
/* Loads the model of the first word and watches for Ctrl-C; false: the fault was reported. */
bool training_job_load(training_job *j, const invocation *call);
/* Names of the model's inputs and outputs; the data of the words. */
ebb_status training_job_read(training_job *j);
ebb_status training_job_compile(training_job *j);
/* As session_close(). */
int training_job_close(training_job *j, int code);

#endif
