/* fuzz_zip.c -- libFuzzer target: any bytes as a zip archive, and its .h5 members as HDF5 files,
 * read completely. Build with -fsanitize=fuzzer,address,undefined; libFuzzer's build mode skips
 * checksums of metadata. */
#include "exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    ledger *l = ledger_open(NULL, (uint64_t)1 << 30);
    source *s = NULL;

    if (l == NULL) return 0;
    region *home = region_open(ledger_root(l), "fuzz", EBB_CLASS_META, 0);

    if (home != NULL && source_memory(home, bytes, length, "fuzz", &s, NULL) == EBB_OK) {
        (void)exercise_zip(home, s);
    }
    region_close(home);
    if (region_bytes_live(ledger_root(l)) != 0) __builtin_trap();
    ledger_close(l);
    return 0;
}
