/*
 * down: from an element of the session server to the frame that a client is sent, or to none, and to the answer that
 * the client cannot give: a ping, and any other request, is answered for it, since no client of this dialect can. And
 * the frames that the gate says of itself. Pure.
 *
 * Whoever writes to a Startalk client from elsewhere is an XMPP client like any other, and says what it likes: unless
 * the view is native, what stands for Startalk's own servers (notices, changes of friends) is taken only from the
 * client's own account and its domain, and nobody is named as the sender but the sender.
 */
#ifndef STARTALK_DOWN_H
#define STARTALK_DOWN_H

#include "st_packet.h"
#include "st_view.h"

enum st_down_is {
	ST_DOWN_NOTHING, /* there is nothing that the client would understand */
	ST_DOWN_FRAME,
	ST_DOWN_BOUND, /* FRAME: the answer to BIND */
	ST_DOWN_FULL   /* it would be longer than a client takes, or there is no room */
};
struct st_down {
	enum st_down_is is;
	struct st_bytes frame;	   /* of FRAME and BOUND */
	struct st_bytes answer;	   /* an element to be sent to the session server; of length 0: none */
	const char *iq_id;	   /* of an iq; NULL: it is none, or has none */
	const char *presence_from; /* of a presence that says who is there; NULL: it is none */
	bool presence_is_available;
};

/* The element was accepted by the tokenizer, and is all of the bytes. Everything is in the arena. */
void st_down(struct st_arena *, const struct st_view *, const uint8_t *element, size_t len, struct st_down *ret);

/* The resource's platform, for notices of category 9: of V[1]_P[Mac]_ID[..]_PB it is P[Mac]. NULL: it has none. */
const char *st_platform(const char *resource, size_t *ret_len);

/* The frames that the gate says of itself. False: there is no room. */
bool st_say_welcome(struct st_arena *, const char *domain, const char *user, bool tls, struct st_bytes *ret);
bool st_say_proceed(struct st_arena *, const char *domain, struct st_bytes *ret);
bool st_say_succeeded(struct st_arena *, const struct st_view *, struct st_bytes *ret);
bool st_say_failure(struct st_arena *, const char *domain, const char *reason, struct st_bytes *ret);
bool st_say_end(struct st_arena *, int32_t code, const char *reason, struct st_bytes *ret);
/* The same for a stream error: its code, and the words that clients know; `text` where there are none. */
bool st_say_error(struct st_arena *, const char *condition, const char *text, struct st_bytes *ret);
/* A notice from the bare JID, to the full one when it is not "". */
bool st_say_notice(struct st_arena *, const struct st_view *, int32_t category, const char *data, struct st_bytes *ret);
/* The session server has a message of the client. */
bool st_say_taken(struct st_arena *, const struct st_view *, const char *id, struct st_bytes *ret);

#endif
