#include "incoming.h"

#include "xml_splice.h"

#include <stdlib.h>
#include <string.h>

enum { REFERENCE_BYTES_MAX = 6 }; /* &quot; for one byte */

static const struct {
	const char *condition, *type;
} errors[ERROR_COUNT] = {
#define ERROR(name, condition, type) [ERROR_##name] = {condition, type},
#include "errors.def"
#undef ERROR
};

static bool parse_to(struct incoming *in)
{
	uint8_t raw[JID_BYTES_MAX * REFERENCE_BYTES_MAX];
	struct xml_range to = in->event->to;
	size_t len;

	if (to.len > sizeof raw)
		return false;
	len = xml_unescape_value(in->bytes, to, raw);
	return jid_parse((const char *)raw, len, &in->to);
}

static bool is_ours(struct incoming *in)
{
	char domain[JID_PART_BYTES_MAX + 1];

	memcpy(domain, in->to.text + in->to.domain_at, in->to.domain_len);
	domain[in->to.domain_len] = '\0';
	return sessiond_serves(in->session->server, domain);
}

static enum addressee classify(struct incoming *in)
{
	size_t bare_len;

	if (in->event->to.at == 0)
		return ADDRESSEE_NONE;
	if (!parse_to(in))
		return ADDRESSEE_MALFORMED;
	bare_len = jid_bare_len(&in->to);
	memcpy(in->to_bare, in->to.text, bare_len);
	in->to_bare[bare_len] = '\0';
	if (!is_ours(in))
		return ADDRESSEE_REMOTE;
	if (in->to.local_len == 0)
		return ADDRESSEE_SERVER;
	if (in->to.resource_at != 0)
		return ADDRESSEE_FULL;
	return strcmp(in->to_bare, in->session->bare_jid) == 0 ? ADDRESSEE_OWN : ADDRESSEE_BARE;
}

void incoming_read(struct session *session, const struct xml_event *event, const uint8_t *bytes, struct incoming *ret)
{
	ret->session = session;
	ret->event = event;
	ret->bytes = bytes;
	ret->addressee = classify(ret);
}

struct store *incoming_store(const struct incoming *in)
{
	return sessiond_store(in->session->server);
}

bool incoming_type_is(const struct incoming *in, const char *type)
{
	if (in->event->type.at == 0)
		return *type == '\0';
	return *type != '\0' && xml_is_equal(in->bytes, in->event->type, type);
}

char *incoming_value(const struct incoming *in, struct xml_range range)
{
	char *value;

	if (range.at == 0)
		return NULL;
	value = text_memory(range.len + 1, 1);
	value[xml_unescape_value(in->bytes, range, (uint8_t *)value)] = '\0';
	return value;
}

void incoming_refuse(const struct incoming *in, enum error_condition error)
{
	struct text answer = {0};
	char *id, *to;

	if (incoming_type_is(in, "error") || incoming_type_is(in, "result"))
		return;
	id = incoming_value(in, in->event->id);
	to = in->addressee != ADDRESSEE_MALFORMED ? incoming_value(in, in->event->to) : text_copy(in->session->domain);
	text_put(&answer, "<%b type='error' to='%s'", (const void *)(in->bytes + in->event->name.at),
		 (size_t)in->event->name.len, in->session->full_jid);
	if (to != NULL)
		text_put(&answer, " from='%s'", to);
	if (id != NULL)
		text_put(&answer, " id='%s'", id);
	text_put(&answer, "><error type='%r'><%r xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></%b>",
		 errors[error].type, errors[error].condition, (const void *)(in->bytes + in->event->name.at),
		 (size_t)in->event->name.len);
	session_send(in->session, answer.bytes, answer.len);
	text_free(&answer);
	free(id);
	free(to);
}

static void insert_lang(const struct incoming *in, struct xml_splice *splice, struct text *lang)
{
	if (in->event->lang.at != 0 || in->session->lang == NULL)
		return;
	text_put(lang, " xml:lang='%s'", in->session->lang);
	xml_splice_insert(splice, lang->bytes, lang->len);
}

static void put_pieces(const struct xml_splice *splice, struct text *to)
{
	struct xml_piece pieces[XML_PIECES_MAX];
	size_t count = xml_splice_pieces(splice, pieces);

	for (size_t i = 0; i < count; i++)
		text_put(to, "%b", (const void *)pieces[i].at, pieces[i].len);
}

void incoming_forward(const struct incoming *in, const char *addressing, struct text *to)
{
	const struct xml_event *event = in->event;
	struct xml_attribute_place its_to;
	struct xml_splice splice;
	struct text lang = {0};

	xml_splice_begin(&splice, in->bytes, event);
	insert_lang(in, &splice, &lang);
	if (addressing != NULL) {
		xml_splice_insert(&splice, addressing, strlen(addressing));
		if (event->from_whole.at != 0)
			xml_splice_remove(&splice, event->from_whole);
		if (xml_attribute_find(in->bytes, event, "to", &its_to))
			xml_splice_remove(&splice, its_to.whole);
	}
	put_pieces(&splice, to);
	text_free(&lang);
}

void stanza_address(const char *xml, size_t len, const char *attributes, struct text *to)
{
	size_t name = 1;

	while (name < len && strchr(" \t\r\n/>", xml[name]) == NULL)
		name++;
	text_put(to, "%b%r%b", (const void *)xml, name, attributes, (const void *)(xml + name), len - name);
}

void stanza_append(const char *xml, size_t len, const char *element, struct text *to)
{
	size_t end = len - 1;

	while (xml[end] != '<')
		end--;
	text_put(to, "%b%r%b", (const void *)xml, end, element, (const void *)(xml + end), len - end);
}

void stanza_delay(const char *xml, size_t len, const char *account, const char *stamp, struct text *to)
{
	struct text delay = {0};

	text_put(&delay, "<delay xmlns='urn:xmpp:delay' from='%s' stamp='%r'/>", account + strcspn(account, "@") + 1,
		 stamp);
	stanza_append(xml, len, delay.bytes, to);
	text_free(&delay);
}
