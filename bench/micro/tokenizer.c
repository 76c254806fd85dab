/*
 * The tokenizer as its callers use it: pieces are read where they stand; what is left of an element is kept
 * aside, and the next pieces join it there.
 */
#include "peer.h"
#include "xml_scope.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct xml_limits limits = {.element_bytes_max = 1 << 20,
					 .elements_max = 20000,
					 .depth_max = 64,
					 .attributes_max = 64,
					 .name_bytes_max = 1024,
					 .namespaces_max = 64};

struct reader {
	struct xml xml;
	struct xml_work *work;
	uint8_t *kept;
	size_t kept_len, kept_cap, elements;
};

static void keep(struct reader *r, const uint8_t *bytes, size_t len)
{
	while (r->kept_cap < r->kept_len + len) {
		r->kept_cap = r->kept_cap ? 2 * r->kept_cap : 512;
		r->kept = realloc(r->kept, r->kept_cap);
		assert(r->kept);
	}
	memcpy(r->kept + r->kept_len, bytes, len);
	r->kept_len += len;
}

/* Answers the bytes taken, or SIZE_MAX. */
static size_t elements_take(struct reader *r, const uint8_t *bytes, size_t len)
{
	for (size_t taken = 0;;) {
		struct xml_event event;
		xml_next_within(&r->xml, r->work, &limits, &xml_scope_usual, bytes + taken, len - taken, &event);
		taken += event.used;
		if (event.is == XML_MORE)
			return taken;
		if (event.is == XML_BAD)
			return SIZE_MAX;
		r->elements += event.is == XML_ELEMENT;
		if (event.is == XML_FOOTER)
			return taken;
	}
}

static int piece_take(struct reader *r, const uint8_t *bytes, size_t len)
{
	if (r->kept_len) {
		keep(r, bytes, len);
		bytes = r->kept;
		len = r->kept_len;
	}
	size_t taken = elements_take(r, bytes, len);
	if (taken == SIZE_MAX)
		return 0;
	if (r->kept_len) {
		r->kept_len = len - taken;
		if (taken)
			memmove(r->kept, r->kept + taken, r->kept_len);
	} else if (taken < len) {
		keep(r, bytes + taken, len - taken);
	}
	return 1;
}

size_t tokenizer_run(const struct document *d, size_t piece)
{
	struct reader r = {.work = aligned_alloc(64, xml_work_bytes())};
	xml_restart(&r.xml);
	int good = r.work != NULL;
	for (size_t at = 0; good && at < d->len; at += piece) {
		size_t len = d->len - at < piece ? d->len - at : piece;
		good = piece_take(&r, d->bytes + at, len);
	}
	free(r.work);
	free(r.kept);
	return good ? r.elements : 0;
}
