#include "st_up_own.h"

#include <string.h>

static const struct {
	const char *startalk, *show;
} shows[] = {
#define SHOW(startalk, show) {startalk, show},
#include "st_show.def"
#undef SHOW
};

enum key { KEY_PRIORITY = 1, KEY_VERIFY = 2, KEY_CONFIRM = 3, KEY_NOTIFY = 7, KEY_STATUS = -1, KEY_NONE = 0 };

/* The number counts when there is one; status has none. */
static enum key key_find(const Startalk__PresenceMessage *presence)
{
	static const struct {
		const char *word;
		enum key key;
	} keys[] = {{"priority", KEY_PRIORITY},
		    {"verify_friend", KEY_VERIFY},
		    {"manual_authentication_confirm", KEY_CONFIRM},
		    {"notify", KEY_NOTIFY},
		    {"status", KEY_STATUS}};

	if (presence->has_definedkey)
		return (enum key)presence->definedkey;
	for (size_t i = 0; presence->key != NULL && i < sizeof keys / sizeof keys[0]; i++)
		if (strcmp(keys[i].word, presence->key) == 0)
			return keys[i].key;
	return KEY_NONE;
}

/* -128 to 127 (RFC 6121, 4.7.2.3). */
static bool is_priority(const char *text)
{
	int value = 0;
	bool minus = text != NULL && text[0] == '-';

	if (text == NULL || text[minus] == '\0')
		return false;
	for (text += minus; *text >= '0' && *text <= '9' && value < 1000; text++)
		value = 10 * value + *text - '0';
	return *text == '\0' && value <= 127 + minus;
}

static bool put_priority(struct st_text *t, const char *value)
{
	if (!is_priority(value))
		return false;
	st_put(t, "<presence><priority>");
	st_put(t, value);
	st_put(t, "</priority></presence>");
	return true;
}

/* Children that are named by the client's headers. */
static bool is_status_name(const char *name)
{
	return name != NULL &&
	       (strcmp(name, "show") == 0 || strcmp(name, "priority") == 0 || strcmp(name, "status") == 0);
}

static void put_child(struct st_text *t, const char *name, const char *text)
{
	st_put(t, "<");
	st_put(t, name);
	st_put(t, ">");
	st_put_value(t, text);
	st_put(t, "</");
	st_put(t, name);
	st_put(t, ">");
}

static bool put_native_status(struct st_text *t, const Startalk__MessageBody *body)
{
	st_put(t, "<presence>");
	for (size_t i = 0; body != NULL && i < body->n_headers; i++) {
		const char *name = st_header_name(body->headers[i]);

		if (!is_status_name(name) || body->headers[i]->value == NULL)
			return false;
		put_child(t, name, body->headers[i]->value);
	}
	st_put(t, "</presence>");
	return true;
}

/* The show of RFC 6121 that comes nearest; NULL: a word that clients do not send. */
static const char *show_of(const char *word)
{
	for (size_t i = 0; i < sizeof shows / sizeof shows[0]; i++)
		if (strcmp(shows[i].startalk, word) == 0)
			return shows[i].show;
	return NULL;
}

static bool put_status(struct st_text *t, const Startalk__MessageBody *body)
{
	const char *word = st_header_find(body, "show"), *priority = st_header_find(body, "priority");
	const char *status = st_header_find(body, "status"), *show = word == NULL ? "" : show_of(word);

	if (show == NULL || (priority != NULL && !is_priority(priority)))
		return false;
	st_put(t, "<presence>");
	if (show[0] != '\0')
		put_child(t, "show", show);
	if (status != NULL)
		put_child(t, "status", status);
	if (priority != NULL)
		put_child(t, "priority", priority);
	if (word != NULL) {
		st_put(t, "<startalk xmlns='" ST_NS "'");
		st_put_attribute(t, "show", word);
		st_put(t, "/>");
	}
	st_put(t, "</presence>");
	return true;
}

/* Asking to be friends, and the answer. */
static bool put_native_friend(struct st_text *t, const struct st_packet *packet, const char *ns, const char *type)
{
	st_put(t, "<presence");
	st_put_attribute(t, "xmlns", ns);
	st_put_attribute(t, "to", packet->outer->to);
	st_put_attribute(t, "type", type);
	if (st_header_find(packet->presence->body, "type") != NULL || !st_put_headers(t, packet->presence->body))
		return false;
	st_put(t, "/>");
	return true;
}

/* A subscription (RFC 6121, 3.1), which is what servers and other clients know. */
static bool put_friend(struct st_text *t, const struct st_packet *packet, const char *type)
{
	const char *to = packet->outer->to, *words = st_header_find(packet->presence->body, "body");

	if (st_nonempty(to) == NULL)
		return false;
	st_put(t, "<presence to='");
	st_put_value_len(t, to, strcspn(to, "/"));
	st_put(t, "'");
	st_put_attribute(t, "type", type);
	st_put(t, ">");
	if (words != NULL)
		put_child(t, "status", words);
	st_put(t, "</presence>");
	return true;
}

/* Who asked is let in, or not. */
static const char *confirmed_type(const Startalk__MessageBody *body)
{
	const char *result = st_header_find(body, "result");

	return result != NULL && strcmp(result, "allow") == 0 ? "subscribed" : "unsubscribed";
}

static bool put_notice(struct st_text *t, const struct st_packet *packet)
{
	const Startalk__PresenceMessage *presence = packet->presence;

	st_put(t, "<presence");
	st_put_attribute(t, "from", packet->outer->from);
	st_put_attribute(t, "to", packet->outer->to);
	st_put_number(t, "category", presence->has_categorytype ? presence->categorytype : 1);
	st_put_attribute(t, "data", presence->body == NULL ? NULL : presence->body->value);
	st_put(t, " type='notify'><notify xmlns='jabber:x:presence_notify'/></presence>");
	return true;
}

bool st_up_presence(struct st_text *t, const struct st_view *view, const struct st_packet *packet)
{
	const Startalk__PresenceMessage *presence = packet->presence;

	switch (key_find(presence)) {
	case KEY_PRIORITY:
		return put_priority(t, presence->value);
	case KEY_STATUS:
		return view->native ? put_native_status(t, presence->body) : put_status(t, presence->body);
	case KEY_VERIFY:
		return view->native ? put_native_friend(t, packet, "jabber:x:verify_friend", "verify_friend")
				    : put_friend(t, packet, "subscribe");
	case KEY_CONFIRM:
		return view->native ? put_native_friend(t, packet, "jabber:x:manual_authentication",
							"manual_authentication_confirm")
				    : put_friend(t, packet, confirmed_type(presence->body));
	case KEY_NOTIFY:
		return view->native && put_notice(t, packet);
	case KEY_NONE:
		break;
	}
	return false;
}
