/*
 * Any bytes as what a Startalk client sends. The first byte says how the rest is taken: as frames with their lengths,
 * as the inside of one seal or another, as the payload of a signal; and which form of XML is asked for.
 *
 * Whatever comes of it as XML is one item that the tokenizer takes. And a message that went there comes back.
 */
#include "st_down.h"
#include "st_frame.h"
#include "st_up.h"
#include "xml.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { ARENA = 1 << 20, BYTES_MAX = 16384, INPUT_MAX = 4096 };

static struct st_view view = {.element_bytes_max = BYTES_MAX,
			      .bare = "a@b.c",
			      .full = "a@b.c/V[1]_P[Mac]_ID[2]_C[1]_PB",
			      .now_ms = 1614599258867,
			      .random = 7,
			      .auth_id = "id",
			      .session_key = "key"};
static struct st_arena arena;

static void item_check(const uint8_t *xml, size_t len, bool header)
{
	static const struct xml_limits limits = {.element_bytes_max = BYTES_MAX,
						 .elements_max = 5000,
						 .depth_max = 16,
						 .attributes_max = 64,
						 .name_bytes_max = 1024,
						 .namespaces_max = 16};
	static struct xml_work *work;
	struct xml_event event;
	struct xml x;

	if (work == NULL)
		work = aligned_alloc(64, (xml_work_bytes() + 63) / 64 * 64);
	if (header)
		xml_restart(&x);
	else
		xml_enter(&x);
	xml_next(&x, work, &limits, xml, len, &event);
	assert(event.is == (header ? XML_HEADER : XML_ELEMENT) && event.used == len);
}

static void back_check(const struct st_up *up, const struct st_packet *packet)
{
	struct st_down down;
	struct st_packet back;
	struct st_frame frame;

	st_down(&arena, &view, up->xml, up->xml_len, &down);
	assert(down.is == ST_DOWN_FRAME || arena.spent);
	if (down.is != ST_DOWN_FRAME)
		return;
	assert(st_frame_read(down.frame.at, down.frame.len, SIZE_MAX, &frame) == ST_FRAME_WHOLE);
	assert(st_packet_open(&arena, (uint8_t *)(uintptr_t)frame.at, frame.len, 4 * BYTES_MAX, &back) == ST_OPENED ||
	       arena.spent);
	if (arena.spent)
		return;
	assert(back.signal == packet->signal && back.message->messagetype == packet->message->messagetype);
	assert(strcmp(back.message->body->value, packet->message->body->value) == 0);
}

static void frame_take(uint8_t *frame, size_t len)
{
	struct st_packet packet;
	struct st_up up;

	if (st_packet_open(&arena, frame, len, BYTES_MAX, &packet) != ST_OPENED)
		return;
	st_up(&arena, &view, &packet, &up);
	if (up.is != ST_UP_ELEMENT)
		return;
	item_check(up.xml, up.xml_len, packet.is == ST_PAYLOAD_WELCOME);
	if (packet.is == ST_PAYLOAD_MESSAGE)
		back_check(&up, &packet);
}

static void stream_take(uint8_t *bytes, size_t len)
{
	struct st_frame frame;

	while (st_frame_read(bytes, len, BYTES_MAX, &frame) == ST_FRAME_WHOLE) {
		if (frame.len > 0)
			frame_take((uint8_t *)(uintptr_t)frame.at, frame.len);
		bytes += frame.used;
		len -= frame.used;
	}
}

/* The rest is the inside of a seal, as it will be when it is opened. */
static void sealed_take(uint8_t *bytes, size_t len, enum st_seal seal)
{
	Startalk__ProtoHeader header = STARTALK__PROTO_HEADER__INIT;
	uint8_t *frame;

	header.has_options = header.has_message = true;
	header.options = (int32_t)seal;
	header.message = (ProtobufCBinaryData){.data = bytes, .len = len};
	if (seal == ST_SEAL_TEA)
		st_tea_seal(bytes, len);
	if (seal == ST_SEAL_GZIP)
		header.message.data = st_gzip_seal(&arena, bytes, len, &header.message.len);
	frame = st_arena_take(&arena, len + 256);
	frame_take(frame, protobuf_c_message_pack(&header.base, frame));
}

static void payload_take(uint8_t *bytes, size_t len, int32_t signal)
{
	Startalk__ProtoMessage outer = STARTALK__PROTO_MESSAGE__INIT;
	uint8_t *plain = st_arena_take(&arena, len + 64);

	outer.signaltype = signal;
	outer.to = st_as_field("b@b.c");
	outer.has_message = true;
	outer.message = (ProtobufCBinaryData){.data = bytes, .len = len};
	sealed_take(plain, protobuf_c_message_pack(&outer.base, plain), ST_SEAL_PLAIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const int32_t signals[16] = {1, 2, 6, 7, 10, 13, 14, 45, 51, 100, 106, 110, 132, 136, 15, 17};
	static uint8_t *block, *copy;

	if (block == NULL) {
		block = aligned_alloc(16, ARENA);
		xml_kernel_choose("scalar");
	}
	if (len < 1 || len > INPUT_MAX)
		return 0;
	st_arena_init(&arena, block, ARENA);
	copy = st_arena_take(&arena, len);
	memcpy(copy, bytes + 1, len - 1);
	view.native = bytes[0] & 1;
	switch (bytes[0] >> 1 & 7) {
	case 0:
		stream_take(copy, len - 1);
		break;
	case 1:
		sealed_take(copy, len - 1, ST_SEAL_PLAIN);
		break;
	case 2:
		sealed_take(copy, len - 1, bytes[0] & 16 ? ST_SEAL_TEA : ST_SEAL_GZIP);
		break;
	default:
		payload_take(copy, len - 1, signals[bytes[0] >> 4]);
	}
	return 0;
}
