#include "st_down_own.h"

#include <string.h>

#define MUC_USER "http://jabber.org/protocol/muc#user"
#define FRIEND	 "jabber:x:verify_friend"
#define CONFIRM	 "manual_authentication_confirm"

static const struct notice {
	const char *ns, *child, *value, *body, *headers;
} notices[] = {
#define NOTICE(ns, child, value, body, headers) {ns, child, value, body, headers},
#include "st_notice.def"
#undef NOTICE
};

static const struct {
	const char *startalk, *show;
} shows[] = {
#define SHOW(startalk, show) {startalk, show},
#include "st_show.def"
#undef SHOW
};

enum { KEY_RESULT = 6, KEY_NOTIFY = 7 };

struct presence {
	struct st_making *m;
	const char *type; /* "": available */
	Startalk__PresenceMessage message;
};

static Startalk__MessageBody *result(struct presence *p, const char *value, const char *body)
{
	p->message.value = st_as_field(value);
	p->message.definedkey = KEY_RESULT;
	return p->message.body = st_body_new(p->m->arena, body);
}

/* ---- of Startalk's own servers */

static int32_t number_of(const char *digits)
{
	int32_t value = 0;

	if (digits == NULL || digits[0] == '\0')
		return 1;
	for (; *digits >= '0' && *digits <= '9' && value < 10000000; digits++)
		value = 10 * value + *digits - '0';
	return value;
}

static bool make_notice(struct presence *p)
{
	struct st_arena *a = p->m->arena;

	if (st_node_child(p->m->node, "notify", "jabber:x:presence_notify") == NULL || !st_is_from_home(p->m))
		return false;
	p->message.value = st_as_field("notify");
	p->message.definedkey = KEY_NOTIFY;
	p->message.has_categorytype = true;
	p->message.categorytype = number_of(st_node_attribute(a, p->m->node, "category"));
	p->message.body = st_body_new(a, st_node_attribute(a, p->m->node, "data"));
	return true;
}

static bool make_named(struct presence *p)
{
	const struct st_node *node = p->m->node, *child;

	for (size_t i = 0; i < sizeof notices / sizeof notices[0]; i++) {
		child = notices[i].child[0] == '\0' ? node->child : st_node_child(node, notices[i].child, NULL);
		if (!st_node_ns_is(node, notices[i].ns) || (notices[i].child[0] != '\0' && child == NULL))
			continue;
		st_body_headers(p->m->arena, result(p, notices[i].value, notices[i].body), notices[i].headers, node,
				child);
		return true;
	}
	return false;
}

/* Somebody asks to be a friend, and the user decides. */
static void make_question(struct presence *p, const char *names)
{
	const char *words = "";
	const struct st_node *status = st_node_child(p->m->node, "status", NULL);
	Startalk__MessageBody *body = result(p, "confirm_verify_friend", "verify_friend");

	p->message.has_definedkey = false;
	p->message.key = st_as_field(CONFIRM);
	st_body_headers(p->m->arena, body, names, p->m->node, p->m->node->child);
	if (p->m->view->native)
		return;
	if (status != NULL)
		words = st_node_text(p->m->arena, status);
	st_body_header(p->m->arena, body, "method", CONFIRM);
	st_body_header(p->m->arena, body, "body", words);
}

static bool make_native_question(struct presence *p)
{
	struct st_arena *a = p->m->arena;
	const struct st_node *node = p->m->node;
	const char *method;

	if (!st_node_ns_is(node, FRIEND))
		return false;
	method = st_node_attribute(a, node, "method");
	if (st_node_attribute(a, node, "result") != NULL || method == NULL || strcmp(method, CONFIRM) != 0)
		return false;
	make_question(p, "type reason method body friend_num");
	return true;
}

/* ---- rooms (XEP-0045) */

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static void make_joined(struct presence *p, const struct st_node *item)
{
	struct st_arena *a = p->m->arena;
	Startalk__MessageBody *body = result(p, "user_join_muc", "user_info");
	const char *jid = st_node_attribute(a, item, "jid");
	const char *at = jid == NULL ? NULL : strchr(jid, '@');

	if (at != NULL) {
		st_body_header(a, body, "jid", st_arena_text(a, jid, (size_t)(at - jid)));
		st_body_headers(a, body, "affiliation", item, NULL);
		st_body_header(a, body, "domain", st_arena_text(a, at + 1, strcspn(at + 1, "/")));
	} else {
		st_body_headers(a, body, "jid affiliation domain", item, NULL);
	}
}

static bool make_room(struct presence *p)
{
	struct st_arena *a = p->m->arena;
	const struct st_node *x = st_node_child(p->m->node, "x", MUC_USER), *item;

	if (x == NULL || (!is(p->type, "") && !is(p->type, "unavailable")))
		return false;
	item = st_node_child(x, "item", NULL);
	if (!is(p->type, "unavailable"))
		make_joined(p, item);
	else if (st_node_child(x, "destroy", NULL) != NULL)
		st_body_headers(a, result(p, "destory_muc", "item"), "affiliation role", item, NULL);
	else
		st_body_headers(a, result(p, "del_muc_user", "item"), "affiliation role code", item,
				st_node_child(x, "status", NULL));
	return true;
}

/* ---- who is there */

static const char *word_of(const char *show)
{
	for (size_t i = 0; i < sizeof shows / sizeof shows[0]; i++)
		if (is(shows[i].show, show))
			return shows[i].startalk;
	return shows[0].startalk;
}

static bool is_word(const char *word)
{
	for (size_t i = 0; i < sizeof shows / sizeof shows[0]; i++)
		if (is(shows[i].startalk, word))
			return true;
	return false;
}

/* What the client said, when it is one of this dialect; or what its show comes nearest to. */
static const char *show_word(struct presence *p, const struct st_node *show)
{
	struct st_arena *a = p->m->arena;
	const char *own = st_node_attribute(a, st_node_child(p->m->node, "startalk", ST_NS), "show");
	const char *text = show == NULL ? "" : st_node_text(a, show);

	if (is(p->type, "unavailable"))
		return "offline";
	if (own != NULL && is_word(own))
		return own;
	return text == NULL ? "" : p->m->view->native ? text : word_of(text);
}

static bool is_own_account(const struct st_making *m)
{
	const char *from = st_node_attribute(m->arena, m->node, "from");
	size_t len = strlen(m->view->bare);

	return from == NULL || (strncmp(from, m->view->bare, len) == 0 && (from[len] == '/' || from[len] == '\0'));
}

/* Of the user's own resources only what says more than that they are there. */
static bool make_show(struct presence *p)
{
	const struct st_node *show = st_node_child(p->m->node, "show", NULL);
	const struct st_node *priority = st_node_child(p->m->node, "priority", NULL);
	bool own = st_node_child(p->m->node, "startalk", ST_NS) != NULL;
	struct st_arena *a = p->m->arena;
	Startalk__MessageBody *body;

	if ((!is(p->type, "") && !is(p->type, "unavailable")) ||
	    (show == NULL && !own && (p->m->view->native || is_own_account(p->m))))
		return false;
	body = result(p, "update_user_status", "update_user_status");
	st_body_header(a, body, "show", show_word(p, show));
	if (priority != NULL)
		st_body_header(a, body, "priority", st_node_text(a, priority));
	return true;
}

static bool make_asked(struct presence *p)
{
	if (p->m->view->native || !is(p->type, "subscribe"))
		return false;
	make_question(p, "");
	return true;
}

bool st_down_presence(struct st_making *m, struct st_down *ret)
{
	const char *type = st_node_attribute(m->arena, m->node, "type");
	struct presence p = {.m = m, .type = type == NULL ? "" : type};
	bool home = st_is_from_home(m);

	startalk__presence_message__init(&p.message);
	p.message.key = st_as_field("result");
	p.message.messageid = st_as_field("");
	p.message.has_receivedtime = p.message.has_definedkey = true;
	p.message.receivedtime = (int64_t)(m->view->now_ms / 1000);
	if (make_notice(&p) || (home && (make_native_question(&p) || make_named(&p))) || make_room(&p) ||
	    make_asked(&p) || make_show(&p)) {
		st_finish(m, ST_SIGNAL_PRESENCE, &p.message.base, ret);
		return true;
	}
	return false;
}
