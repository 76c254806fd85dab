/*
 * incoming: one stanza of a client while it is handled: who sent it, to whom, and what can be answered.
 */
#ifndef MODULES_INCOMING_H
#define MODULES_INCOMING_H

#include "core.h"
#include "element.h"
#include "jid.h"
#include "text.h"
#include "xml.h"

enum addressee {
	ADDRESSEE_NONE,	     /* no `to` */
	ADDRESSEE_SERVER,    /* one of our domains, with or without resource */
	ADDRESSEE_OWN,	     /* the sender's bare JID */
	ADDRESSEE_BARE,	     /* another bare JID of our domains: an account, perhaps */
	ADDRESSEE_FULL,	     /* a full JID of our domains, perhaps one of the sender's own */
	ADDRESSEE_REMOTE,    /* not our domain */
	ADDRESSEE_MALFORMED, /* not a JID */
};

struct incoming {
	struct session *session;
	const struct xml_event *event;
	const uint8_t *bytes;
	enum addressee addressee;
	struct jid to;			 /* unless NONE or MALFORMED */
	char to_bare[JID_BYTES_MAX + 1]; /* likewise, without resource */
};

enum error_condition {
#define ERROR(name, condition, type) ERROR_##name,
#include "errors.def"
#undef ERROR
	ERROR_COUNT
};

/* Fills everything; the three outlive `ret`. */
void incoming_read(struct session *, const struct xml_event *, const uint8_t *bytes, struct incoming *ret);

struct store *incoming_store(const struct incoming *);
/* Whether the type attribute has this value; with "" whether it is absent. */
bool incoming_type_is(const struct incoming *, const char *type);
/* A value of the event, references replaced; NULL when it is absent. The caller frees it. */
char *incoming_value(const struct incoming *, struct xml_range);

/*
 * Answers the sender with an error stanza of the same kind (RFC 6120, 8.3), without the original payload. Errors and
 * results are never answered (8.3.1): then it does nothing.
 */
void incoming_refuse(const struct incoming *, enum error_condition);

/*
 * The stanza as it goes to another client: as it came, with the stream's xml:lang if it has none (RFC 6120, 8.1.5).
 * `addressing`, unless NULL, are attributes (each with a space before it) that stand in the place of its from and to.
 */
void incoming_forward(const struct incoming *, const char *addressing, struct text *to);

/* Puts attributes (each with a space before it) into an element that has none of them, and appends the result. */
void stanza_address(const char *xml, size_t len, const char *attributes, struct text *to);

/* Puts an element, raw, behind the last child of one that has a child, and appends the result. */
void stanza_append(const char *xml, size_t len, const char *element, struct text *to);
/* The same with the time at which the account's server has got it (XEP-0203). */
void stanza_delay(const char *xml, size_t len, const char *account, const char *stamp, struct text *to);

#endif
