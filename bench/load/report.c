#include "report.h"

#include "lead.h"

#include <ctype.h>
#include <inttypes.h>

static const char *const fault_names[] = {
#define FAULT(name, text) #name,
#include "fault.def"
#undef FAULT
};

bool report_is_good(const struct lead *lead)
{
	const struct counts *counts = &lead->sum->counts;

	if (lead->options->storm)
		return lead->sum->login_ns.total > 0 &&
		       counts_faults(counts) == (lead->options->forgive_overload ? counts->overload : 0);
	return counts->online + counts->slow_cut == lead->options->clients && !counts_lost(counts) &&
	       !counts_faults(counts);
}

static double seconds_between(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / 1e9 : 0;
}

static double rate_of(double count, double seconds)
{
	return seconds > 0 ? count / seconds : 0;
}

static void number_print(FILE *to, const char *name, double value)
{
	fprintf(to, ", \"%s\": %.1f", name, value);
}

static void histogram_print(FILE *to, const char *name, const struct histogram *histogram, double unit_ns)
{
	static const struct {
		const char *name;
		double share;
	} points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99_9", 0.999}};

	fprintf(to, ", \"%s\": {", name);
	for (unsigned i = 0; i < sizeof points / sizeof points[0]; i++)
		fprintf(to, "\"%s\": %.1f, ", points[i].name,
			(double)histogram_at(histogram, points[i].share) / unit_ns);
	fprintf(to, "\"max\": %.1f}", (double)histogram->max / unit_ns);
}

static void faults_print(FILE *to, const struct lead *lead)
{
	const struct counts *counts = &lead->sum->counts;
	const char *separator = "";

	fprintf(to, ", \"errors\": %" PRIu64 ", \"error_counts\": {", counts_faults(counts));
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		if (!counts->faults[i])
			continue;
		fprintf(to, "%s\"", separator);
		for (const char *c = fault_names[i]; *c; c++)
			fputc(tolower(*c), to);
		fprintf(to, "\": %" PRIu64, counts->faults[i]);
		separator = ", ";
	}
	fprintf(to, "}");
}

static void logins_print(FILE *to, const struct lead *lead)
{
	const struct tally *sum = lead->sum;
	const struct counts *counts = &sum->counts;
	double seconds = seconds_between(lead->start_ns, sum->online_ns);

	fprintf(to, "\"clients\": %u, \"online\": %" PRIu64 ", \"login_failures\": %" PRIu64, lead->options->clients,
		counts->online, counts->failed);
	if (!lead->options->churn) /* else the last login was somebody's return */
		number_print(to, "logins_per_second", rate_of((double)sum->login_ns.total, seconds));
	histogram_print(to, "login_ms", &sum->login_ns, 1e6);
	fprintf(to,
		", \"tls\": {\"1.2\": %" PRIu64 ", \"1.3\": %" PRIu64 "}, \"tls_resumed\": %" PRIu64
		", \"processes\": %u",
		counts->tls12, counts->tls13, counts->resumed, lead->processes);
}

static void returns_print(FILE *to, const struct lead *lead)
{
	if (!lead->options->churn)
		return;
	fprintf(to, ", \"returned\": %" PRIu64 ", \"returns_missed\": %" PRIu64, lead->sum->counts.returned,
		lead->sum->counts.missed);
	if (lead->options->resume_streams)
		fprintf(to, ", \"streams_resumed\": %" PRIu64 ", \"streams_refused\": %" PRIu64,
			lead->sum->counts.streams_resumed, lead->sum->counts.streams_refused);
	histogram_print(to, "return_ms", &lead->sum->return_ns, 1e6);
}

static void slow_print(FILE *to, const struct lead *lead)
{
	const struct counts *counts = &lead->sum->counts;

	if (lead->options->slow)
		fprintf(to, ", \"slow_sent\": %" PRIu64 ", \"slow_received\": %" PRIu64 ", \"slow_cut_off\": %" PRIu64,
			counts->slow_sent, counts->slow_received, counts->slow_cut);
}

static void messages_print(FILE *to, const struct lead *lead)
{
	const struct tally *sum = lead->sum;
	const struct counts *counts = &sum->counts;
	double seconds = seconds_between(lead->run_ns, lead->run_end_ns);

	fprintf(to,
		", \"seconds\": %.3f, \"messages_sent\": %" PRIu64 ", \"messages_expected\": %" PRIu64
		", \"messages_received\": %" PRIu64 ", \"lost\": %" PRIu64,
		seconds, counts->sent, counts->expected, counts->received, counts_lost(counts));
	number_print(to, "rate", rate_of((double)lead->received_in_time, seconds));
	histogram_print(to, "latency_us", &sum->latency_ns, 1e3);
	if (counts->pings) {
		fprintf(to, ", \"pings_sent\": %" PRIu64 ", \"pings_answered\": %" PRIu64, counts->pings,
			counts->answers);
		histogram_print(to, "ping_us", &sum->ping_ns, 1e3);
	}
	if (counts->acknowledged)
		fprintf(to, ", \"messages_acknowledged\": %" PRIu64, counts->acknowledged);
	slow_print(to, lead);
	returns_print(to, lead);
	fprintf(to,
		", \"stanzas_received\": %" PRIu64 ", \"foreign_messages\": %" PRIu64 ", \"text_sent_bytes\": %" PRIu64
		", \"text_received_bytes\": %" PRIu64,
		counts->stanzas, counts->foreign, counts->text_sent, counts->text_received);
}

static double busy_us(const struct process_sample *from, const struct process_sample *until)
{
	return (double)(until->user_us + until->system_us) - (double)(from->user_us + from->system_us);
}

static void late_print(FILE *to, const struct lead *lead)
{
	number_print(to, "generator_late_us_max", (double)lead->sum->late_max_ns / 1e3);
}

static void storm_print(FILE *to, const struct lead *lead)
{
	const struct counts *counts = &lead->sum->counts;
	double us = busy_us(&lead->baseline.own, &lead->run_end.own);

	fprintf(to,
		", \"logins_begun\": %" PRIu64 ", \"logins_in_time\": %" PRIu64 ", \"logins_without_a_place\": %" PRIu64
		", \"logins_left_out\": %" PRIu64 ", \"logins_failed_by_overload\": %" PRIu64,
		counts->begun, counts->in_time, counts->missed, counts->left_out, counts->overload);
	number_print(to, "goodput", rate_of((double)counts->in_time, lead->options->storm));
	fprintf(to, ", \"generator_busy\": %.3f", rate_of(us / 1e6, seconds_between(lead->start_ns, lead->stop_ns)));
	late_print(to, lead);
}

/* How busy this program itself was, in processors, and how late: if it was either, it has measured itself. */
static void generator_print(FILE *to, const struct lead *lead)
{
	double us = busy_us(&lead->run_begin.own, &lead->run_end.own);

	if (!lead->run_ns)
		return;
	fprintf(to, ", \"generator_busy\": %.3f", rate_of(us / 1e6, seconds_between(lead->run_ns, lead->stop_ns)));
	late_print(to, lead);
	if (lead->sum->counts.online)
		number_print(to, "generator_bytes_per_client",
			     ((double)lead->run_begin.own.rss_bytes - (double)lead->sum->start_bytes) /
				     (double)lead->sum->counts.online);
}

static void cpu_print(FILE *to, const char *of, const struct process_sample *from, const struct process_sample *until,
		      double count)
{
	if (count <= 0)
		return;
	fprintf(to, ", \"cpu_us_per_%s_user\": %.2f, \"cpu_us_per_%s_system\": %.2f", of,
		(double)(until->user_us - from->user_us) / count, of,
		(double)(until->system_us - from->system_us) / count);
}

/* Of one of the watched processes. Logins are those before the measured phase, or all of a storm. */
static void watched_print(FILE *to, const struct lead *lead, unsigned index)
{
	const struct process_sample *baseline = &lead->baseline.watched[index], *end = &lead->run_end.watched[index],
				    *begin = lead->options->storm ? end : &lead->run_begin.watched[index];
	const struct counts *counts = &lead->sum->counts;
	double stanzas = (double)(counts->received + counts->answers);

	cpu_print(to, "login", baseline, begin, (double)lead->sum->login_ns.total);
	cpu_print(to, "stanza", begin, end, stanzas);
	cpu_print(to, "return", begin, end, stanzas > 0 ? 0 : (double)counts->returned);
	cpu_print(to, "second", begin, end, lead->run_ns ? seconds_between(lead->run_ns, lead->stop_ns) : 0);
	fprintf(to,
		", \"rss_bytes_baseline\": %" PRIu64 ", \"rss_bytes_logged_in\": %" PRIu64
		", \"rss_bytes_end\": %" PRIu64,
		baseline->rss_bytes, begin->rss_bytes, end->rss_bytes);
	if (counts->online)
		number_print(to, "rss_bytes_per_client",
			     ((double)begin->rss_bytes - (double)baseline->rss_bytes) / (double)counts->online);
}

/* The one of --pid stands by itself; the others by name. */
static void servers_print(FILE *to, const struct lead *lead)
{
	unsigned first = lead->options->pid ? 1 : 0;

	if (lead->watch_lost || (!lead->run_ns && !lead->options->storm))
		return;
	if (first)
		watched_print(to, lead, 0);
	if (lead->watch.count <= first)
		return;
	fprintf(to, ", \"watched\": {");
	for (unsigned i = first; i < lead->watch.count; i++) {
		fprintf(to, "%s\"%s\": {\"pids\": %u", i > first ? ", " : "", lead->watch.watched[i].name,
			lead->watch.watched[i].pid_count);
		watched_print(to, lead, i);
		fprintf(to, "}");
	}
	fprintf(to, "}");
}

void report_warn(FILE *to, const struct lead *lead)
{
	const struct counts *counts = &lead->sum->counts;

	if (lead->watch_lost)
		fprintf(to,
			"a process that was watched has ended: its figures, and those of the others, are left out\n");
	if (lead->options->resume && !counts->resumed)
		fprintf(to, "--resume: no TLS session was resumed: nobody came back, or the server gives no tickets\n");
	if (lead->options->resume_streams && !counts->streams_resumed)
		fprintf(to, "--resume-streams: no stream was resumed: nobody came back, or the server refused it\n");
}

void report_print(FILE *to, const struct lead *lead)
{
	fprintf(to, "{");
	logins_print(to, lead);
	if (lead->options->storm)
		storm_print(to, lead);
	else
		messages_print(to, lead);
	faults_print(to, lead);
	generator_print(to, lead);
	servers_print(to, lead);
	fprintf(to, "}\n");
	fflush(to);
}
