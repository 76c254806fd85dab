#include "management.h"
#include "bound.h"
#include "inactive.h"
#include "node.h"
#include "outbox.h"
#include "peer.h"
#include "store_node.h"
#include "utc.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MANAGEMENT_NS "urn:xmpp:sm:3"
#define STANZAS_NS    "urn:ietf:params:xml:ns:xmpp-stanzas"

static void put(struct client *client, struct text *text)
{
	session_send(&client->session, text->bytes, text->len);
	text_free(text);
}

static void fail(struct client *client, const char *condition)
{
	struct text text = {0};
	text_put(&text, "<failed xmlns='" MANAGEMENT_NS "'><%r xmlns='" STANZAS_NS "'/></failed>", condition);
	put(client, &text);
}

/* Decimal digits of an xs:unsignedInt. */
static bool number_read(const struct element *element, const char *name, uint32_t *ret)
{
	const char *text = element_attribute(element, name);
	char *end;
	if (!text || text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (*end != '\0' || errno != 0 || value > UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

/* Counts on the wire are modulo 2^32 (XEP-0198, 4). False: more than was sent. */
static bool handled(struct store_progress *progress, uint32_t h)
{
	uint32_t more = h - (uint32_t)progress->managed_acked;
	if (more > progress->managed_out - progress->managed_acked)
		return false;
	progress->managed_acked += more;
	return true;
}

static void shut_too_high(struct client *client, const struct store_progress *progress, uint32_t h)
{
	char element[128];
	snprintf(element, sizeof element, "<handled-count-too-high xmlns='" MANAGEMENT_NS "' h='%u' send-count='%u'/>",
		 (unsigned)h, (unsigned)(uint32_t)progress->managed_out);
	client_shut_for(client, &(struct client_close){
					.condition = "undefined-condition",
					.reason = "more stanzas acknowledged than were sent",
					.element = element,
				});
}

/* Enabling */

static bool is_true(const char *text)
{
	return text && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
}

/* A hundred and sixty random bits: whoever has logged in as somebody else cannot guess it, nor whether it exists. */
static void resumption_make(char to[static CLIENT_RESUMPTION_BYTES])
{
	uint8_t random[(CLIENT_RESUMPTION_BYTES - 1) / 2];
	if (getrandom(random, sizeof random, 0) != sizeof random)
		abort();
	for (size_t i = 0; i < sizeof random; i++)
		snprintf(to + 2 * i, 3, "%02x", random[i]);
}

static void make_resumable(struct client *client, const struct element *enable)
{
	uint32_t wanted_s;
	if (!number_read(enable, "max", &wanted_s) || wanted_s == 0 || wanted_s > MANAGEMENT_RESUMABLE_S_MAX)
		wanted_s = MANAGEMENT_RESUMABLE_S_MAX;
	resumption_make(client->resumption);
	client->resumption_ms = wanted_s * 1000;
	client->resumable = true;
}

static void say_enabled(struct client *client)
{
	struct text text = {0};
	if (client->resumable)
		text_put(&text, "<enabled xmlns='" MANAGEMENT_NS "' id='%r' resume='true' max='%u'/>",
			 client->resumption, client->resumption_ms / 1000);
	else
		text_put(&text, "<enabled xmlns='" MANAGEMENT_NS "'/>");
	put(client, &text);
}

static void enable(struct client *client, const struct element *element)
{
	if (client->managed) {
		fail(client, "unexpected-request");
		return;
	}
	if (is_true(element_attribute(element, "resume")))
		make_resumable(client, element);
	say_enabled(client);
	client->managed = true;
	bound_changed(client, CLIENT_CHANGED_STATE | CLIENT_CHANGED_PROGRESS);
}

/* Acknowledging */

static void acknowledge(struct client *client, const struct element *element)
{
	struct text text = {0};
	(void)element;
	text_put(&text, "<a xmlns='" MANAGEMENT_NS "' h='%u'/>", (unsigned)(uint32_t)client->progress.managed_in);
	put(client, &text);
}

static void acknowledged(struct client *client, const struct element *element)
{
	uint32_t h;
	if (!number_read(element, "h", &h)) {
		client_shut(client, "invalid-xml", "an acknowledgement without a number");
	} else if (!handled(&client->progress, h)) {
		shut_too_high(client, &client->progress, h);
	} else {
		client->asking = false;
		bound_changed(client, CLIENT_CHANGED_ACKED);
		management_ask(client);
	}
}

static void ask(struct client *client)
{
	static const char xml[] = "<r xmlns='" MANAGEMENT_NS "'/>";
	client->asking = true;
	client_send(client, xml);
}

static bool waits_for(const struct client *client, int64_t stanzas)
{
	const struct store_progress *progress = &client->progress;
	return client->managed && !client->asking && client->at && !client->closed &&
	       progress->managed_out - progress->managed_acked >= stanzas;
}

void management_ask(struct client *client)
{
	if (waits_for(client, MANAGEMENT_ASK_AFTER))
		ask(client);
}

void management_tick(struct sessiond *server)
{
	for (struct client *client = server->attended; client; client = client->attended_next) {
		if (client_is_ours(client) && waits_for(client, 1))
			ask(client);
	}
	clients_reap(server);
}

static const struct {
	const char *name;
	void (*take)(struct client *, const struct element *);
	bool first; /* it begins stream management; the others need that */
} elements[] = {
	{"enable", enable, true},
	{"r", acknowledge, false},
	{"a", acknowledged, false},
};

static void take_bound(struct client *client, const struct element *element)
{
	for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
		if (strcmp(element_name(element), elements[i].name) == 0 && (client->managed || elements[i].first)) {
			elements[i].take(client, element);
			return;
		}
	}
	fail(client, "unexpected-request");
}

bool management_take_bound(struct client *client, const struct element *element)
{
	if (strcmp(element_ns(element), MANAGEMENT_NS) != 0)
		return false;
	take_bound(client, element);
	return true;
}

/* Without a stream */

bool management_is_hibernating(const struct client *client)
{
	return client->resumable && !client->at_gate;
}

bool management_hibernate(struct client *client)
{
	if (!client->resumable || !client->at_gate || client->closed)
		return false;
	client->at = NULL;
	client->at_gate = false;
	client->until_ms = utc_now_ms() + client->resumption_ms;
	bound_changed(client, CLIENT_CHANGED_STATE);
	return true;
}

/* Resuming */

/* Only one's own. NULL: there is none of that name, or the store failed. */
static struct client *find(const struct client *fresh, const char *resumption)
{
	struct sessiond *server = fresh->session.server;
	int64_t id;
	if (!store_session_resumable(server->store, resumption, &id)) {
		server_store_failed(server);
		return NULL;
	}
	struct client *client = id ? bound_find(server, id) : NULL;
	return client && strcmp(client->session.bare_jid, fresh->session.bare_jid) == 0 ? client : NULL;
}

/* The stream that it has had, if that still lives somewhere (XEP-0198, 5). */
static void leave_stream(struct client *client)
{
	struct sessiond *server = client->session.server;
	if (client->at) {
		client_say_close(client, "conflict", "resumed by another stream");
	} else if (client->owner != 0 && !client_is_ours(client)) {
		node_tell(server, CHANGE_SESSION, client->id, "conflict");
		node_wake(server, client->owner);
	}
	client->at = NULL;
}

static void move(struct client *client, struct client *fresh)
{
	leave_stream(client);
	bound_place(client, fresh->at);
	memcpy(client->address, fresh->address, sizeof client->address);
	client_leave(fresh);
	bound_changed(client, CLIENT_CHANGED_STATE | CLIENT_CHANGED_PROGRESS);
}

/* The gate must know before the client does. */
static void go_on(struct client *client, struct client *fresh)
{
	struct text text = {0};
	move(client, fresh);
	client_state(client, FRAME_STAGE_BOUND, client->session.full_jid, NULL);
	text_put(&text, "<resumed xmlns='" MANAGEMENT_NS "' previd='%r' h='%u'/>", client->resumption,
		 (unsigned)(uint32_t)client->progress.managed_in);
	outbox_resume(client, text.bytes, text.len);
	inactive_end(client);
	text_free(&text);
	server_log_client(client->session.server, client->session.full_jid, client->address, "%s goes on from %s",
			  client->session.full_jid, client->address);
}

static void resume_it(struct client *fresh, struct client *client, uint32_t h)
{
	struct store_progress progress = client->progress;
	if (!client_is_ours(client) && !store_progress_get(fresh->session.server->store, client->id, &progress)) {
		server_store_failed(fresh->session.server);
	} else if (!handled(&progress, h)) {
		shut_too_high(fresh, &progress, h);
	} else {
		client->progress = progress;
		go_on(client, fresh);
	}
}

static void resume(struct client *fresh, const struct element *element)
{
	const char *resumption = element_attribute(element, "previd");
	struct client *client;
	uint32_t h;
	if (!resumption || !number_read(element, "h", &h))
		fail(fresh, "bad-request");
	else if (!(client = find(fresh, resumption)))
		fail(fresh, "item-not-found");
	else
		resume_it(fresh, client, h);
}

bool management_take(struct client *client, const struct element *element)
{
	if (strcmp(element_ns(element), MANAGEMENT_NS) != 0)
		return false;
	if (strcmp(element_name(element), "resume") == 0)
		resume(client, element);
	else
		fail(client, "unexpected-request");
	return true;
}
