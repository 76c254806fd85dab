/* libxml2's push parser, with SAX2 handlers that only count. */
#include "peer.h"

#include <libxml/parser.h>

struct count {
	size_t depth, elements;
};

static void on_start(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int namespaces,
		     const xmlChar **declared, int attributes, int defaulted, const xmlChar **attribute)
{
	struct count *count = user;
	count->elements += count->depth++ == 1;
}

static void on_end(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	((struct count *)user)->depth--;
}

static void on_text(void *user, const xmlChar *text, int len)
{
}

size_t xml2_run(const struct document *d, size_t piece)
{
	struct count count = {0, 0};
	xmlSAXHandler handler = {.initialized = XML_SAX2_MAGIC,
				 .startElementNs = on_start,
				 .endElementNs = on_end,
				 .characters = on_text};
	xmlParserCtxtPtr parser = xmlCreatePushParserCtxt(&handler, &count, NULL, 0, NULL);
	xmlCtxtUseOptions(parser, XML_PARSE_HUGE | XML_PARSE_NONET);
	int good = 1;
	for (size_t at = 0; good && at < d->len; at += piece) {
		size_t len = d->len - at < piece ? d->len - at : piece;
		good = xmlParseChunk(parser, (const char *)d->bytes + at, (int)len, at + len == d->len) == XML_ERR_OK;
	}
	xmlFreeParserCtxt(parser);
	return good ? count.elements : 0;
}
