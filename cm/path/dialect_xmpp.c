#include "dialect.h"
#include "ingress.h"
#include "worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { END_TEXT_BYTES = 1024, END_ELEMENT_BYTES = 512 /* of what a session server may say */ };

static void begin(struct worker *w, struct client *c)
{
	(void)w;
	xml_restart(&c->xml);
}

static void nothing(struct worker *w, struct client *c)
{
	(void)w;
	(void)c;
}

static void taken(struct worker *w, struct client *c, uint32_t number)
{
	(void)number;
	nothing(w, c);
}

static void write_element(struct worker *w, struct client *c, const uint8_t *xml, size_t len)
{
	conn_write(&w->net, &c->conn, xml, len);
}

static void proceed(struct worker *w, struct client *c)
{
	static const char element[] = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

	conn_write(&w->net, &c->conn, element, sizeof element - 1);
}

static void greet(struct worker *w, struct client *c, struct pool_text features)
{
	struct stream_login *login = &c->login->stream;
	struct stream_greeting greeting = {
		.domain = login->domain, .id = login->id, .lang = login->lang, .to = login->from, .version = true};
	size_t cap = 2 * STREAM_WRITE_BYTES + 6 * (sizeof login->domain + sizeof login->from) + features.len, len;
	char *to = malloc(cap);

	assert(to != NULL);
	len = stream_write_header(to, cap, &greeting);
	len += stream_write_features(to + len, cap - len, &c->stream, features.at, features.len);
	conn_write(&w->net, &c->conn, to, len);
	free(to);
}

static void authenticated(struct worker *w, struct client *c)
{
	if (c->stream.header_due)
		begin(w, c);
}

/* The header that an error needs before it (RFC 6120, 4.9.1.2), when none was sent yet. */
static size_t end_header(struct worker *w, struct client *c, char *to, size_t cap)
{
	struct stream_greeting greeting = {.version = true, .lang = "", .to = "", .domain = "", .id = "0"};
	char id[STREAM_ID_BYTES];

	if (c->stream.header_sent || c->login == NULL)
		return 0;
	client_random_id(id);
	greeting.id = id;
	if (pool_features(&w->pool, (struct pool_text){c->login->stream.domain, strlen(c->login->stream.domain)},
			  POOL_PLAIN, &(struct pool_text){0}))
		greeting.domain = c->login->stream.domain;
	return stream_write_header(to, cap, &greeting);
}

static void say_end(struct worker *w, struct client *c, const struct client_end *end)
{
	char to[2 * STREAM_WRITE_BYTES + 6 * (STREAM_DOMAIN_BYTES + END_TEXT_BYTES) + END_ELEMENT_BYTES];
	struct stream_farewell farewell = {end->condition, end->text, end->element};
	size_t len = end_header(w, c, to, sizeof to);
	int number = condition_find(end->condition);

	if (number != CONDITION_NONE)
		counter_bump(&w->counters.stream_errors[number], 1);
	len += stream_write_end(to + len, sizeof to - len, &farewell);
	conn_write(&w->net, &c->conn, to, len);
}

const struct dialect dialect_xmpp = {
	.begin = begin,
	.take = ingress_take_elements,
	.write = write_element,
	.greet = greet,
	.proceed = proceed,
	.secure = begin,
	.authenticated = authenticated,
	.bound = nothing,
	.taken = taken,
	.end = say_end,
	.done = nothing,
};
