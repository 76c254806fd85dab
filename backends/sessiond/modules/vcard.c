#include "vcard.h"

#include <stdlib.h>
#include <string.h>

#include "private.h"
#include "store_private.h"

static const char vcard_ns[] = "vcard-temp", vcard_name[] = "vCard";

void vcard_get(const struct request *request)
{
	const struct incoming *in = request->in;
	bool other = in->addressee == ADDRESSEE_BARE;
	char *xml;

	if (!private_get(incoming_store(in), other ? in->to_bare : in->session->bare_jid, vcard_name, vcard_ns, &xml)) {
		request_refuse(request, ERROR_INTERNAL_SERVER_ERROR);
		return;
	}
	if (xml != NULL)
		request_answer(request, xml);
	else if (other)
		request_refuse(request, ERROR_SERVICE_UNAVAILABLE);
	else
		request_answer(request, "<vCard xmlns='vcard-temp'/>");
	free(xml);
}

void vcard_set(const struct request *request)
{
	private_keep(request, request->payload);
}
