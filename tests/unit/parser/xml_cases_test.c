/*
 * Files of cases: hostile input, the edges of UTF-8 and of names, and (where it lies beside the project) what other
 * parsers' test suites hold. Each case whole, at every cut, at 64 alignments, with every kernel: one verdict.
 */
#include "xml_probe.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CASE_BYTES_MAX = 64 << 10 };

static const char HEADER[] = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

static size_t hex_read(const char *hex, size_t digits, uint8_t *to)
{
	for (size_t i = 0; i + 1 < digits; i += 2) {
		char pair[3] = {hex[i], hex[i + 1], '\0'};
		to[i / 2] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return digits / 2;
}

/* Whether `word` is one of the words that '|' joins. */
static bool words_have(const char *words, const char *word)
{
	size_t len = strlen(word);
	for (const char *at = words; (at = strstr(at, word)); at++)
		if ((at == words || at[-1] == '|') && (at[len] == '|' || at[len] == '\0'))
			return true;
	return false;
}

/* What we say of a document: `accept`, `more`, or a condition. */
static const char *verdict_of(const struct probe *p)
{
	if (probe_error(p) != XML_ERROR_NONE)
		return xml_error_condition(probe_error(p));
	return p->partial ? "more" : "accept";
}

/* Runs a document behind a stream header. Kinds of stanzas and senders are judged by those who read stanzas. */
static void case_check(const char *name, const char *verdicts, const uint8_t *bytes, size_t len)
{
	static uint8_t document[CASE_BYTES_MAX];
	static struct probe seen;
	size_t header = sizeof(HEADER) - 1;
	assert(header + len <= sizeof(document));
	memcpy(document, HEADER, header);
	memcpy(document + header, bytes, len);
	struct probe_plan plan = {.bytes = document, .len = header + len};
	cr_expect(probe_every_way(&plan, &seen), "%s: ways differ", name);
	cr_expect(seen.count >= 1 && seen.events[0].is == XML_HEADER, "%s: no header", name);
	const char *verdict = verdict_of(&seen);
	bool others = words_have(verdicts, "unsupported-stanza-type") || words_have(verdicts, "invalid-from");
	bool right = words_have(verdicts, verdict) || (others && strcmp(verdict, "accept") == 0);
	cr_expect(right, "%s: %s, not one of %s", name, verdict, verdicts);
}

struct row {
	char *verdicts, *layer, *name;
	uint8_t *bytes;
	size_t len;
};

static FILE *cases_open(const char *path)
{
	FILE *file = fopen(path, "r");
	cr_assert(file, "cannot read %s", path);
	return file;
}

/* Reads a line into a row that points into it; the bytes replace the hexadecimal digits. */
static bool row_read(FILE *file, char **line, size_t *cap, struct row *ret)
{
	ssize_t got = getline(line, cap, file);
	if (got <= 0)
		return false;
	char *rest = NULL;
	ret->verdicts = strtok_r(*line, "\t", &rest);
	ret->layer = strtok_r(NULL, "\t", &rest);
	ret->name = strtok_r(NULL, "\t", &rest);
	char *hex = strtok_r(NULL, "\t\n", &rest);
	cr_assert(hex, "a line without four columns");
	ret->bytes = (uint8_t *)hex;
	ret->len = hex_read(hex, strlen(hex), ret->bytes);
	return true;
}

static size_t rows_each(const char *path, void (*check)(const struct row *))
{
	FILE *file = cases_open(path);
	char *line = NULL;
	size_t cap = 0, count = 0;
	for (struct row row; row_read(file, &line, &cap, &row); count++)
		check(&row);
	free(line);
	fclose(file);
	return count;
}

static void attack_check(const struct row *row)
{
	case_check(row->name, row->verdicts, row->bytes, row->len);
}

Test(cases, attacks)
{
	cr_assert_eq(rows_each(CASES_DIR "/attack.tsv", attack_check), 111);
}

/* As elements, without a header, to keep six thousand documents short. */
static void short_check(const struct row *row, const char *before, const char *after)
{
	static struct probe seen;
	uint8_t document[256];
	size_t head = strlen(before), tail = strlen(after);
	assert(head + row->len + tail <= sizeof(document));
	memcpy(document, before, head);
	memcpy(document + head, row->bytes, row->len);
	memcpy(document + head + row->len, after, tail);
	struct probe_plan plan = {.enter = true, .bytes = document, .len = head + row->len + tail};
	cr_expect(probe_every_way(&plan, &seen), "ways differ");
	const char *verdict = verdict_of(&seen);
	cr_expect(words_have(row->verdicts, verdict), "%s, not %s, for %.*s", verdict, row->verdicts, (int)plan.len,
		  (const char *)document);
}

/* A sequence may hold two faults, one of them no UTF-8. What comes first decides: U+FFFE, U+FFFF and controls. */
static bool character_is_first(const struct row *row)
{
	const uint8_t *p = row->bytes;
	bool control = p[0] < 0x20 && p[0] != '\t' && p[0] != '\n' && p[0] != '\r';
	return control || (row->len > 3 && p[0] == 0xEF && p[1] == 0xBF && p[2] >= 0xBE && p[2] < 0xC0);
}

/* Enough text around it that kernels see it in the middle of what they load, at all places as the cuts move. */
#define FILLED_BEFORE "<a>0123456789012345678901234567"
#define FILLED_BEHIND "012345678901234567890123456789012345678901234567890123456789</a>"

static void utf8_check(const struct row *as_given)
{
	struct row both = *as_given;
	if (character_is_first(&both))
		both.verdicts = "not-well-formed";
	const struct row *row = &both;
	short_check(row, FILLED_BEFORE, FILLED_BEHIND);
	bool quoted = memchr(row->bytes, '"', row->len);
	short_check(row, quoted ? "<a b='" : "<a b=\"", quoted ? "'/>" : "\"/>");
}

Test(cases, characters)
{
	cr_assert_eq(rows_each(CASES_DIR "/utf8.tsv", utf8_check), 6431);
}

/* Names with a colon are another matter: here no prefix is bound. */
static void name_check(const struct row *row)
{
	struct row refused = *row;
	if (memchr(row->bytes, ':', row->len))
		refused.verdicts = "not-well-formed|bad-namespace-prefix";
	short_check(&refused, "<a><", "/></a>");
	short_check(&refused, "<a ", "='1'/>");
}

Test(cases, names)
{
	cr_assert_eq(rows_each(CASES_DIR "/name.tsv", name_check), 142);
}

/* The value of a string member of a JSON object on one line. */
static bool member_read(const char *line, const char *key, char *ret, size_t cap)
{
	const char *at = strstr(line, key);
	if (!at)
		return false;
	at += strlen(key);
	size_t len = strcspn(at, "\"");
	assert(len < cap);
	memcpy(ret, at, len);
	ret[len] = '\0';
	return true;
}

static void suite_check(const char *line)
{
	static char hex[2 * CASE_BYTES_MAX], id[256], expected[32], condition[512];
	bool whole = member_read(line, "\"hex\": \"", hex, sizeof(hex)) &&
		     member_read(line, "\"id\": \"", id, sizeof(id)) &&
		     member_read(line, "\"expected\": \"", expected, sizeof(expected)) &&
		     member_read(line, "\"condition\": \"", condition, sizeof(condition));
	cr_assert(whole, "a line that is no case");
	size_t len = hex_read(hex, strlen(hex), (uint8_t *)hex);
	strcat(condition, "|policy-violation"); /* some are beyond a limit, too */
	const char *verdicts = strcmp(expected, "accept") == 0	     ? "accept"
			       : strcmp(expected, "incomplete") == 0 ? "more|not-well-formed"
			       : strcmp(expected, "policy") == 0     ? "not-well-formed|restricted-xml|policy-violation"
								     : condition;
	case_check(id, verdicts, (const uint8_t *)hex, len);
}

Test(cases, suites_of_other_parsers)
{
	const char *path = SHARED_DIR "/xml/conformance/stanza_cases.jsonl";
	FILE *file = fopen(path, "r");
	if (!file)
		cr_skip_test("%s is absent: nothing to compare with", path);
	char *line = NULL;
	size_t cap = 0, count = 0;
	for (; getline(&line, &cap, file) > 0; count++)
		suite_check(line);
	free(line);
	fclose(file);
	cr_assert_gt(count, 0);
}
