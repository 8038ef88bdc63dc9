/* event_file_test.c -- event files of TensorBoard: framing, checksums and messages byte by byte,
 * and which scalars a fit writes. */
#include "train/callback/event_file.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fake_engine.h"
#include "temporary.h"
#include "train/fit.h"

static uint32_t crc_slowly(const uint8_t *bytes, size_t length)
{
    uint32_t crc = 0xFFFFFFFFu;

    for (size_t i = 0; i < length * 8; i++) {
        const uint32_t bit = (bytes[i / 8] >> (i % 8) & 1u) ^ (crc & 1u);

        crc = crc >> 1 ^ (bit ? 0x82F63B78u : 0);
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

static uint64_t little(const uint8_t *bytes, size_t count)
{
    uint64_t number = 0;

    for (size_t i = count; i-- > 0;) number = number << 8 | bytes[i];
    return number;
}

/* A cursor over one message: the next field, its number and its bytes (varints in `number`). */
typedef struct field {
    uint32_t number;
    uint64_t value;
    const uint8_t *bytes;
    size_t length;
} field;

static uint64_t varint(const uint8_t **at)
{
    uint64_t number = 0;

    for (int shift = 0;; shift += 7) {
        const uint8_t byte = *(*at)++;

        number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return number;
    }
}

static bool field_next(const uint8_t **at, const uint8_t *end, field *f)
{
    if (*at >= end) return false;
    const uint64_t tag = varint(at);

    *f = (field){.number = (uint32_t)(tag >> 3)};
    if ((tag & 7) == 0) {
        f->value = varint(at);
    } else if ((tag & 7) == 1) {
        f->value = little(*at, 8);
        *at += 8;
    } else {
        CHECK_EQ(tag & 7, 2);
        f->length = (size_t)varint(at);
        f->bytes = *at;
        *at += f->length;
    }
    CHECK(*at <= end);
    return true;
}

static field field_find(const uint8_t *bytes, size_t length, uint32_t number)
{
    const uint8_t *at = bytes;
    field f;

    while (field_next(&at, bytes + length, &f)) {
        if (f.number == number) return f;
    }
    return (field){0};
}

static void scalar_text(const field *summary, uint64_t step, char *text, size_t size)
{
    const field item = field_find(summary->bytes, summary->length, 1);
    const field tag = field_find(item.bytes, item.length, 1);
    const field tensor = field_find(item.bytes, item.length, 8);
    const field content = field_find(tensor.bytes, tensor.length, 4);
    const field metadata = field_find(item.bytes, item.length, 9);
    const field plugin = field_find(metadata.bytes, metadata.length, 1);
    const field name = field_find(plugin.bytes, plugin.length, 1);
    const size_t used = strlen(text);
    float value;

    CHECK_EQ(field_find(tensor.bytes, tensor.length, 1).value, 1); /* DT_FLOAT */
    CHECK_EQ(content.length, 4);
    CHECK(name.length == 7 && memcmp(name.bytes, "scalars", 7) == 0);
    memcpy(&value, content.bytes, 4);
    snprintf(text + used, size - used, "%.*s@%d=%.4g\n", (int)tag.length, (const char *)tag.bytes,
             (int)step, (double)value);
}

/* The scalars of the only event file in a folder, a line each. */
static const char *scalars(test *t, const char *folder, char *text, size_t size)
{
    char path[1024] = "";
    size_t length;
    DIR *list = opendir(folder);

    text[0] = '\0';
    if (list == NULL) return text;
    for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        if (strncmp(entry->d_name, "events.out.tfevents.", 20) != 0) continue;
        CHECK_TEXT(path, "");
        snprintf(path, sizeof path, "%s/%.600s", folder, entry->d_name);
    }
    closedir(list);
    const uint8_t *bytes = file_read(t, path, &length), *at = bytes;
    while (at < bytes + length) {
        const size_t event = (size_t)little(at, 8);

        CHECK_EQ(little(at + 8, 4), crc_slowly(at, 8));
        CHECK(at + 16 + event <= bytes + length);
        CHECK_EQ(little(at + 12 + event, 4), crc_slowly(at + 12, event));
        const field version = field_find(at + 12, event, 3);
        const field step = field_find(at + 12, event, 2), sum = field_find(at + 12, event, 5);
        double time;
        const uint64_t bits = field_find(at + 12, event, 1).value;
        memcpy(&time, &bits, sizeof time);
        CHECK(time > 1.6e9 && time < 5e9);
        if (at == bytes)
            CHECK(version.length == 13 && memcmp(version.bytes, "brain.Event:2", 13) == 0);
        else
            scalar_text(&sum, step.value, text, size);
        at += 16 + event;
    }
    return text;
}

TEST(records)
{
    temporary d;
    event_file f = {0};
    char text[1024];

    temporary_open(&d);
    const path_text folder = temporary_path(&d, "a/b");
    CHECK_OK(event_file_open(t->ledger, folder.text, &f, &t->error));
    CHECK_EQ(ledger_descriptors(t->ledger), 1);
    CHECK_OK(event_file_scalar(&f, "epoch_loss", 0, 0.5, &t->error));
    CHECK_OK(event_file_scalar(&f, "epoch_loss", 1000000, (double)NAN, &t->error));
    event_file_close(&f);
    event_file_close(&f);
    CHECK_TEXT(scalars(t, folder.text, text, sizeof text),
               "epoch_loss@0=0.5\nepoch_loss@1000000=nan\n");
    temporary_close(&d);
}

TEST(scalars_of_a_fit)
{
    temporary d;
    fake_engine e;
    float x[6][1] = {{1}, {1}, {1}, {1}, {1}, {1}}, y[6] = {0};
    const ebb_view views[] = {{EBB_F32, 2, {6, 1}, x}, {EBB_F32, 1, {6}, y}};
    const ebb_data data = {.x = {&views[0], 1}, .y = {&views[1], 1}};
    ebb_fit_options o = EBB_FIT_OPTIONS_INIT;
    history h = {.home = t->home};
    char config[256], text[2048];

    temporary_open(&d);
    fake_engine_open(t, &e, 1);
    const path_text train = temporary_path(&d, "train"), val = temporary_path(&d, "validation");
    snprintf(config, sizeof config, "{\"log_dir\": \"%s\", \"update_freq\": 2}", d.folder);
    const ebb_callback callbacks[] = {{.name = "ReduceLROnPlateau"},
                                      {.name = "TensorBoard", .config = config}};
    o.epochs = 2;
    o.batch_size = 2;
    o.validation_split = 0.3;
    o.callbacks = callbacks;
    o.callback_count = 2;
    CHECK_OK(fit_run(&e.base, &data, &o, &h, &t->error));
    CHECK_TEXT(scalars(t, train.text, text, sizeof text),
               "batch_loss@2=0\nbatch_mae@2=0\nepoch_loss@0=0\nepoch_mae@0=0\n"
               "epoch_learning_rate@0=0.1\nbatch_loss@4=0\nbatch_mae@4=0\nepoch_loss@1=0\n"
               "epoch_mae@1=0\nepoch_learning_rate@1=0.1\n");
    CHECK_TEXT(scalars(t, val.text, text, sizeof text),
               "evaluation_loss_vs_iterations@2=0\nevaluation_mae_vs_iterations@2=0\n"
               "epoch_loss@0=0\nepoch_mae@0=0\nevaluation_loss_vs_iterations@4=0\n"
               "evaluation_mae_vs_iterations@4=0\nepoch_loss@1=0\nepoch_mae@1=0\n");
    temporary_close(&d);
}

TEST_MAIN(RUN(records), RUN(scalars_of_a_fit))
