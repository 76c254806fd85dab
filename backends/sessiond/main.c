#include "command.h"
#include "option.h"
#include "password.h"
#include "sessiond.h"
#include "xml.h"
#include <assert.h>
#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

static const char usage[] =
	"usage: stanzagate-sessiond run --database FILE --domain DOMAIN... --listen ADDRESS... [options]\n"
	"       stanzagate-sessiond user add|passwd|del --database FILE [--password-stdin] JID\n"
	"       stanzagate-sessiond user list --database FILE\n"
	"       stanzagate-sessiond --help | --version\n"
	"\n"
	"run: serve gates until SIGTERM or SIGINT\n"
	"  --database FILE     accounts, sessions and everything else; made when absent. Several processes on one "
	"machine\n"
	"                      may share it: each adopts the sessions of one that has ended (beside it: sockets, "
	"FILE-node-*)\n"
	"  --domain DOMAIN     a domain to serve; may be repeated\n"
	"  --listen ADDRESS    unix:/path, tls:HOST:PORT (numeric), tcp:127.0.0.1:PORT or tcp:[::1]:PORT; may be\n"
	"                      repeated. tcp links are not encrypted, and without --secret not authenticated:\n"
	"                      whoever is on this machine may be a gate\n"
	"  --user USER         may connect to unix: sockets, besides root and our own user; may be repeated\n"
	"  --tls-certificate FILE, --tls-key FILE\n"
	"                      for tls: links, PEM; read again when they change, as is the next\n"
	"  --tls-ca FILE       authorities that sign the certificates of gates\n"
	"  --secret FILE       32 to 1024 bytes that gates share with us: both ends of each link prove to have them.\n"
	"                      With it --tls-ca and --tls-gate may be left out\n"
	"  --tls-gate NAME     a name that the certificate of a gate may have (dNSName); may be repeated\n"
	"  --registration      clients may make accounts (XEP-0077)\n"
	"  --no-channel-binding  offer no -PLUS mechanisms\n"
	"  --name NAME         as gates see it (stanzagate-sessiond)\n"
	"  --iterations N      of SCRAM for new passwords, at least 4096 (15000)\n"
	"  --password-key FILE an RSA key: clients may encrypt the passwords that they send in PLAIN (Startalk)\n"
	"  --core-dumps        the kernel may write a core dump, which holds what was in memory\n"
	"  --offline-max N     messages kept for one account that is offline (100)\n"
	"  --archive-days N    how long messages stay in the archive (30); 0: nothing is archived\n"
	"  --archive-messages N, --archive-mib N\n"
	"                      how many messages, and how much of them, of one account (100000, 100)\n"
	"\n"
	"user: accounts; works while the server runs. passwd and del end the sessions of the account.\n"
	"  The password is asked for, or read from standard input\n"
	"  --password-stdin    read it from standard input even when that is a terminal\n"
	"  --iterations N      as above\n";

static struct sessiond *running;
static bool core_dumps;

int command_fail(int status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("stanzagate-sessiond: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	return status;
}

bool command_wrong(char *fault, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(fault, OPTION_FAULT_BYTES, format, arguments);
	va_end(arguments);
	return false;
}

static void on_signal(int number)
{
	sessiond_stop(running);
}

/* Who can be reached can be told to end: what comes before there is a server to be told waits. */
static sigset_t signals_hold(void)
{
	sigset_t ends, before;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, &before);
	return before;
}

static void signals_take(const sigset_t *before)
{
	struct sigaction action = {.sa_handler = on_signal};
	signal(SIGPIPE, SIG_IGN); /* TLS writes to links that are gone */
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigprocmask(SIG_SETMASK, before, NULL);
}

static void log_line(void *context, enum sessiond_level level, const struct sessiond_line *line)
{
	static const char *const names[] = {
		[SESSIOND_INFO] = "info", [SESSIOND_WARNING] = "warning", [SESSIOND_ERROR] = "error"};
	fprintf(stderr, "%s: %s\n", names[level], line->text);
}

static bool text_add(const char **texts, size_t *count, size_t max, char *fault)
{
	if (*count == max)
		return command_wrong(fault, "found %zu, allowed %zu", max + 1, max);
	texts[(*count)++] = optarg;
	return true;
}

static bool number_take(unsigned min, unsigned *ret, char *fault)
{
	return option_number(optarg, min, COMMAND_NUMBER_MAX, ret) ||
	       command_wrong(fault, "found \"%.64s\", allowed %u to %d", optarg, min, COMMAND_NUMBER_MAX);
}

enum option_id {
	OPTION_DATABASE = 1,
	OPTION_DOMAIN,
	OPTION_LISTEN,
	OPTION_REGISTRATION,
	OPTION_NO_CHANNEL_BINDING,
	OPTION_NAME,
	OPTION_ITERATIONS,
	OPTION_CORE_DUMPS,
	OPTION_OFFLINE_MAX,
	OPTION_ARCHIVE_DAYS,
	OPTION_ARCHIVE_MESSAGES,
	OPTION_ARCHIVE_MIB,
	OPTION_USER,
	OPTION_TLS_CERTIFICATE,
	OPTION_TLS_KEY,
	OPTION_TLS_CA,
	OPTION_TLS_GATE,
	OPTION_SECRET,
	OPTION_PASSWORD_KEY
};
static const struct option run_options[] = {
	{"database", required_argument, NULL, OPTION_DATABASE},
	{"domain", required_argument, NULL, OPTION_DOMAIN},
	{"listen", required_argument, NULL, OPTION_LISTEN},
	{"registration", no_argument, NULL, OPTION_REGISTRATION},
	{"no-channel-binding", no_argument, NULL, OPTION_NO_CHANNEL_BINDING},
	{"name", required_argument, NULL, OPTION_NAME},
	{"iterations", required_argument, NULL, OPTION_ITERATIONS},
	{"core-dumps", no_argument, NULL, OPTION_CORE_DUMPS},
	{"offline-max", required_argument, NULL, OPTION_OFFLINE_MAX},
	{"archive-days", required_argument, NULL, OPTION_ARCHIVE_DAYS},
	{"archive-messages", required_argument, NULL, OPTION_ARCHIVE_MESSAGES},
	{"archive-mib", required_argument, NULL, OPTION_ARCHIVE_MIB},
	{"user", required_argument, NULL, OPTION_USER},
	{"tls-certificate", required_argument, NULL, OPTION_TLS_CERTIFICATE},
	{"tls-key", required_argument, NULL, OPTION_TLS_KEY},
	{"tls-ca", required_argument, NULL, OPTION_TLS_CA},
	{"secret", required_argument, NULL, OPTION_SECRET},
	{"password-key", required_argument, NULL, OPTION_PASSWORD_KEY},
	{"tls-gate", required_argument, NULL, OPTION_TLS_GATE},
	{0},
};

/* By name, or by number. */
static bool user_add(struct sessiond_settings *settings, char *fault)
{
	unsigned uid;
	const struct passwd *user = NULL;
	if (settings->user_count == SESSIOND_USERS_MAX)
		return command_wrong(fault, "found %d, allowed %d", SESSIOND_USERS_MAX + 1, SESSIOND_USERS_MAX);
	if (!option_number(optarg, 0, UINT_MAX - 1, &uid) && !(user = getpwnam(optarg)))
		return command_wrong(fault, "found \"%.64s\", allowed a user of this machine, by name or number",
				     optarg);
	settings->users[settings->user_count++] = user ? user->pw_uid : uid;
	return true;
}

/* False: `fault` says what was found and what is allowed. */
static bool option_take(int option, struct sessiond_settings *settings, char *fault)
{
	switch (option) {
	case OPTION_DATABASE:
		settings->database = optarg;
		return true;
	case OPTION_DOMAIN:
		return text_add(settings->domains, &settings->domain_count, SESSIOND_DOMAIN_MAX, fault);
	case OPTION_LISTEN:
		return text_add(settings->listen, &settings->listen_count, SESSIOND_LISTEN_MAX, fault);
	case OPTION_REGISTRATION:
		return settings->registration = true;
	case OPTION_NO_CHANNEL_BINDING:
		return settings->no_channel_binding = true;
	case OPTION_NAME:
		settings->name = optarg;
		return true;
	case OPTION_ITERATIONS:
		return number_take(PASSWORD_ITERATIONS_MIN, &settings->iterations, fault);
	case OPTION_CORE_DUMPS:
		return core_dumps = true;
	case OPTION_OFFLINE_MAX:
		return number_take(0, &settings->offline_messages_max, fault);
	case OPTION_ARCHIVE_DAYS:
		return number_take(0, &settings->archive_days_max, fault);
	case OPTION_ARCHIVE_MESSAGES:
		return number_take(1, &settings->archive_messages_max, fault);
	case OPTION_ARCHIVE_MIB:
		return number_take(1, &settings->archive_mib_max, fault);
	case OPTION_USER:
		return user_add(settings, fault);
	case OPTION_TLS_CERTIFICATE:
		settings->tls.certificate = optarg;
		return true;
	case OPTION_SECRET:
		settings->secret = optarg;
		return true;
	case OPTION_PASSWORD_KEY:
		settings->password_key = optarg;
		return true;
	case OPTION_TLS_KEY:
		settings->tls.key = optarg;
		return true;
	case OPTION_TLS_CA:
		settings->tls.ca = optarg;
		return true;
	default:
		assert(option == OPTION_TLS_GATE);
		return text_add(settings->tls.gates, &settings->tls.gate_count, SESSIOND_GATES_MAX, fault);
	}
}

/* What a server cannot be without. */
static bool settings_are_whole(const struct sessiond_settings *settings)
{
	const char *lacks = !settings->database		  ? "--database FILE"
			    : settings->domain_count == 0 ? "--domain DOMAIN"
			    : settings->listen_count == 0 ? "--listen ADDRESS"
							  : NULL;
	if (lacks)
		command_fail(COMMAND_USAGE, "run: found no %s, allowed one; see --help", lacks);
	return !lacks;
}

/* False: it was said what is wrong. */
static bool options_take(int argc, char **argv, struct sessiond_settings *settings)
{
	char fault[OPTION_FAULT_BYTES];
	int option;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", run_options, NULL)) != -1) {
		if (option == '?' || option == ':') {
			command_fail(COMMAND_USAGE, "run: %s; see --help",
				     option_fault(option, argv, run_options, fault));
			return false;
		}
		if (!option_take(option, settings, fault)) {
			command_fail(COMMAND_USAGE, "run: --%s: %s; see --help", option_name(run_options, option),
				     fault);
			return false;
		}
	}
	if (optind < argc)
		command_fail(COMMAND_USAGE, "run: found \"%.64s\", allowed options alone; see --help", argv[optind]);
	return optind == argc && settings_are_whole(settings);
}

static int command_run(int argc, char **argv)
{
	char error[SESSIOND_ERROR_BYTES];
	struct sessiond_settings settings = {
		.name = "stanzagate-sessiond",
		.handover = true,
		.iterations = SESSIOND_ITERATIONS,
		.offline_messages_max = 100,
		.archive_days_max = 30,
		.archive_messages_max = 100000,
		.archive_mib_max = 100,
		.log = log_line,
	};
	if (!options_take(argc, argv, &settings))
		return COMMAND_USAGE;
	if (!core_dumps)
		prctl(PR_SET_DUMPABLE, 0);
	sigset_t before = signals_hold();
	running = sessiond_new(&settings, error);
	if (!running)
		return command_fail(COMMAND_FAILED, "%s", error);
	signals_take(&before);
	sessiond_run(running);
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	sessiond_free(running);
	return COMMAND_DONE;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	xml_kernel_choose(NULL);
	if (strcmp(command, "run") == 0)
		return command_run(argc - 1, argv + 1);
	if (strcmp(command, "user") == 0)
		return command_user(argc - 1, argv + 1);
	if (strcmp(command, "--version") == 0)
		return puts("stanzagate-sessiond " STANZAGATE_VERSION) < 0;
	if (strcmp(command, "--help") == 0)
		return fputs(usage, stdout) < 0;
	return command_fail(COMMAND_USAGE, "command: found \"%.64s\", allowed run, user, --help or --version", command);
}
