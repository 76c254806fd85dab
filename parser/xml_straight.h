/*
 * The straight way: elements as they usually are, <name attribute='value'>text</name>, without the automaton's steps.
 * What it needs to remember it keeps in registers; where anything else comes (a prefix, a reference, white space in
 * an unusual place, a fault, the end of what is there), it writes all of it down as the automaton would have, and
 * leaves the rest to it. It passes no byte that the automaton would refuse. Part of the tokenizer's body.
 */
struct straight {
	const struct xml_walk *k;
	struct xml_work *w;
	uint32_t end, name_max; /* of k */
	uint32_t pos;		/* past the end if need be, until it is written down */
	uint32_t depth, attributes, namespaces, usual;
	uint64_t seen;
	/* What the automaton goes on from. */
	uint32_t gap, token, name_len, value;
	uint64_t key;
	uint8_t quote;
};

/* What a step leads to: straight on, or a state of the automaton that begins at pos. */
enum { STRAIGHT_ON = 0xFF };

/* Whether a name that names may hold begins here: of the bytes that may stand in a name, those that may not be its
 * first are below the letters. */
static ALWAYS_INLINE bool name_is_usual(const struct straight *s, uint32_t at, uint32_t len)
{
	return s->k->bytes[at] >= 'A' && len - 1 < s->name_max;
}

/* A declaration whose value is plain. Those of xml and xmlns are the automaton's. */
static ALWAYS_INLINE bool straight_declare(struct straight *s, uint32_t len)
{
	struct xml_work *w = s->w;
	bool special = len == sizeof(NS_XML) - 1 || len == sizeof(NS_XMLNS) - 1;
	if (s->namespaces == s->k->limits->namespaces_max)
		return false;
	if (special && name_word(s->k, s->value + NS_HOST, 8) == NS_HOST_WORD)
		return false;
	if (w->compared > s->namespaces)
		w->compared = s->namespaces;
	w->declared[s->namespaces++] = (struct xml_declared){.at = s->value, .len = len};
	s->usual = s->namespaces;
	return true;
}

/* From the opening quote on. */
static ALWAYS_INLINE uint32_t straight_value(struct straight *s, enum xml_note note)
{
	bool declares = note == XML_NOTE_XMLNS;
	uint32_t bytes = declares ? run_bytes(s->k, s->value, STOP_URI)
				  : run_bytes(s->k, s->value, stop_of_quote(s->quote));
	s->pos = s->value + bytes;
	if (s->pos >= s->end || s->k->bytes[s->pos] != s->quote)
		return XML_AT_VALUE;
	if (declares && !straight_declare(s, bytes))
		return XML_AT_VALUE;
	uint32_t place = s->depth == 1 ? note : XML_NOTE_NONE;
	s->w->noted[place] = (struct xml_range){s->value, bytes};
	s->w->noted_gap[place] = s->gap;
	s->gap = ++s->pos;
	return STRAIGHT_ON;
}

/* From the space before it on. */
static ALWAYS_INLINE uint32_t straight_attribute(struct straight *s)
{
	const uint8_t *bytes = s->k->bytes;
	struct xml_work *w = s->w;
	uint32_t token = s->pos + 1;
	if (token >= s->end || s->attributes == s->k->limits->attributes_max)
		return XML_AT_TAG;
	uint32_t len = run_bytes(s->k, token, STOP_NAME), stop = token + len;
	if (!name_is_usual(s, token, len))
		return XML_AT_TAG;
	s->token = token;
	s->pos = stop;
	if (stop + 2 >= s->end || bytes[stop] != '=')
		return XML_AT_ATTRIBUTE;
	s->quote = bytes[stop + 1];
	if ((s->quote != '"') & (s->quote != '\''))
		return XML_AT_ATTRIBUTE;
	s->key = name_key(s->k, token, len);
	if (attribute_is_twice(s->k, w, attribute_bit(s->key) & s->seen, token, len, s->attributes))
		return XML_AT_ATTRIBUTE;
	s->seen |= attribute_bit(s->key);
	w->attribute[s->attributes++] = (struct xml_attribute){token, (uint16_t)len, 0};
	s->name_len = len;
	s->value = stop + 2;
	return straight_value(s, attribute_note(s->key));
}

/* From a name's first byte on: what the draft tells of the first-level element and of its first child. */
static ALWAYS_INLINE void straight_note(struct straight *s, uint32_t len)
{
	struct xml_event *draft = &s->w->draft;
	if (s->depth == 1) {
		draft->name = (struct xml_range){s->token, len};
		draft->insert_at = s->token + len;
	} else if (draft->child.at == 0) {
		draft->child = (struct xml_range){s->token, len};
	}
}

static ALWAYS_INLINE uint32_t straight_name(struct straight *s)
{
	const struct xml_limits *limits = s->k->limits;
	struct xml_work *w = s->w;
	uint32_t len = run_bytes(s->k, s->pos, STOP_NAME), stop = s->pos + len;
	if (!name_is_usual(s, s->pos, len) || s->depth == limits->depth_max || w->elements == limits->elements_max)
		return XML_AT_LT;
	s->token = s->pos;
	s->pos = stop;
	if (stop >= s->end || s->k->bytes[stop] == ':' || s->k->bytes[stop] >= 0x80)
		return XML_AT_NAME;
	w->open[s->depth++] =
		(struct xml_open){s->token, (uint16_t)len, (uint8_t)s->namespaces, (uint8_t)s->usual};
	w->elements++;
	w->deepest = s->depth > w->deepest ? s->depth : w->deepest;
	w->prefix_len = 0;
	w->prefixed = 0;
	s->attributes = 0;
	s->seen = 0;
	s->gap = s->pos;
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
	return s->depth ? STRAIGHT_ON : XML_AT_DONE;
}

/* The end of a start tag. */
static ALWAYS_INLINE uint32_t straight_tag_end(struct straight *s)
{
	const uint8_t *bytes = s->k->bytes;
	struct xml_work *w = s->w;
	if (s->pos + 1 >= s->end)
		return XML_AT_TAG;
	bool empty = bytes[s->pos] == '/';
	if (bytes[s->pos + empty] != '>')
		return XML_AT_TAG;
	s->pos += 1 + empty;
	if (s->depth <= 2)
		straight_resolve(s);
	if (empty)
		return straight_close(s);
	if (s->depth == 1)
		w->draft.text.at = s->pos;
	return STRAIGHT_ON;
}

/* Attributes, and the end of the start tag. */
static ALWAYS_INLINE uint32_t straight_tag(struct straight *s)
{
	while (s->pos < s->end && s->k->bytes[s->pos] == ' ') {
		uint32_t at = straight_attribute(s);
		if (at != STRAIGHT_ON)
			return at;
	}
	return straight_tag_end(s);
}

/* An end tag, from its slash on. */
static ALWAYS_INLINE uint32_t straight_end(struct straight *s)
{
	struct xml_work *w = s->w;
	uint32_t token = s->pos + 1, len = w->open[s->depth - 1].len, at = w->open[s->depth - 1].at;
	if (token + len >= s->end || s->k->bytes[token + len] != '>' || len > 16)
		return XML_AT_LT;
	uint64_t differ = name_word(s->k, token, len) ^ name_word(s->k, at, len);
	if (len > 8)
		differ |= name_word(s->k, token + len - 8, 8) ^ name_word(s->k, at + len - 8, 8);
	if (differ)
		return XML_AT_LT;
	if (s->depth == 1)
		w->draft.text.len = token - 2 - w->draft.text.at;
	s->pos = token + len + 1;
	return straight_close(s);
}

/* Text, and what begins behind it. */
static ALWAYS_INLINE uint32_t straight_text(struct straight *s)
{
	s->pos = run_end(s->k, s->pos, STOP_TEXT);
	if (s->pos + 1 >= s->end || s->k->bytes[s->pos] != '<')
		return XML_AT_TEXT;
	s->pos++;
	return STRAIGHT_ON;
}

/* Elements one after another, from one of the states that straight_walk() takes. Answers the state it leaves. */
static ALWAYS_INLINE uint32_t straight_steps(struct straight *s, uint32_t at)
{
	bool in_tag = at == XML_AT_TAG, behind_lt = at == XML_AT_LT;
	for (;;) {
		if (!in_tag) {
			at = behind_lt ? STRAIGHT_ON : straight_text(s);
			if (at != STRAIGHT_ON)
				return at;
			behind_lt = false;
			if (s->k->bytes[s->pos] == '/' && s->depth) {
				at = straight_end(s);
				if (at != STRAIGHT_ON)
					return at;
				continue;
			}
			at = straight_name(s);
			if (at != STRAIGHT_ON)
				return at;
		}
		in_tag = false;
		at = straight_tag(s);
		if (at != STRAIGHT_ON)
			return at;
	}
}

/* Whether the straight way can be tried: between an element's parts, and in no tag with a prefix. */
static inline bool straight_begins(const struct xml_walk *k, const struct xml_work *w)
{
	if (w->header || w->pos >= k->end)
		return false;
	return w->at == XML_AT_TEXT || w->at == XML_AT_LT || (w->at == XML_AT_TAG && (w->prefixed | w->prefix_len) == 0);
}

/* Whether the item goes on. */
static inline bool straight_walk(const struct xml_walk *k, struct xml_work *w)
{
	struct straight s = {.k = k,
			     .w = w,
			     .end = k->end,
			     .name_max = k->limits->name_bytes_max < NAME_WINDOW ? k->limits->name_bytes_max : NAME_WINDOW - 1,
			     .pos = w->pos,
			     .depth = w->depth,
			     .attributes = w->attributes,
			     .namespaces = w->namespaces,
			     .usual = w->usual,
			     .seen = w->seen,
			     .gap = w->gap};
	uint32_t at = straight_steps(&s, w->at);
	w->at = (uint8_t)at;
	w->pos = s.pos < k->end ? s.pos : k->end;
	w->depth = s.depth;
	w->attributes = s.attributes;
	w->namespaces = s.namespaces;
	w->usual = s.usual;
	w->seen = s.seen;
	w->gap = s.gap;
	w->token = s.token;
	w->colon = 0;
	w->name_len = s.name_len;
	w->value = s.value;
	w->key = s.key;
	w->quote = s.quote;
	return at != XML_AT_DONE;
}
