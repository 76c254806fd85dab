/*
 * up: from an opened frame of a client to the XML that an XMPP client would have sent: a stream header for Welcome,
 * <starttls/>, <auth/>, and stanzas without `from` (of native messages and notices it stays, for the caller to check).
 * Nothing that a client wrote becomes the name of an element or attribute unless it is one of our tables, and no value
 * is written that is not escaped: the XML is always one well-formed item. Pure.
 */
#ifndef STARTALK_UP_H
#define STARTALK_UP_H

#include "st_packet.h"
#include "st_view.h"

enum st_up_is {
	ST_UP_ELEMENT, /* `xml` */
	ST_UP_NOTHING, /* has no translation, or is not what its kind needs: ignored, without an answer */
	ST_UP_END,     /* the client ends its stream */
	ST_UP_BAD      /* the client is to be told StreamEnd 222, `why` */
};
struct st_up {
	enum st_up_is is;
	const uint8_t *xml; /* in the arena */
	size_t xml_len;
	const char *from; /* whom a message or notice says it is from; NULL: it does not say */
	const char
		*ack_id;  /* the id that is to be acknowledged once the session server has the message; NULL: none is */
	bool is_presence; /* it says that the client is available */
	const char *why;
};

void st_up(struct st_arena *, const struct st_view *, const struct st_packet *, struct st_up *ret);

#endif
