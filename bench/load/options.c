#include "options.h"

#include "check.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_FLAG, KIND_TEXT, KIND_NUMBER };

static const struct option {
	const char *name, *argument, *text, *help;
	enum kind kind;
	size_t at;
	unsigned number, least, most;
} options[] = {
#define FLAG(field, help) {#field, "", "", help, KIND_FLAG, offsetof(struct options, field)},
#define TEXT(field, argument, initial, help)                                                                           \
	{#field, argument, initial, help, KIND_TEXT, offsetof(struct options, field)},
#define NUMBER(field, argument, initial, least, most, help)                                                            \
	{#field, argument, "", help, KIND_NUMBER, offsetof(struct options, field), initial, least, most},
#include "option.def"
#undef FLAG
#undef TEXT
#undef NUMBER
};
enum { OPTIONS = sizeof options / sizeof options[0], LINE_BYTES = 4096 };

static const struct scenario {
	const char *name, *settings, *help;
} scenarios[] = {
#define SCENARIO(name, settings, help) {#name, settings, help},
#include "scenario.def"
#undef SCENARIO
};
enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

/* Those that were given: NULL: not; "": on the command line; else in which line of which file. */
static const char *given[OPTIONS];

static void *field_of(struct options *to, const struct option *option)
{
	return (char *)to + option->at;
}

static void defaults_set(struct options *to)
{
	memset(to, 0, sizeof *to);
	for (size_t i = 0; i < OPTIONS; i++) {
		if (options[i].kind == KIND_TEXT)
			*(const char **)field_of(to, &options[i]) = options[i].text;
		else if (options[i].kind == KIND_NUMBER)
			*(unsigned *)field_of(to, &options[i]) = options[i].number;
	}
}

/* "user-prefix" is the field user_prefix. */
static bool name_is(const char *name, const char *field)
{
	for (; *name && *field; name++, field++)
		if (*name != (*field == '_' ? '-' : *field))
			return false;
	return !*name && !*field;
}

static const struct option *option_find(const char *name)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (name_is(name, options[i].name))
			return &options[i];
	return NULL;
}

/* The name as it is written. */
static const char *name_of(const struct option *option)
{
	static char name[64];

	snprintf(name, sizeof name, "%s", option->name);
	for (char *c = name; *c; c++)
		*c = *c == '_' ? '-' : *c;
	return name;
}

/* `where` is before what is said. */
static bool number_read(const struct option *option, const char *where, const char *text, unsigned *ret)
{
	unsigned long long number;
	char *end;

	number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || number < option->least || number > option->most) {
		fprintf(stderr, "%s%s: found \"%s\", allowed %u to %u\n", where, name_of(option), text, option->least,
			option->most);
		return false;
	}
	*ret = (unsigned)number;
	return true;
}

static bool value_set(const struct option *option, const char *where, const char *value, struct options *to)
{
	if (option->kind == KIND_FLAG)
		*(bool *)field_of(to, option) = true;
	else if (option->kind == KIND_TEXT)
		*(const char **)field_of(to, option) = value;
	else
		return number_read(option, where, value, field_of(to, option));
	return true;
}

/* Cuts a line at its end, or where a remark begins, and white space around it. Answers where it begins. */
static char *line_trim(char *line)
{
	size_t len;

	line[strcspn(line, "#\n")] = 0;
	line += strspn(line, " \t");
	len = strlen(line);
	while (len > 0 && strchr(" \t\r", line[len - 1]))
		line[--len] = 0;
	return line;
}

/*
 * "name value", or "name" for a flag; value and place are copied, for good. `where` is the place in a file; NULL: a
 * scenario's, which is for what is not given.
 */
static bool setting_read(char *line, const char *where, struct options *to)
{
	char *value = line + strcspn(line, " \t"), before[LINE_BYTES];
	const struct option *option;

	if (*value)
		*value++ = 0;
	value += strspn(value, " \t");
	option = option_find(line);
	snprintf(before, sizeof before, "%s: ", where ? where : "scenario");
	if (!option || name_is(line, "file") || (option->kind == KIND_FLAG) != (*value == 0)) {
		fprintf(stderr, "%s%s: %s\n", before, line,
			!option	      ? "no such option"
			: *value == 0 ? "wants a value"
				      : "takes no value, or is for the command line alone");
		return false;
	}
	if (!where && given[option - options])
		return true;
	if (where)
		given[option - options] = strdup(where);
	return value_set(option, before, option->kind == KIND_TEXT ? strdup(value) : value, to);
}

static bool file_read(const char *name, struct options *to)
{
	FILE *file = fopen(name, "re");
	char line[LINE_BYTES], where[LINE_BYTES], *begin;
	bool good = true;

	if (!file) {
		fprintf(stderr, "--file: %s: %s\n", name, strerror(errno));
		return false;
	}
	for (unsigned number = 1; good && fgets(line, sizeof line, file); number++) {
		begin = line_trim(line);
		snprintf(where, sizeof where, "%s:%u", name, number);
		good = !*begin || setting_read(begin, where, to);
	}
	fclose(file);
	return good;
}

/* Answers how many words it took, 0 on a fault. */
static int option_read(char **words, int left, struct options *to)
{
	const struct option *option = strncmp(words[0], "--", 2) == 0 ? option_find(words[0] + 2) : NULL;

	if (!option) {
		fprintf(stderr, "%s: found an unknown option, allowed those of --help\n", words[0]);
		return 0;
	}
	if (option->kind != KIND_FLAG && left < 2) {
		fprintf(stderr, "%s: found no value, allowed one\n", words[0]);
		return 0;
	}
	given[option - options] = "";
	if (!value_set(option, "--", words[1], to) || (name_is("file", option->name) && !file_read(to->file, to)))
		return 0;
	return option->kind == KIND_FLAG ? 1 : 2;
}

static bool scenario_apply(struct options *to)
{
	size_t i = 0;
	char settings[LINE_BYTES], *rest = settings, *one;
	bool good = true;

	if (!to->scenario[0])
		return true;
	while (i < SCENARIOS && strcmp(scenarios[i].name, to->scenario))
		i++;
	if (i == SCENARIOS) {
		fprintf(stderr, "--scenario: found \"%s\", allowed", to->scenario);
		for (i = 0; i < SCENARIOS; i++)
			fprintf(stderr, "%s %s", i == 0 ? "" : ",", scenarios[i].name);
		fputc('\n', stderr);
		return false;
	}
	snprintf(settings, sizeof settings, "%s", scenarios[i].settings);
	while (good && (one = strsep(&rest, "|")))
		good = (to->messages_per_second && (strncmp(one, "window ", 7) == 0 || strcmp(one, "idle") == 0)) ||
		       setting_read(one, NULL, to);
	return good;
}

static void implied_set(struct options *to)
{
	to->direct |= to->raw;
	to->echo |= to->raw;
	if (strcmp(to->protocol, "startalk") == 0 && !given[option_find("mechanism") - options])
		to->mechanism = "PLAIN"; /* it knows no other */
}

/* Whether the text speaks of the option. */
static bool is_named(const char *text, const struct option *option)
{
	const char *name = name_of(option), *at = text;
	size_t len = strlen(name);

	while ((at = strstr(at, "--")) != NULL) {
		at += 2;
		if (strncmp(at, name, len) == 0 && !isalnum((unsigned char)at[len]) && at[len] != '-')
			return true;
	}
	return false;
}

/* With the places in files where what it speaks of was given. */
static void fault_tell(const char *fault)
{
	fprintf(stderr, "%s", fault);
	for (size_t i = 0; i < OPTIONS; i++)
		if (given[i] && *given[i] && is_named(fault, &options[i]))
			fprintf(stderr, " (%s: %s)", name_of(&options[i]), given[i]);
	fprintf(stderr, "\n");
}

bool options_read(int argc, char **argv, struct options *ret)
{
	const char *fault;
	int taken;

	defaults_set(ret);
	for (int i = 1; i < argc; i += taken) {
		taken = option_read(argv + i, argc - i, ret);
		if (!taken)
			return false;
	}
	if (!scenario_apply(ret))
		return false;
	if (ret->help || ret->version)
		return true;
	implied_set(ret);
	fault = options_fault(ret);
	if (fault)
		fault_tell(fault);
	return !fault;
}

static void help_print(const struct option *option)
{
	char left[64];
	size_t len = (size_t)snprintf(left, sizeof left, "--%s %s", option->name, option->argument);

	for (size_t i = 2; i < len && left[i] != ' '; i++)
		if (left[i] == '_')
			left[i] = '-';
	printf("  %-28s %s", left, option->help);
	if (option->kind == KIND_NUMBER)
		printf(" [%u]", option->number);
	else if (option->text[0])
		printf(" [%s]", option->text);
	printf("\n");
}

void options_print_help(void)
{
	printf("usage: stanzagate-load [option]...\n"
	       "       stanzagate-load users --help\n\n"
	       "Logs many XMPP clients in, lets them do what the scenario says, and prints what it measured as one "
	       "line "
	       "of JSON.\n"
	       "Messages go between pairs of clients (0 and 1, 2 and 3, ...); that each arrives once, in order and at "
	       "its "
	       "client is\n"
	       "checked. Exits with 0 only if every login succeeded, nothing was lost, and nothing went wrong.\n\n"
	       "Scenarios:\n");
	for (size_t i = 0; i < SCENARIOS; i++)
		printf("  %-10s %s\n", scenarios[i].name, scenarios[i].help);
	printf("\nOptions:\n");
	for (size_t i = 0; i < OPTIONS; i++)
		help_print(&options[i]);
}

bool options_address(const struct options *o, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	char port[8];
	int answer;

	snprintf(port, sizeof port, "%u", o->port);
	answer = getaddrinfo(o->host, port, &hints, &found);
	if (answer) {
		fprintf(stderr, "%s: %s\n", o->host, gai_strerror(answer));
		return false;
	}
	memcpy(ret, found->ai_addr, found->ai_addrlen);
	*ret_len = found->ai_addrlen;
	freeaddrinfo(found);
	if (o->source_addresses && ret->ss_family != AF_INET) {
		fprintf(stderr, "--source-addresses wants an IPv4 --host\n");
		return false;
	}
	return true;
}
