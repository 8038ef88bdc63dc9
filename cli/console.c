/* console.c -- see console.h. */
#define _GNU_SOURCE
#include "console.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "process.h"

#define BAR_COLUMNS     30
#define BAR_INTERVAL_NS 100000000U
#define COMPLAINT_BYTES 2048

/* -- text ---------------------------------------------------------------------------- */

/* Bytes at `text` that make one control character, 0 when it is none. C1 controls are two bytes in
 * UTF-8. */
static size_t control_bytes(const char *text, size_t left)
{
    const unsigned char c = (unsigned char)text[0];

    if (c < 0x20 || c == 0x7f) return 1;
    return c == 0xc2 && left > 1 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0
               ? 2
               : 0;
}

static size_t put_range(FILE *file, const char *text, size_t length, const char *allowed)
{
    size_t columns = 0;

    for (size_t i = 0; i < length;) {
        const bool is_allowed = text[i] != 0 && strchr(allowed, text[i]) != NULL;
        const size_t control = is_allowed ? 0 : control_bytes(text + i, length - i);
        fputc(control > 0 ? '?' : text[i], file);
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
        i += control > 0 ? control : 1;
    }
    return columns;
}

bool put_text(void *context, const char *text, size_t length)
{
    put_range(context, text, length, "\n\t");
    return !ferror((FILE *)context);
}

bool put_raw(void *context, const char *text, size_t length)
{
    return fwrite(text, 1, length, context) == length;
}

size_t put_clean(FILE *file, const char *text)
{
    return put_range(file, text, strlen(text), "");
}

void complain(const char *format, ...)
{
    char line[COMPLAINT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fflush(stdout);
    fputs("ebb: ", stderr);
    put_clean(stderr, line);
    fputc('\n', stderr);
}

int complain_of(const ebb_error *error)
{
    const char *text = error->text[0] != 0 ? error->text : ebb_status_text(error->status);

    complain("%s%s%s", error->where, error->where[0] != 0 ? ": " : "", text);
    return EXIT_FAILED;
}

/* -- numbers ------------------------------------------------------------------------- */

const char *text_grouped(text_buffer *buffer, uint64_t number)
{
    char digits[32];
    const int length = snprintf(digits, sizeof digits, "%" PRIu64, number);
    char *to = buffer->text;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
    return buffer->text;
}

const char *text_duration(text_buffer *buffer, uint64_t time_ns)
{
    static const char *const names[] = {"ns", "us", "ms", "s"};
    double value = (double)time_ns;
    uint32_t at = 0;

    for (; value >= 999.5 && at < 3; at++) value /= 1000;
    const int decimals = at == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(buffer->text, sizeof buffer->text, "%.*f %s", decimals, value, names[at]);
    return buffer->text;
}

const char *text_size(text_buffer *buffer, uint64_t bytes)
{
    static const char *const names[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    uint32_t at = 0;

    for (; value >= 1023.5 && at < 4; at++) value /= 1024;
    const int decimals = at == 0 || value >= 99.95 ? 0 : 1;
    snprintf(buffer->text, sizeof buffer->text, "%.*f %s", decimals, value, names[at]);
    return buffer->text;
}

const char *text_shape(text_buffer *buffer, const int64_t *dims, uint32_t rank)
{
    size_t length = (size_t)snprintf(buffer->text, sizeof buffer->text, "[");

    for (uint32_t i = 0; i < rank && length < sizeof buffer->text - 24; i++) {
        const char *comma = i > 0 ? ", " : "";
        char *to = buffer->text + length;
        length += dims[i] < 0 ? (size_t)snprintf(to, sizeof buffer->text - length, "%sany", comma)
                              : (size_t)snprintf(to, sizeof buffer->text - length, "%s%" PRId64,
                                                 comma, dims[i]);
    }
    snprintf(buffer->text + length, sizeof buffer->text - length, "]");
    return buffer->text;
}

const char *text_classes(text_buffer *buffer, const uint64_t bytes[EBB_CLASS_COUNT])
{
    size_t length = 0;

    snprintf(buffer->text, sizeof buffer->text, "nothing");
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) {
        text_buffer number;
        if (i == EBB_CLASS_CODE || bytes[i] == 0 || length + 48 > sizeof buffer->text) continue;
        length += (size_t)snprintf(buffer->text + length, sizeof buffer->text - length, "%s%s %s",
                                   length > 0 ? ", " : "", ebb_class_name((ebb_class)i),
                                   text_grouped(&number, bytes[i]));
    }
    if (bytes[EBB_CLASS_CODE] > 0 && length + 48 <= sizeof buffer->text) {
        text_buffer number;
        snprintf(buffer->text + length, sizeof buffer->text - length, "; code about %s",
                 text_grouped(&number, bytes[EBB_CLASS_CODE]));
    }
    return buffer->text;
}

/* -- progress ------------------------------------------------------------------------ */

void progress_draw(progress *p, uint64_t done, uint64_t total)
{
    const uint64_t now = clock_read_ns();
    text_buffer a, b;

    if (!isatty(STDERR_FILENO) || total == 0) return;
    if (done < total && now - p->drawn_ns < BAR_INTERVAL_NS) return;
    const uint32_t full = (uint32_t)(done * BAR_COLUMNS / total);
    fprintf(stderr, "\r%s [", p->what);
    for (uint32_t i = 0; i < BAR_COLUMNS; i++) fputc(i < full ? '#' : '.', stderr);
    fprintf(stderr, "] %s of %s ", text_grouped(&a, done), text_grouped(&b, total));
    p->drawn_ns = now;
    p->is_visible = true;
}

void progress_clear(progress *p)
{
    if (p->is_visible) fputs("\r\033[K", stderr);
    p->is_visible = false;
}

/* -- Ctrl-C -------------------------------------------------------------------------- */

/* A signal handler can reach nothing but a variable of the file. */
static volatile sig_atomic_t signal_seen;

static void note_signal(int number)
{
    signal_seen = number;
}

void interrupt_watch(void)
{
    struct sigaction action = {.sa_handler = note_signal,
                               .sa_flags = (int)SA_RESETHAND | SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool interrupt_seen(void)
{
    return signal_seen != 0;
}

void interrupt_finish(void)
{
    const int number = signal_seen;

    if (number == 0) return;
    fflush(stdout);
    signal(number, SIG_DFL);
    raise(number);
}
