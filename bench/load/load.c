#include "load.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, FAULTS_TOLD = 10, STORM_FIRST = 10000 };
#define SECOND_NS 1000000000ull

static volatile sig_atomic_t interrupted;

static const char *const fault_texts[] = {
#define FAULT(name, text) text,
#include "fault.def"
#undef FAULT
};

void load_interrupt(void)
{
	interrupted = 1;
}

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

void load_fault(struct load *load, enum fault fault, unsigned client, const char *detail)
{
	load->faults[fault]++;
	if (load->faults[fault] <= FAULTS_TOLD)
		fprintf(stderr, "client %u: %s%s%s%s\n", client, fault_texts[fault], detail[0] ? ": " : "", detail,
			load->faults[fault] == FAULTS_TOLD ? " (and so on)" : "");
}

void load_mark_dirty(struct load *load, struct client *client)
{
	if (client->dirty)
		return;
	client->dirty = true;
	load->dirty[load->dirty_count++] = client;
}

void load_client_online(struct load *load, struct client *client)
{
	load->under_way--;
	load->online++;
	load->online_ns = clock_ns();
	histogram_add(&load->login_ns, load->online_ns - client->begun_ns);
	if (load->options->storm) /* it has done what it came for */
		client_end(load, client);
}

void load_client_gone(struct load *load, struct client *client)
{
	if (load->options->storm)
		load->places[load->place_count++] = (unsigned)(client - load->clients);
}

static void dirty_flush(struct load *load)
{
	for (unsigned i = 0; i < load->dirty_count; i++) {
		load->dirty[i]->dirty = false;
		client_flush(load, load->dirty[i]);
	}
	load->dirty_count = 0;
}

static bool storm_is_over(const struct load *load, uint64_t now)
{
	return load->cut || now - load->start_ns >= load->options->storm * SECOND_NS;
}

/*
 * A login of the storm, on a place that is free. The number chooses address, account and resource: one that another
 * run of this program would not have at the same time.
 */
static void storm_begin_one(struct load *load)
{
	unsigned number = load->begun + STORM_FIRST * load->options->users;

	if (load->place_count == 0) {
		load->missed++;
		load->begun++;
		return;
	}
	client_begin(load, &load->clients[load->places[--load->place_count]], number);
}

/* As logins_begin, as long as the storm goes on. */
static uint64_t storm_begin(struct load *load, uint64_t now)
{
	const struct options *options = load->options;
	uint64_t due;

	while (!storm_is_over(load, now)) {
		if (options->rate_logins) {
			due = load->start_ns + load->begun * SECOND_NS / options->rate_logins;
			if (due > now)
				return due;
		} else if (load->under_way >= options->parallel || load->place_count == 0) {
			return UINT64_MAX;
		}
		storm_begin_one(load);
	}
	return UINT64_MAX;
}

static void phase_storm(struct load *load, uint64_t now)
{
	if (!storm_is_over(load, now))
		load->logins_in_time = load->login_ns.total;
	else if (load->under_way == 0 || load->cut)
		load->phase = PHASE_END;
}

/* Begins the logins that are due. Answers when the next one is, UINT64_MAX for never or when another has ended. */
static uint64_t logins_begin(struct load *load, uint64_t now)
{
	const struct options *options = load->options;
	uint64_t due;

	while (load->begun < options->clients) {
		if (options->rate_logins) {
			due = load->start_ns + load->begun * SECOND_NS / options->rate_logins;
			if (due > now)
				return due;
		} else if (load->under_way >= options->parallel) {
			return UINT64_MAX;
		}
		client_begin(load, &load->clients[load->begun], load->begun);
	}
	return UINT64_MAX;
}

static void logins_expire(struct load *load, uint64_t now)
{
	for (unsigned i = 0; i < load->begun && i < load->options->clients; i++) {
		struct client *client = &load->clients[i];
		if (client_is_logging_in(client) && now - client->begun_ns > load->options->login_timeout * SECOND_NS)
			client_expire(load, client);
	}
}

static void measure(struct load *load, struct load_sample *ret)
{
	process_sample((unsigned)getpid(), &ret->own);
	if (load->options->pid && !process_sample(load->options->pid, &ret->server))
		load->measured = false;
}

/* A phase that has done its part makes room for the next. */
static void phase_login(struct load *load, uint64_t now)
{
	if (load->options->storm) {
		phase_storm(load, now);
		return;
	}
	if (!load->cut && (load->begun < load->options->clients || load->under_way))
		return;
	load->settle_ns = now;
	load->phase = load->online && !load->cut ? PHASE_SETTLE : PHASE_END;
}

static void phase_settle(struct load *load, uint64_t now)
{
	if (!load->cut && now - load->settle_ns < load->options->settle * SECOND_NS)
		return;
	measure(load, &load->run_begin);
	load->run_ns = now;
	load->phase = load->cut ? PHASE_END : PHASE_RUN;
	if (load->phase == PHASE_RUN)
		traffic_begin(load, now);
}

static void phase_run(struct load *load, uint64_t now)
{
	if (!load->cut && now - load->run_ns < load->options->seconds * SECOND_NS)
		return;
	load->run_end_ns = now;
	load->received_in_time = load->traffic.received;
	load->phase = PHASE_DRAIN;
}

static void phase_drain(struct load *load, uint64_t now)
{
	if (load->traffic.received < load->traffic.sent && now - load->run_end_ns < load->options->drain * SECOND_NS)
		return;
	load->phase = PHASE_END;
}

static void phase_step(struct load *load, uint64_t now)
{
	static void (*const steps[PHASE_END])(struct load *, uint64_t) = {
		[PHASE_LOGIN] = phase_login,
		[PHASE_SETTLE] = phase_settle,
		[PHASE_RUN] = phase_run,
		[PHASE_DRAIN] = phase_drain,
	};

	if (!load->cut && (interrupted || now - load->start_ns > load->options->limit * SECOND_NS)) {
		load_fault(load, FAULT_LIMIT, 0, interrupted ? "signal" : "time");
		load->cut = true;
	}
	steps[load->phase](load, now);
}

static void progress_print(const struct load *load)
{
	if (!load->options->quiet)
		fprintf(stderr, "begun %u, online %u, failed %u; sent %llu, received %llu\n", load->begun, load->online,
			load->failed, (unsigned long long)load->traffic.sent,
			(unsigned long long)load->traffic.received);
}

static void second_step(struct load *load, uint64_t now, uint64_t *second)
{
	if (now < *second)
		return;
	*second += SECOND_NS;
	logins_expire(load, now);
	progress_print(load);
}

static void events_wait(struct load *load, uint64_t until)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t now = clock_ns(), wait = until > now ? until - now : 0;
	struct timespec timeout = {(time_t)(wait / SECOND_NS), (long)(wait % SECOND_NS)};
	int count = epoll_pwait2(load->epoll, events, EVENTS_MAX, &timeout, NULL);

	for (int i = 0; i < count; i++)
		client_on_ready(load, events[i].data.ptr, events[i].events);
}

static uint64_t min_ns(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When the phase is over by time alone. */
static uint64_t phase_due(const struct load *load)
{
	if (load->phase == PHASE_LOGIN && load->options->storm && !storm_is_over(load, clock_ns()))
		return load->start_ns + load->options->storm * SECOND_NS;
	if (load->phase == PHASE_SETTLE)
		return load->settle_ns + load->options->settle * SECOND_NS;
	if (load->phase == PHASE_RUN)
		return load->run_ns + load->options->seconds * SECOND_NS;
	return load->phase == PHASE_DRAIN ? load->run_end_ns + load->options->drain * SECOND_NS : UINT64_MAX;
}

static void run_once(struct load *load, uint64_t now, uint64_t second)
{
	uint64_t due = UINT64_MAX;

	if (load->phase == PHASE_LOGIN)
		due = load->options->storm ? storm_begin(load, now) : logins_begin(load, now);
	else if (load->phase == PHASE_RUN)
		due = traffic_send_due(load, now);
	dirty_flush(load);
	events_wait(load, min_ns(min_ns(due, second), phase_due(load)));
	dirty_flush(load);
}

void load_run(struct load *load)
{
	uint64_t now = clock_ns(), second = now + SECOND_NS;

	load->start_ns = now;
	load->measured = load->options->pid != 0;
	measure(load, &load->baseline);
	for (;;) {
		phase_step(load, now);
		if (load->phase == PHASE_END)
			break;
		run_once(load, now, second);
		now = clock_ns();
		second_step(load, now, &second);
	}
	load->stop_ns = now;
	measure(load, &load->run_end);
}

void load_hold(struct load *load, unsigned seconds)
{
	uint64_t end = clock_ns() + seconds * SECOND_NS;

	while (!interrupted && clock_ns() < end) {
		events_wait(load, end);
		dirty_flush(load);
	}
}
