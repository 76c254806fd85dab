#include "blocking.h"

#include <stdlib.h>
#include <string.h>

#include "presence.h"
#include "store_privacy.h"
#include "store_roster.h"

static const char blocking_ns[] = "urn:xmpp:blocking", list_name[] = "blocked";

enum { ITEMS_MAX = 1000 };

/* The account's default list as it is, and what it becomes. */
struct change {
	const struct request *request;
	const char *account;
	char *name; /* of the default list, made or not yet */
	bool is_new;
	struct privacy_list list;
};

static bool change_begin(struct change *change, const struct request *request)
{
	struct store *store = incoming_store(request->in);

	*change = (struct change){.request = request, .account = request->in->session->bare_jid};
	if (!privacy_default_get(store, change->account, &change->name))
		return false;
	change->is_new = change->name == NULL;
	if (change->is_new)
		change->name = text_copy(list_name);
	return privacy_list_get(store, change->account, change->name, &change->list);
}

static void change_end(struct change *change)
{
	privacy_list_free(&change->list);
	free(change->name);
}

static bool is_block(const struct privacy_item *item)
{
	return item->match == PRIVACY_JID && !item->allow && item->kinds == PRIVACY_ALL;
}

static size_t block_find(const struct change *change, const char *jid)
{
	size_t i = 0;

	while (i < change->list.count &&
	       !(is_block(&change->list.items[i]) && strcmp(change->list.items[i].value, jid) == 0))
		i++;
	return i;
}

/* First of all, so that nothing behind it can allow what it denies. */
static void block_add(struct change *change, const char *jid)
{
	struct privacy_list *list = &change->list;

	if (block_find(change, jid) < list->count)
		return;
	list->items = text_again(list->items, list->count + 1, sizeof *list->items);
	memmove(list->items + 1, list->items, list->count++ * sizeof *list->items);
	list->items[0] = (struct privacy_item){.match = PRIVACY_JID, .value = text_copy(jid), .kinds = PRIVACY_ALL};
}

static void block_remove(struct change *change, size_t at)
{
	struct privacy_list *list = &change->list;

	free(list->items[at].value);
	memmove(list->items + at, list->items + at + 1, (--list->count - at) * sizeof *list->items);
}

static bool change_write(struct change *change)
{
	struct store *store = incoming_store(change->request->in);

	for (size_t i = 0; i < change->list.count; i++)
		change->list.items[i].order = (unsigned)i + 1;
	if (!store_begin(store))
		return false;
	if (privacy_list_put(store, change->account, change->name, &change->list) &&
	    (!change->is_new || privacy_default_put(store, change->account, change->name)) && store_commit(store))
		return true;
	store_rollback(store);
	return false;
}

static void push(const struct request *request, const char *word, const struct text *items)
{
	struct text xml = {0};

	text_put(&xml, "<%r xmlns='%r'>%b</%r>", word, blocking_ns, (const void *)items->bytes, items->len, word);
	for (struct session *s = request->in->session->user->sessions; s != NULL; s = s->user_next)
		if (s->blocklist)
			request_push(s, xml.bytes);
	text_free(&xml);
}

static bool sees_presence(const struct change *change, const char *jid)
{
	struct roster_item item;
	bool sees;

	if (strchr(jid, '/') != NULL ||
	    !roster_item_get(incoming_store(change->request->in), change->account, jid, &item))
		return false;
	sees = item.state & SUBSCRIPTION_FROM;
	roster_item_free(&item);
	return sees;
}

void blocking_get(const struct request *request)
{
	struct change change;
	struct text xml = {0};

	text_put(&xml, "<blocklist xmlns='%r'>", blocking_ns);
	if (change_begin(&change, request)) {
		for (size_t i = 0; i < change.list.count; i++)
			if (is_block(&change.list.items[i]))
				text_put(&xml, "<item jid='%s'/>", change.list.items[i].value);
		text_put(&xml, "</blocklist>");
		request->in->session->blocklist = true;
		session_changed(request->in->session);
		request_answer(request, xml.bytes);
	} else {
		request_refuse(request, ERROR_INTERNAL_SERVER_ERROR);
	}
	change_end(&change);
	text_free(&xml);
}

static bool item_read(const struct element *item, struct jid *ret)
{
	const char *jid = element_is(item, "item", blocking_ns) ? element_attribute(item, "jid") : NULL;

	return jid != NULL && jid_parse(jid, strlen(jid), ret);
}

/* Checks every item before anything is changed; what the push will say. */
static bool items_read(const struct request *request, struct text *items)
{
	struct jid jid;

	text_put(items, "");
	for (struct element *e = element_first(request->payload); e != NULL; e = element_next(e)) {
		if (!item_read(e, &jid))
			return false;
		text_put(items, "<item jid='%s'/>", jid.text);
	}
	return true;
}

static void each_item(struct change *change, void (*act)(struct change *, const char *jid))
{
	struct jid jid;

	for (struct element *e = element_first(change->request->payload); e != NULL; e = element_next(e))
		if (item_read(e, &jid))
			act(change, jid.text);
}

static void hide(struct change *change, const char *jid)
{
	if (sees_presence(change, jid))
		presence_hide(change->request->in->session->user, jid);
}

static void show(struct change *change, const char *jid)
{
	if (sees_presence(change, jid))
		presence_show(change->request->in->session->user, jid);
}

static void unblock(struct change *change, const char *jid)
{
	size_t at = block_find(change, jid);

	if (at < change->list.count)
		block_remove(change, at);
}

/* Without items: all of them. */
static void unblock_all(struct change *change)
{
	for (size_t i = change->list.count; i-- > 0;)
		if (is_block(&change->list.items[i]))
			block_remove(change, i);
}

static void change_make(struct change *change, bool block)
{
	if (block)
		each_item(change, block_add);
	else if (element_first(change->request->payload) == NULL)
		unblock_all(change);
	else
		each_item(change, unblock);
}

static enum error_condition change_do(struct change *change, bool block)
{
	if (element_count(change->request->payload) + change->list.count > ITEMS_MAX)
		return ERROR_RESOURCE_CONSTRAINT;
	change_make(change, block);
	return change_write(change) ? ERROR_COUNT : ERROR_INTERNAL_SERVER_ERROR;
}

static void blocking_set(const struct request *request, bool block)
{
	enum error_condition error = ERROR_INTERNAL_SERVER_ERROR;
	struct change change = {0};
	struct text items = {0};

	if ((block && element_first(request->payload) == NULL) || !items_read(request, &items))
		error = ERROR_BAD_REQUEST;
	else if (change_begin(&change, request))
		error = change_do(&change, block);
	if (error != ERROR_COUNT) {
		request_refuse(request, error);
	} else {
		each_item(&change, block ? hide : show);
		request_answer(request, "");
		push(request, block ? "block" : "unblock", &items);
	}
	change_end(&change);
	text_free(&items);
}

void blocking_block(const struct request *request)
{
	blocking_set(request, true);
}

void blocking_unblock(const struct request *request)
{
	blocking_set(request, false);
}
