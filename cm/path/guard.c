#include "guard.h"

#include "egress.h"
#include "log.h"
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WHY_BYTES = 256 };

static bool is_local(const struct uplink *u)
{
	return u->address.at.ss_family == AF_UNIX;
}

const char *guard_text(const struct uplink *u)
{
	return u->tls ? "tls" : is_local(u) ? "socket" : u->link.key.mac != NULL ? "key" : "none";
}

static bool user_may(const struct worker *w, uint32_t uid)
{
	if (uid == 0 || uid == geteuid())
		return true;
	for (size_t i = 0; i < w->config->link_user_count; i++)
		if (w->config->link_users[i].uid == uid)
			return true;
	return false;
}

/* Who listens at the other end of a Unix socket. */
static void local_check(struct worker *w, struct uplink *u)
{
	struct ucred peer = {0};
	socklen_t len = sizeof peer;
	char why[WHY_BYTES];

	if (getsockopt(u->conn.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
		uplink_fail(w, u, strerror(errno));
	} else if (!user_may(w, peer.uid)) {
		snprintf(why, sizeof why, "the socket belongs to user %u, who is not in link.users",
			 (unsigned)peer.uid);
		uplink_fail(w, u, why);
	} else {
		uplink_say_hello(w, u, NULL);
	}
}

static void tls_begin(struct worker *w, struct uplink *u)
{
	if (w->link_context == NULL)
		uplink_fail(w, u, "no authority for session servers' certificates");
	else if (!conn_join_tls(&w->net, &u->conn, w->link_context, u->certificate_names))
		uplink_fail(w, u, "TLS cannot begin");
}

void guard_connected(struct worker *w, struct uplink *u)
{
	if (u->tls)
		tls_begin(w, u);
	else if (is_local(u))
		local_check(w, u);
	else
		uplink_say_hello(w, u, NULL);
}

static void text_take(struct worker *w, struct uplink *u, const struct conn_text *text)
{
	if (u->in_len + text->len > u->in_cap) {
		u->in_cap = u->in_len + text->len;
		u->in = realloc(u->in, u->in_cap);
		assert(u->in != NULL);
	}
	memcpy(u->in + u->in_len, text->at, text->len);
	u->in_len += text->len;
	egress(w, u);
}

static void tls_fail(struct worker *w, struct uplink *u, const struct conn_text *text)
{
	char why[WHY_BYTES];

	snprintf(why, sizeof why, "TLS: %s", text->detail != NULL ? text->detail : reason_text(text->reason));
	uplink_fail(w, u, why);
}

void guard_read(struct worker *w, struct uplink *u, uint8_t *bytes, size_t len)
{
	struct conn_input in = {bytes, len};
	struct conn_text text;
	struct tls_facts facts;

	while (u->conn.life == CONN_OPEN) {
		switch (conn_read(&w->net, &u->conn, &in, &text, &facts)) {
		case CONN_MORE:
			return;
		case CONN_TEXT:
			text_take(w, u, &text);
			break;
		case CONN_SECURE:
			uplink_say_hello(w, u, facts.exporter);
			break;
		case CONN_END:
			uplink_fail(w, u, "the session server closed the link");
			break;
		case CONN_BAD:
			tls_fail(w, u, &text);
			break;
		}
	}
}
