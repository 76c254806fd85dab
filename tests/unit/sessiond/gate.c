#include "gate.h"
#include "base64.h"
#include <criterion/criterion.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000, WAIT_MS = 60000, READ_BYTES = 1 << 16 };

static int connection(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int connect_to(int fd, const char *socket_path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	cr_assert_lt(strlen(socket_path), sizeof address.sun_path);
	strcpy(address.sun_path, socket_path);
	return connect(fd, (struct sockaddr *)&address, sizeof address);
}

void gate_await_server(const char *socket_path)
{
	int fd = connection();
	for (int waited_ms = 0; connect_to(fd, socket_path) != 0; waited_ms += 5) {
		cr_assert_lt(waited_ms, WAIT_MS, "nobody listens at %s", socket_path);
		usleep(5000);
	}
	close(fd);
}

void gate_dial(struct gate *gate, const char *socket_path)
{
	static uint64_t epochs = 7;
	*gate = (struct gate){.fd = connection(), .epoch = epochs++};
	cr_assert_eq(connect_to(gate->fd, socket_path), 0);
}

void gate_end(struct gate *gate)
{
	close(gate->fd);
	free(gate->in);
	*gate = (struct gate){.fd = -1};
}

void gate_send(struct gate *gate, const void *bytes, size_t len)
{
	while (len > 0) {
		ssize_t put = send(gate->fd, bytes, len, MSG_NOSIGNAL);
		if (put <= 0)
			return; /* the server has closed the link: the test sees that when it reads */
		bytes = (const uint8_t *)bytes + put;
		len -= (size_t)put;
	}
}

void gate_send_hello(struct gate *gate)
{
	struct link link;
	struct link_send hello;
	struct link_self self = {
		.name = "gate-1", .software = "test", .epoch = gate->epoch, .patience_ms = gate->patience_ms};
	link_init(&link, LINK_GATE, &self, 0, &hello);
	gate_send(gate, hello.bytes, hello.len);
}

static void greet(struct gate *gate, unsigned domains)
{
	struct frame frame;
	gate_send_hello(gate);
	gate_expect(gate, FRAME_HELLO, 0, &frame);
	for (unsigned i = 0; i < domains; i++)
		gate_expect(gate, FRAME_DOMAIN, 0, &frame);
}

void gate_begin(struct gate *gate, const char *socket_path, unsigned domains)
{
	gate_dial(gate, socket_path);
	greet(gate, domains);
}

void gate_begin_patient(struct gate *gate, const char *socket_path, unsigned domains)
{
	gate_dial(gate, socket_path);
	gate->patience_ms = PATIENCE_MS;
	greet(gate, domains);
}

void gate_begin_again(struct gate *gate, const char *socket_path, unsigned domains, uint64_t epoch)
{
	gate_dial(gate, socket_path);
	gate->epoch = epoch;
	gate->patience_ms = PATIENCE_MS;
	greet(gate, domains);
}

void gate_send_frame(struct gate *gate, enum frame_type type, frame_session session, const char *payload)
{
	size_t len = strlen(payload);
	uint8_t *frame = malloc(FRAME_HEAD_BYTES + len);
	/* By hand: frame_head would refuse what tests must be able to send. */
	for (int i = 0; i < 4; i++)
		frame[i] = (uint8_t)((len + 8) >> (24 - 8 * i));
	frame[4] = (uint8_t)type;
	for (int i = 0; i < 7; i++)
		frame[5 + i] = (uint8_t)(session >> (48 - 8 * i));
	memcpy(frame + FRAME_HEAD_BYTES, payload, len);
	gate_send(gate, frame, FRAME_HEAD_BYTES + len);
	free(frame);
}

void gate_close(struct gate *gate, frame_session session, bool clean)
{
	uint8_t room[64];
	struct frame_builder close;
	frame_begin(&close, room, sizeof room, FRAME_CLOSE, session);
	frame_put_int(&close, FIELD_CLEAN, clean);
	gate_send(gate, room, frame_end(&close));
}

static void open_send(struct gate *gate, frame_session session, const char *domain, unsigned tls,
		      const uint8_t *exporter, const char *addresses)
{
	uint8_t room[2048];
	struct frame_builder open;
	frame_begin(&open, room, sizeof room, FRAME_OPEN, session);
	frame_put_text(&open, FIELD_DOMAIN, domain);
	frame_put_text(&open, FIELD_STREAM_ID, "5f1c9e0a");
	frame_put_text(&open, FIELD_ADDRESS, "192.0.2.1");
	frame_put_int(&open, FIELD_PORT, 51234);
	if (tls)
		frame_put_int(&open, FIELD_TLS_VERSION, tls);
	if (exporter)
		frame_put(&open, FIELD_TLS_EXPORTER, exporter, 32);
	if (addresses)
		frame_put_text(&open, FIELD_CLIENT_CERT_XMPP_ADDR, addresses);
	size_t len = frame_end(&open);
	cr_assert_gt(len, 0);
	gate_send(gate, room, len);
}

void gate_open(struct gate *gate, frame_session session, const char *domain, const uint8_t *exporter)
{
	open_send(gate, session, domain, 0x0304, exporter, NULL);
}

void gate_open_certificate(struct gate *gate, frame_session session, const char *domain, const char *addresses)
{
	open_send(gate, session, domain, 0x0304, NULL, addresses);
}

void gate_open_plain(struct gate *gate, frame_session session, const char *domain)
{
	open_send(gate, session, domain, 0, NULL, NULL);
}

static uint64_t serial_next(void)
{
	static uint64_t serial = 1;
	return serial++;
}

void gate_reattach(struct gate *gate, frame_session session, uint32_t received)
{
	uint8_t bytes[64];
	struct frame_builder reattach;
	frame_begin(&reattach, bytes, sizeof bytes, FRAME_REATTACH, session);
	frame_put_int(&reattach, FIELD_RECEIVED, received);
	frame_put_int(&reattach, FIELD_SERIAL, serial_next());
	gate_send(gate, bytes, frame_end(&reattach));
}

void gate_adopt(struct gate *gate, frame_session session, const char *full_jid, uint32_t received, uint32_t acked)
{
	uint8_t bytes[1024];
	struct frame_builder adopt;
	frame_begin(&adopt, bytes, sizeof bytes, FRAME_ADOPT, session);
	frame_put_text(&adopt, FIELD_DOMAIN, strchr(full_jid, '@') + 1);
	frame_put_text(&adopt, FIELD_ADDRESS, "192.0.2.1");
	frame_put_text(&adopt, FIELD_JID, full_jid);
	frame_put_int(&adopt, FIELD_RECEIVED, received);
	frame_put_int(&adopt, FIELD_ACKED, acked);
	frame_put_int(&adopt, FIELD_STANZAS_IN, acked);
	frame_put_int(&adopt, FIELD_STANZAS_OUT, received);
	frame_put_int(&adopt, FIELD_SERIAL, serial_next());
	gate_send(gate, bytes, frame_end(&adopt));
}

uint32_t gate_expect_attached(struct gate *gate, frame_session session)
{
	struct frame frame;
	gate_expect(gate, FRAME_ATTACHED, session, &frame);
	return frame_find_int(&frame, FIELD_RECEIVED, UINT32_MAX);
}

void gate_put(struct gate *gate, frame_session session, const char *format, ...)
{
	char *xml;
	va_list arguments;
	va_start(arguments, format);
	cr_assert_geq(vasprintf(&xml, format, arguments), 0);
	va_end(arguments);
	gate_send_frame(gate, FRAME_ELEMENT, session, xml);
	free(xml);
}

static bool gate_fill(struct gate *gate)
{
	struct pollfd ready = {.fd = gate->fd, .events = POLLIN};
	if (gate->cap - gate->len < READ_BYTES) {
		gate->cap = gate->cap ? gate->cap * 2 : 2 * READ_BYTES;
		gate->in = realloc(gate->in, gate->cap);
	}
	cr_assert_eq(poll(&ready, 1, WAIT_MS), 1, "the server says nothing");
	ssize_t got = recv(gate->fd, gate->in + gate->len, READ_BYTES, 0);
	if (got <= 0)
		return false;
	gate->len += (size_t)got;
	return true;
}

static void gate_ack(struct gate *gate)
{
	uint8_t ack[FRAME_ACK_BYTES];
	frame_ack(ack, ++gate->taken);
	if (gate->acks_nothing)
		return;
	gate_send(gate, ack, sizeof ack);
}

static bool gate_take(struct gate *gate, struct frame *ret)
{
	enum frame_error error;
	if (gate->used > 0)
		memmove(gate->in, gate->in + gate->used, gate->len - gate->used);
	gate->len -= gate->used;
	gate->used = 0;
	gate->fanout.count = gate->fanned = 0;
	while (gate->len == 0 || (gate->used = frame_read(gate->in, gate->len, ret, &error)) == 0) {
		if (gate->len > 0)
			cr_assert_eq(error, FRAME_ERROR_NONE, "the server sends what is no frame");
		if (!gate_fill(gate))
			return false;
	}
	return true;
}

static void on_ack(struct gate *gate, const struct frame *frame)
{
	gate->acked = frame_ack_count(frame);
}

void gate_await_ack(struct gate *gate, uint64_t count)
{
	struct frame frame;
	while (gate->acked < count) {
		cr_assert(gate_take(gate, &frame));
		if (frame.type == FRAME_ACK)
			on_ack(gate, &frame);
	}
}

/* A FANOUT is what so many elements would be (docs/link-protocol.md, section 5). */
static bool fan(struct gate *gate, struct frame *ret)
{
	if (gate->fanned == gate->fanout.count)
		return false;
	*ret = (struct frame){FRAME_ELEMENT, frame_fanout_session(&gate->fanout, gate->fanned++), gate->fanout.element,
			      gate->fanout.element_len};
	return true;
}

static bool next(struct gate *gate, struct frame *ret)
{
	if (fan(gate, ret))
		return true;
	for (;;) {
		if (!gate_take(gate, ret))
			return false;
		if (ret->type != FRAME_ACK)
			break;
		on_ack(gate, ret);
	}
	if (frame_is_numbered(ret->type))
		gate_ack(gate);
	if (ret->type == FRAME_FANOUT) {
		gate->fanout = frame_fanout(ret);
		gate->fanouts++;
		fan(gate, ret);
	}
	return true;
}

static bool is_request(const struct frame *frame)
{
	static const char xml[] = "<r xmlns='urn:xmpp:sm:3'/>";
	return frame->type == FRAME_ELEMENT && frame->payload_len == sizeof xml - 1 &&
	       memcmp(frame->payload, xml, sizeof xml - 1) == 0;
}

bool gate_next(struct gate *gate, struct frame *ret)
{
	for (; next(gate, ret); gate->requests++) {
		if (!gate->counts_requests || !is_request(ret))
			return true;
	}
	return false;
}

void gate_expect(struct gate *gate, enum frame_type type, frame_session session, struct frame *ret)
{
	cr_assert(gate_next(gate, ret), "the link has ended; %s was expected", frame_type_name(type));
	cr_assert_eq(ret->type, type, "%s of %lu in place of %s of %lu: %.*s", frame_type_name(ret->type),
		     (unsigned long)ret->session, frame_type_name(type), (unsigned long)session, (int)ret->payload_len,
		     (const char *)ret->payload);
	cr_assert_eq(ret->session, session);
}

const char *gate_expect_element(struct gate *gate, frame_session session, const char *part)
{
	static char text[1 << 16];
	struct frame frame;
	gate_expect(gate, FRAME_ELEMENT, session, &frame);
	snprintf(text, sizeof text, "%.*s", (int)frame.payload_len, (const char *)frame.payload);
	cr_assert(strstr(text, part), "%s\n is not in\n%s", part, text);
	return text;
}

void gate_expect_close(struct gate *gate, frame_session session, const char *condition)
{
	struct frame frame;
	struct frame_value value;
	gate_expect(gate, FRAME_CLOSE, session, &frame);
	bool has = frame_find(&frame, FIELD_CONDITION, &value);
	cr_assert_eq(has, condition != NULL);
	if (condition)
		cr_assert(value.len == strlen(condition) && memcmp(value.at, condition, value.len) == 0, "%.*s for %s",
			  (int)value.len, (const char *)value.at, condition);
}

void gate_expect_end(struct gate *gate)
{
	struct frame frame;
	cr_assert_not(gate_next(gate, &frame), "%s came", frame_type_name(frame.type));
}

void gate_expect_quiet(struct gate *gate)
{
	struct frame frame;
	gate_send_frame(gate, FRAME_PING, 0, "quiet?");
	gate_expect(gate, FRAME_PONG, 0, &frame);
	cr_assert_eq(frame.payload_len, 6);
}

void gate_login(struct gate *gate, frame_session session, const char *name, const char *password)
{
	char message[256] = "", text[512];
	struct frame frame;
	size_t name_len = strlen(name), password_len = strlen(password);
	cr_assert_lt(name_len + password_len + 2, sizeof message);
	memcpy(message + 1, name, name_len);
	memcpy(message + 1 + name_len + 1, password, password_len);
	base64_encode((uint8_t *)message, name_len + password_len + 2, text);
	gate_put(gate, session, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", text);
	gate_expect(gate, FRAME_STATE, session, &frame);
	cr_assert_eq(frame_find_int(&frame, FIELD_STAGE, 0), 1);
	gate_expect_element(gate, session, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'");
}

void gate_bind(struct gate *gate, frame_session session, const char *jid, const char *resource)
{
	char full[256];
	struct frame frame;
	struct frame_value value;
	snprintf(full, sizeof full, "%s/%s", jid, resource);
	gate_put(gate, session,
		 "<iq type='set' id='b'><bind "
		 "xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>%s</resource></bind></iq>",
		 resource);
	gate_expect(gate, FRAME_STATE, session, &frame);
	cr_assert_eq(frame_find_int(&frame, FIELD_STAGE, 0), 2);
	cr_assert(frame_find(&frame, FIELD_JID, &value));
	cr_assert(value.len == strlen(full) && memcmp(value.at, full, value.len) == 0);
	gate_expect_element(gate, session, full);
}

void gate_session(struct gate *gate, frame_session session, const char *jid, const char *password, const char *resource)
{
	size_t len = strcspn(jid, "@");
	char *name = strndup(jid, len);
	gate_open(gate, session, jid + len + 1, NULL);
	gate_login(gate, session, name, password);
	gate_bind(gate, session, jid, resource);
	free(name);
}
