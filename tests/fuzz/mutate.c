/* mutate.c -- reads files after random damage: mutate [model] COUNT SEED FILE... [: FIRST]
 *
 * With "model" each damaged file goes through the whole public API, from a file in memory; without,
 * through the readers of HDF5 and zip.
 *
 * Every round takes one file, damages it in one to eight places (bits, bytes, numbers that sit at
 * the edge of something, truncation, a piece copied over another) and reads everything in it. Half
 * of the places are near a signature, because most bytes of a model are weights. A round that
 * crashes, takes over three seconds or leaves a byte in the ledger ends the program with status 1
 * and the round's number; the same arguments with ": ROUND" at the end begin there. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "exercise.h"
#include "exercise_model.h"

#define FILES_MAX         4096
#define PLACES_MAX        4096
#define ROUND_SECONDS_MAX 3

typedef struct subject {
    const char *path;
    uint8_t *bytes;
    size_t length;
    size_t places[PLACES_MAX]; /* offsets of signatures */
    size_t place_count;
} subject;

static volatile sig_atomic_t round_now;
static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static size_t random_below(size_t limit)
{
    return limit == 0 ? 0 : (size_t)(random_next() >> 11) % limit;
}

static void report(int number)
{
    char text[64];
    const char *what = number == SIGALRM ? "hang" : "crash";
    const int length = snprintf(text, sizeof text, "%s in round %ld\n", what, (long)round_now);

    if (write(STDERR_FILENO, text, (size_t)length) < 0) _exit(2);
    _exit(1);
}

static bool subject_read(subject *f, const char *path)
{
    static const char marks[][5] = {"TREE",   "SNOD",   "HEAP",   "GCOL",  "OHDR", "OCHK",
                                    "FRHP",   "FHDB",   "FHIB",   "BTHD",  "BTIN", "BTLF",
                                    "FAHD",   "FADB",   "EAHD",   "EAIB",  "EASB", "EADB",
                                    "PK\1\2", "PK\3\4", "PK\5\6", "PK\6\6"};
    FILE *file = fopen(path, "rb");

    if (file == NULL || fseek(file, 0, SEEK_END) != 0) return false;
    f->path = path;
    f->length = (size_t)ftell(file);
    f->bytes = malloc(f->length + 1);
    rewind(file);
    if (f->bytes == NULL || fread(f->bytes, 1, f->length, file) != f->length) return false;
    fclose(file);
    for (size_t at = 0; at + 4 <= f->length && f->place_count < PLACES_MAX; at++) {
        for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
            if (memcmp(f->bytes + at, marks[i], 4) == 0) f->places[f->place_count++] = at;
        }
    }
    return f->length > 0;
}

static size_t place_choose(const subject *f, size_t length)
{
    size_t at = random_below(length);

    if (f->place_count > 0 && random_below(2) == 0)
        at = f->places[random_below(f->place_count)] + random_below(96);
    else if (random_below(4) == 0)
        at = random_below(2048);
    return at < length ? at : length - 1;
}

/* Returns the new length. */
static size_t damage(const subject *f, uint8_t *bytes, size_t length)
{
    static const uint64_t edges[] = {0,
                                     1,
                                     2,
                                     7,
                                     8,
                                     16,
                                     255,
                                     256,
                                     0x7fff,
                                     0xffff,
                                     0x7fffffff,
                                     0xffffffff,
                                     0x100000000,
                                     0x7fffffffffffffff,
                                     0xffffffffffffffff,
                                     0xfffffffffffffff0};
    const size_t at = place_choose(f, length), kind = random_below(100);
    uint64_t value = edges[random_below(sizeof edges / sizeof edges[0])];
    const size_t width = random_below(2) == 0 ? 4 : 8;

    if (kind < 30) {
        bytes[at] ^= (uint8_t)(1u << random_below(8));
    } else if (kind < 55) {
        bytes[at] = (uint8_t)random_next();
    } else if (kind < 85) {
        if (random_below(3) == 0) value = random_below(2 * length);
        for (size_t i = 0; i < width && at + i < length; i++)
            bytes[at + i] = (uint8_t)(value >> (8 * i));
    } else if (kind < 95) {
        const size_t from = place_choose(f, length), most = length - (at > from ? at : from);

        memmove(bytes + at, bytes + from, random_below(most < 64 ? most + 1 : 65));
    } else {
        length = 1 + random_below(length);
    }
    return length;
}

/* Returns the status of reading, or -1 if the ledger is not as it was. */
static int read_parts(const subject *f, const uint8_t *bytes, size_t length)
{
    ebb_status status = EBB_E_MEMORY;
    source *s = NULL;
    ledger *l = ledger_open(NULL, (uint64_t)1 << 30);
    const bool is_zip = f->bytes[0] == 'P' && f->bytes[1] == 'K';

    if (l == NULL) return EBB_E_MEMORY;
    region *home = region_open(ledger_root(l), "mutate", EBB_CLASS_META, 0);

    if (home != NULL && source_memory(home, bytes, length, f->path, &s, NULL) == EBB_OK) {
        status = is_zip ? exercise_zip(home, s) : exercise_hdf5(home, s);
    }
    region_close(home);
    const bool is_clean = region_bytes_live(ledger_root(l)) == 0 && ledger_descriptors(l) == 0;

    ledger_close(l);
    return is_clean ? (int)status : -1;
}

static int read_model(const uint8_t *bytes, size_t length)
{
    char path[64];
    const int file = memfd_create("mutate", MFD_CLOEXEC);
    int status = EBB_E_IO;

    if (file < 0) return status;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (write(file, bytes, length) == (ssize_t)length) status = (int)exercise_model(path);
    close(file);
    return status;
}

static int round_run(const subject *f, uint64_t seed, uint8_t *bytes, bool is_model)
{
    size_t length = f->length;

    random_state =
        (seed + 1) * 0x9e3779b97f4a7c15u ^ ((uint64_t)round_now + 1) * 0xd1b54a32d192ed03u;
    memcpy(bytes, f->bytes, f->length);
    for (size_t n = 1 + random_below(8); n > 0; n--) length = damage(f, bytes, length);
    return is_model ? read_model(bytes, length) : read_parts(f, bytes, length);
}

int main(int argc, char **argv)
{
    static subject files[FILES_MAX];
    uint64_t statuses[32] = {0}, slowest_ns = 0;
    size_t count = 0, largest = 0;
    long first = 0;
    const bool is_model = argc > 1 && strcmp(argv[1], "model") == 0;

    argc -= is_model;
    argv += is_model;
    if (argc < 4) return 2;
    for (int i = 3; i < argc && count < FILES_MAX; i++) {
        if (argv[i][0] == ':') {
            first = i + 1 < argc ? atol(argv[i + 1]) : 0;
            break;
        }
        if (!subject_read(&files[count], argv[i])) {
            fprintf(stderr, "cannot read %s\n", argv[i]);
            return 2;
        }
        if (files[count].length > largest) largest = files[count].length;
        count++;
    }
    uint8_t *bytes = malloc(largest + 1);

    if (bytes == NULL) return 2;
    signal(SIGALRM, report);
    signal(SIGABRT, report);
    signal(SIGILL, report);
    signal(SIGTRAP, report);
    for (round_now = (sig_atomic_t)first; round_now < atol(argv[1]); round_now++) {
        const uint64_t begin = clock_ns();

        alarm(ROUND_SECONDS_MAX);
        const int status = round_run(&files[(size_t)round_now % count], strtoull(argv[2], NULL, 10),
                                     bytes, is_model);
        alarm(0);
        if (clock_ns() - begin > slowest_ns) slowest_ns = clock_ns() - begin;
        if (status < 0) {
            fprintf(stderr, "the ledger is not empty after round %ld\n", (long)round_now);
            return 1;
        }
        statuses[status]++;
    }
    printf("%ld rounds over %zu files, slowest %.3f s\n", (long)round_now - first, count,
           slowest_ns / 1e9);
    for (int i = 0; i < 32; i++) {
        if (statuses[i] > 0)
            printf("%8llu %s\n", (unsigned long long)statuses[i], ebb_status_name((ebb_status)i));
    }
    for (size_t i = 0; i < count; i++) free(files[i].bytes);
    free(bytes);
    return 0;
}
