#include "client.h"
#include "load.h"
#include "login.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* What a stream may send here: more than any server should. */
static const struct xml_limits limits = {.element_bytes_max = LOAD_BUFFER_BYTES / 2,
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

static void poll_update(struct load *load, struct client *client)
{
	uint32_t wanted = EPOLLIN | (client->wire.wants_write ? EPOLLOUT : 0);
	struct epoll_event event = {.events = wanted, .data.ptr = client};

	if (wanted == client->polled)
		return;
	epoll_ctl(load->epoll, client->polled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, client->wire.fd, &event);
	client->polled = wanted;
}

static void client_close(struct load *load, struct client *client)
{
	if (client_is_online(client))
		load->online--;
	if (client_is_logging_in(client)) {
		load->under_way--;
		load->failed++;
	}
	client->state = CLIENT_ENDED;
	client->polled = 0;
	wire_close(&client->wire);
	login_end(client->login);
	free(client->work);
	free(client->rest);
	free(client->jid);
	client->login = NULL;
	client->work = NULL;
	client->rest = NULL;
	client->jid = NULL;
	load_client_gone(load, client);
}

void client_fail(struct load *load, struct client *client, enum fault fault, const char *detail)
{
	load_fault(load, fault, client->number, detail);
	client_close(load, client);
}

void client_expire(struct load *load, struct client *client)
{
	static const char *const states[] = {"new",
					     "connecting",
					     "awaiting features",
					     "awaiting proceed",
					     "TLS handshake",
					     "awaiting mechanisms",
					     "SASL",
					     "awaiting bind",
					     "binding"};

	client_fail(load, client, FAULT_LOGIN_SLOW, states[client->state]);
}

void client_end(struct load *load, struct client *client)
{
	if (client->state == CLIENT_NEW || client->state == CLIENT_ENDED)
		return;
	if (client_is_online(client)) {
		wire_put(&client->wire, "</stream:stream>", strlen("</stream:stream>"));
		wire_flush(&client->wire);
	}
	client_close(load, client);
}

static void tls_count(struct load *load, struct client *client)
{
	if (SSL_version(client->wire.ssl) == TLS1_3_VERSION)
		load->tls13++;
	else
		load->tls12++;
}

static void tls_go_on(struct load *load, struct client *client)
{
	enum wire_result result = wire_handshake(&client->wire, &load->target);
	char why[256];

	if (result == WIRE_DONE) {
		tls_count(load, client);
		client->state = CLIENT_FEATURES;
		login_stream_open(load, client);
	} else if (result != WIRE_AGAIN) {
		ERR_error_string_n(ERR_peek_error(), why, sizeof why);
		client_fail(load, client, FAULT_TLS,
			    ERR_peek_error()	 ? why
			    : result == WIRE_END ? "end"
						 : strerror(errno));
	}
}

void client_start_tls(struct load *load, struct client *client)
{
	client->state = CLIENT_TLS;
	tls_go_on(load, client);
}

void client_begin(struct load *load, struct client *client, unsigned number)
{
	*client = (struct client){.number = number, .state = CLIENT_CONNECTING, .begun_ns = clock_ns()};
	load->begun++;
	load->under_way++;
	if (wire_connect(&client->wire, &load->target, number) == WIRE_FAULT)
		client_fail(load, client, FAULT_CONNECT, strerror(errno));
	else
		poll_update(load, client);
}

static void connected(struct load *load, struct client *client)
{
	if (wire_connected(&client->wire) != WIRE_DONE) {
		client_fail(load, client, FAULT_CONNECT, strerror(errno));
	} else if (load->target.direct) {
		client_start_tls(load, client);
	} else {
		client->state = CLIENT_OFFER;
		login_stream_open(load, client);
	}
}

static void element_read(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes)
{
	if (event->stream_prefix && xml_is_equal(bytes, event->name, "error")) {
		char condition[64] = "";
		size_t len = event->child.len < sizeof condition ? event->child.len : sizeof condition - 1;
		memcpy(condition, bytes + event->child.at, len);
		client_fail(load, client, FAULT_STREAM_ERROR, condition);
	} else {
		login_element(load, client, event, bytes);
	}
}

/* One item; false: no more can be read now. */
static bool item_read(struct load *load, struct client *client, const uint8_t *bytes, size_t len, size_t *used)
{
	struct xml_event event;

	xml_next(&client->xml, client->work ? client->work : load->work, &limits, bytes, len, &event);
	*used = event.used;
	if (event.is == XML_ELEMENT)
		element_read(load, client, &event, bytes);
	else if (event.is == XML_BAD)
		client_fail(load, client, FAULT_XML, xml_error_text(event.error));
	else if (event.is == XML_FOOTER)
		client_fail(load, client, FAULT_DISCONNECTED, "by the server, in order");
	return event.is != XML_MORE && client->state != CLIENT_ENDED;
}

/* What is left of the buffer stays with the client, and the work with it if it holds a part of it. */
static void rest_keep(struct load *load, struct client *client, const uint8_t *bytes, size_t len)
{
	if (client->state == CLIENT_ENDED)
		return;
	if (xml_is_partial(&client->xml) && !client->work) {
		client->work = load->work;
		load->work = aligned_alloc(64, xml_work_bytes());
		assert(load->work);
	} else if (!xml_is_partial(&client->xml)) {
		free(client->work);
		client->work = NULL;
	}
	if (len) {
		client->rest = malloc(len);
		assert(client->rest);
		memcpy(client->rest, bytes, len);
	}
	client->rest_len = len;
}

/* `len` bytes were read behind the rest of last time, which stands in front of them in the buffer. */
static void text_read(struct load *load, struct client *client, size_t len)
{
	size_t at = 0, used;

	while (item_read(load, client, load->buffer + at, len - at, &used)) {
		at += used;
		/* Behind <proceed/> TLS begins. */
		if (client->state == CLIENT_TLS)
			return;
	}
	rest_keep(load, client, load->buffer + at + used, len - at - used);
}

static size_t rest_take(struct load *load, struct client *client)
{
	size_t len = client->rest_len;

	if (len)
		memcpy(load->buffer, client->rest, len);
	free(client->rest);
	client->rest = NULL;
	client->rest_len = 0;
	return len;
}

static void read_all(struct load *load, struct client *client)
{
	enum wire_result result = WIRE_DONE;
	size_t rest, len;

	while (result == WIRE_DONE && client->state != CLIENT_ENDED && client->state != CLIENT_TLS) {
		rest = rest_take(load, client);
		len = 0;
		result = wire_read(&client->wire, load->buffer + rest, LOAD_BUFFER_BYTES - rest, &len);
		if (result == WIRE_DONE)
			text_read(load, client, rest + len);
		else
			rest_keep(load, client, load->buffer, rest);
	}
	if (client->state != CLIENT_ENDED && (result == WIRE_END || result == WIRE_FAULT))
		client_fail(load, client, FAULT_DISCONNECTED, result == WIRE_END ? "by the server" : strerror(errno));
}

void client_on_ready(struct load *load, struct client *client, uint32_t events)
{
	if (client->state == CLIENT_ENDED)
		return;
	if (client->state == CLIENT_CONNECTING)
		connected(load, client);
	else if (client->state == CLIENT_TLS)
		tls_go_on(load, client);
	else if (events & EPOLLOUT)
		client_flush(load, client);
	/* A handshake's last read may have taken in what follows it. */
	if (client->state != CLIENT_ENDED && client->state != CLIENT_TLS && (events & ~EPOLLOUT))
		read_all(load, client);
	if (client->state != CLIENT_ENDED)
		poll_update(load, client);
}

void client_flush(struct load *load, struct client *client)
{
	if (client->state == CLIENT_ENDED || client->state == CLIENT_TLS)
		return;
	if (wire_flush(&client->wire) == WIRE_FAULT)
		client_fail(load, client, FAULT_DISCONNECTED, strerror(errno));
	else
		poll_update(load, client);
}
