/* The certificate's files: what is accepted, and what is said about those that are not. */
#include "tls_peer.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct tls_fault fault;

static struct tls_context *context_of(const char *certificate, const char *key)
{
	struct tls_settings settings = {certificate, key, 12};

	memset(&fault, 0, sizeof fault);
	return tls_context_new(&settings, &fault);
}

static void refused(const char *certificate, const char *key, const char *named, const char *because)
{
	cr_assert_null(context_of(certificate, key));
	cr_assert_str_eq(fault.file, named);
	cr_assert(strstr(fault.why, because), "%s: says %s", fault.why, because);
	cr_assert_null(strchr(fault.why, '\n'));
}

Test(tls_context, pair_is_accepted)
{
	struct tls_files files = tls_files_make("EC", "SHA256");
	struct tls_context *context = context_of(files.certificate, files.key);

	cr_assert(context, "%s", fault.why);
	cr_assert_eq(tls_context_expires_s(context), 2208988800);
	cr_assert_eq(tls_context_ref(context), context);
	tls_context_unref(context);
	cr_assert_eq(tls_context_expires_s(context), 2208988800);
	tls_context_unref(context);
	tls_files_remove(&files);
}

Test(tls_context, rsa_is_accepted)
{
	struct tls_files files = tls_files_make("RSA", "SHA256");
	struct tls_context *context = context_of(files.certificate, files.key);

	cr_assert(context, "%s", fault.why);
	tls_context_unref(context);
	tls_files_remove(&files);
}

Test(tls_context, missing_file_is_named)
{
	struct tls_files files = tls_files_make("EC", "SHA256");

	refused("/nonexistent/cert.pem", files.key, "/nonexistent/cert.pem", "No such file");
	refused(files.certificate, "/nonexistent/key.pem", "/nonexistent/key.pem", "No such file");
	tls_files_remove(&files);
}

Test(tls_context, mismatch_is_named)
{
	struct tls_files one = tls_files_make("EC", "SHA256"), two = tls_files_make("EC", "SHA256");

	refused(one.certificate, two.key, two.key, "mismatch");
	tls_files_remove(&one);
	tls_files_remove(&two);
}

Test(tls_context, files_swapped_or_cut_are_refused)
{
	struct tls_files files = tls_files_make("EC", "SHA256");

	refused(files.key, files.key, files.key, "no start line");
	refused(files.certificate, files.certificate, files.certificate, "");
	cr_assert_eq(truncate(files.certificate, 200), 0);
	refused(files.certificate, files.key, files.certificate, "");
	cr_assert_eq(truncate(files.certificate, 0), 0);
	refused(files.certificate, files.key, files.certificate, "");
	tls_files_remove(&files);
}

Test(tls_context, weak_key_is_refused)
{
	struct tls_files files = tls_files_make("RSA-1024", "SHA256");

	refused(files.certificate, files.key, files.certificate, "too small");
	tls_files_remove(&files);
}

/* With a key under a passphrase nobody is asked for it. */
Test(tls_context, passphrase_is_refused, .timeout = 60)
{
	struct tls_files files = tls_files_make("EC", "SHA256");
	FILE *to = fopen(files.key, "w");
	EVP_PKEY *key = EVP_EC_gen("P-256");

	PEM_write_PrivateKey(to, key, EVP_aes_128_cbc(), (const uint8_t *)"word", 4, NULL, NULL);
	fclose(to);
	EVP_PKEY_free(key);
	refused(files.certificate, files.key, files.key, "");
	tls_files_remove(&files);
}

static void end_point_is(const char *algorithm, const char *signed_with, const char *hashed_with)
{
	struct tls_files files = tls_files_make(algorithm, signed_with);
	struct tls_peer *p = peer_new_with(&files, 12, false);
	uint8_t hash[64];
	unsigned int len = 0;
	X509 *certificate;

	cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE);
	cr_assert(peer_finish(p));
	certificate = SSL_get1_peer_certificate(p->client);
	if (hashed_with)
		X509_digest(certificate, EVP_get_digestbyname(hashed_with), hash, &len);
	cr_assert_eq(p->facts.end_point_len, len);
	cr_assert_arr_eq(p->facts.end_point, hash, len);
	X509_free(certificate);
	peer_free(p);
	tls_files_remove(&files);
}

Test(tls_context, end_point_has_the_signature_s_hash)
{
	end_point_is("EC", "SHA256", "SHA256");
	end_point_is("EC", "SHA384", "SHA384");
	end_point_is("EC", "SHA1", "SHA256");
	end_point_is("RSA", "SHA512", "SHA512");
	end_point_is("ED25519", NULL, NULL);
}
