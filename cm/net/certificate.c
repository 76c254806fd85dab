#include "certificate.h"

#include <assert.h>
#include <idna.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NAME_BYTES_MAX = 255 };

/* ---- the pair */

/* The first error is the cause; those behind it tell how it was passed up. */
static const char *reason_take(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);

	ERR_clear_error();
	return reason ? reason : "cannot be used";
}

static bool certificate_fault(const char *file, struct tls_fault *ret)
{
	ret->file = file;
	snprintf(ret->why, sizeof ret->why, "%s", reason_take());
	return false;
}

static bool key_fault(const char *file, struct tls_fault *ret)
{
	ret->file = file;
	snprintf(ret->why, sizeof ret->why, "no private key of the certificate (%s)", reason_take());
	return false;
}

/* Without this OpenSSL would ask the terminal for the passphrase. */
static int passphrase_refuse(char *to, int cap, int writing, void *unused)
{
	return -1;
}

/* A context of OpenSSL's for the loading alone: it knows how, and checks. */
static bool pair_load(struct certificate *c, SSL_CTX *loader, const struct tls_pair *files, struct tls_fault *ret_fault)
{
	STACK_OF(X509) *chain = NULL;

	SSL_CTX_set_security_level(loader, 2);
	SSL_CTX_set_default_passwd_cb(loader, passphrase_refuse);
	if (SSL_CTX_use_certificate_chain_file(loader, files->certificate_file) != 1)
		return certificate_fault(files->certificate_file, ret_fault);
	if (SSL_CTX_use_PrivateKey_file(loader, files->key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(loader) != 1)
		return key_fault(files->key_file, ret_fault);
	c->x509 = SSL_CTX_get0_certificate(loader);
	X509_up_ref(c->x509);
	c->key = SSL_CTX_get0_privatekey(loader);
	EVP_PKEY_up_ref(c->key);
	SSL_CTX_get0_chain_certs(loader, &chain);
	c->chain = chain != NULL ? X509_chain_up_ref(chain) : NULL;
	return true;
}

/* RFC 5929, 4.1: the hash of the signature's algorithm; SHA-256 in place of MD5 and SHA-1; undefined where there is
 * none. */
static bool end_point_take(struct certificate *c)
{
	unsigned int len;
	int digest;

	if (X509_get_signature_info(c->x509, &digest, NULL, NULL, NULL) != 1 || digest == NID_undef)
		return true;
	if (digest == NID_md5 || digest == NID_sha1 || digest == NID_md5_sha1)
		digest = NID_sha256;
	if (!EVP_get_digestbynid(digest) || X509_digest(c->x509, EVP_get_digestbynid(digest), c->end_point, &len) != 1)
		return false;
	assert(len <= sizeof c->end_point);
	c->end_point_len = (uint8_t)len;
	return true;
}

static bool facts_take(struct certificate *c)
{
	unsigned int len;
	struct tm end;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(c->x509), &end) != 1)
		return false;
	c->expires_s = timegm(&end);
	return X509_digest(c->x509, EVP_sha256(), c->print, &len) == 1 && end_point_take(c);
}

/* ---- names */

static void name_add(struct certificate *c, const uint8_t *bytes, size_t len)
{
	char *name;

	if (len == 0 || len > NAME_BYTES_MAX)
		return;
	for (size_t i = 0; i < len; i++)
		if (bytes[i] <= ' ' || bytes[i] == 0x7f || strchr("@/\\,;:\"'", bytes[i]) != NULL)
			return;
	name = malloc(len + 1);
	c->names = realloc(c->names, (c->name_count + 1) * sizeof *c->names);
	assert(name != NULL && c->names != NULL);
	for (size_t i = 0; i < len; i++)
		name[i] = (char)(bytes[i] >= 'A' && bytes[i] <= 'Z' ? bytes[i] | 0x20 : bytes[i]);
	name[len] = '\0';
	c->names[c->name_count++] = name;
}

static void other_name_add(struct certificate *c, const OTHERNAME *other)
{
	static const char service[] = "_xmpp-client.";
	const ASN1_STRING *text = other->value->value.asn1_string;
	int kind = OBJ_obj2nid(other->type_id);
	const uint8_t *bytes;
	size_t len;

	if (kind == NID_XmppAddr && other->value->type == V_ASN1_UTF8STRING) {
		name_add(c, ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
	} else if (kind == NID_SRVName && other->value->type == V_ASN1_IA5STRING) {
		bytes = ASN1_STRING_get0_data(text);
		len = (size_t)ASN1_STRING_length(text);
		if (len > strlen(service) && strncasecmp((const char *)bytes, service, strlen(service)) == 0)
			name_add(c, bytes + strlen(service), len - strlen(service));
	}
}

static void names_take(struct certificate *c)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(c->x509, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);

		if (name->type == GEN_DNS)
			name_add(c, ASN1_STRING_get0_data(name->d.dNSName),
				 (size_t)ASN1_STRING_length(name->d.dNSName));
		else if (name->type == GEN_OTHERNAME)
			other_name_add(c, name->d.otherName);
	}
	GENERAL_NAMES_free(all);
}

static bool name_matches(const char *pattern, const char *name)
{
	const char *dot = strchr(name, '.');

	if (strncmp(pattern, "*.", 2) == 0)
		return dot != NULL && dot > name && strchr(pattern + 2, '.') != NULL && strcmp(pattern + 1, dot) == 0;
	return strcmp(pattern, name) == 0;
}

static bool names_have(const struct certificate *c, const char *name)
{
	for (size_t i = 0; i < c->name_count; i++)
		if (name_matches(c->names[i], name))
			return true;
	return false;
}

bool certificate_covers(const struct certificate *c, const char *name)
{
	char *ascii = NULL;
	bool covers = names_have(c, name);

	for (const char *at = name; !covers && *at != '\0'; at++) {
		if ((*at & 0x80) == 0)
			continue;
		if (idna_to_ascii_8z(name, &ascii, 0) == IDNA_SUCCESS)
			covers = names_have(c, ascii);
		free(ascii);
		break;
	}
	return covers;
}

/* ---- the staple */

/* A response that is not good must not keep a certificate from being used that is: it is only not shown. */
static void staple_take(struct certificate *c, const char *file)
{
	char error[TLS_ERROR_BYTES];

	if (file == NULL || staple_read(file, c->x509, c->chain, &c->staple, error))
		return;
	c->staple_fault = strdup(error);
	assert(c->staple_fault != NULL);
}

/* ---- all of it */

struct certificate *certificate_new(const struct tls_pair *files, struct tls_fault *ret_fault)
{
	struct certificate *c = calloc(1, sizeof *c);
	SSL_CTX *loader = SSL_CTX_new(TLS_server_method());
	bool good = true;

	ERR_clear_error();
	if (c == NULL || loader == NULL || !pair_load(c, loader, files, ret_fault)) {
		good = false;
	} else if (!facts_take(c)) {
		good = certificate_fault(files->certificate_file, ret_fault);
	} else {
		names_take(c);
		staple_take(c, files->staple_file);
	}
	SSL_CTX_free(loader);
	ERR_clear_error();
	if (good)
		return c;
	certificate_free(c);
	return NULL;
}

void certificate_free(struct certificate *c)
{
	if (c == NULL)
		return;
	X509_free(c->x509);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	for (size_t i = 0; i < c->name_count; i++)
		free(c->names[i]);
	free(c->names);
	free(c->staple.der);
	free(c->staple_fault);
	free(c);
}
