#include "st_down_own.h"
#include "st_text.h"

#include <string.h>

void st_finish(struct st_making *m, int32_t signal, const ProtobufCMessage *payload, struct st_down *ret)
{
	m->outer.signaltype = signal;
	if (ret->is != ST_DOWN_BOUND)
		ret->is = ST_DOWN_FRAME;
	if (m->arena->spent || !st_packet_write(m->arena, &m->outer, payload, &ret->frame))
		ret->is = ST_DOWN_FULL;
}

bool st_is_from_home(const struct st_making *m)
{
	const char *from = st_node_attribute(m->arena, m->node, "from"), *bare = m->view->bare;
	const char *domain = strchr(bare, '@');
	size_t len = from == NULL ? 0 : strcspn(from, "/");

	if (m->view->native || from == NULL)
		return true;
	return (strlen(bare) == len && memcmp(from, bare, len) == 0) ||
	       (domain != NULL && strcmp(from, domain + 1) == 0);
}

/* ---- what no client can answer */

static bool is_request(const char *type)
{
	return type != NULL && (strcmp(type, "get") == 0 || strcmp(type, "set") == 0);
}

/* Changes of the roster are taken in silence (RFC 6121, 2.1.6), pings are answered (XEP-0199); nothing else is known.
 */
static bool is_served(const struct st_making *m, const struct st_down *down)
{
	return down->is == ST_DOWN_FRAME || st_node_child(m->node, "ping", "urn:xmpp:ping") != NULL ||
	       (st_node_child(m->node, "query", "jabber:iq:roster") != NULL && st_is_from_home(m));
}

static void put_answer(struct st_text *t, const char *to, const char *id, bool served)
{
	st_put(t, "<iq");
	st_put_attribute(t, "to", to);
	st_put_attribute(t, "id", id);
	st_put_attribute(t, "type", served ? "result" : "error");
	st_put(t, served ? "/>"
			 : "><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
			   "</error></iq>");
}

static void answer(const struct st_making *m, struct st_down *ret)
{
	const char *type = st_node_attribute(m->arena, m->node, "type"), *from, *id;
	struct st_text t;

	if (!is_request(type))
		return;
	from = st_node_attribute(m->arena, m->node, "from");
	id = st_node_attribute(m->arena, m->node, "id");
	st_text_begin(&t, m->arena, m->view->element_bytes_max);
	put_answer(&t, from, id == NULL ? "" : id, is_served(m, ret));
	if (!st_text_end(&t, &ret->answer.at, &ret->answer.len))
		ret->answer.len = 0;
}

/* ---- SASL (RFC 6120, 6.4) */

static bool sasl(struct st_making *m, struct st_down *ret)
{
	const char *domain = strchr(m->view->bare, '@');
	bool written;

	if (st_node_is(m->node, "success"))
		written = st_say_succeeded(m->arena, m->view, &ret->frame);
	else if (st_node_is(m->node, "failure"))
		written = st_say_failure(m->arena, domain == NULL ? m->view->bare : domain + 1,
					 m->node->child == NULL ? "not-authorized"
								: st_node_name(m->arena, m->node->child),
					 &ret->frame);
	else
		return false;
	ret->is = written ? ST_DOWN_FRAME : ST_DOWN_FULL;
	return true;
}

/* ---- all */

static void look_at_presence(struct st_making *m, struct st_down *ret)
{
	const char *type = st_node_attribute(m->arena, m->node, "type");

	if (type != NULL && strcmp(type, "unavailable") != 0)
		return;
	ret->presence_from = st_node_attribute(m->arena, m->node, "from");
	ret->presence_is_available = type == NULL;
}

static void stanza(struct st_making *m, struct st_down *ret)
{
	if (st_node_is(m->node, "message")) {
		st_down_message(m, ret);
	} else if (st_node_is(m->node, "presence")) {
		look_at_presence(m, ret);
		st_down_presence(m, ret);
	} else if (st_node_is(m->node, "iq")) {
		ret->iq_id = st_node_attribute(m->arena, m->node, "id");
		st_down_iq(m, ret);
		answer(m, ret);
	}
}

static void making_begin(struct st_making *m)
{
	const char *from = st_node_attribute(m->arena, m->node, "from"),
		   *to = st_node_attribute(m->arena, m->node, "to");

	startalk__proto_message__init(&m->outer);
	m->outer.has_options = true;
	/* who says nothing speaks for the account (RFC 6120, 8.1.2.1) */
	m->outer.from = st_as_field(from != NULL ? from : m->view->native ? m->view->full : m->view->bare);
	m->outer.to = st_as_field(to == NULL ? m->view->full : to);
}

void st_down(struct st_arena *a, const struct st_view *view, const uint8_t *element, size_t len, struct st_down *ret)
{
	struct st_making m = {.arena = a, .view = view, .node = st_tree_read(a, element, len)};

	*ret = (struct st_down){.is = ST_DOWN_NOTHING};
	if (m.node == NULL) {
		ret->is = ST_DOWN_FULL;
		return;
	}
	making_begin(&m);
	if (st_node_ns_is(m.node, "urn:ietf:params:xml:ns:xmpp-sasl"))
		sasl(&m, ret);
	else
		stanza(&m, ret);
	if (a->spent)
		ret->is = ST_DOWN_FULL;
}
