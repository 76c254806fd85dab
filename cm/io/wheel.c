#include "wheel.h"

#include <assert.h>
#include <stddef.h>

static void node_link(struct wheel_node *head, struct wheel_node *node)
{
	node->next = head;
	node->prev = head->prev;
	head->prev->next = node;
	head->prev = node;
}

static void node_unlink(struct wheel_node *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = NULL;
}

/* The step at whose end the deadline has passed, and not before. */
static uint64_t step_of(uint64_t deadline_ms)
{
	return (deadline_ms + WHEEL_STEP_MS - 1) / WHEEL_STEP_MS;
}

void wheel_init(struct wheel *w, uint64_t now_ms)
{
	for (int i = 0; i < WHEEL_SLOTS; i++)
		w->slot[i].next = w->slot[i].prev = &w->slot[i];
	w->due.next = w->due.prev = &w->due;
	w->step = now_ms / WHEEL_STEP_MS;
}

void wheel_set(struct wheel *w, struct wheel_node *node, uint64_t deadline_ms)
{
	uint64_t step = step_of(deadline_ms);

	wheel_clear(node);
	node->deadline_ms = deadline_ms;
	if (step < w->step)
		step = w->step;
	node_link(&w->slot[step % WHEEL_SLOTS], node);
}

void wheel_clear(struct wheel_node *node)
{
	if (node->next != NULL)
		node_unlink(node);
}

/* Moves the nodes of a slot whose turn of the wheel this is to the due ones: each node is looked at once a turn. */
static void slot_turn(struct wheel *w, struct wheel_node *head)
{
	for (struct wheel_node *node = head->next, *next; node != head; node = next) {
		next = node->next;
		if (step_of(node->deadline_ms) > w->step)
			continue;
		node_unlink(node);
		node_link(&w->due, node);
	}
}

struct wheel_node *wheel_due(struct wheel *w, uint64_t now_ms)
{
	struct wheel_node *node;

	while (w->due.next == &w->due && w->step <= now_ms / WHEEL_STEP_MS) {
		slot_turn(w, &w->slot[w->step % WHEEL_SLOTS]);
		w->step++;
	}
	node = w->due.next;
	if (node == &w->due)
		return NULL;
	node_unlink(node);
	return node;
}
