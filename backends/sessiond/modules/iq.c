#include "iq.h"

#include <string.h>

#include "archive.h"
#include "archive_query.h"
#include "blocking.h"
#include "carbon.h"
#include "disco.h"
#include "privacy.h"
#include "privacy_rule.h"
#include "private.h"
#include "request.h"
#include "roster.h"
#include "service.h"
#include "vcard.h"

enum { GET = 1, SET = 2, BOTH = GET | SET };
enum { SERVER = 1, OWN = 2, OTHER = 4 };

static void request_forbidden(const struct request *request)
{
	request_refuse(request, ERROR_FORBIDDEN);
}

static const struct module {
	const char *ns, *name;
	unsigned types, addressees;
	void (*handle)(const struct request *);
} modules[] = {
#define MODULE(ns, name, types, addressees, handler) {ns, name, types, addressees, handler},
#include "modules.def"
#undef MODULE
};

static unsigned addressee_bit(enum addressee addressee)
{
	switch (addressee) {
	case ADDRESSEE_SERVER:
		return SERVER;
	case ADDRESSEE_NONE:
	case ADDRESSEE_OWN:
		return OWN;
	case ADDRESSEE_BARE:
		return OTHER;
	default:
		return 0;
	}
}

static const struct module *module_find(const struct request *request)
{
	unsigned type = request->set ? SET : GET, addressee = addressee_bit(request->in->addressee);

	for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++)
		if ((modules[i].types & type) && (modules[i].addressees & addressee) &&
		    element_is(request->payload, modules[i].name, modules[i].ns))
			return &modules[i];
	return NULL;
}

/* An account that nobody has and one that does not want to hear of the sender look the same. */
static bool account_listens(const struct incoming *in)
{
	return in->addressee != ADDRESSEE_BARE ||
	       (store_account_exists(incoming_store(in), in->to_bare) &&
		privacy_default_allows(in->session->server, in->to_bare, in->session->full_jid, PRIVACY_IQ));
}

static void request_serve(const struct incoming *in, const struct element *iq, bool set)
{
	struct request request = {in, element_first(iq), set};
	const struct module *module = module_find(&request);

	if (module == NULL || !account_listens(in))
		incoming_refuse(in, ERROR_SERVICE_UNAVAILABLE);
	else
		module->handle(&request);
}

static void iq_forward(const struct incoming *in)
{
	struct session *to = session_find(in->session->server, in->to.text);
	struct text xml = {0};

	if (to == NULL || !privacy_allows(to, in->session->full_jid, PRIVACY_IQ)) {
		incoming_refuse(in, ERROR_SERVICE_UNAVAILABLE);
		return;
	}
	incoming_forward(in, NULL, &xml);
	session_send(to, xml.bytes, xml.len);
	text_free(&xml);
}

/* Whether it has exactly one child. Only when the elements counted leave it open is a tree needed. */
static bool has_one_child(const struct incoming *in)
{
	struct element *iq;
	bool one;

	if (in->event->elements <= 2)
		return in->event->elements == 2;
	iq = element_parse(in->bytes + in->event->begin, in->event->end - in->event->begin);
	one = iq != NULL && element_count(iq) == 1;
	element_free(iq);
	return one;
}

static void request_handle(const struct incoming *in, bool set)
{
	struct element *iq;

	if (in->addressee == ADDRESSEE_FULL) {
		iq_forward(in);
		return;
	}
	iq = element_parse(in->bytes + in->event->begin, in->event->end - in->event->begin);
	if (iq != NULL)
		request_serve(in, iq, set);
	else
		incoming_refuse(in, ERROR_BAD_REQUEST);
	element_free(iq);
}

void iq_handle(const struct incoming *in)
{
	bool set = incoming_type_is(in, "set"), request = set || incoming_type_is(in, "get");
	bool answer = incoming_type_is(in, "result") || incoming_type_is(in, "error");

	if (in->event->id.at == 0 || !(request || answer) || (request && !has_one_child(in)))
		incoming_refuse(in, ERROR_BAD_REQUEST);
	else if (in->addressee == ADDRESSEE_MALFORMED)
		incoming_refuse(in, ERROR_JID_MALFORMED);
	else if (in->addressee == ADDRESSEE_REMOTE)
		incoming_refuse(in, ERROR_REMOTE_SERVER_NOT_FOUND);
	else if (in->addressee >= ADDRESSEE_BARE && !privacy_allows(in->session, in->to.text, PRIVACY_OTHER))
		incoming_refuse(in, ERROR_NOT_ACCEPTABLE);
	else if (request)
		request_handle(in, set);
	else if (in->addressee == ADDRESSEE_FULL)
		iq_forward(in);
}
