/* devices_layout.h -- between devices.c and devices_layout.c: the lists made from the divisions. */
#ifndef EBB_RUNTIME_DEVICES_LAYOUT_H
#define EBB_RUNTIME_DEVICES_LAYOUT_H

#include "runtime/devices.h"

/* The first lists, in the runtime's page. */
ebb_status devices_lay_out(runtime *r, ebb_error *error);

#endif
