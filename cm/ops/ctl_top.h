/*
 * ctl_top: what the gate is doing, again and again, with rates from one look to the next.
 */
#ifndef OPS_CTL_TOP_H
#define OPS_CTL_TOP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* One screen: `now`, and how it differs from `before` (NULL: the first look, without rates). */
void ctl_top_print(FILE *, const json_t *now, const json_t *before);
/*
 * Looks every interval_ms, `count` times (0: until Ctrl-C or q), at the gate that listens at the path. On a terminal
 * each screen takes the place of the one before, and lines are cut that are longer than it is wide; otherwise they
 * follow each other. With `json` each look is a status as JSON (desk.h) in a line of its own. Answers the exit status.
 */
int ctl_top(const char *path, unsigned interval_ms, unsigned count, bool json);

#endif
