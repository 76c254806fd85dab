/*
 * control: the Unix socket at which `stanzagate ctl` finds the gate, served by a thread of its own.
 *
 * One request for each connection, and one answer, each a line of JSON (RFC 8259) that ends with a line feed:
 *
 *     {"command": "sessions find", "arguments": {"who": "alice@example.org"}}
 *     {"result": ...}   or   {"error": "one line that says why not"}
 *
 * Who may ask is decided by the peer's user (SO_PEERCRED): root, the gate's own, and those of control.users; anybody
 * else gets an error at once, whatever he says or does not say. Requests are taken one after the other. A request may
 * have CONTROL_REQUEST_BYTES and must be there within CONTROL_READ_MS; an answer must be read within CONTROL_WRITE_MS.
 *
 * The socket's file is made with rights for the gate's user alone, and for everybody when there are control.users. One
 * that was left behind by a gate that has died is replaced, one at which somebody listens is not. It is taken away at
 * the end.
 */
#ifndef OPS_CONTROL_H
#define OPS_CONTROL_H

#include "config.h"

#include <jansson.h>
#include <stddef.h>

enum {
	CONTROL_ERROR_BYTES = 1024,
	CONTROL_REQUEST_BYTES = 16384,
	CONTROL_READ_MS = 2000,
	CONTROL_WRITE_MS = 5000,
	CONTROL_BACKLOG = 16
};

struct control_settings {
	const char *path;
	const struct config_user *users; /* copied */
	size_t user_count;
	/*
	 * Does what is asked for, on control's thread, and answers a new reference. NULL: `error` says in one line why
	 * it was not done. The arguments are an object.
	 */
	json_t *(*answer)(void *context, const char *command, const json_t *arguments,
			  char error[static CONTROL_ERROR_BYTES]);
	void *context;
};

struct control;

/* NULL: it could not be; `error` says why. The thread that is started takes no signals. */
struct control *control_start(const struct control_settings *, char error[static CONTROL_ERROR_BYTES]);
/* Waits for the answer that is being made. NULL is fine. */
void control_stop(struct control *);

/*
 * The other end: asks the gate that listens at the path. A new reference, of the result. NULL: `error` says why;
 * *ret_reached whether there was a gate that answered.
 */
json_t *control_ask(const char *path, const char *command, json_t *arguments, char error[static CONTROL_ERROR_BYTES],
		    bool *ret_reached);

#endif
