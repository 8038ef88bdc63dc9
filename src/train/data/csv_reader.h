/* csv_reader.h -- tables of numbers in text: one row a line, fields separated by ',', ';' or tabs.
 *
 * The separator is the one that the first line has most of. A first line with a field that is no
 * number is a header. Fields may be quoted; blank lines, blanks around numbers and a byte order
 * mark are skipped. Every line has as many fields as the first one; every other field must be a
 * number (also nan, inf). Faults name line and field. Source: RFC 4180. */
#ifndef EBB_TRAIN_DATA_CSV_READER_H
#define EBB_TRAIN_DATA_CSV_READER_H

#include "format/source.h"

typedef struct csv_table {
    source *file;
    char separator;
    bool has_header;
    uint32_t columns;
    int64_t rows; /* without the header */
} csv_table;

/* Some columns of all rows, dense: [rows][count]. */
typedef struct csv_part {
    uint32_t first, count;
    float *values;
} csv_part;

/* Reads the file once and looks only at what the first line holds. Memory goes with `scratch`. */
ebb_status csv_measure(region *scratch, source *file, csv_table *table, ebb_error *error);
/* Reads it again, into the parts. */
ebb_status csv_read(region *scratch, const csv_table *table, const csv_part *parts,
                    uint32_t part_count, ebb_error *error);

#endif
