/*
 * The tokenizer's algorithm, written once over the names that each instruction set's file defines before it includes
 * this one:
 *
 *     enum { LANES }                                        bytes looked at together, 1 to 64
 *     typedef ... lanes; typedef ... lanes_mask;            mask: bit i is about byte i; at least LANES bits
 *     lanes lanes_load(const uint8_t *p);                   LANES bytes, at any address
 *     lanes_mask lanes_stops(lanes, enum stop, uint8_t c);  bytes at which a run of that kind ends
 *     uint32_t lanes_first(lanes_mask);                     lowest bit set
 *
 * Every function below returns whether to go on; if not, walk->error tells a fault from bytes running out. Whatever a
 * function had to know about bytes already passed is in struct xml_work, so the walk may stop at any byte. Faults are
 * found at the first byte (or last byte of a character) that makes the item unacceptable, so that the verdict is the
 * same for every cut.
 */
#include "xml_char.h"
#include "xml_namespace.h"
#include "xml_reference.h"
#include "xml_state.h"

static inline bool walk_bad(struct xml_walk *k, enum xml_error error, uint32_t at)
{
	k->error = error;
	k->error_at = at;
	return false;
}

/* Near the end of what may be read: LANES bytes that end there, shifted; or one by one when there are not so many. */
static inline lanes_mask stops_at_end(const struct xml_walk *k, uint32_t at, enum stop stop, uint8_t c)
{
	if (k->readable >= LANES) {
		uint32_t back = k->readable - LANES;
		return lanes_stops(lanes_load(k->bytes + back), stop, c) >> (at - back);
	}
	uint8_t copy[LANES];
	for (uint32_t i = 0; i < LANES; i++)
		copy[i] = at + i < k->readable ? k->bytes[at + i] : 0;
	return lanes_stops(lanes_load(copy), stop, c);
}

/* The first byte from `at` on that ends a run of the kind, or the end. */
static inline uint32_t run_end(const struct xml_walk *k, uint32_t at, enum stop stop, uint8_t c)
{
	while (at < k->end) {
		bool whole = at + LANES <= k->readable;
		lanes_mask mask =
			whole ? lanes_stops(lanes_load(k->bytes + at), stop, c) : stops_at_end(k, at, stop, c);
		if (mask) {
			at += lanes_first(mask);
			return at < k->end ? at : k->end;
		}
		at += LANES;
	}
	return k->end;
}

static inline bool space_skip(struct xml_walk *k, struct xml_work *w)
{
	while (w->pos < k->end && byte_is_space(k->bytes[w->pos]))
		w->pos++;
	return w->pos < k->end;
}

/* Bytes of the character at pos if a name may begin with it, else 0. */
static inline uint32_t name_start_bytes(const struct xml_walk *k, uint32_t at)
{
	uint8_t c = k->bytes[at];
	return c < 0x80 ? (xml_class[c] & XML_CLASS_START) != 0 : xml_name_char_bytes(k->bytes + at, true);
}

static inline bool name_colon(struct xml_walk *k, struct xml_work *w)
{
	if (w->colon)
		return walk_bad(k, XML_ERROR_NAME, w->pos);
	w->colon = w->pos++;
	return true;
}

static inline bool name_is_short(struct xml_walk *k, const struct xml_work *w)
{
	uint32_t max = k->limits->name_bytes_max;
	return w->pos - w->token <= max || walk_bad(k, XML_ERROR_LIMIT_NAME, w->token + max);
}

/* Walks to the end of the qualified name that began at token: prefix and local part are names without colon. */
static inline bool name_walk(struct xml_walk *k, struct xml_work *w)
{
	for (;;) {
		if (!name_is_short(k, w))
			return false;
		if (w->colon && w->pos == w->colon + 1 && w->pos < k->end) {
			uint32_t bytes = name_start_bytes(k, w->pos);
			if (bytes == 0)
				return walk_bad(k, XML_ERROR_NAME, w->pos);
			w->pos += bytes;
		}
		w->pos = run_end(k, w->pos, STOP_NAME, 0);
		if (!name_is_short(k, w) || w->pos == k->end)
			return false;
		uint8_t c = k->bytes[w->pos];
		if (c == ':') {
			if (!name_colon(k, w))
				return false;
		} else if (c >= 0x80) {
			uint32_t bytes = xml_name_char_bytes(k->bytes + w->pos, false);
			if (bytes == 0)
				return walk_bad(k, XML_ERROR_NAME, w->pos);
			w->pos += bytes;
		} else {
			return true;
		}
	}
}

static inline bool element_end(struct xml_work *w)
{
	w->depth--;
	w->namespaces = w->open[w->depth].namespaces;
	w->at = w->depth ? XML_AT_TEXT : XML_AT_DONE;
	return w->depth != 0;
}

static inline bool element_begin(struct xml_walk *k, struct xml_work *w)
{
	uint32_t bytes = name_start_bytes(k, w->pos);
	uint8_t c = k->bytes[w->pos];
	if (bytes == 0)
		return walk_bad(k, c >= 0x80 || xml_class[c] & XML_CLASS_NAME ? XML_ERROR_NAME : XML_ERROR_SYNTAX,
				w->pos);
	if (w->depth == k->limits->depth_max)
		return walk_bad(k, XML_ERROR_LIMIT_DEPTH, w->pos);
	if (w->elements == k->limits->elements_max)
		return walk_bad(k, XML_ERROR_LIMIT_ELEMENTS, w->pos);
	w->token = w->pos;
	w->colon = 0;
	w->pos += bytes;
	w->at = XML_AT_NAME;
	return true;
}

/* What the draft tells of the first-level element and of its first child. */
static inline void element_note(struct xml_work *w, uint32_t local_at)
{
	struct xml_range name = {local_at, w->pos - local_at};
	if (w->depth == 1) {
		w->draft.name = name;
		w->draft.prefix =
			w->colon ? (struct xml_range){w->token, w->colon - w->token} : (struct xml_range){0, 0};
		w->draft.insert_at = w->pos;
	} else if (w->depth == 2 && w->draft.child.at == 0) {
		w->draft.child = name;
	}
}

static inline bool element_named(struct xml_walk *k, struct xml_work *w)
{
	if (!name_walk(k, w))
		return false;
	w->open[w->depth++] = (struct xml_open){w->token, (uint16_t)(w->pos - w->token), (uint16_t)w->namespaces};
	w->elements++;
	if (w->depth > w->deepest)
		w->deepest = w->depth;
	if (w->depth <= 2)
		element_note(w, w->colon ? w->colon + 1 : w->token);
	w->attributes = 0;
	w->prefixed = 0;
	w->prefix_len = w->colon ? w->colon - w->token : 0;
	w->gap = w->pos;
	w->at = XML_AT_TAG;
	return true;
}

static inline bool tag_resolve(struct xml_walk *k, struct xml_work *w)
{
	bool plain = w->depth > 2 && w->prefixed == 0 && w->prefix_len == 0;
	uint32_t at;
	enum xml_error error = plain ? XML_ERROR_NONE : xml_namespace_resolve(w, k->bytes, &at);
	return error == XML_ERROR_NONE || walk_bad(k, error, at);
}

static inline bool tag_open(struct xml_walk *k, struct xml_work *w)
{
	w->pos++;
	if (!tag_resolve(k, w))
		return false;
	w->at = XML_AT_TEXT;
	if (w->depth == 1)
		w->draft.text.at = w->pos;
	if (w->header)
		w->at = XML_AT_DONE;
	return !w->header;
}

static inline bool tag_slash(struct xml_walk *k, struct xml_work *w)
{
	if (k->bytes[w->pos] != '>' || w->header)
		return walk_bad(k, XML_ERROR_SYNTAX, w->pos);
	w->pos++;
	return tag_resolve(k, w) && element_end(w);
}

/* Between attributes: white space, another attribute, or the tag's end. */
static inline bool tag_walk(struct xml_walk *k, struct xml_work *w)
{
	if (!space_skip(k, w))
		return false;
	uint8_t c = k->bytes[w->pos];
	if (c == '>')
		return tag_open(k, w);
	if (c == '/') {
		w->pos++;
		w->at = XML_AT_SLASH;
		return true;
	}
	uint32_t bytes = name_start_bytes(k, w->pos);
	if (bytes == 0 || w->pos == w->gap)
		return walk_bad(k, bytes || c >= 0x80 ? XML_ERROR_NAME : XML_ERROR_SYNTAX, w->pos);
	if (w->attributes == k->limits->attributes_max)
		return walk_bad(k, XML_ERROR_LIMIT_ATTRIBUTES, w->pos);
	w->token = w->pos;
	w->colon = 0;
	w->pos += bytes;
	w->at = XML_AT_ATTRIBUTE;
	return true;
}

/* Up to eight bytes of a name as a number; names of up to eight bytes differ in it. */
static inline uint64_t name_word(const struct xml_walk *k, uint32_t at, uint32_t len)
{
	uint64_t word = 0;
	if (at + 8 <= k->readable) {
		__builtin_memcpy(&word, k->bytes + at, 8);
		return len >= 8 ? word : word & ((UINT64_C(1) << 8 * len) - 1);
	}
	for (uint32_t i = 0; i < len && i < 8; i++)
		word |= (uint64_t)k->bytes[at + i] << 8 * i;
	return word;
}

static inline uint64_t name_key(const struct xml_walk *k, uint32_t at, uint32_t len)
{
	uint64_t key = name_word(k, at, len);
	if (len > 8)
		key += (name_word(k, at + len - 8, 8) ^ len) * UINT64_C(0x9E3779B97F4A7C15);
	return key;
}

static inline bool attribute_is_new(const struct xml_walk *k, const struct xml_work *w, uint64_t key, uint32_t len)
{
	for (uint32_t i = 0; i < w->attributes; i++)
		if (w->keys[i] == key && w->attribute[i].len == len &&
		    xml_bytes_equal(k->bytes + w->attribute[i].at, k->bytes + w->token, len))
			return false;
	return true;
}

static inline bool attribute_named(struct xml_walk *k, struct xml_work *w)
{
	if (!name_walk(k, w))
		return false;
	uint32_t len = w->pos - w->token;
	uint64_t key = name_key(k, w->token, len);
	if (!attribute_is_new(k, w, key, len))
		return walk_bad(k, XML_ERROR_ATTRIBUTE_TWICE, w->token);
	uint32_t prefix_len = w->colon ? w->colon - w->token : 0;
	w->keys[w->attributes] = key;
	w->attribute[w->attributes++] = (struct xml_attribute){w->token, (uint16_t)len, (uint16_t)prefix_len};
	w->name_len = len;
	w->at = XML_AT_EQUALS;
	return true;
}

static inline bool equals_walk(struct xml_walk *k, struct xml_work *w)
{
	if (!space_skip(k, w))
		return false;
	if (k->bytes[w->pos] != '=')
		return walk_bad(k, XML_ERROR_SYNTAX, w->pos);
	w->pos++;
	w->at = XML_AT_QUOTE;
	return true;
}

static inline bool quote_walk(struct xml_walk *k, struct xml_work *w)
{
	if (!space_skip(k, w))
		return false;
	uint8_t c = k->bytes[w->pos];
	if (c != '\'' && c != '"')
		return walk_bad(k, XML_ERROR_SYNTAX, w->pos);
	w->quote = c;
	w->value = ++w->pos;
	w->at = XML_AT_VALUE;
	return true;
}

#define WORD2(a, b)	  ((uint64_t)(a) | (uint64_t)(b) << 8)
#define WORD4(a, b, c, d) (WORD2(a, b) | WORD2(c, d) << 16)

/* Notes an attribute without prefix of the first-level element. */
static inline void attribute_note(struct xml_work *w, uint64_t key, struct xml_range value)
{
	struct xml_event *draft = &w->draft;
	if (w->name_len == 2 && key == WORD2('t', 'o')) {
		draft->to = value;
	} else if (w->name_len == 2 && key == WORD2('i', 'd')) {
		draft->id = value;
	} else if (w->name_len == 4 && key == WORD4('t', 'y', 'p', 'e')) {
		draft->type = value;
	} else if (w->name_len == 4 && key == WORD4('f', 'r', 'o', 'm')) {
		draft->from = value;
		draft->from_whole = (struct xml_range){w->gap, w->pos + 1 - w->gap};
	} else if (w->header && w->name_len == 7 &&
		   key == (WORD4('v', 'e', 'r', 's') | WORD4('i', 'o', 'n', 0) << 32)) {
		draft->version = value;
	}
}

#define WORD_XMLNS (WORD4('x', 'm', 'l', 'n') | (uint64_t)'s' << 32)

/* At a value's closing quote. */
static inline bool attribute_end(struct xml_walk *k, struct xml_work *w)
{
	struct xml_range value = {w->value, w->pos - w->value};
	uint64_t key = w->keys[w->attributes - 1];
	bool prefixed = w->colon != 0;
	if (prefixed ? w->colon - w->token == 5 && name_word(k, w->token, 5) == WORD_XMLNS
		     : w->name_len == 5 && key == WORD_XMLNS) {
		enum xml_error error = xml_namespace_declare(w, k->limits, k->bytes, value);
		if (error != XML_ERROR_NONE)
			return walk_bad(k, error, w->value);
	} else if (prefixed) {
		w->prefixed++;
		if (w->depth == 1 && w->name_len == 8 && xml_text_is(k->bytes, w->token, 8, "xml:lang"))
			w->draft.lang = value;
	} else if (w->depth == 1) {
		attribute_note(w, key, value);
	}
	w->gap = ++w->pos;
	w->at = XML_AT_TAG;
	return true;
}

static inline bool value_walk(struct xml_walk *k, struct xml_work *w)
{
	w->pos = run_end(k, w->pos, STOP_VALUE, w->quote);
	if (w->pos == k->end)
		return false;
	uint8_t c = k->bytes[w->pos];
	if (c == '<')
		return walk_bad(k, XML_ERROR_SYNTAX, w->pos);
	if (c != '&')
		return attribute_end(k, w);
	w->reference = ++w->pos;
	w->at = XML_AT_VALUE_REFERENCE;
	return true;
}

static inline bool reference_walk(struct xml_walk *k, struct xml_work *w, enum xml_at after)
{
	uint32_t code, at;
	enum xml_error error;
	int used = xml_reference_read(k->bytes + w->reference, k->end - w->reference, &code, &error, &at);
	if (used < 0)
		return walk_bad(k, error, w->reference + at);
	if (used == 0)
		return false;
	w->pos = w->reference + (uint32_t)used;
	w->at = after;
	return true;
}

/* Whether "]]" stands before the '>' at `at`. Text and CDATA begin behind '>' or '[': looking back does not lead out.
 */
static inline bool ends_cdata(const struct xml_walk *k, uint32_t at)
{
	return k->bytes[at - 1] == ']' && k->bytes[at - 2] == ']';
}

static inline bool text_walk(struct xml_walk *k, struct xml_work *w)
{
	w->pos = run_end(k, w->pos, STOP_TEXT, 0);
	if (w->pos == k->end)
		return false;
	uint32_t at = w->pos++;
	uint8_t c = k->bytes[at];
	if (c == '<') {
		w->at = XML_AT_LT;
	} else if (c == '&') {
		w->reference = w->pos;
		w->at = XML_AT_REFERENCE;
	} else if (ends_cdata(k, at)) {
		return walk_bad(k, XML_ERROR_SYNTAX, at);
	}
	return true;
}

static inline bool end_begin(struct xml_walk *k, struct xml_work *w)
{
	w->token = ++w->pos;
	w->at = XML_AT_END;
	return w->depth != 0 || walk_bad(k, XML_ERROR_SYNTAX, w->pos - 1);
}

/* Behind '<'. */
static inline bool lt_walk(struct xml_walk *k, struct xml_work *w)
{
	uint8_t c = k->bytes[w->pos];
	if (c == '/')
		return end_begin(k, w);
	if (c == '?' || (c == '!' && w->depth == 0))
		return walk_bad(k, XML_ERROR_RESTRICTED, w->pos);
	if (c != '!')
		return element_begin(k, w);
	w->token = ++w->pos;
	w->at = XML_AT_CDATA_MARK;
	return true;
}

static inline bool cdata_mark_walk(struct xml_walk *k, struct xml_work *w)
{
	static const uint8_t mark[] = {'[', 'C', 'D', 'A', 'T', 'A', '['};
	uint32_t matched = w->pos - w->token;
	if (k->bytes[w->pos] != mark[matched])
		return walk_bad(k, matched ? XML_ERROR_SYNTAX : XML_ERROR_RESTRICTED, w->pos);
	w->pos++;
	if (matched + 1 == sizeof(mark))
		w->at = XML_AT_CDATA;
	return true;
}

static inline bool cdata_walk(struct xml_walk *k, struct xml_work *w)
{
	w->pos = run_end(k, w->pos, STOP_GT, 0);
	if (w->pos == k->end)
		return false;
	uint32_t at = w->pos++;
	if (ends_cdata(k, at))
		w->at = XML_AT_TEXT;
	return true;
}

/* The end tag's name, compared as it arrives. */
static inline bool end_walk(struct xml_walk *k, struct xml_work *w)
{
	const struct xml_open *open = &w->open[w->depth - 1];
	uint32_t end = w->token + open->len;
	for (; w->pos < end; w->pos++) {
		if (w->pos == k->end)
			return false;
		if (k->bytes[w->pos] != k->bytes[open->at + (w->pos - w->token)])
			return walk_bad(k, XML_ERROR_END_TAG, w->pos);
	}
	w->at = XML_AT_END_SPACE;
	return true;
}

static inline bool end_space_walk(struct xml_walk *k, struct xml_work *w)
{
	if (!space_skip(k, w))
		return false;
	if (k->bytes[w->pos] != '>')
		return walk_bad(k, XML_ERROR_END_TAG, w->pos);
	w->pos++;
	if (w->depth == 1)
		w->draft.text.len = w->token - 2 - w->draft.text.at;
	return element_end(w);
}

/* Text, end tags, and what else stands between start tags. Falls through in the order in which things follow. */
static inline bool content_walk(struct xml_walk *k, struct xml_work *w)
{
	if (w->at == XML_AT_TEXT && !text_walk(k, w))
		return false;
	if (w->at == XML_AT_LT && (w->pos == k->end || !lt_walk(k, w)))
		return false;
	if (w->at == XML_AT_END && !end_walk(k, w))
		return false;
	if (w->at == XML_AT_END_SPACE)
		return end_space_walk(k, w);
	if (w->at == XML_AT_REFERENCE)
		return reference_walk(k, w, XML_AT_TEXT);
	if (w->at == XML_AT_CDATA_MARK)
		return w->pos < k->end && cdata_mark_walk(k, w);
	return w->at != XML_AT_CDATA || cdata_walk(k, w);
}

static inline bool start_tag_walk(struct xml_walk *k, struct xml_work *w)
{
	if (w->at == XML_AT_NAME && !element_named(k, w))
		return false;
	if (w->at == XML_AT_TAG && !tag_walk(k, w))
		return false;
	if (w->at == XML_AT_ATTRIBUTE && !attribute_named(k, w))
		return false;
	if (w->at == XML_AT_EQUALS && !equals_walk(k, w))
		return false;
	if (w->at == XML_AT_QUOTE && !quote_walk(k, w))
		return false;
	if (w->at == XML_AT_VALUE && !value_walk(k, w))
		return false;
	if (w->at == XML_AT_VALUE_REFERENCE)
		return reference_walk(k, w, XML_AT_VALUE);
	return w->at != XML_AT_SLASH || (w->pos < k->end && tag_slash(k, w));
}

static inline void item_walk(struct xml_walk *k, struct xml_work *w)
{
	while (w->pos < k->end)
		if (!(w->at < XML_AT_NAME ? content_walk(k, w) : start_tag_walk(k, w)))
			return;
}
