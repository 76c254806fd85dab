/*
 * startalk: clients of Startalk's dialect (cm/startalk, docs/startalk.md). What they send becomes XML and goes the way
 * of all XML; what is for them in XML becomes frames. What has to be remembered of one beyond that is here.
 */
#ifndef PATH_STARTALK_H
#define PATH_STARTALK_H

#include "client.h"
#include "st_arena.h"
#include "st_down.h"

/* A worker's, for one frame or element at a time. */
struct startalk_desk {
	struct st_arena arena;
	void *block;
	char *full, *bare; /* JIDs of the client at hand, with NUL */
};
void startalk_desk_done(struct startalk_desk *);

/* A message that its session server has not acknowledged. */
struct startalk_due {
	struct startalk_due *next;
	uint32_t number; /* of its frame in the session; meaningless while `unnumbered` */
	bool unnumbered; /* it was said while the session had no link */
	char id[];
};

/* Other resources of the user that are there, for notices of category 9. */
struct startalk_other {
	struct startalk_other *next;
	uint64_t resource; /* its hash */
	char platform[];   /* "P[Mac]" */
};

/* Of one client: 48 bytes, and what hangs on it. */
struct startalk {
	struct startalk_due *due_first, *due_last;
	struct startalk_other *others;
	char *auth_id;	    /* while it logs in; NULL: it gave none */
	char *session_key;  /* from the login to the answer to BIND */
	bool here;	    /* it has said that it is available */
	bool wants_session; /* the session server wants a session established (RFC 3921, 3) */
};

/* The view of this client, now. Its texts are the worker's, and good until another is asked for. */
struct st_view startalk_view(struct worker *, struct client *);
/* Writes a frame. `made` false: there was no room for it, and the client is closed. */
void startalk_send(struct worker *, struct client *, bool made, const struct st_bytes *frame);
/* XML of ours goes to the session server as if the client had sent it. */
void startalk_pass(struct worker *, struct client *, const uint8_t *xml, size_t len);

/* Dialect's `write` (dialect.h). */
void startalk_write(struct worker *, struct client *, const uint8_t *xml, size_t len);
/* The client is available, which in this dialect it is until it goes: it is told who else of its user is there. */
void startalk_is_here(struct worker *, struct client *);
/* Gives back what it knows of others. */
void startalk_others_free(struct startalk *);

/* The message with this id was put on the link just now: it will be acknowledged. */
void startalk_due_add(struct worker *, struct client *, const char *id);
/* Dialect's `taken`. */
void startalk_due_taken(struct worker *, struct client *, uint32_t number);
void startalk_due_free(struct worker *, struct startalk *);

#endif
