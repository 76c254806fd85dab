/*
 * process: what the system says of this process, for those who watch it. Each call asks anew; what cannot be found out
 * is 0.
 */
#ifndef OPS_PROCESS_H
#define OPS_PROCESS_H

#include <stdint.h>

/* When it started, in seconds since 1970. */
double process_started_s(void);
/* Processor time used by all its threads, in seconds. */
double process_cpu_s(void);
/* Memory that is resident. */
uint64_t process_resident_bytes(void);
uint64_t process_open_fds(void);
/* File descriptors that may be open. */
uint64_t process_max_fds(void);

#endif
