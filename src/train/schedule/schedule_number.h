/* schedule_number.h -- the learning rate of a schedule at one step, as a number. */
#ifndef EBB_TRAIN_SCHEDULE_SCHEDULE_NUMBER_H
#define EBB_TRAIN_SCHEDULE_SCHEDULE_NUMBER_H

#include "device/device.h"
#include "train/schedule/schedule.h"

/* Computed in float32 on portable kernels of `device`. Memory: a child of `home`, given back. */
ebb_status schedule_number(region *home, const device *device, const train_object *schedule,
                           uint32_t step, const char *where, double *rate, ebb_error *error);

#endif
