/*
 * restrict: what a ring may be asked for, whoever gets hold of it: no files are opened by it, nothing is read or
 * written that is no socket, no other ring is joined to it (IORING_REGISTER_RESTRICTIONS). All else is refused with
 * EACCES.
 */
#ifndef IO_RESTRICT_H
#define IO_RESTRICT_H

/*
 * A ring that was made with IORING_SETUP_R_DISABLED, by its descriptor: it is restricted for good, and begins. What has
 * to be registered besides files and its own descriptor must have been before. 0, or a negative errno.
 */
int restrict_ring(int ring_fd);

#endif
