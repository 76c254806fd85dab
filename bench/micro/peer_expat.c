/* expat, with namespaces, and handlers that only count. */
#include "peer.h"

#include <expat.h>

struct count {
	size_t depth, elements;
};

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
	struct count *count = (struct count *)user;
	count->elements += count->depth++ == 1;
}

static void on_end(void *user, const XML_Char *name)
{
	((struct count *)user)->depth--;
}

static void on_text(void *user, const XML_Char *text, int len)
{
}

static void on_namespace(void *user, const XML_Char *prefix, const XML_Char *uri)
{
}

static void on_namespace_end(void *user, const XML_Char *prefix)
{
}

size_t expat_run(const struct document *d, size_t piece)
{
	struct count count = {0, 0};
	XML_Parser parser = XML_ParserCreateNS("UTF-8", '\n');
	XML_SetUserData(parser, &count);
	XML_SetElementHandler(parser, on_start, on_end);
	XML_SetCharacterDataHandler(parser, on_text);
	XML_SetNamespaceDeclHandler(parser, on_namespace, on_namespace_end);
	int good = 1;
	for (size_t at = 0; good && at < d->len; at += piece) {
		size_t len = d->len - at < piece ? d->len - at : piece;
		good = XML_Parse(parser, (const char *)d->bytes + at, (int)len, at + len == d->len) == XML_STATUS_OK;
	}
	XML_ParserFree(parser);
	return good ? count.elements : 0;
}
