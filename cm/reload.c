#include "reload.h"

#include "config_file.h"
#include "config_source.h"
#include "io.h"
#include "log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* FNV-1a */
static uint64_t hash(uint64_t h, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
	return h;
}

static uint64_t file_hash(uint64_t h, const char *file)
{
	struct stat about = {0};

	if (file == NULL)
		return h;
	if (stat(file, &about) != 0)
		return hash(h, "gone", 4);
	h = hash(h, &about.st_ino, sizeof about.st_ino);
	h = hash(h, &about.st_size, sizeof about.st_size);
	return hash(h, &about.st_mtim, sizeof about.st_mtim);
}

static uint64_t files_hash(const struct config *config)
{
	uint64_t h = 0xcbf29ce484222325;

	h = file_hash(h, config->tls_certificate);
	h = file_hash(h, config->tls_key);
	h = file_hash(h, config->tls_ocsp);
	h = file_hash(h, config->tls_client_ca);
	h = file_hash(h, config->tls_ticket_keys);
	h = file_hash(h, config->link_certificate);
	h = file_hash(h, config->link_key);
	h = file_hash(h, config->link_ca);
	h = file_hash(h, config->link_secret);
	for (size_t i = 0; i < config->certificate_count; i++) {
		h = file_hash(h, config->certificates[i].certificate);
		h = file_hash(h, config->certificates[i].key);
		h = file_hash(h, config->certificates[i].ocsp);
	}
	return h;
}

static uint64_t ticket_life_us(const struct config *config)
{
	return config->tls_ticket_hours * 3600 * 1000000;
}

/* The keys that the configuration asks for; those made here stay the same. A reference; NULL: the fault says why. */
static struct tls_tickets *tickets_get(const struct reload *r, const struct config *config, struct tls_fault *ret_fault)
{
	struct tls_tickets *tickets;

	if (config->tls_ticket_keys != NULL)
		return tls_tickets_read(config->tls_ticket_keys, ret_fault);
	if (r->tickets != NULL && r->tickets_own)
		return tls_tickets_ref(r->tickets);
	tickets = tls_tickets_new();
	if (tickets == NULL)
		*ret_fault = (struct tls_fault){.why = "no random numbers for ticket keys"};
	return tickets;
}

static void tickets_keep(struct reload *r, const struct config *config, struct tls_tickets *tickets)
{
	bool own = tickets != NULL && config->tls_ticket_keys == NULL;

	if (own && tickets != r->tickets)
		r->rotate_us = io_now_us() + ticket_life_us(config);
	tls_tickets_unref(r->tickets);
	r->tickets = tickets;
	r->tickets_own = own;
}

void reload_rotate(struct reload *r, const struct config *config)
{
	if (!r->tickets_own || io_now_us() < r->rotate_us)
		return;
	r->rotate_us = io_now_us() + ticket_life_us(config);
	if (!tls_tickets_rotate(r->tickets))
		log_event(CONFIG_LOG_ERROR, "tickets.refused", log_text("fault", "no random numbers"));
}

static struct tls_context *clients_context(struct reload *r, const struct config *config, struct tls_fault *ret_fault)
{
	struct tls_pair more[CONFIG_CERTIFICATES_MAX];
	struct tls_settings settings = {.certificate_file = config->tls_certificate,
					.key_file = config->tls_key,
					.staple_file = config->tls_ocsp,
					.version_min = config->tls_version_min,
					.strict_names = config->tls_strict_names,
					.more = more,
					.more_count = config->certificate_count,
					.ticket_life_s = (uint32_t)config->tls_ticket_hours * 3600,
					.clients = (enum tls_clients)config->tls_client_certificates,
					.client_ca_file = config->tls_client_ca};
	struct tls_context *context;

	static_assert((int)TLS_MORE_MAX >= (int)CONFIG_CERTIFICATES_MAX,
		      "each certificate of a configuration has a place");
	r->seen = r->changed = files_hash(config);
	for (size_t i = 0; i < config->certificate_count; i++)
		more[i] = (struct tls_pair){config->certificates[i].certificate, config->certificates[i].key,
					    config->certificates[i].ocsp};
	if (config->tls_tickets) {
		settings.tickets = tickets_get(r, config, ret_fault);
		if (settings.tickets == NULL)
			return NULL;
	}
	context = tls_context_new(&settings, ret_fault);
	if (context == NULL)
		tls_tickets_unref(settings.tickets);
	else
		tickets_keep(r, config, settings.tickets);
	return context;
}

void reload_tls_unref(struct reload_tls *tls)
{
	tls_context_unref(tls->clients);
	tls_context_unref(tls->links);
	explicit_bzero(&tls->secret, sizeof tls->secret);
}

bool reload_tls(struct reload *r, const struct config *config, struct reload_tls *ret, struct config_faults *faults)
{
	struct link_tls_settings settings = {config->link_ca, config->link_certificate, config->link_key};
	struct reload_tls tls = {0};
	struct tls_fault fault;
	char why[LINK_SECRET_ERROR_BYTES];

	config_faults_init(faults);
	if (config->link_secret != NULL && !link_secret_read(config->link_secret, &tls.secret, why))
		config_source_blame(config, config->link_secret, why, faults);
	if (config->link_ca != NULL && (tls.links = link_tls_context(&settings, &fault)) == NULL)
		config_source_blame(config, fault.file, fault.why, faults);
	tls.clients = clients_context(r, config, &fault);
	if (tls.clients == NULL)
		config_source_blame(config, fault.file, fault.why, faults);
	if (faults->count == 0)
		*ret = tls;
	else
		reload_tls_unref(&tls);
	return faults->count == 0;
}

bool reload_tls_check(const struct config *config, struct config_faults *faults)
{
	struct reload r = {0};
	struct reload_tls tls;
	bool good = reload_tls(&r, config, &tls, faults);

	if (good)
		reload_tls_unref(&tls);
	reload_done(&r);
	return good;
}

static void faults_log(const char *event, const struct config_faults *faults)
{
	for (size_t i = 0; i < faults->count; i++)
		log_event(CONFIG_LOG_ERROR, event, log_text("fault", faults->line[i]));
}

/* False: it was logged. */
static bool renewed_read(struct reload *r, const struct config *config, struct reload_tls *ret)
{
	struct config_faults *faults = calloc(1, sizeof *faults);
	bool good;

	assert(faults != NULL);
	good = reload_tls(r, config, ret, faults);
	faults_log("certificate.refused", faults);
	free(faults);
	return good;
}

enum reload_is reload_renew(struct reload *r, const struct config *config, struct reload_tls *ret)
{
	uint64_t now_us = io_now_us(), files, before = r->changed;

	if (now_us < r->look_us)
		return RELOAD_SAME;
	r->look_us = now_us + RELOAD_LOOK_MS * 1000;
	files = r->changed = files_hash(config);
	if (files == r->seen || files != before)
		return RELOAD_SAME;
	if (!renewed_read(r, config, ret))
		return RELOAD_BAD;
	log_event(CONFIG_LOG_INFO, "certificate.renewed", log_text("certificate", config->tls_certificate),
		  log_count("more", config->certificate_count));
	return RELOAD_NEW;
}

/* The configuration alone: read, and such that it can be taken up. */
static struct config *read_checked(const char *file, const struct config *before, const struct bundled *bundled,
				   struct config_faults *faults)
{
	struct config *now = config_read(file, faults);

	if (now != NULL && now->backend_count == 0 && bundled != NULL)
		bundled_enter(bundled, now);
	if (now != NULL && !config_can_reload(before, now, faults)) {
		config_free(now);
		now = NULL;
	}
	faults_log("reload.fault", faults);
	return now;
}

static struct config *read_all(struct reload *r, const char *file, const struct config *before,
			       const struct bundled *bundled, struct reload_tls *ret)
{
	struct config_faults *faults = calloc(1, sizeof *faults);
	struct config *now;

	assert(faults != NULL);
	now = read_checked(file, before, bundled, faults);
	if (now != NULL && !reload_tls(r, now, ret, faults)) {
		faults_log("reload.fault", faults);
		config_free(now);
		now = NULL;
	}
	free(faults);
	return now;
}

struct config *reload_read(struct reload *r, const char *file, struct config *before, const struct bundled *bundled,
			   struct reload_tls *ret)
{
	struct config *now = read_all(r, file, before, bundled, ret);

	if (now == NULL) {
		log_event(CONFIG_LOG_WARNING, "reload.refused", log_text("file", file));
		return NULL;
	}
	r->old = realloc(r->old, (r->old_count + 1) * sizeof *r->old);
	assert(r->old != NULL);
	r->old[r->old_count++] = before;
	log_event(CONFIG_LOG_INFO, "reload.done", log_text("file", file));
	return now;
}

void reload_done(struct reload *r)
{
	for (size_t i = 0; i < r->old_count; i++)
		config_free(r->old[i]);
	tls_tickets_unref(r->tickets);
	free(r->old);
}
