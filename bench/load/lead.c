#include "lead.h"

#include "load.h"
#include "progress.h"
#include "split.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 10, START_MS = 20, QUIT_MS_MAX = 6000 };

static volatile sig_atomic_t interrupted;

void lead_interrupt(void)
{
	interrupted = 1;
}

static void tick(void)
{
	nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000l}, NULL);
}

/* ---- processes */

/* As many as are asked for, or as the limit of open files makes necessary. */
static unsigned processes_wanted(const struct options *o)
{
	uint64_t files = UINT64_MAX;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
		files = limit.rlim_max; /* RLIM_INFINITY is UINT64_MAX */
	}
	return split_processes(o->clients, load_unit(o), o->processes, files);
}

static bool board_open(struct lead *lead)
{
	uint32_t run;

	lead->board_bytes = sizeof *lead->board + lead->processes * sizeof lead->board->tallies[0];
	lead->board = mmap(NULL, lead->board_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (lead->board == MAP_FAILED)
		return false;
	lead->board->processes = lead->processes;
	getrandom(&run, sizeof run, 0);
	snprintf(lead->board->run, sizeof lead->board->run, "%08x", run);
	return true;
}

/* What a process does that is no leading one; never returns. */
static void member_run(const struct lead *lead, unsigned index)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Who leads decides when it is over. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	exit(load_process(lead->options, lead->board, index, lead->members[index].bell_fd));
}

static bool member_start(struct lead *lead, unsigned index)
{
	lead->members[index].bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (lead->members[index].bell_fd < 0)
		return false;
	lead->members[index].pid = fork();
	if (lead->members[index].pid == 0)
		member_run(lead, index);
	return lead->members[index].pid > 0;
}

bool lead_open(struct lead *lead, const struct options *options)
{
	*lead = (struct lead){.options = options, .processes = processes_wanted(options)};
	lead->members = calloc(lead->processes, sizeof *lead->members);
	lead->sum = calloc(1, sizeof *lead->sum);
	lead->before = calloc(1, sizeof *lead->before);
	assert(lead->members && lead->sum && lead->before);
	watch_read(&lead->watch, options->pid, options->watch);
	if (!board_open(lead)) {
		fprintf(stderr, "no memory\n");
		return false;
	}
	fflush(NULL);
	lead->start_ns = lead->board->start_ns = clock_ns() + START_MS * 1000000ull;
	for (unsigned i = 0; i < lead->processes; i++)
		if (!member_start(lead, i)) {
			fprintf(stderr, "no process could be started: %s\n", strerror(errno));
			return false;
		}
	return true;
}

/* Those that ended by themselves. False: none could begin. */
static bool members_look(struct lead *lead)
{
	bool good = true;

	for (unsigned i = 0; i < lead->processes; i++) {
		int status;
		if (!lead->members[i].pid || waitpid(lead->members[i].pid, &status, WNOHANG) <= 0)
			continue;
		lead->members[i].pid = 0;
		good = false;
		fprintf(stderr, "a process of the load ended: %s %d\n", WIFEXITED(status) ? "status" : "signal",
			WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	}
	return good;
}

static void bells_ring(const struct lead *lead)
{
	uint64_t one = 1;

	for (unsigned i = 0; i < lead->processes; i++)
		if (write(lead->members[i].bell_fd, &one, sizeof one) < 0)
			continue; /* it has been rung already */
}

static void phase_say(struct lead *lead, enum load_phase phase)
{
	lead->phase = phase;
	atomic_store(&lead->board->phase, phase);
	bells_ring(lead);
}

static void cut(struct lead *lead, enum fault fault, const char *why)
{
	if (atomic_load(&lead->board->cut))
		return;
	lead->parent_faults[fault]++;
	fprintf(stderr, "the run is cut short: %s\n", why);
	atomic_store(&lead->board->cut, true);
	bells_ring(lead);
}

/* ---- adding up */

static void counts_sum(const struct lead *lead, struct counts *ret)
{
	*ret = (struct counts){0};
	for (unsigned i = 0; i < lead->processes; i++)
		counts_add(ret, &lead->board->tallies[i].counts);
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		ret->faults[i] += lead->parent_faults[i];
}

static void tally_sum(struct lead *lead)
{
	*lead->sum = (struct tally){0};
	for (unsigned i = 0; i < lead->processes; i++)
		tally_add(lead->sum, &lead->board->tallies[i]);
	counts_sum(lead, &lead->sum->counts);
}

static void measure(struct lead *lead, struct lead_sample *ret)
{
	struct process_sample one;

	*ret = (struct lead_sample){0};
	for (unsigned i = 0; i < lead->processes; i++) {
		if (!lead->members[i].pid || !process_sample((unsigned)lead->members[i].pid, &one))
			continue;
		ret->own.user_us += one.user_us;
		ret->own.system_us += one.system_us;
		ret->own.rss_bytes += one.rss_bytes;
	}
	for (unsigned i = 0; i < lead->watch.count; i++)
		lead->watch_lost |= !watch_sample(&lead->watch, i, &ret->watched[i]);
}

/* Of what was added since the last moment. */
static void percentiles(const struct histogram *now, const struct histogram *before, double unit_ns, double *ret_p50,
			double *ret_p99)
{
	static struct histogram since;

	histogram_since(now, before, &since);
	*ret_p50 = (double)histogram_at(&since, 0.5) / unit_ns;
	*ret_p99 = (double)histogram_at(&since, 0.99) / unit_ns;
}

static void moment_add(struct lead *lead, uint64_t now)
{
	struct moment *m = series_add(&lead->series);
	struct tally *swap = lead->before;
	struct lead_sample sample;

	lead->before = lead->sum;
	lead->sum = swap;
	tally_sum(lead);
	measure(lead, &sample);
	*m = (struct moment){.at_s = (double)(now - lead->start_ns) / (double)SECOND_NS,
			     .online = lead->sum->counts.online,
			     .logins = lead->sum->login_ns.total + lead->sum->return_ns.total,
			     .received = lead->sum->counts.received,
			     .answers = lead->sum->counts.answers,
			     .returned = lead->sum->counts.returned,
			     .faults = counts_faults(&lead->sum->counts)};
	percentiles(&lead->sum->login_ns, &lead->before->login_ns, 1e6, &m->login_ms_p50, &m->login_ms_p99);
	percentiles(&lead->sum->latency_ns, &lead->before->latency_ns, 1e3, &m->latency_us_p50, &m->latency_us_p99);
	for (unsigned i = 0; i < lead->watch.count; i++) {
		m->cpu_s[i] = (double)(sample.watched[i].user_us + sample.watched[i].system_us) / 1e6;
		m->rss_bytes[i] = (double)sample.watched[i].rss_bytes;
	}
}

/* ---- phases */

static bool is_cut(const struct lead *lead)
{
	return atomic_load(&lead->board->cut);
}

static void storm_look(struct lead *lead, const struct counts *counts, uint64_t now)
{
	bool over = is_cut(lead) || now > lead->start_ns + lead->options->storm * SECOND_NS;

	if (over && (counts->under_way == 0 || is_cut(lead)))
		phase_say(lead, PHASE_HOLD);
}

static void login_look(struct lead *lead, const struct counts *counts, uint64_t now)
{
	if (lead->options->storm) {
		storm_look(lead, counts, now);
		return;
	}
	if (!is_cut(lead) && (counts->begun < lead->options->clients || counts->under_way))
		return;
	lead->join_ns = lead->settle_ns = now;
	phase_say(lead, is_cut(lead) || !counts->online ? PHASE_HOLD
			: lead->options->room_size	? PHASE_JOIN
							: PHASE_SETTLE);
}

static void join_look(struct lead *lead, const struct counts *counts, uint64_t now)
{
	bool slow = now - lead->join_ns > lead->options->login_timeout * SECOND_NS;

	if (!is_cut(lead) && !slow && counts->joined < counts->online)
		return;
	if (slow)
		lead->parent_faults[FAULT_JOIN] += counts->online - counts->joined;
	lead->settle_ns = now;
	phase_say(lead, PHASE_SETTLE);
}

static void settle_look(struct lead *lead, const struct counts *counts, uint64_t now)
{
	if (!is_cut(lead) && now - lead->settle_ns < lead->options->settle * SECOND_NS)
		return;
	measure(lead, &lead->run_begin);
	lead->run_counts = *counts;
	lead->run_ns = lead->board->run_ns = clock_ns() + START_MS * 1000000ull;
	phase_say(lead, is_cut(lead) ? PHASE_HOLD : PHASE_RUN);
}

static void run_look(struct lead *lead, const struct counts *counts, uint64_t now)
{
	if (!is_cut(lead) && now < lead->run_ns + lead->options->seconds * SECOND_NS)
		return;
	lead->run_end_ns = now;
	lead->received_in_time = counts->received;
	phase_say(lead, PHASE_DRAIN);
}

static void drain_look(struct lead *lead, const struct counts *counts, uint64_t now)
{
	bool under_way = counts_lost(counts) > 0 || counts->under_way > 0 ||
			 (counts->online < lead->options->clients && lead->options->churn);

	if (!under_way || now - lead->run_end_ns >= lead->options->drain * SECOND_NS)
		phase_say(lead, PHASE_HOLD);
}

static void phase_look(struct lead *lead, uint64_t now)
{
	static void (*const looks[PHASE_HOLD])(struct lead *, const struct counts *, uint64_t) = {
		[PHASE_LOGIN] = login_look, [PHASE_JOIN] = join_look,	[PHASE_SETTLE] = settle_look,
		[PHASE_RUN] = run_look,	    [PHASE_DRAIN] = drain_look,
	};
	struct counts counts;

	counts_sum(lead, &counts);
	looks[lead->phase](lead, &counts, now);
}

void lead_run(struct lead *lead)
{
	uint64_t second = lead->start_ns + SECOND_NS;

	measure(lead, &lead->baseline);
	while (lead->phase != PHASE_HOLD) {
		uint64_t now = clock_ns();
		if (interrupted)
			cut(lead, FAULT_LIMIT, "signal");
		else if (now > lead->start_ns + lead->options->limit * SECOND_NS)
			cut(lead, FAULT_LIMIT, "time");
		if (!members_look(lead))
			cut(lead, FAULT_GENERATOR, "a process is gone");
		phase_look(lead, now);
		if (now >= second) {
			second += SECOND_NS;
			moment_add(lead, now);
			progress_show(lead);
		}
		tick();
	}
	lead->stop_ns = clock_ns();
	measure(lead, &lead->run_end);
	if (lead->stop_ns > second - SECOND_NS / 2) /* else it is too short to be a moment */
		moment_add(lead, lead->stop_ns);
	tally_sum(lead);
	progress_end(lead);
}

void lead_hold(struct lead *lead, unsigned seconds)
{
	uint64_t end = clock_ns() + seconds * SECOND_NS;

	while (!interrupted && clock_ns() < end && members_look(lead))
		tick();
}

/* Whether some are left; what became of the others is in *ret_good. */
static bool members_reap(struct lead *lead, bool *ret_good)
{
	bool some = false;

	for (unsigned i = 0; i < lead->processes; i++) {
		int status = 0;
		if (!lead->members[i].pid)
			continue;
		if (waitpid(lead->members[i].pid, &status, WNOHANG) == 0) {
			some = true;
			continue;
		}
		lead->members[i].pid = 0;
		*ret_good &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	return some;
}

bool lead_close(struct lead *lead)
{
	uint64_t end = clock_ns() + QUIT_MS_MAX * 1000000ull;
	bool good = true;

	if (lead->board && lead->board != MAP_FAILED)
		phase_say(lead, PHASE_QUIT);
	while (members_reap(lead, &good) && clock_ns() < end)
		tick();
	for (unsigned i = 0; i < lead->processes; i++)
		if (lead->members[i].pid)
			kill(lead->members[i].pid, SIGKILL);
	series_free(&lead->series);
	free(lead->members);
	free(lead->sum);
	free(lead->before);
	return good;
}
