#include "staple.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BYTES_MAX = 65535, AHEAD_S_MAX = 300 };

/* What is judged, and by what. */
struct judgement {
	OCSP_RESPONSE *response;
	OCSP_BASICRESP *basic;
	X509 *x509, *issuer;
	int64_t until_s;
};

static X509 *issuer_find(X509 *x509, STACK_OF(X509) * chain)
{
	for (int i = 0; i < sk_X509_num(chain); i++)
		if (X509_check_issued(sk_X509_value(chain, i), x509) == X509_V_OK)
			return sk_X509_value(chain, i);
	return X509_check_issued(x509, x509) == X509_V_OK ? x509 : NULL;
}

/* Whether the answer is about the certificate, whose id is made with the answer's own hash. */
static bool single_is_ours(const struct judgement *j, const OCSP_SINGLERESP *single)
{
	OCSP_CERTID *theirs = (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(single), *ours = NULL;
	ASN1_OBJECT *hash = NULL;
	bool same;

	OCSP_id_get0_info(NULL, &hash, NULL, NULL, theirs);
	if (EVP_get_digestbyobj(hash) != NULL)
		ours = OCSP_cert_to_id(EVP_get_digestbyobj(hash), j->x509, j->issuer);
	same = ours != NULL && OCSP_id_cmp(ours, theirs) == 0;
	OCSP_CERTID_free(ours);
	return same;
}

static OCSP_SINGLERESP *single_find(const struct judgement *j)
{
	for (int i = 0; i < OCSP_resp_count(j->basic); i++)
		if (single_is_ours(j, OCSP_resp_get0(j->basic, i)))
			return OCSP_resp_get0(j->basic, i);
	return NULL;
}

/* The signer is the issuer or has its word, and the word comes from nowhere else: the store knows only the issuer. */
static bool is_signed(const struct judgement *j)
{
	X509_STORE *trusted = X509_STORE_new();
	STACK_OF(X509) *known = sk_X509_new_null();
	bool good = trusted != NULL && known != NULL && X509_STORE_add_cert(trusted, j->issuer) == 1 &&
		    sk_X509_push(known, j->issuer) > 0 &&
		    OCSP_basic_verify(j->basic, known, trusted, OCSP_PARTIAL_CHAIN) == 1;

	sk_X509_free(known);
	X509_STORE_free(trusted);
	return good;
}

/* NULL: it is good, and until_s is set. */
static const char *single_judge(struct judgement *j, OCSP_SINGLERESP *single)
{
	ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
	int status = OCSP_single_get0_status(single, NULL, NULL, &from, &until);
	struct tm end;

	if (status != V_OCSP_CERTSTATUS_GOOD)
		return "an OCSP response that does not say good";
	if (OCSP_check_validity(from, NULL, AHEAD_S_MAX, -1) != 1)
		return "an OCSP response that does not hold yet";
	j->until_s = INT64_MAX;
	if (until == NULL)
		return NULL;
	if (ASN1_TIME_to_tm(until, &end) != 1)
		return "no OCSP response";
	j->until_s = timegm(&end);
	return j->until_s > time(NULL) ? NULL : "an OCSP response that has expired";
}

static const char *judge(struct judgement *j)
{
	OCSP_SINGLERESP *single;

	if (OCSP_response_status(j->response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		return "no OCSP response";
	j->basic = OCSP_response_get1_basic(j->response);
	if (j->basic == NULL)
		return "no OCSP response";
	if (j->issuer == NULL)
		return "an OCSP response that cannot be verified, since the certificate's issuer is not in its file";
	single = single_find(j);
	if (single == NULL)
		return "an OCSP response for another certificate";
	if (!is_signed(j))
		return "an OCSP response that the certificate's issuer has not signed";
	return single_judge(j, single);
}

static const char *staple_judge(struct staple *staple, X509 *x509, STACK_OF(X509) * chain)
{
	const uint8_t *at = staple->der;
	struct judgement j = {.response = d2i_OCSP_RESPONSE(NULL, &at, (long)staple->len),
			      .x509 = x509,
			      .issuer = issuer_find(x509, chain)};
	const char *wrong = j.response == NULL || at != staple->der + staple->len ? "no OCSP response" : judge(&j);

	OCSP_BASICRESP_free(j.basic);
	OCSP_RESPONSE_free(j.response);
	ERR_clear_error();
	staple->until_s = j.until_s;
	return wrong;
}

/* NULL: the bytes were read. */
static const char *bytes_read(const char *file, struct staple *staple)
{
	FILE *from = fopen(file, "rbe");

	if (from == NULL)
		return strerror(errno);
	staple->der = malloc(BYTES_MAX + 1);
	assert(staple->der != NULL);
	staple->len = fread(staple->der, 1, BYTES_MAX + 1, from);
	fclose(from);
	return staple->len == 0 || staple->len > BYTES_MAX ? "no OCSP response" : NULL;
}

bool staple_read(const char *file, X509 *x509, STACK_OF(X509) * chain, struct staple *ret,
		 char error[static TLS_ERROR_BYTES])
{
	struct staple staple = {0};
	const char *wrong = bytes_read(file, &staple);

	if (wrong == NULL)
		wrong = staple_judge(&staple, x509, chain);
	if (wrong == NULL) {
		*ret = staple;
		return true;
	}
	snprintf(error, TLS_ERROR_BYTES, "%s: %s", file, wrong);
	free(staple.der);
	return false;
}
