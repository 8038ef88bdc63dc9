/* step_results.c -- what a step reports: losses by output, their sum, metrics.
 *
 * Source: compute_loss() of keras/src/trainers/trainer.py, CompileLoss.call() of compile_utils.py
 * of 3.15: an output's own loss is shown before its weight is applied, without regularization. */
#include "base/status.h"
#include "train/arithmetic.h"
#include "train/regularizer/regularizer.h"
#include "train/step_parts.h"

static void result_show(step_maker *m, value v, const char *title)
{
    graph_output(m->g, v);
    m->t->titles[m->t->result_count++] = title;
}

/* Says in an error which output it is about. */
static void name_output(step_maker *m, const char *what, uint32_t output)
{
    const built_model *model = m->t->model;

    if (graph_ok(m->g) || m->g->error.status == EBB_E_MEMORY || model->output_count == 1) return;
    const char *context =
        region_format(m->home, "%s of output '%s'", what, model->outputs[output].name);
    if (context != NULL) fail_within(&m->g->error, context);
}

/* Classes of the targets are checked where the data are. */
static void classes_note(step_maker *m, uint32_t output, value y_pred)
{
    train_step *const t = m->t;

    for (uint32_t i = 0; i < t->y_count; i++) {
        if (t->y_output[i] != output) continue;
        t->class_counts[i] = loss_class_count(m->g, &m->s->losses[output].l, m->targets[output],
                                              y_pred, &t->ignored_classes[i]);
    }
}

static value loss_of_output(step_maker *m, uint32_t output)
{
    const model_port *port = &m->t->model->outputs[output];
    const value y_pred = op_cast(m->g, port->v, EBB_F32);
    const loss_operands operands = {.y_true = m->targets[output],
                                    .y_pred = y_pred,
                                    .sample_weight = m->weights[output],
                                    .mask = port->mask};

    if (graph_ok(m->g)) classes_note(m, output, y_pred);
    const value v =
        graph_ok(m->g) ? loss_emit(m->g, &m->s->losses[output].l, &operands) : VALUE_NONE;
    name_output(m, "loss", output);
    return v;
}

static value sum_of(step_maker *m, value sum, value v)
{
    return sum == VALUE_NONE ? v : op_add(m->g, sum, v);
}

/* Penalties of layers' outputs and of weights; VALUE_NONE: there are none. */
static value penalties_emit(step_maker *m)
{
    const built_model *model = m->t->model;
    value sum = VALUE_NONE;

    for (uint32_t i = 0; i < model->loss_count; i++) sum = sum_of(m, sum, model->losses[i]);
    m->g->scope = "regularizer";
    for (uint32_t i = 0; i < model->weight_count && graph_ok(m->g); i++) {
        const layer_weight *w = model->weights[i];
        if (json_is_null(w->regularizer) || !w->trainable) continue;
        const value x = op_cast(m->g, w->latest, EBB_F32);
        sum = sum_of(m, sum, penalty_emit(m->g, m->home, w->regularizer, w->title, x));
    }
    m->g->scope = NULL;
    return sum;
}

/* reduction "none": gradients are of the sum, shown is the mean. */
static value shown_of(step_maker *m, value v)
{
    return graph_rank(m->g, v) == 0 ? v : arith_all(m->g, REDUCE_MEAN, v);
}

/* The sum of all losses; *is_reduced: was each a number already? Returns how many. */
static uint32_t losses_add(step_maker *m, bool *is_reduced)
{
    uint32_t count = 0;

    *is_reduced = true;
    for (uint32_t k = 0; k < m->t->model->output_count; k++) {
        const output_loss *loss = &m->s->losses[k];
        if (!loss->is_used) continue;
        value v = loss_of_output(m, k);
        if (!graph_ok(m->g)) break;
        m->losses[k] = shown_of(m, v);
        if (graph_rank(m->g, v) > 0) {
            *is_reduced = false;
            v = arith_all(m->g, REDUCE_SUM, v);
        }
        m->single = m->losses[k];
        if (loss->has_weight) {
            v = arith_affine(m->g, v, (float)loss->weight, 0);
            m->single = arith_affine(m->g, m->single, (float)loss->weight, 0);
        }
        m->differentiated = sum_of(m, m->differentiated, v);
        count++;
    }
    return count;
}

void step_losses_emit(step_maker *m)
{
    bool is_reduced;
    const uint32_t count = losses_add(m, &is_reduced);
    const value penalty = graph_ok(m->g) ? penalties_emit(m) : VALUE_NONE;

    if (!graph_ok(m->g)) return;
    if (count == 0 && penalty == VALUE_NONE) {
        (void)graph_fail(m->g, EBB_E_STATE, "there is no loss to compute; compile with one");
        return;
    }
    if (!is_reduced && (count > 1 || penalty != VALUE_NONE)) {
        (void)graph_fail(m->g, EBB_E_UNSUPPORTED,
                         "a loss with reduction 'none' beside other losses or regularizers");
        return;
    }
    if (penalty != VALUE_NONE) m->differentiated = sum_of(m, m->differentiated, penalty);
    result_show(m, is_reduced ? m->differentiated : m->single, "loss");
    for (uint32_t k = 0; k < m->t->model->output_count && m->s->shows_losses; k++) {
        if (m->s->losses[k].is_used) result_show(m, m->losses[k], m->s->losses[k].title);
    }
}

static void metric_emit(step_maker *m, const output_metric *from, metric *own)
{
    const model_port *port = &m->t->model->outputs[from->output];
    const metric_operands operands = {.y_true = m->targets[from->output],
                                      .y_pred = op_cast(m->g, port->v, EBB_F32),
                                      .sample_weight =
                                          from->is_weighted ? m->weights[from->output] : VALUE_NONE,
                                      .mask = port->mask};

    *own = from->m;
    metric_update(&m->t->emit, own, &operands);
    const value v = graph_ok(m->g) ? metric_result(m->g, own, own->next) : VALUE_NONE;
    if (graph_ok(m->g) && graph_rank(m->g, v) > 0) {
        (void)graph_fail(m->g, EBB_E_UNSUPPORTED,
                         "%s: gives one number per class; set its average to 'micro', 'macro' or "
                         "'weighted'",
                         from->title);
    }
    if (graph_ok(m->g)) result_show(m, arith_float(m->g, v), from->title);
    name_output(m, "metrics", from->output);
}

void step_metrics_emit(step_maker *m)
{
    for (uint32_t i = 0; i < m->s->metric_count && graph_ok(m->g); i++)
        metric_emit(m, &m->s->metrics[i], &m->metrics[i]);
}
