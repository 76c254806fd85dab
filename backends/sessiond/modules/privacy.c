#include "privacy.h"

#include <stdlib.h>
#include <string.h>

#include "privacy_item.h"

static const char privacy_ns[] = "jabber:iq:privacy";

enum { LISTS_MAX = 32, NAME_BYTES_MAX = 255 };

/* What goes before and behind a change that must be whole. */
static bool changed(struct store *store, bool done)
{
	if (done && store_commit(store))
		return true;
	store_rollback(store);
	return false;
}

static void put_name(void *context, const char *name)
{
	text_put(context, "<list name='%s'/>", name);
}

static void answer_names(const struct request *request)
{
	struct session *session = request->in->session;
	struct store *store = incoming_store(request->in);
	struct text query = {0};
	char *standard = NULL;

	text_put(&query, "<query xmlns='%r'>", privacy_ns);
	if (!privacy_default_get(store, session->bare_jid, &standard)) {
		request_refuse(request, ERROR_INTERNAL_SERVER_ERROR);
		text_free(&query);
		return;
	}
	if (session->active_privacy_list != NULL)
		text_put(&query, "<active name='%s'/>", session->active_privacy_list);
	if (standard != NULL)
		text_put(&query, "<default name='%s'/>", standard);
	free(standard);
	if (privacy_list_names(store, session->bare_jid, put_name, &query)) {
		text_put(&query, "</query>");
		request_answer(request, query.bytes);
	} else {
		request_refuse(request, ERROR_INTERNAL_SERVER_ERROR);
	}
	text_free(&query);
}

/* ERROR_COUNT: the list is there. */
static enum error_condition list_check(const struct request *request, const char *name)
{
	bool exists = false;

	if (name == NULL)
		return ERROR_BAD_REQUEST;
	if (!privacy_list_exists(incoming_store(request->in), request->in->session->bare_jid, name, &exists))
		return ERROR_INTERNAL_SERVER_ERROR;
	return exists ? ERROR_COUNT : ERROR_ITEM_NOT_FOUND;
}

static void answer_list(const struct request *request, const char *name)
{
	enum error_condition error = list_check(request, name);
	struct privacy_list list = {0};
	struct text query = {0};

	if (error == ERROR_COUNT &&
	    !privacy_list_get(incoming_store(request->in), request->in->session->bare_jid, name, &list))
		error = ERROR_INTERNAL_SERVER_ERROR;
	if (error != ERROR_COUNT) {
		request_refuse(request, error);
		return;
	}
	text_put(&query, "<query xmlns='%r'><list name='%s'>", privacy_ns, name);
	for (size_t i = 0; i < list.count; i++)
		privacy_item_write(&list.items[i], &query);
	text_put(&query, "</list></query>");
	request_answer(request, query.bytes);
	text_free(&query);
	privacy_list_free(&list);
}

void privacy_get(const struct request *request)
{
	struct element *list = element_first(request->payload);

	if (list == NULL)
		answer_names(request);
	else if (element_next(list) == NULL && element_is(list, "list", privacy_ns))
		answer_list(request, element_attribute(list, "name"));
	else
		request_refuse(request, ERROR_BAD_REQUEST);
}

static void list_push(struct session *session, const char *name)
{
	struct text query = {0};

	text_put(&query, "<query xmlns='%r'><list name='%s'/></query>", privacy_ns, name);
	for (struct session *s = session->user->sessions; s != NULL; s = s->user_next)
		request_push(s, query.bytes);
	text_free(&query);
}

/* Whether another session of the account works under this list, as its active one or as the default. */
static bool others_use(struct session *session, const char *name, bool is_default)
{
	for (struct session *s = session->user->sessions; s != NULL; s = s->user_next) {
		const char *active = s->active_privacy_list;

		if (s != session && (active != NULL ? name != NULL && strcmp(active, name) == 0 : is_default))
			return true;
	}
	return false;
}

static bool default_is(const struct request *request, const char *name)
{
	char *standard = NULL;
	bool is;

	if (!privacy_default_get(incoming_store(request->in), request->in->session->bare_jid, &standard))
		return true;
	is = standard != NULL && strcmp(standard, name) == 0;
	free(standard);
	return is;
}

/* 2.7: not while other sessions use it. Those of the asking session end with it. */
static void list_remove(const struct request *request, const char *name)
{
	struct session *session = request->in->session;
	enum error_condition error = list_check(request, name);

	if (error == ERROR_COUNT && others_use(session, name, default_is(request, name)))
		error = ERROR_CONFLICT;
	if (error != ERROR_COUNT) {
		request_refuse(request, error);
		return;
	}
	if (!privacy_list_remove(incoming_store(request->in), session->bare_jid, name)) {
		request_refuse(request, ERROR_INTERNAL_SERVER_ERROR);
		return;
	}
	if (session->active_privacy_list != NULL && strcmp(session->active_privacy_list, name) == 0) {
		free(session->active_privacy_list);
		session->active_privacy_list = NULL;
		session_changed(session);
	}
	request_answer(request, "");
	list_push(session, name);
}

static enum error_condition list_room(const struct request *request, const char *name)
{
	enum error_condition error = list_check(request, name);
	size_t count = 0;

	if (error != ERROR_ITEM_NOT_FOUND)
		return error;
	if (strlen(name) > NAME_BYTES_MAX)
		return ERROR_NOT_ACCEPTABLE;
	if (!privacy_list_count(incoming_store(request->in), request->in->session->bare_jid, &count))
		return ERROR_INTERNAL_SERVER_ERROR;
	return count < LISTS_MAX ? ERROR_COUNT : ERROR_RESOURCE_CONSTRAINT;
}

static void list_set(const struct request *request, const struct element *element)
{
	struct store *store = incoming_store(request->in);
	const char *account = request->in->session->bare_jid, *name = element_attribute(element, "name");
	enum error_condition error = list_room(request, name);
	struct privacy_list list = {0};

	if (error == ERROR_COUNT)
		error = privacy_items_read(store, account, element, &list);
	if (error != ERROR_COUNT) {
		request_refuse(request, error);
		return;
	}
	if (store_begin(store) && changed(store, privacy_list_put(store, account, name, &list))) {
		request_answer(request, "");
		list_push(request->in->session, name);
	} else {
		request_refuse(request, ERROR_INTERNAL_SERVER_ERROR);
	}
	privacy_list_free(&list);
}

static void set_list(const struct request *request, const struct element *element)
{
	if (element_first(element) == NULL)
		list_remove(request, element_attribute(element, "name"));
	else
		list_set(request, element);
}

/* Without a name the session falls back to the default (2.4). */
static void set_active(const struct request *request, const struct element *element)
{
	struct session *session = request->in->session;
	const char *name = element_attribute(element, "name");
	enum error_condition error = name != NULL ? list_check(request, name) : ERROR_COUNT;

	if (error != ERROR_COUNT) {
		request_refuse(request, error);
		return;
	}
	free(session->active_privacy_list);
	session->active_privacy_list = name != NULL ? text_copy(name) : NULL;
	session_changed(session);
	request_answer(request, "");
}

/* 2.5: not while the old default applies to other sessions; without a name there is none. */
static void set_default(const struct request *request, const struct element *element)
{
	struct session *session = request->in->session;
	const char *name = element_attribute(element, "name");
	enum error_condition error = name != NULL ? list_check(request, name) : ERROR_COUNT;
	char *standard = NULL;

	if (!privacy_default_get(incoming_store(request->in), session->bare_jid, &standard))
		error = ERROR_INTERNAL_SERVER_ERROR;
	if (error == ERROR_COUNT && standard != NULL && (name == NULL || strcmp(name, standard) != 0) &&
	    others_use(session, NULL, true))
		error = ERROR_CONFLICT;
	free(standard);
	if (error != ERROR_COUNT)
		request_refuse(request, error);
	else
		request_answer_done(request, privacy_default_put(incoming_store(request->in), session->bare_jid, name));
}

void privacy_set(const struct request *request)
{
	struct element *element = element_first(request->payload);

	if (element == NULL || element_next(element) != NULL)
		request_refuse(request, ERROR_BAD_REQUEST);
	else if (element_is(element, "list", privacy_ns))
		set_list(request, element);
	else if (element_is(element, "active", privacy_ns))
		set_active(request, element);
	else if (element_is(element, "default", privacy_ns))
		set_default(request, element);
	else
		request_refuse(request, ERROR_BAD_REQUEST);
}
