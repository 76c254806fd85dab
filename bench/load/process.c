#include "process.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool text_read(unsigned pid, const char *name, char *to, size_t cap)
{
	char path[64];
	size_t len;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%u/%s", pid, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	len = fread(to, 1, cap - 1, file);
	to[len] = 0;
	fclose(file);
	return len > 0;
}

bool process_sample(unsigned pid, struct process_sample *ret)
{
	unsigned long long user, system, pages, tick = (unsigned long long)sysconf(_SC_CLK_TCK);
	char text[1024], *after_name;

	if (!text_read(pid, "stat", text, sizeof text))
		return false;
	/* The name, in parentheses, may contain anything; fields are counted from behind it (proc(5)). */
	after_name = strrchr(text, ')');
	if (!after_name ||
	    sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
		return false;
	if (!text_read(pid, "statm", text, sizeof text) || sscanf(text, "%*u %llu", &pages) != 1)
		return false;
	*ret = (struct process_sample){user * 1000000 / tick, system * 1000000 / tick,
				       pages * (unsigned long long)sysconf(_SC_PAGESIZE)};
	return true;
}
