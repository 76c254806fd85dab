/*
 * The straight way: elements as they usually are, <name attribute='value'>text</name>, without the automaton's steps.
 * What it needs to remember it keeps in registers; where anything else comes (a prefix, a reference, white space in
 * an unusual place, a fault, the end of what is there), it writes all of it down as the automaton would have, and
 * leaves the rest to it. It passes no byte that the automaton would refuse. Part of the tokenizer's body.
 *
 * Steps are compiled twice: with room, which means that so many bytes follow that a name, a value's window, and what
 * stands around them need no look at the end; and without.
 */
struct straight {
	const struct xml_walk *k;
	struct xml_work *w;
	const uint8_t *bytes;
	size_t end, roomy; /* with room: before the latter */
	size_t pos;	   /* past the end if need be, until it is written down */
	uint32_t name_max, attributes_max, depth_max, elements_left;
	uint32_t depth, attributes, namespaces, usual;
	uint64_t seen;
	size_t token, value; /* names and values begin there */
};

enum { STRAIGHT_ROOM = 8 + NAME_WINDOW + 2 * WINDOW };

/* What a step leads to: straight on (behind an element's end, with more to come), or a state of the automaton. */
enum { STRAIGHT_ON = 0xFF, STRAIGHT_CLOSED = 0xFE };

static ALWAYS_INLINE size_t straight_run(const struct straight *s, size_t at, enum stop stop, bool room)
{
	return room ? window_run(s->bytes + at, 0, stop) : run_bytes(s->k, (uint32_t)at, stop);
}

static ALWAYS_INLINE uint64_t straight_word(const struct straight *s, size_t at, bool room)
{
	uint64_t word;
	if (!room)
		return name_word(s->k, (uint32_t)at, 8);
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
	if (s->namespaces == s->k->limits->namespaces_max)
		return false;
	if (special && name_word(s->k, (uint32_t)s->value + NS_HOST, 8) == NS_HOST_WORD)
		return false;
	if (w->compared > s->namespaces)
		w->compared = s->namespaces;
	w->declared[s->namespaces++] = (struct xml_declared){.at = (uint32_t)s->value, .len = (uint32_t)len};
	s->usual = s->namespaces;
	return true;
}

/* Bytes of the value, up to its closing quote. */
static ALWAYS_INLINE size_t straight_value_len(const struct straight *s, struct marks marks, uint8_t quote, bool room)
{
	if (room) {
		size_t len = marks_run(marks, s->value - s->token);
		if (len < WINDOW && s->bytes[s->value + len] == quote)
			return len;
	}
	return straight_run(s, s->value, stop_of_quote(quote), room);
}

/* From behind the opening quote on. */
static ALWAYS_INLINE uint32_t straight_value(struct straight *s, enum xml_note note, struct marks marks, uint8_t quote,
					     bool room)
{
	size_t len = straight_value_len(s, marks, quote, room);
	s->pos = s->value + len;
	if ((!room && s->pos >= s->end) || s->bytes[s->pos] != quote)
		return XML_AT_VALUE;
	if (note == XML_NOTE_XMLNS && (straight_run(s, s->value, STOP_URI, room) != len || !straight_declare(s, len)))
		return XML_AT_VALUE;
	uint32_t place = s->depth == 1 ? note : XML_NOTE_NONE;
	s->w->noted[place] = (struct xml_range){(uint32_t)s->value, (uint32_t)len};
	s->w->noted_gap[place] = (uint32_t)s->token - 1;
	s->pos++;
	return STRAIGHT_ON;
}

/* From behind '=' on. */
static ALWAYS_INLINE uint32_t straight_named(struct straight *s, uint64_t hash, enum xml_note note, struct marks marks,
					     bool room)
{
	size_t len = s->pos - s->token;
	if (!room && s->pos + 2 >= s->end)
		return XML_AT_ATTRIBUTE;
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
	return straight_value(s, note, marks, quote, room);
}

/* An attribute's name that is not of the table. */
static ALWAYS_INLINE uint32_t straight_rare(struct straight *s, struct marks marks, bool room)
{
	size_t len = straight_run(s, s->token, STOP_NAME, room);
	if (!name_is_usual(s, s->token, len))
		return XML_AT_TAG;
	s->pos = s->token + len;
	if ((!room && s->pos >= s->end) || s->bytes[s->pos] != '=')
		return XML_AT_ATTRIBUTE;
	uint64_t key = name_key(s->k, (uint32_t)s->token, (uint32_t)len);
	return straight_named(s, ATTRIBUTE_HASH(key), XML_NOTE_NONE, marks, room);
}

/* From the space before it on. If '=' follows a name of the table, no byte is looked at but as a part of a number. */
static ALWAYS_INLINE uint32_t straight_attribute(struct straight *s, bool room)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	s->token = s->pos + 1;
	if ((!room && s->token >= s->end) || s->attributes == s->attributes_max)
		return XML_AT_TAG;
	struct marks marks = marks_of(s->bytes + (room ? s->token : 0)); /* used with room only */
	uint64_t word = straight_word(s, s->token, room);
	uint64_t other = word ^ ones * '=', equals = (other - ones) & ~other & ones * 0x80;
	if (equals == 0)
		return straight_rare(s, marks, room);
	size_t len = (size_t)__builtin_ctzll(equals) / 8;
	uint64_t key = word & ~(~UINT64_C(0) << 8 * len), hash = ATTRIBUTE_HASH(key);
	if (attribute_keys[hash] != key)
		return straight_rare(s, marks, room);
	s->pos = s->token + len;
	return straight_named(s, hash, (enum xml_note)attribute_notes[hash], marks, room);
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

static ALWAYS_INLINE uint32_t straight_name(struct straight *s, bool room)
{
	struct xml_work *w = s->w;
	size_t len = straight_run(s, s->pos, STOP_NAME, room), stop = s->pos + len;
	if (!name_is_usual(s, s->pos, len) || s->depth == s->depth_max || s->elements_left == 0)
		return XML_AT_LT;
	s->token = s->pos;
	s->pos = stop;
	if ((!room && stop >= s->end) || s->bytes[stop] == ':' || s->bytes[stop] >= 0x80)
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
static ALWAYS_INLINE uint32_t straight_tag_end(struct straight *s, bool room)
{
	if (!room && s->pos + 1 >= s->end)
		return XML_AT_TAG;
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
static ALWAYS_INLINE uint32_t straight_tag(struct straight *s, bool room)
{
	for (;;) {
		if (room ? s->pos >= s->roomy : s->pos >= s->end)
			return XML_AT_TAG;
		if (s->bytes[s->pos] != ' ')
			return straight_tag_end(s, room);
		uint32_t at = straight_attribute(s, room);
		if (at != STRAIGHT_ON)
			return at;
	}
}

/* An end tag, from its slash on. */
static ALWAYS_INLINE uint32_t straight_end(struct straight *s, bool room)
{
	struct xml_work *w = s->w;
	size_t token = s->pos + 1, len = w->open[s->depth - 1].len, at = w->open[s->depth - 1].at;
	if (token + len >= s->end || s->bytes[token + len] != '>' || len > 16)
		return XML_AT_LT;
	uint64_t differ =
		name_word(s->k, (uint32_t)token, (uint32_t)len) ^ name_word(s->k, (uint32_t)at, (uint32_t)len);
	if (len > 8)
		differ |=
			name_word(s->k, (uint32_t)(token + len - 8), 8) ^ name_word(s->k, (uint32_t)(at + len - 8), 8);
	if (differ)
		return XML_AT_LT;
	if (s->depth == 1)
		w->draft.text.len = (uint32_t)token - 2 - w->draft.text.at;
	s->pos = token + len + 1;
	return straight_close(s);
}

/* Text, up to behind the '<' that ends it. */
static ALWAYS_INLINE uint32_t straight_text(struct straight *s, bool room)
{
	size_t len = WINDOW;
	while (room && len == WINDOW) {
		if (s->pos >= s->roomy)
			return XML_AT_TEXT;
		if (s->bytes[s->pos] == '<')
			break;
		len = straight_run(s, s->pos, STOP_TEXT, true);
		s->pos += len;
	}
	if (!room)
		s->pos = run_end(s->k, (uint32_t)s->pos, STOP_TEXT);
	if ((!room && s->pos + 1 >= s->end) || s->bytes[s->pos] != '<')
		return XML_AT_TEXT;
	s->pos++;
	return STRAIGHT_ON;
}

/* Elements one after another, from one of the states that straight_begins() names. Answers the state it leaves. */
static ALWAYS_INLINE uint32_t straight_steps(struct straight *s, uint32_t at, bool room)
{
	if (at == XML_AT_TAG)
		goto tag;
	if (at == XML_AT_LT)
		goto markup;
	for (;;) {
		at = straight_text(s, room);
		if (at != STRAIGHT_ON)
			return at;
	markup:
		at = s->bytes[s->pos] == '/' && s->depth ? straight_end(s, room) : straight_name(s, room);
		if (at == STRAIGHT_CLOSED)
			continue;
		if (at != STRAIGHT_ON)
			return at;
	tag:
		at = straight_tag(s, room);
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
	w->pos = (uint32_t)(s->pos < s->end ? s->pos : s->end);
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
	w->quote = s->bytes[s->value - 1];
	w->name_len = w->value - 2 - w->token;
	w->key = name_key(s->k, w->token, w->name_len);
}

static ALWAYS_INLINE void straight_walk(const struct xml_walk *k, struct xml_work *w, bool room)
{
	const struct xml_limits *limits = k->limits;
	struct straight s = {
		.k = k,
		.w = w,
		.bytes = k->bytes,
		.end = k->end,
		.roomy = k->roomy,
		.pos = w->pos,
		.name_max = limits->name_bytes_max < NAME_WINDOW ? limits->name_bytes_max : NAME_WINDOW - 1,
		.attributes_max = limits->attributes_max,
		.depth_max = limits->depth_max,
		.elements_left = limits->elements_max - w->elements,
		.depth = w->depth,
		.attributes = w->attributes,
		.namespaces = w->namespaces,
		.usual = w->usual,
		.seen = w->seen,
	};
	straight_leave(&s, straight_steps(&s, w->at, room));
}

static __attribute__((noinline)) void straight_with_room(const struct xml_walk *k, struct xml_work *w)
{
	straight_walk(k, w, true);
}

static __attribute__((noinline)) void straight_without(const struct xml_walk *k, struct xml_work *w)
{
	straight_walk(k, w, false);
}
