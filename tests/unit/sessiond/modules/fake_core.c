#include "fake_core.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stanza.h"

struct session *session_find(struct sessiond *server, const char *full_jid)
{
	for (struct fake_session *s = server->sessions; s != NULL; s = s->next)
		if (strcmp(s->session.full_jid, full_jid) == 0)
			return &s->session;
	return NULL;
}

struct user *user_find(struct sessiond *server, const char *bare_jid)
{
	for (struct fake_user *u = server->users; u != NULL; u = u->next)
		if (strcmp(u->user.bare_jid, bare_jid) == 0)
			return &u->user;
	return NULL;
}

void session_send(struct session *session, const char *xml, size_t len)
{
	struct fake_session *fake = (struct fake_session *)session;
	struct sent *sent = calloc(1, sizeof *sent);

	sent->xml = strndup(xml, len);
	if (fake->last != NULL)
		fake->last->next = sent;
	else
		fake->first = sent;
	fake->last = sent;
}

void sessions_send(struct session *const *sessions, size_t count, const char *xml, size_t len)
{
	for (size_t i = 0; i < count; i++)
		session_send(sessions[i], xml, len);
}

void session_changed(struct session *session)
{
	((struct fake_session *)session)->changed = true;
}

void session_close(struct session *session, const char *condition, const char *reason)
{
	assert(!"no module closes sessions");
}

struct store *sessiond_store(struct sessiond *server)
{
	return server->store;
}

const struct sessiond_settings *sessiond_settings_of(struct sessiond *server)
{
	return &server->settings;
}

bool sessiond_serves(struct sessiond *server, const char *domain)
{
	for (size_t i = 0; i < server->settings.domain_count; i++)
		if (strcmp(server->settings.domains[i], domain) == 0)
			return true;
	return false;
}

struct sessiond *fake_core_new(void)
{
	struct sessiond *server = calloc(1, sizeof *server);
	char error[STORE_ERROR_BYTES];

	server->settings = (struct sessiond_settings){
		.domains = {"localhost", "example.org"}, .domain_count = 2, .offline_messages_max = 3};
	server->store = store_open(":memory:", error);
	if (server->store == NULL)
		fprintf(stderr, "store: %s\n", error);
	assert(server->store != NULL);
	return server;
}

static struct user *user_make(struct sessiond *server, const char *bare_jid)
{
	struct user *user = user_find(server, bare_jid);
	struct fake_user *fake;

	if (user != NULL)
		return user;
	fake = calloc(1, sizeof *fake);
	fake->user.bare_jid = strdup(bare_jid);
	fake->next = server->users;
	server->users = fake;
	return &fake->user;
}

struct session *fake_session_new(struct sessiond *server, const char *full_jid)
{
	struct fake_session *fake = calloc(1, sizeof *fake);
	struct session *session = &fake->session;
	const char *slash = strchr(full_jid, '/'), *at = strchr(full_jid, '@');

	session->server = server;
	session->stage = SESSION_BOUND;
	session->full_jid = strdup(full_jid);
	session->bare_jid = strndup(full_jid, (size_t)(slash - full_jid));
	session->resource = session->full_jid + (slash + 1 - full_jid);
	session->domain = strndup(at + 1, (size_t)(slash - at - 1));
	session->user = user_make(server, session->bare_jid);
	session->user_next = session->user->sessions;
	session->user->sessions = session;
	session->user->session_count++;
	fake->next = server->sessions;
	server->sessions = fake;
	stanza_session_began(session);
	return session;
}

static void user_leave(struct sessiond *server, struct session *session)
{
	struct session **at = &session->user->sessions;
	struct fake_user **user = &server->users;

	while (*at != session)
		at = &(*at)->user_next;
	*at = session->user_next;
	if (--session->user->session_count > 0)
		return;
	while (&(*user)->user != session->user)
		user = &(*user)->next;
	*user = (*user)->next;
	free(session->user->bare_jid);
	free(session->user);
}

char *fake_session_take(struct session *session)
{
	struct fake_session *fake = (struct fake_session *)session;
	struct sent *sent = fake->first;
	char *xml;

	if (sent == NULL)
		return NULL;
	xml = sent->xml;
	fake->first = sent->next;
	if (fake->first == NULL)
		fake->last = NULL;
	free(sent);
	return xml;
}

void fake_session_end(struct session *session)
{
	struct sessiond *server = session->server;
	struct fake_session **at = &server->sessions;
	struct sent *last = ((struct fake_session *)session)->last;

	stanza_session_ended(session);
	assert(((struct fake_session *)session)->last == last); /* nobody is there to hear it */
	assert(session->presence == NULL && session->directed == NULL && session->active_privacy_list == NULL);
	user_leave(server, session);
	while (&(*at)->session != session)
		at = &(*at)->next;
	*at = (*at)->next;
	for (char *xml; (xml = fake_session_take(session)) != NULL;)
		free(xml);
	free(session->full_jid);
	free(session->bare_jid);
	free(session->domain);
	free(session->lang);
	free(session);
}

void fake_core_free(struct sessiond *server)
{
	while (server->sessions != NULL)
		fake_session_end(&server->sessions->session);
	store_close(server->store);
	free(server);
}
