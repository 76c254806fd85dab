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
	size_t copied;	      /* from here on that is so; what is before stands where k says */
	size_t bound;	      /* a step may begin before it */
	size_t pos;	      /* past the end if need be, until it is written down */
	size_t depth_max;
	uint32_t elements_left;
	size_t depth;
	uint32_t namespaces, usual; /* as in struct xml_work */
	uint64_t seen;
	struct xml_attribute *attribute, *attributes_end; /* the next one's place */
	size_t token, value;				  /* names and values begin there */
};

/*
 * Bytes that a step may look at from where it begins: what it begins with, a window, and a few behind it. So a step
 * that is of two bytes, or of a name, leaves the next one room for as much.
 */
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
	return s->bytes[at] >= 'A' && len - 1 < STRAIGHT_NAME_MAX;
}

/* The declaration of a default namespace, at its closing quote. */
static ALWAYS_INLINE bool straight_declare(struct straight *s, size_t value)
{
	struct xml_range range = {(uint32_t)value, (uint32_t)(s->pos - value)};
	if (s->namespaces >= s->k->limits->namespaces_max)
		return false;
	if (straight_word(s, s->token + sizeof("xmlns='") - 1 + NS_HOST) == NS_HOST_WORD &&
	    length_is_reserved(range.len))
		return false;
	plain_declare(s->w, range, s->namespaces);
	s->usual = ++s->namespaces;
	return true;
}

/*
 * The end of a value longer than the window, or with the other quote: of what is usual in it, from its first byte on.
 * Like all that is seldom done, it is a function of its own, and leaves more registers to what is often done.
 */
static __attribute__((noinline, cold)) uint32_t value_end(const struct xml_walk *k, uint32_t value, uint8_t quote,
							  bool declares)
{
	uint32_t end = run_end(k, value, stop_of_quote(quote));
	return declares ? run_end(k, value, STOP_URI) : end;
}

/* An attribute's name: how long it is, and what is known of it. */
struct straight_name {
	size_t len, prefix_len;
	uint64_t bit;	/* the place of its bit among those seen */
	uint16_t noted; /* see value_note() */
	bool declares;
};

/* At a value's closing quote. */
static ALWAYS_INLINE uint32_t straight_valued(struct straight *s, struct straight_name name, size_t value, bool first)
{
	if (name.declares && !straight_declare(s, value)) {
		s->value = value;
		return XML_AT_VALUE;
	}
	if (first)
		value_note(s->w, name.noted, (struct xml_range){(uint32_t)value, (uint32_t)(s->pos - value)});
	s->pos++;
	return STRAIGHT_ON;
}

/* From a value's first byte on, where the window does not show its closing quote. Before pos is nothing that ends it.
 */
static ALWAYS_INLINE uint32_t straight_long(struct straight *s, struct straight_name name, size_t value, bool first)
{
	uint8_t quote = s->bytes[value - 1];
	s->value = value;
	if (s->pos >= s->k->end)
		return XML_AT_VALUE;
	s->pos = value_end(s->k, (uint32_t)value, quote, name.declares);
	if (s->pos == s->k->end || s->k->bytes[s->pos] != quote)
		return XML_AT_VALUE;
	uint32_t at = straight_valued(s, name, value, first);
	return at != STRAIGHT_ON || s->pos < s->bound ? at : XML_AT_TAG;
}

/* From behind '=' on. `first`: of the first-level element. */
static ALWAYS_INLINE uint32_t straight_named(struct straight *s, struct straight_name name, struct marks marks,
					     bool first)
{
	const uint8_t *p = s->bytes + s->token;
	size_t open = name.len + 1, close = marks_close(marks, open);
	uint8_t quote = p[open];
	s->pos = s->token + (name.prefix_len ? name.prefix_len : name.len);
	if (quote != quote_of_stop(stop_of_quote(quote)))
		return XML_AT_ATTRIBUTE;
	if (__builtin_expect(s->seen >> name.bit & 1, 0) &&
	    attribute_is_twice(s->k, s->w, 1, (uint32_t)s->token, (uint32_t)name.len,
			       (uint32_t)(s->attribute - s->w->attribute)))
		return XML_AT_ATTRIBUTE;
	s->seen |= UINT64_C(1) << name.bit;
	*s->attribute++ = (struct xml_attribute){(uint32_t)s->token, (uint16_t)name.len, (uint16_t)name.prefix_len};
	s->pos = s->token + close;
	if (__builtin_expect(p[close] != quote, 0))
		return straight_long(s, name, s->token + open + 1, first);
	if (name.declares && open + 1 + window_run(p, (uint32_t)open + 1, STOP_BLANK) < close) {
		s->value = s->token + open + 1;
		return XML_AT_VALUE;
	}
	return straight_valued(s, name, s->token + open + 1, first);
}

/* An attribute's name that is not of the table. */
static ALWAYS_INLINE uint32_t straight_rare(struct straight *s, struct marks marks, bool first)
{
	static const uint8_t lang[] = {'x', 'm', 'l', ':', 'l', 'a', 'n', 'g'};
	struct straight_name name = {.len = window_run(s->bytes + s->token, 0, STOP_NAME), .noted = NOTED_NONE};
	uint64_t word = straight_word(s, s->token), word_of_lang;
	__builtin_memcpy(&word_of_lang, lang, 8);
	if (!name_is_usual(s, s->token, name.len))
		return XML_AT_TAG;
	if (word == word_of_lang && s->bytes[s->token + sizeof(lang)] == '=') {
		name.len = sizeof(lang);
		name.prefix_len = 3;
		name.noted = NOTED_LANG;
	}
	s->pos = s->token + name.len;
	if (s->bytes[s->pos] != '=')
		return XML_AT_ATTRIBUTE;
	name.bit = ATTRIBUTE_HASH(name_key(s->k, (uint32_t)s->token, (uint32_t)name.len));
	uint32_t at = straight_named(s, name, marks, first);
	if (name.prefix_len && (at == STRAIGHT_ON || at == XML_AT_TAG))
		s->w->prefixed++;
	return at;
}

/* From the space before it on. If '=' follows a name of the table, no byte is looked at but as a part of a number. */
static ALWAYS_INLINE uint32_t straight_attribute(struct straight *s, bool first)
{
	if (s->pos >= s->bound || s->attribute == s->attributes_end)
		return XML_AT_TAG;
	s->token = s->pos + 1;
	struct marks marks = marks_of(s->bytes + s->token);
	uint64_t word = straight_word(s, s->token);
	size_t open = marks_open(marks, word);
	uint64_t key = word & ~(~UINT64_C(0) << (8 * open & 63)), hash = ATTRIBUTE_HASH(key);
	if (open > 7 || attribute_keys[hash] != key)
		return straight_rare(s, marks, first);
	bool declares = hash == ATTRIBUTE_HASH(WORD('x', 'm', 'l', 'n', 's', '=', 0, 0));
	return straight_named(s, (struct straight_name){open - 1, 0, hash, attribute_noted[hash], declares}, marks,
			      first);
}

/* At the end of a start tag of the first or second level, no name in it with a prefix (but for xml:lang). */
static ALWAYS_INLINE void straight_resolve(struct straight *s, bool first)
{
	struct xml_work *w = s->w;
	struct xml_range usual = {0, 0};
	uint32_t declared = s->usual;
	if (!first && (s->depth > 2 || w->draft.child.at != w->open[1].at))
		return;
	if (declared)
		usual = (struct xml_range){w->declared[declared - 1].at, w->declared[declared - 1].len};
	if (!first) {
		w->draft.child_ns = usual;
		return;
	}
	w->draft.ns = usual;
	from_tell(w);
}

static ALWAYS_INLINE uint32_t straight_close(struct straight *s)
{
	s->namespaces = s->w->open[--s->depth].namespaces;
	return s->depth ? STRAIGHT_CLOSED : XML_AT_DONE;
}

/* Attributes, and the end of the start tag. */
static ALWAYS_INLINE uint32_t straight_tag(struct straight *s, bool first)
{
	while (s->bytes[s->pos] == ' ') {
		uint32_t at = straight_attribute(s, first);
		if (at != STRAIGHT_ON)
			return at;
	}
	bool empty = s->bytes[s->pos] == '/' && s->bytes[s->pos + 1] == '>';
	if (!empty && s->bytes[s->pos] != '>')
		return XML_AT_TAG;
	straight_resolve(s, first);
	if (empty) {
		s->pos += 2;
		return straight_close(s);
	}
	s->pos++;
	if (first)
		s->w->draft.text.at = (uint32_t)s->pos;
	return STRAIGHT_ON;
}

/* From a name's first byte on: what the draft tells of the first-level element and of its first child. */
static ALWAYS_INLINE void straight_note(struct straight *s, size_t len, bool first)
{
	struct xml_event *draft = &s->w->draft;
	struct xml_range name = {(uint32_t)s->token, (uint32_t)len};
	if (first) {
		draft->name = name;
		draft->insert_at = (uint32_t)(s->token + len);
	} else if (s->depth == 2 && draft->child.at == 0) {
		draft->child = name;
	}
}

static ALWAYS_INLINE uint32_t straight_name(struct straight *s, bool first)
{
	struct xml_work *w = s->w;
	size_t len = window_run(s->bytes + s->pos, 0, STOP_NAME), stop = s->pos + len;
	if (!name_is_usual(s, s->pos, len) || s->depth >= s->depth_max || s->elements_left == 0)
		return XML_AT_LT;
	s->token = s->pos;
	s->pos = stop;
	uint8_t c = s->bytes[stop];
	if (c != ' ' && (c == 0 || c == ':' || c >= 0x80))
		return XML_AT_NAME;
	w->open[s->depth++] = (struct xml_open){(uint32_t)s->token, (uint16_t)len, (uint16_t)s->namespaces};
	s->elements_left--;
	if (s->depth > w->deepest)
		w->deepest = (uint32_t)s->depth;
	w->prefixed = 0;
	s->attribute = w->attribute;
	s->seen = 0;
	straight_note(s, len, first);
	return STRAIGHT_ON;
}

/* An end tag, from its slash on. */
static ALWAYS_INLINE uint32_t straight_end(struct straight *s)
{
	struct xml_work *w = s->w;
	size_t token = s->pos + 1, len = w->open[s->depth - 1].len, at = w->open[s->depth - 1].at;
	if (!names_equal(s->bytes + token, (at < s->copied ? s->k->bytes : s->bytes) + at, len) ||
	    s->bytes[token + len] != '>')
		return XML_AT_LT;
	if (s->depth == 1)
		w->draft.text.len = (uint32_t)token - 2 - w->draft.text.at;
	s->pos = token + len + 1;
	return straight_close(s);
}

/* Bytes of the reference that a word begins with, if it is to one of the five entities; else 0. */
static __attribute__((noinline, cold)) size_t entity_bytes(uint64_t word)
{
	const uint64_t four = ~UINT64_C(0) >> 32, five = ~UINT64_C(0) >> 24, six = ~UINT64_C(0) >> 16;
	if ((word & four) == WORD('&', 'l', 't', ';', 0, 0, 0, 0) ||
	    (word & four) == WORD('&', 'g', 't', ';', 0, 0, 0, 0))
		return 4;
	if ((word & five) == WORD('&', 'a', 'm', 'p', ';', 0, 0, 0))
		return 5;
	if ((word & six) == WORD('&', 'a', 'p', 'o', 's', ';', 0, 0) ||
	    (word & six) == WORD('&', 'q', 'u', 'o', 't', ';', 0, 0))
		return 6;
	return 0;
}

/* Text, up to behind the '<' that ends it. */
static ALWAYS_INLINE uint32_t straight_text(struct straight *s)
{
	while (s->pos < s->bound) {
		if (s->bytes[s->pos] == '<') {
			s->pos++;
			return STRAIGHT_ON;
		}
		size_t len = window_run(s->bytes + s->pos, 0, STOP_TEXT);
		/* No sum: what is foretold need not be waited for. */
		if (len == WINDOW) {
			s->pos += WINDOW;
			continue;
		}
		s->pos += len;
		if (s->bytes[s->pos] == '<' && s->pos < s->bound) {
			s->pos++;
			return STRAIGHT_ON;
		}
		size_t entity = entity_bytes(straight_word(s, s->pos));
		if (entity == 0)
			return XML_AT_TEXT;
		s->pos += entity;
	}
	return XML_AT_TEXT;
}

/* The start tag of the first-level element. */
static ALWAYS_INLINE uint32_t straight_first(struct straight *s, uint32_t at)
{
	if (at == XML_AT_LT) {
		at = straight_name(s, true);
		if (at != STRAIGHT_ON)
			return at;
	}
	return straight_tag(s, true);
}

/* What is in the first-level element, from one of the states that straight_begins() names. Answers the one it leaves.
 */
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
		at = s->bytes[s->pos] == '/' ? straight_end(s) : straight_name(s, false);
		if (at == STRAIGHT_CLOSED)
			continue;
		if (at != STRAIGHT_ON)
			return at;
	tag:
		at = straight_tag(s, false);
		if (at != STRAIGHT_ON && at != STRAIGHT_CLOSED)
			return at;
	}
}

/* The same from anywhere in the first-level element. */
static ALWAYS_INLINE uint32_t straight_element(struct straight *s, uint32_t at)
{
	if (s->depth == 0 || (s->depth == 1 && at == XML_AT_TAG)) {
		at = straight_first(s, at);
		if (at != STRAIGHT_ON)
			return at;
		at = XML_AT_TEXT;
	}
	return straight_steps(s, at);
}

/* Where a straight step may begin before, if it is not to read behind the end. */
static ALWAYS_INLINE uint32_t straight_room(const struct xml_walk *k)
{
	return k->end > STRAIGHT_ROOM ? k->end - STRAIGHT_ROOM : 0;
}

/*
 * Whether the straight way can be tried: between an element's parts, in no tag with a prefix, and where no limit is
 * passed already (they may have become smaller).
 */
static ALWAYS_INLINE bool straight_begins(const struct xml_walk *k, const struct xml_work *w)
{
	if (w->at == XML_AT_TAG) {
		if (w->pos != w->gap || (w->prefixed | w->prefix_len) != 0 || w->attributes > k->limits->attributes_max)
			return false;
	} else if (w->at > XML_AT_LT) {
		return false;
	}
	return !w->header && k->limits->name_bytes_max >= STRAIGHT_NAME_MAX && w->elements <= k->limits->elements_max;
}

/* What the automaton needs to know where it takes over in an attribute. */
static inline void straight_leave_attribute(const struct straight *s, uint32_t at)
{
	struct xml_work *w = s->w;
	w->gap = w->token - 1;
	if (at == XML_AT_TAG)
		w->gap = w->pos;
	if (at != XML_AT_VALUE)
		return;
	w->value = (uint32_t)s->value;
	w->quote = s->k->bytes[s->value - 1];
	w->name_len = w->value - 2 - w->token;
	w->key = name_key(s->k, w->token, w->name_len);
	w->colon = s->attribute[-1].prefix_len ? w->token + s->attribute[-1].prefix_len : 0;
}

/* And where it takes over at all. */
static ALWAYS_INLINE void straight_leave(const struct straight *s, uint32_t at)
{
	struct xml_work *w = s->w;
	w->at = (uint8_t)at;
	w->pos = (uint32_t)s->pos;
	w->elements = s->k->limits->elements_max - s->elements_left;
	if (at == XML_AT_DONE)
		return;
	if (s->pos > s->k->end)
		w->pos = s->k->end;
	w->depth = (uint32_t)s->depth;
	w->namespaces = s->namespaces;
	w->usual = s->usual;
	w->token = (uint32_t)s->token;
	w->colon = 0;
	if (at < XML_AT_NAME)
		return;
	w->prefix_len = 0;
	w->attributes = (uint32_t)(s->attribute - w->attribute);
	w->seen = s->seen;
	straight_leave_attribute(s, at);
}

static __attribute__((noinline)) void straight_walk(const struct xml_walk *k, struct xml_work *w, const uint8_t *bytes,
						    size_t copied, size_t bound)
{
	const struct xml_limits *limits = k->limits;
	struct straight s = {
		.k = k,
		.w = w,
		.bytes = bytes,
		.copied = copied,
		.bound = bound,
		.pos = w->pos,
		.depth_max = limits->depth_max,
		.elements_left = limits->elements_max - w->elements,
		.depth = w->depth,
		.namespaces = w->namespaces,
		.usual = w->usual,
		.seen = w->seen,
		.attribute = w->attribute + w->attributes,
		.attributes_end = w->attribute + limits->attributes_max,
	};
	straight_leave(&s, straight_element(&s, w->at));
}

_Static_assert((int)STRAIGHT_ROOM >= (int)NAME_EQUAL_MAX, "of a name before the copy as much can be read");

/* Near the end: less than STRAIGHT_ROOM bytes, or as many, are left. So many are copied, in case names are among them.
 */
static inline void straight_copy(const struct xml_walk *k, struct xml_work *w)
{
	uint8_t copy[STRAIGHT_ROOM + 2 * WINDOW];
	size_t begin = straight_room(k), len = k->end - begin;
	if (begin)
		bytes_copy(copy, k->bytes + begin, STRAIGHT_ROOM);
	else
		bytes_copy(copy, k->bytes, len);
	window_clear(copy + len);
	window_clear(copy + len + WINDOW);
	straight_walk(k, w, (const uint8_t *)((uintptr_t)copy - begin), begin, k->end);
}
