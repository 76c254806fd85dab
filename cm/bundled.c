#include "bundled.h"

#include "log.h"
#include "sessiond.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bundled {
	struct sessiond *sessiond;
	pthread_t thread;
	char directory[32];
	char listen[64]; /* "unix:" and the socket's path */
};

static void log_line(void *context, enum sessiond_level level, const struct sessiond_line *line)
{
	static const enum config_log_level levels[] = {CONFIG_LOG_INFO, CONFIG_LOG_WARNING, CONFIG_LOG_ERROR};

	(void)context;
	if (line->address[0] == '\0')
		log_event(levels[level], "sessiond.says", log_text("line", line->text));
	else
		log_event(levels[level], "sessiond.says", log_text("line", line->text), log_text("jid", line->jid),
			  log_text("address", line->address));
}

static struct sessiond *sessiond_make(const struct config *config, const char *listen, char *error)
{
	struct sessiond_settings s = {.name = "bundled",
				      .database = config->sessiond_database,
				      .domain_count = config->domain_count,
				      .listen = {listen},
				      .listen_count = 1,
				      .registration = config->sessiond_registration,
				      .no_channel_binding = !config->sessiond_channel_binding,
				      .iterations = (unsigned)config->sessiond_iterations,
				      .password_key = config->sessiond_password_key,
				      .offline_messages_max = (unsigned)config->sessiond_offline_messages_max,
				      .archive_days_max = (unsigned)config->sessiond_archive_days_max,
				      .archive_messages_max = (unsigned)config->sessiond_archive_messages_max,
				      .archive_mib_max = (unsigned)config->sessiond_archive_mib_max,
				      .log = log_line};

	for (size_t i = 0; i < config->domain_count; i++)
		s.domains[i] = config->domains[i].name;
	return sessiond_new(&s, error);
}

static void *serve(void *bundled)
{
	sessiond_run(((struct bundled *)bundled)->sessiond);
	return NULL;
}

void bundled_enter(const struct bundled *b, struct config *config)
{
	config->backends[0] = (struct config_backend){
		.name = strdup("bundled"), .address = strdup(b->listen), .weight = 100, .pool = strdup("all")};
	config->backend_count = 1;
}

static void directory_remove(const struct bundled *b)
{
	unlink(b->listen + strlen("unix:"));
	rmdir(b->directory);
}

struct bundled *bundled_start(const struct config *config, char error[static BUNDLED_ERROR_BYTES])
{
	struct bundled *b = calloc(1, sizeof *b);
	char why[SESSIOND_ERROR_BYTES] = "no thread can be made";

	if (b == NULL)
		return NULL;
	snprintf(b->directory, sizeof b->directory, "/tmp/stanzagate-XXXXXX");
	if (mkdtemp(b->directory) == NULL) {
		snprintf(error, BUNDLED_ERROR_BYTES, "cannot make a directory in /tmp: %s", strerror(errno));
		free(b);
		return NULL;
	}
	snprintf(b->listen, sizeof b->listen, "unix:%s/link", b->directory);
	b->sessiond = sessiond_make(config, b->listen, why);
	if (b->sessiond == NULL || pthread_create(&b->thread, NULL, serve, b) != 0) {
		snprintf(error, BUNDLED_ERROR_BYTES, "%s", why);
		if (b->sessiond != NULL)
			sessiond_free(b->sessiond);
		directory_remove(b);
		free(b);
		return NULL;
	}
	return b;
}

void bundled_stop(struct bundled *b)
{
	sessiond_stop(b->sessiond);
	pthread_join(b->thread, NULL);
	sessiond_free(b->sessiond);
	directory_remove(b);
	free(b);
}
