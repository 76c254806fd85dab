/* What `stanzagate ctl` shows: cells, tables, and times from buckets. */
#include "ctl_print.h"
#include "ctl_table.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static char cell[CTL_CELL_BYTES];

static char *show(enum ctl_kind kind, json_t *value)
{
	ctl_cell(kind, value, cell);
	json_decref(value);
	return cell;
}

Test(ctl, cells)
{
	cr_assert(eq(str, show(CTL_COUNT, json_integer(1234567)), "1234567"));
	cr_assert(eq(str, show(CTL_BYTES, json_integer(1023)), "1023 B"));
	cr_assert(eq(str, show(CTL_BYTES, json_integer(1536)), "1.5 KiB"));
	cr_assert(eq(str, show(CTL_BYTES, json_real(5368709120.)), "5.0 GiB"));
	cr_assert(eq(str, show(CTL_TIME, json_integer(59)), "59 s"));
	cr_assert(eq(str, show(CTL_TIME, json_integer(61)), "1 min 01 s"));
	cr_assert(eq(str, show(CTL_TIME, json_integer(-61)), "0 s"), "the clock was set back");
	cr_assert(eq(str, show(CTL_TIME, json_integer(3600 + 61)), "1 h 01 min"));
	cr_assert(eq(str, show(CTL_TIME, json_integer(86400 * 2 + 7200)), "2 d 02 h"));
	cr_assert(eq(str, show(CTL_YES, json_true()), "yes"));
	cr_assert(eq(str, show(CTL_SHARE, json_real(.125)), "12 %"));
	cr_assert(eq(str, show(CTL_TEXT, json_null()), "-"));
	cr_assert(eq(str, show(CTL_TEXT, json_string("")), "-"));
	cr_assert(eq(str, show(CTL_TEXT, json_string("a\033[2J\nb\177")), "a?[2J?b?"), "no terminal is led astray");
}

static char *table(const char *rows)
{
	static const struct ctl_column columns[] = {
		{"NAME", "name", CTL_TEXT}, {"N", "n", CTL_COUNT}, {"GONE", "gone", CTL_YES}, {"END", "end", CTL_TEXT}};
	static char text[1024];
	json_t *json = json_loads(rows, 0, NULL);

	memset(text, 0, sizeof text);
	FILE *to = fmemopen(text, sizeof text, "w");

	ctl_table_print(to, columns, 4, json);
	fclose(to);
	json_decref(json);
	return text;
}

Test(ctl, columns_are_as_wide_as_they_must_be)
{
	cr_assert(eq(str,
		     table("[{\"name\":\"\\u00e4\\u4e2d\",\"n\":5,\"gone\":false,\"end\":\"x\"},"
			   "{\"name\":\"longer\",\"n\":123,\"gone\":false,\"end\":\"longest\"}]"),
		     "NAME      N  END\n"
		     "\u00e4\u4e2d        5  x\n"
		     "longer  123  longest\n"));
}

Test(ctl, a_column_that_tells_nothing_is_left_out)
{
	cr_assert(eq(str, table("[{\"name\":\"a\",\"gone\":true},{\"name\":\"b\",\"gone\":false}]"),
		     "NAME  GONE\na     yes\nb     no\n"));
	cr_assert(eq(str, table("[]"), ""));
}

Test(ctl, latency_is_the_upper_end_of_a_bucket)
{
	json_t *before = json_loads("{\"latency\":{\"x\":{\"buckets\":[90,0,0,10]}}}", 0, NULL);
	json_t *now = json_loads("{\"latency\":{\"x\":{\"buckets\":[90,98,0,12]}}}", 0, NULL);

	cr_assert(eq(u64, ctl_latency_us(before, NULL, "x", .5), 1));
	cr_assert(eq(u64, ctl_latency_us(before, NULL, "x", .9), 1));
	cr_assert(eq(u64, ctl_latency_us(before, NULL, "x", .99), 8));
	cr_assert(eq(u64, ctl_latency_us(now, before, "x", .98), 2), "only what came since");
	cr_assert(eq(u64, ctl_latency_us(now, before, "x", .99), 8));
	cr_assert(eq(u64, ctl_latency_us(now, now, "x", .5), 0));
	json_decref(before);
	json_decref(now);
}

Test(ctl, counters_by_the_beginning_of_their_names)
{
	json_t *status = json_loads("{\"counters\":{\"logins\":3,\"logins_postponed\":4,\"other\":5}}", 0, NULL);

	cr_assert(eq(i64, ctl_counter(status, "logins"), 3));
	cr_assert(eq(i64, ctl_counters(status, "logins"), 7));
	json_decref(status);
}
