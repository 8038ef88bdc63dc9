/* json_mutator.h -- the mutation of fuzz targets that read JSON. */
#ifndef EBB_TESTS_FUZZ_JSON_MUTATOR_H
#define EBB_TESTS_FUZZ_JSON_MUTATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t length, size_t length_max);

/* Values that have to be refused, and some that should not be. */
static const char *const json_values[] = {
    "0", "1", "2", "3", "-1", "-2", "7", "64", "1000", "65536", "2147483647", "4294967296",
    "-2147483648", "9223372036854775807", "0.5", "-0.5", "1e-30", "1e30", "1e308", "null", "true",
    "false", "\"\"", "\"same\"", "\"valid\"", "\"causal\"", "\"channels_first\"", "[]", "[0]",
    "[-1]", "[1,1]", "[2,2]", "[0,0]", "[[1,2],[3,4]]", "{}", "\"relu\"", "\"softmax\"",
    "\"int32\"", "\"float16\"", "[null,3]", "[1,2,3,4,5,6,7,8,9]"};

static inline bool json_is_number_part(uint8_t c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e';
}

/* Length of the JSON scalar that begins here, 0 if none does. */
static inline size_t json_scalar_length(const uint8_t *at, size_t rest)
{
    static const char *const words[] = {"null", "true", "false"};
    size_t n = 0;

    for (size_t i = 0; i < 3; i++) {
        if (rest >= strlen(words[i]) && memcmp(at, words[i], strlen(words[i])) == 0) {
            return strlen(words[i]);
        }
    }
    if (at[0] != '"') {
        while (n < rest && json_is_number_part(at[n])) n++;
        return n;
    }
    for (n = 1; n < rest && at[n] != '"'; n++) n += at[n] == '\\';
    return n < rest ? n + 1 : 0;
}

/* One value of the document becomes another; one time in four, bytes change as ever. */
static inline size_t json_mutate(uint8_t *bytes, size_t length, size_t length_max, unsigned seed)
{
    const char *const to = json_values[seed / 7 % (sizeof json_values / sizeof json_values[0])];
    const size_t to_length = strlen(to);

    if (length == 0 || seed % 4 == 0) return LLVMFuzzerMutate(bytes, length, length_max);
    for (size_t at = (seed / 311) % length; at < length; at++) {
        if (at == 0 || strchr(":,[ ", bytes[at - 1]) == NULL) continue;
        const size_t from = json_scalar_length(bytes + at, length - at);
        if (from == 0 || length - from + to_length > length_max) continue;
        if (at + from < length && bytes[at + from] == ':') continue; /* a key */
        memmove(bytes + at + to_length, bytes + at + from, length - at - from);
        memcpy(bytes + at, to, to_length);
        return length - from + to_length;
    }
    return LLVMFuzzerMutate(bytes, length, length_max);
}

#endif
