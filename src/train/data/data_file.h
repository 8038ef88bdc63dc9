/* data_file.h -- the columns of a data set that come from files. Inside of data/. */
#ifndef EBB_TRAIN_DATA_DATA_FILE_H
#define EBB_TRAIN_DATA_DATA_FILE_H

#include "train/data/data_set.h"

/* How many columns of each kind the files give: y_count and its likes. Looks into the first file
 * of x when there are no y_files. */
ebb_status data_files_count(data_set *s, const engine *e, const ebb_data *data, ebb_error *error);
/* Opens and checks every column. */
ebb_status data_files_open(data_set *s, const engine *e, const ebb_data *data, ebb_error *error);

#endif
