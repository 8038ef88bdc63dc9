/* bad_files_test.c -- damaged and hostile model files through the public API: one clear error that
 * names the file or the layer, nothing left in the ledger, nothing run, and no crash. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "digits.h"
#include "temporary.h"

typedef struct bench {
    digits d;
    temporary folder;
    path_text path; /* of the file under test */
    uint64_t idle;
    uint64_t peak_max;
} bench;

static void bench_open_on(test *t, bench *b, const ebb_runtime_options *options)
{
    temporary_open(&b->folder);
    b->path = temporary_path(&b->folder, "bad.model");
    digits_open(t, &b->d, options);
    b->idle = digits_live(&b->d);
}

static void bench_open(test *t, bench *b)
{
    bench_open_on(t, b, NULL);
}

static void bench_close(test *t, bench *b)
{
    digits_close(t, &b->d);
    temporary_close(&b->folder);
}

static void check_idle(const bench *b)
{
    ebb_memory memory;

    CHECK_OK(ebb_memory_read(b->d.runtime, &memory));
    CHECK_EQ(memory.live, b->idle);
    CHECK_EQ(memory.descriptors, 0);
    CHECK_EQ(memory.models, 0);
}

/* Loads; the model, if it is one, predicts zeros and goes. */
static ebb_status try_load(test *t, const bench *b)
{
    float y[DIGITS_ROWS * DIGITS_CLASSES];
    ebb_model model = {77};

    t->error = (ebb_error){0};
    ebb_status status = ebb_model_load(b->d.runtime, b->path.text, NULL, &model, &t->error);
    if (status == EBB_OK) {
        (void)digits_predict(&b->d, model, 3, y, NULL);
        CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    } else {
        CHECK_EQ(model.id, 0);
        CHECK_EQ(t->error.status, status);
        CHECK(t->error.where[0] != '\0' && t->error.text[0] != '\0');
    }
    check_idle(b);
    return status;
}

static void refuse(test *t, const bench *b, ebb_status expected, const char *where,
                   const char *text)
{
    CHECK_STATUS(try_load(t, b), expected);
    if (where != NULL) CHECK_CONTAINS(t->error.where, where);
    if (text != NULL) CHECK_CONTAINS(t->error.text, text);
}

/* -- damage ------------------------------------------------------------------------------------ */

static void cut_everywhere(test *t, const char *path)
{
    bench b;
    size_t length;

    bench_open(t, &b);
    const uint8_t *bytes = file_read(t, path, &length);
    for (size_t cut = 0; cut < length; cut += cut < 256 || cut + 256 > length ? 7 : length / 150) {
        file_write(b.path.text, bytes, cut);
        const ebb_status status = try_load(t, &b);
        CHECK_STATUS(status, EBB_E_FORMAT);
        CHECK_CONTAINS(t->error.where, "bad.model");
    }
    bench_close(t, &b);
}

TEST(cut_files_are_refused)
{
    cut_everywhere(t, digits_mlp);
    cut_everywhere(t, digits_cnn);
}

/* Any answer but a crash; a weight may change without anybody knowing. */
static void flip_everywhere(test *t, const char *path, size_t stride)
{
    bench b;
    size_t length;
    uint32_t refused = 0;

    bench_open(t, &b);
    uint8_t *bytes = file_read(t, path, &length);
    for (size_t at = 0; at < length; at += at < 2048 ? stride / 8 + 1 : stride) {
        const uint8_t before = bytes[at];
        bytes[at] ^= (uint8_t)(1u << at % 8);
        file_write(b.path.text, bytes, length);
        refused += try_load(t, &b) != EBB_OK;
        bytes[at] = before;
    }
    CHECK(refused > 10);
    bench_close(t, &b);
}

TEST(flipped_bits_do_no_harm)
{
    flip_everywhere(t, digits_mlp, 97);
    flip_everywhere(t, digits_cnn, 67);
}

TEST(other_files_are_named)
{
    static const struct {
        const char *bytes, *text;
    } cases[] = {
        {"", "empty"},
        {"{\"class_name\": \"Sequential\"}", "JSON"},
        {"<!DOCTYPE html>", "web page"},
        {"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
        {"\x93NUMPY\x01", "numpy"},
        {"\x80\x04\x95", "pickle"},
        {"\x1f\x8b\x08", "gzip"},
        {"x", "neither"},
        {"no model at all", "neither"},
    };
    bench b;

    bench_open(t, &b);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        file_write(b.path.text, cases[i].bytes, strlen(cases[i].bytes));
        refuse(t, &b, EBB_E_FORMAT, "bad.model", cases[i].text);
    }
    remove(b.path.text);
    refuse(t, &b, EBB_E_NOT_FOUND, "bad.model", NULL);
    CHECK_EQ(symlink(b.path.text, b.path.text), 0); /* a link to itself */
    refuse(t, &b, EBB_E_IO, "bad.model", NULL);
    remove(b.path.text);
    CHECK_EQ(mkfifo(b.path.text, 0600), 0); /* nobody writes: must not wait */
    refuse(t, &b, EBB_E_FORMAT, "bad.model", "pipe");
    remove(b.path.text);
    CHECK_EQ(mkdir(b.path.text, 0700), 0);
    refuse(t, &b, EBB_E_FORMAT, "bad.model", "config.json");
    bench_close(t, &b);
}

/* -- archives that lie ------------------------------------------------------------------------- */

TEST(members_must_be_there)
{
    bench b;

    bench_open(t, &b);
    keras_edit(t, digits_mlp, NULL, NULL, "config.json", b.path.text);
    refuse(t, &b, EBB_E_FORMAT, "bad.model", "config.json");
    keras_edit(t, digits_mlp, NULL, NULL, "model.weights.h5", b.path.text);
    refuse(t, &b, EBB_E_FORMAT, "bad.model", "weights");
    bench_close(t, &b);
}

static void put(uint8_t **to, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++) *(*to)++ = (uint8_t)(number >> (8 * i));
}

/* An archive of one deflated member of `inflated` spaces after `begin`, made by hand. */
static void write_bomb(test *t, const char *path, const char *begin, size_t inflated)
{
    const size_t begin_length = strlen(begin), room = inflated / 500 + 4096;
    uint8_t *const bytes = region_block(t->home, room + 1024),
                   *plain = region_block(t->home, 1 << 16);
    z_stream z = {0};

    CHECK(bytes != NULL && plain != NULL);
    memset(plain, ' ', 1 << 16);
    memcpy(plain, begin, begin_length);
    z.next_out = bytes + 41;
    z.avail_out = (uInt)room;
    CHECK_EQ(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    uLong crc = crc32(0, NULL, 0);
    for (size_t done = 0; done < inflated; done += 1 << 16) {
        z.next_in = plain;
        z.avail_in = 1 << 16;
        crc = crc32(crc, plain, 1 << 16);
        CHECK_EQ(deflate(&z, done + (1 << 16) >= inflated ? Z_FINISH : Z_NO_FLUSH) < 0, 0);
        memset(plain, ' ', begin_length);
    }
    const uint64_t packed = z.total_out;
    deflateEnd(&z);
    uint8_t *at = bytes;
    put(&at, 0x04034b50, 4), put(&at, 20, 2), put(&at, 0, 2), put(&at, 8, 2), put(&at, 0x210000, 4);
    put(&at, crc, 4), put(&at, packed, 4), put(&at, inflated, 4), put(&at, 11, 2), put(&at, 0, 2);
    memcpy(at, "config.json", 11);
    at += 11 + packed;
    const size_t start = (size_t)(at - bytes);
    put(&at, 0x02014b50, 4), put(&at, 20, 2), put(&at, 20, 2), put(&at, 0, 2), put(&at, 8, 2);
    put(&at, 0x210000, 4), put(&at, crc, 4), put(&at, packed, 4), put(&at, inflated, 4);
    put(&at, 11, 2), put(&at, 0, 2 + 2 + 2 + 2), put(&at, 0, 4 + 4);
    memcpy(at, "config.json", 11);
    at += 11;
    const size_t length = (size_t)(at - bytes) - start;
    put(&at, 0x06054b50, 4), put(&at, 0, 4), put(&at, 1, 2), put(&at, 1, 2);
    put(&at, length, 4), put(&at, start, 4), put(&at, 0, 2);
    file_write(path, bytes, (size_t)(at - bytes));
}

TEST(bombs_do_not_go_off)
{
    bench b;
    ebb_memory memory;

    bench_open(t, &b);
    write_bomb(t, b.path.text, "{", 256u << 20);
    CHECK(try_load(t, &b) != EBB_OK);
    CHECK_OK(ebb_memory_read(b.d.runtime, &memory));
    CHECK(memory.peak < 16u << 20); /* refused before it is inflated */
    CHECK_CONTAINS(t->error.where, "bad.model");
    bench_close(t, &b);
}

/* -- configurations ---------------------------------------------------------------------------- */

typedef struct edit {
    const char *from, *to;
    ebb_status status;
    const char *where, *text;
} edit;

/* Edits of the example's config.json: what stands there, what it becomes, what the error says. */
static const edit edits[] = {
    {"\"class_name\": \"Flatten\"", "\"class_name\": \"Flatter\"", EBB_E_UNSUPPORTED, "flatten",
     "Flatter"},
    {"\"class_name\": \"Flatten\"", "\"class_name\": \"Lambda\"", EBB_E_UNSUPPORTED, "flatten",
     "Lambda"},
    {"\"module\": \"keras.layers\", \"class_name\": \"Flatten\"",
     "\"module\": \"my.package\", \"class_name\": \"Mine\"", EBB_E_UNSUPPORTED, "flatten", "Mine"},
    {"\"registered_name\": null, \"build_config\": {\"input_shape\": [null, 8, 8, 1]}}",
     "\"registered_name\": \"pkg>Flatten\"}", EBB_E_UNSUPPORTED, "flatten", "pkg>Flatten"},
    {"\"units\": 48", "\"units\": 49", EBB_E_SHAPE, "dense", "(64, 48)"},
    {"\"units\": 48", "\"units\": 0", EBB_E_FORMAT, "dense", "units"},
    {"\"units\": 48", "\"units\": -1", EBB_E_FORMAT, "dense", "units"},
    {"\"units\": 48", "\"units\": 2147483647", EBB_E_SHAPE, "dense", "2147483647"},
    {"\"units\": 48", "\"units\": 9223372036854775807", EBB_E_FORMAT, "dense", "units"},
    {"\"units\": 48", "\"units\": 1e400", EBB_E_FORMAT, NULL, NULL},
    {"\"units\": 48", "\"units\": \"48\"", EBB_E_FORMAT, "dense", "units"},
    {"\"units\": 48", "\"units\": [48]", EBB_E_FORMAT, "dense", "units"},
    {"\"units\": 48, ", "", EBB_E_FORMAT, "dense", "units"},
    {"\"activation\": \"relu\"", "\"activation\": \"magic\"", EBB_E_UNSUPPORTED, "dense", "magic"},
    {"\"activation\": \"relu\"",
     "\"activation\": {\"class_name\": \"function\", \"config\": \"mine\", \"registered_name\": "
     "\"mine\"}",
     EBB_E_UNSUPPORTED, "dense", "mine"},
    {"\"batch_shape\": [null, 8, 8, 1]", "\"batch_shape\": [null, 8, 8, 2]", EBB_E_SHAPE, "dense",
     "(128, 48)"},
    {"\"batch_shape\": [null, 8, 8, 1]", "\"batch_shape\": [null, -8, 8, 1]", EBB_E_FORMAT, "image",
     NULL},
    {"\"batch_shape\": [null, 8, 8, 1]",
     "\"batch_shape\": [null, 2147483647, 2147483647, 2147483647]", EBB_E_SHAPE, "flatten",
     "64 bits"},
    {"\"batch_shape\": [null, 8, 8, 1]", "\"batch_shape\": [null, 1,1,1,1,1,1,1,1,64]",
     EBB_E_UNSUPPORTED, "image", NULL},
    {"\"dtype\": \"float32\", \"sparse\"", "\"dtype\": \"string\", \"sparse\"", EBB_E_UNSUPPORTED,
     "image", "text"},
    {"\"class_name\": \"Sequential\"", "\"class_name\": \"Sequence\"", EBB_E_UNSUPPORTED, NULL,
     "Sequence"},
    {"\"layers\": [", "\"layers\": 3, \"x\": [", EBB_E_FORMAT, NULL, "layers"},
    {"{\"module\": \"keras\"", "[{\"module\": \"keras\"", EBB_E_FORMAT, "config.json", NULL},
    {"\"units\": 48", "\"units\": 48,", EBB_E_FORMAT, "config.json", NULL},
    {"digits_mlp", "digits\xff\xfe", EBB_E_FORMAT, "config.json", NULL},
};

TEST(bad_configurations_are_explained)
{
    bench b;

    bench_open(t, &b);
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        const edit *e = &edits[i];
        ebb_plan plan;
        keras_edit(t, digits_mlp, e->from, e->to, NULL, b.path.text);
        refuse(t, &b, e->status, e->where, e->text);
        CHECK_STATUS(ebb_model_plan(b.d.runtime, b.path.text, NULL, &plan, &t->error), e->status);
        check_idle(&b);
    }
    bench_close(t, &b);
}

static bool count_lines(void *context, const char *text, size_t length)
{
    uint32_t *lines = context;

    for (size_t i = 0; i < length; i++) *lines += text[i] == '\n';
    return true;
}

/* A check reports every layer at once where a load stops at the first. */
TEST(a_check_reports_all_faults_at_once)
{
    bench b;
    uint32_t problems = 0, lines = 0;

    bench_open(t, &b);
    const path_text half = temporary_path(&b.folder, "half.keras");
    keras_edit(t, digits_mlp, "\"class_name\": \"Flatten\"", "\"class_name\": \"Lambda\"", NULL,
               half.text);
    keras_edit(t, half.text, "\"activation\": \"relu\"", "\"activation\": \"magic\"", NULL,
               b.path.text);
    CHECK_OK(
        ebb_file_check(b.d.runtime, b.path.text, NULL, count_lines, &lines, &problems, &t->error));
    CHECK_EQ(problems, 2);
    CHECK_EQ(lines, 2);
    check_idle(&b);
    bench_close(t, &b);
}

static const char *repeated(test *t, const char *begin, const char *part, size_t count,
                            const char *end)
{
    const size_t length = strlen(part);
    char *const text = region_block(t->home, strlen(begin) + length * count + strlen(end) + 1);
    char *at = text;

    CHECK(text != NULL);
    at = stpcpy(at, begin);
    for (size_t i = 0; i < count; i++) at = stpcpy(at, part);
    strcpy(at, end);
    return text;
}

TEST(depth_is_bounded)
{
    static const char sequential[] =
        "{\"module\": \"keras\", \"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", "
        "\"layers\": [";
    bench b;

    bench_open(t, &b);
    keras_write(t, repeated(t, "", "[", 200000, ""), digits_mlp, b.path.text);
    refuse(t, &b, EBB_E_FORMAT, "config.json", NULL);
    keras_write(t, repeated(t, "", "{\"a\":", 200000, "1"), digits_mlp, b.path.text);
    refuse(t, &b, EBB_E_FORMAT, "config.json", NULL);
    keras_write(t, repeated(t, "", sequential, 100, ""), digits_mlp, b.path.text);
    refuse(t, &b, EBB_E_FORMAT, "config.json", NULL);
    const char *nested = repeated(t, repeated(t, "", sequential, 50, ""), "]}}", 50, "");
    keras_write(t, nested, digits_mlp, b.path.text); /* parses, and is too deep for a model */
    const ebb_status status = try_load(t, &b);
    CHECK(status == EBB_E_FORMAT || status == EBB_E_UNSUPPORTED);
    bench_close(t, &b);
}

/* -- graphs ------------------------------------------------------------------------------------ */

#define TENSOR(layer)                                                                              \
    "{\"class_name\": \"__keras_tensor__\", \"config\": {\"shape\": [null, 3], \"dtype\": "        \
    "\"float32\", \"keras_history\": [\"" layer "\", 0, 0]}}"
#define RELU(name, from)                                                                           \
    "{\"module\": \"keras.layers\", \"class_name\": \"ReLU\", \"config\": {\"name\": \"" name      \
    "\"}, \"registered_name\": null, \"name\": \"" name                                            \
    "\", \"inbound_nodes\": [{\"args\": [" TENSOR(from) "], \"kwargs\": {}}]}"
#define INPUT                                                                                      \
    "{\"module\": \"keras.layers\", \"class_name\": \"InputLayer\", \"config\": "                  \
    "{\"batch_shape\": "                                                                           \
    "[null, 3], \"dtype\": \"float32\", \"name\": \"in\"}, \"registered_name\": null, \"name\": "  \
    "\"in\", \"inbound_nodes\": []}"
#define FUNCTIONAL(layers, output)                                                                 \
    "{\"module\": \"keras.src.models.functional\", \"class_name\": \"Functional\", \"config\": "   \
    "{\"name\": \"net\", \"layers\": [" layers "], \"input_layers\": [[\"in\", 0, 0]], "           \
    "\"output_layers\": [[\"" output "\", 0, 0]]}, \"registered_name\": \"Functional\"}"

TEST(circles_are_refused)
{
    static const char *const graphs[] = {
        FUNCTIONAL(INPUT ", " RELU("a", "a"), "a"),
        FUNCTIONAL(INPUT ", " RELU("a", "b") ", " RELU("b", "a"), "b"),
        FUNCTIONAL(INPUT ", " RELU("a", "in") ", " RELU("b", "nowhere"), "a"),
        FUNCTIONAL(INPUT ", " RELU("a", "in"), "nowhere"),
        FUNCTIONAL(RELU("a", "a"), "a"),
        FUNCTIONAL(INPUT ", " RELU("a", "in") ", " RELU("a", "in"), "a"),
        /* a nested model whose layer refers to the outer one, itself */
        FUNCTIONAL(
            INPUT
            ", {\"module\": \"keras\", \"class_name\": \"Functional\", \"name\": "
            "\"inner\", \"inbound_nodes\": [{\"args\": [" TENSOR(
                "in") "], "
                      "\"kwargs\": {}}], \"config\": {\"name\": \"inner\", \"layers\": [" INPUT
                      ", " RELU("a", "inner") "], \"input_layers\": [[\"in\", 0, 0]], "
                                              "\"output_layers\": [[\"a\", 0, 0]]}}",
            "inner"),
    };
    bench b;

    bench_open(t, &b);
    for (size_t i = 0; i < sizeof graphs / sizeof graphs[0]; i++) {
        keras_write(t, graphs[i], digits_mlp, b.path.text);
        refuse(t, &b, EBB_E_FORMAT, NULL, NULL);
    }
    keras_write(t, FUNCTIONAL(INPUT ", " RELU("a", "in"), "a"), digits_mlp, b.path.text);
    const ebb_status status =
        try_load(t, &b); /* the frame itself is sound: only the weights are left over */
    CHECK(status == EBB_OK || status == EBB_E_FORMAT);
    bench_close(t, &b);
}

/* -- HDF5 that leads elsewhere ----------------------------------------------------------------- */

TEST(hdf5_never_leads_elsewhere)
{
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"external_link", "external link"},
        {"soft_link", "soft link"},
        {"external_data", "external"},
        {"virtual_data", "virtual"},
        {"huge", NULL},
        {"text", NULL},
    };
    bench b;

    bench_open(t, &b);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/bad/%s.h5", EBB_GOLDEN, cases[i].name);
        digits_copy(path, b.path.text);
        const ebb_status status = try_load(t, &b);
        CHECK(status == EBB_E_UNSUPPORTED || status == EBB_E_FORMAT);
        if (cases[i].text != NULL) CHECK_CONTAINS(t->error.text, cases[i].text);
    }
    bench_close(t, &b);
}

/* -- files that change ------------------------------------------------------------------------- */

typedef struct saboteur {
    int64_t strike_in; /* allocations until it strikes; -1: never */
    uint64_t asked;
    bool has_struck, replaces;
    const bench *bench;
    const uint8_t *bytes; /* to replace the file by */
    size_t length;
} saboteur;

/* Asked before every allocation: a moment in the middle of a load. */
static bool sabotage(void *context, size_t bytes)
{
    saboteur *s = context;

    s->asked += bytes > 0;
    if (s->strike_in < 0 || s->strike_in-- > 0) return true;
    s->has_struck = true;
    if (s->replaces) {
        const path_text other = temporary_path(&s->bench->folder, "other");
        file_write(other.text, s->bytes, s->length);
        if (rename(other.text, s->bench->path.text) != 0) s->has_struck = false;
    } else if (truncate(s->bench->path.text, (off_t)s->length) != 0) {
        s->has_struck = false;
    }
    return true;
}

/* At every moment of a load the file shrinks, or another takes its place: an error or the numbers
 * of the file that was opened, never a mixture, never a signal. */
static void strike_everywhere(test *t, const char *path, bool replaces)
{
    bench b;
    saboteur s = {.strike_in = -1, .replaces = replaces, .bench = &b};
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    size_t length;
    uint32_t noticed = 0;
    ebb_model model;

    options.allocator = (ebb_allocator){NULL, NULL, sabotage, &s};
    bench_open_on(t, &b, &options);
    const uint8_t *bytes = file_read(t, path, &length);
    const bool is_mlp = path == digits_mlp;
    s.bytes = file_read(t, is_mlp ? digits_cnn : digits_mlp, &s.length);
    if (!replaces) s.length = length / 3;
    file_write(b.path.text, bytes, length);
    const uint64_t before = s.asked;
    CHECK_OK(ebb_model_load(b.d.runtime, b.path.text, NULL, &model, &t->error));
    const int64_t total = (int64_t)(s.asked - before), stride = total / 120 + 1;
    CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
    for (int64_t n = 0; n < total; n += stride) {
        float y[DIGITS_ROWS * DIGITS_CLASSES];
        file_write(b.path.text, bytes, length);
        s.strike_in = n;
        s.has_struck = false;
        const ebb_status status = ebb_model_load(b.d.runtime, b.path.text, NULL, &model, &t->error);
        s.strike_in = -1;
        CHECK(s.has_struck || status == EBB_OK);
        if (status == EBB_OK) {
            CHECK_OK(digits_predict(&b.d, model, DIGITS_ROWS, y, &t->error));
            const bool is_old =
                digits_error(y, is_mlp ? b.d.mlp_y[0] : b.d.cnn_y[0], DIGITS_ROWS) < 1e-5;
            const bool is_new =
                digits_error(y, is_mlp ? b.d.cnn_y[0] : b.d.mlp_y[0], DIGITS_ROWS) < 1e-5;
            CHECK(is_old || (is_new && replaces));
            CHECK_OK(ebb_model_unload(model, NULL, NULL, &t->error));
        } else {
            CHECK(status == EBB_E_IO || status == EBB_E_FORMAT);
            CHECK_CONTAINS(t->error.where, "bad.model");
            noticed++;
        }
        check_idle(&b);
    }
    CHECK(noticed > 10);
    bench_close(t, &b);
}

TEST(files_that_shrink_are_noticed)
{
    strike_everywhere(t, digits_mlp, false);
    strike_everywhere(t, digits_cnn, false);
}

TEST(files_that_are_replaced_are_noticed)
{
    strike_everywhere(t, digits_mlp, true);
    strike_everywhere(t, digits_cnn, true);
}

TEST_MAIN(RUN(cut_files_are_refused), RUN(flipped_bits_do_no_harm), RUN(other_files_are_named),
          RUN(members_must_be_there), RUN(bombs_do_not_go_off),
          RUN(bad_configurations_are_explained), RUN(a_check_reports_all_faults_at_once),
          RUN(depth_is_bounded), RUN(circles_are_refused), RUN(hdf5_never_leads_elsewhere),
          RUN(files_that_shrink_are_noticed), RUN(files_that_are_replaced_are_noticed))
