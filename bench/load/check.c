#include "check.h"

#include "load.h"
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A text that is good until the next one. */
static const char *fault_with(const char *text, unsigned number)
{
	static char fault[256];

	snprintf(fault, sizeof fault, text, number);
	return fault;
}

static bool one_of(const char *text, const char *const *texts)
{
	for (; *texts; texts++)
		if (strcmp(text, *texts) == 0)
			return true;
	return false;
}

static const char *value_fault(const struct options *o)
{
	unsigned weights[ACTION_COUNT];
	struct size size;
	struct watch watch;
	unsigned pid;

	if (!one_of(o->mechanism, (const char *const[]){"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS",
							"SCRAM-SHA-256-PLUS", NULL}))
		return "--mechanism: PLAIN, SCRAM-SHA-1, SCRAM-SHA-256, or one of the last two with -PLUS";
	if (!one_of(o->tls, (const char *const[]){"", "1.2", "1.3", NULL}))
		return "--tls: 1.2 or 1.3";
	if (!traffic_size_read(o->size, &size) || (*o->slow_size && !traffic_size_read(o->slow_size, &size)))
		return "--size, --slow-size: N, N-M or day; N and M from 1 to 100000";
	if (!traffic_mix_read(o->mix, weights))
		return "--mix: chat=W,presence=W,ping=W";
	if (!watch_read(&watch, o->pid, o->watch))
		return "--watch: NAME=PID,NAME=PID+PID; at most eight names";
	pid = watch_missing(&watch);
	if (pid)
		return fault_with("--watch, --pid: there is no process %u", pid);
	return NULL;
}

/* Whether messages go to partners. */
static bool has_pairs(const struct options *o)
{
	unsigned weights[ACTION_COUNT] = {0};

	traffic_mix_read(o->mix, weights);
	return !o->room_size && !o->resources && !o->echo &&
	       (o->window || (o->messages_per_second && weights[ACTION_chat] + weights[ACTION_presence] > 0));
}

static const char *number_fault(const struct options *o)
{
	if (o->clients % load_unit(o) && (o->room_size || o->resources))
		return fault_with("--clients: with --room-size or --resources a multiple of it, here of %u, so that "
				  "groups are whole",
				  load_unit(o));
	if (has_pairs(o) && !o->churn && o->clients % 2)
		return "--clients: an even number, since messages go between pairs (or --echo)";
	if (o->churn && (o->messages_per_second || o->window) && o->clients < RETURNER_EACH)
		return fault_with("--churn beside messages is of each %uth client: so many --clients at least",
				  RETURNER_EACH);
	if (2 * o->slow > load_talkers(o))
		return fault_with("--slow: at most half of the --clients, those of --churn not counted: %u here",
				  load_talkers(o) / 2);
	return NULL;
}

static const char *group_fault(const struct options *o)
{
	bool groups = o->room_size || o->resources;

	if (o->room_size && o->resources)
		return "--room-size and --resources exclude each other";
	if (o->echo && (groups || o->slow))
		return "--echo has no groups, and nobody who does not read";
	if (groups && (o->window || o->churn || o->slow || o->storm))
		return "groups send by --messages-per-second alone, and nobody leaves them";
	if (o->resources && o->users < (o->clients + o->resources - 1) / o->resources)
		return "--resources: there are fewer --users than groups";
	if (o->slow && !o->messages_per_second)
		return "--slow wants --messages-per-second";
	if (!o->slow && (*o->slow_size || o->slow_reads))
		return "--slow-size and --slow-reads want --slow";
	return NULL;
}

static const char *protocol_fault(const struct options *o)
{
	unsigned weights[ACTION_COUNT];

	if (!one_of(o->protocol, (const char *const[]){"xmpp", "startalk", NULL}))
		return "--protocol: xmpp or startalk";
	if (strcmp(o->protocol, "xmpp") == 0)
		return NULL;
	if (o->direct || strcmp(o->mechanism, "PLAIN") != 0)
		return "--protocol startalk wants --mechanism PLAIN, and not --direct";
	if (o->resume_streams)
		return "--protocol startalk has no streams to resume";
	if (o->room_size || o->resources || (traffic_mix_read(o->mix, weights) && weights[ACTION_presence]))
		return "--protocol startalk has no rooms, no presence and no shared accounts here";
	return NULL;
}

static const char *combination_fault(const struct options *o)
{
	if (o->starttls && o->direct)
		return "--starttls and --direct exclude each other";
	if (o->messages_per_second && o->window)
		return "--messages-per-second (open loop) and --window (closed loop) exclude each other";
	if (o->storm && (o->messages_per_second || o->window || o->idle || o->churn || o->slow))
		return "--storm has no measured phase behind the logins";
	if (o->forgive_overload && !o->storm)
		return "--forgive-overload wants --storm";
	if (o->resume_streams && !o->churn)
		return "--resume-streams wants --churn";
	if (o->idle && (o->messages_per_second || o->window))
		return "--idle sends no messages";
	return NULL;
}

const char *options_fault(const struct options *o)
{
	static const char *(*const faults[])(const struct options *) = {combination_fault, group_fault, protocol_fault,
									value_fault, number_fault};
	const char *fault = NULL;

	for (unsigned i = 0; !fault && i < sizeof faults / sizeof faults[0]; i++)
		fault = faults[i](o);
	return fault;
}

static bool report_can_be_written(const struct options *o)
{
	FILE *file = o->report[0] ? fopen(o->report, "ae") : NULL;

	if (file)
		fclose(file);
	else if (o->report[0])
		fprintf(stderr, "--report: %s: %s\n", o->report, strerror(errno));
	return file || !o->report[0];
}

bool options_try(const struct options *o)
{
	struct sockaddr_storage address;
	socklen_t len;

	return options_address(o, &address, &len) && load_try(o) && report_can_be_written(o);
}
