/* What of one session cannot go now: looked through without being taken. */
#include "backlog.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void *resize(void *context, void *old, size_t len)
{
	if (len > 0)
		return realloc(old, len);
	free(old);
	return NULL;
}

static const struct memory memory = {.resize = resize};

static void put_fresh(struct backlog *b, const char *payload)
{
	uint8_t *to = backlog_room(b, FRAME_HEAD_BYTES + strlen(payload));
	frame_head(to, FRAME_ELEMENT, 7, strlen(payload));
	memcpy(to + FRAME_HEAD_BYTES, payload, strlen(payload));
}

static void take_back(struct backlog *b, const char *payload)
{
	backlog_take_back(b, FRAME_ELEMENT, 7, (const uint8_t *)payload, strlen(payload));
}

/* The payloads in order, each with a blank behind it. */
static void expect(const struct backlog *b, const char *payloads)
{
	char text[256];
	size_t len = 0;
	struct frame frame;
	for (size_t at = 0; backlog_walk(b, &at, &frame); text[len++] = ' ') {
		cr_assert_eq(frame.session, 7);
		memcpy(text + len, frame.payload, frame.payload_len);
		len += frame.payload_len;
	}
	text[len] = '\0';
	cr_assert_str_eq(text, payloads);
}

Test(backlog, is_looked_through_in_order)
{
	struct backlog b;
	uint32_t sent = 10;
	backlog_init(&b, &memory);
	expect(&b, "");
	put_fresh(&b, "<new/>");
	expect(&b, "<new/> ");
	take_back(&b, "<a/>");
	take_back(&b, "<bc/>");
	put_fresh(&b, "<newer/>");
	expect(&b, "<a/> <bc/> <new/> <newer/> ");
	cr_assert(backlog_resume(&b, 9, &sent));
	expect(&b, "<bc/> <new/> <newer/> ");
	backlog_drop(&b);
	expect(&b, "<new/> <newer/> ");
	backlog_free(&b);
	expect(&b, "");
}
