#include "keepsake.h"

#include "client.h"
#include "egress.h"
#include "worker.h"
#include "xml_splice.h"

#include <string.h>

/* ---- presence */

/* Answers the length; 0: there is no room. */
static size_t write_splice(const struct xml_splice *splice, uint8_t *to, size_t cap)
{
	struct xml_piece pieces[XML_PIECES_MAX];
	size_t count = xml_splice_pieces(splice, pieces), len = 0;

	for (size_t i = 0; i < count; i++) {
		if (pieces[i].len > cap - len)
			return 0;
		memcpy(to + len, pieces[i].at, pieces[i].len);
		len += pieces[i].len;
	}
	return len;
}

static void presence_forget(struct worker *w, struct client *c)
{
	commons_give(&w->presences, c->presence);
	c->presence = NULL;
}

static void presence_set(struct worker *w, struct client *c, const struct xml_event *event, const uint8_t *bytes)
{
	uint8_t text[KEEPSAKE_PRESENCE_BYTES_MAX];
	struct xml_attribute_place id;
	struct xml_splice splice;
	size_t len;

	xml_splice_begin(&splice, bytes, event);
	xml_splice_declarations(&splice);
	if (event->from_whole.at != 0)
		xml_splice_remove(&splice, event->from_whole);
	if (xml_attribute_find(bytes, event, "id", &id))
		xml_splice_remove(&splice, id.whole);
	len = write_splice(&splice, text, sizeof text);
	presence_forget(w, c);
	if (len > 0)
		c->presence = commons_take(&w->presences, text, len);
}

void keepsake_presence(struct worker *w, struct client *c, const struct xml_event *event, const uint8_t *bytes)
{
	if (event->to.at != 0)
		return;
	if (event->type.at == 0)
		presence_set(w, c, event, bytes);
	else if (xml_is_equal(bytes, event->type, "unavailable"))
		presence_forget(w, c);
}

size_t keepsake_presence_write(struct worker *w, const struct client *c, uint8_t *to, size_t cap)
{
	struct xml_splice splice;
	struct xml_event event;

	if (c->presence == NULL || !egress_element(w, c->presence->bytes, c->presence->len, &event))
		return 0;
	xml_splice_begin(&splice, c->presence->bytes, &event);
	xml_splice_insert(&splice, c->stamp, event.lang.at == 0 ? c->stamp_len : c->stamp_from_len);
	return write_splice(&splice, to, cap);
}

/* ---- KEEP */

static void drop(struct worker *w, struct client *c)
{
	struct keepsake *old = c->aside == NULL ? NULL : c->aside->keep;

	if (old == NULL)
		return;
	shelf_give(&w->texts, old, sizeof *old + old->len);
	c->aside->keep = NULL;
}

void keepsake_put(struct worker *w, struct client *c, const struct frame *frame)
{
	struct keepsake *keep;

	drop(w, c);
	keep = shelf_take(&w->texts, sizeof *keep + frame->payload_len);
	keep->len = (uint16_t)frame->payload_len;
	if (keep->len > 0)
		memcpy(keep->bytes, frame->payload, keep->len);
	client_aside(c)->keep = keep;
}

void keepsakes_free(struct worker *w, struct client *c)
{
	presence_forget(w, c);
	drop(w, c);
}
