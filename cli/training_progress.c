/* training_progress.c -- see training_progress.h. */
#define _GNU_SOURCE
#include "training_progress.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "console.h"
#include "process.h"

#define BAR_COLUMNS     20
#define COLUMNS_DEFAULT 80
#define DRAW_PAUSE_NS   100000000U
#define LINE_BYTES      1024

typedef struct line {
    char text[LINE_BYTES];
    size_t length;
} line;

static void put(line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(line *l, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int wrote = vsnprintf(l->text + l->length, LINE_BYTES - l->length, format, arguments);
    va_end(arguments);
    if (wrote > 0) l->length += (size_t)wrote;
    if (l->length >= LINE_BYTES) l->length = LINE_BYTES - 1;
}

/* "7s", "2:05", "1:02:05" */
static void put_time(line *l, uint64_t time_ns)
{
    const uint64_t seconds = time_ns / 1000000000U;

    if (seconds < 60)
        put(l, "%" PRIu64 "s", seconds);
    else if (seconds < 3600)
        put(l, "%" PRIu64 ":%02" PRIu64, seconds / 60, seconds % 60);
    else
        put(l, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, seconds / 3600, seconds / 60 % 60,
            seconds % 60);
}

static void put_logs(line *l, const ebb_training_event *event)
{
    for (size_t i = 0; i < event->log_count; i++) {
        const double value = event->logs[i].value;
        const bool is_small = value != 0 && fabs(value) < 1e-3;
        put(l, is_small ? " - %s: %.4e" : " - %s: %.4f", event->logs[i].name, value);
    }
}

static uint32_t terminal_columns(const training_progress *p)
{
    struct winsize size;

    return ioctl(fileno(p->file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                             : COLUMNS_DEFAULT;
}

static uint64_t per_step(uint64_t time_ns, uint64_t steps)
{
    return steps > 0 ? time_ns / steps : 0;
}

/* -- the bar ------------------------------------------------------------------------- */

static void draw(training_progress *p, const ebb_training_event *event, uint64_t done, bool is_last)
{
    const uint64_t now = clock_read_ns(), time_ns = (is_last ? p->steps_ns : now) - p->epoch_ns;
    const uint64_t steps = event->steps > 0 ? event->steps : is_last ? done : 0;
    text_buffer duration;
    line l = {.length = 0};

    if (!is_last && now - p->drawn_ns < DRAW_PAUSE_NS) return;
    if (steps > 0)
        put(&l, "%" PRIu64 "/%" PRIu64 " ", done, steps);
    else
        put(&l, "%" PRIu64 "/unknown ", done);
    const uint64_t full = steps > 0 ? done * BAR_COLUMNS / steps : 0;
    put(&l, "[");
    for (uint64_t i = 0; i < BAR_COLUMNS; i++) put(&l, i < full ? "=" : ".");
    put(&l, "] ");
    if (is_last)
        put_time(&l, now - p->epoch_ns);
    else
        put_time(&l, done > 0 && steps > done ? time_ns / done * (steps - done) : time_ns);
    put(&l, " %s/step", text_duration(&duration, per_step(time_ns, done)));
    put_logs(&l, event);
    if (!is_last) { /* a line that wraps cannot be drawn over */
        const uint32_t columns = terminal_columns(p);
        if (l.length >= columns) l.text[columns - 1] = 0;
    }
    fputs("\r\033[K", p->file);
    put_clean(p->file, l.text);
    fflush(p->file);
    p->drawn_ns = now;
    p->is_drawn = true;
}

static void show_line(const training_progress *p, const ebb_training_event *event)
{
    text_buffer duration;
    line l = {.length = 0};

    put(&l, "Epoch %" PRIu32 "/%" PRIu32 " - %" PRIu64 " step%s - ", event->epoch + 1,
        event->epochs, p->steps, p->steps == 1 ? "" : "s");
    put_time(&l, clock_read_ns() - p->epoch_ns);
    put(&l, " - %s/step", text_duration(&duration, per_step(p->steps_ns - p->epoch_ns, p->steps)));
    put_logs(&l, event);
    put_clean(p->file, l.text);
    fputc('\n', p->file);
    fflush(p->file);
}

/* -- events -------------------------------------------------------------------------- */

void training_progress_begin(training_progress *p, bool is_json, bool is_quiet)
{
    FILE *file = is_json ? stderr : stdout;
    const bool has_bar = isatty(fileno(file)) == 1;

    *p = (training_progress){.file = is_quiet || (is_json && !has_bar) ? NULL : file,
                             .has_bar = has_bar};
}

static void see_epoch_end(training_progress *p, const ebb_training_event *event)
{
    p->epochs_done++;
    if (p->file == NULL) return;
    if (p->has_bar) {
        draw(p, event, p->steps, true);
        training_progress_end(p);
    } else {
        show_line(p, event);
    }
}

bool training_progress_see(void *context, const ebb_training_event *event)
{
    training_progress *p = context;

    if (interrupt_seen()) ebb_model_cancel(event->model);
    switch (event->moment) {
    case EBB_EPOCH_BEGIN:
        p->epoch_ns = p->steps_ns = clock_read_ns();
        p->drawn_ns = p->steps = 0;
        if (p->file != NULL && p->has_bar)
            fprintf(p->file, "Epoch %" PRIu32 "/%" PRIu32 "\n", event->epoch + 1, event->epochs);
        break;
    case EBB_BATCH_END:
        p->steps_ns = clock_read_ns();
        p->steps = event->step + 1;
        p->steps_done++;
        if (p->file != NULL && p->has_bar) draw(p, event, p->steps, false);
        break;
    case EBB_EPOCH_END: see_epoch_end(p, event); break;
    default: break;
    }
    return true;
}

void training_progress_end(training_progress *p)
{
    if (p->is_drawn) fputc('\n', p->file);
    p->is_drawn = false;
}
