#include "watch.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool pids_read(struct watched *watched, const char **text)
{
	do {
		char *end;
		unsigned long pid = strtoul(*text, &end, 10);
		if (!isdigit((unsigned char)**text) || pid == 0 || watched->pid_count == WATCH_PIDS_MAX)
			return false;
		watched->pids[watched->pid_count++] = (unsigned)pid;
		*text = end;
	} while (*(*text)++ == '+');
	(*text)--;
	return **text == 0 || **text == ',';
}

static bool name_is_good(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
			return false;
	return len > 0 && len < WATCH_NAME_BYTES;
}

bool watch_read(struct watch *watch, unsigned pid, const char *text)
{
	*watch = (struct watch){0};
	if (pid)
		watch->watched[watch->count++] = (struct watched){.name = "server", .pids = {pid}, .pid_count = 1};
	while (*text) {
		struct watched *watched = &watch->watched[watch->count];
		size_t len = strcspn(text, "=");

		if (watch->count == WATCH_NAMES_MAX || text[len] != '=' || !name_is_good(text, len))
			return false;
		memcpy(watched->name, text, len);
		text += len + 1;
		if (!pids_read(watched, &text))
			return false;
		text += *text == ',';
		watch->count++;
	}
	return true;
}

unsigned watch_missing(const struct watch *watch)
{
	struct process_sample sample;

	for (unsigned i = 0; i < watch->count; i++)
		for (unsigned k = 0; k < watch->watched[i].pid_count; k++)
			if (!process_sample(watch->watched[i].pids[k], &sample))
				return watch->watched[i].pids[k];
	return 0;
}

bool watch_sample(const struct watch *watch, unsigned index, struct process_sample *ret)
{
	const struct watched *watched = &watch->watched[index];
	struct process_sample sum = {0}, one;

	for (unsigned i = 0; i < watched->pid_count; i++) {
		if (!process_sample(watched->pids[i], &one))
			return false;
		sum.user_us += one.user_us;
		sum.system_us += one.system_us;
		sum.rss_bytes += one.rss_bytes;
	}
	*ret = sum;
	return true;
}
