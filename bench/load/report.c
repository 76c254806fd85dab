#include "report.h"
#include "load.h"

#include <ctype.h>
#include <inttypes.h>

static const char *const fault_names[] = {
#define FAULT(name, text) #name,
#include "fault.def"
#undef FAULT
};

static uint64_t faults_sum(const struct load *load)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < FAULT_COUNT; i++)
		sum += load->faults[i];
	return sum;
}

static uint64_t lost_count(const struct load *load)
{
	return load->traffic.sent - load->traffic.received;
}

bool report_is_good(const struct load *load)
{
	if (load->options->storm)
		return load->login_ns.total > 0 && !load->faults[FAULT_LIMIT];
	return load->online == load->options->clients && !lost_count(load) && !faults_sum(load);
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

static void faults_print(FILE *to, const struct load *load)
{
	const char *separator = "";

	fprintf(to, ", \"errors\": %" PRIu64 ", \"error_counts\": {", faults_sum(load));
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		if (!load->faults[i])
			continue;
		fprintf(to, "%s\"", separator);
		for (const char *c = fault_names[i]; *c; c++)
			fputc(tolower(*c), to);
		fprintf(to, "\": %" PRIu64, load->faults[i]);
		separator = ", ";
	}
	fprintf(to, "}");
}

static void logins_print(FILE *to, const struct load *load)
{
	double seconds = seconds_between(load->start_ns, load->online_ns);

	fprintf(to, "\"clients\": %u, \"online\": %u, \"login_failures\": %u", load->options->clients, load->online,
		load->failed);
	number_print(to, "logins_per_second", rate_of((double)load->login_ns.total, seconds));
	histogram_print(to, "login_ms", &load->login_ns, 1e6);
	fprintf(to, ", \"tls\": {\"1.2\": %u, \"1.3\": %u}", load->tls12, load->tls13);
}

static void messages_print(FILE *to, const struct load *load)
{
	const struct traffic *traffic = &load->traffic;
	double seconds = seconds_between(load->run_ns, load->run_end_ns);

	fprintf(to,
		", \"seconds\": %.3f, \"messages_sent\": %" PRIu64 ", \"messages_received\": %" PRIu64
		", \"lost\": %" PRIu64,
		seconds, traffic->sent, traffic->received, lost_count(load));
	number_print(to, "rate", rate_of((double)load->received_in_time, seconds));
	histogram_print(to, "latency_us", &traffic->latency_ns, 1e3);
	fprintf(to, ", \"stanzas_received\": %" PRIu64 ", \"foreign_messages\": %" PRIu64, load->stanzas_received,
		traffic->foreign);
}

static void storm_print(FILE *to, const struct load *load)
{
	const struct process_sample *begin = &load->baseline.own, *end = &load->run_end.own;
	double us = (double)(end->user_us + end->system_us) - (double)(begin->user_us + begin->system_us);

	fprintf(to, ", \"logins_begun\": %u, \"logins_in_time\": %" PRIu64 ", \"logins_without_a_place\": %" PRIu64,
		load->begun, load->logins_in_time, load->missed);
	number_print(to, "goodput", rate_of((double)load->logins_in_time, load->options->storm));
	fprintf(to, ", \"generator_busy\": %.3f", rate_of(us / 1e6, seconds_between(load->start_ns, load->stop_ns)));
}

/* How busy this program itself was, and how late: above 90 % of a processor, or late, it has measured itself. */
static void generator_print(FILE *to, const struct load *load)
{
	const struct process_sample *begin = &load->run_begin.own, *end = &load->run_end.own;
	double us = (double)(end->user_us + end->system_us) - (double)(begin->user_us + begin->system_us);

	if (!load->run_ns)
		return;
	fprintf(to, ", \"generator_busy\": %.3f", rate_of(us / 1e6, seconds_between(load->run_ns, load->stop_ns)));
	number_print(to, "generator_late_us_max", load->late_max_ns / 1e3);
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

static void server_print(FILE *to, const struct load *load)
{
	const struct process_sample *baseline = &load->baseline.server, *begin = &load->run_begin.server,
				    *end = &load->run_end.server;

	if (!load->measured || !load->run_ns)
		return;
	cpu_print(to, "login", baseline, begin, load->login_ns.total);
	cpu_print(to, "stanza", begin, end, (double)load->traffic.received);
	cpu_print(to, "second", begin, end, seconds_between(load->run_ns, load->stop_ns));
	fprintf(to,
		", \"rss_bytes_baseline\": %" PRIu64 ", \"rss_bytes_logged_in\": %" PRIu64
		", \"rss_bytes_end\": %" PRIu64,
		baseline->rss_bytes, begin->rss_bytes, end->rss_bytes);
	if (load->online)
		number_print(to, "rss_bytes_per_client",
			     ((double)end->rss_bytes - (double)baseline->rss_bytes) / load->online);
}

void report_print(FILE *to, const struct load *load)
{
	fprintf(to, "{");
	logins_print(to, load);
	if (load->options->storm)
		storm_print(to, load);
	else
		messages_print(to, load);
	faults_print(to, load);
	generator_print(to, load);
	server_print(to, load);
	fprintf(to, "}\n");
	fflush(to);
}
