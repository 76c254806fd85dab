/*
 * handshake_step: one step of a server's handshake as a piece of work that any thread may do: the bytes of a client go
 * in, what is to be sent to it comes out, and at the end what is to be known of it. In between nobody else may look.
 */
#ifndef NET_HANDSHAKE_STEP_H
#define NET_HANDSHAKE_STEP_H

#include "handshake.h"

enum { STEP_HOST_BYTES = 256, STEP_ERROR_BYTES = 128 };

struct handshake_step {
	/* Set by whoever wants it. */
	uint64_t of;		     /* whose it is: a name of the owner's */
	struct handshake *handshake; /* that goes on; NULL: it begins, and the next three say how */
	struct tls_context *context; /* a reference, which the step takes over */
	bool direct;		     /* see handshake_new() */
	char host[STEP_HOST_BYTES];  /* see handshake_host(); "": none was named */
	uint8_t *bytes;		     /* from malloc(); the step's from now on */
	size_t len;
	/* Set by handshake_step_make(). */
	enum handshake_is is;
	bool began;
	uint8_t *output; /* to be sent, whatever `is`; its memory stays for the next step */
	size_t output_len, output_cap;
	size_t leftover_len;	      /* DONE: at the front of `bytes`, what came behind the handshake */
	struct record record;	      /* DONE */
	struct tls_facts facts;	      /* DONE; with an identity to be freed by whoever takes it, and nulls it here */
	char error[STEP_ERROR_BYTES]; /* FAILED: why, one line for the log */
	uint64_t cost_ns;	      /* how long it took */
};

/*
 * Makes the step: handshake_new(), where it begins, handshake_feed(), handshake_output(), and handshake_finish(). With
 * MORE the handshake is in `handshake`; otherwise it is freed. What cannot be taken over, and no memory, are FAILED.
 */
void handshake_step_make(struct handshake_step *);
/* Frees and wipes all that is in it, made or not, but for the memory of `output`. It is as new. */
void handshake_step_clear(struct handshake_step *);
/* The same, and that memory. */
void handshake_step_done(struct handshake_step *);

#endif
