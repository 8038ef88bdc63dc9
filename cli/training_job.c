/* training_job.c -- see training_job.h. */
#include "training_job.h"

#include "console.h"

bool training_job_open(training_job *j, const invocation *call, const training_job_words *words)
{
    *j = (training_job){.words = words};
    return session_open_with(&j->s, call);
}

bool training_job_load(training_job *j, const invocation *call)
{
    invocation plain = *call;

    plain.load.bytes_max = j->words->bytes_max;
    plain.load.threads = j->words->threads;
    if (!session_load(&j->s, &plain, call->words[0], &j->model)) return false;
    interrupt_watch();
    return true;
}

ebb_status training_job_read(training_job *j)
{
    ebb_error *error = &j->s.error;
    ebb_status status = ports_make_inputs(&j->inputs, j->model, error);

    if (status == EBB_OK) status = ports_make_outputs(&j->outputs, j->model, error);
    if (status != EBB_OK) return status;
    return data_choice_make(&j->data, &j->words->data, false, &j->inputs, &j->outputs, error);
}

ebb_status training_job_compile(training_job *j)
{
    const training_job_words *words = j->words;
    ebb_error *error = &j->s.error;
    compile_choice choice;
    ebb_status status = compile_choice_make(&choice, &words->compile, error);

    choice.options.seed = words->seed;
    choice.options.batch = words->batch_size;
    choice.options.threads = words->threads;
    if (status == EBB_OK)
        status = compile_choice_apply(&choice, &words->compile, j->model, words->bytes_max, error);
    compile_choice_free(&choice);
    return status;
}

int training_job_close(training_job *j, int code)
{
    ports_free(&j->inputs);
    ports_free(&j->outputs);
    return session_close(&j->s, code);
}
