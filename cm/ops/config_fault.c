#include "config_fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void config_faults_init(struct config_faults *faults)
{
	faults->count = faults->left_out = 0;
}

void config_fault_add(struct config_faults *faults, const char *format, ...)
{
	va_list more;
	if (faults->count == CONFIG_FAULTS_MAX) {
		faults->left_out++;
		return;
	}
	va_start(more, format);
	vsnprintf(faults->line[faults->count++], CONFIG_FAULT_BYTES, format, more);
	va_end(more);
}

char *config_quote(const char *text, char to[static CONFIG_QUOTE_BYTES])
{
	enum { LAST = sizeof "\\xff\"..." };
	size_t len = 0;
	to[len++] = '"';
	for (; *text && len < CONFIG_QUOTE_BYTES - LAST; text++) {
		unsigned char c = (unsigned char)*text;
		if (c < ' ' || c == 0x7f)
			len += (size_t)snprintf(to + len, CONFIG_QUOTE_BYTES - len, "\\x%02x", c);
		else
			to[len++] = *text;
	}
	while (*text && len > 1 && ((unsigned char)to[len - 1] & 0xc0) == 0x80) /* no character is cut in the middle */
		len--;
	if (*text && ((unsigned char)to[len - 1] & 0xc0) == 0xc0)
		len--;
	snprintf(to + len, CONFIG_QUOTE_BYTES - len, *text ? "\"..." : "\"");
	return to;
}
