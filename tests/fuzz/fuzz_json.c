/* fuzz_json.c -- libFuzzer target: any bytes as JSON; what is accepted reads back the same. */
#include <string.h>

#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void round_trip(region *home, const json *value)
{
    text_writer first, second;
    const json *back = NULL;
    text_begin(&first, home);
    text_json_value(&first, value);
    if (first.failed) return;
    if (json_read(home, first.text, first.length, "again", &back, NULL) != EBB_OK) return;
    text_begin(&second, home);
    text_json_value(&second, back);
    if (!second.failed && strcmp(first.text, second.text) != 0) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    ledger *l = ledger_open(NULL, (uint64_t)256 << 20);
    if (l == NULL) return 0;
    region *home = region_open(ledger_root(l), "fuzz", EBB_CLASS_META, 0);
    const json *value = NULL;
    if (home != NULL &&
        json_read(home, (const char *)bytes, length, "fuzz", &value, NULL) == EBB_OK) {
        round_trip(home, value);
    }
    region_close(home);
    if (region_bytes_live(ledger_root(l)) != 0) __builtin_trap();
    ledger_close(l);
    return 0;
}
