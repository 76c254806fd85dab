#include "certificate_user.h"

#include <criterion/criterion.h>
#include <string.h>

/* Every user, each with a blank behind. */
static const char *users(const char *lines, const char *domain)
{
	static char text[4096];
	struct jid jid;

	text[0] = '\0';
	while (certificate_user_next(&lines, domain, &jid)) {
		strcat(text, jid.text);
		strcat(text, " ");
	}
	cr_assert_eq(*lines, '\0');
	return text;
}

Test(certificate_user, those_of_the_domain)
{
	cr_assert_str_eq(users("", "example.com"), "");
	cr_assert_str_eq(users("juliet@example.com", "example.com"), "juliet@example.com ");
	cr_assert_str_eq(users("juliet@example.com\nromeo@example.com", "example.com"),
			 "juliet@example.com romeo@example.com ");
	cr_assert_str_eq(users("a@b\njuliet@Example.COM\nexample.com", "example.com"), "juliet@example.com ");
	cr_assert_str_eq(users("Juliet@example.com", "example.com"), "juliet@example.com ");
	cr_assert_str_eq(users("\xc3\xa4@example.com\n\n", "example.com"), "\xc3\xa4@example.com ");
}

/* Neither a resource, nor what is no JID, nor a domain that only looks alike. */
Test(certificate_user, nobody)
{
	static const char *const lines[] = {"example.com",
					    "juliet@example.com/balcony",
					    "juliet@example.comm",
					    "juliet@xexample.com",
					    "juliet@example.co",
					    "@example.com",
					    "juliet@@example.com",
					    "ju liet@example.com",
					    "juliet@example.org\njuliet@sub.example.com",
					    "\n\n\n"};
	struct jid jid;

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		cr_expect_str_eq(users(lines[i], "example.com"), "", "%s", lines[i]);
		cr_expect_not(certificate_user_only(lines[i], "example.com", &jid), "%s", lines[i]);
	}
}

Test(certificate_user, the_only_one)
{
	struct jid jid;

	cr_assert(certificate_user_only("a@other\njuliet@example.com\nJULIET@example.com", "example.com", &jid));
	cr_assert_str_eq(jid.text, "juliet@example.com");
	cr_assert_not(certificate_user_only("juliet@example.com\nromeo@example.com", "example.com", &jid));
	cr_assert_not(certificate_user_only("", "example.com", &jid));
}
