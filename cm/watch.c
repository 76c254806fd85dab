#include "watch.h"

#include "log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *watch_health(void *context)
{
	struct watch *watch = context;

	for (size_t i = 0; i < watch->count; i++) {
		const struct orders *orders = &watch->workers[i]->orders;

		if (atomic_load(&orders->done) && atomic_load(&orders->drain))
			continue; /* as it was told */
		if (atomic_load(&orders->done))
			return "a worker has ended";
		if (atomic_load(&orders->alive_us) + WATCH_STUCK_US < io_now_us())
			return "a worker does not turn";
		if (atomic_load(&orders->shaken_us) + WATCH_STUCK_US < io_now_us())
			return "a worker's handshakes do not go on";
	}
	return NULL;
}

const char *watch_readiness(void *context)
{
	struct watch *watch = context;

	if (atomic_load(&watch->leaving))
		return "the gate is leaving";
	for (size_t i = 0; i < watch->count; i++) {
		const struct worker *w = watch->workers[i];

		if (atomic_load(&w->orders.drain))
			return "the gate is draining";
		if (!atomic_load(&w->orders.listening))
			return "a worker does not listen";
		if (counter_load(&w->counters.value[COUNTER_backends_up]) == 0)
			return "no session server is up";
		if (!atomic_load(&w->orders.serving))
			return "no session server has told its domains";
	}
	return NULL;
}

bool watch_start(struct watch *watch, const char *address, struct worker *const *workers, size_t count,
		 const char *xml_kernel, char error[static METRICS_ERROR_BYTES])
{
	watch->workers = workers;
	watch->count = count;
	watch->counters = calloc(count, sizeof *watch->counters);
	assert(watch->counters != NULL);
	for (size_t i = 0; i < count; i++)
		watch->counters[i] = &workers[i]->counters;
	watch->ask = (struct ask){workers, count, WATCH_ASK_US};
	watch->settings = (struct metrics_settings){.address = address,
						    .workers = watch->counters,
						    .worker_count = count,
						    .process = &watch->process,
						    .ask = &watch->ask,
						    .xml_kernel = xml_kernel,
						    .health = watch_health,
						    .readiness = watch_readiness,
						    .context = watch};
	if (strcmp(address, "off") == 0)
		return true;
	watch->metrics = metrics_start(&watch->settings, error);
	if (watch->metrics == NULL)
		return false;
	log_event(CONFIG_LOG_INFO, "metrics.listening", log_text("address", address),
		  log_count("port", metrics_port(watch->metrics)));
	return true;
}

void watch_stop(struct watch *watch)
{
	metrics_stop(watch->metrics);
	free(watch->counters);
}
