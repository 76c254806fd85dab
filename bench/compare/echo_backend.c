/*
 * bench-echo-backend: a session server that does nothing: any password is right, and every stanza comes back to who
 * sent it. It stands behind the gate where bench-echo stands behind a proxy.
 *
 *     bench-echo-backend SOCKET
 *
 * Listens on a Unix socket for links (docs/link-protocol.md), serves `localhost`, says `ready` on standard output.
 */
#include "backend.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LINKS = 64, READ_BYTES = 1 << 16, WAITING_MAX = 4 << 20, JID_BYTES = 512, TEXT_BYTES = 2048, TICK_MS = 1000 };

#define NS_SASL	 "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_BIND	 "urn:ietf:params:xml:ns:xmpp-bind"
#define FEATURES "<mechanisms xmlns='" NS_SASL "'><mechanism>PLAIN</mechanism></mechanisms>"

struct place {
	int fd; /* -1: free */
	struct backend_link link;
};

static struct backend backend;
static struct place places[LINKS];
static struct pollfd polls[LINKS + 1];

static void *resize(void *context, void *old, size_t len)
{
	void *new;

	if (len == 0) {
		free(old);
		return NULL;
	}
	new = realloc(old, len);
	assert(new);
	return new;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- sessions */

static void say(struct backend_session *session, const char *xml)
{
	backend_send_element(session, xml, strlen(xml));
}

static void state_say(struct backend_session *session, unsigned stage, const char *jid)
{
	uint8_t bytes[TEXT_BYTES];
	struct frame_builder b;
	size_t len;

	frame_begin(&b, bytes, sizeof bytes, FRAME_STATE, session->number);
	frame_put_int(&b, FIELD_STAGE, stage);
	frame_put_text(&b, FIELD_JID, jid);
	if (stage == FRAME_STAGE_AUTHENTICATED)
		frame_put_text(&b, FIELD_FEATURES, "<bind xmlns='" NS_BIND "'/>");
	len = frame_end(&b);
	assert(len > 0);
	backend_send(session, bytes, len);
}

/* <auth>: the name stands between the first two NULs of the response (RFC 4616). */
static void authenticate(struct backend_session *session, const char *xml)
{
	const char *begin = strchr(xml, '>'), *end = begin ? strchr(begin, '<') : NULL;
	unsigned char plain[JID_BYTES] = "";
	char *jid = malloc(JID_BYTES);

	assert(jid);
	if (end && end - begin < JID_BYTES)
		EVP_DecodeBlock(plain, (const unsigned char *)begin + 1, (int)(end - begin - 1));
	snprintf(jid, JID_BYTES, "%.200s@localhost", (const char *)plain + strlen((const char *)plain) + 1);
	session->user = jid;
	state_say(session, FRAME_STAGE_AUTHENTICATED, jid);
	say(session, "<success xmlns='" NS_SASL "'/>");
}

/* Between two texts, or "". */
static void part_copy(const char *xml, const char *before, char behind, char *to, size_t cap)
{
	const char *begin = strstr(xml, before), *end;
	size_t len = 0;

	if (begin) {
		begin += strlen(before);
		end = strchr(begin, behind);
		len = end && (size_t)(end - begin) < cap ? (size_t)(end - begin) : 0;
		memcpy(to, begin, len);
	}
	to[len] = 0;
}

static void bind_to(struct backend_session *session, const char *xml)
{
	char resource[128], id[128], jid[JID_BYTES], text[TEXT_BYTES];

	part_copy(xml, "<resource>", '<', resource, sizeof resource);
	part_copy(xml, "id='", '\'', id, sizeof id);
	snprintf(jid, sizeof jid, "%.300s/%.120s", (const char *)session->user, resource[0] ? resource : "r");
	state_say(session, FRAME_STAGE_BOUND, jid);
	snprintf(text, sizeof text, "<iq type='result' id='%s'><bind xmlns='" NS_BIND "'><jid>%s</jid></bind></iq>", id,
		 jid);
	say(session, text);
}

static void element_take(struct backend_session *session, const struct frame *frame)
{
	char text[TEXT_BYTES];
	size_t len = frame->payload_len < sizeof text ? frame->payload_len : sizeof text - 1;

	if (session->bound) {
		backend_send_element(session, frame->payload, frame->payload_len);
		return;
	}
	memcpy(text, frame->payload, len);
	text[len] = 0;
	if (session->user)
		bind_to(session, text);
	else
		authenticate(session, text);
}

/* ---- links */

static void domain_say(struct backend_link *link)
{
	uint8_t bytes[TEXT_BYTES];
	struct frame_builder b;

	frame_begin(&b, bytes, sizeof bytes, FRAME_DOMAIN, 0);
	frame_put_text(&b, FIELD_DOMAIN, "localhost");
	frame_put_text(&b, FIELD_FEATURES, FEATURES);
	backend_say(link, bytes, frame_end(&b));
}

static void cut(struct backend_link *link)
{
	struct place *place = (struct place *)((char *)link - offsetof(struct place, link));

	backend_cut(link, now_ms());
	close(place->fd);
	place->fd = -1;
}

/* False: the link is cut. */
static bool events_take(struct backend_link *link)
{
	struct backend_event event;

	for (;;) {
		backend_next(link, &event);
		switch (event.is) {
		case BACKEND_NOTHING:
			backend_ack(link);
			return true;
		case BACKEND_UP:
			domain_say(link);
			break;
		case BACKEND_ELEMENT:
			element_take(event.session, &event.frame);
			break;
		case BACKEND_CLOSED:
		case BACKEND_OVER:
			free(event.user);
			break;
		case BACKEND_ADOPT:
			backend_refuse(event.session, NULL);
			break;
		case BACKEND_DEAD:
			cut(event.link);
			if (event.link == link)
				return false;
			break;
		default:
			break;
		}
	}
}

static void write_all(struct place *place)
{
	const uint8_t *bytes;
	size_t len;

	while ((len = backend_out(&place->link, &bytes)) > 0) {
		ssize_t sent = send(place->fd, bytes, len, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		backend_written(&place->link, (size_t)sent);
	}
}

static void place_serve(struct place *place)
{
	uint8_t *to = backend_room(&place->link, READ_BYTES);
	ssize_t got = recv(place->fd, to, READ_BYTES, MSG_DONTWAIT);

	if (got > 0)
		backend_heard(&place->link, (size_t)got, now_ms());
	if (!events_take(&place->link))
		return;
	if (got == 0 || (got < 0 && errno != EAGAIN))
		cut(&place->link);
	else
		write_all(place);
}

static void accept_one(int listener)
{
	struct link_self self = {.name = "echo", .epoch = (uint64_t)getpid() << 32 | now_ms()};
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (unsigned i = 0; i < LINKS && fd >= 0; i++)
		if (places[i].fd < 0) {
			places[i].fd = fd;
			backend_begin(&backend, &places[i].link, &self, now_ms());
			write_all(&places[i]);
			return;
		}
	if (fd >= 0)
		close(fd);
}

static void second_step(uint64_t now)
{
	void *user;

	for (unsigned i = 0; i < LINKS; i++)
		if (places[i].fd >= 0) {
			backend_tick(&places[i].link, now);
			if (events_take(&places[i].link))
				write_all(&places[i]);
		}
	while (backend_over(&backend, now, &user))
		free(user);
}

static void run(int listener)
{
	uint64_t second = now_ms() + TICK_MS;

	polls[LINKS] = (struct pollfd){.fd = listener, .events = POLLIN};
	for (;;) {
		const uint8_t *bytes;
		for (unsigned i = 0; i < LINKS; i++) {
			bool waits = places[i].fd >= 0 && backend_out(&places[i].link, &bytes) > 0;
			polls[i] =
				(struct pollfd){.fd = places[i].fd, .events = (short)(POLLIN | (waits ? POLLOUT : 0))};
		}
		poll(polls, LINKS + 1, TICK_MS);
		for (unsigned i = 0; i < LINKS; i++)
			if (places[i].fd >= 0 && polls[i].revents)
				place_serve(&places[i]);
		if (polls[LINKS].revents)
			accept_one(listener);
		if (now_ms() >= second) {
			second = now_ms() + TICK_MS;
			second_step(now_ms());
		}
	}
}

int main(int argc, char **argv)
{
	const struct memory memory = {.resize = resize};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) {
		fprintf(stderr, "usage: bench-echo-backend SOCKET\n");
		return 2;
	}
	memcpy(address.sun_path, argv[1], strlen(argv[1]));
	if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, LINKS) < 0) {
		perror(argv[1]);
		return 2;
	}
	for (unsigned i = 0; i < LINKS; i++)
		places[i].fd = -1;
	backend_init(&backend, &memory, WAITING_MAX);
	puts("ready");
	fflush(stdout);
	run(listener);
	return 0;
}
