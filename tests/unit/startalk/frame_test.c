#include "desk.h"
#include "st_frame.h"
#include "st_wire.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Test(startalk_frame, is_found_however_it_is_cut)
{
	uint8_t bytes[400] = {0xac, 0x02};
	struct st_frame found;

	for (size_t len = 0; len < 302; len++)
		cr_assert_eq(st_frame_read(bytes, len, 300, &found), ST_FRAME_MORE, "%zu", len);
	for (size_t len = 302; len < 400; len++) {
		cr_assert_eq(st_frame_read(bytes, len, 300, &found), ST_FRAME_WHOLE);
		cr_assert(found.at == bytes + 2 && found.len == 300 && found.used == 302);
	}
	cr_assert_eq(st_frame_read(bytes, 2, 299, &found), ST_FRAME_BAD);
}

Test(startalk_frame, of_no_bytes_is_one)
{
	struct st_frame found;

	cr_assert_eq(st_frame_read((const uint8_t *)"\0\0", 2, 10, &found), ST_FRAME_WHOLE);
	cr_assert(found.len == 0 && found.used == 1);
}

Test(startalk_frame, has_a_length_of_four_bytes_at_most)
{
	struct st_frame found;

	cr_assert_eq(st_frame_read((const uint8_t *)"\x80\x80\x80\x80", 4, SIZE_MAX, &found), ST_FRAME_BAD);
	cr_assert_eq(st_frame_read((const uint8_t *)"\xff\xff\xff\xff\x01", 5, SIZE_MAX, &found), ST_FRAME_BAD);
	cr_assert_eq(st_frame_read((const uint8_t *)"\xff\xff\xff", 3, SIZE_MAX, &found), ST_FRAME_MORE);
	cr_assert_eq(st_frame_read((const uint8_t *)"\x83\x80\x80\x00"
						    "abc",
				   7, 3, &found),
		     ST_FRAME_WHOLE);
	cr_assert(found.len == 3 && found.used == 7);
}

Test(startalk_frame, lengths_are_written_as_they_are_read)
{
	static const size_t lengths[] = {0, 1, 127, 128, 16383, 16384, 2097151, 2097152, (1 << 28) - 1};
	uint8_t head[ST_LENGTH_BYTES_MAX];
	struct st_frame found;

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		size_t len = st_frame_length(lengths[i], head);

		cr_assert_eq(st_frame_read(head, len, lengths[i], &found),
			     lengths[i] == 0 ? ST_FRAME_WHOLE : ST_FRAME_MORE);
		if (lengths[i] > 0)
			cr_assert_eq(st_frame_read(head, len, lengths[i] - 1, &found), ST_FRAME_BAD);
	}
}

/* The published vector: eight bytes of zero, with a key of zeroes. */
Test(startalk_seal, tea_is_tea)
{
	static const uint8_t expected[] = {0x41, 0xea, 0x3a, 0x0a, 0x94, 0xba, 0xa9, 0x40, 1, 2, 3};
	uint8_t bytes[11] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3};

	st_tea_seal(bytes, sizeof bytes);
	cr_assert_arr_eq(bytes, expected, sizeof bytes);
	st_tea_open(bytes, sizeof bytes);
	cr_assert(bytes[0] == 0 && bytes[7] == 0 && bytes[8] == 1);
}

Test(startalk_seal, gzip_opens_what_it_sealed)
{
	static uint8_t text[100000];
	size_t lengths[] = {0, 1, 200, 65536, sizeof text};

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(i * i >> 5);
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		size_t len, again;
		uint8_t *sealed, *opened;

		desk_clear(true);
		sealed = st_gzip_seal(&desk_arena, text, lengths[i], &len);
		cr_assert_not_null(sealed);
		opened = st_gzip_open(&desk_arena, sealed, len, lengths[i], &again);
		cr_assert(opened != NULL && again == lengths[i] && memcmp(opened, text, again) == 0);
		cr_assert(lengths[i] == 0 || st_gzip_open(&desk_arena, sealed, len, lengths[i] - 1, &again) == NULL);
	}
}

Test(startalk_seal, gzip_takes_one_whole_member_and_nothing_more)
{
	uint8_t text[300] = "some text", *sealed, more[512];
	size_t len, again;

	desk_clear(true);
	sealed = st_gzip_seal(&desk_arena, text, sizeof text, &len);
	memcpy(more, sealed, len);
	more[len] = 0;
	cr_assert_not_null(st_gzip_open(&desk_arena, more, len, 300, &again));
	cr_assert_null(st_gzip_open(&desk_arena, more, len + 1, 300, &again));
	for (size_t cut = 0; cut < len; cut++)
		cr_assert_null(st_gzip_open(&desk_arena, more, cut, 300, &again), "%zu", cut);
	more[len - 8] ^= 1; /* its checksum */
	cr_assert_null(st_gzip_open(&desk_arena, more, len, 300, &again));
}

/* A thousandfold: what it opens to is never held. */
Test(startalk_seal, a_bomb_is_refused_within_the_bound)
{
	static uint8_t zeroes[3 << 20];
	uint8_t *bomb, *own;
	size_t len, used, again;

	desk_clear(true);
	bomb = st_gzip_seal(&desk_arena, zeroes, sizeof zeroes, &len);
	cr_assert(len < sizeof zeroes / 100);
	own = malloc(len);
	memcpy(own, bomb, len);
	st_arena_clear(&desk_arena);
	used = desk_arena.used;
	desk_arena.cap = (256 + 64) << 10;
	cr_assert_null(st_gzip_open(&desk_arena, own, len, 256 << 10, &again));
	cr_assert(!desk_arena.spent && desk_arena.used <= used + (257 << 10));
	free(own);
}

/* ---- what stands in a frame */

static enum st_opened open_hex(const char *hex)
{
	uint8_t bytes[1024];
	struct st_packet packet;
	size_t len = strlen(hex) / 2;

	desk_clear(true);
	for (size_t i = 0; i < len; i++)
		cr_assert_eq(sscanf(hex + 2 * i, "%2hhx", &bytes[i]), 1);
	return st_packet_open(&desk_arena, bytes, len, 512, &packet);
}

Test(startalk_packet, bad_ones_are_told_apart)
{
	static const struct {
		const char *hex, *what;
		enum st_opened is;
	} cases[] = {
		{"100032021064", "a Welcome", ST_OPENED},
		{"32021064", "a Welcome, options absent", ST_OPENED},
		{"100232021064", "options of 2", ST_OPENED_BAD},
		{"10053204106a2a00", "a StartTLS", ST_OPENED},
		{"1005", "no message", ST_OPENED_BAD},
		{"ff", "no tag", ST_OPENED_BAD},
		{"1000320210", "cut", ST_OPENED_BAD},
		{"10003200", "no signal", ST_OPENED_BAD},
		{"100132021064", "no gzip", ST_OPENED_BAD},
		{"100032031081 01", "another signal", ST_OPENED_UNKNOWN},
		{"100032061007 2a020801", "a message that lacks two fields", ST_OPENED_ODD},
		{"1000320c10072a080801100118002a00", "a message", ST_OPENED},
		{"10003206 1a02c3281064", "ill-formed UTF-8 in from", ST_OPENED_BAD},
		{"10003208 1a0400616200 1064", "NUL in from", ST_OPENED_BAD},
		{"1000320810642a040a02c328", "ill-formed UTF-8 in a domain", ST_OPENED_ODD},
		{"1000320810642a040a02010a", "a control character in a domain", ST_OPENED_ODD},
		{"1000320910642a050a03efbfbe", "U+FFFE in a domain", ST_OPENED_ODD},
		{"1000320910642a050a03eda080", "a surrogate in a domain", ST_OPENED_ODD},
		{"1000320810642a040a02c080", "an overlong NUL in a domain", ST_OPENED_ODD},
		{"1000320a10642a060a04f09f9880", "an emoji in a domain", ST_OPENED},
		{"1000320610642a020801", "a domain that is a number", ST_OPENED_ODD},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char hex[256] = "";

		for (const char *at = cases[i].hex; *at != '\0'; at++)
			if (*at != ' ')
				strncat(hex, at, 1);
		cr_assert_eq((int)open_hex(hex), (int)cases[i].is, "%s: %d", cases[i].what, (int)open_hex(hex));
	}
}

/* bodys in bodys in bodys: the library would follow them to the end of its stack. */
static enum st_opened open_nested(unsigned depth)
{
	Startalk__MessageBody bodies[64], *at[64];
	Startalk__IQMessage iq = STARTALK__IQMESSAGE__INIT;
	Startalk__ProtoMessage outer = STARTALK__PROTO_MESSAGE__INIT;
	struct st_packet packet;
	struct st_bytes frame;

	desk_clear(true);
	for (unsigned i = 0; i < depth; i++) {
		startalk__message_body__init(&bodies[i]);
		at[i] = &bodies[i];
		if (i > 0) {
			bodies[i - 1].n_bodys = 1;
			bodies[i - 1].bodys = &at[i];
		}
	}
	outer.signaltype = ST_SIGNAL_IQ;
	iq.body = &bodies[0];
	cr_assert(st_packet_write(&desk_arena, &outer, &iq.base, &frame));
	return desk_open(&frame, &packet);
}

Test(startalk_packet, nesting_has_an_end)
{
	cr_assert_eq(open_nested(ST_WIRE_DEPTH_MAX - 1), ST_OPENED);
	cr_assert_eq(open_nested(ST_WIRE_DEPTH_MAX), ST_OPENED_ODD);
	cr_assert_eq(open_nested(60), ST_OPENED_ODD);
}

Test(startalk_packet, many_small_parts_are_refused_before_they_cost)
{
	static uint8_t body[2 * (ST_WIRE_FIELDS_MAX + 1)];
	size_t len = 0;

	while (len < sizeof body) {
		body[len++] = 0x0a; /* headers, of no bytes */
		body[len++] = 0;
	}
	cr_assert(st_wire_is_good(&startalk__message_body__descriptor, body, len - 2));
	cr_assert_not(st_wire_is_good(&startalk__message_body__descriptor, body, len));
}

Test(startalk_packet, wants_no_more_than_the_arena_has)
{
	Startalk__XmppMessage message = STARTALK__XMPP_MESSAGE__INIT;
	Startalk__MessageBody body = STARTALK__MESSAGE_BODY__INIT;
	Startalk__ProtoMessage outer = STARTALK__PROTO_MESSAGE__INIT;
	struct st_packet packet;
	struct st_bytes frame;
	uint8_t bytes[512];
	size_t whole;

	desk_clear(true);
	body.value = st_as_field("hello");
	message.body = &body;
	outer.signaltype = ST_SIGNAL_CHAT;
	cr_assert(st_packet_write_sealed(&desk_arena, &outer, &message.base, ST_SEAL_PLAIN, &frame));
	memcpy(bytes, frame.at, frame.len);
	whole = frame.len - 1; /* without its length, which is one byte */
	st_arena_clear(&desk_arena);
	cr_assert_eq(st_packet_open(&desk_arena, bytes + 1, whole, 512, &packet), ST_OPENED);
	for (size_t need = desk_arena.used, cap = 0; cap < need; cap++) {
		st_arena_clear(&desk_arena);
		desk_arena.cap = cap;
		cr_assert_neq(st_packet_open(&desk_arena, bytes + 1, whole, 512, &packet), ST_OPENED, "%zu", cap);
	}
}
