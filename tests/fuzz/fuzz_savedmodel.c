/* fuzz_savedmodel.c -- libFuzzer target: any bytes as a file of a SavedModel folder. The first byte
 * says which: the index of variables, keras_metadata.pb, or saved_model.pb. The graph is read, and
 * the first elements of every tensor. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/format.h"
#include "format/savedmodel/bundle.h"
#include "format/savedmodel/saved_graph_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static char folder[64];

static void put(const char *name, const void *bytes, size_t length)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, length, file) != length) __builtin_trap();
    fclose(file);
}

static void folder_make(void)
{
    static const uint8_t zeros[4096];
    char path[128];

    if (folder[0] != '\0') return;
    snprintf(folder, sizeof folder, "/tmp/ebb-fuzz-saved-%d", (int)getpid());
    snprintf(path, sizeof path, "%s/variables", folder);
    if (mkdir(folder, 0777) != 0 || mkdir(path, 0777) != 0) __builtin_trap();
    put("variables/variables.data-00000-of-00001", zeros, sizeof zeros);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "variables/variables.data-0000%d-of-00003", i);
        put(path, zeros, sizeof zeros);
    }
    put("saved_model.pb", zeros, 0);
}

static void tensors_read(region *home, const description *d)
{
    enum { ELEMENTS_MAX = 512 };
    double *buffer = region_new(home, double, ELEMENTS_MAX);

    for (uint32_t i = 0; buffer != NULL && i < d->group_count; i++) {
        for (uint32_t k = 0; k < d->groups[i].count; k++) {
            const tensor_entry *e = &d->groups[i].tensors[k];
            uint64_t count = 1;
            ebb_error error;
            for (uint32_t n = 0; n < e->rank; n++) count *= (uint64_t)e->dims[n];
            if (e->dtype == EBB_DTYPE_NONE) continue;
            (void)e->read(e, 0, count > ELEMENTS_MAX ? ELEMENTS_MAX : count, buffer, &error);
        }
    }
}

static void model_read(region *home)
{
    description *d = NULL;
    ebb_error error = {0};
    ebb_status status = format_read(home, folder, NULL, &d, &error);

    if ((status == EBB_OK) != (d != NULL)) __builtin_trap();
    if (status != EBB_OK && error.text[0] == '\0') __builtin_trap();
    if (d == NULL) return;
    tensors_read(home, d);
    status = saved_graph_read(home, d, NULL, &error);
    if (status == EBB_OK) tensors_read(home, d);
    if (status != EBB_OK && error.text[0] == '\0') __builtin_trap();
    description_close(d);
}

static void index_read(region *home)
{
    char path[128];
    bundle b;
    ebb_error error = {0};

    snprintf(path, sizeof path, "%s/variables/variables", folder);
    const ebb_status status = bundle_open(home, home, path, &b, &error);
    if (status != EBB_OK && error.text[0] == '\0') __builtin_trap();
    for (uint32_t i = 0; status == EBB_OK && i < b.count; i++) {
        tensor_entry e;
        const uint8_t *text;
        size_t length;
        (void)bundle_tensor(home, &b, &b.entries[i], b.entries[i].key, b.entries[i].key, &e,
                            &error);
        (void)bundle_text(home, &b, &b.entries[i], &text, &length, &error);
        if (bundle_find(&b, b.entries[i].key) == NULL) __builtin_trap();
    }
    if (status == EBB_OK) bundle_close(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const char *const names[] = {"variables/variables.index", "keras_metadata.pb",
                                        "saved_model.pb"};
    char path[128];

    if (length < 1) return 0;
    folder_make();
    const uint32_t kind = bytes[0] % 3;
    put(names[kind], bytes + 1, length - 1);
    ledger *l = ledger_open(NULL, (uint64_t)1 << 30);
    if (l == NULL) return 0;
    region *home = region_open(ledger_root(l), "fuzz", EBB_CLASS_META, 0);
    if (home != NULL && kind == 0) index_read(home);
    if (home != NULL && kind != 0) model_read(home);
    region_close(home);
    if (region_bytes_live(ledger_root(l)) != 0 || ledger_descriptors(l) != 0) __builtin_trap();
    ledger_close(l);
    snprintf(path, sizeof path, "%s/%s", folder, names[kind]);
    if (kind == 2)
        put(names[kind], bytes, 0); /* a folder without it is no model */
    else
        (void)unlink(path);
    return 0;
}
