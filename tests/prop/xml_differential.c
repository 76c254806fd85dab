/*
 * The tokenizer beside expat and libxml2, on documents that are nearly right:
 *
 *   - what it accepts, stanza by stanza, both accept, and all three read the same there;
 *   - what it refuses although both accept is refused for one of the reasons below, and the reason is proved from the
 *     document;
 *   - what both refuse it refuses (that is the first, seen from the other side), and a document that it takes for the
 *     beginning of one neither of them refuses yet;
 *   - an element taken out of an accepted stream, with the declarations of the header that it relies on put into it, is
 *     right for all behind a header that declares nothing but the namespaces of content and of streams, and says the
 * same;
 *   - no kernel and no cut changes what it says.
 *
 *     xml-differential [--cases N] [--seed S] [--samples FILE]... [--document FILE]
 *
 * --samples takes a stream document, whose stanzas join the samples that are spoilt; --document judges one document and
 * shows the readings. Ends with 1 at the first document on which the readers disagree.
 */
#include "xml_differential.h"
#include "xml_splice.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Why what both accept may be refused: what the contract in xml.h says beyond XML. */
#define REASONS(X)                                                                                                     \
	X(RESTRICTED, "restricted XML: comment, processing instruction, DTD")                                          \
	X(DECLARATION, "XML declaration other than version 1.0 in UTF-8")                                              \
	X(MARK, "byte order mark")                                                                                     \
	X(HEADER, "not the header of a stream")                                                                        \
	X(HEADER_PREFIX, "prefix of a header that declares more than is kept")                                         \
	X(NAMESPACE_NAME, "white space or a control character in a namespace name")                                    \
	X(DIGITS, "more than 16 digits in a character reference")                                                      \
	X(TEXT, "text between first-level elements")                                                                   \
	X(LIMIT, "a limit")
enum reason {
	NO_REASON,
#define X(name, text) REASON_##name,
	REASONS(X)
#undef X
		REASON_COUNT
};
static const char *const reason_texts[] = {"no reason",
#define X(name, text) text,
					   REASONS(X)
#undef X
};

static struct tally {
	uint64_t documents, stanzas, accepted, incomplete, refused_by_all, expat_only, libxml2_only, alone, relying;
	uint64_t reasons[REASON_COUNT], errors[XML_ERROR_COUNT];
} tally;

static const struct xml_limits tight = {.element_bytes_max = 300,
					.elements_max = 5,
					.depth_max = 3,
					.attributes_max = 3,
					.name_bytes_max = 20,
					.namespaces_max = 2};

static struct probe seen;
static struct reading ours, theirs[2];
static const char *const their_names[] = {"expat", "libxml2"};

static void show(const struct document *d, const char *complaint)
{
	fprintf(stderr, "%s\n", complaint);
	for (size_t i = 0; i < d->len; i++)
		fprintf(stderr, d->bytes[i] >= ' ' && d->bytes[i] < 0x7F && d->bytes[i] != '\\' ? "%c" : "\\x%02X",
			d->bytes[i]);
	const struct xml_event *last = &seen.events[seen.count - (seen.count > 0)];
	fprintf(stderr, "\nours: %s at %u, %s%s\n%.*s", ours.why, last->error_at, ours.accepted ? "accepted" : "",
		ours.refused ? "refused" : "", (int)ours.len, ours.text);
	for (int i = 0; i < 2; i++)
		fprintf(stderr, "%s: %s%s %s\n%.*s", their_names[i], theirs[i].accepted ? "accepted" : "",
			theirs[i].refused ? "refused" : "", theirs[i].why, (int)theirs[i].len, theirs[i].text);
}

static bool complain(const struct document *d, const char *complaint)
{
	show(d, complaint);
	return false;
}

/* ---- reasons, each with its proof */

static bool bytes_have(const uint8_t *bytes, size_t len, const char *text)
{
	return memmem(bytes, len, text, strlen(text)) != NULL;
}

static size_t header_end(void)
{
	return seen.events[0].is == XML_HEADER ? seen.events[0].end : 0;
}

/* Whether the prefix of the name at `at` is declared in the first bytes of the document. */
static bool prefix_is_declared(const struct document *d, size_t at, size_t end)
{
	char declaration[DOCUMENT_BYTES_MAX + 16] = "xmlns:";
	size_t len = strlen(declaration);
	while (at < d->len && d->bytes[at] != ':')
		declaration[len++] = (char)d->bytes[at++];
	declaration[len] = '\0';
	return bytes_have(d->bytes, end, declaration);
}

static enum reason prefix_reason(const struct document *d, size_t at)
{
	if (header_end() == 0)
		return REASON_HEADER;
	if (seen.unkept == XML_ERROR_NONE)
		return NO_REASON;
	return prefix_is_declared(d, at, header_end()) ? REASON_HEADER_PREFIX : NO_REASON;
}

static enum reason namespace_name_reason(const struct document *d, size_t at)
{
	uint8_t quote = d->bytes[at - 1];
	for (; at < d->len && d->bytes[at] != quote; at++)
		if (d->bytes[at] <= ' ' || d->bytes[at] == 0x7F || (d->bytes[at] == 0xC2 && d->bytes[at + 1] < 0xA0) ||
		    (d->bytes[at] == '&' && d->bytes[at + 1] == '#'))
			return REASON_NAMESPACE_NAME;
	return NO_REASON;
}

static enum reason digits_reason(const struct document *d, size_t at)
{
	size_t digits = 0;
	while (at > 0 && strchr("0123456789abcdefABCDEF", d->bytes[at - 1]))
		at--, digits++;
	return digits >= 16 ? REASON_DIGITS : NO_REASON;
}

/* Whether the place lies in a declaration or instruction at the document's beginning. */
static bool at_front(const struct document *d, size_t at, const char *front)
{
	const uint8_t *end = memmem(d->bytes, d->len, "?>", 2);
	return d->len > strlen(front) && memcmp(d->bytes, front, strlen(front)) == 0 && end &&
	       at <= (size_t)(end - d->bytes) + 1;
}

static enum reason syntax_reason(const struct document *d, size_t at)
{
	if (at_front(d, at, "<?xml"))
		return REASON_DECLARATION;
	if (at == 0 && d->len > 3 && memcmp(d->bytes, "\xEF\xBB\xBF", 3) == 0)
		return REASON_MARK;
	return header_end() == 0 && at > 0 && d->bytes[at - 1] == '/' ? REASON_HEADER : NO_REASON;
}

static enum reason restricted_reason(const struct document *d, size_t at)
{
	bool marked = at > 0 && strchr("?!", d->bytes[at]) && d->bytes[at - 1] == '<';
	bool comment = at > 1 && d->bytes[at - 1] == '!' && d->bytes[at - 2] == '<';
	enum reason reason = syntax_reason(d, at); /* standalone */
	return reason != NO_REASON			    ? reason
	       : marked || comment || at_front(d, at, "<?") ? REASON_RESTRICTED
							    : NO_REASON;
}

static enum reason reason_find(const struct document *d)
{
	size_t at = seen.events[seen.count - 1].error_at;
	switch (probe_error(&seen)) {
	case XML_ERROR_RESTRICTED:
		return restricted_reason(d, at);
	case XML_ERROR_SYNTAX:
	case XML_ERROR_ENCODING:
		return syntax_reason(d, at);
	case XML_ERROR_PREFIX:
		return prefix_reason(d, at);
	case XML_ERROR_NAMESPACE:
		return header_end() == 0 ? REASON_HEADER : NO_REASON;
	case XML_ERROR_NAMESPACE_NAME:
		return namespace_name_reason(d, at);
	case XML_ERROR_REFERENCE:
		return digits_reason(d, at);
	case XML_ERROR_TEXT:
		return header_end() ? REASON_TEXT : NO_REASON;
	default:
		return NO_REASON;
	}
}

/* ---- the verdict */

static bool error_is_limit(enum xml_error error)
{
	return error >= XML_ERROR_LIMIT_BYTES;
}

/* Both read what we have taken; they get it in pieces that end where our events do, so that none looks ahead. */
static void theirs_read(const struct document *d)
{
	static size_t ends[PROBE_EVENTS_MAX];
	struct pieces pieces = {d->bytes, d->len, ends, 0};
	for (size_t i = 0; i < seen.count; i++)
		if (seen.events[i].is != XML_BAD)
			ends[pieces.count++] = seen.events[i].end;
	if (ours.accepted)
		pieces.len = seen.events[seen.count - 1].end;
	expat_read(&pieces, &theirs[0]);
	libxml2_read(&pieces, &theirs[1]);
}

static bool refused_check(const struct document *d)
{
	bool expat = theirs[0].accepted, libxml2 = theirs[1].accepted;
	tally.refused_by_all += !expat && !libxml2;
	tally.expat_only += expat && !libxml2;
	tally.libxml2_only += !expat && libxml2;
	if (!expat || !libxml2)
		return true;
	enum reason reason = reason_find(d);
	tally.reasons[reason]++;
	return reason != NO_REASON || complain(d, "refused for no documented reason");
}

/* Whether the document ends within a character: then the tokenizer waits for the rest of that, and only that. */
static bool ends_in_character(const struct document *d)
{
	for (size_t back = 1; back <= 3 && back <= d->len; back++)
		if (d->bytes[d->len - back] >= 0xC0)
			return back < (d->bytes[d->len - back] < 0xE0 ? 2u : d->bytes[d->len - back] < 0xF0 ? 3u : 4u);
	return false;
}

static bool document_check(const struct document *d)
{
	bool incomplete = !ours.refused && !ours.accepted, cut = incomplete && ends_in_character(d);
	for (int i = 0; i < 2; i++) {
		const struct reading *r = &theirs[i];
		if (!reading_leads(&ours, r) || (r->refused && r->lines_refused < ours.lines))
			return complain(d, "another reader sees other stanzas");
		if (ours.accepted && (!r->accepted || r->lines != ours.lines))
			return complain(d, "accepted, and not by all");
		if (incomplete && (r->accepted || (r->refused && !cut) || r->lines != ours.lines))
			return complain(d, "incomplete, and not for all");
	}
	return !ours.refused || refused_check(d);
}

static bool judge(const struct document *d, const struct xml_limits *limits, uint64_t *state)
{
	bool same = ours_read(d, limits, state, &seen, &ours);
	theirs_read(d);
	if (!same)
		return complain(d, "ways differ");
	if (limits == &probe_limits || !error_is_limit(probe_error(&seen))) {
		tally.documents++;
		tally.stanzas += ours.lines;
		tally.errors[probe_error(&seen)]++;
		tally.accepted += ours.accepted;
		tally.incomplete += !ours.accepted && !ours.refused;
		return document_check(d);
	}
	tally.reasons[REASON_LIMIT]++;
	if (!reading_leads(&ours, &theirs[0]) || !reading_leads(&ours, &theirs[1]))
		return complain(d, "another reader sees other stanzas before a limit");
	return judge(d, &probe_limits, state);
}

static void document_add(struct document *d, const void *bytes, size_t len)
{
	assert(d->len + len <= sizeof(d->bytes));
	memcpy(d->bytes + d->len, bytes, len);
	d->len += len;
}

/* What the element says of itself, wherever that stands: alone, it must say the same. */
static void essence_set(struct item *item, const uint8_t *bytes, const struct xml_event *e)
{
	const struct xml_namespace own = xml_element_namespace(bytes, e), child = xml_child_namespace(bytes, e);
	item_begin(item, 0);
	if (own.name.at)
		item_set(item, NS, (struct value){own.bytes + own.name.at, own.name.len});
	if (child.name.at)
		item_set(item, CHILD_NS, (struct value){child.bytes + child.name.at, child.name.len});
}

static void spliced_add(struct document *alone, const struct document *d, const struct xml_event *e)
{
	struct xml_piece pieces[XML_PIECES_MAX];
	struct xml_splice splice;
	xml_splice_begin(&splice, d->bytes, e);
	xml_splice_declarations(&splice);
	size_t count = xml_splice_pieces(&splice, pieces);
	for (size_t i = 0; i < count; i++)
		document_add(alone, pieces[i].at, pieces[i].len);
}

/* One element of the document just judged, with what it relies on: whether it is right alone, too, and says the same.
 */
static bool alone_judge(const struct document *d, uint64_t *state)
{
	static const char head[] =
		"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
	static struct document alone;
	const struct xml_event *e = &seen.events[seen.count ? probe_random(state) % seen.count : 0];
	enum { ROOM = DOCUMENT_BYTES_MAX - sizeof(head) - 16 - PROBE_SCOPE_BYTES };
	if (seen.count == 0 || e->is != XML_ELEMENT || e->end - e->begin > ROOM)
		return true;
	tally.relying += e->relied_on != 0;
	alone.len = 0;
	document_add(&alone, head, sizeof(head) - 1);
	spliced_add(&alone, d, e);
	document_add(&alone, "</stream:stream>", 16);
	static struct item before, after;
	essence_set(&before, d->bytes, e);
	bool right = ours_read(&alone, &probe_limits, state, &seen, &ours) && ours.accepted && ours.lines == 2 &&
		     seen.events[1].relied_on == 0;
	if (right)
		essence_set(&after, alone.bytes, &seen.events[1]);
	right = right && item_field_is_same(&before, &after, NS) && item_field_is_same(&before, &after, CHILD_NS);
	theirs_read(&alone);
	tally.alone++;
	return right && document_check(&alone) ? true : complain(&alone, "an element does not stand alone");
}

/* ---- the command */

static void samples_cut(const char *path)
{
	static struct xml_event e;
	FILE *file = fopen(path, "rb");
	static uint8_t bytes[1 << 20];
	if (!file) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(2);
	}
	size_t len = fread(bytes, 1, sizeof(bytes), file), at = 0;
	fclose(file);
	struct xml x;
	struct xml_work *work = aligned_alloc(64, xml_work_bytes());
	xml_restart(&x);
	do {
		xml_next(&x, work, &probe_limits, bytes + at, len - at, &e);
		if (e.is == XML_ELEMENT)
			samples_add((struct value){bytes + at + e.begin, e.end - e.begin});
		at += e.used;
	} while (e.is == XML_HEADER || e.is == XML_ELEMENT);
	free(work);
}

static void tally_print(uint64_t seed, double seconds)
{
	printf("%lu documents from seed %lu, %lu stanzas and headers read alike, %.0f s\n", tally.documents, seed,
	       tally.stanzas, seconds);
	printf("%10lu accepted by all\n%10lu incomplete for all\n%10lu refused by all\n", tally.accepted,
	       tally.incomplete, tally.refused_by_all);
	printf("%10lu refused here and by libxml2, not by expat\n%10lu refused here and by expat, not by libxml2\n",
	       tally.expat_only, tally.libxml2_only);
	printf("%10lu elements taken out stand alone, %lu of them with declarations of the header\n", tally.alone,
	       tally.relying);
	printf("refused here and by neither of them:\n");
	for (int i = 1; i < REASON_COUNT; i++)
		printf("%10lu %s\n", tally.reasons[i], reason_texts[i]);
	printf("errors:\n");
	for (int i = 1; i < XML_ERROR_LIMIT_BYTES; i++)
		printf("%10lu %s\n", tally.errors[i], xml_error_text((enum xml_error)i));
}

/* A run that saw too little of something proves nothing. */
static bool tally_is_broad(void)
{
	bool broad = tally.accepted > tally.documents / 10 && tally.refused_by_all > tally.documents / 10 &&
		     tally.relying > tally.alone / 100;
	for (int i = 1; i < REASON_COUNT; i++)
		broad = broad && tally.reasons[i] > 0;
	for (int i = 1; i < XML_ERROR_LIMIT_BYTES; i++)
		broad = broad && tally.errors[i] > 0;
	if (!broad)
		fprintf(stderr, "some kind of document came up too rarely\n");
	return broad;
}

static int one(const char *path)
{
	static struct document d;
	FILE *file = fopen(path, "rb");
	uint64_t state = 1;
	if (!file)
		return 2;
	d.len = fread(d.bytes, 1, sizeof(d.bytes), file);
	fclose(file);
	bool right = judge(&d, &probe_limits, &state);
	if (right)
		show(&d, "readers agree");
	return !right;
}

static int run(uint64_t cases, uint64_t seed)
{
	static struct document d;
	time_t began = time(NULL);
	for (uint64_t i = 0; i < cases; i++) {
		uint64_t state = (seed + i) * UINT64_C(0x9E3779B97F4A7C15) | 1;
		for (int j = 0; j < 4; j++)
			probe_random(&state);
		document_make(&d, &state);
		bool right = judge(&d, probe_random(&state) % 8 ? &probe_limits : &tight, &state);
		if (!right || (i % 4 == 0 && !alone_judge(&d, &state))) {
			fprintf(stderr, "again with --cases 1 --seed %lu\n", seed + i);
			return 1;
		}
	}
	tally_print(seed, difftime(time(NULL), began));
	return cases >= 100000 && !tally_is_broad();
}

int main(int argc, char **argv)
{
	uint64_t cases = 1000000, seed = 1;
	samples_read(CASES_DIR "/attack.tsv");
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--cases") == 0)
			cases = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--samples") == 0)
			samples_cut(argv[i + 1]);
		else if (strcmp(argv[i], "--document") == 0)
			return one(argv[i + 1]);
		else
			return fprintf(stderr, "xml-differential: unknown option %s\n", argv[i]), 2;
	}
	return run(cases, seed);
}
