/*
 * traffic: what clients send each other, and what comes of it. In pairs each client is the sender of one flow, to its
 * partner; in groups (crowd.h) it sends to all others of its group. An id says which run, what kind, which sender,
 * which of that sender's stanzas, and when it was due: from it the receiver knows latency, order and doubles.
 */
#ifndef LOAD_TRAFFIC_H
#define LOAD_TRAFFIC_H

#include "xml.h"

#include <stdbool.h>
#include <stdint.h>

struct load;
struct client;

enum action {
#define ACTION(name, text) ACTION_##name,
#include "action.def"
#undef ACTION
	ACTION_COUNT
};

/* Of one sender to one receiver. */
struct flow {
	uint64_t sent;	   /* the sender's own: the next one's number */
	uint64_t expected; /* of the other's: one above the highest number seen */
	uint64_t seen;	   /* bit k: number expected - 1 - k was seen */
};

struct traffic {
	char *body;
	struct size {
		unsigned min, max;
	} size, slow_size;
	unsigned weights[ACTION_COUNT], weight_sum;
	uint64_t random;
	unsigned next;	  /* place whose turn it is */
	uint64_t planned; /* open loop: stanzas whose time has come */
};

/* The kinds of stanza that an id tells apart. */
enum mark_kind { MARK_PAIR = 'm', MARK_GROUP = 'g', MARK_PING = 'p' };
struct mark {
	char kind;
	unsigned sender;
	uint64_t number, due_ns;
};
enum { MARK_TEXT_BYTES = 96 };

/*
 * Of --size: "N", "N-M" (as many of each order of magnitude), or "day" (what people write: most short, few long).
 * False: neither.
 */
bool traffic_size_read(const char *text, struct size *ret);
/* Of --mix: names of action.def with weights, "chat=80,ping=20". False: not so. */
bool traffic_mix_read(const char *text, unsigned ret[static ACTION_COUNT]);

void traffic_init(struct load *);
void traffic_free(struct traffic *);
/* The measured phase begins: closed loop sends its first messages. */
void traffic_begin(struct load *, uint64_t now_ns);
/* Sends what is due, a bounded number at a time. Answers when the next one is, UINT64_MAX for never. */
uint64_t traffic_send_due(struct load *, uint64_t now_ns);
/* The client, which does not read, was cut off: what it sent is not waited for any more. */
void traffic_forget(struct load *, struct client *);
/* A stanza arrived at this client. */
void traffic_receive(struct load *, struct client *, const struct xml_event *, const uint8_t *bytes, uint64_t now_ns);

/* The same for those that have no XML. */
struct arrival {
	const char *id;
	bool is_message, is_error;
	uint64_t now_ns;
};
void traffic_take(struct load *, struct client *, const struct arrival *);

/* For crowd.c. */
void traffic_mark(const struct load *, const struct mark *, char to[static MARK_TEXT_BYTES]);
/* As many bytes of body as it is this one's turn to have, who is sent to (NULL: several). */
unsigned traffic_size(struct load *, const struct client *to);
/* In order is one above the last; what is not is a fault. False: it has come before. */
bool traffic_order_check(struct load *, struct client *, struct flow *, uint64_t number);

#endif
