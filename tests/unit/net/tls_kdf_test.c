/*
 * The key schedule of TLS 1.3: by the examples of RFC 8448, section 3, beside OpenSSL's own for random requests, and
 * whole handshakes by the one and by the other.
 */
#include "tls_kdf.h"
#include "tls_peer.h"

#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <string.h>

/* One request to a KDF; what is NULL or of length 0 is not in it. */
struct request {
	const char *query, *digest, *prefix, *label;
	int mode;
	const uint8_t *key, *salt, *data;
	size_t key_len, salt_len, data_len;
};

static void octets_put(OSSL_PARAM **param, const char *name, const void *bytes, size_t len)
{
	if (bytes != NULL)
		*(*param)++ = OSSL_PARAM_construct_octet_string(name, (void *)bytes, len);
}

static bool ask(const struct request *r, uint8_t *to, size_t len)
{
	int mode = r->mode;
	OSSL_PARAM params[8], *param = params;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_3_KDF, r->query);
	EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
	bool done;

	cr_assert_not_null(context);
	*param++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
	*param++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)r->digest, 0);
	octets_put(&param, OSSL_KDF_PARAM_KEY, r->key, r->key_len);
	octets_put(&param, OSSL_KDF_PARAM_SALT, r->salt, r->salt_len);
	octets_put(&param, OSSL_KDF_PARAM_PREFIX, r->prefix, strlen(r->prefix));
	octets_put(&param, OSSL_KDF_PARAM_LABEL, r->label, r->label == NULL ? 0 : strlen(r->label));
	octets_put(&param, OSSL_KDF_PARAM_DATA, r->data, r->data_len);
	*param = OSSL_PARAM_construct_end();
	done = EVP_KDF_derive(context, to, len, params) > 0;
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return done;
}

static struct request expansion(const char *digest, const uint8_t *key, size_t key_len, const char *label)
{
	return (struct request){.query = tls_kdf_query(),
				.digest = digest,
				.prefix = "tls13 ",
				.label = label,
				.mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY,
				.key = key,
				.key_len = key_len};
}

static struct request extraction(const char *digest, const uint8_t *before, const uint8_t *input, size_t len)
{
	return (struct request){.query = tls_kdf_query(),
				.digest = digest,
				.prefix = "tls13 ",
				.label = "derived",
				.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY,
				.key = input,
				.key_len = len,
				.salt = before,
				.salt_len = before == NULL		    ? 0
					    : strcmp(digest, "SHA256") == 0 ? 32
									    : 48};
}

static const char *of_whom(const char *query)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_3_KDF, query);
	const char *name = OSSL_PROVIDER_get0_name(EVP_KDF_get0_provider(kdf));

	EVP_KDF_free(kdf);
	return name;
}

Test(tls_kdf, is_for_those_who_ask_for_it)
{
	const char *query = tls_kdf_query();

	cr_assert_not_null(query);
	cr_assert_str_eq(tls_kdf_query(), query);
	cr_assert_str_eq(of_whom(query), "stanzagate");
	cr_assert_str_eq(of_whom(NULL), "default");
}

/* ---- RFC 8448, 3 */

static void hex_read(const char *hex, uint8_t to[static 32])
{
	size_t len;

	cr_assert_eq(OPENSSL_hexstr2buf_ex(to, 32, &len, hex, '\0'), 1);
	cr_assert_eq(len, 32);
}

static void expect(struct request r, const char *hex)
{
	uint8_t want[32], got[32];

	hex_read(hex, want);
	cr_assert(ask(&r, got, sizeof got), "%s", r.label);
	cr_assert_arr_eq(got, want, sizeof want, "%s", r.label);
}

static const char early[] = "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a",
		  shared[] = "8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d",
		  handshake[] = "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac",
		  master[] = "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919";

Test(tls_kdf, three_secrets_of_rfc_8448)
{
	uint8_t before[32], input[32];

	expect(extraction("SHA256", NULL, NULL, 0), early);
	hex_read(early, before);
	hex_read(shared, input);
	expect(extraction("SHA256", before, input, sizeof input), handshake);
	hex_read(handshake, before);
	expect(extraction("SHA256", before, NULL, 0), master);
}

Test(tls_kdf, traffic_secrets_of_rfc_8448)
{
	static const struct {
		const char *label, *secret;
	} rows[] = {{"c ap traffic", "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"},
		    {"s ap traffic", "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"},
		    {"exp master", "fe22f881176eda18eb8f44529e6792c50c9a3f89452f68d8ae311b4309d3cf50"}};
	uint8_t secret[32], hash[32];

	hex_read(master, secret);
	hex_read("9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13", hash);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct request r = expansion("SHA256", secret, sizeof secret, rows[i].label);

		r.data = hash;
		r.data_len = sizeof hash;
		expect(r, rows[i].secret);
	}
}

/* ---- beside OpenSSL's */

static const char *const digests[] = {"SHA256", "SHA384"};
static const size_t digest_bytes[] = {32, 48};

static void both_agree(struct request r, size_t len)
{
	uint8_t ours[HKDF_DIGEST_BYTES_MAX] = {1}, theirs[HKDF_DIGEST_BYTES_MAX] = {2};

	cr_assert(ask(&r, ours, len));
	r.query = "provider=default";
	cr_assert(ask(&r, theirs, len));
	cr_assert_arr_eq(ours, theirs, len, "%s %s, %zu bytes", r.digest, r.label, len);
}

Test(tls_kdf, expands_as_openssl)
{
	static const char *const labels[] = {
		"key",		"iv",		"finished",	"derived",	"c e traffic", "e exp master",
		"c hs traffic", "s hs traffic", "c ap traffic", "s ap traffic", "exp master",  "res master",
		"resumption",	"traffic upd",	"ext binder",	"res binder",	"exporter",    "x"};
	uint8_t secret[HKDF_DIGEST_BYTES_MAX], data[HKDF_CONTEXT_BYTES_MAX];
	uint64_t random = 8446;

	for (int i = 0; i < 4000; i++) {
		size_t digest = random_next(&random) % 2, bytes = digest_bytes[digest];
		const char *label = labels[random_next(&random) % (sizeof labels / sizeof labels[0])];
		struct request r = expansion(digests[digest], secret, bytes, label);

		random_fill(&random, secret, sizeof secret);
		random_fill(&random, data, sizeof data);
		if (i % 3 > 0) {
			r.data = data;
			r.data_len = i % 3 == 1 ? bytes : random_next(&random) % 240;
		}
		both_agree(r, 1 + random_next(&random) % bytes);
	}
}

Test(tls_kdf, extracts_as_openssl)
{
	uint8_t before[HKDF_DIGEST_BYTES_MAX], input[200];
	uint64_t random = 5869;

	for (int i = 0; i < 1000; i++) {
		size_t digest = random_next(&random) % 2;

		random_fill(&random, before, sizeof before);
		random_fill(&random, input, sizeof input);
		both_agree(extraction(digests[digest], i % 4 < 2 ? before : NULL, i % 4 % 2 == 0 ? input : NULL,
				      1 + random_next(&random) % (sizeof input - 1)),
			   digest_bytes[digest]);
	}
}

/* Nothing of this is asked for in TLS 1.3, and none of it is answered wrongly. */
Test(tls_kdf, refuses_the_rest)
{
	uint8_t secret[HKDF_DIGEST_BYTES_MAX] = {0}, data[HKDF_CONTEXT_BYTES_MAX + 1] = {0}, to[64];
	char label[HKDF_LABEL_BYTES_MAX + 2];
	struct request good = expansion("SHA256", secret, 32, "key"), r = good;

	cr_assert(ask(&r, to, 32));
	cr_assert_not(ask(&r, to, 33));
	r.key_len = 31;
	cr_assert_not(ask(&r, to, 32));
	r = good;
	r.key = NULL;
	r.key_len = 0;
	cr_assert_not(ask(&r, to, 32));
	r = good;
	r.label = NULL;
	cr_assert_not(ask(&r, to, 32));
	r = good;
	r.digest = "SHA512";
	cr_assert_not(ask(&r, to, 32));
	r = good;
	r.prefix = "dtls13";
	cr_assert_not(ask(&r, to, 32));
	r = good;
	r.mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
	cr_assert_not(ask(&r, to, 32));
	r = good;
	r.data = data;
	r.data_len = sizeof data;
	cr_assert_not(ask(&r, to, 32));
	memset(label, 'l', sizeof label - 1);
	label[sizeof label - 1] = '\0';
	r = good;
	r.label = label;
	cr_assert_not(ask(&r, to, 32));
	r = extraction("SHA256", secret, secret, 32);
	cr_assert_not(ask(&r, to, 31));
	r.salt_len = 31;
	cr_assert_not(ask(&r, to, 32));
}

/* ---- secrets */

static void *ask_elsewhere(void *secret)
{
	struct request r = expansion("SHA256", secret, 32, "s ap traffic");
	uint8_t to[32];

	return ask(&r, to, sizeof to) ? secret : NULL;
}

Test(tls_kdf, tells_what_a_connection_lives_on)
{
	static const char *const labels[] = {"c ap traffic", "s ap traffic", "exp master"};
	struct tls_secrets secrets = {0};
	const struct tls_secret *told[] = {&secrets.client, &secrets.server, &secrets.exporter};
	uint8_t secret[HKDF_DIGEST_BYTES_MAX] = {7}, to[3][HKDF_DIGEST_BYTES_MAX];
	struct request r = expansion("SHA384", secret, sizeof secret, "c hs traffic");
	pthread_t other;
	void *done;

	tls_kdf_tell(&secrets);
	cr_assert(ask(&r, to[0], 48));
	cr_assert_eq(pthread_create(&other, NULL, ask_elsewhere, secret), 0);
	cr_assert_eq(pthread_join(other, &done), 0);
	cr_assert_not_null(done);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(told[i]->len, 0);
	for (size_t i = 0; i < 3; i++) {
		r.label = labels[i];
		cr_assert(ask(&r, to[i], 48));
	}
	tls_kdf_tell(NULL);
	secret[0] = 8;
	cr_assert(ask(&r, to[0], 48));
	for (size_t i = 1; i < 3; i++) {
		cr_assert_eq(told[i]->len, 48);
		cr_assert_arr_eq(told[i]->bytes, to[i], 48);
	}
	cr_assert_eq(secrets.client.len, 48);
	cr_assert_arr_neq(secrets.client.bytes, to[0], 48);
}

/* ---- where it is refused */

static void handshakes_are_good(void)
{
	for (enum record_version version = RECORD_TLS12; version <= RECORD_TLS13; version++)
		for (enum record_cipher cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++) {
			struct tls_peer *p = peer_new(true);
			uint8_t exporter[32];

			peer_choose(p, version, cipher);
			cr_assert_eq(peer_shake(p, SIZE_MAX), HANDSHAKE_DONE);
			cr_assert_eq(SSL_export_keying_material(p->client, exporter, sizeof exporter,
								"EXPORTER-Channel-Binding", 24, (const uint8_t *)"", 0,
								1),
				     1);
			cr_assert(peer_finish(p));
			cr_assert_arr_eq(p->facts.exporter, exporter, sizeof exporter);
			peer_free(p);
		}
}

Test(tls_kdf, demanded_properties_go_before_it)
{
	cr_assert_eq(EVP_set_default_properties(NULL, "provider=default"), 1);
	cr_assert_null(tls_kdf_query());
	handshakes_are_good();
	cr_assert_eq(EVP_set_default_properties(NULL, ""), 1);
	cr_assert_not_null(tls_kdf_query());
	handshakes_are_good();
}
