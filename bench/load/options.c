#include "options.h"

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
enum { OPTIONS = sizeof options / sizeof options[0] };

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
static bool name_is(const char *given, const char *field)
{
	for (; *given && *field; given++, field++)
		if (*given != (*field == '_' ? '-' : *field))
			return false;
	return !*given && !*field;
}

static const struct option *option_find(const char *given)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (strncmp(given, "--", 2) == 0 && name_is(given + 2, options[i].name))
			return &options[i];
	return NULL;
}

static bool number_read(const struct option *option, char **words, unsigned *ret)
{
	char *end, *text = words[1];
	unsigned long long number = strtoull(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || number < option->least || number > option->most) {
		fprintf(stderr, "%s: a number from %u to %u is wanted, not \"%s\"\n", option->name, option->least,
			option->most, text);
		return false;
	}
	*ret = (unsigned)number;
	return true;
}

/* Answers how many words it took, 0 on a fault. */
static int option_read(char **words, int left, struct options *to)
{
	const struct option *option = option_find(words[0]);

	if (!option) {
		fprintf(stderr, "unknown option: %s (--help lists them)\n", words[0]);
		return 0;
	}
	if (option->kind == KIND_FLAG) {
		*(bool *)field_of(to, option) = true;
		return 1;
	}
	if (left < 2) {
		fprintf(stderr, "%s wants an argument\n", words[0]);
		return 0;
	}
	if (option->kind == KIND_TEXT)
		*(const char **)field_of(to, option) = words[1];
	else if (!number_read(option, words, field_of(to, option)))
		return 0;
	return 2;
}

static bool one_of(const char *text, const char *const *texts)
{
	for (; *texts; texts++)
		if (strcmp(text, *texts) == 0)
			return true;
	return false;
}

static const char *combination_fault(const struct options *o)
{
	if (o->starttls && o->direct)
		return "--starttls and --direct exclude each other";
	if (o->messages_per_second && o->window)
		return "--messages-per-second (open loop) and --window (closed loop) exclude each other";
	if (o->storm && (o->messages_per_second || o->window || o->idle))
		return "--storm has no measured phase behind the logins";
	if (o->idle && (o->messages_per_second || o->window))
		return "--idle sends no messages";
	if (!one_of(o->mechanism, (const char *const[]){"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS",
							"SCRAM-SHA-256-PLUS", NULL}))
		return "--mechanism: PLAIN, SCRAM-SHA-1, SCRAM-SHA-256, or one of the last two with -PLUS";
	if (!one_of(o->tls, (const char *const[]){"", "1.2", "1.3", NULL}))
		return "--tls: 1.2 or 1.3";
	return NULL;
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
	fault = combination_fault(ret);
	if (fault)
		fprintf(stderr, "%s\n", fault);
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
	printf("usage: stanzagate-load [option]...\n\n"
	       "Logs many XMPP clients in, sends messages between pairs of them (0 and 1, 2 and 3, ...), checks that "
	       "each arrives\n"
	       "once and in order, and prints what it measured as one line of JSON. Exits with 0 only if all logged "
	       "in, nothing was\n"
	       "lost, and nothing went wrong.\n\n");
	for (size_t i = 0; i < OPTIONS; i++)
		help_print(&options[i]);
}
