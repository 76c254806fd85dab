/*
 * traffic: the messages between pairs. Each client is the sender of one flow, to its partner. A message's id says which
 * run, which sender, which message of that sender, and when it was due: from it the receiver knows latency, order and
 * doubles.
 */
#ifndef LOAD_TRAFFIC_H
#define LOAD_TRAFFIC_H

#include "histogram.h"
#include "xml.h"

#include <stdbool.h>
#include <stdint.h>

struct load;
struct client;

/* Kept by each client. */
struct flow {
	uint64_t sent;	   /* messages of its own: the next one's number */
	uint64_t expected; /* of the partner's: one above the highest number seen */
	uint64_t seen;	   /* bit k: number expected - 1 - k was seen */
};

struct traffic {
	char run[9]; /* so that what an earlier run left is not taken for ours */
	char *body;
	struct histogram latency_ns;
	uint64_t sent, received, foreign;
	unsigned next; /* client whose turn it is */
	double interval_ns;
	uint64_t planned; /* open loop: messages whose time has come */
};

void traffic_init(struct load *);
void traffic_free(struct traffic *);
/* The measured phase begins: closed loop sends its first messages. */
void traffic_begin(struct load *, uint64_t now_ns);
/* Sends what is due, a bounded number at a time. Answers when the next one is, UINT64_MAX for never. */
uint64_t traffic_send_due(struct load *, uint64_t now_ns);
/* A message arrived at this client. */
void traffic_receive(struct load *, struct client *, const struct xml_event *, const uint8_t *bytes, uint64_t now_ns);

#endif
