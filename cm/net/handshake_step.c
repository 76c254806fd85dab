#include "handshake_step.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OUTPUT_ROOM = 4096 };

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void fail(struct handshake_step *s, const char *why)
{
	s->is = HANDSHAKE_FAILED;
	snprintf(s->error, sizeof s->error, "%s", why);
	handshake_free(s->handshake);
	s->handshake = NULL;
}

static bool begin(struct handshake_step *s)
{
	s->began = true;
	s->handshake = handshake_new(s->context, s->direct);
	tls_context_unref(s->context);
	s->context = NULL;
	if (s->handshake != NULL && !s->direct)
		handshake_host(s->handshake, s->host);
	return s->handshake != NULL;
}

static void output_widen(struct handshake_step *s)
{
	s->output_cap += s->output_cap + OUTPUT_ROOM;
	s->output = realloc(s->output, s->output_cap);
	assert(s->output != NULL);
}

static void output_take(struct handshake_step *s)
{
	size_t len;

	do {
		if (s->output_cap - s->output_len < OUTPUT_ROOM)
			output_widen(s);
		len = handshake_output(s->handshake, s->output + s->output_len, s->output_cap - s->output_len);
		s->output_len += len;
	} while (len > 0);
}

static void make(struct handshake_step *s)
{
	if (s->handshake == NULL && !begin(s)) {
		fail(s, "no memory");
		return;
	}
	s->is = handshake_feed(s->handshake, s->bytes, s->len);
	output_take(s);
	if (s->is == HANDSHAKE_FAILED)
		fail(s, handshake_error(s->handshake));
	else if (s->is == HANDSHAKE_DONE &&
		 !handshake_finish(&s->handshake, &s->record, &s->facts, s->bytes, &s->leftover_len))
		fail(s, "the keys could not be taken over");
}

void handshake_step_make(struct handshake_step *s)
{
	uint64_t began_ns = now_ns();

	make(s);
	s->cost_ns = now_ns() - began_ns;
}

void handshake_step_clear(struct handshake_step *s)
{
	uint8_t *output = s->output;
	size_t output_cap = s->output_cap;

	handshake_free(s->handshake);
	tls_context_unref(s->context);
	free(s->facts.identity);
	if (s->bytes != NULL)
		explicit_bzero(s->bytes, s->len); /* records are opened where they lie */
	free(s->bytes);
	explicit_bzero(s, sizeof *s);
	s->output = output;
	s->output_cap = output_cap;
}

void handshake_step_done(struct handshake_step *s)
{
	handshake_step_clear(s);
	free(s->output);
	*s = (struct handshake_step){0};
}
