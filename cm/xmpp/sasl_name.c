#include "jid.h"
#include "stream.h"
#include "xml_splice.h"

#include <string.h>

/* PLAIN allows three fields of 255 bytes (RFC 4616, 2); a first message of SCRAM is a name, a nonce, and little else.
 */
enum { MESSAGE_BYTES_MAX = 2048, ENCODED_BYTES_MAX = (MESSAGE_BYTES_MAX + 2) / 3 * 4 };

struct part {
	const char *at;
	size_t len;
};

static struct part part_of(const uint8_t *bytes, uint32_t begin, uint32_t end)
{
	return (struct part){(const char *)bytes + begin, end - begin};
}

static bool part_starts(struct part part, const char *text)
{
	return part.len >= strlen(text) && memcmp(part.at, text, strlen(text)) == 0;
}

/* What stands before the first `end`, taken off the front together with it. False: there is none. */
static bool part_cut(struct part *part, char end, struct part *ret)
{
	const char *found = part->len ? memchr(part->at, end, part->len) : NULL;

	if (!found)
		return false;
	*ret = (struct part){part->at, (size_t)(found - part->at)};
	part->len -= ret->len + 1;
	part->at = found + 1;
	return true;
}

static bool mechanism_find(const struct xml_event *auth, const uint8_t *bytes, struct xml_range *ret)
{
	struct xml_attribute_place mechanism;

	if (!xml_attribute_find(bytes, auth, "mechanism", &mechanism))
		return false;
	*ret = mechanism.value;
	return true;
}

/* The text of the first child, as far as no markup interrupts it. */
static bool child_text(const struct xml_event *auth, const uint8_t *bytes, struct xml_range *ret)
{
	uint32_t at = auth->child.at + auth->child.len, begin;
	struct xml_attribute_place last;

	while (xml_attribute_next(bytes, &at, &last))
		;
	while (bytes[at] != '/' && bytes[at] != '>')
		at++;
	if (bytes[at] == '/')
		return false;
	begin = ++at;
	while (bytes[at] != '<')
		at++;
	*ret = (struct xml_range){begin, at - begin};
	return true;
}

/* RFC 6120 puts the initial response into the element's text; XEP-0388 into a child, which its schema has come first.
 */
static bool response_find(const struct xml_event *auth, const uint8_t *bytes, struct xml_range *ret)
{
	if (xml_is_equal(bytes, auth->name, "auth")) {
		*ret = auth->text;
		return auth->text.at;
	}
	return xml_is_equal(bytes, auth->name, "authenticate") && auth->child.at &&
	       xml_is_equal(bytes, auth->child, "initial-response") && child_text(auth, bytes, ret);
}

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Base64 of RFC 4648, 4, and nothing beside it: no other character, padding where it belongs, no bits lost in it. */
static bool base64_decode(struct part text, char *to, size_t *ret_len)
{
	size_t padding = 0, len = 0;
	uint32_t bits = 0;

	if (text.len == 0 || text.len % 4)
		return false;
	while (padding < 2 && text.at[text.len - padding - 1] == '=')
		padding++;
	for (size_t i = 0; i < text.len; i++) {
		int value = i < text.len - padding ? digit_value(text.at[i]) : 0;
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 != 3)
			continue;
		to[len++] = (char)(bits >> 16);
		to[len++] = (char)(bits >> 8);
		to[len++] = (char)bits;
	}
	*ret_len = len - padding;
	return !(padding == 2 ? bits & 0xffff : padding == 1 ? bits & 0xff : 0);
}

/* The local part of an authorization identity, which is a bare JID. */
static bool authzid_local(struct part authzid, char *to)
{
	struct jid jid;

	if (!jid_parse(authzid.at, authzid.len, &jid) || !jid.local_len)
		return false;
	memcpy(to, jid.text, jid.local_len);
	to[jid.local_len] = 0;
	return true;
}

/* A name of SCRAM: "=2C" is a comma, "=3D" an equals sign, and no other "=" may stand (RFC 5802, 5.1). */
static bool saslname_decode(struct part name, char *to, size_t *ret_len)
{
	size_t len = 0;

	for (size_t i = 0; i < name.len; i++) {
		struct part rest = {name.at + i, name.len - i};
		if (name.at[i] != '=') {
			to[len++] = name.at[i];
			continue;
		}
		if (!part_starts(rest, "=2C") && !part_starts(rest, "=3D"))
			return false;
		to[len++] = rest.at[1] == '2' ? ',' : '=';
		i += 2;
	}
	*ret_len = len;
	return true;
}

/* "[authzid] NUL authcid NUL passwd" (RFC 4616, 2): whom the session will belong to is the first, where it is given. */
static bool plain_user(struct part message, char *to)
{
	struct part authzid, authcid;

	if (!part_cut(&message, 0, &authzid) || !part_cut(&message, 0, &authcid))
		return false;
	return authzid.len ? authzid_local(authzid, to) : jid_prepare_local(authcid.at, authcid.len, to);
}

/* "n,[a=authzid],n=user,r=nonce...", where the first may also be "y" or "p=binding" (RFC 5802, 5.1 and 7). */
static bool scram_user(struct part message, char *to)
{
	struct part flag, authzid, user;
	char name[MESSAGE_BYTES_MAX];
	size_t len;

	if (!part_cut(&message, ',', &flag) || !part_cut(&message, ',', &authzid) || !part_cut(&message, ',', &user))
		return false;
	if (!part_starts(flag, "n") && !part_starts(flag, "y") && !part_starts(flag, "p="))
		return false;
	if (!part_starts(user, "n=") || (authzid.len && !part_starts(authzid, "a=")))
		return false;
	if (authzid.len)
		user = authzid;
	if (!saslname_decode((struct part){user.at + 2, user.len - 2}, name, &len))
		return false;
	return authzid.len ? authzid_local((struct part){name, len}, to) : jid_prepare_local(name, len, to);
}

/* "authcid NUL token" of the hashed tokens that XEP-0484 logs in with again. */
static bool token_user(struct part message, char *to)
{
	struct part authcid;

	return part_cut(&message, 0, &authcid) && jid_prepare_local(authcid.at, authcid.len, to);
}

static bool message_user(struct part mechanism, struct part message, char *to)
{
	if (mechanism.len == strlen("PLAIN") && part_starts(mechanism, "PLAIN"))
		return plain_user(message, to);
	if (part_starts(mechanism, "SCRAM-"))
		return scram_user(message, to);
	if (mechanism.len == strlen("EXTERNAL") && part_starts(mechanism, "EXTERNAL"))
		return authzid_local(message, to); /* RFC 4422, A.1: the message is the authorization identity */
	return part_starts(mechanism, "HT-") && token_user(message, to);
}

bool stream_auth_user(const struct xml_event *auth, const uint8_t *bytes, char *to)
{
	struct xml_range mechanism, response;
	uint8_t encoded[ENCODED_BYTES_MAX];
	char message[MESSAGE_BYTES_MAX + 2], user[JID_PART_BYTES_MAX + 1];
	size_t len;
	bool found;

	if (!mechanism_find(auth, bytes, &mechanism) || !response_find(auth, bytes, &response))
		return false;
	if (response.len > ENCODED_BYTES_MAX)
		return false;
	len = xml_unescape_text(bytes, response, encoded);
	found = base64_decode((struct part){(char *)encoded, len}, message, &len) &&
		message_user(part_of(bytes, mechanism.at, mechanism.at + mechanism.len), (struct part){message, len},
			     user);
	/* There may have been a password in them. */
	explicit_bzero(encoded, sizeof encoded);
	explicit_bzero(message, sizeof message);
	if (found)
		memcpy(to, user, strlen(user) + 1);
	return found;
}
