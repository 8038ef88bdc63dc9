/* data_set.h -- where batches come from, looked at once: arrays, files or a function, brought into
 * the form of columns. A column is one input, one target or one sample weight, row by row.
 *
 *     ebb_data ──data_set_open──> columns: memory (arrays, .csv, compressed members of .npz)
 *                                          files  (.npy, stored members of .npz), read row by row
 *                                 or a function
 *
 * Arrays are borrowed. What was read whole lies in a region of class data. Descriptors are counted
 * and closed by data_set_close(). */
#ifndef EBB_TRAIN_DATA_DATA_SET_H
#define EBB_TRAIN_DATA_DATA_SET_H

#include "format/source.h"
#include "train/engine.h"

#define DATA_COMPRESSED_BYTES_MAX ((uint64_t)1 << 30)

typedef struct data_column {
    char name[48];    /* "x[0]", "sample_weight" */
    const char *path; /* NULL: an array of the caller's */
    ebb_view rows;    /* all of them, as given; data NULL: in a file. Rank 0: there is none */
    ebb_dtype dtype;  /* what NONE in `rows` stands for */
    uint64_t row_bytes;
    source *file;
    uint64_t offset; /* of row 0 in it */
    bool is_swapped;
} data_column;

typedef struct data_set {
    region *home, *blocks; /* meta; what was read whole */
    data_column *columns;  /* x, then y, then sample weights */
    uint32_t x_count, y_count, weight_count;
    int64_t rows;
    bool reads_files; /* some column does */
    source **files;   /* open ones */
    uint32_t file_count;
    ebb_batch_function next; /* NULL: columns */
    void *context;
    bool may_be_empty; /* a pass of the function: see ebb_data */
} data_set;

/* `where` is for messages ("data", "validation data"). E_ARGUMENT: no data, or of several kinds;
 * E_SHAPE: other numbers of rows. On failure nothing stays open. */
ebb_status data_set_open(region *parent, const engine *e, const ebb_data *data, const char *where,
                         data_set **result, ebb_error *error);
/* Gives its memory back too. NULL is a no-op. */
void data_set_close(data_set *s);

static inline uint32_t data_column_count(const data_set *s)
{
    return s->x_count + s->y_count + s->weight_count;
}

/* Are the files still what was opened? */
ebb_status data_set_unchanged(const data_set *s, ebb_error *error);

/* The last part of the rows for validation: the first of them. E_ARGUMENT when there is nothing to
 * split or either part is empty. */
ebb_status data_set_split(const data_set *s, double validation_split, int64_t *first,
                          ebb_error *error);

#endif
