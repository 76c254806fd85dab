/*
 * sandbox: what a running gate may ask the kernel for (seccomp(2)). A gate needs no programs, no other processes, no
 * devices, no mounts, no kernel modules, no debugger, and no other rings than those it has: whoever gets hold of it
 * shall not have them either.
 *
 * The calls are in sandbox.def. Besides: threads may be made and processes not; memory may be writable or executable
 * and never both; sockets are of IP, Unix and netlink's routes; signals go to the process itself. All else fails with
 * EPERM, and nobody in the process can ever take the filter off.
 */
#ifndef OPS_SANDBOX_H
#define OPS_SANDBOX_H

#include <stdbool.h>

enum { SANDBOX_ERROR_BYTES = 256 };

/*
 * For all threads of the process, from now on. To be called when all rings have been made. False: the kernel cannot, or
 * the program was built with sanitizers, which need more; `error` says so, and nothing has changed.
 */
bool sandbox_enter(char error[static SANDBOX_ERROR_BYTES]);

#endif
