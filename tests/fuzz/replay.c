/*
 * Runs a fuzz target over files, and over all files of directories, as an ordinary test: one TAP line each. A crash is
 * the failure. No files at all are a failure too.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static int count;

static void fail(const char *path)
{
	printf("Bail out! %s cannot be read\n", path);
	exit(1);
}

static void file_replay(const char *path, size_t len)
{
	uint8_t *bytes = malloc(len ? len : 1);
	FILE *file = fopen(path, "rb");
	if (!bytes || !file || fread(bytes, 1, len, file) != len)
		fail(path);
	fclose(file);
	LLVMFuzzerTestOneInput(bytes, len);
	free(bytes);
	const char *slash = strrchr(path, '/');
	printf("ok %d - %s\n", ++count, slash ? slash + 1 : path);
	fflush(stdout);
}

static void path_replay(const char *path);

static int name_is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void directory_replay(const char *path)
{
	struct dirent **entries;
	int found = scandir(path, &entries, name_is_shown, alphasort);
	if (found < 0)
		fail(path);
	for (int i = 0; i < found; i++) {
		char inside[4096];
		if (snprintf(inside, sizeof inside, "%s/%s", path, entries[i]->d_name) >= (int)sizeof inside)
			fail(path);
		path_replay(inside);
		free(entries[i]);
	}
	free(entries);
}

static void path_replay(const char *path)
{
	struct stat about;
	if (stat(path, &about) != 0)
		fail(path);
	if (S_ISDIR(about.st_mode))
		directory_replay(path);
	else
		file_replay(path, about.st_size);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		path_replay(argv[i]);
	if (count == 0) {
		puts("Bail out! nothing to replay");
		return 1;
	}
	printf("1..%d\n", count);
	return 0;
}
