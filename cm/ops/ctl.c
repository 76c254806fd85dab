#include "ctl.h"

#include "config_file.h"
#include "control.h"
#include "ctl_print.h"
#include "ctl_top.h"
#include "ctl_words.h"

#include <stdlib.h>

enum { DONE = 0, REFUSED = 1, WRONG = 2, UNREACHED = 3, PATH_BYTES = 256 };

/* ---- where the gate is */

/* False: it was said why not. */
static bool socket_find(const struct ctl_asked *a, char to[static PATH_BYTES])
{
	struct config_faults *faults;
	struct config *config;
	bool found = false;

	snprintf(to, PATH_BYTES, "%s", a->socket != NULL ? a->socket : CTL_SOCKET_USUAL);
	if (a->file == NULL)
		return true;
	faults = calloc(1, sizeof *faults);
	config = faults == NULL ? NULL : config_read(a->file, faults);
	if (config == NULL)
		fprintf(stderr, "%s\n", faults == NULL ? "no memory" : faults->line[0]);
	else if (config->control_socket == NULL)
		fprintf(stderr, "%s: control.socket: found nothing or off, allowed the path of a Unix socket\n",
			a->file);
	else
		found = snprintf(to, PATH_BYTES, "%s", config->control_socket) > 0;
	config_free(config);
	free(faults);
	return found;
}

/* ---- the answer */

/* What was asked for, and is not so. */
static int verdict(const json_t *result)
{
	const char *const yes[] = {"taken", "reload"};
	json_t *matched = json_object_get(result, "matched");

	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		if (json_is_false(json_object_get(result, yes[i])))
			return REFUSED;
	return matched != NULL && json_integer_value(matched) == 0 ? REFUSED : DONE;
}

static int ask(const struct ctl_asked *a, const char *path)
{
	char error[CONTROL_ERROR_BYTES];
	bool reached;
	json_t *result = control_ask(path, a->command->request, a->arguments, error, &reached);
	int status = result == NULL ? (reached ? REFUSED : UNREACHED) : verdict(result);

	if (result == NULL) {
		fprintf(stderr, "stanzagate ctl: %s\n", error);
	} else if (a->json) {
		json_dumpf(result, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		a->command->print(stdout, result);
	}
	json_decref(result);
	return status;
}

static int run(const struct ctl_asked *a)
{
	char path[PATH_BYTES];

	if (!socket_find(a, path))
		return WRONG;
	return a->command->request == NULL ? ctl_top(path, a->interval_ms, a->count, a->json) : ask(a, path);
}

int ctl_main(int argc, char **argv)
{
	char fault[CTL_FAULT_BYTES];
	struct ctl_asked asked;
	int status = DONE;

	switch (ctl_words_read(argc, argv, &asked, fault)) {
	case CTL_WORDS_GOOD:
		status = run(&asked);
		break;
	case CTL_WORDS_HELP:
		ctl_words_help(stdout);
		break;
	case CTL_WORDS_WRONG:
		fprintf(stderr, "stanzagate ctl: %s; see stanzagate ctl --help\n", fault);
		status = WRONG;
		break;
	}
	json_decref(asked.arguments);
	return status;
}
