/*
 * Documents that are nearly right: stanzas as they are sent, and trees made at random with an eye on namespaces,
 * references and names, a few of them spoilt.
 */
#include "xml_differential.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const headers[] = {
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
	"to='example.com' version='1.0'>",
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
	"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' id=\"&#x31;2\" from='a&amp;b'>\n",
	"<stream:stream xmlns:stream=\"http://etherx.jabber.org/streams\" xmlns='jabber:server' xmlns:p='urn:p' "
	"xml:lang='de'>",
	"<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<stream:stream\n\tto='a\tb'\n\tversion = '1.&#48;' "
	"xmlns:stream='http://etherx.jabber.org/streams'\r\nxmlns='jabber:client' >",
};

/* In the place of an XML declaration. */
static const char *const declarations[] = {
	"<?xml version='1.0' encoding='uTf-8'?>\n",
	"<?xml version='1.1'?>",
	"<?xml version='1.0' standalone='yes'?>",
	"<?xml version='1.0' encoding='ISO-8859-1'?>",
	"<?xml version='1.0' encoding='US-ASCII'?>",
	"<?xml version=\"1.0\"?><!DOCTYPE a>",
	"<?xml-stylesheet x?>",
	"<?xml encoding='UTF-8'?>",
	"<!-- -->",
	"\n",
	"\xEF\xBB\xBF",
};

static const char *const built_in[] = {
	"<message to='juliet@example.com/balcony' from=\"romeo@example.net\" type='chat' id='a1'><body>Wherefore art "
	"thou? &lt;3 \xF0\x9F\x98\x80</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
	"<iq type='set' id='b&#50;'><bind "
	"xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>balcony</resource></bind></iq>",
	"<presence xml:lang='de'><show>away</show><status>\xC3\xA4\xE4\xBD\xA0\xE5\xA5\xBD</status><c "
	"xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v='/></presence>",
	"<a xmlns='urn:xmpp:sm:3' h='4'/><r xmlns='urn:xmpp:sm:3'/>\n<stream:error><x xmlns='y'/></stream:error>",
	"<message xmlns:p='urn:1' xmlns:q='urn:2'><p:x q:y='1' p:y='2' y='3'>a<![CDATA[<&>]]]]>b</p:x>\r\n<z></z "
	"></message>",
	"<iq><query xmlns='jabber:iq:roster'><item jid='a@b'/><item jid='c@d'/></query></iq>",
	"<\xE6\xB6\x88\xE6\x81\xAF \xC3\xA9-\xC2\xB7='1'><a:b xmlns:a='u'><a:c/></a:b></\xE6\xB6\x88\xE6\x81\xAF>",
	"<message type=\"groupchat\"\n\tfrom='room@muc.example/&quot;me&quot;' to='a@b'><body>1 &gt; 2 &amp; "
	"3\r\n4</body>"
	"<delay xmlns=\"urn:xmpp:delay\" stamp='2020-01-01T00:00:00Z'></delay></message>",
	"<iq id='m' type='result'><fin xmlns='urn:xmpp:mam:2' complete='true'><set "
	"xmlns='http://jabber.org/protocol/rsm'>"
	"<first index='0'>28482</first><count>3</count></set></fin></iq>",
	"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>",
	"<x><![CDATA[]]></x><x><![CDATA[]]]]><![CDATA[>]]></x><x>]]&gt;]</x><x></x><x/><x >&#13;&#xA;\r</x>",
	"<entry xmlns='http://www.w3.org/2005/Atom' "
	"xmlns:thr='http://purl.org/syndication/thread/1.0'><thr:in-reply-to "
	"thr:ref='1' ref='1'/></entry>",
};

static const char *const tokens[] = {
	"<",
	">",
	"/",
	"'",
	"\"",
	"=",
	" ",
	"\n",
	"\r\n",
	"\t",
	"&",
	";",
	"&#",
	"]",
	"]]>",
	"<![CDATA[",
	"&amp;",
	"&lt;",
	"&#x41;",
	"&#0;",
	"&#xFFFE;",
	"&#x85;",
	"&#xD800;",
	"&#1114111;",
	"&#1114112;",
	"&#00000000000065;",
	"&#000000000000000065;",
	"&#x0000000000000041;",
	"&#x00000000000000041;",
	"&nbsp;",
	"&LT;",
	":",
	"a",
	"-",
	"<a>",
	"</a>",
	"<b/>",
	"<a >",
	"</a >",
	"<p:a>",
	"</p:a>",
	" xmlns='u'",
	" xmlns=''",
	" xmlns:p='u'",
	" xmlns:q='&#117;'",
	" xmlns:p=''",
	" xmlns:xml='http://www.w3.org/XML/1998/namespace'",
	" xmlns:x='http://www.w3.org/XML/1998/namespace'",
	" xmlns='http://www.w3.org/2000/xmlns/'",
	" xmlns:xmlns='u'",
	" xmlns='a b'",
	" xmlns:stream='http://etherx.jabber.org/streams'",
	" to='x'",
	" to = \"y\"",
	" type=''",
	" p:to='x'",
	" q:to='x'",
	" xml:lang='e'",
	" xml:to='e'",
	"p:",
	"q:",
	"xml:",
	"xmlns:",
	"stream:",
	"<!--",
	"<!-- -->",
	"-->",
	"<?",
	"<?x y?>",
	"?>",
	"<!DOCTYPE a>",
	"<stream:error/>",
	"</stream:stream>",
	"<?xml version='1.0'?>",
	"\xC3\xA9",
	"\xC2\xB7",
	"\xCC\x81",
	"\xE2\x80\xA8",
	"\xE2\xB0\x80",
	"\xE6\xB6\x88",
	"\xEF\xBB\xBF",
	"\xF0\x9F\x98\x80",
	"\xEF\xBF\xBD",
	"\xEF\xBF\xBE",
	"\xED\xA0\x80",
	"\xF4\x90\x80\x80",
	"\xC0\xBC",
	"\xE0\x80\xBC",
	"\xFF",
	"\x80",
	"\xC3",
	"\xF0\x9F",
	"\x7F",
	"\xC2\x85",
	"\x01",
	"                                        ",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PICK(a)	 ((a)[below(COUNT(a))])

enum { SAMPLES_MAX = 4096 };
static struct value samples[SAMPLES_MAX];
static size_t sample_count;
static uint64_t *state;
static bool header_declares;

static size_t below(size_t bound)
{
	return (size_t)(probe_random(state) % bound);
}

void samples_add(struct value sample)
{
	if (sample_count == SAMPLES_MAX || sample.len == 0 || sample.len > DOCUMENT_BYTES_MAX / 3)
		return;
	uint8_t *copy = malloc(sample.len);
	assert(copy);
	memcpy(copy, sample.bytes, sample.len);
	samples[sample_count++] = (struct value){copy, sample.len};
}

/* Hexadecimal bytes behind the last tab or in the member "hex" of each line. */
void samples_read(const char *path)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	while (file && getline(&line, &cap, file) > 0) {
		const char *tab = strrchr(line, '\t'), *member = strstr(line, "\"hex\": \"");
		const char *hex = tab ? tab + 1 : member ? member + 8 : "";
		uint8_t bytes[DOCUMENT_BYTES_MAX];
		size_t len = 0;
		for (unsigned byte; len < sizeof(bytes) && sscanf(hex, "%2x", &byte) == 1; hex += 2)
			bytes[len++] = (uint8_t)byte;
		samples_add((struct value){bytes, len});
	}
	free(line);
	if (file)
		fclose(file);
}

/* Puts bytes in place of `removed` bytes at `at`. */
static void splice(struct document *d, size_t at, size_t removed, const void *bytes, size_t len)
{
	if (d->len - removed + len > sizeof(d->bytes))
		return;
	memmove(d->bytes + at + len, d->bytes + at + removed, d->len - at - removed);
	memcpy(d->bytes + at, bytes, len);
	d->len = d->len - removed + len;
}

static void add(struct document *d, const char *text)
{
	splice(d, d->len, 0, text, strlen(text));
}

/* ---- trees */

static const char *name_make(void)
{
	static const char *const names[] = {"a",
					    "a",
					    "b",
					    "p:a",
					    "q:a",
					    "p:b",
					    "message",
					    "iq",
					    "x-1.2_",
					    "\xC3\xA9",
					    "\xE6\xB6\x88\xC2\xB7",
					    "p:\xC3\xA9",
					    "_",
					    "abcdefgh",
					    "abcdefgi",
					    "abcdefghi",
					    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
					    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyy",
					    "xmlns",
					    "stream:a"};
	static const char *const odd[] = {"xml:a",	  "xmlns:a",	   ":a",
					  "a:",		  "a:b:c",	   "1",
					  "-a",		  "p:1",	   "\xC2\xB7",
					  "\xE2\xB0\x80", "a\xE2\x80\xA8", "p:\xCC\x81",
					  "stream",	  "xml",	   "\xF0\x90\x80\x80",
					  "a\xC3\x97",	  "\xE2\x82\xA0"};
	return below(250) ? PICK(names) : PICK(odd);
}

static void value_make(struct document *d, bool of_namespace)
{
	static const char *const names[] = {"u", "v",	      "urn:1",	"&#117;", "jabber:client",
					    "",	 "u\xC3\xA9", "u&amp;", "&#x75;"};
	static const char *const pieces[] = {
		"a",  "b@c.d/e", "&lt;",     "&quot;",		 "&#39;",     "\t", "\n", "\r\n", " ", "&#10;",
		"/>", "]]>",	 "\xC3\xA9", "\xF0\x9F\x98\x80", "&#x1F600;", ">",  "=",  "&#xD;"};
	char quote = below(2) ? '"' : '\'';
	splice(d, d->len, 0, &quote, 1);
	if (of_namespace)
		add(d, below(60) ? PICK(names) : PICK(pieces));
	for (size_t i = of_namespace ? 0 : below(4); i > 0; i--)
		add(d, PICK(pieces));
	splice(d, d->len, 0, &quote, 1);
}

/* The nth of a row of attributes, which differ: mostly. */
static void attribute_make(struct document *d, size_t nth, bool declared)
{
	static const char *const names[] = {"to",    "p:a",	"xmlns:p", "id",       "a",   "xml:lang",
					    "xmlns", "q:a",	"type",	   "xmlns:q",  "p:b", "version",
					    "from",  "xmlns:r", "q:b",	   "xml:space"};
	static const char *const spaces[] = {" ", " ", " ", "\n", "  ", "\t", "\r\n"};
	const char *name = below(10) ? names[nth % COUNT(names)] : name_make();
	if (declared && strncmp(name, "xmlns:", 6) == 0)
		return;
	add(d, below(100) ? PICK(spaces) : "");
	add(d, name);
	add(d, below(20) ? "=" : " =\n");
	value_make(d, strncmp(name, "xmlns", 5) == 0);
}

static void tree_make(struct document *d, size_t depth);

static void content_make(struct document *d, size_t depth)
{
	static const char *const pieces[] = {
		"x", "text text", "&amp;",    "&#x20AC;", "\n", "\r\n", "]]", ">", "<![CDATA[<]]>", "<![CDATA[]]>",
		"]", "\"",	  "\xC3\xA9", "&apos;",	  "'",	"\t"};
	for (size_t i = below(5); i > 0; i--) {
		if (below(2) && depth < 5)
			tree_make(d, depth + 1);
		else
			add(d, PICK(pieces));
	}
}

static void tree_make(struct document *d, size_t depth)
{
	const char *name = name_make();
	static const char *const often[] = {
		" xmlns:p='u' xmlns:q='v'", " xmlns:q='u' xmlns:p=\"v\" xmlns:r='v'",
		" xmlns:q=\"u\" xmlns:p='v' xmlns:stream='http://etherx.jabber.org/streams'",
		" xmlns:q='u' xmlns:p='&#x75;'"};
	static const char *const mixed[] = {" xmlns:l='u' l:k='1' p:k='2'", " q:k='1' xmlns:l='&#117;' l:k='2'",
					    " p:k='1' q:k='2'"};
	add(d, "<");
	add(d, name);
	bool declared = depth == 0 && (header_declares ? below(6) == 0 : below(12) > 0);
	if (declared)
		add(d, PICK(often));
	if (header_declares && below(8) == 0)
		add(d, PICK(mixed));
	for (size_t i = below(4), first = below(16); i > 0; i--)
		attribute_make(d, first + i, declared || (header_declares && below(4)));
	if (below(3) == 0) {
		add(d, below(6) ? "/>" : "\n/>");
		return;
	}
	add(d, below(6) ? ">" : " >");
	content_make(d, depth);
	add(d, "</");
	add(d, below(300) ? name : name_make());
	add(d, below(10) ? ">" : "\t\n>");
}

/* ---- damage */

/* An attribute of the document, put in a second time, perhaps under another prefix. */
static void attribute_repeat(struct document *d, size_t at)
{
	uint8_t copy[64];
	size_t len = 0, equals;
	while (at < d->len && d->bytes[at] != ' ')
		at++;
	for (equals = at; equals < d->len && d->bytes[equals] != '='; equals++)
		;
	while (at + len < d->len && len < sizeof(copy) && !(at + len > equals + 1 && strchr("'\"", d->bytes[at + len])))
		len++;
	if (len == sizeof(copy) || at + len >= d->len)
		return;
	memcpy(copy, d->bytes + at, ++len);
	splice(d, at, 0, copy, len);
	if (below(3) == 0)
		splice(d, at + 1, 0, below(2) ? "p:" : "q:", 2);
}

static void damage(struct document *d, size_t from)
{
	size_t at = from + below(d->len - from + 1), rest = d->len - at, some = below((rest < 20 ? rest : 20) + 1);
	uint8_t byte = (uint8_t)probe_random(state), copy[20];
	const char *token = PICK(tokens);
	switch (below(9)) {
	case 0:
		splice(d, at, rest > 0, &byte, 1);
		break;
	case 1:
		splice(d, at, some, "", 0);
		break;
	case 2:
		memcpy(copy, d->bytes + at, some);
		splice(d, from + below(d->len - from + 1), 0, copy, some);
		break;
	case 3:
		if (rest)
			d->bytes[at] ^= (uint8_t)(1u << below(8));
		break;
	case 4:
		attribute_repeat(d, at);
		break;
	case 5:
		splice(d, at, rest > 0, "", 0);
		break;
	default:
		splice(d, at, below(2) ? some : 0, token, strlen(token));
	}
}

/* Declarations for the elements: few, as a rule, and sometimes more than are kept. */
static void header_declare(struct document *d)
{
	static const char *const names[] = {" xmlns:p=", " xmlns:q=", " xmlns:r=", "\n\txmlns:x =", " xmlns:pq="};
	while (d->len > 0 && d->bytes[d->len - 1] != '>')
		d->len--;
	d->len--;
	for (size_t i = 0, first = below(COUNT(names)), count = 2 + below(4); i < count; i++) {
		add(d, names[(first + i) % COUNT(names)]);
		value_make(d, true);
	}
	for (size_t i = below(40) ? 0 : 9; i > 0; i--) {
		char name[] = " xmlns:n_='u'";
		name[8] = (char)('0' + i);
		add(d, name);
	}
	add(d, ">");
}

void document_make(struct document *d, uint64_t *random_state)
{
	static const size_t damages[] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3};
	state = random_state;
	d->len = 0;
	if (below(60) == 0)
		add(d, PICK(declarations));
	add(d, headers[below(8) ? 1 : below(COUNT(headers))]);
	header_declares = below(3) == 0;
	if (header_declares)
		header_declare(d);
	size_t head = below(8) ? d->len : 0;
	for (size_t i = below(3) + 1; i > 0; i--) {
		struct value sample = {NULL, 0};
		if (sample_count && below(8) == 0)
			sample = samples[below(sample_count)];
		if (sample.len)
			splice(d, d->len, 0, sample.bytes, sample.len);
		else if (below(3) == 0)
			add(d, PICK(built_in));
		else
			tree_make(d, 0);
		if (below(4) == 0)
			add(d, "\r\n");
	}
	for (size_t i = PICK(damages); i > 0; i--)
		damage(d, head);
	if (below(20))
		add(d, below(20) ? "</stream:stream>" : "</stream:stream\n>\n");
	else
		d->len = below(d->len + 1);
}
