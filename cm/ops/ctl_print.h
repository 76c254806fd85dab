/*
 * ctl_print: what the gate answered (desk), for people. One function for each kind of answer.
 */
#ifndef OPS_CTL_PRINT_H
#define OPS_CTL_PRINT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

void ctl_print_status(FILE *, const json_t *);
void ctl_print_state(FILE *, const json_t *); /* of a status: what the gate is, and how well */
void ctl_print_sessions(FILE *, const json_t *);
void ctl_print_session(FILE *, const json_t *); /* each session in full */
void ctl_print_kicked(FILE *, const json_t *);
void ctl_print_backends(FILE *, const json_t *);
void ctl_print_backends_short(FILE *, const json_t *); /* what changes, for terminals 80 columns wide */
void ctl_print_steered(FILE *, const json_t *);
void ctl_print_config(FILE *, const json_t *);
void ctl_print_diff(FILE *, const json_t *);
void ctl_print_reload(FILE *, const json_t *);
void ctl_print_log(FILE *, const json_t *);

/* A counter of a status, and the sum of all whose names begin so. */
int64_t ctl_counter(const json_t *status, const char *name);
int64_t ctl_counters(const json_t *status, const char *prefix);
/*
 * The time within which a share of what was counted went through, in microseconds, from the buckets of a status's
 * latency, those of an earlier status (NULL: none) taken off; 0 when nothing was counted. It is the bucket's upper end.
 */
uint64_t ctl_latency_us(const json_t *status, const json_t *before, const char *path, double share);

#endif
