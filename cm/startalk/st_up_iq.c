#include "st_up_own.h"

#include <string.h>

/* How the inside of a request is made. */
enum inside {
	EMPTY,
	RESOURCE,    /* <resource>value</resource> */
	TO_VALUE,    /* empty; and `to` is the value */
	INVITES,     /* <invite .../> for each of bodys */
	ADD,	     /* <subscribe action='add'/> */
	DELETE,	     /* <subscribe action='delete'/> */
	ACTION,	     /* <subscribe action='value'/> */
	LOCAL,	     /* jid='local part of the value' */
	BODY,	     /* the body's value must be the name of the child; its headers are attributes */
	FRIENDS,     /* empty; for session servers that are not Startalk's, the roster is asked for */
	ITEM,	     /* <item .../>, whose attributes are the body's headers */
	MASKED_ITEM, /* the same, in the namespace that Startalk's server gives it */
	HEADERS,     /* the body's headers are attributes */
	DESTROY	     /* <destroy/> */
};

struct word {
	int32_t number;
	const char *word, *type, *child, *ns;
	enum inside inside;
};
static const struct word words[] = {
#define WORD(number, word, type, child, ns, inside) {number, word, type, child, ns, inside},
#include "st_word.def"
#undef WORD
};

/* The number counts when there is one. */
static const struct word *word_find(const Startalk__IQMessage *iq)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (iq->has_definedkey ? words[i].number == iq->definedkey
				       : iq->key != NULL && strcmp(words[i].word, iq->key) == 0)
			return &words[i];
	return NULL;
}

/* A JID's local part cannot contain what separates it. */
static void put_local(struct st_text *t, const char *value)
{
	if (value == NULL)
		return;
	st_put(t, " jid='");
	st_put_value_len(t, value, strcspn(value, "@"));
	st_put(t, "'");
}

static bool put_item(struct st_text *t, const Startalk__MessageBody *body, const char *ns)
{
	if (body == NULL || body->value == NULL || strcmp(body->value, "item") != 0)
		return false;
	st_put(t, "><item");
	st_put_attribute(t, "xmlns", ns);
	if (!st_put_headers(t, body))
		return false;
	st_put(t, "/>");
	return true;
}

static bool put_invites(struct st_text *t, const Startalk__IQMessage *iq)
{
	st_put(t, ">");
	for (size_t i = 0; i < iq->n_bodys; i++) {
		const Startalk__MessageBody *body = iq->bodys[i];

		if (body->value == NULL || strcmp(body->value, "invite") != 0)
			return false;
		st_put(t, "<invite");
		if (!st_put_headers(t, body))
			return false;
		st_put(t, "/>");
	}
	return true;
}

static void put_subscribe(struct st_text *t, const char *action)
{
	st_put(t, "><subscribe");
	st_put_attribute(t, "action", action);
	st_put(t, "/>");
}

static void put_resource(struct st_text *t, const char *resource)
{
	st_put(t, ">");
	if (st_nonempty(resource) == NULL)
		return;
	st_put(t, "<resource>");
	st_put_value(t, resource);
	st_put(t, "</resource>");
}

/* *ret_open: there are children, and the child is to be closed by name. */
static bool put_inside(struct st_text *t, const struct word *word, const Startalk__IQMessage *iq, bool *ret_open)
{
	const Startalk__MessageBody *body = iq->body;

	*ret_open = true;
	switch (word->inside) {
	case RESOURCE:
		put_resource(t, iq->value);
		return true;
	case INVITES:
		return put_invites(t, iq);
	case ADD:
	case DELETE:
		put_subscribe(t, word->inside == ADD ? "add" : "delete");
		return true;
	case ACTION:
		put_subscribe(t, iq->value);
		return true;
	case ITEM:
	case MASKED_ITEM:
		return put_item(t, body, word->inside == ITEM ? NULL : "jabber:x:mask_user");
	case DESTROY:
		st_put(t, "><destroy/>");
		return true;
	case LOCAL:
		put_local(t, iq->value);
		break;
	case BODY:
		if (body == NULL || body->value == NULL || strcmp(body->value, word->child) != 0)
			return false;
		/* fall through */
	case HEADERS:
		if (!st_put_headers(t, body))
			return false;
		break;
	case EMPTY:
	case TO_VALUE:
	case FRIENDS:
		break;
	}
	*ret_open = false;
	return true;
}

static bool put_child(struct st_text *t, const struct word *word, const Startalk__IQMessage *iq)
{
	bool open;

	st_put(t, "<");
	st_put(t, word->child);
	st_put_attribute(t, "xmlns", word->ns);
	if (!put_inside(t, word, iq, &open))
		return false;
	if (open) {
		st_put(t, "</");
		st_put(t, word->child);
		st_put(t, ">");
	} else {
		st_put(t, "/>");
	}
	return true;
}

/* The roster is the account's own (RFC 6121, 2.1.3), whomever the client asks. */
static const char *to_of(const struct word *word, const struct st_packet *packet, bool roster)
{
	if (roster)
		return NULL;
	return st_nonempty(word->inside == TO_VALUE ? packet->iq->value : packet->outer->to);
}

bool st_up_iq(struct st_text *t, const struct st_view *view, const struct st_packet *packet)
{
	const Startalk__IQMessage *iq = packet->iq;
	const struct word *word = word_find(iq);
	bool roster = word != NULL && word->inside == FRIENDS && !view->native;

	if (word == NULL || st_nonempty(iq->messageid) == NULL)
		return false;
	st_put(t, "<iq");
	st_put_attribute(t, "to", to_of(word, packet, roster));
	st_put_attribute(t, "id", iq->messageid);
	st_put_attribute(t, "type", word->type);
	st_put(t, ">");
	if (roster)
		st_put(t, "<query xmlns='jabber:iq:roster'/>");
	else if (!put_child(t, word, iq))
		return false;
	st_put(t, "</iq>");
	return true;
}
