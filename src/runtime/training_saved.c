/* training_saved.c -- the state of training in files: optimizer.variables in Keras's order, and the
 * settings of compile(). */
#include <string.h>

#include "base/status.h"
#include "format/format.h"
#include "format/saved_optimizer.h"
#include "runtime/training.h"
#include "runtime/weights_replace.h"

ebb_status training_saved_list(const training *t, region *home, saved_training *result,
                               ebb_error *error)
{
    const train_step *step = training_first_step(t);
    const uint32_t first = step->optimizer_first, own = t->m->built->weight_count;
    const uint32_t count = step->emit.variable_count - first;
    saved_tensor *extra = region_new(home, saved_tensor, (size_t)count + 1);

    if (extra == NULL) return region_fail(home, error, t->m->info.name, "the optimizer's state");
    for (uint32_t i = 0; i < count; i++) {
        const train_variable *v = &step->emit.variables[first + i];
        extra[i] = (saved_tensor){.path = "optimizer",
                                  .variable = i,
                                  .name = v->name,
                                  .dtype = v->dtype,
                                  .rank = v->rank,
                                  .source = own + i};
        memcpy(extra[i].dims, v->dims, sizeof extra[i].dims);
    }
    *result = (saved_training){
        .extra = extra, .extra_count = count, .compile_config = t->settings.compile_config};
    return EBB_OK;
}

const void *training_saved_bytes(const training *t, uint32_t index)
{
    return t->memory[t->optimizer_first + index];
}

/* After a failure the optimizer begins anew. */
static ebb_status take_state(training *t, const saved_optimizer *s, const saved_training *wanted,
                             ebb_error *error)
{
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < wanted->extra_count && status == EBB_OK; i++) {
        bool is_there = false;
        status = saved_optimizer_read(s, i, &wanted->extra[i], t->memory[t->optimizer_first + i],
                                      &is_there, error);
    }
    if (status != EBB_OK) training_begin_variables(t);
    return status;
}

/* A state that does not fit is left, with a warning, as in Keras. */
ebb_status training_state_load(training *t, const description *d, ebb_error *error)
{
    saved_optimizer s = {0};
    saved_training wanted;
    ebb_error why = {0};
    region *work = region_open(t->home, "state", EBB_CLASS_SCRATCH, 0);

    if (work == NULL) return region_fail(t->home, error, t->m->info.name, "the optimizer's state");
    ebb_status status = saved_optimizer_open(work, d, &s, &why);
    if (status == EBB_E_MEMORY && error != NULL) *error = why;
    if (status != EBB_OK && status != EBB_E_MEMORY) { /* the file is gone, or another one by now */
        s = (saved_optimizer){.problem = why.text};
        status = EBB_OK;
    }
    if (status == EBB_OK) status = training_saved_list(t, work, &wanted, error);
    if (status == EBB_OK && (s.count > 0 || s.problem != NULL)) {
        if (saved_optimizer_fits(&s, wanted.extra, wanted.extra_count, &why) == EBB_OK)
            status = take_state(t, &s, &wanted, error);
        else
            log_line(&t->m->owner->log, EBB_LOG_WARNING, "%s: the optimizer begins anew: %s: %s",
                     t->m->info.name, why.where, why.text);
    }
    saved_optimizer_close(&s);
    region_close(work);
    return status;
}

ebb_status training_restore(training *t, const char *path, ebb_error *error)
{
    ebb_weights_report report;
    description *d = NULL;
    ebb_status status = model_weights_load(t->m, path, NULL, &report, error);

    if (status != EBB_OK || t->settings.optimizer == NULL) return status;
    region *work = region_open(t->home, "restore", EBB_CLASS_SCRATCH, 0);
    if (work == NULL) return region_fail(t->home, error, path, "the optimizer's state");
    status = format_read(work, path, format_tensors_only, &d, error);
    if (status == EBB_OK) {
        pthread_mutex_lock(&t->m->training_mutex);
        status = training_state_load(t, d, error);
        pthread_mutex_unlock(&t->m->training_mutex);
    }
    description_close(d);
    region_close(work);
    return status;
}
