#include "startalk.h"
#include "worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void startalk_due_add(struct worker *w, struct client *c, const char *id)
{
	size_t bytes = strlen(id) + 1;
	struct startalk_due *due = malloc(sizeof *due + bytes);

	assert(due != NULL);
	*due = (struct startalk_due){.number = c->sent, .unnumbered = c->orphaned};
	memcpy(due->id, id, bytes);
	if (c->frames->due_last != NULL)
		c->frames->due_last->next = due;
	else
		c->frames->due_first = due;
	c->frames->due_last = due;
	counter_add(&w->counters, COUNTER_startalk_due, 1);
}

static struct startalk_due *due_take(struct worker *w, struct startalk *s)
{
	struct startalk_due *due = s->due_first;

	s->due_first = due->next;
	if (s->due_first == NULL)
		s->due_last = NULL;
	counter_add(&w->counters, COUNTER_startalk_due, -1);
	return due;
}

/*
 * What waited for a link has one, and is behind everything else: its number is at most the last. Of those without a
 * number none has one with a number behind it, since this is the first that happens on a link.
 */
static void number_all(struct client *c)
{
	struct startalk *s = c->frames;

	if (c->orphaned || s->due_last == NULL || !s->due_last->unnumbered)
		return;
	for (struct startalk_due *due = s->due_first; due != NULL; due = due->next)
		if (due->unnumbered) {
			due->number = c->sent;
			due->unnumbered = false;
		}
}

void startalk_due_taken(struct worker *w, struct client *c, uint32_t number)
{
	struct startalk *s = c->frames;

	number_all(c);
	while (s->due_first != NULL && !s->due_first->unnumbered && (int32_t)(number - s->due_first->number) >= 0) {
		struct startalk_due *due = due_take(w, s);
		struct st_view view = startalk_view(w, c);
		struct st_bytes frame;
		bool made = st_say_taken(&w->startalk.arena, &view, due->id, &frame);

		counter_add(&w->counters, COUNTER_startalk_acknowledged, 1);
		startalk_send(w, c, made, &frame);
		free(due);
	}
}

void startalk_due_free(struct worker *w, struct startalk *s)
{
	while (s->due_first != NULL)
		free(due_take(w, s));
}
