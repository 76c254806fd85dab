#include "private.h"

#include <stdlib.h>
#include <string.h>

#include "store_private.h"

static const char private_ns[] = "jabber:iq:private";

enum { BYTES_MAX = 1024 * 1024 }; /* of one account, its vCard included */

void private_keep(const struct request *request, const struct element *element)
{
	struct store *store = incoming_store(request->in);
	const char *account = request->in->session->bare_jid;
	const char *name = element_name(element), *ns = element_ns(element);
	struct text xml = {0};
	size_t others = 0;

	element_write(element, "jabber:client", &xml);
	if (!private_bytes(store, account, name, ns, &others))
		request_refuse(request, ERROR_INTERNAL_SERVER_ERROR);
	else if (others + xml.len > BYTES_MAX)
		request_refuse(request, ERROR_RESOURCE_CONSTRAINT);
	else
		request_answer_done(request, private_put(store, account, name, ns, xml.bytes));
	text_free(&xml);
}

/* One piece a request: its namespace is its name (XEP-0049, 2.1), and the query's own can not be one. */
static struct element *piece_of(const struct request *request)
{
	struct element *piece = element_first(request->payload);
	const char *ns;

	if (piece == NULL || element_next(piece) != NULL)
		return NULL;
	ns = element_ns(piece);
	return strcmp(ns, private_ns) != 0 && strcmp(ns, "jabber:client") != 0 ? piece : NULL;
}

void private_storage_get(const struct request *request)
{
	struct element *piece = piece_of(request);
	struct text query = {0};
	char *xml = NULL;

	if (piece == NULL) {
		request_refuse(request, ERROR_BAD_REQUEST);
		return;
	}
	if (!private_get(incoming_store(request->in), request->in->session->bare_jid, element_name(piece),
			 element_ns(piece), &xml)) {
		request_refuse(request, ERROR_INTERNAL_SERVER_ERROR);
		return;
	}
	text_put(&query, "<query xmlns='%r'>", private_ns);
	if (xml != NULL)
		text_put(&query, "%r", xml);
	else
		text_put(&query, "<%r xmlns='%s'/>", element_name(piece), element_ns(piece));
	text_put(&query, "</query>");
	request_answer(request, query.bytes);
	text_free(&query);
	free(xml);
}

void private_storage_set(const struct request *request)
{
	struct element *piece = piece_of(request);

	if (piece == NULL)
		request_refuse(request, ERROR_BAD_REQUEST);
	else
		private_keep(request, piece);
}
