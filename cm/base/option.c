#include "option.h"

#include "allowed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *option_name(const struct option *options, int val)
{
	for (const struct option *o = options; o->name != NULL; o++)
		if (o->val == val)
			return o->name;
	return "";
}

static void names_list(const struct option *options, char to[static ALLOWED_BYTES])
{
	char name[64];

	to[0] = '\0';
	for (const struct option *o = options; o->name != NULL; o++) {
		int len = snprintf(name, sizeof name, "--%s", o->name);

		allowed_add(to, name, (size_t)len);
	}
}

char *option_fault(int answered, char *const *argv, const struct option *options, char to[static OPTION_FAULT_BYTES])
{
	const char *name = option_name(options, optopt), *text = argv[optind - 1];
	char names[ALLOWED_BYTES];

	names_list(options, names);
	if (answered == ':')
		snprintf(to, OPTION_FAULT_BYTES, "--%s: found no value, allowed one", name);
	else if (optopt != 0 && *name != '\0')
		snprintf(to, OPTION_FAULT_BYTES, "%.256s: found a value, allowed none", text);
	else if (optopt != 0)
		snprintf(to, OPTION_FAULT_BYTES, "-%c: found an unknown option, allowed %s", optopt, names);
	else
		snprintf(to, OPTION_FAULT_BYTES, "%.256s: found an unknown option, allowed %s", text, names);
	return to;
}

bool option_number(const char *text, unsigned min, unsigned max, unsigned *ret)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number < min || number > max)
		return false;
	*ret = (unsigned)number;
	return true;
}
