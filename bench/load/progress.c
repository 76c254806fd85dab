#include "progress.h"

#include "lead.h"
#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR_CELLS = 24 };

static bool is_on_terminal(const struct lead *lead)
{
	return !lead->options->quiet && isatty(STDERR_FILENO);
}

/* A line that stays, by --progress. */
static bool is_due(const struct lead *lead)
{
	unsigned seconds = lead->options->progress;

	return seconds && lead->series.count % seconds == 0;
}

static double seconds_since(uint64_t from)
{
	uint64_t now = clock_ns();

	return now > from ? (double)(now - from) / (double)SECOND_NS : 0;
}

/* How much of the phase is done, 0 to 1. */
static double share_done(const struct lead *lead)
{
	const struct options *o = lead->options;
	double share = 1;

	if (lead->phase == PHASE_LOGIN)
		share = o->storm ? seconds_since(lead->start_ns) / o->storm
				 : (double)lead->sum->counts.online / o->clients;
	else if (lead->phase == PHASE_RUN && o->seconds)
		share = seconds_since(lead->run_ns) / o->seconds;
	return share < 1 ? share : 1;
}

static void bar_print(double share)
{
	char bar[BAR_CELLS + 1];
	int full = (int)(share * BAR_CELLS);

	memset(bar, '.', BAR_CELLS);
	memset(bar, '#', (size_t)full);
	bar[BAR_CELLS] = 0;
	fprintf(stderr, "[%s]", bar);
}

/* The difference of the last two moments, a second. */
static double rate(const struct lead *lead, uint64_t now, uint64_t before)
{
	const struct moment *m = &lead->series.moments[lead->series.count - 1];
	double seconds = lead->series.count > 1 ? m->at_s - m[-1].at_s : m->at_s;

	return seconds > 0 ? (double)(now - before) / seconds : 0;
}

static void figures_print(const struct lead *lead)
{
	const struct moment *m = &lead->series.moments[lead->series.count - 1];
	static const struct moment nothing;
	const struct moment *old = lead->series.count > 1 ? m - 1 : &nothing;
	bool logs_in = lead->phase == PHASE_LOGIN;

	fprintf(stderr, " %5.0f s  online %" PRIu64 "  %.0f %s/s  p50 %.1f p99 %.1f %s  errors %" PRIu64, m->at_s,
		m->online,
		logs_in ? rate(lead, m->logins, old->logins)
			: rate(lead, m->received + m->answers, old->received + old->answers),
		logs_in ? "logins" : "stanzas", logs_in ? m->login_ms_p50 : m->latency_us_p50,
		logs_in ? m->login_ms_p99 : m->latency_us_p99, logs_in ? "ms" : "us", m->faults);
}

void progress_show(const struct lead *lead)
{
	static const char *const names[] = {"login", "join", "settle", "run", "drain", "", ""};

	if (is_on_terminal(lead)) {
		fprintf(stderr, "\r\033[K%-6s ", names[lead->phase]);
		bar_print(share_done(lead));
		figures_print(lead);
	} else if (is_due(lead)) {
		fprintf(stderr, "%-6s", names[lead->phase]);
		figures_print(lead);
		fprintf(stderr, "\n");
	}
	fflush(stderr);
}

void progress_end(const struct lead *lead)
{
	if (is_on_terminal(lead))
		fprintf(stderr, "\r\033[K");
}
