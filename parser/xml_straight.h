/*
 * The straight way: elements as they usually are, <name attribute='value'>text</name>, without the automaton's steps.
 * What it needs to remember it keeps in registers; where anything else comes (a prefix, a reference, white space in
 * an unusual place, a fault, the end of what is there), it writes all of it down as the automaton would have, and
 * leaves the rest to it. It passes no byte that the automaton would refuse. Part of the tokenizer's body.
 *
 * Nothing here asks whether the bytes end. They do not before `bound`; what stands near the end is looked at in a copy
 * with nothing but zeros behind it, which end every run of a name and are right nowhere.
 */
struct straight {
	const struct xml_walk *k;
	struct xml_work *w;
	const uint8_t *bytes; /* where the item's first byte is, or would be if all of it had been copied */
	size_t bound;	      /* a step may begin before it */
	size_t pos;	      /* past the end if need be, until it is written down */
	uint32_t name_max, attributes_max, depth_max, elements_left;
	uint32_t depth, attributes, namespaces, usual;
	uint64_t seen;
	size_t token, value; /* names and values begin there */
};

/* Bytes that a step may look at from where it begins: a window, and a few around it. */
enum { STRAIGHT_ROOM = WINDOW + 8 };
/* The longest name: one window must reach from its first byte over `="` into the value. */
enum { STRAIGHT_NAME_MAX = NAME_WINDOW - 1 < WINDOW - 4 ? NAME_WINDOW - 1 : WINDOW - 4 };

/* What a step leads to: straight on (behind an element's end, with more to come), or a state of the automaton. */
enum { STRAIGHT_ON = 0xFF, STRAIGHT_CLOSED = 0xFE };

static ALWAYS_INLINE uint64_t straight_word(const struct straight *s, size_t at)
{
	uint64_t word;
	__builtin_memcpy(&word, s->bytes + at, 8);
	return word;
}

/*
 * Whether a name that names may hold begins here: of the bytes that may stand in a name, those that may not be its
 * first are below the letters.
 */
static ALWAYS_INLINE bool name_is_usual(const struct straight *s, size_t at, size_t len)
{
	return s->bytes[at] >= 'A' && len - 1 < s->name_max;
}

/* A declaration whose value is plain. Those of xml and xmlns are the automaton's. */
static ALWAYS_INLINE bool straight_declare(struct straight *s, size_t len)
{
	struct xml_work *w = s->w;
	bool special = (len == sizeof(NS_XML) - 1) | (len == sizeof(NS_XMLNS) - 1);
	if (s->namespaces == s->k->limits->namespaces_max || run_end(s->k, (uint32_t)s->value, STOP_URI) != s->pos)
		return false;
	if (special && name_word(s->k, (uint32_t)s->value + NS_HOST, 8) == NS_HOST_WORD)
		return false;
	if (w->compared > s->namespaces)
		w->compared = s->namespaces;
	w->declared[s->namespaces++] = (struct xml_declared){.at = (uint32_t)s->value, .len = (uint32_t)len};
	s->usual = s->namespaces;
	return true;
}

/* Bytes of the value, up to its closing quote. A value longer than the window, or with the other quote: as it comes. */
static ALWAYS_INLINE size_t straight_value_len(const struct straight *s, struct marks marks, uint8_t quote)
{
	size_t len = marks_run(marks, s->value - s->token);
	if (len < WINDOW && s->bytes[s->value + len] == quote)
		return len;
	return run_end(s->k, (uint32_t)s->value, stop_of_quote(quote)) - s->value;
}

/* From behind the opening quote on. */
static ALWAYS_INLINE uint32_t straight_value(struct straight *s, enum xml_note note, struct marks marks, uint8_t quote)
{
	size_t len = straight_value_len(s, marks, quote);
	s->pos = s->value + len;
	if (s->pos >= s->k->end || s->k->bytes[s->pos] != quote)
		return XML_AT_VALUE;
	if (note == XML_NOTE_XMLNS && !straight_declare(s, len))
		return XML_AT_VALUE;
	uint32_t place = s->depth == 1 ? note : XML_NOTE_NONE;
	s->w->noted[place] = (struct xml_range){(uint32_t)s->value, (uint32_t)len};
	s->w->noted_gap[place] = (uint32_t)s->token - 1;
	s->pos++;
	return STRAIGHT_ON;
}

/* From behind '=' on. */
static ALWAYS_INLINE uint32_t straight_named(struct straight *s, uint64_t hash, enum xml_note note, struct marks marks)
{
	size_t len = s->pos - s->token;
	uint8_t quote = s->bytes[s->pos + 1];
	if (quote != quote_of_stop(stop_of_quote(quote)))
		return XML_AT_ATTRIBUTE;
	uint64_t bit = UINT64_C(1) << hash;
	if (__builtin_expect((bit & s->seen) != 0, 0) &&
	    attribute_is_twice(s->k, s->w, bit, (uint32_t)s->token, (uint32_t)len, s->attributes))
		return XML_AT_ATTRIBUTE;
	s->seen |= bit;
	s->w->attribute[s->attributes++] = (struct xml_attribute){(uint32_t)s->token, (uint16_t)len, 0};
	s->value = s->pos + 2;
	return straight_value(s, note, marks, quote);
}

/* An attribute's name that is not of the table. */
static ALWAYS_INLINE uint32_t straight_rare(struct straight *s, struct marks marks)
{
	size_t len = window_run(s->bytes + s->token, 0, STOP_NAME);
	if (!name_is_usual(s, s->token, len))
		return XML_AT_TAG;
	s->pos = s->token + len;
	if (s->bytes[s->pos] != '=')
		return XML_AT_ATTRIBUTE;
	uint64_t key = name_key(s->k, (uint32_t)s->token, (uint32_t)len);
	return straight_named(s, ATTRIBUTE_HASH(key), XML_NOTE_NONE, marks);
}

/* From the space before it on. If '=' follows a name of the table, no byte is looked at but as a part of a number. */
static ALWAYS_INLINE uint32_t straight_attribute(struct straight *s)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	s->token = s->pos + 1;
	if (s->attributes == s->attributes_max)
		return XML_AT_TAG;
	struct marks marks = marks_of(s->bytes + s->token);
	uint64_t word = straight_word(s, s->token);
	uint64_t other = word ^ ones * '=', equals = (other - ones) & ~other & ones * 0x80;
	if (equals == 0)
		return straight_rare(s, marks);
	size_t len = (size_t)__builtin_ctzll(equals) / 8;
	uint64_t key = word & ~(~UINT64_C(0) << 8 * len), hash = ATTRIBUTE_HASH(key);
	if (attribute_keys[hash] != key)
		return straight_rare(s, marks);
	s->pos = s->token + len;
	return straight_named(s, hash, (enum xml_note)attribute_notes[hash], marks);
}

/* From a name's first byte on: what the draft tells of the first-level element and of its first child. */
static ALWAYS_INLINE void straight_note(struct straight *s, size_t len)
{
	struct xml_event *draft = &s->w->draft;
	struct xml_range name = {(uint32_t)s->token, (uint32_t)len};
	if (s->depth == 1) {
		draft->name = name;
		draft->insert_at = (uint32_t)(s->token + len);
	} else if (draft->child.at == 0) {
		draft->child = name;
	}
}

static ALWAYS_INLINE uint32_t straight_name(struct straight *s)
{
	struct xml_work *w = s->w;
	size_t len = window_run(s->bytes + s->pos, 0, STOP_NAME), stop = s->pos + len;
	if (!name_is_usual(s, s->pos, len) || s->depth == s->depth_max || s->elements_left == 0)
		return XML_AT_LT;
	s->token = s->pos;
	s->pos = stop;
	if (s->bytes[stop] == 0 || s->bytes[stop] == ':' || s->bytes[stop] >= 0x80)
		return XML_AT_NAME;
	w->open[s->depth++] =
		(struct xml_open){(uint32_t)s->token, (uint16_t)len, (uint8_t)s->namespaces, (uint8_t)s->usual};
	s->elements_left--;
	w->deepest = s->depth > w->deepest ? s->depth : w->deepest;
	s->attributes = 0;
	s->seen = 0;
	if (s->depth <= 2)
		straight_note(s, len);
	return STRAIGHT_ON;
}

/* At the end of a start tag of the first or second level, no name in it with a prefix. */
static ALWAYS_INLINE void straight_resolve(struct straight *s)
{
	struct xml_work *w = s->w;
	struct xml_range usual = {0, 0};
	if (s->usual)
		usual = (struct xml_range){w->declared[s->usual - 1].at, w->declared[s->usual - 1].len};
	if (s->depth == 1) {
		w->draft.ns = usual;
		noted_tell(w);
	} else if (w->draft.child.at == w->open[1].at) {
		w->draft.child_ns = usual;
	}
}

static ALWAYS_INLINE uint32_t straight_close(struct straight *s)
{
	const struct xml_open *open = &s->w->open[--s->depth];
	s->namespaces = open->namespaces;
	s->usual = open->usual;
	return s->depth ? STRAIGHT_CLOSED : XML_AT_DONE;
}

/* The end of a start tag. */
static ALWAYS_INLINE uint32_t straight_tag_end(struct straight *s)
{
	bool empty = s->bytes[s->pos] == '/' && s->bytes[s->pos + 1] == '>';
	if (!empty && s->bytes[s->pos] != '>')
		return XML_AT_TAG;
	if (s->depth <= 2)
		straight_resolve(s);
	if (empty) {
		s->pos += 2;
		return straight_close(s);
	}
	s->pos++;
	if (s->depth == 1)
		s->w->draft.text.at = (uint32_t)s->pos;
	return STRAIGHT_ON;
}

/* Attributes, and the end of the start tag. */
static ALWAYS_INLINE uint32_t straight_tag(struct straight *s)
{
	for (;;) {
		if (s->pos >= s->bound)
			return XML_AT_TAG;
		if (s->bytes[s->pos] != ' ')
			return straight_tag_end(s);
		uint32_t at = straight_attribute(s);
		if (at != STRAIGHT_ON)
			return at;
	}
}

/* An end tag, from its slash on. */
static ALWAYS_INLINE uint32_t straight_end(struct straight *s)
{
	struct xml_work *w = s->w;
	size_t token = s->pos + 1;
	uint32_t len = w->open[s->depth - 1].len, at = w->open[s->depth - 1].at;
	if (len > 16 || s->bytes[token + len] != '>')
		return XML_AT_LT;
	uint64_t differ = straight_word(s, token) ^ name_word(s->k, at, 8);
	differ <<= 64 - 8 * (len < 8 ? len : 8);
	if (len > 8)
		differ |= straight_word(s, token + len - 8) ^ name_word(s->k, at + len - 8, 8);
	if (differ)
		return XML_AT_LT;
	if (s->depth == 1)
		w->draft.text.len = (uint32_t)token - 2 - w->draft.text.at;
	s->pos = token + len + 1;
	return straight_close(s);
}

/* Text, up to behind the '<' that ends it. */
static ALWAYS_INLINE uint32_t straight_text(struct straight *s)
{
	size_t len = WINDOW;
	while (len == WINDOW) {
		if (s->pos >= s->bound)
			return XML_AT_TEXT;
		if (s->bytes[s->pos] == '<')
			break;
		len = window_run(s->bytes + s->pos, 0, STOP_TEXT);
		s->pos += len;
	}
	if (s->bytes[s->pos] != '<')
		return XML_AT_TEXT;
	s->pos++;
	return STRAIGHT_ON;
}

/* Elements one after another, from one of the states that straight_begins() names. Answers the state it leaves. */
static ALWAYS_INLINE uint32_t straight_steps(struct straight *s, uint32_t at)
{
	if (at == XML_AT_TAG)
		goto tag;
	if (at == XML_AT_LT)
		goto markup;
	for (;;) {
		at = straight_text(s);
		if (at != STRAIGHT_ON)
			return at;
	markup:
		if (s->pos >= s->bound)
			return XML_AT_LT;
		at = s->bytes[s->pos] == '/' && s->depth ? straight_end(s) : straight_name(s);
		if (at == STRAIGHT_CLOSED)
			continue;
		if (at != STRAIGHT_ON)
			return at;
	tag:
		at = straight_tag(s);
		if (at != STRAIGHT_ON && at != STRAIGHT_CLOSED)
			return at;
	}
}

/* Whether the straight way can be tried: between an element's parts, and in no tag with a prefix. */
static inline bool straight_begins(const struct xml_walk *k, const struct xml_work *w)
{
	if (w->header || w->pos >= k->end || k->limits->name_bytes_max < 8)
		return false;
	if (w->at == XML_AT_TAG)
		return w->pos == w->gap && (w->prefixed | w->prefix_len) == 0;
	return w->at == XML_AT_TEXT || w->at == XML_AT_LT;
}

/* What the automaton needs to know where it takes over. */
static inline void straight_leave(const struct straight *s, uint32_t at)
{
	struct xml_work *w = s->w;
	w->at = (uint8_t)at;
	w->pos = s->pos < s->k->end ? (uint32_t)s->pos : s->k->end;
	w->depth = s->depth;
	w->elements = s->k->limits->elements_max - s->elements_left;
	w->prefix_len = 0;
	w->prefixed = 0;
	w->attributes = s->attributes;
	w->namespaces = s->namespaces;
	w->usual = s->usual;
	w->seen = s->seen;
	w->token = (uint32_t)s->token;
	w->colon = 0;
	w->gap = at == XML_AT_TAG ? w->pos : w->token - 1;
	if (at != XML_AT_VALUE)
		return;
	w->value = (uint32_t)s->value;
	w->quote = s->k->bytes[s->value - 1];
	w->name_len = w->value - 2 - w->token;
	w->key = name_key(s->k, w->token, w->name_len);
}

static __attribute__((noinline)) void straight_walk(const struct xml_walk *k, struct xml_work *w, const uint8_t *bytes,
						    size_t bound)
{
	const struct xml_limits *limits = k->limits;
	struct straight s = {
		.k = k,
		.w = w,
		.bytes = bytes,
		.bound = bound,
		.pos = w->pos,
		.name_max = limits->name_bytes_max < STRAIGHT_NAME_MAX ? limits->name_bytes_max : STRAIGHT_NAME_MAX,
		.attributes_max = limits->attributes_max,
		.depth_max = limits->depth_max,
		.elements_left = limits->elements_max - w->elements,
		.depth = w->depth,
		.attributes = w->attributes,
		.namespaces = w->namespaces,
		.usual = w->usual,
		.seen = w->seen,
	};
	straight_leave(&s, straight_steps(&s, w->at));
}

/* Near the end: less than STRAIGHT_ROOM bytes, or as many, are left. */
static inline void straight_copy(const struct xml_walk *k, struct xml_work *w)
{
	uint8_t copy[STRAIGHT_ROOM + 2 * WINDOW];
	size_t begin = w->pos, len = k->end - begin;
	bytes_copy(copy, k->bytes + begin, len);
	window_clear(copy + len);
	window_clear(copy + len + WINDOW);
	straight_walk(k, w, (const uint8_t *)((uintptr_t)copy - begin), k->end);
}
