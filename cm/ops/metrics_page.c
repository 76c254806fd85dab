#include "metrics.h"

#include "kernel_tls.h"
#include "process.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *metric, *labels, *help;
	char kind;
} counters[COUNTER_COUNT] = {
#define COUNTER(name, kind, metric, labels, help) [COUNTER_##name] = {metric, labels, help, #kind[0]},
#include "counters.def"
};

/* Of one word in all workers; `at` is its place in struct counters. */
static uint64_t sum(const struct metrics_settings *s, size_t at)
{
	uint64_t total = 0;
	for (size_t i = 0; i < s->worker_count; i++)
		total += counter_load((const uint64_t *)((const char *)s->workers[i] + at));
	return total;
}
#define SUM(settings, member) sum(settings, offsetof(struct counters, member))

static const char *type_of(size_t counter)
{
	return counters[counter].kind == 'C' ? "counter" : "gauge";
}

static bool is_first(size_t counter)
{
	return counter == 0 || strcmp(counters[counter].metric, counters[counter - 1].metric) != 0;
}

static void head_print(FILE *to, const char *metric, const char *type, const char *help)
{
	fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", metric, help, metric, type);
}

/* Gauges are sums of steps up and down, so a worker's word may be below zero for itself. */
static void counters_print(const struct metrics_settings *s, FILE *to)
{
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		const char *labels = counters[i].labels;
		uint64_t value = SUM(s, value[i]);
		if (is_first(i))
			head_print(to, counters[i].metric, type_of(i), counters[i].help);
		fprintf(to, "%s%s%s%s ", counters[i].metric, *labels ? "{" : "", labels, *labels ? "}" : "");
		fprintf(to, counters[i].kind == 'C' ? "%" PRIu64 "\n" : "%" PRId64 "\n", value);
	}
}

static void closes_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	for (int reason = REASON_NONE + 1; reason < REASON_COUNT; reason++)
		fprintf(to, "%s{reason=\"%s\"} %" PRIu64 "\n", metric, reason_label((enum reason)reason),
			SUM(s, closes[reason]));
}

static void stream_errors_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	for (int condition = 0; condition < CONDITION_COUNT; condition++)
		fprintf(to, "%s{condition=\"%s\"} %" PRIu64 "\n", metric, condition_name(condition),
			SUM(s, stream_errors[condition]));
}

/* The count is the sum of the buckets as they were read, so that the histogram fits together while it is written to. */
static void histogram_print(const struct metrics_settings *s, const char *metric, const char *path, size_t at, FILE *to)
{
	uint64_t count = 0;
	for (int n = 0; n < COUNTER_LATENCY_BUCKETS; n++) {
		count += sum(s, at + offsetof(struct counter_latency, bucket[n]));
		if (n < COUNTER_LATENCY_BUCKETS - 1)
			fprintf(to, "%s_bucket{path=\"%s\",le=\"%.7g\"} %" PRIu64 "\n", metric, path,
				(double)(UINT64_C(1) << n) / 1e6, count);
	}
	fprintf(to, "%s_bucket{path=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", metric, path, count);
	fprintf(to, "%s_sum{path=\"%s\"} %.6f\n", metric, path,
		(double)sum(s, at + offsetof(struct counter_latency, sum_us)) / 1e6);
	fprintf(to, "%s_count{path=\"%s\"} %" PRIu64 "\n", metric, path, count);
}

static void latency_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	histogram_print(s, metric, "to_server", offsetof(struct counters, to_server), to);
	histogram_print(s, metric, "to_client", offsetof(struct counters, to_client), to);
}

static void build_info_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	fprintf(to, "%s{version=\"%s\",xml_kernel=\"%s\"} 1\n", metric, STANZAGATE_VERSION, s->xml_kernel);
}

static void certificate_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	fprintf(to, "%s %" PRIu64 "\n", metric, counter_load(&s->process->certificate_expiry_s));
}

/* A label's value (backslash, quote and line feed are escaped). */
static void label_print(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"' || *text == '\n')
			fputc('\\', to);
		fputc(*text == '\n' ? 'n' : *text, to);
	}
}

static void certificates_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	double now = (double)time(NULL);
	for (size_t i = 0; i < 1 + CONFIG_CERTIFICATES_MAX; i++) {
		const struct metrics_certificate *c = &s->process->certificates[i];
		const char *file = __atomic_load_n(&c->file, __ATOMIC_ACQUIRE);
		if (!file)
			return;
		fprintf(to, "%s{certificate=\"", metric);
		label_print(to, file);
		fprintf(to, "\"} %.2f\n", ((double)counter_load(&c->expiry_s) - now) / 86400);
	}
}

static void staple_print(const struct metrics_certificate *c, const char *metric, FILE *to)
{
	uint64_t until_s = counter_load(&c->staple_until_s);
	bool refused = counter_load(&c->staple_refused) != 0;

	if (until_s == 0 && !refused)
		return;
	fprintf(to, "%s{certificate=\"", metric);
	label_print(to, __atomic_load_n(&c->file, __ATOMIC_ACQUIRE));
	if (refused)
		fputs("\"} 0\n", to);
	else if (until_s == UINT64_MAX)
		fputs("\"} +Inf\n", to);
	else
		fprintf(to, "\"} %.2f\n", ((double)until_s - (double)time(NULL)) / 86400);
}

static void staples_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	for (size_t i = 0; i < 1 + CONFIG_CERTIFICATES_MAX; i++) {
		const struct metrics_certificate *c = &s->process->certificates[i];

		if (!__atomic_load_n(&c->file, __ATOMIC_ACQUIRE))
			return;
		staple_print(c, metric, to);
	}
}

static void reloads_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	fprintf(to, "%s{result=\"taken\"} %" PRIu64 "\n", metric, counter_load(&s->process->reloads));
	fprintf(to, "%s{result=\"failed\"} %" PRIu64 "\n", metric, counter_load(&s->process->reloads_failed));
}

static void renewals_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	fprintf(to, "%s{result=\"taken\"} %" PRIu64 "\n", metric, counter_load(&s->process->renewals));
	fprintf(to, "%s{result=\"failed\"} %" PRIu64 "\n", metric, counter_load(&s->process->renewals_failed));
}

static void kernel_tls_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	static const char *const words[] = {"send", "receive", "rekey"}; /* by bits of enum kernel_tls_way */
	static const struct kernel_tls_can nothing;
	const struct kernel_tls_can *can = __atomic_load_n(&s->process->kernel_can, __ATOMIC_ACQUIRE);
	for (int i = 0; i < 2 * RECORD_CIPHER_COUNT; i++) {
		enum record_version version = i < RECORD_CIPHER_COUNT ? RECORD_TLS12 : RECORD_TLS13;
		enum record_cipher cipher = (enum record_cipher)(i % RECORD_CIPHER_COUNT);
		uint8_t ways = kernel_tls_can(can ? can : &nothing, version, cipher);
		for (int bit = 0; bit < (version == RECORD_TLS12 ? 2 : 3); bit++)
			fprintf(to, "%s{version=\"1.%d\",cipher=\"%s\",can=\"%s\"} %d\n", metric, (int)version - 10,
				record_cipher_name(cipher), words[bit], ways >> bit & 1);
	}
}

static void workers_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	fprintf(to, "%s %zu\n", metric, s->worker_count);
}

static void healthy_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	fprintf(to, "%s %d\n", metric, s->health(s->context) == NULL);
}

static void start_time_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	fprintf(to, "%s %.2f\n", metric, process_started_s());
}

static void cpu_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	fprintf(to, "%s %.6f\n", metric, process_cpu_s());
}

static void memory_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	fprintf(to, "%s %" PRIu64 "\n", metric, process_resident_bytes());
}

static void open_fds_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	fprintf(to, "%s %" PRIu64 "\n", metric, process_open_fds());
}

static void max_fds_print(const struct metrics_settings *s, const char *metric, FILE *to)
{
	fprintf(to, "%s %" PRIu64 "\n", metric, process_max_fds());
}

static const struct {
	void (*print)(const struct metrics_settings *, const char *metric, FILE *);
	const char *metric, *type, *labels, *help;
} metrics[] = {
#define METRIC(values, metric, type, labels, help) {values##_print, metric, type, labels, help},
#include "metrics.def"
};

void metrics_print(const struct metrics_settings *settings, FILE *to)
{
	counters_print(settings, to);
	for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
		head_print(to, metrics[i].metric, metrics[i].type, metrics[i].help);
		metrics[i].print(settings, metrics[i].metric, to);
	}
}

/* The values that the labels of a counter's metric take, line by line of the table. */
static void labels_print(FILE *to, size_t first)
{
	for (size_t i = first; i < COUNTER_COUNT && (i == first || !is_first(i)); i++)
		if (*counters[i].labels)
			fprintf(to, "%s`%s`", i == first ? "" : "<br>", counters[i].labels);
}

void metrics_print_reference(FILE *to)
{
	fputs("# Metrics\n"
	      "\n"
	      "`GET /metrics` at `metrics.address` answers these in Prometheus's text format, summed over all "
	      "workers.\n"
	      "`GET /` is a page for people that shows them live, `GET /status.json` what it is made of;\n"
	      "`GET /healthz` answers 200 while the process works, `GET /readyz` while new clients should be sent to "
	      "it;\n"
	      "otherwise 503, with a line that says why.\n"
	      "\n"
	      "| Metric | Type | Labels | Meaning |\n"
	      "|---|---|---|---|\n",
	      to);
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		if (!is_first(i))
			continue;
		fprintf(to, "| `%s` | %s | ", counters[i].metric, type_of(i));
		labels_print(to, i);
		fprintf(to, " | %s |\n", counters[i].help);
	}
	for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
		fprintf(to, "| `%s` | %s | %s | %s |\n", metrics[i].metric, metrics[i].type, metrics[i].labels,
			metrics[i].help);
	fputs("\n## Reasons\n\nValues of `reason` in `stanzagate_clients_closed_total`:\n\n"
	      "| Reason | Stream error | Meaning |\n|---|---|---|\n",
	      to);
	for (int reason = REASON_NONE + 1; reason < REASON_COUNT; reason++)
		fprintf(to, "| `%s` | %s | %s |\n", reason_label((enum reason)reason),
			reason == REASON_XML ? "by what is wrong" : reason_condition((enum reason)reason),
			reason_text((enum reason)reason));
}
