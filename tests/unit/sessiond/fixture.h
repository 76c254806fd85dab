/* fixture: a database of its own for each test, in a directory that goes with it. */
#ifndef TEST_FIXTURE_H
#define TEST_FIXTURE_H

#include "password.h"

enum { FIXTURE_PATH_BYTES = 128 };
#define FIXTURE_JID	 "juliet@example.com"
#define FIXTURE_PASSWORD "r0m30 my r0m30"

struct fixture {
	char directory[FIXTURE_PATH_BYTES], database[FIXTURE_PATH_BYTES], socket[FIXTURE_PATH_BYTES];
};

void fixture_begin(struct fixture *);
void fixture_end(struct fixture *);
/* An account in the fixture's database, which it opens for a moment. */
void fixture_account(const struct fixture *, const char *bare_jid, const char *password);

#endif
