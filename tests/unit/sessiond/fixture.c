#include "fixture.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void fixture_begin(struct fixture *fixture)
{
	snprintf(fixture->directory, sizeof fixture->directory, P_tmpdir "/sessiond-test-XXXXXX");
	cr_assert(mkdtemp(fixture->directory));
	snprintf(fixture->database, sizeof fixture->database, "%.64s/db", fixture->directory);
	snprintf(fixture->socket, sizeof fixture->socket, "%.64s/socket", fixture->directory);
}

void fixture_end(struct fixture *fixture)
{
	char path[FIXTURE_PATH_BYTES + 256];
	DIR *directory = opendir(fixture->directory);
	cr_assert(directory);
	for (struct dirent *entry; (entry = readdir(directory));) {
		snprintf(path, sizeof path, "%s/%s", fixture->directory, entry->d_name);
		unlink(path);
	}
	closedir(directory);
	cr_assert_eq(rmdir(fixture->directory), 0);
}

void fixture_account(const struct fixture *fixture, const char *bare_jid, const char *password)
{
	char error[STORE_ERROR_BYTES];
	struct store_account account;
	struct store *store = store_open(fixture->database, error);
	cr_assert(store, "%s", error);
	cr_assert(password_keys(password, PASSWORD_ITERATIONS_MIN, &account));
	cr_assert(store_account_put(store, bare_jid, &account));
	store_close(store);
}
