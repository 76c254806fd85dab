#include "backend_hand.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static size_t blocks;

static void *resize(void *context, void *old, size_t len)
{
	(void)context;
	blocks += (len > 0) - (old != NULL);
	if (len > 0)
		return realloc(old, len);
	free(old);
	return NULL;
}

static const struct memory memory = {.resize = resize};
static const struct link_self self = {.name = "session-1", .epoch = 0x0123456789abcdef};
struct backend backend;
struct backend_link links[LINKS_MAX];
size_t link_count; /* the last one is the one at hand */
struct backend_session *sessions[SESSIONS_MAX];
const uint64_t gate_epoch = 0xfedcba9876543210;

void hand_begin(void)
{
	backend_init(&backend, &memory, WAITING_MAX);
	memset(sessions, 0, sizeof sessions);
	link_count = 0;
}

void hand_end(void)
{
	backend_free(&backend);
	cr_assert(blocks == 0, "%zu blocks are left", blocks);
}

struct backend_link *the_link(void)
{
	return &links[link_count - 1];
}

struct backend_link *link_begin(uint64_t now_ms)
{
	cr_assert(link_count < LINKS_MAX);
	link_count++;
	backend_begin(&backend, the_link(), &self, now_ms);
	return the_link();
}

void hears(struct backend_link *link, const void *bytes, size_t len)
{
	memcpy(backend_room(link, len), bytes, len);
	backend_heard(link, len, 0);
}

/* A session's user is where its pointer stands. */
void keep(const struct backend_event *event)
{
	if (event->is != BACKEND_OPENED && event->is != BACKEND_ADOPT)
		return;
	cr_assert(event->session->number < SESSIONS_MAX);
	sessions[event->session->number] = event->session;
	event->session->user = &sessions[event->session->number];
}

void hears_frame(struct backend_link *link, enum frame_type type, frame_session session, size_t len)
{
	static uint8_t bytes[300000];
	frame_head(bytes, type, session, len);
	memset(bytes + FRAME_HEAD_BYTES, 'x', len);
	hears(link, bytes, FRAME_HEAD_BYTES + len);
}

void hears_ack(struct backend_link *link, uint64_t count)
{
	uint8_t ack[FRAME_ACK_BYTES];
	frame_ack(ack, count);
	hears(link, ack, sizeof ack);
}

struct backend_event next(struct backend_link *link)
{
	struct backend_event event;
	backend_next(link, &event);
	keep(&event);
	return event;
}

void expect(struct backend_link *link, enum backend_is is)
{
	struct backend_event event = next(link);
	cr_assert(event.is == is, "%d in place of %d", event.is, is);
}

void out_drop(struct backend_link *link)
{
	const uint8_t *bytes;
	backend_written(link, backend_out(link, &bytes));
}

/* The type of the first frame that went out, 0: none; and drops it. */
int went(struct backend_link *link)
{
	const uint8_t *bytes;
	struct frame frame;
	enum frame_error error;
	size_t len = backend_out(link, &bytes), used = frame_read(bytes, len, &frame, &error);
	backend_written(link, used);
	return used > 0 ? (int)frame.type : 0;
}

void gate_hello(struct backend_link *link, uint32_t window, uint32_t patience_ms)
{
	struct link gate;
	struct link_send hello;
	struct link_self gate_self = {
		.name = "gate-1/0", .epoch = gate_epoch, .window = window, .patience_ms = patience_ms};
	link_init(&gate, LINK_GATE, &gate_self, 0, &hello);
	hears(link, hello.bytes, hello.len);
	expect(link, BACKEND_UP);
	out_drop(link);
}

void state_send(struct backend_session *session, enum frame_stage stage)
{
	uint8_t bytes[128];
	struct frame_builder b;
	frame_begin(&b, bytes, sizeof bytes, FRAME_STATE, session->number);
	frame_put_int(&b, FIELD_STAGE, stage);
	frame_put_text(&b, FIELD_JID, "a@example.org/b");
	cr_assert(backend_send(session, bytes, frame_end(&b)));
}

void hears_open(struct backend_link *link, frame_session number)
{
	uint8_t bytes[128];
	struct frame_builder b;
	frame_begin(&b, bytes, sizeof bytes, FRAME_OPEN, number);
	frame_put_text(&b, FIELD_DOMAIN, "example.org");
	frame_put_text(&b, FIELD_STREAM_ID, "1");
	frame_put_text(&b, FIELD_ADDRESS, "192.0.2.1");
	hears(link, bytes, frame_end(&b));
}

struct backend_session *session_bound(struct backend_link *link, frame_session number)
{
	hears_open(link, number);
	expect(link, BACKEND_OPENED);
	state_send(sessions[number], FRAME_STAGE_AUTHENTICATED);
	state_send(sessions[number], FRAME_STAGE_BOUND);
	out_drop(link);
	return sessions[number];
}

struct backend_link *link_up(uint32_t window)
{
	struct backend_link *link = link_begin(0);
	gate_hello(link, window, 60000);
	return link;
}

/* The number of a session whose element the first frame that went out is, 0: none did; and drops it. */
frame_session went_to(struct backend_link *link)
{
	const uint8_t *bytes;
	struct frame frame;
	enum frame_error error;
	size_t len = backend_out(link, &bytes), used = frame_read(bytes, len, &frame, &error);
	frame_session to = used > 0 && frame.type == FRAME_ELEMENT ? frame.session : 0;
	backend_written(link, used);
	return to;
}

unsigned went_count(struct backend_link *link, frame_session to)
{
	unsigned count = 0;
	while (went_to(link) == to)
		count++;
	return count;
}

unsigned acked_calls;

void note_acked(struct backend_session *session)
{
	(void)session;
	acked_calls++;
}
