#include "client.h"
#include "load.h"
#include "login.h"
#include "startalk.h"
#include "xml_scope.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

enum { END_S_MAX = 3 };

/* What a stream may send here: more than any server should. */
static const struct xml_limits limits = {.element_bytes_max = LOAD_ELEMENT_BYTES_MAX,
					 .elements_max = 10000,
					 .depth_max = 100,
					 .attributes_max = XML_ATTRIBUTES_MAX,
					 .name_bytes_max = 1024,
					 .namespaces_max = XML_NAMESPACES_MAX};

bool client_is_online(const struct client *client)
{
	return client->state == CLIENT_ONLINE;
}

bool client_is_logging_in(const struct client *client)
{
	return client->state != CLIENT_NEW && client->state < CLIENT_ONLINE;
}

void client_say(struct load *load, struct client *client, const char *text, size_t len)
{
	load->tally->counts.text_sent += len;
	wire_put(&client->wire, text, len);
	load_mark_dirty(load, client);
}

/* ---- the end */

static void rest_free(struct client *client)
{
	if (client->rest)
		free(client->rest->work);
	free(client->rest);
	client->rest = NULL;
}

/* The client is no more; its wire may take a moment. */
static void client_close(struct load *load, struct client *client)
{
	if (client_is_online(client))
		load->tally->counts.online--;
	if (client->joined)
		load->tally->counts.joined--;
	if (client_is_logging_in(client)) {
		load->tally->counts.under_way--;
		load->tally->counts.failed++;
	}
	client->state = CLIENT_ENDED;
	client->joined = false;
	login_end(client->login);
	rest_free(client);
	free(client->exporter);
	free(client->jid);
	client->login = NULL;
	client->exporter = NULL;
	client->jid = NULL;
	load_mark_dirty(load, client);
}

/* Whether a server says, with what ends a login, that it has too much to do. */
static bool overload_is_said(enum fault fault, const char *detail)
{
	static const char *const words[] = {"resource-constraint", "connection-timeout", "temporary-auth-failure"};
	bool said = false;

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
		said |= strstr(detail, words[i]) != NULL;
	return said && (fault == FAULT_LOGIN || fault == FAULT_STREAM_ERROR);
}

void client_fail(struct load *load, struct client *client, enum fault fault, const char *detail)
{
	load_fault(load, fault, client->number, detail);
	load->tally->counts.overload += fault == FAULT_LOGIN_SLOW || overload_is_said(fault, detail);
	client_close(load, client);
	client->returning = false;
	wire_kill(&load->wires, &client->wire);
}

void client_expire(struct load *load, struct client *client, uint64_t now_ns)
{
	static const char *const states[] = {"new",
					     "connecting",
					     "awaiting features",
					     "awaiting proceed",
					     "TLS handshake",
					     "awaiting mechanisms",
					     "SASL",
					     "awaiting bind",
					     "binding",
					     "enabling stream management",
					     "resuming the stream"};
	uint64_t patience_s = client->state == CLIENT_ENDED ? END_S_MAX : load->options->login_timeout;

	if (now_ns < client->begun_ns + patience_s * SECOND_NS)
		return;
	if (client_is_logging_in(client)) {
		client_fail(load, client, FAULT_LOGIN_SLOW, states[client->state]);
	} else if (client->state == CLIENT_ENDED) {
		wire_kill(&load->wires, &client->wire);
		load_mark_dirty(load, client);
	}
}

void client_end(struct load *load, struct client *client)
{
	const char *footer = startalk_is(load) ? "" : "</stream:stream>";

	if (client->state == CLIENT_NEW || client->state == CLIENT_ENDED)
		return;
	/* Who resumes its stream has not ended it. */
	if (client_is_online(client) && !(client->returning && client->management)) {
		if (!load->options->raw)
			wire_put(&client->wire, footer, strlen(footer));
		wire_end(&client->wire);
	} else {
		wire_kill(&load->wires, &client->wire);
	}
	client_close(load, client);
	client->begun_ns = clock_ns();
}

/* Servers with too much to do refuse connections, and end those that have not logged in. */
static bool end_is_overload(const struct client *client, int error)
{
	return client_is_logging_in(client) && (!error || error == ECONNREFUSED || error == ECONNRESET ||
						error == ECONNABORTED || error == EPIPE || error == ETIMEDOUT);
}

/* What the peer's end (`error` 0), or a broken connection, means. */
static void disconnected(struct load *load, struct client *client, int error, const char *why)
{
	if (load_is_slow_reader(load, client)) {
		load->tally->counts.slow_cut++;
		traffic_forget(load, client);
		client_close(load, client);
		wire_kill(&load->wires, &client->wire);
		return;
	}
	load->tally->counts.overload += end_is_overload(client, error);
	client_fail(load, client, client->state == CLIENT_CONNECTING ? FAULT_CONNECT : FAULT_DISCONNECTED, why);
}

/* ---- TLS */

static void secured(void *context, const struct tls *tls)
{
	struct load *load = context;
	struct counts *counts = &load->tally->counts;

	*(tls_is_13(tls) ? &counts->tls13 : &counts->tls12) += 1;
	counts->resumed += tls_is_resumed(tls);
	if (!load->wires.tls.exporter)
		return;
	load->exporter = malloc(TLS_EXPORTER_BYTES);
	assert(load->exporter);
	if (!tls_exporter(tls, load->exporter))
		memset(load->exporter, 0, TLS_EXPORTER_BYTES);
}

void client_start_tls(struct load *load, struct client *client)
{
	client->state = CLIENT_TLS;
	if (!wire_start_tls(&load->wires, &client->wire, &client->session))
		client_fail(load, client, FAULT_TLS, "it could not begin");
	load_mark_dirty(load, client);
}

void client_begin(struct load *load, struct client *client, unsigned number, uint64_t due_ns)
{
	uint64_t tag = load_tag(load, client);

	client->number = number;
	client->state = CLIENT_CONNECTING;
	client->begun_ns = due_ns;
	load->turn_room -= load->turn_room > 0;
	load->tally->counts.begun++;
	load->tally->counts.under_way++;
	if (!wire_connect(&load->wires, &client->wire, tag, number))
		client_fail(load, client, FAULT_CONNECT, strerror(errno));
	load_mark_dirty(load, client);
}

/* Without a login it is online at once. */
static void secure(struct load *load, struct client *client)
{
	if (load->options->raw) {
		xml_enter(&client->xml);
		client->state = CLIENT_ONLINE;
		load_client_online(load, client);
		return;
	}
	client->state = CLIENT_FEATURES;
	if (startalk_is(load))
		startalk_secured(load, client);
	else
		login_stream_open(load, client);
}

static void connected(struct load *load, struct client *client)
{
	if (load->options->direct) {
		client_start_tls(load, client);
	} else if (startalk_is(load)) {
		startalk_connected(load, client);
	} else {
		client->state = CLIENT_OFFER;
		login_stream_open(load, client);
	}
}

/* ---- reading */

static void element_read(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	if (event->stream_prefix && xml_is_equal(bytes, event->name, "error")) {
		char condition[64] = "";
		size_t len = event->child.len < sizeof condition ? event->child.len : sizeof condition - 1;
		memcpy(condition, bytes + event->child.at, len);
		if (load_is_slow_reader(load, client))
			disconnected(load, client, 0, condition);
		else
			client_fail(load, client, FAULT_STREAM_ERROR, condition);
	} else {
		login_element(load, client, event, bytes);
	}
}

/*
 * What the stream's header declares. Servers declare the same for all, so that a few are enough for all clients. False:
 * too much, or too many.
 */
static bool scope_keep(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	struct xml_scope *scope;
	unsigned at = 1;
	size_t size;

	client->scope = 0;
	if (xml_scope_measure(bytes, event, &size) != XML_ERROR_NONE)
		return false;
	if (!size)
		return true;
	scope = calloc(1, size);
	assert(scope);
	xml_scope_keep(scope, bytes, event);
	while (at < LOAD_SCOPES_MAX && load->scopes[at].at &&
	       (load->scopes[at].size != size || memcmp(load->scopes[at].at, scope, size) != 0))
		at++;
	if (at < LOAD_SCOPES_MAX && !load->scopes[at].at) {
		load->scopes[at].at = scope;
		load->scopes[at].size = size;
	} else {
		free(scope);
	}
	client->scope = (uint8_t)at;
	return at < LOAD_SCOPES_MAX;
}

static const struct xml_scope *scope_of(const struct load *load, const struct client *client)
{
	return client->scope ? load->scopes[client->scope].at : &xml_scope_usual;
}

/* One item; false: no more can be read now. */
static bool item_read(struct load *load, struct client *client, const uint8_t *bytes, size_t len, size_t *used)
{
	struct xml_work *work = client->rest ? client->rest->work : load->work;
	struct xml_event event;

	xml_next_within(&client->xml, work, &limits, scope_of(load, client), bytes, len, &event);
	*used = event.used;
	if (event.is == XML_ELEMENT)
		element_read(load, client, &event, bytes);
	else if (event.is == XML_HEADER && !scope_keep(load, client, &event, bytes))
		client_fail(load, client, FAULT_XML, "the stream's header declares too much");
	else if (event.is == XML_BAD)
		client_fail(load, client, FAULT_XML, xml_error_text(event.error));
	else if (event.is == XML_FOOTER)
		disconnected(load, client, 0, "by the server, in order");
	return event.is != XML_MORE && client->state != CLIENT_ENDED && client->state != CLIENT_TLS;
}

/*
 * What is left over stays with the client, and the work with it if it holds a part of it. The bytes may be the rest of
 * last time.
 */
static void rest_keep(struct load *load, struct client *client, const uint8_t *bytes, size_t len)
{
	struct rest *old = client->rest;

	if (client->state == CLIENT_ENDED)
		return;
	if (!len && !xml_is_partial(&client->xml)) {
		rest_free(client);
		return;
	}
	if (old && bytes == old->bytes) { /* nothing was used: it may only have grown */
		old->len = len;
		return;
	}
	client->rest = malloc(sizeof *client->rest + len);
	assert(client->rest);
	*client->rest = (struct rest){.work = old ? old->work : load->work, .len = len, .cap = len};
	memcpy(client->rest->bytes, bytes, len);
	free(old);
	if (!old) {
		load->work = aligned_alloc(64, xml_work_bytes());
		assert(load->work);
	}
}

/* Puts the text behind the rest. */
static void rest_grow(struct client *client, const struct wire_input *text)
{
	struct rest *rest = client->rest;
	size_t wanted = rest->len + text->len;

	if (wanted > rest->cap) {
		rest = realloc(rest, sizeof *rest + 2 * wanted);
		assert(rest);
		rest->cap = 2 * wanted;
		client->rest = rest;
	}
	memcpy(rest->bytes + rest->len, text->at, text->len);
	rest->len = wanted;
}

/* Everything that is whole; answers how many bytes that was. */
static size_t items_read(struct load *load, struct client *client, const uint8_t *bytes, size_t len)
{
	size_t at = 0, used;

	if (startalk_is(load))
		return startalk_read(load, client, bytes, len);
	while (item_read(load, client, bytes + at, len - at, &used))
		at += used;
	return at + used;
}

static void text_read(struct load *load, struct client *client, const struct wire_input *text)
{
	const uint8_t *bytes = text->at;
	size_t len = text->len, used;

	load->tally->counts.text_received += len;
	if (client->rest) {
		rest_grow(client, text);
		bytes = client->rest->bytes;
		len = client->rest->len;
	}
	used = items_read(load, client, bytes, len);
	if (client->state == CLIENT_TLS || client->state == CLIENT_ENDED) /* behind <proceed/> TLS begins */
		rest_free(client);
	else
		rest_keep(load, client, bytes + used, len - used);
}

static void input_read(struct load *load, struct client *client, const struct io_done *done)
{
	struct wire_input input = {done->bytes, (size_t)done->result}, text;
	enum wire_found found = WIRE_TEXT;
	const char *why = "";

	while (client->state != CLIENT_ENDED && (found == WIRE_TEXT || found == WIRE_SECURE)) {
		found = wire_read(&load->wires, &client->wire, &input, &text, &why, secured, load);
		if (found == WIRE_TEXT) {
			text_read(load, client, &text);
		} else if (found == WIRE_SECURE) {
			client->exporter = load->exporter;
			load->exporter = NULL;
			secure(load, client);
		}
	}
	if (found == WIRE_END)
		disconnected(load, client, 0, "by the server");
	else if (found == WIRE_BAD)
		client_fail(load, client, client->state == CLIENT_TLS ? FAULT_TLS : FAULT_DISCONNECTED, why);
}

void client_on_done(struct load *load, struct client *client, enum wire_op op, const struct io_done *done)
{
	int error = 0;

	switch (wire_complete(&load->wires, &client->wire, op, done, &error)) {
	case WIRE_CONNECTED:
		connected(load, client);
		break;
	case WIRE_INPUT:
		if (client->state != CLIENT_ENDED)
			input_read(load, client, done);
		break;
	case WIRE_LOST:
		if (client->state != CLIENT_ENDED)
			disconnected(load, client, error, error ? strerror(error) : "by the server");
		wire_kill(&load->wires, &client->wire);
		break;
	case WIRE_NOTHING:
		break;
	}
	load_mark_dirty(load, client);
}

void client_flush(struct load *load, struct client *client)
{
	if (client->wire.life == WIRE_GONE ? client->state == CLIENT_ENDED : wire_flush(&load->wires, &client->wire))
		load_client_gone(load, client);
}
