/*
 * handshaker: a thread that makes steps of handshakes (handshake_step.h) for one owner, on another thread, which goes
 * on with its work meanwhile: one after the other, in the order in which they were handed out. It holds few, so that
 * the owner decides late which come first.
 *
 * It gives way. Its thread is nicer than the owner's, and of the kind that does not interrupt others (SCHED_BATCH): on
 * one processor the owner runs as soon as there is something for it to do, in the middle of a signature, and the step
 * goes on when the owner waits. It is not of the kind that runs when nobody else wants to (SCHED_IDLE), since others
 * may always want to.
 *
 * Neither side waits for a lock that the other holds. All calls are the owner's thread's.
 */
#ifndef NET_HANDSHAKER_H
#define NET_HANDSHAKER_H

#include "handshake_step.h"

struct handshaker;

enum { HANDSHAKER_STEPS = 4 };

/*
 * Begins a thread, which has made its system calls when this returns. `wake` is called on it, with `of`, whenever a
 * step was made. NULL: no thread can be made.
 */
struct handshaker *handshaker_new(void (*wake)(void *of), void *of);
/* Ends the thread, after the step it is making, and frees all steps that are left. NULL is fine. */
void handshaker_free(struct handshaker *);

/* The place of one more step, empty, to be filled in and handed out. NULL: there are HANDSHAKER_STEPS under way. */
struct handshake_step *handshaker_place(struct handshaker *);
void handshaker_hand_out(struct handshaker *);
/*
 * The step that was made next, good until it is given back, which clears it (handshake_step_clear): what is to be kept
 * of it must be taken out before. NULL: none is ready. Those that nobody wants any more are passed over.
 */
struct handshake_step *handshaker_next(struct handshaker *);
void handshaker_give_back(struct handshaker *);
/*
 * Nobody wants the step of this name any more: if it has not begun, it will not. False: none of this name is under way.
 */
bool handshaker_forget(struct handshaker *, uint64_t of);
/* Whether nothing is under way. */
bool handshaker_is_idle(const struct handshaker *);

#endif
