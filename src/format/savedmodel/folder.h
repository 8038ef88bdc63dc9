/* folder.h -- the files of a SavedModel folder that stay open with its description. */
#ifndef EBB_FORMAT_SAVEDMODEL_FOLDER_H
#define EBB_FORMAT_SAVEDMODEL_FOLDER_H

#include "format/savedmodel/bundle.h"

/* Opens variables/variables and hands its files to the description, in place of those it had.
 * *is_there false: the model has none. */
ebb_status folder_bundle_open(region *home, region *scratch, description *d, bundle *b,
                              bool *is_there, ebb_error *error);

#endif
