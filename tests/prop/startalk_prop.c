/*
 * Startalk's dialect there and back, with random messages: what a client sends is, as XML and as a frame again, what it
 * sent; and the XML that this frame would be is the same XML.
 */
#include "desk.h"
#include "st_frame.h"
#include "xml.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 20000 };

static uint64_t seed;

static uint64_t random_below(uint64_t limit)
{
	seed += 0x9e3779b97f4a7c15;
	uint64_t z = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % limit;
}

/* Of all that may happen to a text. */
static const char *random_text(size_t pieces_min)
{
	static const char *const pieces[] = {"a",  "你",  "😀", "<", "&",  "'",	"\"",	"\r",	"\n",
					     "\t", "]]>", " ", "é", "\\", "{}", "&lt;", "\x7f", "\xf4\x8f\xbf\xbd",
					     "0",  "-1",  "/", "@"};
	char text[512] = "";
	size_t count = pieces_min + random_below(12);

	for (size_t i = 0; i < count; i++)
		strcat(text, pieces[random_below(sizeof pieces / sizeof pieces[0])]);
	if (random_below(20) == 0)
		for (size_t i = 0; i < 200; i++)
			strcat(text, "x");
	return st_arena_text(&desk_arena, text, strlen(text));
}

struct parts {
	Startalk__XmppMessage message;
	Startalk__MessageBody body;
	Startalk__StringHeader headers[8], *at[8];
	const char *from, *to;
	int32_t signal;
};

static void header(struct parts *p, const char *name, const char *value)
{
	Startalk__StringHeader *new = &p->headers[p->body.n_headers];
	int32_t number = st_header_number(name);

	startalk__string_header__init(new);
	new->value = st_as_field(value);
	new->has_definedkey = number != 0 && random_below(4) != 0;
	new->definedkey = number;
	new->key = new->has_definedkey &&random_below(2) ? NULL : st_as_field(name);
	p->at[p->body.n_headers++] = new;
}

static void parts_make(struct parts *p, bool native)
{
	static const int32_t signals[] = {6, 7, 10, 13, 14, 15, 17, 110, 132, 136};
	static const char *const names[] = {"extendInfo", "backupinfo", "read_type", "auto_reply", "channelid"};

	*p = (struct parts){.signal = signals[random_below(10)], .from = random_text(1), .to = random_text(1)};
	startalk__xmpp_message__init(&p->message);
	startalk__message_body__init(&p->body);
	p->message.body = &p->body;
	p->body.headers = p->at;
	p->message.messagetype = (int32_t)random_below(1 << 30) - (random_below(2) ? 1 << 29 : 0);
	p->message.clienttype = 1 + (int32_t)random_below(6);
	p->message.clientversion = (int64_t)random_below(1ull << 60) - (random_below(2) ? 1ll << 59 : 0);
	p->message.messageid = st_as_field(random_text(1));
	p->body.value = st_as_field(random_text(0));
	for (size_t i = 0; i < (native ? 4 : 5); i++) /* in native XML channelid goes one way and comes another */
		if (random_below(2))
			header(p, names[i], random_text(1));
	if (random_below(4) == 0)
		header(p, "qchatid", "4");
}

static struct st_packet there(const struct parts *p, struct st_up *ret)
{
	Startalk__ProtoMessage outer = STARTALK__PROTO_MESSAGE__INIT;
	static const enum st_seal seals[] = {ST_SEAL_PLAIN, ST_SEAL_GZIP, ST_SEAL_TEA};
	struct st_packet packet;
	struct st_bytes frame;

	outer.signaltype = p->signal;
	outer.from = st_as_field(p->from);
	outer.to = st_as_field(p->to);
	cr_assert(st_packet_write_sealed(&desk_arena, &outer, &p->message.base, seals[random_below(3)], &frame));
	packet = desk_opened(&frame);
	st_up(&desk_arena, &desk_view, &packet, ret);
	cr_assert_eq((int)ret->is, ST_UP_ELEMENT);
	return packet;
}

static void text_is_same(const char *a, const char *b, const char *what)
{
	a = a == NULL ? "" : a;
	b = b == NULL ? "" : b;
	cr_assert_str_eq(a, b, "%s: %s is not %s", what, a, b);
}

static void message_is_same(const struct st_packet *a, const struct st_packet *b, bool native)
{
	static const char *const names[] = {"extendInfo", "backupinfo", "read_type",
					    "auto_reply", "channelid",	"qchatid"};
	const Startalk__XmppMessage *x = a->message, *y = b->message;

	cr_assert(a->signal == b->signal && x->messagetype == y->messagetype && x->clienttype == y->clienttype &&
		  x->clientversion == y->clientversion);
	text_is_same(x->messageid, y->messageid, "messageId");
	text_is_same(x->body->value, y->body->value, "value");
	text_is_same(a->outer->to, b->outer->to, "to");
	if (native)
		text_is_same(a->outer->from, b->outer->from, "from");
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		text_is_same(st_header_find(x->body, names[i]), st_header_find(y->body, names[i]), names[i]);
}

static void round_trip(bool native)
{
	struct st_packet packet, back;
	struct st_up up, again;
	struct st_down down;
	struct parts p;
	const char *xml;

	desk_clear(native);
	parts_make(&p, native);
	packet = there(&p, &up);
	xml = desk_up_xml(&up);
	down = desk_down(xml);
	cr_assert_eq((int)down.is, ST_DOWN_FRAME, "%s", xml);
	back = desk_opened(&down.frame);
	message_is_same(&packet, &back, native);
	st_up(&desk_arena, &desk_view, &back, &again);
	cr_assert_str_eq(desk_up_xml(&again), xml);
}

Test(startalk_prop, messages_go_there_and_back)
{
	for (seed = 1; seed < 1 + ROUNDS; seed++) {
		uint64_t before = seed;

		round_trip(seed % 2);
		seed = before;
	}
}

static const char *status_trip(const char *word)
{
	Startalk__PresenceMessage presence = STARTALK__PRESENCE_MESSAGE__INIT;
	Startalk__MessageBody body = STARTALK__MESSAGE_BODY__INIT;
	Startalk__StringHeader show = STARTALK__STRING_HEADER__INIT, *headers[] = {&show};
	struct st_packet back;
	struct st_down down;
	struct st_up up;

	presence.key = st_as_field("status");
	presence.body = &body;
	show.key = st_as_field("show");
	show.value = st_as_field(word);
	body.n_headers = 1;
	body.headers = headers;
	up = desk_up(ST_SIGNAL_PRESENCE, DESK_FULL, NULL, &presence.base);
	down = desk_down(desk_up_xml(&up));
	cr_assert_eq((int)down.is, ST_DOWN_FRAME);
	back = desk_opened(&down.frame);
	return st_header_find(back.presence->body, "show");
}

Test(startalk_prop, what_users_say_of_themselves_goes_there_and_back)
{
	static const char *const words[] = {"online", "normal", "checkin",  "away",
					    "push",   "busy",	"checkout", "offline"};

	for (size_t i = 0; i < 2 * sizeof words / sizeof words[0]; i++) {
		desk_clear(i % 2);
		cr_assert_str_eq(status_trip(words[i / 2]), words[i / 2]);
	}
}

Test(startalk_prop, notices_go_there_and_back)
{
	for (seed = 1; seed < 2000; seed++) {
		Startalk__PresenceMessage presence = STARTALK__PRESENCE_MESSAGE__INIT;
		Startalk__MessageBody body = STARTALK__MESSAGE_BODY__INIT;
		struct st_packet back;
		struct st_down down;
		struct st_up up;

		desk_clear(true);
		presence.has_definedkey = presence.has_categorytype = true;
		presence.definedkey = 7;
		presence.categorytype = (int32_t)random_below(100);
		presence.body = &body;
		body.value = st_as_field(random_text(0));
		up = desk_up(ST_SIGNAL_PRESENCE, DESK_BARE, DESK_FULL, &presence.base);
		down = desk_down(desk_up_xml(&up));
		back = desk_opened(&down.frame);
		cr_assert_eq(back.presence->categorytype, presence.categorytype);
		cr_assert_str_eq(back.presence->body->value, body.value);
		cr_assert_str_eq(back.outer->from, DESK_BARE);
	}
}

/* Frames behind each other, cut anywhere. */
Test(startalk_prop, frames_are_found_however_they_come)
{
	static uint8_t stream[1 << 16];

	for (seed = 1; seed < 500; seed++) {
		size_t lens[64], count = 1 + random_below(63), len = 0, at = 0, there = 0, found = 0;

		for (size_t i = 0; i < count; i++) {
			lens[i] = random_below(random_below(4) ? 300 : 900);
			len += st_frame_length(lens[i], stream + len);
			memset(stream + len, (int)(i + 1), lens[i]);
			len += lens[i];
		}
		while (found < count) {
			struct st_frame frame;

			if (st_frame_read(stream + at, there - at, 900, &frame) == ST_FRAME_MORE) {
				cr_assert(there < len);
				there += 1 + random_below(len - there);
				continue;
			}
			cr_assert(frame.len == lens[found] && (frame.len == 0 || frame.at[frame.len - 1] == found + 1));
			at += frame.used;
			found++;
		}
		cr_assert_eq(at, len);
	}
}
