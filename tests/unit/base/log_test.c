#include "log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int64_t now_ms = 1740830400123;
static int file = -1;
static char text[1 << 20];

static int64_t test_now_ms(void)
{
	return now_ms;
}

static void begin(enum config_log_level level)
{
	file = memfd_create("log", 0);
	log_open(&(struct log_settings){.fd = file, .level = level, .now_ms = test_now_ms});
}

/* What was written since begin(). */
static const char *lines(void)
{
	ssize_t len = pread(file, text, sizeof text - 1, 0);
	cr_assert_geq(len, 0);
	text[len] = '\0';
	return text;
}

static size_t line_count(const char *from)
{
	size_t count = 0;
	while ((from = strchr(from, '\n')) != NULL)
		from++, count++;
	return count;
}

Test(log, a_line)
{
	begin(CONFIG_LOG_INFO);
	log_event(CONFIG_LOG_INFO, "client.closed", log_text("client", "192.0.2.7:51312"), log_count("bytes", 5120),
		  log_number("left", -1));
	cr_assert_str_eq(lines(),
			 "2025-03-01T12:00:00.123Z info client.closed client=192.0.2.7:51312 bytes=5120 left=-1\n");
}

Test(log, values)
{
	static const struct {
		const char *value, *shown;
	} rows[] = {
		{"plain", "plain"},
		{"", "\"\""},
		{NULL, "\"\""},
		{"a b", "\"a b\""},
		{"[2001:db8::1%eth0]:5222", "[2001:db8::1%eth0]:5222"},
		{"user@example.org/res", "user@example.org/res"},
		{"say \"hi\" \\", "\"say \\\"hi\\\" \\\\\""},
		{"x\n2025-03-01T12:00:00.123Z error forged=yes", "\"x\\x0a2025-03-01T12:00:00.123Z error forged=yes\""},
		{"a=b", "\"a=b\""},
		{"\x1b[31m\x7f\r\t", "\"\\x1b[31m\\x7f\\x0d\\x09\""},
		{"\xc2\x85\xe2\x80\xa8", "\"\\xc2\\x85\\xe2\\x80\\xa8\""},
	};
	char expected[512];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin(CONFIG_LOG_INFO);
		log_event(CONFIG_LOG_INFO, "e", log_text("k", rows[i].value));
		snprintf(expected, sizeof expected, "2025-03-01T12:00:00.123Z info e k=%s\n", rows[i].shown);
		cr_assert_str_eq(lines(), expected);
		close(file);
	}
	begin(CONFIG_LOG_INFO);
	log_event(CONFIG_LOG_INFO, "e", log_bytes("k", "a\0b", 3));
	cr_assert_str_eq(lines(), "2025-03-01T12:00:00.123Z info e k=\"a\\x00b\"\n");
}

/* No bytes whatever make a second line, a second field or an unescaped control character. */
Test(log, no_value_can_forge)
{
	for (int c = 0; c < 256; c++) {
		char value[3] = {(char)c, ' ', 'x'};
		begin(CONFIG_LOG_INFO);
		log_event(CONFIG_LOG_INFO, "e", log_bytes("k", value, 3));
		const char *at = lines();
		cr_assert_eq(line_count(at), 1, "%d", c);
		cr_assert(at[strlen(at) - 1] == '\n' && at[strlen(at) - 2] == '"');
		for (; *at && *at != '\n'; at++)
			cr_assert(*at >= ' ' && *at <= '~', "%d", c);
		close(file);
	}
}

Test(log, long_values_are_cut)
{
	char value[1000];
	memset(value, 'a', sizeof value);
	begin(CONFIG_LOG_INFO);
	log_event(CONFIG_LOG_INFO, "e", log_bytes("k", value, LOG_VALUE_MAX));
	cr_assert_eq(strlen(lines()), strlen("2025-03-01T12:00:00.123Z info e k=\n") + LOG_VALUE_MAX);
	close(file);
	begin(CONFIG_LOG_INFO);
	log_event(CONFIG_LOG_INFO, "e", log_bytes("k", value, LOG_VALUE_MAX + 1));
	cr_assert_eq(strlen(lines()), strlen("2025-03-01T12:00:00.123Z info e k=\"\"...\n") + LOG_VALUE_MAX);
	cr_assert(strstr(lines(), "aa\"...\n"));
}

Test(log, fields_that_do_not_fit_are_counted)
{
	char value[LOG_VALUE_MAX];
	memset(value, '\n', sizeof value);
	begin(CONFIG_LOG_INFO);
	log_event(CONFIG_LOG_INFO, "e", log_bytes("a", value, sizeof value), log_bytes("b", value, sizeof value),
		  log_count("n", 1), log_bytes("c", value, sizeof value));
	const char *at = lines();
	cr_assert_leq(strlen(at), LOG_LINE_MAX);
	cr_assert(strstr(at, " a=\"\\x0a"));
	cr_assert_null(strstr(at, " b="));
	cr_assert(strstr(at, " n=1 left_out=2\n"));
}

Test(log, levels)
{
	for (int set = CONFIG_LOG_ERROR; set <= CONFIG_LOG_DEBUG; set++) {
		begin((enum config_log_level)set);
		for (int level = CONFIG_LOG_ERROR; level <= CONFIG_LOG_DEBUG; level++) {
			cr_assert_eq(log_is_on((enum config_log_level)level), level <= set);
			log_event((enum config_log_level)level, "e", log_text("k", "v"));
		}
		cr_assert_eq(line_count(lines()), (size_t)set + 1);
		close(file);
	}
	begin(CONFIG_LOG_ERROR);
	log_level_set(CONFIG_LOG_DEBUG);
	cr_assert(log_is_on(CONFIG_LOG_DEBUG));
}

Test(log, nothing_is_evaluated_when_off)
{
	int count = 0;
	begin(CONFIG_LOG_INFO);
	log_event(CONFIG_LOG_DEBUG, "e", log_count("k", ++count));
	cr_assert_eq(count, 0);
	cr_assert_str_eq(lines(), "");
}

Test(log, limits_each_event_and_tells)
{
	begin(CONFIG_LOG_INFO);
	for (int i = 0; i < 50; i++)
		log_event(CONFIG_LOG_INFO, "much", log_count("k", i));
	cr_assert_eq(line_count(lines()), LOG_LINES_MAX);
	log_event(CONFIG_LOG_INFO, "other", log_text("k", "v"));
	cr_assert_eq(line_count(lines()), LOG_LINES_MAX + 1);
	now_ms += 999;
	log_event(CONFIG_LOG_INFO, "much", log_text("k", "v"));
	cr_assert_eq(line_count(lines()), LOG_LINES_MAX + 1);
	now_ms += 1;
	log_event(CONFIG_LOG_INFO, "much", log_text("k", "v"));
	const char *end = strstr(lines(), "log.limited");
	cr_assert_not_null(end);
	cr_assert_str_eq(end, "log.limited of=much lines=31\n2025-03-01T12:00:01.123Z info much k=v\n");
	log_flush();
	cr_assert_eq(line_count(lines()), LOG_LINES_MAX + 3, "told once");
}

Test(log, flush_tells_at_the_end)
{
	begin(CONFIG_LOG_INFO);
	for (int i = 0; i < 21; i++)
		log_event(CONFIG_LOG_INFO, "much", log_count("k", i));
	cr_assert_null(strstr(lines(), "log.limited"));
	log_flush();
	cr_assert(strstr(lines(), "warning log.limited of=much lines=1\n"));
}

Test(log, a_clock_that_goes_back_does_not_silence)
{
	begin(CONFIG_LOG_INFO);
	for (int i = 0; i < 21; i++)
		log_event(CONFIG_LOG_INFO, "much", log_count("k", i));
	now_ms -= 3600000;
	log_event(CONFIG_LOG_INFO, "much", log_text("k", "after"));
	cr_assert(strstr(lines(), "k=after\n"));
}

Test(log, more_kinds_than_expected_share_a_limit)
{
	static char names[LOG_EVENTS_MAX + 40][8];
	begin(CONFIG_LOG_INFO);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(names[i], sizeof names[i], "e%zu", i);
		log_event(CONFIG_LOG_INFO, names[i], log_text("k", "v"));
	}
	cr_assert_eq(line_count(lines()), LOG_EVENTS_MAX - 1 + LOG_LINES_MAX);
}

static void *chatter(void *name)
{
	for (int i = 0; i < 400; i++)
		log_event(CONFIG_LOG_INFO, name, log_text("k", "the same text for everybody"), log_count("n", 7));
	return NULL;
}

Test(log, lines_of_threads_do_not_mix)
{
	static char names[4][4] = {"t0", "t1", "t2", "t3"};
	int ends[2];
	pthread_t threads[4];
	cr_assert_eq(pipe(ends), 0);
	log_open(&(struct log_settings){.fd = ends[1], .level = CONFIG_LOG_INFO, .now_ms = test_now_ms});
	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, chatter, names[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	log_flush();
	close(ends[1]);
	FILE *in = fdopen(ends[0], "r");
	char line[4096], event[16], value[64];
	int number, count = 0, limited = 0;
	while (fgets(line, sizeof line, in)) {
		if (strstr(line, " log.limited of=t") && strstr(line, " lines=380\n"))
			limited++;
		else if (sscanf(line, "2025-03-01T12:00:00.123Z info %15s k=\"%63[a-z ]\" n=%d\n", event, value,
				&number) == 3)
			count++;
		else
			cr_assert(false, "mixed: %s", line);
	}
	cr_assert_eq(count, 4 * LOG_LINES_MAX);
	cr_assert_eq(limited, 4);
}

Test(log, the_clock_of_the_system)
{
	file = memfd_create("log", 0);
	log_open(&(struct log_settings){.fd = file, .level = CONFIG_LOG_INFO});
	log_event(CONFIG_LOG_INFO, "e", log_text("k", "v"));
	int year, ms;
	cr_assert_eq(sscanf(lines(), "%4d-%*2d-%*2dT%*2d:%*2d:%*2d.%3dZ info e k=v", &year, &ms), 2);
	cr_assert_geq(year, 2024);
}

Test(log, a_room_with_a_level_of_its_own)
{
	begin(CONFIG_LOG_WARNING);
	log_room_level_set(LOG_ROOM_client, CONFIG_LOG_DEBUG);
	log_room_level_set(LOG_ROOM_link, CONFIG_LOG_ERROR);
	log_event(CONFIG_LOG_DEBUG, "client.closed", log_text("n", "1"));
	log_event(CONFIG_LOG_INFO, "clients.many", log_text("n", "2"));
	log_event(CONFIG_LOG_INFO, "gate.ready", log_text("n", "3"));
	log_event(CONFIG_LOG_WARNING, "link.failed", log_text("n", "4"));
	log_event(CONFIG_LOG_ERROR, "link.failed", log_text("n", "5"));
	log_event(CONFIG_LOG_WARNING, "gate.descriptors", log_text("n", "6"));
	cr_assert(log_is_on(CONFIG_LOG_DEBUG));
	log_room_level_set(LOG_ROOM_client, LOG_LEVEL_OF_ALL);
	cr_assert(!log_is_on(CONFIG_LOG_INFO), "the highest of any room");
	log_event(CONFIG_LOG_DEBUG, "client.closed", log_text("n", "7"));
	log_level_set(CONFIG_LOG_INFO);
	cr_assert_eq(log_level_get(), CONFIG_LOG_INFO);
	cr_assert_eq(log_room_level_get(LOG_ROOM_link), CONFIG_LOG_ERROR, "it keeps its own");
	log_event(CONFIG_LOG_INFO, "gate.ready", log_text("n", "8"));
	char seen[9] = "";
	for (const char *at = lines(); (at = strstr(at, " n=")) != NULL; at += 3)
		strncat(seen, at + 3, 1);
	cr_assert_str_eq(seen, "1568");
}

Test(log, rooms_as_text)
{
	int levels[LOG_ROOMS] = {7};
	static const char *const wrong[] = {"",
					    " ",
					    "client",
					    "client=",
					    "=info",
					    "client=info ",
					    " client=info",
					    "client=info,link=info",
					    "Client=info",
					    "client=infos",
					    "clien=info",
					    "client=info link"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		cr_assert(!log_rooms_read(wrong[i], levels), "%s", wrong[i]);
	cr_assert_eq(levels[0], 7, "left alone");
	cr_assert(log_rooms_read("client=debug link=error client=info", levels));
	cr_assert_eq(levels[LOG_ROOM_client], CONFIG_LOG_INFO);
	cr_assert_eq(levels[LOG_ROOM_link], CONFIG_LOG_ERROR);
	cr_assert_eq(levels[LOG_ROOM_gate], LOG_LEVEL_OF_ALL);
	cr_assert(log_rooms_read(NULL, levels));
	cr_assert_eq(levels[LOG_ROOM_client], LOG_LEVEL_OF_ALL);
}

static void begin_as(enum log_form form, const char *journal)
{
	file = memfd_create("log", 0);
	log_open(&(struct log_settings){
		.fd = file, .level = CONFIG_LOG_DEBUG, .form = form, .journal = journal, .now_ms = test_now_ms});
}

Test(log, a_line_of_json)
{
	begin_as(LOG_JSON, NULL);
	log_event(CONFIG_LOG_INFO, "client.closed", log_text("client", "192.0.2.7:51312"), log_count("bytes", 5120),
		  log_number("left", -1), log_text("none", NULL));
	cr_assert_str_eq(lines(),
			 "{\"time\":\"2025-03-01T12:00:00.123Z\",\"level\":\"info\",\"event\":\"client.closed\","
			 "\"client\":\"192.0.2.7:51312\",\"bytes\":5120,\"left\":-1,\"none\":\"\"}\n");
}

Test(log, values_of_json)
{
	static const struct {
		const char *value, *shown;
	} rows[] = {
		{"a\"b\\c", "a\\\"b\\\\c"},
		{"\n\t\x1b[2J\x7f", "\\u000a\\u0009\\u001b[2J\\u007f"},
		{"\xc2\x85", "\\u0085"}, /* a control character in two bytes */
		{"\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80", "\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80"},
		{"\xff", "\\ufffd"},		/* never in UTF-8 */
		{"\xc0\xaf", "\\ufffd\\ufffd"}, /* more bytes than are needed */
		{"\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd"},
		{"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"}, /* half of a pair */
		{"\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd"},
		{"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"}, /* behind the last */
		{"\xe4\xb8", "\\ufffd\\ufffd"},			      /* cut off */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char wanted[256];
		begin_as(LOG_JSON, NULL);
		log_event(CONFIG_LOG_INFO, "e", log_text("k", rows[i].value));
		snprintf(wanted, sizeof wanted, "\"k\":\"%s\"}\n", rows[i].shown);
		cr_assert(strstr(lines(), wanted), "%zu: %s", i, lines());
	}
}

Test(log, long_values_and_lines_of_json)
{
	char value[1000];
	struct log_field fields[8];
	memset(value, 'x', sizeof value);
	for (int i = 0; i < 8; i++)
		fields[i] = log_bytes("k", value, sizeof value);
	begin_as(LOG_JSON, NULL);
	log_write(CONFIG_LOG_INFO, "e", fields, 8);
	const char *line = lines();
	cr_assert_leq(strlen(line), LOG_LINE_MAX);
	cr_assert(strstr(line, "x...\",\"left_out\":"), "%s", line);
	cr_assert_str_eq(line + strlen(line) - 2, "}\n");
}

Test(log, the_journal)
{
	char path[] = "/tmp/journal-XXXXXX", heard[8192];
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	cr_assert(mkdtemp(path));
	snprintf(at.sun_path, sizeof at.sun_path, "%s/socket", path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	begin_as(LOG_TEXT, at.sun_path);
	log_event(CONFIG_LOG_WARNING, "link.failed", log_text("backend", "one"), log_text("why", "a\nPRIORITY=0"),
		  log_count("n", 7));
	ssize_t len = recv(fd, heard, sizeof heard - 1, 0);
	cr_assert_gt(len, 0);
	heard[len] = '\0';
	cr_assert_str_eq(heard, "SYSLOG_IDENTIFIER=stanzagate\nPRIORITY=4\n"
				"MESSAGE=link.failed backend=one why=\"a\\x0aPRIORITY=0\" n=7\n"
				"STANZAGATE_EVENT=link.failed\nSTANZAGATE_BACKEND=one\n"
				"STANZAGATE_WHY=a\\x0aPRIORITY=0\nSTANZAGATE_N=7\n");
	cr_assert_str_eq(lines(), "", "not told twice");
	close(fd);
	log_event(CONFIG_LOG_ERROR, "link.failed", log_text("backend", "two"));
	cr_assert(strstr(lines(), " error link.failed backend=two\n"), "what the journal does not take is not lost");
	unlink(at.sun_path);
	rmdir(path);
	begin_as(LOG_TEXT, at.sun_path);
	log_event(CONFIG_LOG_ERROR, "link.failed", log_text("backend", "three"));
	cr_assert(strstr(lines(), "backend=three\n"), "nor when it is not there at all");
}
