/*
 * privilege: a gate that was started as root, to listen where only root may, becomes another user for good.
 */
#ifndef OPS_PRIVILEGE_H
#define OPS_PRIVILEGE_H

#include <stdbool.h>

enum { PRIVILEGE_ERROR_BYTES = 256 };

/*
 * Becomes the user of the name, with his groups and none of root's rights, all threads of the process. It cannot be
 * undone, which is made sure of. Who is that user already stays so. False: it could not be, and `error` says why; the
 * process must not go on.
 */
bool privilege_drop(const char *user, char error[static PRIVILEGE_ERROR_BYTES]);

#endif
