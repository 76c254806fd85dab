/*
 * The tokenizer's algorithm, written once over the names that each instruction set's file defines before it includes
 * this one:
 *
 *     enum { WINDOW = 64, NAME_WINDOW }
 *                    bytes looked at together, the latter in names, at most 64
 *     uint32_t window_run(const uint8_t *window, uint32_t skip, enum stop)
 *                    bytes from window + skip on, before the first that ends a run of that kind; WINDOW (NAME_WINDOW)
 *                    or more when none of the window does. It may look at all of the window, and at nothing else; skip
 *                    is less than the window.
 *
 *                    It also stops at U+0000, which stands behind copies of the last bytes.
 *     struct marks marks_of(const uint8_t *window)
 *     size_t marks_open(struct marks, uint64_t word)
 *     size_t marks_close(struct marks, size_t open)
 *                    where the window, which begins with an attribute's name and its first eight bytes as a word, may
 *                    have the value's opening quote; and, if it is at `open`, where its closing quote may be, or else
 *                    WINDOW. Both are guesses that the bytes there prove or not; but between them is no quote, no '<',
 *                    no '&'
 *     enum { NAME_EQUAL_MAX }
 *     bool names_equal(const uint8_t *a, const uint8_t *b, size_t len)
 *                    whether two names are the same, and of at most that many bytes; as many may be read
 *
 * Every function below returns whether to go on; if not, walk->error tells a fault from bytes running out. Whatever a
 * function had to know about bytes already passed is in struct xml_work, so the walk may stop at any byte. Faults are
 * found at the first byte (or last byte of a character) that makes the item unacceptable, so that the verdict is the
 * same for every cut.
 */
#include "xml_attribute.h"
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

/*
 * Bytes from `at` on before one that ends a run of the kind; a window or more: there is none among the next ones. Where
 * less than a window may be read, the last one that may is looked at, from the byte at `at` on.
 */
static ALWAYS_INLINE uint32_t run_bytes(const struct xml_walk *k, uint32_t at, enum stop stop)
{
	uint32_t skip = 0, last = k->last + (stop == STOP_NAME ? WINDOW - NAME_WINDOW : 0);
	if (__builtin_expect(at > last, 0)) {
		skip = at - last;
		at = last;
	}
	return window_run(k->bytes + at, skip, stop);
}

/* The first byte from `at` on that ends a run of the kind, or the end. */
static ALWAYS_INLINE uint32_t run_end(const struct xml_walk *k, uint32_t at, enum stop stop)
{
	uint32_t window = stop == STOP_NAME ? NAME_WINDOW : WINDOW;
	while (at < k->end) {
		uint32_t bytes = run_bytes(k, at, stop);
		if (bytes < window) {
			at += bytes;
			break;
		}
		at += window;
	}
	return at < k->end ? at : k->end;
}

typedef uint64_t copy_word __attribute__((aligned(1), may_alias));
typedef uint64_t copy_chunk __attribute__((vector_size(32), aligned(1), may_alias));

/* Copies all of the bytes, in chunks of which the last may overlap the one before; few bytes one by one. */
static inline void bytes_copy(uint8_t *to, const uint8_t *from, size_t len)
{
	if (len >= 32) {
		for (size_t i = 0; i < len - 32; i += 32)
			*(copy_chunk *)(to + i) = *(const copy_chunk *)(from + i);
		*(copy_chunk *)(to + len - 32) = *(const copy_chunk *)(from + len - 32);
	} else if (len >= 8) {
		for (size_t i = 0; i < len - 8; i += 8)
			*(copy_word *)(to + i) = *(const copy_word *)(from + i);
		*(copy_word *)(to + len - 8) = *(const copy_word *)(from + len - 8);
	} else {
		for (size_t i = 0; i < len; i++)
			to[i] = from[i];
	}
}

static inline void window_clear(uint8_t *to)
{
	for (size_t i = 0; i < WINDOW; i += 32)
		*(copy_chunk *)(to + i) = (copy_chunk){0};
}

/* A declaration of the default namespace, whose value is plain, behind so many others. */
static ALWAYS_INLINE void plain_declare(struct xml_work *w, struct xml_range value, uint32_t namespaces)
{
	struct xml_declared *d = &w->declared[namespaces];
	d->at = value.at;
	d->len = value.len;
	d->prefix_at = 0;
	d->prefix_len = d->same = 0;
}

/* Whether the names of xml and xmlns are as long. */
static ALWAYS_INLINE bool length_is_reserved(size_t len)
{
	return (len == sizeof(NS_XML) - 1) | (len == sizeof(NS_XMLNS) - 1);
}

#include "xml_straight.h"

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
		w->pos = run_end(k, w->pos, STOP_NAME);
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
	if (w->depth >= k->limits->depth_max)
		return walk_bad(k, XML_ERROR_LIMIT_DEPTH, w->pos);
	if (w->elements >= k->limits->elements_max)
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
	w->seen = 0;
	w->prefix_len = w->colon ? w->colon - w->token : 0;
	w->gap = w->pos;
	w->at = XML_AT_TAG;
	return true;
}

static inline bool tag_resolve(struct xml_walk *k, struct xml_work *w)
{
	bool plain = w->depth > 2 && w->prefixed == 0 && w->prefix_len == 0;
	uint32_t at;
	if (w->depth == 1)
		from_tell(w);
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
	if (w->attributes >= k->limits->attributes_max)
		return walk_bad(k, XML_ERROR_LIMIT_ATTRIBUTES, w->pos);
	w->token = w->pos;
	w->colon = 0;
	w->pos += bytes;
	w->at = XML_AT_ATTRIBUTE;
	return true;
}

static inline bool attribute_named(struct xml_walk *k, struct xml_work *w)
{
	if (!name_walk(k, w))
		return false;
	uint32_t len = w->pos - w->token;
	w->key = name_key(k, w->token, len);
	if (attribute_is_twice(k, w, attribute_bit(w->key) & w->seen, w->token, len, w->attributes))
		return walk_bad(k, XML_ERROR_ATTRIBUTE_TWICE, w->token);
	uint32_t prefix_len = w->colon ? w->colon - w->token : 0;
	w->seen |= attribute_bit(w->key);
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

/* At a value's closing quote. */
static inline bool attribute_end(struct xml_walk *k, struct xml_work *w)
{
	struct xml_range value = {w->value, w->pos - w->value};
	enum xml_note note = w->colon ? XML_NOTE_NONE : attribute_note(w->key);
	bool declares =
		w->colon ? xml_text_is(k->bytes, w->token, w->colon - w->token, "xmlns") : note == XML_NOTE_XMLNS;
	if (note == XML_NOTE_XMLNS && w->namespaces < k->limits->namespaces_max && !length_is_reserved(value.len) &&
	    run_end(k, w->value, STOP_URI) == w->pos) {
		plain_declare(w, value, w->namespaces);
		w->usual = ++w->namespaces;
	} else if (declares) {
		enum xml_error error = xml_namespace_declare(w, k->limits, k->bytes, value);
		if (error != XML_ERROR_NONE)
			return walk_bad(k, error, w->value);
	} else if (w->colon) {
		w->prefixed++;
		if (xml_text_is(k->bytes, w->token, w->name_len, "xml:lang"))
			note = XML_NOTE_LANG;
	}
	if (w->depth == 1)
		note_take(w, note, value);
	w->gap = ++w->pos;
	w->at = XML_AT_TAG;
	return true;
}

static inline bool value_walk(struct xml_walk *k, struct xml_work *w)
{
	w->pos = run_end(k, w->pos, stop_of_quote(w->quote));
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

/* At what ends the text, to which item_walk() went. */
static inline bool text_walk(struct xml_walk *k, struct xml_work *w)
{
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
	w->at = w->depth ? XML_AT_END : XML_AT_FOOTER;
	return !w->header || walk_bad(k, XML_ERROR_SYNTAX, w->pos - 1);
}

/* </stream:stream>, with white space before its end if need be. */
static inline bool footer_walk(struct xml_walk *k, struct xml_work *w)
{
	static const char footer[] = "</stream:stream";
	enum { NAMED = sizeof(footer) - 1 };
	for (; w->pos < k->end; w->pos++) {
		uint8_t c = k->bytes[w->pos];
		if (w->pos >= NAMED && c == '>') {
			w->pos++;
			w->at = XML_AT_DONE;
			return false;
		}
		if (w->pos < NAMED ? c != (uint8_t)footer[w->pos] : !byte_is_space(c))
			return walk_bad(k, XML_ERROR_END_TAG, w->pos);
	}
	return false;
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
	w->pos = run_end(k, w->pos, STOP_GT);
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
	if (w->at == XML_AT_FOOTER)
		return footer_walk(k, w);
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

/* Steps of the automaton; between them, straight ahead. */
static __attribute__((noinline)) void item_walk(struct xml_walk *k, struct xml_work *w)
{
	uint32_t roomy = straight_room(k);
	do {
		if (w->at == XML_AT_TEXT)
			w->pos = run_end(k, w->pos, STOP_TEXT);
		if (w->pos < roomy && straight_begins(k, w)) {
			straight_walk(k, w, k->bytes, 0, roomy);
			if (w->at == XML_AT_TEXT)
				w->pos = run_end(k, w->pos, STOP_TEXT);
		}
		if (w->pos >= roomy && w->pos < k->end && straight_begins(k, w))
			straight_copy(k, w);
		if (w->at == XML_AT_DONE)
			return;
	} while (w->pos < k->end && (w->at < XML_AT_NAME ? content_walk(k, w) : start_tag_walk(k, w)));
}

/* Where less than a window may be read, the bytes are looked at in a copy that has one. */
static __attribute__((noinline)) void copy_walk(struct xml_walk *k, struct xml_work *w)
{
	uint8_t copy[WINDOW];
	window_clear(copy);
	bytes_copy(copy, k->bytes, k->readable);
	struct xml_walk of_copy = *k;
	of_copy.bytes = copy;
	of_copy.readable = WINDOW;
	of_copy.last = 0;
	item_walk(&of_copy, w);
	k->error = of_copy.error;
	k->error_at = of_copy.error_at;
}

static ALWAYS_INLINE void window_walk(struct xml_walk *k, struct xml_work *w)
{
	uint32_t roomy = straight_room(k);
	if (k->readable < WINDOW) {
		copy_walk(k, w);
		return;
	}
	k->last = k->readable - WINDOW;
	if (w->pos < roomy && straight_begins(k, w)) {
		straight_walk(k, w, k->bytes, 0, roomy);
		if (w->at == XML_AT_DONE)
			return;
	}
	item_walk(k, w);
}
