/*
 * One call of the tokenizer: what is new is proved to be characters; white space and a declaration at the front are
 * passed; then the kernel walks through the item.
 */
#include "xml.h"
#include "xml_char.h"
#include "xml_declaration.h"
#include "xml_state.h"

#include <assert.h>

enum { BUFFER_BYTES_MAX = 32 << 20, ELEMENT_BYTES_MAX = 16 << 20 };

#ifdef __x86_64__
static bool runs_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

static bool runs_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

static bool runs_sse42(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#endif

static bool runs_always(void)
{
	return true;
}

/*
 * Best first, end to end: bench-xml on a Zen 4 core, 4 KiB pieces, chat / mixed / large, GB/s: avx2 1.82 / 2.23 / 2.47,
 * avx512 1.62 / 2.02 / 2.35, sse42 1.62 / 1.98 / 2.11. Tokens are short: longer vectors come too late to be of use.
 */
static const struct kernel_row {
	const struct xml_kernel *kernel;
	bool (*runs)(void);
} kernels[] = {
#ifdef __x86_64__
	{&xml_kernel_avx2, runs_avx2},	   {&xml_kernel_avx512, runs_avx512}, {&xml_kernel_sse42, runs_sse42},
#endif
#ifdef __aarch64__
	{&xml_kernel_neon, runs_always},
#endif
	{&xml_kernel_scalar, runs_always},
};
static const struct xml_kernel *kernel = &xml_kernel_scalar;

static bool names_equal(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b)
		a++, b++;
	return *a == *b;
}

const char *xml_kernel_choose(const char *name_or_null)
{
	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
		const struct kernel_row *row = &kernels[i];
		if (name_or_null && !names_equal(row->kernel->name, name_or_null))
			continue;
		if (row->runs()) {
			kernel = row->kernel;
			return kernel->name;
		}
	}
	return NULL;
}

size_t xml_work_bytes(void)
{
	return (sizeof(struct xml_work) + 63) / 64 * 64;
}

static struct xml_state *state_of(struct xml *x)
{
	return (struct xml_state *)x;
}

void xml_restart(struct xml *x)
{
	*state_of(x) = (struct xml_state){.phase = XML_PHASE_START};
}

void xml_enter(struct xml *x)
{
	*state_of(x) = (struct xml_state){.phase = XML_PHASE_ELEMENTS};
}

bool xml_is_partial(const struct xml *x)
{
	return ((const struct xml_state *)x)->partial;
}

/*
 * One call. Where an item is walked it is but a few registers of one function; what is seldom done gets a copy of its
 * own.
 */
struct call {
	struct xml_state *s;
	struct xml_work *w;
	const uint8_t *bytes;
	uint32_t len;
	uint32_t front; /* what stands before the item */
	const struct xml_limits *limits;
	const struct xml_scope *scope;
	struct xml_event *ret;
};

static __attribute__((noinline)) void answer_bad(struct xml_state *s, struct xml_event *ret, enum xml_error error,
						 uint32_t at)
{
	s->phase = XML_PHASE_SPENT;
	s->partial = false;
	*ret = xml_event_none;
	ret->is = XML_BAD;
	ret->error = error;
	ret->error_at = at;
}

/* Everything up to the end of the complete characters was taken: is there a fault in what follows, or more to come? */
static ALWAYS_INLINE void answer_more(const struct call *c, uint32_t begin, bool partial)
{
	uint32_t at = 0, limit = c->limits->element_bytes_max, here = c->s->valid;
	bool in_item = begin < here;
	enum xml_error error = here < c->len ? xml_char_fault(c->bytes + here, c->len - here, &at) : XML_ERROR_NONE;
	if (error != XML_ERROR_NONE && (!in_item || here + at - begin < limit)) {
		answer_bad(c->s, c->ret, error, here + at);
	} else if (in_item && c->len - begin > limit) {
		answer_bad(c->s, c->ret, XML_ERROR_LIMIT_BYTES, begin + limit);
	} else {
		c->s->valid -= c->front;
		c->s->partial = partial;
		c->ret->is = XML_MORE;
		c->ret->used = c->front;
	}
}

static void range_shift(struct xml_range *range, uint32_t by)
{
	if (range->at)
		range->at += by;
}

static void draft_shift(struct xml_event *e, uint32_t by)
{
	struct xml_range *ranges[] = {&e->name,	      &e->prefix, &e->ns,	&e->to,		&e->from,
				      &e->id,	      &e->type,	  &e->lang,	&e->from_whole, &e->version,
				      &e->content_ns, &e->child,  &e->child_ns, &e->text};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		range_shift(ranges[i], by);
	e->insert_at += e->insert_at ? by : 0;
	e->begin += by;
}

/* Of the header, and of the footer, which is an item without elements. */
static __attribute__((noinline)) void answer_frame(struct xml_state *s, const struct xml_work *w, struct xml_event *ret)
{
	s->phase = w->elements ? XML_PHASE_ELEMENTS : XML_PHASE_SPENT;
	ret->is = w->elements ? XML_HEADER : XML_FOOTER;
	ret->text = (struct xml_range){0, 0};
}

/* What the end of the item tells is written into the answer itself: the caller reads it at once, and would wait for it
 * if it were copied with the rest. */
static ALWAYS_INLINE void answer_item(const struct call *c)
{
	struct xml_work *w = c->w;
	struct xml_event *ret = c->ret;
	*ret = w->draft;
	if (c->front)
		draft_shift(ret, c->front);
	ret->used = ret->end = c->front + w->pos;
	c->s->valid -= c->front + w->pos;
	c->s->partial = false;
	if (w->header || w->elements == 0) {
		answer_frame(c->s, w, ret);
		return;
	}
	ret->is = XML_ELEMENT;
	ret->elements = w->elements;
	ret->depth = w->deepest;
	ret->empty = w->draft.text.len == 0;
}

/* Written out: a call, or a string instruction, would take its time to begin. */
typedef uint64_t clear_chunk __attribute__((vector_size(64), may_alias));
typedef uint64_t clear_rest __attribute__((vector_size(16), may_alias));
_Static_assert(offsetof(struct xml_work, pos) == 3 * sizeof(clear_chunk) + sizeof(clear_rest),
	       "all of what begins as zeros is cleared, and nothing else");

static ALWAYS_INLINE void item_begin(const struct call *c)
{
	struct xml_work *w = c->w;
	((clear_chunk *)w)[0] = ((clear_chunk *)w)[1] = ((clear_chunk *)w)[2] = (clear_chunk){0};
	((clear_rest *)w)[3 * sizeof(clear_chunk) / sizeof(clear_rest)] = (clear_rest){0};
	w->pos = 1;
	w->at = XML_AT_LT;
	w->header = c->s->phase != XML_PHASE_ELEMENTS;
}

/* The bytes that may be taken: complete characters, and no more of them than an item may have. */
static ALWAYS_INLINE uint32_t item_end(const struct call *c)
{
	uint32_t end = c->s->valid - c->front;
	if (end <= c->limits->element_bytes_max)
		return end;
	end = c->limits->element_bytes_max;
	while ((c->bytes[c->front + end] & 0xC0) == 0x80)
		end--;
	return end;
}

static ALWAYS_INLINE void item_take(const struct call *c)
{
	struct xml_work *w = c->w;
	struct xml_walk k = {
		.bytes = c->bytes + c->front, .end = item_end(c), .readable = c->len - c->front, .limits = c->limits};
	w->scope = c->scope;
	kernel->walk(&k, w);
	assert(w->pos <= k.end);
	if (w->at == XML_AT_DONE)
		answer_item(c);
	else if (k.error == XML_ERROR_NONE)
		answer_more(c, c->front, true);
	else
		answer_bad(c->s, c->ret, k.error, c->front + k.error_at);
}

static void space_pass(struct call *c)
{
	uint32_t at = c->front;
	while (at < c->s->valid && byte_is_space(c->bytes[at]))
		at++;
	if (at > c->front && c->s->phase == XML_PHASE_START)
		c->s->phase = XML_PHASE_HEADER;
	c->front = at;
}

/* Whether the declaration, if there is one, was passed; if not, the call has been answered. */
static bool declaration_pass(struct call *c)
{
	struct xml_state *s = c->s;
	if (s->phase != XML_PHASE_START || s->valid < 2 || c->bytes[0] != '<' || c->bytes[1] != '?')
		return true;
	bool done = false;
	uint32_t end = item_end(c);
	for (; s->declared < end && !done; s->declared++) {
		enum xml_error error = xml_declaration_take(&s->declaring, c->bytes[s->declared], &done);
		if (error != XML_ERROR_NONE) {
			answer_bad(c->s, c->ret, error, s->declared);
			return false;
		}
	}
	if (!done) {
		answer_more(c, 0, false);
		return false;
	}
	c->front = s->declared;
	s->phase = XML_PHASE_HEADER;
	return true;
}

/* Passes what may stand before an item. Whether one begins at *ret_front; if not, the call has been answered. */
static __attribute__((noinline)) bool prelude_pass(struct call call, uint32_t *ret_front)
{
	struct call *c = &call;
	assert(c->s->phase != XML_PHASE_SPENT);
	space_pass(c);
	if (!declaration_pass(c))
		return false;
	space_pass(c);
	if (c->front == c->s->valid) {
		answer_more(c, c->front, false);
		return false;
	}
	if (c->bytes[c->front] != '<') {
		bool between = c->s->phase == XML_PHASE_ELEMENTS;
		answer_bad(c->s, c->ret, between ? XML_ERROR_TEXT : XML_ERROR_SYNTAX, c->front);
		return false;
	}
	/* A lone '<' may still begin a declaration. */
	if (c->s->phase == XML_PHASE_START && c->s->valid < 2) {
		answer_more(c, 0, false);
		return false;
	}
	*ret_front = c->front;
	return true;
}

/* Whether an item begins or goes on at the front; if not, the call has been answered. */
static ALWAYS_INLINE bool front_pass(struct call *c)
{
	if (c->s->partial)
		return true;
	uint32_t front = 0;
	bool at_once = c->s->phase == XML_PHASE_ELEMENTS && c->s->valid > 0 && c->bytes[0] == '<';
	if (!at_once && !prelude_pass(*c, &front))
		return false;
	c->front = front;
	item_begin(c);
	return true;
}

void xml_next(struct xml *x, struct xml_work *work, const struct xml_limits *limits, const uint8_t *bytes, size_t len,
	      struct xml_event *ret)
{
	xml_next_within(x, work, limits, NULL, bytes, len, ret);
}

void xml_next_within(struct xml *x, struct xml_work *work, const struct xml_limits *limits,
		     const struct xml_scope *scope, const uint8_t *bytes, size_t len, struct xml_event *ret)
{
	struct call c = {state_of(x), work, bytes, (uint32_t)len, 0, limits, scope, ret};
	assert(len <= BUFFER_BYTES_MAX);
	assert(c.s->valid <= c.len);
	assert(limits->element_bytes_max <= ELEMENT_BYTES_MAX && limits->depth_max <= XML_DEPTH_MAX);
	assert(limits->attributes_max <= XML_ATTRIBUTES_MAX && limits->namespaces_max <= XML_NAMESPACES_MAX);
	if (c.s->valid < c.len)
		c.s->valid = kernel->valid(bytes, c.s->valid, c.len);
	if (front_pass(&c))
		item_take(&c);
}

static const struct error_row {
	const char *condition, *text;
} errors[] = {
#define XML_ERROR(name, condition, text) {condition, text},
#include "xml_error.def"
};

const char *xml_error_condition(enum xml_error error)
{
	assert(error < XML_ERROR_COUNT);
	return errors[error].condition;
}

const char *xml_error_text(enum xml_error error)
{
	assert(error < XML_ERROR_COUNT);
	return errors[error].text;
}
