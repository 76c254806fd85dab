#include "load.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { BATCH_MAX = 512, ID_BYTES_MAX = 80, SEEN_BITS = 64 };

/* What an id carries. */
struct mark {
	unsigned sender;
	uint64_t number, due_ns;
};

void traffic_init(struct load *load)
{
	struct traffic *traffic = &load->traffic;
	uint32_t run;

	getrandom(&run, sizeof run, 0);
	snprintf(traffic->run, sizeof traffic->run, "%08x", run);
	traffic->body = malloc(load->options->size + 1);
	assert(traffic->body);
	memset(traffic->body, 'x', load->options->size);
	traffic->body[load->options->size] = 0;
	if (load->options->messages_per_second)
		traffic->interval_ns = 1e9 / load->options->messages_per_second;
}

void traffic_free(struct traffic *traffic)
{
	free(traffic->body);
	traffic->body = NULL;
}

/* NULL: the last of an odd number, or not there. */
static struct client *partner_of(struct load *load, const struct client *client)
{
	unsigned partner = client->number ^ 1;

	return partner < load->options->clients && client_is_online(&load->clients[partner]) ? &load->clients[partner]
											     : NULL;
}

static void message_send(struct load *load, struct client *from, uint64_t due_ns)
{
	const struct client *to = partner_of(load, from);
	char head[4096];
	int len;

	len = snprintf(head, sizeof head, "<message to='%s' type='chat' id='%s-%u-%" PRIu64 "-%" PRIu64 "'><body>",
		       to->jid, load->traffic.run, from->number, from->flow.sent, due_ns);
	assert(len > 0 && (size_t)len < sizeof head);
	wire_put(&from->wire, head, (size_t)len);
	wire_put(&from->wire, load->traffic.body, load->options->size);
	wire_put(&from->wire, "</body></message>", strlen("</body></message>"));
	load_mark_dirty(load, from);
	from->flow.sent++;
	load->traffic.sent++;
}

/* The next client, in turn, that has a partner; NULL: there is none. */
static struct client *sender_next(struct load *load)
{
	for (unsigned tried = 0; tried < load->options->clients; tried++) {
		struct client *client = &load->clients[load->traffic.next];
		load->traffic.next = (load->traffic.next + 1) % load->options->clients;
		if (client_is_online(client) && partner_of(load, client))
			return client;
	}
	return NULL;
}

void traffic_begin(struct load *load, uint64_t now_ns)
{
	if (!load->options->window)
		return;
	for (unsigned i = 0; i + 1 < load->options->clients; i += 2) {
		struct client *client = &load->clients[i];
		if (!client_is_online(client) || !partner_of(load, client))
			continue;
		for (unsigned k = 0; k < load->options->window; k++)
			message_send(load, client, now_ns);
	}
}

static uint64_t due_at(const struct load *load, uint64_t number)
{
	return load->run_ns + (uint64_t)((double)number * load->traffic.interval_ns);
}

uint64_t traffic_send_due(struct load *load, uint64_t now_ns)
{
	struct traffic *traffic = &load->traffic;
	uint64_t due;

	if (!load->options->messages_per_second)
		return UINT64_MAX;
	for (unsigned k = 0; k < BATCH_MAX; k++) {
		struct client *client;
		due = due_at(load, traffic->planned);
		if (due > now_ns)
			return due;
		client = sender_next(load);
		if (!client)
			return UINT64_MAX;
		if ((double)(now_ns - due) > load->late_max_ns)
			load->late_max_ns = (double)(now_ns - due);
		message_send(load, client, due);
		traffic->planned++;
	}
	return now_ns;
}

/* False: not one of this run's. */
static bool mark_read(const struct load *load, const struct xml_event *event, const uint8_t *bytes, struct mark *ret)
{
	char id[ID_BYTES_MAX];
	size_t run = strlen(load->traffic.run);

	if (!event->id.at || event->id.len >= sizeof id || event->id.len <= run)
		return false;
	memcpy(id, bytes + event->id.at, event->id.len);
	id[event->id.len] = 0;
	return memcmp(id, load->traffic.run, run) == 0 &&
	       sscanf(id + run, "-%u-%" SCNu64 "-%" SCNu64, &ret->sender, &ret->number, &ret->due_ns) == 3;
}

/* In order is one above the last. A gap is only a loss if nothing fills it later; what fills it was overtaken. */
static bool order_check(struct load *load, struct client *client, uint64_t number)
{
	struct flow *flow = &client->flow;
	uint64_t ahead = number - flow->expected, back;

	if (number >= flow->expected) {
		flow->seen = ahead + 1 < SEEN_BITS ? flow->seen << (ahead + 1) | 1 : 1;
		flow->expected = number + 1;
		return true;
	}
	back = flow->expected - 1 - number;
	if (back < SEEN_BITS && flow->seen >> back & 1) {
		load_fault(load, FAULT_DUPLICATE, client->number, "");
		return false;
	}
	if (back < SEEN_BITS)
		flow->seen |= 1ull << back;
	load_fault(load, FAULT_ORDER, client->number, "");
	return true;
}

void traffic_receive(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes,
		     uint64_t now_ns)
{
	struct traffic *traffic = &load->traffic;
	struct mark mark;

	if (!mark_read(load, event, bytes, &mark)) {
		traffic->foreign++;
		return;
	}
	if (event->type.at && xml_is_equal(bytes, event->type, "error")) {
		load_fault(load, FAULT_STANZA_ERROR, client->number, "");
		return;
	}
	if (mark.sender != (client->number ^ 1)) {
		load_fault(load, FAULT_STRAY, client->number, "");
		return;
	}
	if (!order_check(load, client, mark.number))
		return;
	traffic->received++;
	histogram_add(&traffic->latency_ns, now_ns > mark.due_ns ? now_ns - mark.due_ns : 0);
	if (load->options->window && load->phase == PHASE_RUN && partner_of(load, client))
		message_send(load, client, now_ns);
}
