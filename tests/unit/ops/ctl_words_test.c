/* The command line of `stanzagate ctl`: each wrong word is named, with what is allowed. */
#include "ctl_words.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

enum { WORDS_MAX = 12 };

static char fault[CTL_FAULT_BYTES];

/* Words separated by one blank. */
static enum ctl_words words(const char *text, struct ctl_asked *ret)
{
	static char line[256];
	char *argv[WORDS_MAX + 1] = {"ctl"}, *rest = line;
	int argc = 1;

	snprintf(line, sizeof line, "%s", text);
	for (char *word; (word = strsep(&rest, " ")) != NULL && argc < WORDS_MAX;)
		argv[argc++] = word;
	fault[0] = '\0';
	return ctl_words_read(argc, argv, ret, fault);
}

#define OF_ALL "--config or --socket, --json"

static const struct {
	const char *words, *fault;
} wrong[] = {
	{"sing", "command: found \"sing\", allowed status, top, sessions, backends, config, log"},
	{"--json", "command: found none, allowed status, top, sessions, backends, config, log"},
	{"log", "log: found nothing behind it, allowed level"},
	{"sessions", "sessions: found nothing behind it, allowed find, show, kick"},
	{"sessions list", "sessions: found \"list\" behind it, allowed find, show, kick"},
	{"session find", "command: found \"session\", allowed status, top, sessions, backends, config, log"},
	{"sessions show",
	 "sessions show: found nothing behind it, allowed WHO [--backend NAME] [--state STATE] [--limit N]"},
	{"backends drain", "backends drain: found nothing behind it, allowed NAME"},
	{"backends drain a b", "backends drain: found \"b\" behind it, allowed NAME"},
	{"status extra", "status: found \"extra\" behind it, allowed nothing"},
	{"log level debug client more", "log level: found \"more\" behind it, allowed [LEVEL [ROOM]]"},
	{"sessions find --limit x", "--limit: found \"x\", allowed 0 to 10000 sessions"},
	{"sessions find --limit 10001", "--limit: found \"10001\", allowed 0 to 10000 sessions"},
	{"sessions find --limit", "--limit: found no value, allowed one"},
	{"sessions find --state foo",
	 "--state: found \"foo\", allowed plain, handshake, secure, negotiating, authenticated, bound, ended"},
	{"sessions find a\xff", "sessions find: found \"a\xff\", allowed a text in UTF-8"},
	{"sessions find --backend a\xff", "--backend: found \"a\xff\", allowed a name in UTF-8"},
	{"top --interval 0", "--interval: found \"0\", allowed 1 to 3600 seconds"},
	{"top --interval 0.5", "--interval: found \"0.5\", allowed 1 to 3600 seconds"},
	{"top --count -1", "--count: found \"-1\", allowed 0 to 1000000 times (0: until the end)"},
	{"top --limit 3", "top: found --limit, allowed " OF_ALL ", --interval, --count"},
	{"status --many", "status: found --many, allowed " OF_ALL},
	{"status --json=yes", "--json=yes: found a value, allowed none"},
	{"status --bogus", "--bogus: found an unknown option, allowed --config, --socket, --json, --many, --backend, "
			   "--state, --limit, --interval, --count, --help"},
	{"status -x", "-x: found an unknown option, allowed --config, --socket, --json, --many, --backend, "
		      "--state, --limit, --interval, --count, --help"},
	{"-c a -s b status", "--config and --socket: found both, allowed one of them"},
};

Test(ctl_words, each_wrong_word_is_named)
{
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct ctl_asked asked;

		cr_assert(eq(int, words(wrong[i].words, &asked), CTL_WORDS_WRONG), "%s", wrong[i].words);
		cr_assert(eq(str, fault, (char *)wrong[i].fault), "%s", wrong[i].words);
		json_decref(asked.arguments);
	}
}

Test(ctl_words, what_is_asked_for)
{
	struct ctl_asked asked;

	cr_assert(eq(int, words("sessions find -s x alice@* --state bound --limit 3 --json", &asked), CTL_WORDS_GOOD));
	cr_assert(eq(str, (char *)asked.command->request, "sessions find"));
	cr_assert(eq(str, (char *)asked.socket, "x"));
	cr_assert(asked.json);
	json_t *wanted = json_pack("{s:s, s:s, s:i}", "who", "alice@*", "state", "bound", "limit", 3);
	cr_assert(json_equal(asked.arguments, wanted));
	json_decref(wanted);
	json_decref(asked.arguments);
	cr_assert(eq(int, words("top --interval 2 --count 5", &asked), CTL_WORDS_GOOD));
	cr_assert(asked.command->request == NULL);
	cr_assert(eq(uint, asked.interval_ms, 2000));
	cr_assert(eq(uint, asked.count, 5));
	json_decref(asked.arguments);
	cr_assert(eq(int, words("status --help", &asked), CTL_WORDS_HELP));
	json_decref(asked.arguments);
}
