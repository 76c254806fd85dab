/* `stanzagate-sessiond user ...`: accounts in the database, also while a server has it open. */
#include "command.h"
#include "jid.h"
#include "option.h"
#include "password.h"
#include "sessiond.h"
#include "store_node.h"
#include "store_session.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { PASSWORD_LINE_BYTES = PASSWORD_BYTES_MAX + 2, SESSIONS_END_MS = 3000, SESSIONS_STEP_MS = 20 };

struct request {
	const char *action, *database;
	bool password_stdin;
	unsigned iterations;
	struct jid jid;
	struct store *store;
};

/* One line without its end. False: none, or one longer than a password may be. */
static bool line_read(char to[static PASSWORD_LINE_BYTES])
{
	if (!fgets(to, PASSWORD_LINE_BYTES, stdin))
		return false;
	size_t len = strcspn(to, "\n");
	bool whole = to[len] == '\n' || feof(stdin);
	to[len] = '\0';
	return whole && len <= PASSWORD_BYTES_MAX;
}

static bool line_ask(const char *prompt, char to[static PASSWORD_LINE_BYTES])
{
	struct termios normal, silent;
	if (tcgetattr(STDIN_FILENO, &normal) < 0)
		return false;
	silent = normal;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	fputs(prompt, stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	bool good = line_read(to);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &normal);
	fputc('\n', stderr);
	return good;
}

static bool password_read(const struct request *request, char to[static PASSWORD_LINE_BYTES])
{
	char again[PASSWORD_LINE_BYTES];
	if (request->password_stdin || !isatty(STDIN_FILENO))
		return line_read(to);
	bool good = line_ask("Password: ", to) && line_ask("Again: ", again) && strcmp(to, again) == 0;
	explicit_bzero(again, sizeof again);
	return good;
}

static int fail_store(struct request *request)
{
	return command_fail(COMMAND_FAILED, "%s: %s", request->database, store_error(request->store));
}

/*
 * In one transaction with what the caller has changed: whoever serves the account ends its sessions; if nobody does,
 * the node that begins next.
 */
static bool sessions_end(struct request *request)
{
	return store_session_expire(request->store, request->jid.text) &&
	       store_change_add(request->store, 0, CHANGE_ACCOUNT, 0, request->jid.text);
}

static bool account_put(struct request *request, const struct store_account *account)
{
	if (store_begin(request->store) && store_account_put(request->store, request->jid.text, account) &&
	    sessions_end(request) && store_commit(request->store))
		return true;
	return false;
}

static int account_write(struct request *request)
{
	char password[PASSWORD_LINE_BYTES];
	struct store_account account;
	bool good = password_read(request, password) && password_keys(password, request->iterations, &account);
	explicit_bzero(password, sizeof password);
	if (!good)
		return command_fail(COMMAND_FAILED, "not a password, or not the same twice");
	return account_put(request, &account) ? COMMAND_DONE : fail_store(request);
}

static int user_add(struct request *request)
{
	if (store_account_exists(request->store, request->jid.text))
		return command_fail(COMMAND_FAILED, "%s exists already", request->jid.text);
	return account_write(request);
}

static int user_passwd(struct request *request)
{
	if (!store_account_exists(request->store, request->jid.text))
		return command_fail(COMMAND_FAILED, "%s does not exist", request->jid.text);
	return account_write(request);
}

/* They go before their account, so that their last presence still finds its roster; if somebody serves them. */
static bool sessions_wait(struct request *request)
{
	bool any = true;
	if (!sessions_end(request))
		return false;
	for (unsigned ms = 0; any && ms < SESSIONS_END_MS; ms += SESSIONS_STEP_MS) {
		if (!store_session_any(request->store, request->jid.text, &any))
			return false;
		if (any)
			usleep(SESSIONS_STEP_MS * 1000);
	}
	return true;
}

static int user_del(struct request *request)
{
	bool found;
	if (!sessions_wait(request))
		return fail_store(request);
	if (!store_account_delete(request->store, request->jid.text, &found))
		return fail_store(request);
	return found ? COMMAND_DONE : command_fail(COMMAND_FAILED, "%s does not exist", request->jid.text);
}

static void jid_print(void *context, const char *bare_jid)
{
	puts(bare_jid);
}

static int user_list(struct request *request)
{
	return store_account_list(request->store, jid_print, NULL) ? COMMAND_DONE : fail_store(request);
}

static const struct action {
	const char *name;
	bool needs_jid, makes_database;
	int (*run)(struct request *);
} actions[] = {
	{"add", true, true, user_add},
	{"passwd", true, false, user_passwd},
	{"del", true, false, user_del},
	{"list", false, false, user_list},
};

static const struct action *action_find(const char *name)
{
	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	}
	return NULL;
}

/* False: `fault` says why. */
static bool options_take(int argc, char **argv, struct request *request, char *fault)
{
	char text[OPTION_FAULT_BYTES];
	static const struct option options[] = {
		{"database", required_argument, NULL, 'd'},
		{"password-stdin", no_argument, NULL, 'p'},
		{"iterations", required_argument, NULL, 'i'},
		{0},
	};
	int option;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == 'd')
			request->database = optarg;
		else if (option == 'p')
			request->password_stdin = true;
		else if (option != 'i')
			return command_wrong(fault, "%s", option_fault(option, argv, options, text));
		else if (!option_number(optarg, PASSWORD_ITERATIONS_MIN, COMMAND_NUMBER_MAX, &request->iterations))
			return command_wrong(fault, "--iterations: found \"%.64s\", allowed %d to %d", optarg,
					     PASSWORD_ITERATIONS_MIN, COMMAND_NUMBER_MAX);
	}
	return request->database || command_wrong(fault, "found no --database FILE, allowed one");
}

static bool jid_take(const char *text, struct jid *ret)
{
	return jid_parse(text, strlen(text), ret) && ret->local_len > 0 && ret->resource_at == 0;
}

static int action_run(const struct action *action, struct request *request)
{
	char error[STORE_ERROR_BYTES];
	if (!action->makes_database && access(request->database, F_OK) < 0)
		return command_fail(COMMAND_FAILED, "%s: %s", request->database, strerror(errno));
	request->store = store_open(request->database, error);
	if (!request->store)
		return command_fail(COMMAND_FAILED, "%s", error);
	int status = action->run(request);
	store_close(request->store);
	return status;
}

int command_user(int argc, char **argv)
{
	struct request request = {.iterations = SESSIOND_ITERATIONS};
	const struct action *action = argc > 1 ? action_find(argv[1]) : NULL;
	char fault[OPTION_FAULT_BYTES];
	if (!action)
		return command_fail(COMMAND_USAGE,
				    "user: found \"%.64s\", allowed add, passwd, del or list; see --help",
				    argc > 1 ? argv[1] : "");
	if (!options_take(argc - 1, argv + 1, &request, fault))
		return command_fail(COMMAND_USAGE, "user %s: %s; see --help", action->name, fault);
	char **rest = argv + 1 + optind;
	int rest_count = argc - 1 - optind;
	if (rest_count != (action->needs_jid ? 1 : 0))
		return command_fail(COMMAND_USAGE, "user %s: found %d words behind the options, allowed %s; see --help",
				    action->name, rest_count, action->needs_jid ? "one: a JID" : "none");
	if (action->needs_jid && !jid_take(rest[0], &request.jid))
		return command_fail(COMMAND_USAGE, "user %s: found \"%.256s\", allowed a bare JID: user@domain",
				    action->name, rest[0]);
	return action_run(action, &request);
}
