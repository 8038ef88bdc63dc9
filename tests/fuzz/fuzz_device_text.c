/* fuzz_device_text.c -- libFuzzer target: any bytes as a device string; the short form of what is
 * accepted is accepted again and stays as it is. */
#include <string.h>

#include "runtime/devices.h"

#define TEXT_BYTES 512

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char text[TEXT_BYTES] = "", name[32], again[32];
    ebb_error error;

    if (length >= sizeof text) length = sizeof text - 1;
    if (length > 0) memcpy(text, bytes, length);
    if (device_text_read(text, name, &error) != EBB_OK) {
        if (name[0] != '\0' || error.text[0] == '\0') __builtin_trap();
        return 0;
    }
    if (strlen(name) >= sizeof name) __builtin_trap();
    if (name[0] == '\0') return 0;
    char full[64] = "/device:";
    strcat(full, name);
    if (device_text_read(full, again, NULL) != EBB_OK || strcmp(name, again) != 0) {
        __builtin_trap();
    }
    return 0;
}
