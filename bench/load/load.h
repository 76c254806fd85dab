/*
 * load: one run of the generator: its clients, what they share, what was counted. One thread, one epoll.
 */
#ifndef LOAD_LOAD_H
#define LOAD_LOAD_H

#include "account.h"
#include "client.h"
#include "fault.h"
#include "histogram.h"
#include "options.h"
#include "process.h"
#include "traffic.h"
#include "wire.h"
#include "xml.h"

enum { LOAD_BUFFER_BYTES = 256 * 1024 };

enum load_phase {
	PHASE_LOGIN,
	PHASE_SETTLE,
	PHASE_RUN,
	PHASE_DRAIN, /* nothing new is sent; what is under way may arrive */
	PHASE_END
};

struct load_sample {
	struct process_sample server, own;
};

struct load {
	const struct options *options;
	struct wire_target target;
	struct accounts *accounts;
	int epoll;
	enum load_phase phase;
	bool cut; /* by --limit or a signal: whatever phase it is ends */

	struct client *clients;			   /* options->clients of them */
	unsigned begun, online, failed, under_way; /* under_way: between begun and online or failed */
	unsigned *places, place_count;		   /* of `clients` that nobody has; of a storm */
	uint64_t missed, logins_in_time;	   /* of a storm: had no place; were online before its end */
	struct client **dirty;			   /* those with something to send */
	unsigned dirty_count;

	/* Shared by all clients: one buffer to read into, one work of the tokenizer while no element is partly there.
	 */
	uint8_t *buffer;
	struct xml_work *work;

	struct traffic traffic;
	struct histogram login_ns;
	uint64_t stanzas_received;
	uint64_t faults[FAULT_COUNT];
	unsigned tls12, tls13;

	uint64_t start_ns, online_ns, settle_ns, run_ns, run_end_ns, stop_ns; /* phases begin; 0: not yet */
	double late_max_ns;				 /* how far behind its plan sending was at worst */
	uint64_t received_in_time;			 /* by the end of the measured phase */
	struct load_sample baseline, run_begin, run_end; /* before the first connection; around the measured phase */
	bool measured;					 /* there are samples of the server */
};

/* Counts a fault; the first few are told on standard error. `detail` may be "". */
void load_fault(struct load *, enum fault, unsigned client, const char *detail);
/* Something was put on this client's wire: it is flushed before the loop waits. */
void load_mark_dirty(struct load *, struct client *);
/* The client has closed its connection. */
void load_client_gone(struct load *, struct client *);
/* The client's login came to an end. */
void load_client_online(struct load *, struct client *);

/* The whole run. */
void load_run(struct load *);
/* Goes on answering the server for so long. */
void load_hold(struct load *, unsigned seconds);
/* Ends it early, from a signal handler. */
void load_interrupt(void);

uint64_t clock_ns(void);

#endif
