/*
 * store_outbox: what was said to a bound session and is not known to have arrived, element by element: until the gate
 * has taken it, and, with stream management, the client. The number is that of the frame in the session
 * (docs/link-protocol.md, section 6), so who adopts the session knows what to send again.
 */
#ifndef SESSIOND_STORE_OUTBOX_H
#define SESSIOND_STORE_OUTBOX_H

#include "store_session.h"

struct store_element {
	int64_t number;
	int64_t at_ms;	 /* when it was said, by the calendar */
	int64_t managed; /* which stanza it is since stream management is on; 0: none that counts */
	const char *xml;
	size_t len;
};

/* By the owner, who knows the numbers. */
bool store_outbox_put(struct store *, int64_t session, const struct store_element *);
/*
 * By another node: the next number is taken, and the progress put forward. `managed` not 0: it counts, and the next
 * number of these is taken, too. Answers how many bytes wait then.
 */
bool store_outbox_post(struct store *, int64_t session, const struct store_element *, int64_t *ret_waiting_bytes);
/* Those behind number `after`, in order. `each` may put more into the outbox of other sessions. */
bool store_outbox_read(struct store *, int64_t session, int64_t after,
		       void (*each)(void *context, const struct store_element *), void *context);
/*
 * What the gate has taken up to `acked` is forgotten, but for stanzas behind `managed_acked` that count; and what the
 * client has acknowledged. Answers how many bytes that were.
 */
bool store_outbox_forget(struct store *, int64_t session, const struct store_progress *, int64_t *ret_bytes);
/*
 * The session goes on with a new stream: what the client has not acknowledged (`managed_acked`) is numbered anew, from
 * `first` on, and all else is forgotten. Answers how many bytes wait then.
 */
bool store_outbox_renumber(struct store *, int64_t session, int64_t managed_acked, int64_t first,
			   int64_t *ret_waiting_bytes);

#endif
