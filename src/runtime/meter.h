/* meter.h -- what the operating system says about this process (Linux, /proc). Measured, never
 * counted. */
#ifndef EBB_RUNTIME_METER_H
#define EBB_RUNTIME_METER_H

#include <stdint.h>

/* Anonymous memory of the process in bytes; 0 if the system does not tell. */
uint64_t meter_private_bytes(void);

#endif
