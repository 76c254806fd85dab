/*
 * client: one client's stream, as tests of the automaton play it: text through the true tokenizer into stream_read().
 */
#ifndef TESTS_XMPP_CLIENT_H
#define TESTS_XMPP_CLIENT_H

#include "stream.h"
#include "xml_scope.h"

struct client {
	struct stream stream;
	struct stream_login login;
	struct xml xml;
	uint16_t scope[700]; /* what HEADER_WIDE declares */
};

#define HEADER_OF(attributes) "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'" attributes ">"
#define HEADER		      HEADER_OF(" xmlns='jabber:client' to='example.org' version='1.0'")

/* Declares prefixes for its elements. */
#define HEADER_WIDE                                                                                                    \
	HEADER_OF(" xmlns='jabber:client' to='example.org' version='1.0' xmlns:kc='jabber:client'"                     \
		  " xmlns:ks='urn:ietf:params:xml:ns:xmpp-sasl' xmlns:kr='jabber:iq:&#114;egister'"                    \
		  " xmlns:kj='jabber:server' xmlns:ke='http://etherx.jabber.org/streams'")

/* One item of XML, complete. The event's places are in `text`. */
void event_read(struct xml *, const struct xml_scope *, const char *text, struct xml_event *ret);
/* An element that stands alone. */
void event_read_element(const char *text, struct xml_event *ret);

/* A client that has come to this state, with headers as good as can be, and limits that are out of the way. */
void client_begin(struct client *, enum stream_state);
/* What the automaton says to one item of XML. */
struct stream_verdict client_say(struct client *, const char *text);

#endif
