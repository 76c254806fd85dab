#include "reload.h"

#include "config_file.h"
#include "log.h"

#include <assert.h>
#include <stdlib.h>

struct tls_context *reload_context(const struct config *config, char error[static TLS_ERROR_BYTES])
{
	struct tls_settings settings = {.certificate_file = config->tls_certificate,
					.key_file = config->tls_key,
					.version_min = config->tls_version_min};

	return tls_context_new(&settings, error);
}

static void faults_log(const struct config_faults *faults)
{
	for (size_t i = 0; i < faults->count; i++)
		log_event(CONFIG_LOG_ERROR, "reload.fault", log_text("fault", faults->line[i]));
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
	faults_log(faults);
	return now;
}

static struct config *read_all(const char *file, const struct config *before, const struct bundled *bundled,
			       struct tls_context **ret_context)
{
	struct config_faults *faults = calloc(1, sizeof *faults);
	char error[TLS_ERROR_BYTES];
	struct tls_context *context = NULL;
	struct config *now;

	assert(faults != NULL);
	now = read_checked(file, before, bundled, faults);
	free(faults);
	if (now == NULL)
		return NULL;
	context = reload_context(now, error);
	if (context == NULL) {
		log_event(CONFIG_LOG_ERROR, "reload.fault", log_text("fault", error));
		config_free(now);
		return NULL;
	}
	*ret_context = context;
	return now;
}

struct config *reload_read(struct reload *r, const char *file, struct config *before, const struct bundled *bundled,
			   struct tls_context **ret_context)
{
	struct config *now = read_all(file, before, bundled, ret_context);

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
	free(r->old);
}
