/* saved_folders.c -- see saved_folders.h. */
#define _GNU_SOURCE
#include "saved_folders.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/zip.h"

#define MEMBER_BYTES_MAX ((uint64_t)4 << 20)

static zip_archive *archive_open(test *t, region *work, source **file)
{
    zip_archive *a = NULL;

    CHECK_OK(source_open(work, EBB_GOLDEN_FOLDER "/savedmodel.zip", file, &t->error));
    CHECK_OK(zip_open(work, *file, &a, &t->error));
    return a;
}

static void folders_make(const char *path)
{
    char part[1024];

    for (const char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(at - path), path);
        (void)mkdir(part, 0777);
    }
}

path_text saved_folder_unpack(test *t, const temporary *d, const char *name)
{
    source *file = NULL;
    region *work = region_open(t->home, "zip", EBB_CLASS_SCRATCH, 0);
    const zip_archive *a = archive_open(t, work, &file);
    const size_t length = strlen(name);
    uint32_t found = 0;

    for (uint32_t i = 0; i < a->count; i++) {
        const zip_member *m = &a->members[i];
        const char *bytes = NULL;
        if (strncmp(m->name, name, length) != 0 || m->name[length] != '/') continue;
        CHECK_OK(zip_read(work, (zip_archive *)a, m, MEMBER_BYTES_MAX, &bytes, &t->error));
        const path_text path = temporary_path(d, m->name);
        folders_make(path.text);
        file_write(path.text, bytes, (size_t)m->bytes);
        found++;
    }
    CHECK(found > 0);
    source_close(file);
    region_close(work);
    return temporary_path(d, name);
}

const json *saved_folder_expected(test *t, const char *name)
{
    char member[128];
    source *file = NULL;
    zip_archive *a = archive_open(t, t->home, &file);
    const char *text = NULL;
    const json *result = NULL;

    snprintf(member, sizeof member, "%s.json", name);
    const zip_member *m = zip_find(a, member);
    CHECK(m != NULL);
    CHECK_OK(zip_read(t->home, a, m, MEMBER_BYTES_MAX, &text, &t->error));
    CHECK_OK(json_read(t->home, text, (size_t)m->bytes, member, &result, &t->error));
    source_close(file);
    return result;
}

void file_damage(const char *path, int64_t offset, uint8_t difference)
{
    uint8_t byte = 0;
    const int file = open(path, O_RDWR | O_CLOEXEC);

    CHECK(file >= 0);
    const off_t at = lseek(file, offset, offset < 0 ? SEEK_END : SEEK_SET);
    CHECK(at >= 0 && pread(file, &byte, 1, at) == 1);
    byte ^= difference;
    CHECK_EQ(pwrite(file, &byte, 1, at), 1);
    close(file);
}

void file_cut(const char *path, int64_t length)
{
    CHECK_EQ(truncate(path, length), 0);
}
