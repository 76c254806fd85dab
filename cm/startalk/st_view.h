/*
 * view: what a translation must know besides the frame or the element.
 *
 * Two forms. `native` is XML as Startalk's own server writes it, for session servers that are made for that: types of
 * messages that RFC 6121 does not have, attributes on <body/>, presences of other namespaces. Otherwise the XML is such
 * as any XMPP client understands, and what has no place in it is in one element of our own, which others ignore:
 *
 *     <message to='b@x' type='chat' id='9b2c'><body>hello</body>
 *         <startalk xmlns='urn:stanzagate:startalk:0' signal='6' msgType='1' client_type='ClientTypePC'
 *                   client_ver='200012' extendInfo='...'/></message>
 *
 * docs/startalk.md has the tables. Addresses are prepared JIDs, with NUL.
 */
#ifndef STARTALK_VIEW_H
#define STARTALK_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ST_NS "urn:stanzagate:startalk:0"

struct st_view {
	bool native;
	size_t element_bytes_max; /* of XML that is written */
	const char *bare, *full;  /* the client's own; full may be "" while it is not bound */
	uint64_t now_ms;	  /* since 1970 */
	uint64_t random;	  /* for the id of a message that has none */
	const char *auth_id;	  /* of the login, for its answer */
	const char *session_key;  /* for the answer to BIND; "": it was given, and there is no other */
};

#endif
