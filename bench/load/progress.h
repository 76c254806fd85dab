/*
 * progress: a line on standard error that says how the run goes: on a terminal it is written over each second;
 * elsewhere there is a line each --progress seconds, if that is given.
 */
#ifndef LOAD_PROGRESS_H
#define LOAD_PROGRESS_H

struct lead;

/* Once a second, after the series has its new moment. */
void progress_show(const struct lead *);
/* The line is done with. */
void progress_end(const struct lead *);

#endif
