/* expat and libxml2, told to read as strictly as they can. */
#include "xml_differential_reading.h"

#include <assert.h>
#include <expat.h>
#include <libxml/parser.h>
#include <string.h>

static struct value text_value(const void *text)
{
	return (struct value){text, text ? strlen(text) : 0};
}

/* ---- expat: namespace and name come joined by a character that neither can hold */

enum { JOINT = '\x01' };

static XML_Parser expat;

static void name_split(const char *joined, struct value *ret_ns, struct value *ret_name)
{
	const char *joint = strchr(joined, JOINT);
	*ret_ns = joint ? (struct value){(const uint8_t *)joined, (size_t)(joint - joined)} : (struct value){NULL, 0};
	*ret_name = text_value(joint ? joint + 1 : joined);
}

static size_t expat_at(void)
{
	return (size_t)XML_GetCurrentByteIndex(expat);
}

static size_t expat_end(void)
{
	return expat_at() + (size_t)XML_GetCurrentByteCount(expat);
}

static void expat_start(void *user, const char *joined, const char **attributes)
{
	struct value ns, name;
	name_split(joined, &ns, &name);
	outside_open(user, ns, name, expat_at());
	for (; *attributes; attributes += 2) {
		name_split(attributes[0], &ns, &name);
		outside_attribute(user, ns, name, text_value(attributes[1]));
	}
	outside_opened(user, expat_end());
}

static void expat_stop(void *user, const char *joined)
{
	(void)joined;
	outside_close(user, expat_end());
}

static void expat_text(void *user, const char *text, int len)
{
	outside_text(user, (struct value){(const uint8_t *)text, (size_t)len});
}

static void expat_cdata(void *user)
{
	outside_text(user, (struct value){(const uint8_t *)"", 0});
}

static void expat_comment(void *user, const char *text)
{
	(void)text;
	outside_text(user, (struct value){(const uint8_t *)"", 0});
}

static bool expat_feed(const uint8_t *bytes, size_t len, bool last, struct reading *r)
{
	if (XML_Parse(expat, (const char *)bytes, (int)len, last) == XML_STATUS_OK)
		return true;
	if (!last || len)
		reading_refuse(r, XML_ErrorString(XML_GetErrorCode(expat)));
	return false;
}

void expat_read(const struct pieces *p, struct reading *ret)
{
	static struct outside outside;
	outside_begin(&outside, p->bytes, ret);
	expat ? (void)XML_ParserReset(expat, NULL) : (void)(expat = XML_ParserCreateNS(NULL, JOINT));
	XML_SetHashSalt(expat, 1);
	XML_SetUserData(expat, &outside);
	XML_SetElementHandler(expat, expat_start, expat_stop);
	XML_SetCharacterDataHandler(expat, expat_text);
	XML_SetCdataSectionHandler(expat, expat_cdata, NULL);
	XML_SetCommentHandler(expat, expat_comment);
	size_t at = 0;
	for (size_t i = 0; i < p->count; at = p->ends[i++])
		if (!expat_feed(p->bytes + at, p->ends[i] - at, false, ret))
			return;
	ret->accepted = expat_feed(p->bytes + at, p->len - at, false, ret) && expat_feed(NULL, 0, true, ret);
}

/* ---- libxml2 */

static xmlParserCtxtPtr xml2;

static size_t xml2_at(void)
{
	return (size_t)xmlByteConsumed(xml2);
}

/* It says only how far it has read: up to the tag's end, in a start tag. No '<' stands between. */
static void xml2_start(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int namespaces,
		       const xmlChar **declared, int attributes, int defaulted, const xmlChar **attribute)
{
	(void)prefix, (void)namespaces, (void)declared, (void)defaulted;
	struct outside *outside = user;
	size_t end = xml2_at(), begin = end;
	while (begin > 0 && outside->bytes[begin] != '<')
		begin--;
	outside_open(outside, text_value(uri), text_value(name), begin);
	for (int i = 0; i < attributes; i++, attribute += 5) {
		struct value value = {attribute[3], (size_t)(attribute[4] - attribute[3])};
		outside_attribute(outside, text_value(attribute[2]), text_value(attribute[0]), value);
	}
	outside_opened(outside, end + 1);
}

static void xml2_stop(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	(void)name, (void)prefix, (void)uri;
	outside_close(user, xml2_at());
}

static void xml2_text(void *user, const xmlChar *text, int len)
{
	outside_text(user, (struct value){text, (size_t)len});
}

/* Pushed, it leaves line ends in CDATA as they are. */
static void xml2_cdata(void *user, const xmlChar *text, int len)
{
	static const uint8_t line_end = '\n';
	outside_text(user, (struct value){text, 0});
	for (int i = 0; i < len; i++) {
		bool end = text[i] == '\r';
		if (text[i] != '\n' || i == 0 || text[i - 1] != '\r')
			outside_text(user, (struct value){end ? &line_end : text + i, 1});
	}
}

static void xml2_comment(void *user, const xmlChar *text)
{
	(void)text;
	outside_text(user, (struct value){(const uint8_t *)"", 0});
}

/* That a namespace name is no URI is an opinion about what it means, not about the document. */
static void xml2_error(void *user, xmlErrorPtr error)
{
	struct outside *outside = user;
	if (error->level >= XML_ERR_ERROR && error->code != XML_WAR_NS_URI)
		reading_refuse(outside->to, error->message ? error->message : "?");
}

static void xml2_open(struct outside *outside)
{
	xmlSAXHandler sax = {.initialized = XML_SAX2_MAGIC,
			     .startElementNs = xml2_start,
			     .endElementNs = xml2_stop,
			     .characters = xml2_text,
			     .ignorableWhitespace = xml2_text,
			     .cdataBlock = xml2_cdata,
			     .comment = xml2_comment,
			     .serror = xml2_error};
	xml2 = xmlCreatePushParserCtxt(&sax, outside, NULL, 0, NULL);
	assert(xml2);
	xmlCtxtUseOptions(xml2, XML_PARSE_NOENT | XML_PARSE_HUGE | XML_PARSE_NONET);
}

/* Told that no more will come, it also makes something of what is incomplete: that does not count. */
static void xml2_finish(struct reading *r)
{
	struct reading before = *r;
	xmlParseChunk(xml2, NULL, 0, 1);
	if (!r->refused && xml2->wellFormed) {
		r->accepted = true;
		return;
	}
	before.text = r->text;
	before.cap = r->cap;
	*r = before;
}

void libxml2_read(const struct pieces *p, struct reading *ret)
{
	static struct outside outside;
	outside_begin(&outside, p->bytes, ret);
	xml2_open(&outside);
	size_t at = 0;
	for (size_t i = 0; i < p->count && !ret->refused; at = p->ends[i++])
		xmlParseChunk(xml2, (const char *)p->bytes + at, (int)(p->ends[i] - at), 0);
	if (!ret->refused)
		xmlParseChunk(xml2, (const char *)p->bytes + at, (int)(p->len - at), 0);
	if (!ret->refused)
		xml2_finish(ret);
	xmlFreeParserCtxt(xml2);
}
