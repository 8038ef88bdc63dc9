/* path_pattern.h -- the regular expressions in which Keras names variables by their path: literal
 * text with '^', '$', '.', '.*' and '|' between alternatives. Whatever else is special in Python's
 * re is refused: such a pattern is not known, rather than taken for text. Time: at most the length
 * of the pattern times that of the path. */
#ifndef EBB_TRAIN_OPTIMIZER_PATH_PATTERN_H
#define EBB_TRAIN_OPTIMIZER_PATH_PATTERN_H

#include <stdbool.h>

bool path_pattern_is_known(const char *pattern);
/* re.search: somewhere in the path; re.fullmatch: the whole path. */
bool path_pattern_search(const char *pattern, const char *path);
bool path_pattern_full(const char *pattern, const char *path);

#endif
