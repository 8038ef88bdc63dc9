/* fuzz_keras.c -- libFuzzer target: any bytes as a whole .keras archive or .h5 model; the first
 * elements of every tensor are read, and the state of the optimizer. */
#include <string.h>

#include "exercise_state.h"
#include "format/keras/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

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
            if (count > ELEMENTS_MAX) count = ELEMENTS_MAX;
            (void)e->read(e, 0, count, buffer, &error);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    ledger *l = ledger_open(NULL, (uint64_t)1 << 30);
    source *s = NULL;
    description *d = NULL;
    ebb_error error = {0};

    if (l == NULL) return 0;
    region *home = region_open(ledger_root(l), "fuzz", EBB_CLASS_META, 0);
    if (home != NULL && source_memory(home, bytes, length, "fuzz", &s, NULL) == EBB_OK) {
        const bool is_zip = length > 1 && bytes[0] == 'P';
        const ebb_status status = is_zip ? keras_source_read(home, s, NULL, &d, &error)
                                         : h5_source_read(home, s, NULL, &d, &error);
        if ((status == EBB_OK) != (d != NULL)) __builtin_trap();
        if (status != EBB_OK && error.text[0] == '\0') __builtin_trap();
        if (d != NULL) tensors_read(home, d);
        if (d != NULL) (void)exercise_state(home, d);
    }
    region_close(home);
    if (region_bytes_live(ledger_root(l)) != 0) __builtin_trap();
    ledger_close(l);
    return 0;
}
