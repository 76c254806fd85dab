/* stanzagate: the command line. */
#include "config_file.h"
#include "config_relation.h"
#include "ctl.h"
#include "gate.h"
#include "metrics.h"
#include "option.h"
#include "reload.h"
#include "xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMANDS_ALLOWED "run, check, ctl, example, reference or metrics"
#define KERNELS_ALLOWED	 "avx2, avx512, sse42, neon or scalar, if this CPU has it"

static const char *xml_kernel;

static int run(const char *file)
{
	return gate_run(file, xml_kernel);
}

static void faults_print(const char *before, const struct config_faults *faults)
{
	for (size_t i = 0; i < faults->count; i++)
		fprintf(stderr, "%s%s\n", before, faults->line[i]);
	if (faults->left_out > 0)
		fprintf(stderr, "and %zu more\n", faults->left_out);
}

/* Beyond what the file says: certificates and keys are read, as they are when the gate begins. */
static int check(const char *file)
{
	struct config_faults *faults = calloc(1, sizeof *faults);
	struct config *config;
	bool good;

	if (faults == NULL)
		return 1;
	config = config_check(file, faults);
	good = config != NULL && reload_tls_check(config, faults);
	faults_print("", faults);
	if (good) {
		config_relations_doubt(config, faults);
		faults_print("warning: ", faults);
		printf("%s: good\n", file);
	}
	config_free(config);
	free(faults);
	return good ? 0 : 1;
}

static int example(const char *file)
{
	(void)file;
	config_print_example(stdout);
	return 0;
}

static int reference(const char *file)
{
	(void)file;
	config_print_reference(stdout);
	return 0;
}

static int metrics(const char *file)
{
	(void)file;
	metrics_print_reference(stdout);
	return 0;
}

static const struct command {
	const char *name;
	int (*run)(const char *file);
	bool needs_file;
	const char *help;
} commands[] = {
	{"run", run, true, "run the gate until SIGTERM or Ctrl-C; SIGHUP reads configuration and certificate again"},
	{"check", check, true,
	 "check a configuration and the files that it names: each fault is one line with file, line, key, found, "
	 "allowed"},
	{"example", example, false, "print an example configuration with every key"},
	{"reference", reference, false, "print the reference of the configuration"},
	{"metrics", metrics, false, "print the reference of the metrics"},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int help(FILE *to, int status)
{
	fprintf(to, "stanzagate %s: a connection manager for XMPP\n\nusage: stanzagate COMMAND [-c FILE]\n\n",
		STANZAGATE_VERSION);
	for (int i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-9s %s  %s\n", commands[i].name, commands[i].needs_file ? "-c FILE" : "       ",
			commands[i].help);
	fprintf(to, "  %-9s %s  %s\n", "ctl", "       ", "look at a running gate and steer it: stanzagate ctl --help");
	fprintf(to, "\n  -c, --config FILE  the configuration (YAML)\n"
		    "  -h, --help         this text\n"
		    "  -V, --version      the version\n\n"
		    "environment: STANZAGATE_XML_KERNEL forces a tokenizer kernel: " KERNELS_ALLOWED "\n");
	return status;
}

/* One line, and where to read on. */
static int wrong(const char *fault)
{
	fprintf(stderr, "stanzagate: %s; see stanzagate --help\n", fault);
	return 2;
}

static const struct command *command_find(const char *name)
{
	for (int i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int command_run(const char *name, const char *file)
{
	const struct command *command = command_find(name);
	const char *kernel = getenv("STANZAGATE_XML_KERNEL");
	char fault[OPTION_FAULT_BYTES];

	if (command == NULL) {
		snprintf(fault, sizeof fault, "command: found \"%.64s\", allowed " COMMANDS_ALLOWED, name);
		return wrong(fault);
	}
	if (command->needs_file != (file != NULL)) {
		snprintf(fault, sizeof fault, "%s: found %s, allowed %s", name,
			 file == NULL ? "no --config" : "--config", file == NULL ? "--config FILE" : "none");
		return wrong(fault);
	}
	xml_kernel = xml_kernel_choose(kernel);
	if (xml_kernel == NULL) {
		fprintf(stderr, "stanzagate: STANZAGATE_XML_KERNEL: found \"%s\", allowed " KERNELS_ALLOWED "\n",
			kernel);
		return 2;
	}
	return command->run(file);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"help", no_argument, NULL, 'h'},
						{"version", no_argument, NULL, 'V'},
						{0}};
	char fault[OPTION_FAULT_BYTES];
	const char *file = NULL;
	int option;

	if (argc > 1 && strcmp(argv[1], "ctl") == 0)
		return ctl_main(argc - 1, argv + 1);
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":c:hV", options, NULL)) != -1) {
		if (option == 'c')
			file = optarg;
		else if (option == 'V')
			return printf("stanzagate %s\n", STANZAGATE_VERSION) < 0;
		else if (option == 'h')
			return help(stdout, 0);
		else
			return wrong(option_fault(option, argv, options, fault));
	}
	if (optind == argc)
		return wrong("command: found none, allowed " COMMANDS_ALLOWED);
	if (optind + 1 < argc) {
		snprintf(fault, sizeof fault, "%.64s: found \"%.64s\" behind it, allowed options", argv[optind],
			 argv[optind + 1]);
		return wrong(fault);
	}
	return command_run(argv[optind], file);
}
