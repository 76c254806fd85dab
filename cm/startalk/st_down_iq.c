#include "st_down_own.h"
#include "st_json.h"

#include <string.h>

/* How the bodies of an answer are made. */
enum made {
	NONE,
	BIND,
	SELF,	 /* one body, headers of the child's attributes */
	EACH,	 /* bodys: one for each of the child's children of that name */
	MEMBERS, /* the same; what makes no owner or admin is left out; and when there are none it is another answer */
	RESULT,	 /* the body's value is an attribute of the child's child */
	FORBIDDEN,  /* the same for a header, with a value of its own when there is none */
	DESTROYED,  /* a header that says success */
	SUBSCRIBED, /* the body's value is the name of the child's child */
	KEY,	    /* the time, and the child's value */
	ROSTER	    /* friends, of a roster (RFC 6121, 2) */
};

/* From whom an answer is believed. */
enum from { HOME, ANY };

struct row {
	const char *child, *ns;
	enum from from;
	const char *value;
	enum made made;
	const char *of, *body, *headers;
};
static const struct row rows[] = {
	{"bind", "urn:ietf:params:xml:ns:xmpp-bind", ANY, "bind", BIND, "", "", ""},
#define ANSWER(child, ns, from, value, made, of, body, headers) {child, ns, from, value, made, of, body, headers},
#include "st_answer.def"
#undef ANSWER
};

struct iq {
	struct st_making *m;
	const struct row *row;
	const struct st_node *child;
	Startalk__IQMessage message;
};

static const struct row *row_find(const struct st_node *child)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (st_node_is(child, rows[i].child) && (rows[i].ns[0] == '\0' || st_node_ns_is(child, rows[i].ns)))
			return &rows[i];
	return NULL;
}

static const struct st_node *first_with_ns(const struct st_node *iq)
{
	for (const struct st_node *at = iq->child; at != NULL; at = at->next)
		if (st_node_has_own_ns(at))
			return at;
	return NULL;
}

/* ---- bodies */

static Startalk__MessageBody *one_body(struct iq *iq, const char *value)
{
	return iq->message.body = st_body_new(iq->m->arena, value);
}

static void make_bind(struct iq *iq)
{
	struct st_arena *a = iq->m->arena;
	const struct st_node *jid = st_node_child(iq->child, "jid", NULL);
	Startalk__MessageBody *body = one_body(iq, jid == NULL ? iq->m->view->full : st_node_text(a, jid));

	st_body_header(a, body, "time_value", st_digits(a, iq->m->view->now_ms / 1000));
	st_body_header(a, body, "key_value", iq->m->view->session_key);
}

static size_t count_children(const struct st_node *node, const char *name)
{
	size_t count = 0;

	for (const struct st_node *at = node->child; at != NULL; at = at->next)
		count += st_node_is(at, name);
	return count;
}

static void make_each(struct iq *iq)
{
	struct st_arena *a = iq->m->arena;
	size_t count = count_children(iq->child, iq->row->of);

	if (count == 0 || (iq->message.bodys = st_arena_take(a, count * sizeof *iq->message.bodys)) == NULL)
		return;
	for (const struct st_node *at = iq->child->child; at != NULL; at = at->next) {
		Startalk__MessageBody *body;

		if (!st_node_is(at, iq->row->of))
			continue;
		if ((body = st_body_new(a, iq->row->body)) == NULL)
			return;
		st_body_headers(a, body, iq->row->headers, at, NULL);
		iq->message.bodys[iq->message.n_bodys++] = body;
	}
}

static bool is_raised(const char *affiliation)
{
	return strcmp(affiliation, "owner") == 0 || strcmp(affiliation, "admin") == 0;
}

/* Headers of an ordinary member say nothing of its affiliation. */
static void members_plain(Startalk__MessageBody *body)
{
	const char *affiliation = st_header_find(body, "affiliation");

	if (affiliation != NULL && !is_raised(affiliation))
		body->n_headers--; /* it is the last */
}

static void make_members(struct iq *iq)
{
	make_each(iq);
	for (size_t i = 0; i < iq->message.n_bodys; i++)
		members_plain(iq->message.bodys[i]);
	if (iq->message.n_bodys > 0)
		return;
	iq->message.value = st_as_field("muc_set_register");
	one_body(iq, "set_register");
}

static const char *of_grandchild(struct iq *iq, const char *attribute)
{
	return st_node_attribute(iq->m->arena, st_node_child(iq->child, iq->row->of, NULL), attribute);
}

static void make_forbidden(struct iq *iq)
{
	const char *forbidden = of_grandchild(iq, "forbidden");

	st_body_header(iq->m->arena, one_body(iq, iq->row->body), iq->row->headers,
		       forbidden == NULL ? "failed" : forbidden);
}

static void make_subscribed(struct iq *iq)
{
	static const char *const names[] = {"subscribe", "add_subscribe", "delete_subscribe"};
	struct st_arena *a = iq->m->arena;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const struct st_node *found = st_node_child(iq->child, names[i], NULL);

		if (found == NULL)
			continue;
		st_body_headers(a, one_body(iq, names[i]), iq->row->headers, found, NULL);
		return;
	}
}

static void make_key(struct iq *iq)
{
	struct st_arena *a = iq->m->arena;
	Startalk__MessageBody *body = one_body(iq, iq->row->body);

	st_body_header(a, body, "time_key", st_digits(a, iq->m->view->now_ms / 1000));
	st_body_header(a, body, "key", st_node_attribute(a, iq->child, "value"));
}

static bool is_seen(struct st_arena *a, const struct st_node *item)
{
	const char *subscription = st_node_attribute(a, item, "subscription");

	return subscription != NULL && (strcmp(subscription, "both") == 0 || strcmp(subscription, "to") == 0);
}

/* [{"F":"bob","H":"example.org"}]: those whom the user sees. */
static void make_roster(struct iq *iq)
{
	struct st_arena *a = iq->m->arena;
	size_t count = 0;
	const char **jids = st_arena_take(a, (count_children(iq->child, iq->row->of) + 1) * sizeof *jids), *list;
	struct st_json json;

	for (const struct st_node *at = iq->child->child; jids != NULL && at != NULL; at = at->next)
		if (st_node_is(at, iq->row->of) && is_seen(a, at) &&
		    (jids[count] = st_node_attribute(a, at, "jid")) != NULL)
			count++;
	st_json_begin(&json, a);
	st_json_put(&json, "[");
	for (size_t i = 0; i < count; i++)
		st_json_friend(&json, jids[i]);
	st_json_put(&json, "]");
	list = st_json_end(&json);
	st_body_header(a, one_body(iq, iq->row->body), iq->row->headers, list);
}

static void make(struct iq *iq)
{
	struct st_arena *a = iq->m->arena;

	switch (iq->row->made) {
	case NONE:
		break;
	case BIND:
		make_bind(iq);
		break;
	case SELF:
		st_body_headers(a, one_body(iq, iq->row->body), iq->row->headers, iq->child, NULL);
		break;
	case EACH:
		make_each(iq);
		break;
	case MEMBERS:
		make_members(iq);
		break;
	case RESULT:
		one_body(iq, of_grandchild(iq, "result"));
		break;
	case FORBIDDEN:
		make_forbidden(iq);
		break;
	case DESTROYED:
		st_body_header(a, one_body(iq, iq->row->body), iq->row->headers, "success");
		break;
	case SUBSCRIBED:
		make_subscribed(iq);
		break;
	case KEY:
		make_key(iq);
		break;
	case ROSTER:
		make_roster(iq);
		break;
	}
}

/* ---- errors */

static const struct {
	const char *condition, *code;
} codes[] = {
	/* XEP-0086: what servers no longer say, and clients look at */
	{"bad-request", "400"},
	{"conflict", "409"},
	{"feature-not-implemented", "501"},
	{"forbidden", "403"},
	{"gone", "302"},
	{"internal-server-error", "500"},
	{"item-not-found", "404"},
	{"jid-malformed", "400"},
	{"not-acceptable", "406"},
	{"not-allowed", "405"},
	{"not-authorized", "401"},
	{"recipient-unavailable", "404"},
	{"registration-required", "407"},
	{"remote-server-not-found", "404"},
	{"remote-server-timeout", "504"},
	{"resource-constraint", "500"},
	{"service-unavailable", "503"},
	{"subscription-required", "407"},
};

const char *st_error_code(struct st_arena *a, const struct st_node *error)
{
	const char *code = st_node_attribute(a, error, "code");

	for (size_t i = 0; error != NULL && code == NULL && i < sizeof codes / sizeof codes[0]; i++)
		if (st_node_child(error, codes[i].condition, "urn:ietf:params:xml:ns:xmpp-stanzas") != NULL)
			return codes[i].code;
	return code;
}

static void make_error(struct iq *iq)
{
	struct st_arena *a = iq->m->arena;
	const struct st_node *error = st_node_child(iq->m->node, "error", NULL), *text;
	const char *code = st_error_code(a, error);
	Startalk__MessageBody *body;

	if (code == NULL)
		return;
	body = one_body(iq, "error_info");
	st_body_header(a, body, "code", code);
	if ((text = st_node_child(error, "text", NULL)) != NULL)
		st_body_header(a, body, "data", st_node_text(a, text));
}

/* ---- all */

enum { DEFINED_RESULT = 80, DEFINED_ERROR = 90 };

static bool is_type(const struct st_making *m, const char *type)
{
	const char *own = st_node_attribute(m->arena, m->node, "type");

	return own != NULL && strcmp(own, type) == 0;
}

/* The answer to BIND is what a login waits for; whoever says it later is not the session server. */
static bool is_believed(const struct iq *iq)
{
	if (iq->row->made == BIND)
		return iq->m->view->session_key[0] != '\0';
	return iq->row->from == ANY || st_is_from_home(iq->m);
}

static bool make_result(struct iq *iq)
{
	iq->child = first_with_ns(iq->m->node);
	if (iq->m->node->child == NULL && is_type(iq->m, "result")) {
		iq->message.value = st_as_field("ping");
		return true;
	}
	iq->row = iq->child == NULL ? NULL : row_find(iq->child);
	if (iq->row == NULL || (!iq->m->view->native && !is_type(iq->m, "result")) || !is_believed(iq))
		return false;
	iq->message.value = st_as_field(iq->row->value);
	make(iq);
	return true;
}

bool st_down_iq(struct st_making *m, struct st_down *ret)
{
	struct iq iq = {.m = m};
	bool error = is_type(m, "error");

	startalk__iqmessage__init(&iq.message);
	iq.message.has_definedkey = iq.message.has_receivedtime = true;
	iq.message.definedkey = error ? DEFINED_ERROR : DEFINED_RESULT;
	iq.message.receivedtime = (int64_t)(m->view->now_ms / 1000);
	iq.message.messageid = st_as_field(st_node_attribute(m->arena, m->node, "id"));
	if (error)
		make_error(&iq);
	else if (!make_result(&iq))
		return false;
	if (iq.row != NULL && iq.row->made == BIND) {
		ret->is = ST_DOWN_BOUND;
		m->outer.from = m->outer.to;
	}
	st_finish(m, ST_SIGNAL_IQ, &iq.message.base, ret);
	return true;
}
