#include "config_text.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

const char *config_folder(void)
{
	if (!*folder) {
		snprintf(folder, sizeof folder, "%s", "/tmp/config-test-XXXXXX");
		cr_assert_not_null(mkdtemp(folder));
	}
	return folder;
}

void config_folder_remove(void)
{
	char path[512];
	DIR *in = *folder ? opendir(folder) : NULL;
	for (struct dirent *entry; in && (entry = readdir(in)) != NULL;) {
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		unlink(path);
	}
	if (in)
		closedir(in);
	rmdir(folder);
	*folder = '\0';
}

const char *config_file_write(const char *name, const char *text)
{
	static char path[512];
	snprintf(path, sizeof path, "%s/%s", config_folder(), name);
	FILE *to = fopen(path, "w");
	cr_assert_not_null(to);
	cr_assert_geq(fputs(text, to), 0);
	cr_assert_eq(fclose(to), 0);
	return path;
}

struct config *config_text_read(const char *text, struct config_faults *ret)
{
	return config_read(config_file_write("gate.yaml", text), ret);
}

const char *config_faults_text(const struct config_faults *faults)
{
	static char all[CONFIG_FAULTS_MAX * CONFIG_FAULT_BYTES];
	char path[512];
	size_t len = (size_t)snprintf(path, sizeof path, "%s/gate.yaml", config_folder());
	*all = '\0';
	for (size_t i = 0; i < faults->count; i++) {
		const char *line = faults->line[i];
		bool own = strncmp(line, path, len) == 0;
		strncat(all, own ? "FILE" : "", sizeof all - strlen(all) - 1);
		strncat(all, line + (own ? len : 0), sizeof all - strlen(all) - 1);
		strncat(all, "\n", sizeof all - strlen(all) - 1);
	}
	return all;
}
