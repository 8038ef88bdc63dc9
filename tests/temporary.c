/* temporary.c -- see temporary.h. */
#define _GNU_SOURCE
#include "temporary.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/zip.h"
#include "format/zip_writer.h"
#include "tensor/npy.h"

void temporary_open(temporary *d)
{
    const char *base = getenv("TMPDIR");

    if (base == NULL || strlen(base) > 40) base = "/tmp";
    snprintf(d->folder, sizeof d->folder, "%s/ebb-test-XXXXXX", base);
    CHECK(mkdtemp(d->folder) != NULL);
}

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *place)
{
    (void)facts;
    (void)kind;
    (void)place;
    return remove(path);
}

void temporary_close(temporary *d)
{
    CHECK_EQ(nftw(d->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

path_text temporary_path(const temporary *d, const char *name)
{
    path_text result;
    const int length = snprintf(result.text, sizeof result.text, "%s/%s", d->folder, name);

    CHECK(length > 0 && (size_t)length < sizeof result.text);
    return result;
}

uint32_t temporary_count(const temporary *d)
{
    DIR *list = opendir(d->folder);
    uint32_t count = 0;

    CHECK(list != NULL);
    while (readdir(list) != NULL) count++;
    closedir(list);
    return count - 2; /* . and .. */
}

bool file_exists(const char *path)
{
    struct stat facts;

    return lstat(path, &facts) == 0;
}

void file_write(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");

    CHECK(file != NULL);
    CHECK_EQ(fwrite(bytes, 1, length, file), length);
    CHECK_EQ(fclose(file), 0);
}

uint8_t *file_read(test *t, const char *path, size_t *length)
{
    struct stat facts;
    FILE *file = fopen(path, "rb");

    CHECK(file != NULL);
    CHECK_EQ(fstat(fileno(file), &facts), 0);
    uint8_t *bytes = region_block(t->home, (size_t)facts.st_size + 1);
    CHECK(bytes != NULL);
    CHECK_EQ(fread(bytes, 1, (size_t)facts.st_size, file), facts.st_size);
    fclose(file);
    *length = (size_t)facts.st_size;
    return bytes;
}

bool files_equal(test *t, const char *a, const char *b)
{
    size_t length_a, length_b;
    const uint8_t *bytes_a = file_read(t, a, &length_a), *bytes_b = file_read(t, b, &length_b);

    return length_a == length_b && memcmp(bytes_a, bytes_b, length_a) == 0;
}

void npy_write(const char *path, const ebb_view *view)
{
    char head[256];
    npy_header header = {.dtype = view->dtype, .rank = view->rank};
    FILE *file = fopen(path, "wb");

    CHECK(file != NULL);
    memcpy(header.dims, view->dims, sizeof header.dims);
    const size_t head_bytes = npy_header_write(&header, head);
    CHECK_EQ(fwrite(head, 1, head_bytes, file), head_bytes);
    CHECK_EQ(fwrite(view->data, 1, ebb_view_bytes(view), file), ebb_view_bytes(view));
    CHECK_EQ(fclose(file), 0);
}

/* -- .keras archives --------------------------------------------------------------------------- */

/* `text` with its first `from` replaced; NULL: it has none. */
static const char *replaced(test *t, const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);

    if (at == NULL) return NULL;
    return region_format(t->home, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

void keras_edit(test *t, const char *source_path, const char *from, const char *to,
                const char *without, const char *path)
{
    source *file;
    zip_archive *archive;
    zip_writer zip;
    file_writer out;

    CHECK_OK(source_open(t->home, source_path, &file, &t->error));
    CHECK_OK(zip_open(t->home, file, &archive, &t->error));
    CHECK_OK(file_writer_open(t->home, path, &out, &t->error));
    zip_writer_begin(t->home, &out, &zip);
    for (uint32_t i = 0; i < archive->count; i++) {
        const zip_member *member = &archive->members[i];
        const char *bytes;
        if (without != NULL && strcmp(member->name, without) == 0) continue;
        CHECK_OK(zip_read(t->home, archive, member, UINT32_MAX, &bytes, &t->error));
        uint64_t length = member->bytes;
        if (from != NULL && strcmp(member->name, "config.json") == 0) {
            bytes = replaced(t, bytes, from, to);
            CHECK(bytes != NULL);
            length = strlen(bytes);
        }
        CHECK_OK(zip_writer_add(&zip, member->name, NULL, 0, bytes, length, &t->error));
    }
    CHECK_OK(zip_writer_end(&zip, &t->error));
    CHECK_OK(file_writer_commit(&out, &t->error));
    source_close(file);
}

void keras_write(test *t, const char *config, const char *weights_of, const char *path)
{
    static const char metadata[] = "{\"keras_version\": \"3.15.1\"}";
    source *file = NULL;
    zip_archive *archive;
    zip_writer zip;
    file_writer out;

    CHECK_OK(file_writer_open(t->home, path, &out, &t->error));
    zip_writer_begin(t->home, &out, &zip);
    CHECK_OK(
        zip_writer_add(&zip, "metadata.json", NULL, 0, metadata, sizeof metadata - 1, &t->error));
    CHECK_OK(zip_writer_add(&zip, "config.json", NULL, 0, config, strlen(config), &t->error));
    if (weights_of != NULL) {
        const char *bytes;
        CHECK_OK(source_open(t->home, weights_of, &file, &t->error));
        CHECK_OK(zip_open(t->home, file, &archive, &t->error));
        const zip_member *member = zip_find(archive, "model.weights.h5");
        CHECK(member != NULL);
        CHECK_OK(zip_read(t->home, archive, member, UINT32_MAX, &bytes, &t->error));
        CHECK_OK(zip_writer_add(&zip, member->name, NULL, 0, bytes, member->bytes, &t->error));
    }
    CHECK_OK(zip_writer_end(&zip, &t->error));
    CHECK_OK(file_writer_commit(&out, &t->error));
    source_close(file);
}
