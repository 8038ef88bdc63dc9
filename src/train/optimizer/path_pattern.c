/* path_pattern.c -- see path_pattern.h. */
#include "train/optimizer/path_pattern.h"

#include <stddef.h>
#include <string.h>

bool path_pattern_is_known(const char *pattern)
{
    for (const char *at = pattern; *at != '\0'; at++) {
        if (strchr("[](){}+?\\", *at) != NULL) return false;
        if (*at == '*' && (at == pattern || at[-1] != '.')) return false;
    }
    return true;
}

/* One alternative without anchors, from the beginning of the path. Where it fails, the last ".*"
 * takes one character more: as with the '*' of file names, earlier ones need never move. */
static bool part_matches(const char *pattern, const char *end, const char *path, bool to_the_end)
{
    const char *star = NULL, *resume = NULL;

    for (;;) {
        if (end - pattern >= 2 && pattern[0] == '.' && pattern[1] == '*') {
            star = pattern += 2;
            resume = path;
        } else if (pattern == end && (!to_the_end || *path == '\0')) {
            return true;
        } else if (pattern < end && *path != '\0' && (*pattern == '.' || *pattern == *path)) {
            pattern++;
            path++;
        } else {
            if (star == NULL || *resume == '\0') return false;
            pattern = star;
            path = ++resume;
        }
    }
}

static bool alternative_matches(const char *begin, const char *end, const char *path, bool is_full)
{
    bool at_begin = is_full, at_end = is_full;

    if (begin < end && *begin == '^') {
        at_begin = true;
        begin++;
    }
    if (begin < end && end[-1] == '$') {
        at_end = true;
        end--;
    }
    for (;; path++) {
        if (part_matches(begin, end, path, at_end)) return true;
        if (at_begin || *path == '\0') return false;
    }
}

static bool any_matches(const char *pattern, const char *path, bool is_full)
{
    for (const char *at = pattern;; at++) {
        const char *end = strchr(at, '|');

        if (alternative_matches(at, end != NULL ? end : at + strlen(at), path, is_full))
            return true;
        if (end == NULL) return false;
        at = end;
    }
}

bool path_pattern_search(const char *pattern, const char *path)
{
    return any_matches(pattern, path, false);
}

bool path_pattern_full(const char *pattern, const char *path)
{
    return any_matches(pattern, path, true);
}
