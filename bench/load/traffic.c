#include "crowd.h"
#include "load.h"
#include "startalk.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_MAX = 512, SEEN_BITS = 64, SIZE_MAX_BYTES = 100000, STANZA_HEAD_BYTES = 4096 };

/* ---- what is sent */

bool traffic_size_read(const char *text, struct size *ret)
{
	unsigned min, max;
	int used = 0, whole = (int)strlen(text);

	if (strcmp(text, "day") == 0) {
		*ret = (struct size){0};
		return true;
	}
	if (sscanf(text, "%6u-%6u%n", &min, &max, &used) != 2 || used != whole) {
		if (sscanf(text, "%6u%n", &min, &used) != 1 || used != whole)
			return false;
		max = min;
	}
	*ret = (struct size){min, max};
	return min >= 1 && min <= max && max <= SIZE_MAX_BYTES;
}

bool traffic_mix_read(const char *text, unsigned ret[static ACTION_COUNT])
{
	static const char *const names[] = {
#define ACTION(name, text) #name,
#include "action.def"
#undef ACTION
	};
	unsigned sum = 0;

	memset(ret, 0, ACTION_COUNT * sizeof *ret);
	while (*text) {
		size_t len = strcspn(text, "="), action = 0;
		char *end;

		while (action < ACTION_COUNT && (strlen(names[action]) != len || memcmp(names[action], text, len)))
			action++;
		if (action == ACTION_COUNT || text[len] != '=')
			return false;
		ret[action] = (unsigned)strtoul(text + len + 1, &end, 10);
		sum += ret[action];
		if (end == text + len + 1 || (*end && *end != ',') || ret[action] > 1000000)
			return false;
		text = end + (*end == ',');
	}
	return sum > 0;
}

void traffic_init(struct load *load)
{
	struct traffic *traffic = &load->traffic;

	traffic->body = malloc(SIZE_MAX_BYTES + 1);
	assert(traffic->body);
	memset(traffic->body, 'x', SIZE_MAX_BYTES);
	traffic->body[SIZE_MAX_BYTES] = 0;
	traffic_size_read(load->options->size, &traffic->size);
	traffic->slow_size = traffic->size;
	if (*load->options->slow_size)
		traffic_size_read(load->options->slow_size, &traffic->slow_size);
	traffic_mix_read(load->options->mix, traffic->weights);
	for (unsigned i = 0; i < ACTION_COUNT; i++)
		traffic->weight_sum += traffic->weights[i];
	traffic->random = 88172645463325252ull + load->index; /* any, but the same for each run */
}

void traffic_free(struct traffic *traffic)
{
	free(traffic->body);
	traffic->body = NULL;
}

/* Xorshift: less than `below`. */
static unsigned random_below(struct traffic *traffic, unsigned below)
{
	uint64_t x = traffic->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	traffic->random = x;
	return (unsigned)((x >> 32) * below >> 32);
}

/* As many of each power of two. */
static unsigned size_between(struct traffic *traffic, unsigned min, unsigned max)
{
	unsigned size = min;

	while (2 * size < max && random_below(traffic, 2))
		size *= 2;
	return size + random_below(traffic, (2 * size < max ? 2 * size : max) - size + 1);
}

/* Of a hundred messages, so many with a body of so many bytes. */
static unsigned size_of_day(struct traffic *traffic)
{
	static const struct {
		unsigned below, min, max;
	} parts[] = {{50, 4, 40}, {85, 40, 200}, {97, 200, 1000}, {100, 1000, 8000}};
	unsigned chance = random_below(traffic, 100), i = 0;

	while (chance >= parts[i].below)
		i++;
	return size_between(traffic, parts[i].min, parts[i].max);
}

unsigned traffic_size(struct load *load, const struct client *to)
{
	struct traffic *traffic = &load->traffic;
	struct size size = to && load_is_slow_reader(load, to) ? traffic->slow_size : traffic->size;

	if (!size.max)
		return size_of_day(traffic);
	if (size.min == size.max)
		return size.min;
	return size_between(traffic, size.min, size.max);
}

void traffic_mark(const struct load *load, const struct mark *mark, char to[static MARK_TEXT_BYTES])
{
	snprintf(to, MARK_TEXT_BYTES, "%s-%c-%u-%" PRIu64 "-%" PRIu64, load->board->run, mark->kind, mark->sender,
		 mark->number, mark->due_ns);
}

static unsigned partner_number(const struct load *load, unsigned number)
{
	return load->options->echo ? number : number ^ 1;
}

/* NULL: the last of an odd number, or not there. */
static struct client *partner_of(struct load *load, const struct client *client)
{
	unsigned place = partner_number(load, client->number) - load->first;

	if (place >= load->count || !client_is_online(&load->clients[place]))
		return NULL;
	return &load->clients[place];
}

static void pair_count(struct load *load, const struct client *to)
{
	if (load_is_slow_reader(load, to)) {
		load->tally->counts.slow_sent++;
		return;
	}
	load->tally->counts.sent++;
	load->tally->counts.expected++;
}

/* A message, or a presence, to the partner. */
static void pair_send(struct load *load, struct client *from, enum action action, uint64_t due_ns)
{
	const struct client *to = partner_of(load, from);
	struct mark mark = {MARK_PAIR, from->number, from->flow.sent++, due_ns};
	char head[STANZA_HEAD_BYTES], jid[LOAD_JID_BYTES], id[MARK_TEXT_BYTES];
	int len;

	load_jid(load, to, jid);
	traffic_mark(load, &mark, id);
	pair_count(load, to);
	if (startalk_is(load)) {
		startalk_chat(load, from, jid, id, load->traffic.body, traffic_size(load, to));
		return;
	}
	if (action == ACTION_presence) {
		len = snprintf(head, sizeof head, "<presence to='%s' id='%s'/>", jid, id);
		client_say(load, from, head, (size_t)len);
		return;
	}
	len = snprintf(head, sizeof head, "<message to='%s' type='chat' id='%s'><body>", jid, id);
	assert(len > 0 && (size_t)len < sizeof head);
	client_say(load, from, head, (size_t)len);
	client_say(load, from, load->traffic.body, traffic_size(load, to));
	client_say(load, from, "</body></message>", strlen("</body></message>"));
}

static void ping_send(struct load *load, struct client *from, uint64_t due_ns)
{
	struct mark mark = {MARK_PING, from->number, load->tally->counts.pings++, due_ns};
	char text[STANZA_HEAD_BYTES], id[MARK_TEXT_BYTES];
	int len;

	traffic_mark(load, &mark, id);
	if (startalk_is(load)) {
		startalk_ping(load, from, id);
		return;
	}
	len = snprintf(text, sizeof text, "<iq type='get' to='%s' id='%s'><ping xmlns='urn:xmpp:ping'/></iq>",
		       load->options->domain, id);
	client_say(load, from, text, (size_t)len);
}

/* ---- when */

static enum action action_next(struct traffic *traffic)
{
	unsigned chance = random_below(traffic, traffic->weight_sum);
	unsigned action = 0;

	while (chance >= traffic->weights[action])
		chance -= traffic->weights[action++];
	return (enum action)action;
}

/* The next client, in turn, that can do this; NULL: there is none. */
static struct client *sender_next(struct load *load, enum action action)
{
	for (unsigned tried = 0; tried < load->count; tried++) {
		struct client *client = &load->clients[load->traffic.next];
		load->traffic.next = (load->traffic.next + 1) % load->count;
		if (!client_is_online(client) || !number_is_talker(load, client->number))
			continue;
		if (action == ACTION_ping || crowd_is(load) || partner_of(load, client))
			return client;
	}
	return NULL;
}

static void one_send(struct load *load, uint64_t due_ns)
{
	enum action action = action_next(&load->traffic);
	struct client *client = sender_next(load, action);

	if (!client)
		return;
	if (action == ACTION_ping)
		ping_send(load, client, due_ns);
	else if (crowd_is(load))
		crowd_send(load, client, due_ns);
	else
		pair_send(load, client, action, due_ns);
}

void traffic_begin(struct load *load, uint64_t now_ns)
{
	for (unsigned i = 0; i < load->count && load->options->window; i += load->options->echo ? 1 : 2) {
		struct client *client = &load->clients[i];
		if (!client_is_online(client) || !partner_of(load, client) || !number_is_talker(load, client->number))
			continue;
		for (unsigned k = 0; k < load->options->window; k++)
			pair_send(load, client, ACTION_chat, now_ns);
	}
}

uint64_t traffic_send_due(struct load *load, uint64_t now_ns)
{
	struct traffic *traffic = &load->traffic;
	unsigned rate = load->options->messages_per_second;

	if (!rate)
		return UINT64_MAX;
	for (unsigned k = 0; k < BATCH_MAX; k++) {
		uint64_t due = load_due(load, load->board->run_ns, traffic->planned, rate);
		if (due > now_ns)
			return due;
		load_late(load, now_ns - due);
		one_send(load, due);
		traffic->planned++;
	}
	return now_ns;
}

void traffic_forget(struct load *load, struct client *client)
{
	unsigned place = partner_number(load, client->number) - load->first;

	client->cut_off = true;
	if (place < load->count)
		load->tally->counts.expected -= client->flow.sent - load->clients[place].flow.expected;
}

/* ---- what arrives */

/* False: not one of this run's. */
static bool mark_read(const struct load *load, const char *id, struct mark *ret)
{
	size_t run = strlen(load->board->run);

	return strncmp(id, load->board->run, run) == 0 && sscanf(id + run, "-%c-%u-%" SCNu64 "-%" SCNu64, &ret->kind,
								 &ret->sender, &ret->number, &ret->due_ns) == 4;
}

/* A gap is only a loss if nothing fills it later; what fills it was overtaken. */
bool traffic_order_check(struct load *load, struct client *client, struct flow *flow, uint64_t number)
{
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

static void latency_add(struct histogram *histogram, uint64_t due_ns, uint64_t now_ns)
{
	histogram_add(histogram, now_ns > due_ns ? now_ns - due_ns : 0);
}

/* The flow that it belongs to; NULL: it is for somebody else. */
static struct flow *flow_of(struct load *load, struct client *client, const struct mark *mark)
{
	if (mark->kind == MARK_GROUP)
		return crowd_flow(load, client, mark->sender);
	return mark->sender == partner_number(load, client->number) ? &client->flow : NULL;
}

static void flow_receive(struct load *load, struct client *client, const struct mark *mark, uint64_t now_ns)
{
	struct flow *flow = flow_of(load, client, mark);

	if (!flow) {
		load_fault(load, FAULT_STRAY, client->number, "");
		return;
	}
	if (!traffic_order_check(load, client, flow, mark->number))
		return;
	if (load_is_slow_reader(load, client)) {
		load->tally->counts.slow_received++;
		return;
	}
	if (load->clients[mark->sender - load->first].cut_off && mark->kind == MARK_PAIR) /* not waited for */
		return;
	load->tally->counts.received++;
	latency_add(&load->tally->latency_ns, mark->due_ns, now_ns);
	if (load->options->window && load->phase == PHASE_RUN && partner_of(load, client))
		pair_send(load, client, ACTION_chat, now_ns);
}

static void answer_receive(struct load *load, struct client *client, const struct mark *mark, uint64_t now_ns)
{
	if (mark->sender != client->number) {
		load_fault(load, FAULT_STRAY, client->number, "");
		return;
	}
	load->tally->counts.answers++;
	latency_add(&load->tally->ping_ns, mark->due_ns, now_ns);
}

/* Whether its partner does not read: what is not received there is counted there. */
static bool is_to_slow_reader(const struct load *load, const struct client *client)
{
	unsigned place = partner_number(load, client->number) - load->first;

	return place < load->count && load_is_slow_reader(load, &load->clients[place]);
}

void traffic_take(struct load *load, struct client *client, const struct arrival *arrival)
{
	struct mark mark;

	if (!mark_read(load, arrival->id, &mark)) {
		load->tally->counts.foreign += arrival->is_message;
		return;
	}
	if (mark.kind == MARK_PING) { /* a server that knows no pings answers too */
		answer_receive(load, client, &mark, arrival->now_ns);
		return;
	}
	if (arrival->is_error) {
		if (!is_to_slow_reader(load, client))
			load_fault(load, FAULT_STANZA_ERROR, client->number, "");
		return;
	}
	if (mark.kind != MARK_GROUP || mark.sender != client->number) /* groups echo */
		flow_receive(load, client, &mark, arrival->now_ns);
}

void traffic_receive(struct load *load, struct client *client, const struct xml_event *event, const uint8_t *bytes,
		     uint64_t now_ns)
{
	char id[MARK_TEXT_BYTES] = "";
	struct arrival arrival = {.id = id,
				  .is_message = xml_is_equal(bytes, event->name, "message"),
				  .is_error = event->type.at && xml_is_equal(bytes, event->type, "error"),
				  .now_ns = now_ns};

	if (event->id.at && event->id.len < sizeof id)
		memcpy(id, bytes + event->id.at, event->id.len);
	traffic_take(load, client, &arrival);
}
