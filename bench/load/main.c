/*
 * stanzagate-load: logs many XMPP clients in, lets them talk, and says what it saw.
 */
#include "check.h"
#include "lead.h"
#include "page.h"
#include "report.h"
#include "users.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

static void on_signal(int signal)
{
	lead_interrupt();
}

/* False: the page could not be written. */
static bool page_write(const struct lead *lead)
{
	FILE *file;

	if (!lead->options->report[0])
		return true;
	file = fopen(lead->options->report, "we");
	if (!file) {
		perror(lead->options->report);
		return false;
	}
	page_print(file, lead);
	return fclose(file) == 0;
}

static int run(const struct options *options)
{
	struct lead lead;
	int answer = EXIT_USAGE;

	if (lead_open(&lead, options)) {
		lead_run(&lead);
		report_print(stdout, &lead);
		report_warn(stderr, &lead);
		answer = page_write(&lead) && report_is_good(&lead) ? EXIT_GOOD : EXIT_BAD;
		lead_hold(&lead, options->hold);
	}
	return lead_close(&lead) ? answer : EXIT_BAD;
}

int main(int argc, char **argv)
{
	static struct options options; /* for good, as the texts in it */

	if (argc > 1 && strcmp(argv[1], "users") == 0)
		return users_command(argc - 1, argv + 1);
	if (!options_read(argc, argv, &options))
		return EXIT_USAGE;
	if (options.help) {
		options_print_help();
		return EXIT_GOOD;
	}
	if (options.version) {
		printf("stanzagate-load %s\n", STANZAGATE_VERSION);
		return EXIT_GOOD;
	}
	if (!options_try(&options))
		return EXIT_USAGE;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	return run(&options);
}
