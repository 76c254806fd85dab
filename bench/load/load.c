#include "load.h"

#include "crowd.h"
#include "management.h"
#include "process.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define STORM_LATE_NS (SECOND_NS / 4)
enum { FAULTS_TOLD = 10, STORM_FIRST = 10000, QUIT_S_MAX = 3, WAIT_MS_MAX = 1000 };
enum { TAG_BELL = 1, TAG_TIMER = 2, TAG_CLIENT = 3 };

static const char *const fault_texts[] = {
#define FAULT(name, text) text,
#include "fault.def"
#undef FAULT
};

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

void load_fault(struct load *load, enum fault fault, unsigned client, const char *detail)
{
	uint64_t count = ++load->tally->counts.faults[fault];
	char jid[LOAD_JID_BYTES];

	if (count > FAULTS_TOLD)
		return;
	number_jid(load, client, jid);
	fprintf(stderr, "%s: %s%s%s%s\n", jid, fault_texts[fault], detail[0] ? ": " : "", detail,
		count == FAULTS_TOLD ? " (and so on)" : "");
}

void load_mark_dirty(struct load *load, struct client *client)
{
	if (client->dirty)
		return;
	client->dirty = true;
	load->dirty[load->dirty_count++] = client;
}

uint64_t load_tag(const struct load *load, const struct client *client)
{
	return TAG_CLIENT + (uint64_t)(client - load->clients);
}

uint64_t load_due(const struct load *load, uint64_t from_ns, uint64_t n, uint64_t rate)
{
	uint64_t number = n * load->board->processes + load->index;

	return from_ns + (uint64_t)((double)number * (double)SECOND_NS / (double)rate);
}

void load_late(struct load *load, uint64_t late_ns)
{
	if (late_ns > load->tally->late_max_ns)
		load->tally->late_max_ns = late_ns;
}

/* ---- logins */

static bool is_cut(const struct load *load)
{
	return atomic_load(&load->board->cut);
}

void load_client_online(struct load *load, struct client *client)
{
	struct tally *tally = load->tally;
	uint64_t now = clock_ns(), took = now > client->begun_ns ? now - client->begun_ns : 0;

	tally->counts.under_way--;
	tally->counts.online++;
	tally->online_ns = now;
	histogram_add(client->returning ? &tally->return_ns : &tally->login_ns, took);
	tally->counts.returned += client->returning;
	client->returning = false;
	if (load->options->storm) { /* it has done what it came for */
		tally->counts.in_time += now < load->board->start_ns + load->options->storm * SECOND_NS;
		client_end(load, client);
	}
}

void load_client_gone(struct load *load, struct client *client)
{
	client->state = CLIENT_NEW;
	if (load->options->storm)
		load->places[load->place_count++] = (unsigned)(client - load->clients);
	else if (client->returning && load->phase < PHASE_QUIT)
		client_begin(load, client, client->number, client->begun_ns);
}

/* How many logins may be under way here. */
static unsigned parallel_here(const struct load *load)
{
	unsigned share = load->options->parallel / load->board->processes;

	return share ? share : 1;
}

static bool storm_is_over(const struct load *load, uint64_t now)
{
	return is_cut(load) || now >= load->board->start_ns + load->options->storm * SECOND_NS;
}

/*
 * Whether another login may begin now; *ret_due is when the next one is due, UINT64_MAX when another has to end first.
 * What has begun goes before: logins begin with what reading has left of a turn, one at least. Where this program has
 * too much to do, it is late with beginnings, which it tells, and does not slow down those who are under way.
 */
static bool may_begin(struct load *load, uint64_t nth, uint64_t now, uint64_t *ret_due)
{
	const struct options *options = load->options;

	*ret_due = now;
	if (options->rate_logins)
		*ret_due = load_due(load, load->board->start_ns, nth, options->rate_logins);
	else if (load->tally->counts.under_way >= parallel_here(load))
		*ret_due = UINT64_MAX;
	if (*ret_due > now || load->turn_room == 0)
		return false;
	load_late(load, now - *ret_due);
	return true;
}

/*
 * A login of the storm, on a place that is free. The number chooses address, account and resource: one that another
 * run of this program would not have at the same time.
 */
static void storm_begin_one(struct load *load, uint64_t due_ns)
{
	uint64_t number = load->begun++ * load->board->processes + load->index;

	if (load->place_count == 0) {
		load->tally->counts.missed++;
		load->tally->counts.begun++;
		return;
	}
	client_begin(load, &load->clients[load->places[--load->place_count]],
		     (unsigned)number + STORM_FIRST * load->options->users, due_ns);
}

/*
 * Whoever begins late has the less patience left, which would be held against the server: what this program could not
 * begin in time is left out.
 */
static void storm_leave_out(struct load *load, uint64_t now)
{
	unsigned rate = load->options->rate_logins;

	while (rate && load_due(load, load->board->start_ns, load->begun, rate) + STORM_LATE_NS < now) {
		load->tally->counts.left_out++;
		load->tally->counts.begun++;
		load->begun++;
	}
}

/* As logins_begin, as long as the storm goes on. */
static uint64_t storm_begin(struct load *load, uint64_t now)
{
	uint64_t due;

	while (!storm_is_over(load, now)) {
		storm_leave_out(load, now);
		if (!load->options->rate_logins && load->place_count == 0)
			return UINT64_MAX;
		if (!may_begin(load, load->begun, now, &due))
			return due;
		storm_begin_one(load, due);
	}
	return UINT64_MAX;
}

/* Begins the logins that are due. Answers when the next one is, UINT64_MAX for never or when another has ended. */
static uint64_t logins_begin(struct load *load, uint64_t now)
{
	uint64_t due;

	while (load->next_login < load->count && !is_cut(load)) {
		if (!may_begin(load, load->next_login, now, &due))
			return due;
		client_begin(load, &load->clients[load->next_login], load->first + load->next_login, due);
		load->next_login++;
	}
	return UINT64_MAX;
}

/* One that leaves and comes back; its login counts from when it was due to leave. */
static void return_begin(struct load *load, uint64_t due_ns)
{
	for (unsigned tried = 0; tried < load->count; tried++) {
		struct client *client = &load->clients[load->next_return];
		load->next_return = (load->next_return + 1) % load->count;
		if (!client_is_online(client) || !number_returns(load, client->number))
			continue;
		client->returning = true;
		client_end(load, client);
		client->begun_ns = due_ns;
		return;
	}
	load->tally->counts.missed++;
}

static uint64_t returns_begin(struct load *load, uint64_t now)
{
	uint64_t due = UINT64_MAX;

	while (load->options->churn && !is_cut(load)) {
		due = load_due(load, load->board->run_ns, load->returns, load->options->churn);
		if (due > now)
			return due;
		load->returns++;
		return_begin(load, due);
	}
	return due;
}

/* ---- phases */

static void slow_switch(struct load *load, bool reads)
{
	if (!load->options->slow || load->options->slow_reads)
		return;
	for (unsigned i = 0; i < load->count; i++) {
		struct client *client = &load->clients[i];
		if (!client_is_online(client) || !load_is_slow_reader(load, client))
			continue;
		if (reads)
			wire_resume(&client->wire);
		else
			wire_stop(&client->wire);
		load_mark_dirty(load, client);
	}
}

static void all_end(struct load *load)
{
	for (unsigned i = 0; i < load->count; i++)
		client_end(load, &load->clients[i]);
}

static void phase_follow(struct load *load)
{
	enum load_phase phase = atomic_load(&load->board->phase);

	if (phase == load->phase)
		return;
	load->phase = phase;
	if (phase == PHASE_JOIN)
		crowd_join(load);
	else if (phase == PHASE_RUN)
		traffic_begin(load, load->board->run_ns);
	else if (phase == PHASE_QUIT)
		all_end(load);
	if (phase == PHASE_RUN || phase == PHASE_DRAIN)
		slow_switch(load, phase == PHASE_DRAIN);
}

static uint64_t min_ns(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Begins what is due. Answers when something is again. */
static uint64_t work_begin(struct load *load, uint64_t now)
{
	if (load->phase == PHASE_LOGIN)
		return load->options->storm ? storm_begin(load, now) : logins_begin(load, now);
	if (load->phase != PHASE_RUN || is_cut(load))
		return UINT64_MAX;
	return min_ns(traffic_send_due(load, now), returns_begin(load, now));
}

/* ---- the loop */

static void dirty_flush(struct load *load)
{
	unsigned kept = 0;

	/* A client that is gone may begin anew, and so be put behind the others; who waits to be read stays before. */
	for (unsigned i = 0; i < load->dirty_count; i++) {
		struct client *client = load->dirty[i];
		client->dirty = false;
		client_flush(load, client);
		if (client->dirty || !wire_waits(&client->wire))
			continue;
		client->dirty = true;
		load->dirty[kept++] = client;
	}
	load->dirty_count = kept;
}

static void second_step(struct load *load, uint64_t now)
{
	if (now < load->second_ns)
		return;
	load->second_ns = now + SECOND_NS;
	for (unsigned i = 0; i < load->count; i++)
		if (load->clients[i].state != CLIENT_NEW && load->clients[i].state != CLIENT_ONLINE)
			client_expire(load, &load->clients[i], now);
}

static void event_take(struct load *load, const struct io_done *done)
{
	uint64_t place = done->tag & ((1ull << WIRE_OP_SHIFT) - 1), bell;
	enum wire_op op = (enum wire_op)(done->tag >> WIRE_OP_SHIFT);

	if (place >= TAG_CLIENT) {
		client_on_done(load, &load->clients[place - TAG_CLIENT], op, done);
		return;
	}
	if (place == TAG_BELL && read(load->bell_fd, &bell, sizeof bell) < 0)
		return;
	if (!done->more)
		io_watch(load->wires.io, place == TAG_BELL ? load->bell_fd : load->timer_fd, place);
}

/* To set it costs a virtual machine more than to send a message. */
static void timer_set(struct load *load, uint64_t due_ns)
{
	struct itimerspec when = {.it_value = {(time_t)(due_ns / SECOND_NS), (long)(due_ns % SECOND_NS)}};

	if (due_ns == UINT64_MAX || due_ns == load->timer_ns)
		return;
	load->timer_ns = due_ns;
	timerfd_settime(load->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void events_wait(struct load *load, uint64_t due_ns)
{
	bool is_due = due_ns <= clock_ns();
	struct io_done done;

	if (!is_due)
		timer_set(load, due_ns);
	io_wait(load->wires.io, is_due ? 0 : WAIT_MS_MAX);
	while (io_next(load->wires.io, &done)) {
		event_take(load, &done);
		if (done.bytes)
			io_return(load->wires.io, &done);
	}
}

static bool all_are_gone(const struct load *load)
{
	for (unsigned i = 0; i < load->count; i++)
		if (load->clients[i].state != CLIENT_NEW)
			return false;
	return true;
}

static void load_run(struct load *load)
{
	uint64_t quit_ns = 0;

	for (;;) {
		uint64_t now = clock_ns(), due;
		phase_follow(load);
		if (load->phase == PHASE_QUIT && !quit_ns)
			quit_ns = now + QUIT_S_MAX * SECOND_NS;
		load->turn_room = WIRES_READ_MAX - load->wires.reading;
		load->turn_room += load->turn_room == 0;
		due = work_begin(load, now);
		dirty_flush(load);
		if (quit_ns && (now >= quit_ns || all_are_gone(load)))
			return;
		second_step(load, now);
		events_wait(load, min_ns(due, quit_ns ? quit_ns : load->second_ns));
		dirty_flush(load);
	}
}

/* ---- from beginning to end */

static bool rings_open(struct load *load)
{
	char error[IO_ERROR_BYTES];

	load->wires.io = io_new(error);
	load->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (!load->wires.io || load->timer_fd < 0) {
		fprintf(stderr, "%s\n", load->wires.io ? "no timer" : error);
		return false;
	}
	io_watch(load->wires.io, load->bell_fd, TAG_BELL);
	io_watch(load->wires.io, load->timer_fd, TAG_TIMER);
	return true;
}

static void memory_open(struct load *load)
{
	size_t count = load->count ? load->count : 1;

	load->clients = calloc(count, sizeof *load->clients);
	load->dirty = calloc(2 * count, sizeof(struct client *));
	load->places = calloc(count, sizeof *load->places);
	load->work = aligned_alloc(64, xml_work_bytes());
	assert(load->clients && load->dirty && load->places && load->work);
	for (unsigned i = 0; i < load->count; i++)
		load->places[load->place_count++] = load->count - 1 - i;
	if (load->options->room_size || load->options->resources)
		load->flows = calloc(count * load_unit(load->options), sizeof *load->flows);
}

/* What all clients of a process share, into places that are empty. */
static bool shared_open(const struct options *o, struct tls_shared *ret_tls, struct accounts **ret_accounts)
{
	size_t len = strlen(o->mechanism);
	struct tls_options tls = {.name = o->domain,
				  .ca_file = o->ca,
				  .version = o->tls,
				  .insecure = o->insecure,
				  .direct = o->direct,
				  .exporter = len > 5 && strcmp(o->mechanism + len - 5, "-PLUS") == 0,
				  .tickets = o->resume};

	*ret_accounts = accounts_new(o->user_prefix, o->users, o->password, o->mechanism);
	if (!*ret_accounts)
		fprintf(stderr, "GNU SASL has no %s\n", o->mechanism);
	return *ret_accounts && tls_shared_open(ret_tls, &tls);
}

static void shared_close(struct tls_shared *tls, struct accounts *accounts)
{
	if (accounts)
		accounts_free(accounts);
	if (tls->context)
		tls_shared_close(tls);
}

bool load_try(const struct options *o)
{
	struct accounts *accounts = NULL;
	struct tls_shared tls = {0};
	bool good = shared_open(o, &tls, &accounts);

	shared_close(&tls, accounts);
	return good;
}

static bool load_open(struct load *load)
{
	const struct options *o = load->options;

	xml_kernel_choose(NULL);
	memory_open(load);
	traffic_init(load);
	load->wires.sources = o->source_addresses;
	return options_address(o, &load->wires.address, &load->wires.address_len) &&
	       shared_open(o, &load->wires.tls, &load->accounts) && rings_open(load);
}

static void load_close(struct load *load)
{
	for (unsigned i = 0; i < load->count; i++) {
		SSL_SESSION_free(load->clients[i].session);
		management_free(load->clients[i].management);
	}
	shared_close(&load->wires.tls, load->accounts);
	traffic_free(&load->traffic);
	if (load->wires.io)
		io_free(load->wires.io);
	if (load->timer_fd > 0)
		close(load->timer_fd);
	for (unsigned i = 0; i < LOAD_SCOPES_MAX; i++)
		free(load->scopes[i].at);
	free(load->clients);
	free(load->places);
	free(load->dirty);
	free(load->flows);
	free(load->work);
}

int load_process(const struct options *options, struct board *board, unsigned index, int bell_fd)
{
	struct load *load = calloc(1, sizeof *load);
	struct process_sample before;
	bool good;

	assert(load);
	*load = (struct load){.options = options,
			      .board = board,
			      .index = index,
			      .tally = &board->tallies[index],
			      .bell_fd = bell_fd,
			      .first = load_first(options, board->processes, index)};
	load->count = load_first(options, board->processes, index + 1) - load->first;
	good = load_open(load);
	if (process_sample((unsigned)getpid(), &before))
		load->tally->start_bytes = before.rss_bytes;
	if (good)
		load_run(load);
	load_close(load);
	free(load);
	return good ? 0 : 2;
}
