/*
 * stream_header: what a client's stream header must say (RFC 6120, 4.7 and 4.8). A part of the stream automaton.
 */
#ifndef XMPP_STREAM_HEADER_H
#define XMPP_STREAM_HEADER_H

#include "stream.h"

/*
 * Checks the header in this order: content namespace, version, `to`, `from`. Puts domain, from and lang into login as
 * far as they are good. `authenticated`: login->from is who the client is, and stays. Answers REASON_NONE or why the
 * stream must end.
 */
enum reason stream_header_read(struct stream_login *, bool authenticated, const struct xml_event *,
			       const uint8_t *bytes);

#endif
