#include "disco.h"

#include "archive.h"
#include "store_roster.h"

static const char info_ns[] = "http://jabber.org/protocol/disco#info";
static const char items_ns[] = "http://jabber.org/protocol/disco#items";

static const char server_features[] =
#define FEATURE(ns) "<feature var='" ns "'/>"
#include "features.def"
#undef FEATURE
	;

/* We have no nodes. */
static bool refused_for_node(const struct request *request)
{
	if (element_attribute(request->payload, "node") == NULL)
		return false;
	request_refuse(request, ERROR_ITEM_NOT_FOUND);
	return true;
}

static bool may_know(const struct incoming *in)
{
	struct roster_item item;
	bool may;

	if (in->addressee != ADDRESSEE_BARE)
		return true;
	if (!roster_item_get(incoming_store(in), in->to_bare, in->session->bare_jid, &item))
		return false;
	may = item.state & SUBSCRIPTION_FROM;
	roster_item_free(&item);
	return may;
}

static const char archive_features[] =
	"<feature var='urn:xmpp:mam:2'/><feature var='urn:xmpp:mam:2#extended'/><feature var='urn:xmpp:sid:0'/>";

static bool has_archive(const struct incoming *in)
{
	return in->addressee != ADDRESSEE_BARE && archive_is_on(in->session->server);
}

void disco_server_info(const struct request *request)
{
	bool registration = sessiond_settings_of(request->in->session->server)->registration;
	struct text query = {0};

	if (refused_for_node(request))
		return;
	text_put(&query, "<query xmlns='%r'><identity category='server' type='im' name='stanzagate'/>%r%r%r</query>",
		 info_ns, server_features, has_archive(request->in) ? archive_features : "",
		 registration ? "<feature var='jabber:iq:register'/>" : "");
	request_answer(request, query.bytes);
	text_free(&query);
}

void disco_account_info(const struct request *request)
{
	struct text query = {0};

	if (!may_know(request->in)) {
		request_refuse(request, ERROR_SERVICE_UNAVAILABLE);
		return;
	}
	if (refused_for_node(request))
		return;
	text_put(&query,
		 "<query xmlns='%r'><identity category='account' type='registered'/>"
		 "<feature var='%r'/><feature var='%r'/>%r<feature var='vcard-temp'/></query>",
		 info_ns, info_ns, items_ns, has_archive(request->in) ? archive_features : "");
	request_answer(request, query.bytes);
	text_free(&query);
}

void disco_items(const struct request *request)
{
	struct text query = {0};

	if (refused_for_node(request))
		return;
	text_put(&query, "<query xmlns='%r'/>", items_ns);
	request_answer(request, query.bytes);
	text_free(&query);
}

void disco_account_items(const struct request *request)
{
	if (may_know(request->in))
		disco_items(request);
	else
		request_refuse(request, ERROR_SERVICE_UNAVAILABLE);
}
