#include "status.h"

#include "process.h"

#include <assert.h>
#include <stddef.h>
#include <time.h>

/* Of one word in all workers; gauges are sums of steps up and down, so a worker's may be below zero for itself. */
static json_t *sum(const struct metrics_settings *s, size_t at)
{
	uint64_t total = 0;

	for (size_t i = 0; i < s->worker_count; i++)
		total += counter_load((const uint64_t *)((const char *)s->workers[i] + at));
	return json_integer((json_int_t)total);
}
#define SUM(settings, member) sum(settings, offsetof(struct counters, member))

static json_t *counters_json(const struct metrics_settings *s)
{
	static const char *const names[] = {
#define COUNTER(name, kind, metric, labels, help) #name,
#include "counters.def"
	};
	json_t *all = json_object();

	for (size_t i = 0; i < COUNTER_COUNT; i++)
		json_object_set_new(all, names[i], SUM(s, value[i]));
	return all;
}

static json_t *closes_json(const struct metrics_settings *s)
{
	json_t *all = json_object();

	for (int reason = REASON_NONE + 1; reason < REASON_COUNT; reason++)
		json_object_set_new(all, reason_label((enum reason)reason), SUM(s, closes[reason]));
	return all;
}

static json_t *stream_errors_json(const struct metrics_settings *s)
{
	json_t *all = json_object();

	for (int condition = 0; condition < CONDITION_COUNT; condition++)
		json_object_set_new(all, condition_name(condition), SUM(s, stream_errors[condition]));
	return all;
}

static json_t *path_json(const struct metrics_settings *s, size_t at)
{
	json_t *buckets = json_array();

	for (int n = 0; n < COUNTER_LATENCY_BUCKETS; n++)
		json_array_append_new(buckets, sum(s, at + offsetof(struct counter_latency, bucket[n])));
	return json_pack("{s:o, s:o, s:o}", "buckets", buckets, "count",
			 sum(s, at + offsetof(struct counter_latency, count)), "sum_us",
			 sum(s, at + offsetof(struct counter_latency, sum_us)));
}

static json_t *process_json(void)
{
	return json_pack("{s:f, s:I, s:I, s:I}", "cpu_s", process_cpu_s(), "resident_bytes",
			 (json_int_t)process_resident_bytes(), "open_fds", (json_int_t)process_open_fds(), "max_fds",
			 (json_int_t)process_max_fds());
}

static json_t *certificates_json(const struct metrics_process *process)
{
	json_t *all = json_array();
	double now_s = (double)time(NULL);

	for (size_t i = 0; i < 1 + CONFIG_CERTIFICATES_MAX; i++) {
		const struct metrics_certificate *c = &process->certificates[i];
		const char *file = __atomic_load_n(&c->file, __ATOMIC_ACQUIRE);

		if (file == NULL)
			break;
		json_array_append_new(all, json_pack("{s:s, s:f}", "file", file, "days",
						     ((double)counter_load(&c->expiry_s) - now_s) / 86400));
	}
	return all;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

json_t *status_json(const struct metrics_settings *s)
{
	json_t *all = json_pack("{s:s, s:s, s:f, s:f, s:I, s:s?, s:s?, s:o, s:o, s:o, s:{s:o, s:o}, s:o, s:o}",
				"version", STANZAGATE_VERSION, "xml_kernel", s->xml_kernel, "time_s", now_s(),
				"started_s", process_started_s(), "workers", (json_int_t)s->worker_count, "health",
				s->health(s->context), "readiness", s->readiness(s->context), "counters",
				counters_json(s), "closes", closes_json(s), "stream_errors", stream_errors_json(s),
				"latency", "to_server", path_json(s, offsetof(struct counters, to_server)), "to_client",
				path_json(s, offsetof(struct counters, to_client)), "process", process_json(),
				"certificates", certificates_json(s->process));

	assert(all != NULL);
	return all;
}
