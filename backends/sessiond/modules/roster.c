#include "roster.h"

#include <stdlib.h>
#include <string.h>

#include "subscription.h"

static const char roster_ns[] = "jabber:iq:roster";

enum { ITEMS_MAX = 2000, GROUPS_MAX = 64, NAME_BYTES_MAX = 1023, CHANGES_MAX = 2 };

static void put_groups(const char *groups, struct text *to)
{
	for (const char *name = groups, *end; (end = strchr(name, ROSTER_GROUP_END)) != NULL; name = end + 1) {
		char *group = text_copy_len(name, (size_t)(end - name));

		text_put(to, "<group>%s</group>", group);
		free(group);
	}
}

static void put_item(const struct roster_item *item, struct text *to)
{
	static const char *const words[] = {"none", "to", "from", "both"};

	text_put(to, "<item jid='%s' subscription='%r'", item->contact, words[item->state & STATE_BOTH]);
	if (item->state & SUBSCRIPTION_OUT)
		text_put(to, " ask='subscribe'");
	if (item->name[0] != '\0')
		text_put(to, " name='%s'", item->name);
	text_put(to, ">");
	put_groups(item->groups, to);
	text_put(to, "</item>");
}

static void push_xml(struct sessiond *server, const char *account, const char *item_xml)
{
	struct user *user = user_find(server, account);
	struct text query = {0};

	text_put(&query, "<query xmlns='%r'>%r</query>", roster_ns, item_xml);
	for (struct session *s = user != NULL ? user->sessions : NULL; s != NULL; s = s->user_next)
		if (s->interested)
			request_push(s, query.bytes);
	text_free(&query);
}

void roster_push(struct sessiond *server, const char *account, const struct roster_item *item)
{
	struct text xml = {0};

	if (!item->listed)
		return;
	put_item(item, &xml);
	push_xml(server, account, xml.bytes);
	text_free(&xml);
}

void roster_get(const struct request *request)
{
	struct session *session = request->in->session;
	struct text query = {0};
	struct roster roster;

	if (!roster_load(incoming_store(request->in), session->bare_jid, 0, &roster)) {
		request_refuse(request, ERROR_INTERNAL_SERVER_ERROR);
		return;
	}
	text_put(&query, "<query xmlns='%r'>", roster_ns);
	for (size_t i = 0; i < roster.count; i++)
		put_item(&roster.items[i], &query);
	text_put(&query, "</query>");
	session->interested = true;
	session_changed(session);
	request_answer(request, query.bytes);
	text_free(&query);
	roster_free(&roster);
}

/* The item's groups in the store's form. Otherwise the error of RFC 6121, 2.3.3. */
static enum error_condition groups_read(const struct element *item, char **ret)
{
	struct text groups = {0};
	struct roster_item read = {0};
	size_t count = 0;
	enum error_condition error = ERROR_COUNT;

	text_put(&groups, "");
	for (struct element *e = element_first(item); e != NULL && error == ERROR_COUNT; e = element_next(e)) {
		char *name;

		if (!element_is(e, "group", roster_ns))
			continue;
		name = element_text(e);
		read.groups = groups.bytes;
		if (*name == '\0' || strlen(name) > NAME_BYTES_MAX || ++count > GROUPS_MAX)
			error = ERROR_NOT_ACCEPTABLE;
		else if (roster_item_in_group(&read, name))
			error = ERROR_BAD_REQUEST;
		else
			text_put(&groups, "%r\x1f", name);
		free(name);
	}
	if (error == ERROR_COUNT)
		*ret = groups.bytes;
	else
		text_free(&groups);
	return error;
}

/* The bare JID that an item is about. Remote ones may be listed: nobody asks whether they exist. */
static enum error_condition contact_read(const struct request *request, const struct element *item, char **ret)
{
	const char *text = element_attribute(item, "jid");
	struct jid jid;

	if (text == NULL)
		return ERROR_BAD_REQUEST;
	if (!jid_parse(text, strlen(text), &jid))
		return ERROR_JID_MALFORMED;
	jid.text[jid_bare_len(&jid)] = '\0';
	if (strcmp(jid.text, request->in->session->bare_jid) == 0)
		return ERROR_NOT_ALLOWED;
	*ret = text_copy(jid.text);
	return ERROR_COUNT;
}

static bool item_fits(struct store *store, const char *account, const struct roster_item *item)
{
	size_t count = 0;

	return item->listed || (roster_listed_count(store, account, &count) && count < ITEMS_MAX);
}

static void item_update(const struct request *request, const char *contact, const char *name, const char *groups)
{
	struct store *store = incoming_store(request->in);
	struct session *session = request->in->session;
	struct roster_item item;
	bool done;

	if (!roster_item_get(store, session->bare_jid, contact, &item)) {
		request_refuse(request, ERROR_INTERNAL_SERVER_ERROR);
		return;
	}
	if (!item_fits(store, session->bare_jid, &item)) {
		request_refuse(request, ERROR_RESOURCE_CONSTRAINT);
		roster_item_free(&item);
		return;
	}
	free(item.name);
	free(item.groups);
	item.name = text_copy(name);
	item.groups = text_copy(groups);
	item.listed = true;
	done = roster_item_put(store, session->bare_jid, &item);
	request_answer_done(request, done);
	if (done)
		roster_push(session->server, session->bare_jid, &item);
	roster_item_free(&item);
}

/* The user's side ends, and with it the contact's: what the contact may see and what has been asked for (2.5.2). */
static bool item_remove_step(const struct request *request, struct roster_item *item,
			     struct subscription_change *changes, size_t *count)
{
	const char *account = request->in->session->bare_jid;
	struct sessiond *server = request->in->session->server;
	static const struct {
		int mask;
		enum subscription_kind kind;
	} ends[CHANGES_MAX] = {
		{SUBSCRIPTION_TO | SUBSCRIPTION_OUT, KIND_UNSUBSCRIBE},
		{SUBSCRIPTION_FROM | SUBSCRIPTION_IN, KIND_UNSUBSCRIBED},
	};

	for (size_t i = 0; i < CHANGES_MAX; i++) {
		if (!(item->state & ends[i].mask))
			continue;
		if (!subscription_change_make(server, account, item->contact, ends[i].kind, NULL, &changes[*count]))
			return false;
		changes[(*count)++].own.item.listed = false;
	}
	item->state = STATE_NONE;
	item->listed = false;
	return roster_item_put(incoming_store(request->in), account, item);
}

static void item_remove_now(const struct request *request, struct roster_item *item)
{
	struct store *store = incoming_store(request->in);
	struct subscription_change changes[CHANGES_MAX];
	size_t count = 0;
	bool done = store_begin(store);
	struct text gone = {0};

	if (done && !(item_remove_step(request, item, changes, &count) && store_commit(store))) {
		store_rollback(store);
		done = false;
	}
	request_answer_done(request, done);
	if (done) {
		text_put(&gone, "<item jid='%s' subscription='remove'/>", item->contact);
		push_xml(request->in->session->server, request->in->session->bare_jid, gone.bytes);
		text_free(&gone);
	}
	for (size_t i = 0; i < count; i++) {
		if (done)
			subscription_change_tell(&changes[i]);
		subscription_change_free(&changes[i]);
	}
}

static void item_remove(const struct request *request, const char *contact)
{
	struct roster_item item;

	if (!roster_item_get(incoming_store(request->in), request->in->session->bare_jid, contact, &item)) {
		request_refuse(request, ERROR_INTERNAL_SERVER_ERROR);
		return;
	}
	if (item.listed)
		item_remove_now(request, &item);
	else
		request_refuse(request, ERROR_ITEM_NOT_FOUND);
	roster_item_free(&item);
}

static void item_set(const struct request *request, const struct element *item, const char *contact)
{
	const char *subscription = element_attribute(item, "subscription"), *name = element_attribute(item, "name");
	enum error_condition error;
	char *groups;

	if (subscription != NULL && strcmp(subscription, "remove") == 0) {
		item_remove(request, contact);
		return;
	}
	error = groups_read(item, &groups);
	if (error != ERROR_COUNT) {
		request_refuse(request, error);
		return;
	}
	if (name != NULL && strlen(name) > NAME_BYTES_MAX)
		request_refuse(request, ERROR_NOT_ACCEPTABLE);
	else
		item_update(request, contact, name != NULL ? name : "", groups);
	free(groups);
}

void roster_set(const struct request *request)
{
	struct element *item = element_first(request->payload);
	enum error_condition error;
	char *contact;

	if (item == NULL || element_next(item) != NULL || !element_is(item, "item", roster_ns)) {
		request_refuse(request, ERROR_BAD_REQUEST);
		return;
	}
	error = contact_read(request, item, &contact);
	if (error != ERROR_COUNT) {
		request_refuse(request, error);
		return;
	}
	item_set(request, item, contact);
	free(contact);
}
