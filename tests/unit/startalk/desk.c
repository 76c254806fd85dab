#include "desk.h"

#include "st_frame.h"
#include "xml.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA = 4 << 20, BYTES_MAX = 262144 };

struct st_arena desk_arena;
struct st_view desk_view;

void desk_clear(bool native)
{
	static void *block;

	if (block == NULL) {
		block = aligned_alloc(16, ARENA);
		xml_kernel_choose(NULL);
	}
	st_arena_init(&desk_arena, block, ARENA);
	desk_view = (struct st_view){.native = native,
				     .element_bytes_max = BYTES_MAX,
				     .bare = DESK_BARE,
				     .full = DESK_FULL,
				     .now_ms = 1614599258867,
				     .random = 29071,
				     .auth_id = "PBMSG_290711614599258867",
				     .session_key = "29071161459925886700"};
}

enum st_opened desk_open(const struct st_bytes *frame, struct st_packet *ret)
{
	uint8_t *copy = st_arena_take(&desk_arena, frame->len);
	struct st_frame found;

	memcpy(copy, frame->at, frame->len);
	cr_assert_eq(st_frame_read(copy, frame->len, BYTES_MAX, &found), ST_FRAME_WHOLE);
	cr_assert_eq(found.used, frame->len);
	return st_packet_open(&desk_arena, (uint8_t *)(uintptr_t)found.at, found.len, BYTES_MAX, ret);
}

struct st_packet desk_opened(const struct st_bytes *frame)
{
	struct st_packet packet = {0};

	cr_assert_eq(desk_open(frame, &packet), ST_OPENED);
	return packet;
}

static struct st_up up_of(Startalk__ProtoMessage *outer, const ProtobufCMessage *payload)
{
	struct st_packet packet = {0};
	struct st_bytes frame;
	struct st_up up = {.is = ST_UP_NOTHING};
	enum st_opened opened;

	cr_assert(st_packet_write(&desk_arena, outer, payload, &frame));
	opened = desk_open(&frame, &packet);
	if (opened == ST_OPENED)
		st_up(&desk_arena, &desk_view, &packet, &up);
	else if (opened == ST_OPENED_BAD)
		up.is = ST_UP_BAD;
	return up;
}

struct st_up desk_up(int32_t signal, const char *from, const char *to, const ProtobufCMessage *payload)
{
	Startalk__ProtoMessage outer = STARTALK__PROTO_MESSAGE__INIT;

	outer.signaltype = signal;
	outer.from = st_as_field(from);
	outer.to = st_as_field(to);
	return up_of(&outer, payload);
}

struct st_up desk_up_all(int32_t signal, const char *address, const ProtobufCMessage *payload)
{
	Startalk__ProtoMessage outer = STARTALK__PROTO_MESSAGE__INIT;

	outer.signaltype = signal;
	outer.from = outer.to = outer.realfrom = outer.realto = outer.originfrom = outer.originto = outer.origintype =
		outer.sendjid = st_as_field(address);
	return up_of(&outer, payload);
}

static enum xml_is read_xml(const char *xml, size_t len, size_t *ret_used)
{
	static const struct xml_limits limits = {.element_bytes_max = BYTES_MAX,
						 .elements_max = 10000,
						 .depth_max = 64,
						 .attributes_max = 64,
						 .name_bytes_max = 1024,
						 .namespaces_max = 64};
	struct xml_work *work = aligned_alloc(64, (xml_work_bytes() + 63) / 64 * 64);
	struct xml_event event;
	struct xml x;

	if (strncmp(xml, "<stream:stream", 14) == 0)
		xml_restart(&x);
	else
		xml_enter(&x);
	xml_next(&x, work, &limits, (const uint8_t *)xml, len, &event);
	free(work);
	*ret_used = event.used;
	return event.is;
}

const char *desk_up_xml(const struct st_up *up)
{
	const char *xml;
	size_t used;

	if (up->is != ST_UP_ELEMENT)
		return "";
	xml = st_arena_text(&desk_arena, up->xml, up->xml_len);
	cr_assert(read_xml(xml, up->xml_len, &used) == (xml[1] == 's' && xml[7] == ':' ? XML_HEADER : XML_ELEMENT),
		  "%s", xml);
	cr_assert_eq(used, up->xml_len, "%s", xml);
	return xml;
}

struct st_down desk_down(const char *element)
{
	struct st_down down;
	size_t used;

	cr_assert(read_xml(element, strlen(element), &used) == XML_ELEMENT && used == strlen(element), "%s", element);
	st_down(&desk_arena, &desk_view, (const uint8_t *)element, strlen(element), &down);
	return down;
}

static void line_put(char *to, size_t cap, const char *path, const char *name, const char *value)
{
	size_t len = strlen(to);

	cr_assert((size_t)snprintf(to + len, cap - len, "%s%s=%s\n", path, name, value) < cap - len);
}

static void value_dump(const ProtobufCFieldDescriptor *field, const void *at, const char *path, const char *name,
		       char *to, size_t cap)
{
	char text[256];

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		line_put(to, cap, path, name, *(char *const *)at);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		snprintf(text, sizeof text, "%s%s.", path, name);
		desk_dump(*(ProtobufCMessage *const *)at, text, to, cap);
		break;
	case PROTOBUF_C_TYPE_INT32:
		snprintf(text, sizeof text, "%d", *(const int32_t *)at);
		line_put(to, cap, path, name, text);
		break;
	case PROTOBUF_C_TYPE_INT64:
		snprintf(text, sizeof text, "%lld", (long long)*(const int64_t *)at);
		line_put(to, cap, path, name, text);
		break;
	default:
		cr_assert_eq(field->type, PROTOBUF_C_TYPE_BYTES);
	}
}

static void list_dump(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const char *path,
		      char *to, size_t cap)
{
	const uint8_t *base = (const uint8_t *)message;
	size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
	void *const *list = *(void *const *const *)(const void *)(base + field->offset);
	char name[64];

	cr_assert_eq(field->type, PROTOBUF_C_TYPE_MESSAGE);
	for (size_t i = 0; i < count; i++) {
		snprintf(name, sizeof name, "%s[%zu]", field->name, i);
		value_dump(field, &list[i], path, name, to, cap);
	}
}

static bool is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	const uint8_t *base = (const uint8_t *)message;

	if (field->label == PROTOBUF_C_LABEL_REQUIRED)
		return true;
	if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(void *const *)(const void *)(base + field->offset) != NULL;
	return *(const protobuf_c_boolean *)(const void *)(base + field->quantifier_offset);
}

void desk_dump(const ProtobufCMessage *message, const char *path, char *to, size_t cap)
{
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			list_dump(message, field, path, to, cap);
		else if (is_set(message, field))
			value_dump(field, (const uint8_t *)message + field->offset, path, field->name, to, cap);
	}
}

const char *desk_field(const struct st_packet *packet, const char *path)
{
	static char dump[65536];
	size_t len = strlen(path);

	dump[0] = '\0';
	desk_dump(&packet->outer->base, "", dump, sizeof dump);
	if (packet->payload != NULL)
		desk_dump(packet->payload, "payload.", dump, sizeof dump);
	for (char *line = strtok(dump, "\n"); line != NULL; line = strtok(NULL, "\n"))
		if (strncmp(line, path, len) == 0 && line[len] == '=')
			return line + len + 1;
	return NULL;
}
