#include "privacy_item.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "store_roster.h"

static const char privacy_ns[] = "jabber:iq:privacy";

enum { ITEMS_MAX = 1000 };

static const char *const match_names[] = {
	[PRIVACY_JID] = "jid", [PRIVACY_GROUP] = "group", [PRIVACY_SUBSCRIPTION] = "subscription"};

static const struct {
	const char *name;
	unsigned kind;
} kinds[] = {
	{"message", PRIVACY_MESSAGE},
	{"iq", PRIVACY_IQ},
	{"presence-in", PRIVACY_PRESENCE_IN},
	{"presence-out", PRIVACY_PRESENCE_OUT},
};

static bool text_is(const char *text, const char *word)
{
	return text != NULL && strcmp(text, word) == 0;
}

static bool order_read(const char *text, unsigned *ret)
{
	char *end;
	unsigned long value;

	if (text == NULL || *text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (*end != '\0' || errno != 0 || value > UINT_MAX)
		return false;
	*ret = (unsigned)value;
	return true;
}

static bool kinds_read(const struct element *item, unsigned *ret)
{
	unsigned found = 0;

	for (struct element *e = element_first(item); e != NULL; e = element_next(e)) {
		unsigned kind = 0;

		for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
			if (element_is(e, kinds[i].name, privacy_ns))
				kind = kinds[i].kind;
		if (kind == 0)
			return false;
		found |= kind;
	}
	*ret = found != 0 ? found : PRIVACY_ALL;
	return true;
}

static enum error_condition jid_read(const char *value, char **ret)
{
	struct jid jid;

	if (!jid_parse(value, strlen(value), &jid))
		return ERROR_JID_MALFORMED;
	*ret = text_copy(jid.text);
	return ERROR_COUNT;
}

static enum error_condition group_read(struct store *store, const char *account, const char *value, char **ret)
{
	bool known = false;

	if (!roster_has_group(store, account, value, &known))
		return ERROR_INTERNAL_SERVER_ERROR;
	if (!known)
		return ERROR_ITEM_NOT_FOUND;
	*ret = text_copy(value);
	return ERROR_COUNT;
}

static enum error_condition subscription_read(const char *value, char **ret)
{
	if (!text_is(value, "none") && !text_is(value, "to") && !text_is(value, "from") && !text_is(value, "both"))
		return ERROR_BAD_REQUEST;
	*ret = text_copy(value);
	return ERROR_COUNT;
}

/* Whom the item is about. On success the value is the caller's. */
static enum error_condition match_read(struct store *store, const char *account, const struct element *item,
				       struct privacy_item *ret)
{
	const char *type = element_attribute(item, "type"), *value = element_attribute(item, "value");

	ret->match = PRIVACY_EVERYBODY;
	if (type == NULL) {
		ret->value = text_copy("");
		return ERROR_COUNT;
	}
	for (enum privacy_match m = PRIVACY_JID; m <= PRIVACY_SUBSCRIPTION; m++)
		if (text_is(type, match_names[m]))
			ret->match = m;
	if (value == NULL || ret->match == PRIVACY_EVERYBODY)
		return ERROR_BAD_REQUEST;
	if (ret->match == PRIVACY_JID)
		return jid_read(value, &ret->value);
	if (ret->match == PRIVACY_GROUP)
		return group_read(store, account, value, &ret->value);
	return subscription_read(value, &ret->value);
}

static enum error_condition item_read(struct store *store, const char *account, const struct element *item,
				      struct privacy_item *ret)
{
	const char *action = element_attribute(item, "action");

	ret->allow = text_is(action, "allow");
	if (!element_is(item, "item", privacy_ns) || !(ret->allow || text_is(action, "deny")) ||
	    !order_read(element_attribute(item, "order"), &ret->order) || !kinds_read(item, &ret->kinds))
		return ERROR_BAD_REQUEST;
	return match_read(store, account, item, ret);
}

static int order_compare(const void *a, const void *b)
{
	const struct privacy_item *left = a, *right = b;

	return (left->order > right->order) - (left->order < right->order);
}

static bool order_is_unique(const struct privacy_list *list)
{
	for (size_t i = 1; i < list->count; i++)
		if (list->items[i - 1].order == list->items[i].order)
			return false;
	return true;
}

enum error_condition privacy_items_read(struct store *store, const char *account, const struct element *list,
					struct privacy_list *ret)
{
	struct privacy_list found = {0};
	size_t count = element_count(list);
	enum error_condition error = count > ITEMS_MAX ? ERROR_NOT_ACCEPTABLE : ERROR_COUNT;

	found.items = text_memory(count + 1, sizeof *found.items);
	for (struct element *e = element_first(list); e != NULL && error == ERROR_COUNT; e = element_next(e)) {
		error = item_read(store, account, e, &found.items[found.count]);
		found.count += error == ERROR_COUNT;
	}
	qsort(found.items, found.count, sizeof *found.items, order_compare);
	if (error == ERROR_COUNT && !order_is_unique(&found))
		error = ERROR_BAD_REQUEST;
	if (error == ERROR_COUNT)
		*ret = found;
	else
		privacy_list_free(&found);
	return error;
}

void privacy_item_write(const struct privacy_item *item, struct text *to)
{
	text_put(to, "<item order='%u' action='%r'", item->order, item->allow ? "allow" : "deny");
	if (item->match != PRIVACY_EVERYBODY)
		text_put(to, " type='%r' value='%s'", match_names[item->match], item->value);
	text_put(to, ">");
	for (size_t i = 0; item->kinds != PRIVACY_ALL && i < sizeof kinds / sizeof kinds[0]; i++)
		if (item->kinds & kinds[i].kind)
			text_put(to, "<%r/>", kinds[i].name);
	text_put(to, "</item>");
}
