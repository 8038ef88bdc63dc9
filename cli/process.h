/* process.h -- what the operating system says about this process, beside what ebb counts. */
#ifndef EBB_CLI_PROCESS_H
#define EBB_CLI_PROCESS_H

#include <stdint.h>

typedef struct process_state {
    uint64_t rss_bytes;
    uint32_t threads;
    uint32_t descriptors;
} process_state;

/* Fields that the system does not tell are 0. Keeps no memory and no descriptor. */
void process_read(process_state *state);
uint64_t process_rss_peak_bytes(void);
uint64_t clock_read_ns(void);

#endif
