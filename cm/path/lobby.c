#include "lobby.h"

#include "dialect.h"
#include "ingress.h"
#include "uplink.h"
#include "worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_EACH_MS = 100 };

/* The client may be gone when its turn comes: it is known by its name alone. */
struct lobby_guest {
	struct lobby_guest *next;
	frame_session client;
	uint64_t until_ms;
	size_t user_len, element_len;
	char bytes[]; /* user with its NUL, then the element */
};

static struct lobby_guest *guest_new(const struct client *c, const char *user, const struct xml_piece *pieces,
				     size_t count)
{
	size_t user_len = strlen(user) + 1, element_len = 0;
	struct lobby_guest *guest;
	char *to;

	for (size_t i = 0; i < count; i++)
		element_len += pieces[i].len;
	guest = malloc(sizeof *guest + user_len + element_len);
	assert(guest != NULL);
	*guest = (struct lobby_guest){.client = client_session(c), .user_len = user_len, .element_len = element_len};
	memcpy(guest->bytes, user, user_len);
	to = guest->bytes + user_len;
	for (size_t i = 0; i < count; i++) {
		memcpy(to, pieces[i].at, pieces[i].len);
		to += pieces[i].len;
	}
	return guest;
}

static void queue_add(struct worker *w, struct lobby_guest *guest)
{
	struct lobby *lobby = &w->lobby;

	if (lobby->last != NULL)
		lobby->last->next = guest;
	else
		lobby->first = guest;
	lobby->last = guest;
	counter_add(&w->counters, COUNTER_clients_waiting, 1);
}

/* The session is open: its first element. */
static void send_first(struct worker *w, struct client *c, const struct xml_piece *pieces, size_t count)
{
	counter_add(&w->counters, COUNTER_nonzas_in, 1);
	w->stanzas_up++;
	uplink_element(w, c, pieces, count);
}

/* What opens a session is <auth/>, <authenticate/> (XEP-0388), or the iq of a registration, whose stream ends. */
const char *lobby_refusal(const struct xml_event *event, const uint8_t *bytes)
{
	if (xml_is_equal(bytes, event->name, "authenticate"))
		return "<failure xmlns='urn:xmpp:sasl:2'><temporary-auth-failure "
		       "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>";
	if (xml_is_equal(bytes, event->name, "auth"))
		return "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><temporary-auth-failure/></failure>";
	return NULL;
}

void lobby_turn_away(struct worker *w, struct client *c)
{
	const char *refusal = c->login->refusal;
	enum stream_state before = c->stream.state;

	counter_add(&w->counters, COUNTER_logins_postponed, 1);
	if (refusal == NULL) {
		client_close_for(w, c, REASON_SERVER_LOST);
		return;
	}
	client_dialect(c)->write(w, c, (const uint8_t *)refusal, strlen(refusal));
	stream_on_refused(&c->stream);
	client_count_state(w, c, before);
}

/* It was not read from meanwhile. */
static void refuse(struct worker *w, struct client *c)
{
	lobby_turn_away(w, c);
	if (c->conn.life == CONN_OPEN)
		ingress_go_on(w, c);
}

void lobby_return(struct worker *w, struct client *c)
{
	if (c->stream.state != STREAM_NEGOTIATING || c->login->refusal == NULL || c->sessions == CLIENT_SESSIONS_MAX) {
		client_close_for(w, c, REASON_SERVER_LOST);
		return;
	}
	c->sessions++; /* the next session is another one */
	if (c->awaiting)
		refuse(w, c);
}

void lobby_enter(struct worker *w, struct client *c, const char *user, const struct xml_splice *splice)
{
	struct xml_piece pieces[XML_PIECES_MAX];
	size_t count = xml_splice_pieces(splice, pieces);
	struct lobby_guest *guest;

	client_await(w, c, true);
	client_steer_reading(w, c);
	if (w->lobby.first == NULL && uplink_open(w, c, user)) {
		send_first(w, c, pieces, count);
		return;
	}
	guest = guest_new(c, user, pieces, count);
	guest->until_ms = worker_now_ms(w) + w->config->link_wait_ms_max;
	queue_add(w, guest);
}

static struct client *client_of(struct worker *w, const struct lobby_guest *guest)
{
	struct client *c = client_find(w, guest->client);

	return c != NULL && c->conn.life == CONN_OPEN && c->stream.state == STREAM_NEGOTIATING ? c : NULL;
}

/* False: it goes on waiting. */
static bool guest_serve(struct worker *w, struct lobby_guest *guest)
{
	struct client *c = client_of(w, guest);
	const char *element = guest->bytes + guest->user_len;
	struct xml_piece whole = {(const uint8_t *)element, guest->element_len};

	if (c == NULL)
		return true;
	if (uplink_open(w, c, guest->bytes))
		send_first(w, c, &whole, 1);
	else if (worker_now_ms(w) >= guest->until_ms)
		refuse(w, c);
	else
		return false;
	return true;
}

void lobby_look(struct worker *w)
{
	struct lobby_guest *guest = w->lobby.first, *next;

	if (guest == NULL || worker_now_ms(w) < w->lobby.next_ms)
		return;
	w->lobby = (struct lobby){.next_ms = worker_now_ms(w) + LOOK_EACH_MS};
	for (; guest != NULL; guest = next) {
		next = guest->next;
		guest->next = NULL;
		counter_add(&w->counters, COUNTER_clients_waiting, -1);
		if (guest_serve(w, guest))
			free(guest);
		else
			queue_add(w, guest);
	}
}

void lobby_free(struct lobby *lobby)
{
	for (struct lobby_guest *guest = lobby->first, *next; guest != NULL; guest = next) {
		next = guest->next;
		free(guest);
	}
}
