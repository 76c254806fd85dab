/*
 * request: an iq of type get or set that the server answers itself, for an account or for the domain. Each is answered
 * exactly once.
 */
#ifndef MODULES_REQUEST_H
#define MODULES_REQUEST_H

#include "incoming.h"

struct request {
	const struct incoming *in;
	const struct element *payload; /* its only child */
	bool set;
};

/* Answers with a result; `xml`, raw, is its content, "" for none. */
void request_answer(const struct request *, const char *xml);
/* Answers a set with an empty result when it was done, else with internal-server-error. */
void request_answer_done(const struct request *, bool done);
void request_refuse(const struct request *, enum error_condition);

/*
 * An iq of the server's own to a session, with an id of its own (pushes). The client's answer, if any, is ignored.
 */
void request_push(struct session *, const char *xml);

#endif
