#include "process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The text behind `key` in a file of /proc; "" when it is not there. */
static void proc_read(const char *file, const char *key, char to[static 1024])
{
	char line[1024];
	FILE *in = fopen(file, "re");
	*to = '\0';
	while (in && !*to && fgets(line, sizeof line, in))
		if (strncmp(line, key, strlen(key)) == 0)
			snprintf(to, 1024, "%s", line + strlen(key));
	if (in)
		fclose(in);
}

/* proc(5): when the system started, and how many clock ticks after that the process did (field 22 of stat). */
double process_started_s(void)
{
	char text[1024];
	uint64_t boot_s = 0, ticks = 0;
	proc_read("/proc/stat", "btime ", text);
	sscanf(text, "%" SCNu64, &boot_s);
	proc_read("/proc/self/stat", "", text);
	const char *behind_name = strrchr(text, ')');
	if (behind_name)
		sscanf(behind_name + 1,
		       " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64, &ticks);
	return (double)boot_s + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

double process_cpu_s(void)
{
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

uint64_t process_resident_bytes(void)
{
	char text[1024];
	uint64_t pages = 0;
	proc_read("/proc/self/statm", "", text);
	sscanf(text, "%*s %" SCNu64, &pages);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Linux 6.2 and later say it as the folder's size; before, the folder has to be read. */
uint64_t process_open_fds(void)
{
	struct stat about;
	uint64_t count = 0;
	if (stat("/proc/self/fd", &about) == 0)
		count = (uint64_t)about.st_size;
	DIR *folder = count == 0 ? opendir("/proc/self/fd") : NULL;
	for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;)
		count += entry->d_name[0] != '.';
	if (folder) {
		closedir(folder);
		count--; /* the folder itself */
	}
	return count;
}

uint64_t process_max_fds(void)
{
	struct rlimit limit = {0};
	getrlimit(RLIMIT_NOFILE, &limit);
	return (uint64_t)limit.rlim_cur;
}
