/*
 * stanza: what a bound client's stanzas do (RFC 6120 section 8 and 10, RFC 6121). The core calls these three.
 */
#ifndef SESSIOND_STANZA_H
#define SESSIOND_STANZA_H

#include "session.h"
#include "xml.h"

/*
 * One stanza of a bound session: message, presence or iq, well-formed, in jabber:client, its `from` stamped by the gate
 * with the session's full JID. `event` describes `bytes` (see xml.h); both are good during the call. The bind and
 * session requests of stream negotiation never come here.
 */
void stanza_handle(struct session *, const struct xml_event *event, const uint8_t *bytes);
/* The session was bound just now: it is in the registry. */
void stanza_session_began(struct session *);
/* The session is about to leave the registry: unavailable presence goes out for it (RFC 6121, 4.5.2 and 4.6.3). */
void stanza_session_ended(struct session *);

/*
 * What was said to a session that has ended, and is not known to have arrived: a message to read goes to another of the
 * account's sessions, unless that has had it, or is kept for later, with the time at which it was said (RFC 6121,
 * 8.5.2.2; XEP-0198, 4; XEP-0203); a request is answered with an error. All else is forgotten.
 */
struct stanza_undelivered {
	const char *full_jid; /* the session's; it is in the registry no more */
	int8_t priority;      /* that it had */
	int64_t at_ms;	      /* when it was said, by the calendar */
	const char *xml;
	size_t len;
};
void stanza_undelivered(struct sessiond *, const struct stanza_undelivered *);

/* Children of <stream:features/> and of disco#info beyond the core's: static texts. */
const char *stanza_stream_features(void);

#endif
