#include "stream.h"

#include <assert.h>
#include <string.h>

/* Text as it grows into the caller's room. Once something did not fit, nothing more is written. */
struct writing {
	char *to;
	size_t cap, len;
	bool full;
};

static void put_bytes(struct writing *w, const char *bytes, size_t len)
{
	w->full |= len > w->cap - w->len;
	if (w->full || !len)
		return;
	memcpy(w->to + w->len, bytes, len);
	w->len += len;
}

static void put(struct writing *w, const char *text)
{
	put_bytes(w, text, strlen(text));
}

static void put_escaped(struct writing *w, const char *text)
{
	size_t room = w->full ? 0 : w->cap - w->len;
	size_t need = xml_escape((const uint8_t *)text, strlen(text), room ? (uint8_t *)w->to + w->len : NULL, room);

	w->full |= need > room;
	if (!w->full)
		w->len += need;
}

static void put_attribute(struct writing *w, const char *name, const char *value)
{
	put(w, " ");
	put(w, name);
	put(w, "='");
	put_escaped(w, value);
	put(w, "'");
}

static size_t written(const struct writing *w)
{
	return w->full ? 0 : w->len;
}

size_t stream_write_header(char *to, size_t cap, const struct stream_greeting *greeting)
{
	struct writing w = {to, cap};

	put(&w, "<?xml version='1.0'?><stream:stream");
	put_attribute(&w, "from", greeting->domain);
	put_attribute(&w, "id", greeting->id);
	if (greeting->to[0])
		put_attribute(&w, "to", greeting->to);
	if (greeting->version)
		put_attribute(&w, "version", "1.0");
	put_attribute(&w, "xml:lang", greeting->lang[0] ? greeting->lang : "en");
	put(&w, " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");
	return written(&w);
}

size_t stream_write_features(char *to, size_t cap, const struct stream *stream, const char *features,
			     size_t features_len)
{
	struct writing w = {to, cap};

	assert(stream->state != STREAM_HANDSHAKE && stream->state != STREAM_ENDED);
	put(&w, "<stream:features>");
	if (stream->state == STREAM_PLAIN)
		put(&w, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>");
	else
		put_bytes(&w, features, features_len);
	put(&w, "</stream:features>");
	return written(&w);
}

static void put_error(struct writing *w, const struct stream_farewell *farewell)
{
	put(w, "<stream:error><");
	put(w, farewell->condition);
	put(w, " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
	if (farewell->text[0]) {
		put(w, "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>");
		put_escaped(w, farewell->text);
		put(w, "</text>");
	}
	put(w, farewell->element);
	put(w, "</stream:error>");
}

size_t stream_write_end(char *to, size_t cap, const struct stream_farewell *farewell)
{
	struct writing w = {to, cap};

	if (farewell->condition[0])
		put_error(&w, farewell);
	put(&w, "</stream:stream>");
	return written(&w);
}
