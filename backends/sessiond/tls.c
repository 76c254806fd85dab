#include "tls.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct tls {
	const struct sessiond_tls *settings;
	SSL_CTX *context;
	struct stat read[3]; /* of the files as they were read */
	struct stat seen[3]; /* as they were looked at last */
};

static void files_look(const struct sessiond_tls *s, struct stat to[static 3])
{
	const char *const files[] = {s->certificate, s->key, s->ca};
	for (int i = 0; i < 3; i++) {
		struct stat now = {0};
		if (!files[i] || stat(files[i], &now) != 0)
			now = (struct stat){0};
		to[i] = (struct stat){.st_ino = now.st_ino, .st_size = now.st_size, .st_mtim = now.st_mtim};
	}
}

static bool names_pin(SSL_CTX *context, const struct sessiond_tls *s)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	for (size_t i = 0; i < s->gate_count; i++) {
		if (X509_VERIFY_PARAM_add1_host(param, s->gates[i], 0) != 1)
			return false;
	}
	return true;
}

/* No tickets: gates resume nothing. */
static bool policy_set(SSL_CTX *context, const struct sessiond_tls *s)
{
	SSL_CTX_set_security_level(context, 2);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	if (s->ca)
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_num_tickets(context, 0) == 1 && names_pin(context, s);
}

static bool file_say(const char *file, const char *what, char *error)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	snprintf(error, SESSIOND_ERROR_BYTES, "%.128s: %s (%s)", file, what, reason ? reason : "no memory");
	ERR_clear_error();
	return false;
}

static bool files_read(SSL_CTX *context, const struct sessiond_tls *s, char *error)
{
	STACK_OF(X509_NAME) * names;
	if (SSL_CTX_use_certificate_chain_file(context, s->certificate) != 1)
		return file_say(s->certificate, "no certificate that can be used", error);
	if (SSL_CTX_use_PrivateKey_file(context, s->key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(context) != 1)
		return file_say(s->key, "no private key of the certificate", error);
	if (!s->ca)
		return true;
	names = SSL_load_client_CA_file(s->ca);
	if (!names || SSL_CTX_load_verify_file(context, s->ca) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return file_say(s->ca, "no certificates of authorities", error);
	}
	SSL_CTX_set_client_CA_list(context, names);
	return true;
}

static SSL_CTX *context_new(const struct sessiond_tls *s, char *error)
{
	ERR_clear_error();
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	if (!context || !policy_set(context, s))
		file_say("OpenSSL", "no context", error);
	else if (files_read(context, s, error))
		return context;
	SSL_CTX_free(context);
	return NULL;
}

struct tls *tls_new(const struct sessiond_tls *settings, char error[static SESSIOND_ERROR_BYTES])
{
	struct tls *tls = calloc(1, sizeof *tls);
	if (!tls)
		abort();
	tls->settings = settings;
	files_look(settings, tls->read);
	memcpy(tls->seen, tls->read, sizeof tls->seen);
	tls->context = context_new(settings, error);
	if (tls->context)
		return tls;
	free(tls);
	return NULL;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->context);
	free(tls);
}

SSL *tls_begin(struct tls *tls, int fd)
{
	SSL *link = SSL_new(tls->context);
	if (link && SSL_set_fd(link, fd) == 1) {
		SSL_set_accept_state(link);
		return link;
	}
	SSL_free(link);
	return NULL;
}

/* Read once two looks have found the same, so that one who writes several files is mostly done. */
void tls_tick(struct tls *tls, struct sessiond *server)
{
	char error[SESSIOND_ERROR_BYTES];
	struct stat now[3];
	files_look(tls->settings, now);
	bool steady = memcmp(now, tls->seen, sizeof now) == 0;
	memcpy(tls->seen, now, sizeof now);
	if (!steady || memcmp(now, tls->read, sizeof now) == 0)
		return;
	memcpy(tls->read, now, sizeof now);
	SSL_CTX *context = context_new(tls->settings, error);
	if (!context) {
		server_log(server, SESSIOND_ERROR, "certificate refused: %s", error);
		return;
	}
	SSL_CTX_free(tls->context);
	tls->context = context;
	server_log(server, SESSIOND_INFO, "certificate read again: %s", tls->settings->certificate);
}
