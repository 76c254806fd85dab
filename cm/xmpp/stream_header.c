#include "stream_header.h"
#include "jid.h"

#include <assert.h>
#include <string.h>

enum { VALUE_BYTES_MAX = JID_BYTES_MAX, SUBTAG_BYTES_MAX = 8 };

static_assert(STREAM_DOMAIN_BYTES == JID_PART_BYTES_MAX + 1, "a domain fits");
static_assert(STREAM_JID_BYTES == JID_BYTES_MAX + 1, "a JID fits");

/* A header's attribute, its references replaced. */
struct value {
	char text[VALUE_BYTES_MAX];
	size_t len;
};

/* False: longer than any address. */
static bool value_read(struct value *value, const uint8_t *bytes, struct xml_range range)
{
	if (range.len > VALUE_BYTES_MAX)
		return false;
	value->len = xml_unescape_value(bytes, range, (uint8_t *)value->text);
	return true;
}

/* Digits at *at; answers whether there are any, and whether one of them is not 0. */
static bool digits_skip(const struct value *value, size_t *at, bool *ret_is_positive)
{
	size_t begin = *at;
	bool positive = false;

	for (; *at < value->len && value->text[*at] >= '0' && value->text[*at] <= '9'; ++*at)
		positive |= value->text[*at] != '0';
	*ret_is_positive = positive;
	return *at > begin;
}

/* "major.minor", each an integer with any number of leading zeros, major at least 1 (RFC 6120, 4.7.5). Ours, 1.0, is
 * the least. */
static bool version_is_served(const uint8_t *bytes, struct xml_range version)
{
	struct value value;
	size_t at = 0;
	bool major, minor;

	if (!version.at || !value_read(&value, bytes, version) || !digits_skip(&value, &at, &major))
		return false;
	if (at == value.len || value.text[at++] != '.' || !digits_skip(&value, &at, &minor))
		return false;
	return major && at == value.len;
}

static enum reason to_read(struct stream_login *login, const uint8_t *bytes, struct xml_range to)
{
	struct value value;
	char domain[STREAM_DOMAIN_BYTES];

	if (!to.at)
		return REASON_ADDRESS_MISSING;
	if (!value_read(&value, bytes, to) || !jid_prepare_domain(value.text, value.len, domain))
		return REASON_HOST_UNKNOWN;
	if (login->domain[0] && strcmp(login->domain, domain) != 0)
		return REASON_HOST_CHANGED;
	memcpy(login->domain, domain, strlen(domain) + 1);
	return REASON_NONE;
}

/* The bare JID counts: some clients add a resource, which says nothing yet. */
static enum reason from_read(struct stream_login *login, bool authenticated, const uint8_t *bytes,
			     struct xml_range from)
{
	struct value value;
	struct jid jid;

	if (!from.at)
		return REASON_NONE;
	if (!value_read(&value, bytes, from) || !jid_parse(value.text, value.len, &jid))
		return REASON_FROM_INVALID;
	jid.text[jid_bare_len(&jid)] = 0;
	if (strcmp(jid.text + jid.domain_at, login->domain) != 0)
		return REASON_FROM_INVALID;
	if (authenticated && strcmp(jid.text, login->from) != 0)
		return REASON_FROM_INVALID;
	memcpy(login->from, jid.text, strlen(jid.text) + 1);
	return REASON_NONE;
}

/* What RFC 5646, 2.1, builds tags of: subtags of one to eight letters and digits, the first of letters, hyphens
 * between. */
static bool lang_is_tag(const struct value *value)
{
	size_t subtag = 0;
	bool first = true;

	for (size_t i = 0; i < value->len; i++) {
		char c = value->text[i], lower = (char)(c | 0x20);
		bool letter = lower >= 'a' && lower <= 'z', digit = c >= '0' && c <= '9';
		if (c == '-' && subtag > 0) {
			subtag = 0;
			first = false;
		} else if ((!letter && !(digit && !first)) || ++subtag > SUBTAG_BYTES_MAX) {
			return false;
		}
	}
	return subtag > 0;
}

/* A tag that is none is as good as no tag: nothing depends on it. */
static void lang_read(struct stream_login *login, const uint8_t *bytes, struct xml_range lang)
{
	struct value value;

	login->lang[0] = 0;
	if (!lang.at || !value_read(&value, bytes, lang) || value.len >= STREAM_LANG_BYTES || !lang_is_tag(&value))
		return;
	memcpy(login->lang, value.text, value.len);
	login->lang[value.len] = 0;
}

enum reason stream_header_read(struct stream_login *login, bool authenticated, const struct xml_event *event,
			       const uint8_t *bytes)
{
	enum reason reason;

	lang_read(login, bytes, event->lang);
	if (!authenticated)
		login->from[0] = 0;
	if (!event->content_ns.at || !xml_is_equal(bytes, event->content_ns, "jabber:client"))
		return REASON_NAMESPACE;
	if (!version_is_served(bytes, event->version))
		return REASON_VERSION;
	reason = to_read(login, bytes, event->to);
	return reason ? reason : from_read(login, authenticated, bytes, event->from);
}
