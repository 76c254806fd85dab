#include "reason.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(reason, says_what_the_table_says)
{
	cr_assert_str_eq(reason_label(REASON_NONE), "none");
	cr_assert_str_eq(reason_condition(REASON_NONE), "");
	cr_assert_str_eq(reason_label(REASON_HOST_UNKNOWN), "host_unknown");
	cr_assert_str_eq(reason_condition(REASON_HOST_UNKNOWN), "host-unknown");
	cr_assert_str_eq(reason_text(REASON_IDLE), "nothing heard for too long");
	cr_assert(reason_is_error(REASON_TLS_FAILED));
	cr_assert_not(reason_is_error(REASON_CLIENT_END));
}

Test(reason, labels_are_whole_lower_case_and_different)
{
	static const char *const names[REASON_COUNT] = {
#define CLOSE(name, error, condition, text) [REASON_##name] = #name,
#include "close.def"
	};
	for (int i = 1; i < REASON_COUNT; i++) {
		const char *label = reason_label((enum reason)i);
		cr_assert_eq(strcasecmp(label, names[i]), 0, "%s", label);
		cr_assert_eq(strspn(label, "abcdefghijklmnopqrstuvwxyz_0123456789"), strlen(label), "%s", label);
		for (int j = 0; j < i; j++)
			cr_assert_str_neq(label, reason_label((enum reason)j));
	}
}

/* RFC 6120, 4.9.3: every condition that there is. */
Test(reason, conditions_are_those_of_the_rfc)
{
	static const char conditions[] =
		" bad-format bad-namespace-prefix conflict connection-timeout host-gone host-unknown "
		"improper-addressing internal-server-error invalid-from invalid-namespace invalid-xml not-authorized "
		"not-well-formed policy-violation remote-connection-failed reset resource-constraint restricted-xml "
		"see-other-host system-shutdown undefined-condition unsupported-encoding unsupported-feature "
		"unsupported-stanza-type unsupported-version ";
	char word[64];
	for (int i = 0; i < REASON_COUNT; i++) {
		snprintf(word, sizeof word, " %s ", reason_condition((enum reason)i));
		cr_assert(*reason_condition((enum reason)i) == '\0' || strstr(conditions, word), "%s", word);
	}
}
