/* table.h -- aligned tables on stdout. Cells are collected, then printed with the widths they need.
 */
#ifndef EBB_CLI_TABLE_H
#define EBB_CLI_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define TABLE_COLUMNS_MAX 16

typedef struct table {
    uint32_t columns;
    uint32_t indent; /* blanks before each row; set after table_open() */
    bool is_right[TABLE_COLUMNS_MAX];
    char **cells; /* the first `columns` are the header */
    uint32_t count, capacity;
    bool has_failed; /* out of memory: what there is gets printed */
} table;

/* Header cells divided by '|'; '>' in front aligns a column to the right. */
void table_open(table *t, const char *header);
/* The next cell; rows fill from the left. */
void table_add(table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_add_grouped(table *t, uint64_t number);
/* Prints and forgets. */
void table_close(table *t);

#endif
