/* OCSP responses of every make for one certificate: which are believed. */
#include "staple.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct party {
	EVP_PKEY *key;
	X509 *x509;
};
static struct party authority, ours, sibling, responder, layman, stranger;
static STACK_OF(X509) * chain;
static char path[64], error[TLS_ERROR_BYTES];

static void extension_add(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	X509_add_ext(x, extension, -1);
	X509_EXTENSION_free(extension);
}

/* Signed by `by`; NULL: by itself. */
static struct party party_make(const char *name, long serial, const struct party *by, const char *use)
{
	struct party p = {EVP_EC_gen("P-256"), X509_new()};

	X509_set_version(p.x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(p.x509), serial);
	X509_gmtime_adj(X509_getm_notBefore(p.x509), -86400);
	X509_gmtime_adj(X509_getm_notAfter(p.x509), 86400);
	X509_set_pubkey(p.x509, p.key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(p.x509), "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(p.x509, X509_get_subject_name(by ? by->x509 : p.x509));
	if (by == NULL)
		extension_add(p.x509, NID_basic_constraints, "critical,CA:TRUE");
	if (use != NULL)
		extension_add(p.x509, NID_ext_key_usage, use);
	cr_assert_gt(X509_sign(p.x509, by ? by->key : p.key, EVP_sha256()), 0);
	return p;
}

static void make(void)
{
	const char *folder = getenv("TMPDIR");

	snprintf(path, sizeof path, "%.40s/staple_XXXXXX", folder ? folder : "/tmp");
	close(mkstemp(path));
	authority = party_make("authority", 1, NULL, NULL);
	ours = party_make("ours", 77, &authority, NULL);
	sibling = party_make("sibling", 78, &authority, NULL);
	responder = party_make("responder", 79, &authority, "OCSPSigning");
	layman = party_make("layman", 80, &authority, "serverAuth");
	stranger = party_make("authority", 1, NULL, NULL); /* of the same name */
	chain = sk_X509_new_null();
	sk_X509_push(chain, sibling.x509);
	sk_X509_push(chain, authority.x509);
}

static void drop(void)
{
	struct party *all[] = {&authority, &ours, &sibling, &responder, &layman, &stranger};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		EVP_PKEY_free(all[i]->key);
		X509_free(all[i]->x509);
	}
	sk_X509_free(chain);
	unlink(path);
}

TestSuite(staple, .init = make, .fini = drop);

/* A response; what a test does not set is as it should be. */
struct response {
	const struct party *about, *issuer, *signer;
	const EVP_MD *hash;
	int status;
	long from_s, until_s; /* from now; until 0: it does not say */
	size_t flip;	      /* which byte from the end is changed; 0: none */
	long cut;	      /* bytes taken off the end, or put there */
};
static const struct response right = {
	.about = &ours, .issuer = &authority, .signer = &authority, .from_s = -60, .until_s = 3600};

static void bytes_write(const uint8_t *bytes, size_t len)
{
	FILE *to = fopen(path, "wb");

	cr_assert(to && fwrite(bytes, 1, len, to) == len);
	fclose(to);
}

static void response_write(const struct response *r)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(r->hash ? r->hash : EVP_sha1(), r->about->x509, r->issuer->x509);
	ASN1_TIME *from = X509_gmtime_adj(NULL, r->from_s), *until = X509_gmtime_adj(NULL, r->until_s);
	ASN1_TIME *revoked = r->status == V_OCSP_CERTSTATUS_REVOKED ? from : NULL;
	OCSP_RESPONSE *response;
	uint8_t *der = NULL;
	int len;

	OCSP_basic_add1_status(basic, id, r->status, 0, revoked, from, r->until_s ? until : NULL);
	cr_assert_eq(OCSP_basic_sign(basic, r->signer->x509, r->signer->key, EVP_sha256(), NULL, 0), 1);
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	len = i2d_OCSP_RESPONSE(response, &der);
	cr_assert_gt(len, 100);
	der = OPENSSL_realloc(der, (size_t)len + 10);
	memset(der + len, 0, 10);
	if (r->flip)
		der[(size_t)len - r->flip] ^= 1;
	bytes_write(der, (size_t)(len - r->cut));
	OPENSSL_free(der);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	OCSP_CERTID_free(id);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
}

static void is_believed(struct response r)
{
	struct staple staple;
	int64_t made_s = time(NULL);

	response_write(&r);
	cr_assert(staple_read(path, ours.x509, chain, &staple, error), "%s", error);
	cr_assert_gt(staple.len, 100);
	cr_assert_eq(staple.der[0], 0x30);
	if (r.until_s)
		cr_assert(staple.until_s >= made_s + r.until_s && staple.until_s <= time(NULL) + r.until_s);
	else
		cr_assert_eq(staple.until_s, INT64_MAX);
	free(staple.der);
}

static void file_is_refused(const char *why)
{
	struct staple staple = {.len = 7};

	cr_assert_not(staple_read(path, ours.x509, chain, &staple, error), "wanted: %s", why);
	cr_assert_eq(strncmp(error, path, strlen(path)), 0, "%s", error);
	cr_assert_not_null(strstr(error, why), "%s, wanted: %s", error, why);
	cr_assert_eq(staple.len, 7);
}

static void is_refused(struct response r, const char *why)
{
	response_write(&r);
	file_is_refused(why);
}

#define BUT(...)                                                                                                       \
	({                                                                                                             \
		struct response but = right, *r = &but;                                                                \
		__VA_ARGS__;                                                                                           \
		but;                                                                                                   \
	})

Test(staple, believed)
{
	is_believed(right);
	is_believed(BUT(r->hash = EVP_sha256()));
	is_believed(BUT(r->until_s = 0));
	is_believed(BUT(r->signer = &responder));
	is_believed(BUT(r->from_s = 200)); /* clocks differ */
}

/* A serial number is its issuer's alone. */
Test(staple, for_another)
{
	struct party alike = party_make("alike", 77, &stranger, NULL);

	is_refused(BUT(r->about = &sibling), "for another certificate");
	is_refused(BUT(r->about = &alike; r->issuer = &stranger; r->signer = &stranger), "for another certificate");
	EVP_PKEY_free(alike.key);
	X509_free(alike.x509);
}

Test(staple, signed_by_another)
{
	is_refused(BUT(r->signer = &stranger), "has not signed");
	is_refused(BUT(r->signer = &layman), "has not signed");
	is_refused(BUT(r->signer = &ours), "has not signed");
}

Test(staple, not_good)
{
	is_refused(BUT(r->status = V_OCSP_CERTSTATUS_REVOKED), "does not say good");
	is_refused(BUT(r->status = V_OCSP_CERTSTATUS_UNKNOWN), "does not say good");
}

Test(staple, not_now)
{
	is_refused(BUT(r->until_s = -1), "has expired");
	is_refused(BUT(r->from_s = 3600; r->until_s = 7200), "does not hold yet");
}

Test(staple, bent)
{
	static const uint8_t try_later[] = {0x30, 3, 0x0a, 1, 3};
	uint8_t *much = calloc(1, 70000);

	is_refused(BUT(r->cut = 1), "no OCSP response");
	is_refused(BUT(r->cut = -1), "no OCSP response");
	bytes_write(try_later, sizeof try_later);
	file_is_refused("no OCSP response");
	bytes_write(much, 0);
	file_is_refused("no OCSP response");
	bytes_write(much, 70000);
	file_is_refused("no OCSP response");
	unlink(path);
	file_is_refused("No such file");
	free(much);
}

/* Whichever byte of the signed part or the signature is changed; the responder's certificate stands behind them. */
Test(staple, every_byte_counts)
{
	struct staple staple;
	FILE *from;
	uint8_t der[4096];
	size_t len;

	response_write(&right);
	from = fopen(path, "rb");
	len = fread(der, 1, sizeof der, from);
	fclose(from);
	len -= (size_t)i2d_X509(authority.x509, NULL);
	for (size_t i = 0; i < len; i++) {
		FILE *to = fopen(path, "r+b");

		fseek(to, (long)i, SEEK_SET);
		fputc(der[i] ^ 1, to);
		fclose(to);
		cr_assert_not(staple_read(path, ours.x509, chain, &staple, error), "byte %zu", i);
		to = fopen(path, "r+b");
		fseek(to, (long)i, SEEK_SET);
		fputc(der[i], to);
		fclose(to);
	}
	cr_assert(staple_read(path, ours.x509, chain, &staple, error));
	free(staple.der);
}

Test(staple, without_the_issuer)
{
	struct staple staple;

	response_write(&right);
	cr_assert_not(staple_read(path, ours.x509, NULL, &staple, error));
	cr_assert_not_null(strstr(error, "issuer is not in its file"));
}

Test(staple, of_one_that_signed_itself)
{
	struct response response = BUT(r->about = &authority);
	struct staple staple;

	response_write(&response);
	cr_assert(staple_read(path, authority.x509, NULL, &staple, error), "%s", error);
	free(staple.der);
}
