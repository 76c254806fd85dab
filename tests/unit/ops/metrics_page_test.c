#include "metrics.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 3 };
static struct counters counters[WORKERS];
static const struct counters *const workers[WORKERS] = {&counters[0], &counters[1], &counters[2]};
static struct metrics_process process;
static const char *sick;

static const char *health(void *context)
{
	return sick;
}

static const struct metrics_settings settings = {
	.health = health, .workers = workers, .worker_count = WORKERS, .process = &process, .xml_kernel = "avx2"};

static char *page(void)
{
	static char *text;
	size_t len;
	free(text);
	FILE *to = open_memstream(&text, &len);
	metrics_print(&settings, to);
	fclose(to);
	return text;
}

/* The value on the line that begins with the name, which must stand there exactly once. */
static const char *value_of(const char *name)
{
	static char value[64];
	char start[256];
	snprintf(start, sizeof start, "\n%s ", name);
	char *at = strstr(page(), start);
	cr_assert_not_null(at, "no %s", name);
	cr_assert_null(strstr(at + 1, start), "two of %s", name);
	at += strlen(start);
	snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\n"), at);
	return value;
}

/* Every word another number, so that no mistake goes unseen. */
static void fill(void)
{
	for (size_t w = 0; w < WORKERS; w++)
		for (size_t i = 0; i < sizeof counters[w] / 8; i++)
			((uint64_t *)&counters[w])[i] = 1000 * (w + 1) + i;
	process = (struct metrics_process){.reloads = 5, .reloads_failed = 6, .certificate_expiry_s = 1999999999};
}

Test(metrics_page, is_healthy_while_nobody_says_why_not)
{
	cr_assert_str_eq(value_of("stanzagate_healthy"), "1");
	sick = "a worker does not turn";
	cr_assert_str_eq(value_of("stanzagate_healthy"), "0");
}

Test(metrics_page, sums_all_workers)
{
	counters[0].value[COUNTER_clients_bound] = 3;
	counters[2].value[COUNTER_clients_bound] = 4;
	counters[1].value[COUNTER_link_failures] = UINT64_MAX;
	cr_assert_str_eq(value_of("stanzagate_clients{state=\"bound\"}"), "7");
	cr_assert_str_eq(value_of("stanzagate_clients{state=\"plain\"}"), "0");
	cr_assert_str_eq(value_of("stanzagate_link_failures_total"), "18446744073709551615");
}

/* A client that one worker counted up and another down. */
static void gauge_steps(void)
{
	counter_add(&counters[0], COUNTER_unread_bytes, 100);
	counter_add(&counters[1], COUNTER_unread_bytes, -40);
}

Test(metrics_page, gauges_go_down)
{
	gauge_steps();
	cr_assert_str_eq(value_of("stanzagate_unread_bytes{queue=\"clients\"}"), "60");
	counter_add(&counters[0], COUNTER_unread_bytes, -70);
	cr_assert_str_eq(value_of("stanzagate_unread_bytes{queue=\"clients\"}"), "-10");
}

Test(metrics_page, every_counter_is_there)
{
	static const struct {
		const char *metric, *labels;
	} rows[] = {
#define COUNTER(name, kind, metric, labels, help) {metric, labels},
#include "counters.def"
	};
	char name[256], expected[32];
	fill();
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		snprintf(name, sizeof name, *rows[i].labels ? "%s{%s}" : "%s%s", rows[i].metric, rows[i].labels);
		snprintf(expected, sizeof expected, "%zu", 6000 + 3 * i);
		cr_assert_str_eq(value_of(name), expected, "%s", name);
	}
}

Test(metrics_page, closes_by_reason)
{
	char name[256], expected[32];
	fill();
	for (int reason = 1; reason < REASON_COUNT; reason++) {
		snprintf(name, sizeof name, "stanzagate_clients_closed_total{reason=\"%s\"}",
			 reason_label((enum reason)reason));
		snprintf(expected, sizeof expected, "%zu",
			 6000 + 3 * (offsetof(struct counters, closes[reason]) / sizeof(uint64_t)));
		cr_assert_str_eq(value_of(name), expected);
	}
	cr_assert_null(strstr(page(), "reason=\"none\""));
}

Test(metrics_page, stream_errors_by_condition)
{
	counters[0].stream_errors[condition_find("host-unknown")] = 1;
	counters[1].stream_errors[condition_find("host-unknown")] = 2;
	counters[2].stream_errors[condition_find("not-well-formed")] = 50;
	cr_assert_str_eq(value_of("stanzagate_stream_errors_total{condition=\"host-unknown\"}"), "3");
	cr_assert_str_eq(value_of("stanzagate_stream_errors_total{condition=\"not-well-formed\"}"), "50");
	cr_assert_str_eq(value_of("stanzagate_stream_errors_total{condition=\"system-shutdown\"}"), "0");
}

Test(metrics_page, latency_is_a_histogram)
{
	counter_latency_add(&counters[0].to_server, 0, 1);
	counter_latency_add(&counters[0].to_server, 1, 1);
	counter_latency_add(&counters[1].to_server, 2, 1);
	counter_latency_add(&counters[1].to_server, 3, 2);
	counter_latency_add(&counters[2].to_server, 4194304, 1);
	counter_latency_add(&counters[2].to_server, 4194305, 1);
	counter_latency_add(&counters[2].to_server, 100000000, 1);
	counter_latency_add(&counters[0].to_client, 1000, 10);
	static const struct {
		const char *name, *value;
	} rows[] = {
		{"_bucket{path=\"to_server\",le=\"1e-06\"}", "2"},
		{"_bucket{path=\"to_server\",le=\"2e-06\"}", "3"},
		{"_bucket{path=\"to_server\",le=\"4e-06\"}", "5"},
		{"_bucket{path=\"to_server\",le=\"0.000128\"}", "5"},
		{"_bucket{path=\"to_server\",le=\"2.097152\"}", "5"},
		{"_bucket{path=\"to_server\",le=\"4.194304\"}", "6"},
		{"_bucket{path=\"to_server\",le=\"+Inf\"}", "8"},
		{"_count{path=\"to_server\"}", "8"},
		{"_sum{path=\"to_server\"}", "108.388618"},
		{"_bucket{path=\"to_client\",le=\"0.000512\"}", "0"},
		{"_bucket{path=\"to_client\",le=\"0.001024\"}", "10"},
		{"_count{path=\"to_client\"}", "10"},
		{"_sum{path=\"to_client\"}", "0.010000"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char name[256];
		snprintf(name, sizeof name, "stanzagate_latency_seconds%s", rows[i].name);
		cr_assert_str_eq(value_of(name), rows[i].value, "%s", name);
	}
	cr_assert_null(strstr(page(), "8.388608"), "the last bucket is everything above");
}

Test(metrics_page, certificates_by_their_files)
{
	uint64_t now = (uint64_t)time(NULL);

	process.certificates[0] = (struct metrics_certificate){"/etc/a \"b\"\\.pem", now + 86400 * 10 + 3600};
	process.certificates[1] = (struct metrics_certificate){"c.pem", now - 86400 * 2};
	process.certificates[3] = (struct metrics_certificate){"beyond the end", now};
	cr_assert_str_eq(value_of("stanzagate_tls_certificate_expiry{certificate=\"/etc/a \\\"b\\\"\\\\.pem\"}"),
			 "10.04");
	cr_assert_str_eq(value_of("stanzagate_tls_certificate_expiry{certificate=\"c.pem\"}"), "-2.00");
	cr_assert_null(strstr(page(), "beyond"));
}

Test(metrics_page, staples_by_their_certificates)
{
	uint64_t now = (uint64_t)time(NULL);

	process.certificates[0] = (struct metrics_certificate){"a.pem", now, .staple_until_s = UINT64_MAX};
	process.certificates[1] = (struct metrics_certificate){"b.pem", now, .staple_refused = 1};
	process.certificates[2] = (struct metrics_certificate){"c.pem", now, .staple_until_s = now + 43200};
	process.certificates[3] = (struct metrics_certificate){"d.pem", now};
	cr_assert_str_eq(value_of("stanzagate_tls_staple_expiry{certificate=\"a.pem\"}"), "+Inf");
	cr_assert_str_eq(value_of("stanzagate_tls_staple_expiry{certificate=\"b.pem\"}"), "0");
	cr_assert_str_eq(value_of("stanzagate_tls_staple_expiry{certificate=\"c.pem\"}"), "0.50");
	cr_assert_null(strstr(page(), "stanzagate_tls_staple_expiry{certificate=\"d.pem"));
}

Test(metrics_page, says_what_runs)
{
	fill();
	process.renewals = 7;
	process.renewals_failed = 8;
	cr_assert_str_eq(value_of("stanzagate_tls_renewals_total{result=\"taken\"}"), "7");
	cr_assert_str_eq(value_of("stanzagate_tls_renewals_total{result=\"failed\"}"), "8");
	cr_assert_str_eq(value_of("stanzagate_build_info{version=\"" STANZAGATE_VERSION "\",xml_kernel=\"avx2\"}"),
			 "1");
	cr_assert_str_eq(value_of("stanzagate_tls_certificate_expiry_timestamp_seconds"), "1999999999");
	cr_assert_str_eq(value_of("stanzagate_reloads_total{result=\"taken\"}"), "5");
	cr_assert_str_eq(value_of("stanzagate_reloads_total{result=\"failed\"}"), "6");
	cr_assert_str_eq(value_of("stanzagate_workers"), "3");
}

/* Against what the kernel says by other means, within bounds that a change of meaning would break. */
Test(metrics_page, process_numbers)
{
	time_t now = time(NULL);
	double start = atof(value_of("process_start_time_seconds"));
	cr_assert(start <= (double)now + 2 && start > (double)now - 600, "%f %ld", start, (long)now);
	double before = atof(value_of("process_cpu_seconds_total"));
	struct rusage used;
	do {
		for (int i = 0; i < 20; i++)
			page();
		getrusage(RUSAGE_SELF, &used);
	} while ((double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6 < before + 0.05);
	cr_assert_geq(atof(value_of("process_cpu_seconds_total")), before + 0.05);
	double memory = atof(value_of("process_resident_memory_bytes"));
	cr_assert(memory > 500e3 && memory < 1e12, "%f", memory);
	int fds = atoi(value_of("process_open_fds")), more[10];
	for (size_t i = 0; i < 10; i++)
		more[i] = dup(2);
	cr_assert_eq(atoi(value_of("process_open_fds")), fds + 10);
	for (size_t i = 0; i < 10; i++)
		close(more[i]);
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	cr_assert_eq((rlim_t)atoll(value_of("process_max_fds")), limit.rlim_cur);
}

/* Prometheus's own judgement of the page. */
Test(metrics_page, promtool_finds_nothing)
{
	if (access("/usr/bin/promtool", X_OK) != 0)
		cr_skip_test("promtool is not installed");
	fill();
	char path[] = "/tmp/metrics-test-XXXXXX", line[1024], said[8192] = "";
	int fd = mkstemp(path);
	FILE *to = fdopen(fd, "w");
	fputs(page(), to);
	fclose(to);
	int out[2];
	cr_assert_eq(pipe(out), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		if (!freopen(path, "r", stdin))
			_exit(99);
		execl("/usr/bin/promtool", "promtool", "check", "metrics", (char *)NULL);
		_exit(98);
	}
	close(out[1]);
	FILE *in = fdopen(out[0], "r");
	while (fgets(line, sizeof line, in))
		strncat(said, line, sizeof said - strlen(said) - 1);
	int status;
	waitpid(child, &status, 0);
	unlink(path);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0 && !*said, "%d: %s", status, said);
}
