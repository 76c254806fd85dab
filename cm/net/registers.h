/*
 * registers: the vector registers of a thread. Keys pass through them whenever they are copied or used, and stay there
 * for as long as the thread has nothing else to do; a core dump has the registers of all threads.
 */
#ifndef NET_REGISTERS_H
#define NET_REGISTERS_H

/*
 * Overwrites those of the calling thread, as far as calls need not preserve them: all of x86-64 up to AVX-512, and of
 * AArch64. On other processors nothing is done.
 */
void registers_wipe(void);

#endif
