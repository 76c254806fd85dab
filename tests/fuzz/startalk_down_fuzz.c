/*
 * Any bytes as an element of a session server, behind a byte that says in which form. What the tokenizer takes becomes
 * a frame that opens again, whose texts are good, or none; and its answer, if there is one, is one element.
 */
#include "st_down.h"
#include "st_frame.h"
#include "xml.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { ARENA = 1 << 20, INPUT_MAX = 4096, BYTES_MAX = 65536 };

static bool is_element(const uint8_t *xml, size_t len)
{
	static const struct xml_limits limits = {.element_bytes_max = BYTES_MAX,
						 .elements_max = 5000,
						 .depth_max = 64,
						 .attributes_max = 64,
						 .name_bytes_max = 1024,
						 .namespaces_max = 64};
	static struct xml_work *work;
	struct xml_event event;
	struct xml x;

	if (work == NULL)
		work = aligned_alloc(64, (xml_work_bytes() + 63) / 64 * 64);
	xml_enter(&x);
	xml_next(&x, work, &limits, xml, len, &event);
	return event.is == XML_ELEMENT && !event.stream_prefix && event.used == len;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static uint8_t *block;
	struct st_view view = {.element_bytes_max = BYTES_MAX,
			       .bare = "a@b.c",
			       .full = "a@b.c/r",
			       .now_ms = 1614599258867,
			       .auth_id = "id",
			       .session_key = "key"};
	struct st_arena arena;
	struct st_packet packet;
	struct st_frame frame;
	struct st_down down;

	if (block == NULL) {
		block = aligned_alloc(16, ARENA);
		xml_kernel_choose("scalar");
	}
	if (len < 2 || len > INPUT_MAX || bytes[1] != '<' || !is_element(bytes + 1, len - 1))
		return 0;
	st_arena_init(&arena, block, ARENA);
	view.native = bytes[0] & 1;
	st_down(&arena, &view, bytes + 1, len - 1, &down);
	if (down.answer.len > 0)
		assert(is_element(down.answer.at, down.answer.len));
	if (down.is != ST_DOWN_FRAME && down.is != ST_DOWN_BOUND)
		return 0;
	assert(st_frame_read(down.frame.at, down.frame.len, SIZE_MAX, &frame) == ST_FRAME_WHOLE);
	assert(frame.used == down.frame.len);
	assert(st_packet_open(&arena, (uint8_t *)(uintptr_t)frame.at, frame.len, BYTES_MAX, &packet) == ST_OPENED);
	return 0;
}
