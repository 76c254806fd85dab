/*
 * load: what one process of a run has and does: its clients, what they share, one ring. The leading process (lead.h)
 * says by the board which phase it is.
 */
#ifndef LOAD_LOAD_H
#define LOAD_LOAD_H

#include "account.h"
#include "board.h"
#include "client.h"
#include "fault.h"
#include "options.h"
#include "traffic.h"
#include "wire.h"
#include "xml.h"

#define SECOND_NS 1000000000ull
enum { LOAD_ELEMENT_BYTES_MAX = 128 * 1024, LOAD_JID_BYTES = 1024, LOAD_SCOPES_MAX = 16 };
enum { RETURNER_EACH = 10 }; /* of so many clients one leaves and comes back, while the others talk */

struct load {
	const struct options *options;
	struct board *board;
	struct tally *tally;
	unsigned index; /* of this process; of board->processes */
	enum load_phase phase;

	struct wires wires;
	struct accounts *accounts;
	int bell_fd, timer_fd; /* the leading process has written; something is due */
	uint64_t timer_ns;     /* when the timer goes off, or did */

	struct client *clients; /* `count` of them; the first one's number is `first` */
	unsigned first, count;
	unsigned next_login;	       /* place that logs in next */
	uint64_t begun;		       /* of a storm, logins, with those that had no place */
	unsigned *places, place_count; /* of `clients` that nobody has; of a storm */
	unsigned next_return;	       /* place whose turn it is to leave and come back */
	uint64_t returns;	       /* whose time has come */
	unsigned turn_room;	       /* how many logins may begin in this turn of the loop */
	struct client **dirty;	       /* those with something to do */
	unsigned dirty_count;
	struct xml_work *work; /* of the tokenizer while no element is partly there */
	struct {
		struct xml_scope *at;
		size_t size;
	} scopes[LOAD_SCOPES_MAX]; /* that stream headers declared; of the first there is none */
	unsigned char *exporter;   /* of the handshake that was just over */

	struct traffic traffic;
	struct flow *flows; /* of groups: for each client one for each member of its group */
	uint64_t second_ns; /* when the next sweep is due */
};

/* Counts a fault; the first few are told on standard error, by the client's JID. `detail` may be "". */
void load_fault(struct load *, enum fault, unsigned client, const char *detail);
/* Something is to be done for this client's wire: before the loop waits. */
void load_mark_dirty(struct load *, struct client *);
/* The client's wire is gone. */
void load_client_gone(struct load *, struct client *);
/* The client's login came to an end. */
void load_client_online(struct load *, struct client *);
/* When the n-th of this process is due, of so many a second of all processes together, which take turns. */
uint64_t load_due(const struct load *, uint64_t from_ns, uint64_t n, uint64_t rate);
/* Something was done so much later than it was due, because this program came no sooner to it. */
void load_late(struct load *, uint64_t late_ns);
uint64_t load_tag(const struct load *, const struct client *);

/* Who is who. Clients are talkers, then pairs of which one does not read, then those that leave and come back. */
bool number_is_talker(const struct load *, unsigned number);
bool number_returns(const struct load *, unsigned number);
/* It does not read now, or has not since: what the server does about it is no fault. */
bool load_is_slow_reader(const struct load *, const struct client *);
/* Account and resource of a client. */
unsigned number_user(const struct load *, unsigned number);
unsigned number_resource(const struct load *, unsigned number);
/* The full JID that a client asks for. */
void number_jid(const struct load *, unsigned number, char to[static LOAD_JID_BYTES]);
/* That of a client that is online. */
void load_jid(const struct load *, const struct client *, char to[static LOAD_JID_BYTES]);

/* Whether a process could have what its options name. On a fault it says so on standard error and answers false. */
bool load_try(const struct options *);
/* The whole life of a process. 0, or what main() answers when it could not even begin. */
int load_process(const struct options *, struct board *, unsigned index, int bell_fd);

/* Of options: how many clients make a group that must not be divided among processes; and of one such group. */
unsigned load_unit(const struct options *);
/* How many, from the first on, do not leave and come back: whole pairs, the last of an odd number not counted. */
unsigned load_talkers(const struct options *);
/* Where a process's clients begin; of process `processes` where the last one's end. */
unsigned load_first(const struct options *, unsigned processes, unsigned index);

uint64_t clock_ns(void);

#endif
