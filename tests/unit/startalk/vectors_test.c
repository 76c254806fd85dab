#include "desk.h"
#include "st_frame.h"
#include "vector.h"

#include <criterion/criterion.h>
#include <string.h>

static struct st_packet packet_of(const struct vector *v)
{
	uint8_t *copy = st_arena_take(&desk_arena, v->frame_len);
	struct st_packet packet = {0};

	memcpy(copy, v->frame, v->frame_len);
	cr_assert_eq(st_packet_open(&desk_arena, copy, v->frame_len, 4096, &packet), ST_OPENED, "%s", v->name);
	cr_assert_eq((int)packet.seal, v->seal, "%s", v->name);
	return packet;
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

static void check_fields(const struct vector *v)
{
	char dump[8192] = "", *line, *rest = NULL, fields[sizeof v->fields];
	struct st_packet packet;

	desk_clear(true);
	packet = packet_of(v);
	desk_dump(&packet.outer->base, "", dump, sizeof dump);
	if (packet.payload != NULL)
		desk_dump(packet.payload, "payload.", dump, sizeof dump);
	cr_assert_eq(count_lines(dump), count_lines(v->fields), "%s:\n%s\nnot\n%s", v->name, dump, v->fields);
	memcpy(fields, v->fields, sizeof fields);
	for (line = strtok_r(fields, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		char *found = strstr(dump, line);

		cr_assert(found != NULL && found[strlen(line)] == '\n' && (found == dump || found[-1] == '\n'),
			  "%s: %s is not in\n%s", v->name, line, dump);
	}
}

Test(startalk_vectors, have_the_fields_that_they_should)
{
	vectors_each(check_fields);
}

/* The ProtoMessage in a frame, its length before it. */
static void plain_is(const struct vector *v, const struct st_bytes *frame)
{
	struct st_frame found;
	Startalk__ProtoHeader *header;
	uint8_t *bytes;
	size_t len;

	cr_assert_eq(st_frame_read(frame->at, frame->len, 4096, &found), ST_FRAME_WHOLE);
	header = startalk__proto_header__unpack(NULL, found.len, found.at);
	cr_assert(header != NULL && header->options == v->seal, "%s", v->name);
	bytes = header->message.data;
	len = header->message.len;
	if (v->seal == ST_SEAL_TEA)
		st_tea_open(bytes, len);
	if (v->seal == ST_SEAL_GZIP)
		bytes = st_gzip_open(&desk_arena, bytes, len, 4096, &len);
	cr_assert(len == v->plain_len && memcmp(bytes, v->plain, len) == 0, "%s", v->name);
	if (v->seal != ST_SEAL_GZIP)
		cr_assert(found.len == v->frame_len && memcmp(found.at, v->frame, found.len) == 0, "%s", v->name);
	startalk__proto_header__free_unpacked(header, NULL);
}

static void check_bytes(const struct vector *v)
{
	struct st_packet packet;
	struct st_bytes frame;
	Startalk__StreamEnd nothing = STARTALK__STREAM_END__INIT;

	desk_clear(true);
	packet = packet_of(v);
	cr_assert(st_packet_write_sealed(&desk_arena, (Startalk__ProtoMessage *)(uintptr_t)packet.outer,
					 packet.payload == NULL ? &nothing.base : packet.payload, packet.seal, &frame));
	plain_is(v, &frame);
}

Test(startalk_vectors, are_written_as_they_were_read)
{
	vectors_each(check_bytes);
}

/* Two ways to write the same. */
static void canonical(char *xml)
{
	static const char *const same[][2] = {{"&quot;", "\""}, {"></body>", "/>"}};

	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
		for (char *at; (at = strstr(xml, same[i][0])) != NULL;) {
			size_t old = strlen(same[i][0]), new = strlen(same[i][1]);

			memcpy(at, same[i][1], new);
			memmove(at + new, at + old, strlen(at + old) + 1);
		}
}

static void check_up(const struct vector *v)
{
	char expected[VECTOR_BYTES_MAX], got[VECTOR_BYTES_MAX];
	struct st_packet packet;
	struct st_up up;

	if (!v->up)
		return;
	desk_clear(true);
	packet = packet_of(v);
	st_up(&desk_arena, &desk_view, &packet, &up);
	strcpy(expected, v->xml);
	strcpy(got, desk_up_xml(&up));
	canonical(expected);
	canonical(got);
	cr_assert_str_eq(got, expected, "%s: %s\n not %s", v->name, got, expected);
}

Test(startalk_vectors, of_clients_are_the_xml_that_they_should_be)
{
	vectors_each(check_up);
}

static void check_down(const struct vector *v)
{
	struct st_down down;

	if (v->up || v->xml[0] == '\0')
		return;
	desk_clear(true);
	down = desk_down(v->xml);
	cr_assert(down.is == ST_DOWN_FRAME || down.is == ST_DOWN_BOUND, "%s", v->name);
	plain_is(v, &down.frame);
}

Test(startalk_vectors, to_clients_are_made_of_their_xml)
{
	vectors_each(check_down);
}

static void check_said(const struct vector *v)
{
	const struct st_view *view = &desk_view;
	struct st_arena *a = &desk_arena;
	struct st_bytes frame = {0};
	bool said = true;

	desk_clear(true);
	if (strcmp(v->name, "syn_welcome_reply") == 0)
		said = st_say_welcome(a, "startalk.tech", "chao.zhang", true, &frame);
	else if (strcmp(v->name, "syn_welcome_reply_notls") == 0)
		said = st_say_welcome(a, "startalk.tech", "chao.zhang", false, &frame);
	else if (strcmp(v->name, "syn_proceed_tls") == 0)
		said = st_say_proceed(a, "startalk.tech", &frame);
	else if (strcmp(v->name, "syn_auth_success") == 0)
		said = st_say_succeeded(a, view, &frame);
	else if (strcmp(v->name, "syn_auth_failure") == 0)
		said = st_say_failure(a, "startalk.tech", "not-authorized", &frame);
	else if (strcmp(v->name, "syn_stream_end") == 0)
		said = st_say_end(a, 222, "host is not surport", &frame);
	else if (strcmp(v->name, "syn_presence_nav") == 0)
		said = st_say_notice(a, view, 3, "{\"navversion\":\"10000\"}", &frame);
	else if (strcmp(v->name, "syn_message_mstat") == 0)
		said = st_say_taken(a, view, "6f0c0f8e2a0d4a8d9a6d1f7f3b0c5a12", &frame);
	else
		return;
	cr_assert(said, "%s", v->name);
	plain_is(v, &frame);
}

Test(startalk_vectors, that_the_gate_says_of_itself)
{
	vectors_each(check_said);
}
