#include "identity.h"

#include <assert.h>
#include <openssl/asn1.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/* One line more, if it fits and holds nothing that a line or a name cannot have. */
static void line_add(char *lines, size_t cap, const char *head, const uint8_t *text, size_t len)
{
	size_t had = strlen(lines), need = (had > 0) + strlen(head) + len;

	if (len == 0 || had + need >= cap)
		return;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] == 0x7f)
			return;
	if (had > 0)
		lines[had++] = '\n';
	memcpy(lines + had, head, strlen(head));
	memcpy(lines + had + strlen(head), text, len);
	lines[had + strlen(head) + len] = '\0';
}

/* OpenSSL's conversion checks that it is UTF-8 indeed. */
static void address_add(struct tls_identity *identity, ASN1_TYPE *value)
{
	uint8_t *text;
	int len;

	if (value->type != V_ASN1_UTF8STRING)
		return;
	len = ASN1_STRING_to_UTF8(&text, value->value.utf8string);
	if (len < 0)
		return;
	line_add(identity->addresses, sizeof identity->addresses, "", text, (size_t)len);
	OPENSSL_free(text);
}

static bool is_ascii(const ASN1_STRING *text)
{
	for (int i = 0; i < ASN1_STRING_length(text); i++)
		if (ASN1_STRING_get0_data(text)[i] >= 0x80)
			return false;
	return true;
}

static void name_add(struct tls_identity *identity, const char *head, const ASN1_STRING *text)
{
	if (is_ascii(text))
		line_add(identity->names, sizeof identity->names, head, ASN1_STRING_get0_data(text),
			 (size_t)ASN1_STRING_length(text));
}

static void general_name_add(struct tls_identity *identity, const GENERAL_NAME *name)
{
	const OTHERNAME *other = name->d.otherName;

	if (name->type == GEN_DNS)
		name_add(identity, "dns:", name->d.dNSName);
	else if (name->type == GEN_OTHERNAME && OBJ_obj2nid(other->type_id) == NID_XmppAddr)
		address_add(identity, other->value);
	else if (name->type == GEN_OTHERNAME && OBJ_obj2nid(other->type_id) == NID_SRVName &&
		 other->value->type == V_ASN1_IA5STRING)
		name_add(identity, "srv:", other->value->value.ia5string);
}

struct tls_identity *identity_of(const X509 *x509)
{
	struct tls_identity *identity = calloc(1, sizeof *identity);
	GENERAL_NAMES *all = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);

	assert(identity != NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++)
		general_name_add(identity, sk_GENERAL_NAME_value(all, i));
	GENERAL_NAMES_free(all);
	return identity;
}
