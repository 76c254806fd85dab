/*
 * ctl_words: the command line of `stanzagate ctl`: the table of its commands, and what was asked for.
 */
#ifndef OPS_CTL_WORDS_H
#define OPS_CTL_WORDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum { CTL_OPERANDS_MAX = 2, CTL_FAULT_BYTES = 1280 };

#define CTL_SOCKET_USUAL "/run/stanzagate/control.sock"

struct ctl_command {
	const char *words;			/* as they are typed */
	const char *request;			/* the gate's name for it; NULL: top */
	const char *operands[CTL_OPERANDS_MAX]; /* names of the arguments that follow */
	int needed;				/* how many of them must be there */
	const char *options;			/* letters of those that it takes, besides those that all take */
	void (*print)(FILE *, const json_t *);
	const char *usage, *help;
};

struct ctl_asked {
	const struct ctl_command *command;
	const char *file, *socket; /* at most one; neither: the usual socket */
	json_t *arguments;	   /* of the request: a new reference, the caller's also when the words were wrong */
	unsigned interval_ms, count;
	bool json;
};

enum ctl_words { CTL_WORDS_GOOD, CTL_WORDS_HELP, CTL_WORDS_WRONG };

/*
 * Reads argv, whose first word is "ctl". HELP: nothing but the help is wanted. WRONG: `fault` says in one line what was
 * found and what is allowed.
 */
enum ctl_words ctl_words_read(int argc, char **argv, struct ctl_asked *ret, char fault[static CTL_FAULT_BYTES]);

void ctl_words_help(FILE *);

#endif
