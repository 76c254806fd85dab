/*
 * Any bytes as a stream, after a byte that says what its header declares and seven that seed the changes. Each element
 * that is accepted
 *
 *   - gets a `from` of ours in place of its own, and the declarations that it relies on, as it is sent on: what comes
 * out is one element with exactly that from, a document of its own, with everything else as it was;
 *   - has its attributes read one by one: they are those that the tokenizer tells of, and taken out and put in again
 *     they make the same element;
 *   - is changed at random: what comes out is what an edit of a copy makes.
 */
#include "xml_probe.h"
#include "xml_splice.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define STAMP	"u@example.com/r&amp;"
#define FROM	" from='" STAMP "'"
#define STREAMS "xmlns:stream='http://etherx.jabber.org/streams'"

enum { HEAD = 8, INPUT_BYTES_MAX = 4096, ROOM = 2 * INPUT_BYTES_MAX + XML_SCOPE_BYTES_MAX + 256, CHANGES = 6 };

/* What headers declare beside the usual. */
static const char *const headers[] = {
	"",
	" xmlns:p='u' xmlns:q='v'",
	" xmlns:p='u' xmlns:q='&#117;' xmlns:a='&apos;'",
	" xmlns:a='1' xmlns:b='2' xmlns:c='3' xmlns:d='4' xmlns:p='5' xmlns:q='6' xmlns:r='7' xmlns:s=\"'8\"",
};

/* More attributes and declarations than the first time may be there. */
static const struct xml_limits wide = {.element_bytes_max = 1 << 20,
				       .elements_max = 20000,
				       .depth_max = 64,
				       .attributes_max = 65 + XML_SCOPE_MAX + 1,
				       .name_bytes_max = 1024,
				       .namespaces_max = 64 + XML_SCOPE_MAX + 1};

static struct probe again;

static const struct xml_event *read_alone(const uint8_t *bytes, size_t len)
{
	probe_run(&(struct probe_plan){.enter = true, .bytes = bytes, .len = len, .limits = &wide}, &again);
	assert(again.count == 1 && again.events[0].is == XML_ELEMENT);
	assert(again.taken == len && again.events[0].end == len && again.events[0].relied_on == 0);
	return &again.events[0];
}

static size_t pieces_join(const struct xml_splice *splice, uint8_t *to)
{
	struct xml_piece pieces[XML_PIECES_MAX];
	size_t count = xml_splice_pieces(splice, pieces), len = 0;
	assert(count <= 2 * splice->count + 1);
	for (size_t i = 0; i < count; len += pieces[i++].len) {
		assert(pieces[i].len > 0 && len + pieces[i].len <= ROOM);
		memcpy(to + len, pieces[i].at, pieces[i].len);
	}
	return len;
}

static void range_is_same(const uint8_t *a, struct xml_range x, const uint8_t *b, struct xml_range y)
{
	assert((x.at == 0) == (y.at == 0) && x.len == y.len && memcmp(a + x.at, b + y.at, x.len) == 0);
}

static void namespace_is_same(struct xml_namespace a, struct xml_namespace b)
{
	range_is_same(a.bytes, a.name, b.bytes, b.name);
}

static void element_is_same(const uint8_t *a, const struct xml_event *x, const uint8_t *b, const struct xml_event *y)
{
	const struct xml_range before[] = {x->name, x->prefix, x->to, x->id, x->type, x->lang, x->child, x->text};
	const struct xml_range after[] = {y->name, y->prefix, y->to, y->id, y->type, y->lang, y->child, y->text};
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		range_is_same(a, before[i], b, after[i]);
	namespace_is_same(xml_element_namespace(a, x), xml_element_namespace(b, y));
	namespace_is_same(xml_child_namespace(a, x), xml_child_namespace(b, y));
	assert(x->elements == y->elements && x->depth == y->depth && x->empty == y->empty);
	assert(x->stream_prefix == y->stream_prefix);
}

/* As it is sent on. */
static void stamped_check(const uint8_t *bytes, const struct xml_event *e)
{
	static uint8_t spliced[ROOM];
	struct xml_splice splice;
	xml_splice_begin(&splice, bytes, e);
	xml_splice_insert(&splice, FROM, strlen(FROM));
	xml_splice_declarations(&splice);
	assert(splice.count <= 1 + XML_SCOPE_RUNS_MAX);
	if (e->from_whole.at)
		xml_splice_remove(&splice, e->from_whole);
	const struct xml_event *now = read_alone(spliced, pieces_join(&splice, spliced));
	assert(now->from.len == strlen(STAMP) && memcmp(spliced + now->from.at, STAMP, now->from.len) == 0);
	assert(now->from_whole.at == now->insert_at && now->from_whole.len == strlen(FROM));
	element_is_same(bytes, e, spliced, now);
}

/* Each attribute with its own name is the one that is found by it; what the event tells of is among them. */
static void attributes_check(const uint8_t *bytes, const struct xml_event *e)
{
	static const char *const names[] = {"to", "from", "id", "type", "xml:lang"};
	const struct xml_range told[] = {e->to, e->from, e->id, e->type, e->lang};
	struct xml_attribute_place place;
	uint32_t at = e->insert_at, behind = at;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		bool found = xml_attribute_find(bytes, e, names[i], &place);
		assert(found == (told[i].at != 0));
		assert(!found || (place.value.at == told[i].at && place.value.len == told[i].len));
	}
	if (xml_attribute_find(bytes, e, "from", &place))
		assert(place.whole.at == e->from_whole.at && place.whole.len == e->from_whole.len);
	while (xml_attribute_next(bytes, &at, &place)) {
		assert(place.whole.at == behind && at == behind + place.whole.len && at < e->end);
		assert(place.name.at > behind && place.value.at + place.value.len + 1 == at);
		behind = at;
	}
	while (strchr(" \t\r\n", bytes[at]))
		at++;
	assert(e->text.at ? bytes[at] == '>' : bytes[at] == '/' || bytes[at] == '>');
}

/* The same change made to a copy: `out` is where it is in the copy. */
static size_t copy_edit(uint8_t *copy, size_t len, struct xml_range out, const uint8_t *text, size_t text_len)
{
	memmove(copy + out.at + text_len, copy + out.at + out.len, len - out.at - out.len);
	memcpy(copy + out.at, text, text_len);
	return len - out.len + text_len;
}

/* The attributes from the last to the first, so that a copy's places hold; put in is first of all, and last of all. */
static void changes_check(const uint8_t *bytes, const struct xml_event *e, uint64_t seed)
{
	static uint8_t copy[ROOM], spliced[ROOM];
	static const uint8_t text[] = " new='1'";
	struct xml_attribute_place places[CHANGES];
	struct xml_splice splice;
	size_t count = 0, len = e->end - e->begin;
	uint32_t at = e->insert_at;
	while (count < CHANGES && xml_attribute_next(bytes, &at, &places[count]))
		count++;
	memcpy(copy, bytes + e->begin, len);
	xml_splice_begin(&splice, bytes, e);
	xml_splice_insert(&splice, text, 4);
	for (size_t i = count; i-- > 0;) {
		uint64_t random = probe_random(&seed);
		struct xml_range out = random & 1 ? places[i].whole : places[i].value;
		size_t text_len = random >> 8 & 7;
		if (random & 2)
			continue;
		if (random & 1 && random & 4)
			xml_splice_remove(&splice, out), text_len = 0;
		else
			xml_splice_replace(&splice, out, text, text_len);
		out.at -= e->begin;
		len = copy_edit(copy, len, out, text, text_len);
	}
	xml_splice_insert(&splice, text + 4, 4);
	len = copy_edit(copy, len, (struct xml_range){e->insert_at - e->begin, 0}, text, 8);
	assert(pieces_join(&splice, spliced) == len && memcmp(copy, spliced, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct probe seen;
	static uint8_t stream[INPUT_BYTES_MAX + 512];
	uint64_t seed = 1;
	if (len < HEAD || len > INPUT_BYTES_MAX)
		return 0;
	memcpy(&seed, bytes + 1, HEAD - 1);
	const char *declares = headers[bytes[0] % (sizeof(headers) / sizeof(headers[0]))];
	size_t filled = strlen("<stream:stream " STREAMS);
	memcpy(stream, "<stream:stream " STREAMS, filled);
	memcpy(stream + filled, declares, strlen(declares));
	filled += strlen(declares);
	stream[filled++] = '>';
	if ((len - HEAD) / 4 >= PROBE_EVENTS_MAX - 2)
		len = 4 * (PROBE_EVENTS_MAX - 3);
	memcpy(stream + filled, bytes + HEAD, len - HEAD);
	probe_run(&(struct probe_plan){.scoped = true, .bytes = stream, .len = filled + len - HEAD}, &seen);
	for (size_t i = 1; i < seen.count; i++) {
		if (seen.events[i].is != XML_ELEMENT)
			continue;
		attributes_check(stream, &seen.events[i]);
		stamped_check(stream, &seen.events[i]);
		changes_check(stream, &seen.events[i], (seed + i) | 1);
	}
	return 0;
}
