#include "jid.h"

#include <assert.h>
#include <string.h>
#include <stringprep.h>

enum {
	LABEL_CHARACTERS_MAX =
		63, /* RFC 1034: of an ASCII label; an internationalized one is longer on the wire, never shorter */
	LITERAL_BYTES_MAX = 47, /* "[", an IPv6 address of 45 characters, "]" */
};

static bool byte_is_ascii(char c)
{
	return (unsigned char)c < 0x80;
}

static char byte_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool byte_is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (byte_lower(c) >= 'a' && byte_lower(c) <= 'z');
}

static bool text_is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!byte_is_ascii(text[i]))
			return false;
	return true;
}

/* ASCII that nodeprep allows: no controls, no space, none of " & ' / : < > @ (RFC 6122, A.5). */
static bool local_byte_is_allowed(char c)
{
	return c > ' ' && c < 0x7f && !strchr("\"&'/:<>@", c);
}

static bool resource_byte_is_allowed(char c)
{
	return c >= ' ' && c < 0x7f;
}

/*
 * Anything with a byte above ASCII goes through libidn, which also refuses what is not UTF-8. Code points that
 * Unicode 3.2 did not assign are let through, as deployed servers do: newer scripts and symbols stand in real
 * addresses.
 */
static bool text_prepare(const char *text, size_t len, const Stringprep_profile *profile, char *to)
{
	if (len > JID_PART_BYTES_MAX || memchr(text, 0, len))
		return false;
	memcpy(to, text, len);
	to[len] = 0;
	return stringprep(to, JID_PART_BYTES_MAX + 1, 0, profile) == STRINGPREP_OK && to[0];
}

bool jid_prepare_local(const char *text, size_t len, char *to)
{
	if (len == 0 || len > JID_PART_BYTES_MAX)
		return false;
	if (!text_is_ascii(text, len))
		return text_prepare(text, len, stringprep_xmpp_nodeprep, to);
	for (size_t i = 0; i < len; i++) {
		if (!local_byte_is_allowed(text[i]))
			return false;
		to[i] = byte_lower(text[i]);
	}
	to[len] = 0;
	return true;
}

bool jid_prepare_resource(const char *text, size_t len, char *to)
{
	if (len == 0 || len > JID_PART_BYTES_MAX)
		return false;
	if (!text_is_ascii(text, len))
		return text_prepare(text, len, stringprep_xmpp_resourceprep, to);
	for (size_t i = 0; i < len; i++)
		if (!resource_byte_is_allowed(text[i]))
			return false;
	memcpy(to, text, len);
	to[len] = 0;
	return true;
}

/* Bytes of the label separator that stands here, 0 for none: "." and the three that RFC 3490, 3.1, has us read alike.
 */
static size_t dot_len(const char *text, size_t len)
{
	if (text[0] == '.')
		return 1;
	if (len < 3)
		return 0;
	return !memcmp(text, "\u3002", 3) || !memcmp(text, "\uff0e", 3) || !memcmp(text, "\uff61", 3) ? 3 : 0;
}

/* Letters, digits, hyphens within, underscores (they are found in names in use); anything above ASCII was nameprep's to
 * judge. */
static bool label_is_allowed(const char *label, size_t len)
{
	size_t characters = 0;

	if (len == 0 || label[0] == '-' || label[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = label[i];
		if (byte_is_ascii(c) && !byte_is_alnum(c) && c != '-' && c != '_')
			return false;
		characters += ((unsigned char)c & 0xc0) != 0x80;
	}
	return characters <= LABEL_CHARACTERS_MAX;
}

/* A label is prepared alone: nameprep's rule for right-to-left text speaks of labels (RFC 3490, 4). */
static bool label_prepare(const char *text, size_t len, char *to, size_t *ret_len)
{
	if (len > JID_PART_BYTES_MAX)
		return false;
	if (!text_is_ascii(text, len)) {
		if (!text_prepare(text, len, stringprep_nameprep, to))
			return false;
		len = strlen(to);
	} else {
		for (size_t i = 0; i < len; i++)
			to[i] = byte_lower(text[i]);
		to[len] = 0;
	}
	*ret_len = len;
	return label_is_allowed(to, len);
}

/* An IPv6 address in brackets. Whether it is one is for whoever would connect to it; no other text passes for it. */
static bool literal_prepare(const char *text, size_t len, char *to)
{
	size_t colons = 0;

	if (len < 4 || len > LITERAL_BYTES_MAX || text[len - 1] != ']')
		return false;
	for (size_t i = 1; i < len - 1; i++) {
		char c = byte_lower(text[i]);
		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && c != ':' && c != '.')
			return false;
		colons += c == ':';
		to[i] = c;
	}
	to[0] = '[';
	to[len - 1] = ']';
	to[len] = 0;
	return colons >= 2;
}

/* One label from `text`, appended at *at with a dot before it unless it is the first. */
static bool label_append(const char *text, size_t len, char *to, size_t *at)
{
	char label[JID_PART_BYTES_MAX + 1];
	size_t label_len, dot = *at ? 1 : 0;

	if (!label_prepare(text, len, label, &label_len) || *at + dot + label_len > JID_PART_BYTES_MAX)
		return false;
	if (dot)
		to[*at] = '.';
	memcpy(to + *at + dot, label, label_len + 1);
	*at += dot + label_len;
	return true;
}

bool jid_prepare_domain(const char *text, size_t len, char *to)
{
	size_t begin = 0, at = 0, dot;

	if (len == 0)
		return false;
	if (text[0] == '[')
		return literal_prepare(text, len, to);
	for (size_t i = 0; i < len; i += dot ? dot : 1) {
		dot = dot_len(text + i, len - i);
		if (!dot)
			continue;
		if (!label_append(text + begin, i - begin, to, &at))
			return false;
		begin = i + dot;
	}
	/* A dot at the end is dropped (RFC 7622, 3.2). */
	return begin == len || label_append(text + begin, len - begin, to, &at);
}

static bool parse_local(const char *text, size_t len, struct jid *jid)
{
	if (!jid_prepare_local(text, len, jid->text))
		return false;
	jid->local_len = (unsigned short)strlen(jid->text);
	jid->text[jid->local_len] = '@';
	jid->domain_at = jid->local_len + 1;
	return true;
}

static bool parse_resource(const char *text, size_t len, struct jid *jid)
{
	jid->text[jid->len++] = '/';
	jid->resource_at = jid->len;
	if (!jid_prepare_resource(text, len, jid->text + jid->len))
		return false;
	jid->len += (unsigned short)strlen(jid->text + jid->len);
	return true;
}

/* The first '/' begins the resource, in which '@' and '/' are ordinary; the first '@' before it ends the local part. */
bool jid_parse(const char *text, size_t len, struct jid *jid)
{
	const char *slash = len ? memchr(text, '/', len) : NULL;
	size_t bare = slash ? (size_t)(slash - text) : len;
	const char *at = bare ? memchr(text, '@', bare) : NULL;
	size_t domain = at ? (size_t)(at - text) + 1 : 0;

	jid->local_len = jid->domain_at = jid->resource_at = 0;
	if (at && !parse_local(text, domain - 1, jid))
		return false;
	if (!jid_prepare_domain(text + domain, bare - domain, jid->text + jid->domain_at))
		return false;
	jid->domain_len = (unsigned short)strlen(jid->text + jid->domain_at);
	jid->len = jid->domain_at + jid->domain_len;
	if (slash && !parse_resource(slash + 1, len - bare - 1, jid))
		return false;
	assert(jid->len <= JID_BYTES_MAX);
	return true;
}

size_t jid_bare_len(const struct jid *jid)
{
	return jid->resource_at ? jid->resource_at - 1u : jid->len;
}
