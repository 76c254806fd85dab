#include "archive.h"

#include <stdlib.h>
#include <string.h>

#include "store_archive.h"
#include "store_private.h"
#include "store_roster.h"
#include "utc.h"

static const char mam_ns[] = "urn:xmpp:mam:2";
static const char preferences_name[] = "prefs";

enum { JIDS_MAX = 1000, DAY_MS = 24 * 60 * 60 * 1000 };

bool archive_is_on(struct sessiond *server)
{
	return sessiond_settings_of(server)->archive_days_max > 0;
}

long long archive_since_ms(struct sessiond *server)
{
	return utc_now_ms() - sessiond_settings_of(server)->archive_days_max * (long long)DAY_MS;
}

/* With a resource it is about that one alone. */
static bool lists(const struct element *preferences, const char *list, const char *peer, const char *bare)
{
	const struct element *jids = element_child(preferences, list, mam_ns);
	bool found = false;

	for (struct element *e = jids != NULL ? element_first(jids) : NULL; e != NULL && !found; e = element_next(e)) {
		char *jid = element_text(e);

		found = strcmp(jid, peer) == 0 || strcmp(jid, bare) == 0;
		free(jid);
	}
	return found;
}

static bool is_in_roster(struct store *store, const char *account, const char *bare)
{
	struct roster_item item;
	bool listed;

	if (!roster_item_get(store, account, bare, &item))
		return false;
	listed = item.listed;
	roster_item_free(&item);
	return listed;
}

static bool preferences_allow(struct store *store, const char *account, const char *xml, const char *peer,
			      const char *bare)
{
	struct element *preferences = element_parse(xml, strlen(xml));
	const char *otherwise = preferences != NULL ? element_attribute(preferences, "default") : NULL;
	bool allowed = false;

	if (otherwise == NULL)
		allowed = true;
	else if (lists(preferences, "never", peer, bare))
		allowed = false;
	else if (lists(preferences, "always", peer, bare))
		allowed = true;
	else if (strcmp(otherwise, "roster") == 0)
		allowed = is_in_roster(store, account, bare);
	else
		allowed = strcmp(otherwise, "always") == 0;
	element_free(preferences);
	return allowed;
}

static bool may_keep(struct store *store, const char *account, const char *peer, const char *bare)
{
	char *xml = NULL;
	bool allowed;

	if (!private_get(store, account, preferences_name, mam_ns, &xml))
		return false;
	allowed = xml == NULL || preferences_allow(store, account, xml, peer, bare);
	free(xml);
	return allowed;
}

long long archive_keep(struct sessiond *server, const char *account, const char *peer, const struct text *xml)
{
	const struct sessiond_settings *settings = sessiond_settings_of(server);
	struct store *store = sessiond_store(server);
	size_t bare_len = strcspn(peer, "/");
	char *bare = text_copy_len(peer, bare_len);
	struct archive_message message = {.stamp_ms = utc_now_ms(),
					  .contact = bare,
					  .resource = peer[bare_len] == '/' ? peer + bare_len + 1 : "",
					  .xml = xml->bytes,
					  .len = xml->len};
	long long id = 0;

	if (archive_is_on(server) && may_keep(store, account, peer, bare) && archive_put(store, account, &message, &id))
		archive_trim(store, account, settings->archive_messages_max,
			     settings->archive_mib_max * ((size_t)1 << 20), archive_since_ms(server));
	free(bare);
	return id;
}

void archive_preferences_get(const struct request *request)
{
	char *xml = NULL;

	if (!archive_is_on(request->in->session->server))
		request_refuse(request, ERROR_SERVICE_UNAVAILABLE);
	else if (!private_get(incoming_store(request->in), request->in->session->bare_jid, preferences_name, mam_ns,
			      &xml))
		request_refuse(request, ERROR_INTERNAL_SERVER_ERROR);
	else
		request_answer(
			request,
			xml != NULL ? xml : "<prefs xmlns='urn:xmpp:mam:2' default='always'><always/><never/></prefs>");
	free(xml);
}

static bool jid_copy(const struct element *element, struct text *to)
{
	char *text = element_text(element);
	struct jid jid;
	bool good = element_is(element, "jid", mam_ns) && jid_parse(text, strlen(text), &jid);

	if (good)
		text_put(to, "<jid>%s</jid>", jid.text);
	free(text);
	return good;
}

static bool list_copy(const struct request *request, const char *name, struct text *to)
{
	const struct element *list = element_child(request->payload, name, mam_ns);

	text_put(to, "<%r>", name);
	if (list != NULL && element_count(list) > JIDS_MAX)
		return false;
	for (struct element *e = list != NULL ? element_first(list) : NULL; e != NULL; e = element_next(e))
		if (!jid_copy(e, to))
			return false;
	text_put(to, "</%r>", name);
	return true;
}

static bool preferences_copy(const struct request *request, struct text *to)
{
	const char *otherwise = element_attribute(request->payload, "default");

	if (otherwise == NULL ||
	    (strcmp(otherwise, "always") != 0 && strcmp(otherwise, "never") != 0 && strcmp(otherwise, "roster") != 0))
		return false;
	text_put(to, "<prefs xmlns='%r' default='%r'>", mam_ns, otherwise);
	if (!list_copy(request, "always", to) || !list_copy(request, "never", to))
		return false;
	text_put(to, "</prefs>");
	return true;
}

void archive_preferences_set(const struct request *request)
{
	struct text xml = {0};

	if (!archive_is_on(request->in->session->server))
		request_refuse(request, ERROR_SERVICE_UNAVAILABLE);
	else if (!preferences_copy(request, &xml))
		request_refuse(request, ERROR_BAD_REQUEST);
	else if (!private_put(incoming_store(request->in), request->in->session->bare_jid, preferences_name, mam_ns,
			      xml.bytes))
		request_refuse(request, ERROR_INTERNAL_SERVER_ERROR);
	else
		request_answer(request, xml.bytes);
	text_free(&xml);
}
