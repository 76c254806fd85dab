#include "privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool fail(const char *what, const char *user, char error[static PRIVILEGE_ERROR_BYTES])
{
	snprintf(error, PRIVILEGE_ERROR_BYTES, "%s %s: %s", what, user, strerror(errno));
	return false;
}

bool privilege_drop(const char *user, char error[static PRIVILEGE_ERROR_BYTES])
{
	const struct passwd *entry;

	errno = 0;
	entry = getpwnam(user);
	if (entry == NULL) {
		errno = errno == 0 ? ENOENT : errno;
		return fail("there is no user", user, error);
	}
	if (geteuid() != 0) {
		errno = EPERM;
		return geteuid() == entry->pw_uid || fail("only root can become", user, error);
	}
	if (initgroups(user, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0)
		return fail("cannot become", user, error);
	if (entry->pw_uid == 0 || (setuid(0) != 0 && setgid(0) != 0))
		return true;
	errno = EPERM;
	return fail("root's rights stay with", user, error);
}
