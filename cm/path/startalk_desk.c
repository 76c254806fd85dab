#include "jid.h"
#include "startalk.h"
#include "worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	ARENA_TIMES = 4,      /* the longest stanza: opened, unpacked, written as XML, and the frame itself */
	ARENA_MORE = 8 << 20, /* a list of 20,000 friends */
};

void startalk_desk_done(struct startalk_desk *desk)
{
	free(desk->block);
	free(desk->full);
	free(desk->bare);
}

/* Pages that nothing was written to cost nothing. */
static void desk_clear(struct worker *w)
{
	struct startalk_desk *desk = &w->startalk;
	size_t need = ARENA_TIMES * w->config->stanza_bytes_max + ARENA_MORE;

	if (desk->block == NULL || desk->arena.cap < need) {
		startalk_desk_done(desk);
		desk->block = malloc(need);
		desk->full = malloc(JID_BYTES_MAX + 1);
		desk->bare = malloc(JID_BYTES_MAX + 1);
		assert(desk->block != NULL && desk->full != NULL && desk->bare != NULL);
		st_arena_init(&desk->arena, desk->block, need);
	}
	st_arena_clear(&desk->arena);
}

/* Its JIDs: of its stamp, which is " from='...'", once it is bound; of its login before. */
static void names_fill(struct startalk_desk *desk, const struct client *c)
{
	static const size_t before = sizeof " from='" - 1;
	struct xml_range range = {(uint32_t)before, c->stamp_from_len - (uint32_t)before - 1};
	size_t len = 0;

	desk->bare[0] = '\0';
	if (c->stamp != NULL)
		len = xml_unescape_value((const uint8_t *)c->stamp, range, (uint8_t *)desk->full);
	else if (c->login != NULL)
		memcpy(desk->bare, c->login->stream.from, strlen(c->login->stream.from) + 1);
	desk->full[len] = '\0';
	if (len > 0) {
		size_t bare = strcspn(desk->full, "/");

		memcpy(desk->bare, desk->full, bare);
		desk->bare[bare] = '\0';
	}
}

static uint64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct st_view startalk_view(struct worker *w, struct client *c)
{
	struct startalk_desk *desk = &w->startalk;

	desk_clear(w);
	names_fill(desk, c);
	return (struct st_view){.native = w->config->startalk_native,
				.element_bytes_max = w->config->stanza_bytes_max,
				.bare = desk->bare,
				.full = desk->full,
				.now_ms = wall_ms(),
				.random = worker_random(w),
				.auth_id = c->frames->auth_id != NULL ? c->frames->auth_id : "",
				.session_key = c->frames->session_key != NULL ? c->frames->session_key : ""};
}

void startalk_send(struct worker *w, struct client *c, bool made, const struct st_bytes *frame)
{
	if (!made) {
		client_close_for(w, c, REASON_RESOURCES);
		return;
	}
	conn_write_apart(&w->net, &c->conn, frame->at, frame->len);
	counter_add(&w->counters, COUNTER_startalk_out, 1);
}
