/* A library of its own: it sees sessiond's headers, whose names the load has too. */
#include "users.h"

#include "option.h"
#include "password.h"
#include "store.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { JID_BYTES = 512, PATH_BYTES = 4096, BATCH = 1000, COUNT_MAX = 100000000, DONE = 0, FAILED = 1, USAGE = 2 };

struct users {
	const char *server, *to, *domain, *prefix, *password;
	unsigned count, iterations;
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	return FAILED;
}

/* ---- sessiond: its database. All have the same keys, since they have the same password. */

static bool batch_put(struct store *store, const struct users *users, unsigned from,
		      const struct store_account *account)
{
	char jid[JID_BYTES];

	if (!store_begin(store))
		return false;
	for (unsigned i = from; i < users->count && i < from + BATCH; i++) {
		snprintf(jid, sizeof jid, "%s%u@%s", users->prefix, i, users->domain);
		if (!store_account_put(store, jid, account)) {
			store_rollback(store);
			return false;
		}
	}
	return store_commit(store);
}

static int sessiond_make(const struct users *users)
{
	char error[STORE_ERROR_BYTES];
	struct store_account account;
	struct store *store;
	int status = DONE;

	if (!password_keys(users->password, users->iterations, &account))
		return fail("--password", "not one that can be used");
	store = store_open(users->to, error);
	if (!store)
		return fail(users->to, error);
	for (unsigned i = 0; i < users->count && status == DONE; i += BATCH)
		if (!batch_put(store, users, i, &account))
			status = fail(users->to, store_error(store));
	store_close(store);
	return status;
}

/* ---- Prosody: a file for each, as its own storage writes them */

/* Its names of folders have every character that is no letter or digit as % and two hexadecimal digits. */
static void name_encode(const char *name, char *to, size_t cap)
{
	size_t len = 0;

	to[0] = 0;
	for (; *name && len + 4 < cap; name++)
		len += (size_t)snprintf(to + len, cap - len,
					isascii(*name) && isalnum((unsigned char)*name) ? "%c" : "%%%02x",
					(unsigned char)*name);
}

static int folders_make(const struct users *users, char path[static PATH_BYTES])
{
	char domain[JID_BYTES];

	name_encode(users->domain, domain, sizeof domain);
	if (mkdir(users->to, 0750) < 0 && errno != EEXIST)
		return fail(users->to, strerror(errno));
	snprintf(path, PATH_BYTES, "%s/%s", users->to, domain);
	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return fail(path, strerror(errno));
	snprintf(path, PATH_BYTES, "%s/%s/accounts", users->to, domain);
	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return fail(path, strerror(errno));
	return DONE;
}

static int prosody_make(const struct users *users)
{
	char folder[PATH_BYTES], name[JID_BYTES], encoded[JID_BYTES], path[PATH_BYTES + JID_BYTES + 8];
	int status = folders_make(users, folder);

	for (unsigned i = 0; i < users->count && status == DONE; i++) {
		FILE *file;
		snprintf(name, sizeof name, "%s%u", users->prefix, i);
		name_encode(name, encoded, sizeof encoded);
		snprintf(path, sizeof path, "%s/%s.dat", folder, encoded);
		file = fopen(path, "we");
		if (!file)
			return fail(path, strerror(errno));
		fprintf(file, "return {\n\t[\"password\"] = \"%s\";\n};\n", users->password);
		if (fclose(file) != 0)
			status = fail(path, strerror(errno));
	}
	return status;
}

/* ---- ejabberd: a file that it imports (XEP-0227) */

static int ejabberd_make(const struct users *users)
{
	FILE *file = fopen(users->to, "we");

	if (!file)
		return fail(users->to, strerror(errno));
	fprintf(file, "<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='urn:xmpp:pie:0'>\n<host jid='%s'>\n",
		users->domain);
	for (unsigned i = 0; i < users->count; i++)
		fprintf(file, "<user name='%s%u' password='%s'/>\n", users->prefix, i, users->password);
	fprintf(file, "</host>\n</server-data>\n");
	return fclose(file) == 0 ? DONE : fail(users->to, strerror(errno));
}

/* ---- the command */

static const struct server {
	const char *name, *to;
	int (*make)(const struct users *);
} servers[] = {
	{"sessiond", "its database", sessiond_make},
	{"prosody", "its folder of data (data_path)", prosody_make},
	{"ejabberd", "a file for `ejabberdctl import_piefxis FILE`", ejabberd_make},
};
enum { SERVERS = sizeof servers / sizeof servers[0] };

static void help_print(void)
{
	printf("usage: stanzagate-load users --server NAME --to PATH [option]...\n\n"
	       "Makes accounts called by a prefix and a number, from 0, all with one password. PATH is, by NAME:\n");
	for (size_t i = 0; i < SERVERS; i++)
		printf("  %-10s %s\n", servers[i].name, servers[i].to);
	printf("\nOptions:\n"
	       "  --users M            so many [2]\n"
	       "  --user-prefix TEXT   [u]\n"
	       "  --domain DOMAIN      [localhost]\n"
	       "  --password TEXT      [password]\n"
	       "  --iterations N       of SCRAM, for sessiond [%d]\n",
	       PASSWORD_ITERATIONS_MIN);
}

/* Quotes and brackets would mean something in the files. */
static bool text_is_plain(const char *text)
{
	return *text && !strpbrk(text, "\"'<>&\\\n") && strlen(text) < JID_BYTES / 4;
}

/* False: it was said what is wrong. */
static bool number_take(const struct option *options, int option, unsigned min, unsigned *ret)
{
	if (option_number(optarg, min, COUNT_MAX, ret))
		return true;
	fprintf(stderr, "users: --%s: found \"%s\", allowed %u to %d\n", option_name(options, option), optarg, min,
		COUNT_MAX);
	return false;
}

static bool text_check(const char *option, const char *text)
{
	if (text_is_plain(text))
		return true;
	fprintf(stderr, "users: --%s: found \"%s\", allowed 1 to %d bytes without quotes, <, >, &, \\ and line feeds\n",
		option, text, JID_BYTES / 4 - 1);
	return false;
}

static bool options_take(int argc, char **argv, struct users *users, bool *ret_help)
{
	static const struct option options[] = {
		{"server", required_argument, NULL, 's'},
		{"to", required_argument, NULL, 't'},
		{"users", required_argument, NULL, 'u'},
		{"user-prefix", required_argument, NULL, 'f'},
		{"domain", required_argument, NULL, 'd'},
		{"password", required_argument, NULL, 'p'},
		{"iterations", required_argument, NULL, 'i'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	char fault[OPTION_FAULT_BYTES];
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 's':
			users->server = optarg;
			break;
		case 't':
			users->to = optarg;
			break;
		case 'u':
			if (!number_take(options, option, 1, &users->count))
				return false;
			break;
		case 'f':
			users->prefix = optarg;
			break;
		case 'd':
			users->domain = optarg;
			break;
		case 'p':
			users->password = optarg;
			break;
		case 'i':
			if (!number_take(options, option, PASSWORD_ITERATIONS_MIN, &users->iterations))
				return false;
			break;
		case 'h':
			*ret_help = true;
			return true;
		default:
			fprintf(stderr, "users: %s\n", option_fault(option, argv, options, fault));
			return false;
		}
	}
	if (optind < argc || !users->to) {
		fprintf(stderr, "users: found %s, allowed options, of which --to is needed\n",
			optind < argc ? argv[optind] : "no --to");
		return false;
	}
	return text_check("user-prefix", users->prefix) && text_check("domain", users->domain) &&
	       text_check("password", users->password);
}

int users_command(int argc, char **argv)
{
	struct users users = {.server = "",
			      .domain = "localhost",
			      .prefix = "u",
			      .password = "password",
			      .count = 2,
			      .iterations = PASSWORD_ITERATIONS_MIN};
	bool help = false;

	if (!options_take(argc, argv, &users, &help))
		return USAGE;
	if (help) {
		help_print();
		return DONE;
	}
	for (size_t i = 0; i < SERVERS; i++)
		if (strcmp(servers[i].name, users.server) == 0)
			return servers[i].make(&users);
	fprintf(stderr, "users: --server: found \"%s\", allowed sessiond, prosody or ejabberd\n", users.server);
	return USAGE;
}
