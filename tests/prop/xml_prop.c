/*
 * For any bytes: every kernel sees what the scalar one sees, in every field, and no cut changes it. The documents are
 * stanzas damaged at random, from a seed; nearly all faults, and two of them in one document, come up.
 */
#include "xml_probe.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#ifndef DOCUMENTS
#define DOCUMENTS 200000
#endif
enum { DOCUMENT_BYTES_MAX = 900, SEED = 20240229 };

static const char *const samples[] = {
	"<message to='juliet@example.com/balcony' from=\"romeo@example.net\" type='chat' id='a1'><body>Wherefore art "
	"thou? "
	"&lt;3 \xF0\x9F\x98\x80</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
	"<iq type='set' id='b&#50;'><bind "
	"xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>balcony</resource></bind></iq>",
	"<presence xml:lang='de'><show>away</show><status>\xC3\xA4\xE4\xBD\xA0\xE5\xA5\xBD</status><c "
	"xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v='/></presence>",
	"<a xmlns='urn:xmpp:sm:3' h='4'/><r xmlns='urn:xmpp:sm:3'/>\n<stream:error><x xmlns='y'/></stream:error>",
	"<message xmlns:p='urn:1' xmlns:q='urn:2'><p:x q:y='1' p:y='2' y='3'>a<![CDATA[<&>]]]]>b</p:x>\r\n<z></z "
	"></message>",
	"<iq><query xmlns='jabber:iq:roster'><item jid='a@b'/><item jid='c@d'/></query></iq></stream:stream>",
	"<\xE6\xB6\x88\xE6\x81\xAF \xC3\xA9-\xC2\xB7='1'><a:b xmlns:a='u'><a:c/></a:b></\xE6\xB6\x88\xE6\x81\xAF>",
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
	"&",
	";",
	"]]>",
	"<![CDATA[",
	"&amp;",
	"&#x41;",
	"&#0;",
	"&nbsp;",
	":",
	"a",
	"<a>",
	"</a>",
	"<b/>",
	"xmlns='u'",
	"xmlns:p='u'",
	" to='x'",
	" p:to='x'",
	"p:",
	"<!--",
	"<?",
	"\xC3\xA9",
	"\xE2\x80\xA8",
	"\xF0\x9F\x98\x80",
	"\xEF\xBF\xBE",
	"\xED\xA0\x80",
	"\xC0\xBC",
	"\xFF",
	"\x80",
	"\xC3",
	"\xF0\x9F",
	"stream:",
	"xml:lang='e'",
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
	"</stream:stream>",
	"<?xml version='1.0'?>",
	"                                        ",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

static uint64_t state = SEED;

static size_t below(size_t bound)
{
	return (size_t)(probe_random(&state) % bound);
}

struct document {
	uint8_t bytes[DOCUMENT_BYTES_MAX];
	size_t len;
};

/* Puts bytes in place of `removed` bytes at `at`. */
static void document_splice(struct document *d, size_t at, size_t removed, const void *bytes, size_t len)
{
	if (d->len - removed + len > sizeof(d->bytes))
		return;
	memmove(d->bytes + at + len, d->bytes + at + removed, d->len - at - removed);
	memcpy(d->bytes + at, bytes, len);
	d->len = d->len - removed + len;
}

static void document_damage(struct document *d)
{
	size_t at = below(d->len + 1), rest = d->len - at, some = below((rest < 20 ? rest : 20) + 1);
	uint8_t byte = (uint8_t)probe_random(&state), copy[20];
	const char *token = tokens[below(sizeof(tokens) / sizeof(tokens[0]))];
	switch (below(6)) {
	case 0:
		document_splice(d, at, rest > 0, &byte, 1);
		break;
	case 1:
		document_splice(d, at, some, "", 0);
		break;
	case 2:
		memcpy(copy, d->bytes + at, some);
		document_splice(d, below(d->len + 1), 0, copy, some);
		break;
	default:
		document_splice(d, at, below(2) ? some : 0, token, strlen(token));
	}
}

static void document_make(struct document *d)
{
	d->len = 0;
	for (size_t i = 0, count = 1 + below(2); i < count; i++) {
		const char *sample = samples[below(sizeof(samples) / sizeof(samples[0]))];
		document_splice(d, d->len, 0, sample, strlen(sample));
	}
	for (size_t i = below(4); i > 0; i--)
		document_damage(d);
}

static const struct xml_limits tight = {.element_bytes_max = 150,
					.elements_max = 4,
					.depth_max = 3,
					.attributes_max = 3,
					.name_bytes_max = 20,
					.namespaces_max = 2};

static bool way_is_same(struct probe_plan plan, const struct probe *expected, size_t piece, size_t cut)
{
	static struct probe found;
	plan.piece = piece;
	plan.cuts = &cut;
	plan.cut_count = cut != 0;
	plan.gap = below(64);
	probe_run(&plan, &found);
	if (probe_is_same(expected, &found))
		return true;
	fprintf(stderr, "kernel %s, piece %zu, cut %zu: %.*s\n", plan.kernel, piece, cut, (int)plan.len,
		(const char *)plan.bytes);
	return false;
}

static bool document_check(const struct document *d, struct probe *ret)
{
	struct probe_plan plan = {.kernel = "scalar", .bytes = d->bytes, .len = d->len, .enter = below(8) != 0};
	plan.limits = below(3) ? &probe_limits : &tight;
	probe_run(&plan, ret);
	bool same = true;
	for (const char *const *kernel = probe_kernels(); same && *kernel; kernel++) {
		plan.kernel = *kernel;
		same = way_is_same(plan, ret, 0, 0) && way_is_same(plan, ret, 0, below(d->len + 1)) &&
		       way_is_same(plan, ret, 1 + below(50), 0);
	}
	return same;
}

Test(kernels, see_the_same)
{
	static struct document d;
	static struct probe seen;
	size_t elements = 0, ended[XML_ERROR_COUNT] = {0};
	for (size_t i = 0; i < DOCUMENTS; i++) {
		document_make(&d);
		cr_assert(document_check(&d, &seen), "document %zu", i);
		elements += seen.count;
		ended[probe_error(&seen)]++;
	}
	cr_expect_gt(elements, DOCUMENTS / 2, "the documents are too damaged to tell anything");
	for (int error = 0; error < XML_ERROR_COUNT; error++)
		cr_expect_gt(ended[error], DOCUMENTS / 20000, "`%s` came up %zu times only",
			     xml_error_text((enum xml_error)error), ended[error]);
}
