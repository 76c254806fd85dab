#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_core.h"
#include "play.h"
#include "store_archive.h"
#include "utc.h"

static struct session *alice, *bob;

static void begin(void)
{
	play_begin();
	play_settings()->archive_days_max = 30;
	play_settings()->archive_messages_max = 1000;
	play_settings()->archive_mib_max = 10;
	alice = play_online("alice@localhost/a");
	bob = play_online("bob@localhost/b");
	play_forget_all();
}

TestSuite(archive, .init = begin, .fini = play_end);

#define MAM		  "xmlns='urn:xmpp:mam:2'"
#define RSM		  "xmlns='http://jabber.org/protocol/rsm'"
#define NUMBER(id, whose) "<stanza-id xmlns='urn:xmpp:sid:0' by='" whose "' id='" id "'/>"
#define ERROR_OF(type, condition)                                                                                      \
	"<iq type='error' id='q' to='alice@localhost/a'><error type='" type "'><" condition                            \
	" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"

static void say(struct session *from, const char *to, const char *body)
{
	char xml[512];

	snprintf(xml, sizeof xml, "<message to='%s' type='chat'><body>%s</body></message>", to, body);
	play_send(from, xml);
	play_forget_all();
}

/* Alice and bob by turns, each saying a number: alice's archive has the odd numbers, 1, 3, 5 ... for 0, 1, 2. */
static void talk(int count)
{
	char body[16];

	for (int i = 0; i < count; i++) {
		snprintf(body, sizeof body, "%d", i);
		say(i % 2 ? bob : alice, i % 2 ? "alice@localhost" : "bob@localhost/b", body);
	}
}

static void ask(struct session *session, const char *query)
{
	char xml[2048];

	snprintf(xml, sizeof xml, "<iq type='set' id='q'><query " MAM " queryid='f'>%s</query></iq>", query);
	play_send(session, xml);
}

#define FIELD(name, value) "<field var='" name "'><value>" value "</value></field>"
#define FORM(fields)	   "<x xmlns='jabber:x:data' type='submit'>" FIELD("FORM_TYPE", "urn:xmpp:mam:2") fields "</x>"
#define SET(parts)	   "<set " RSM ">" parts "</set>"

/* What is in alice's page: the bodies, one character each; and the end of it. */
static void expect_page(const char *bodies, const char *fin)
{
	char xml[1024];

	for (const char *b = bodies; *b != '\0'; b++) {
		char *sent = fake_session_take(alice), wanted[32];

		snprintf(wanted, sizeof wanted, "<body>%c</body>", *b);
		cr_assert(sent != NULL && strstr(sent, wanted) != NULL, "%s of %s, and not %s", wanted, bodies, sent);
		free(sent);
	}
	snprintf(xml, sizeof xml, "<iq type='result' id='q' to='alice@localhost/a'>%s</iq>", fin);
	play_expect(alice, xml);
	play_silence(alice);
}

Test(archive, keeps_both_sides_and_tells_the_number)
{
	play_send(alice, "<message to='bob@localhost' type='chat' id='m'><body>x &amp; y</body></message>");
	play_expect(
		bob,
		"<message from='alice@localhost/a' to='bob@localhost' type='chat' id='m'><body>x &amp; y</body>" NUMBER(
			"1", "bob@localhost") "</message>");
	ask(alice, "");
	play_expect(alice, "<message from='alice@localhost' to='alice@localhost/a'><result " MAM " queryid='f' id='2'>"
			   "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='*'/>"
			   "<message xmlns='jabber:client' from='alice@localhost/a' to='bob@localhost' type='chat' "
			   "id='m'><body>x &amp; y</body></message></forwarded></result></message>");
	expect_page("", "<fin " MAM " complete='true'><set " RSM
			"><first>2</first><last>2</last><count>1</count></set></fin>");
	ask(bob, "");
	play_expect(bob, "<message from='bob@localhost' to='bob@localhost/b'><result " MAM " queryid='f' id='1'>"
			 "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='*'/>"
			 "<message xmlns='jabber:client' from='alice@localhost/a' to='bob@localhost' type='chat' "
			 "id='m'><body>x &amp; y</body></message></forwarded></result></message>");
}

/* XEP-0313, 5.1, and XEP-0334. */
static const struct {
	const char *type, *content;
	bool kept;
} rules[] = {
	{"chat", "<body>x</body>", true},
	{"normal", "<body>x</body>", true},
	{"headline", "<body>x</body>", false},
	{"groupchat", "<body>x</body>", false},
	{"error", "<body>x</body>", false},
	{"chat", "<active xmlns='http://jabber.org/protocol/chatstates'/>", false},
	{"chat", "", false},
	{"chat", "<encrypted xmlns='eu.siacs.conversations.axolotl'/>", true},
	{"chat", "<received xmlns='urn:xmpp:receipts' id='1'/>", true},
	{"chat", "<x xmlns='urn:x'/><store xmlns='urn:xmpp:hints'/>", true},
	{"chat", "<body>x</body><no-store xmlns='urn:xmpp:hints'/>", false},
	{"chat", "<body>x</body><no-permanent-store xmlns='urn:xmpp:hints'/>", false},
	{"chat", "<body>x</body><private xmlns='urn:xmpp:carbons:2'/>", true},
};

static size_t count_of(const char *account)
{
	struct archive_range all = {.before = 1000000};
	size_t count = 0;

	cr_assert(archive_count(play_server()->store, account, &all, 1000, &count));
	return count;
}

Test(archive, what_is_kept)
{
	size_t kept = 0;
	char xml[512];

	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		snprintf(xml, sizeof xml, "<message to='bob@localhost/b' type='%s'>%s</message>", rules[i].type,
			 rules[i].content);
		play_send(alice, xml);
		kept += rules[i].kept;
		cr_assert_eq(count_of("alice@localhost"), kept, "%s", rules[i].content);
		cr_assert_eq(count_of("bob@localhost"), kept, "%s", rules[i].content);
	}
}

/* Nor what never arrived. */
Test(archive, not_what_is_refused_or_blocked)
{
	play_send(bob, "<iq type='set' id='1'><query xmlns='jabber:iq:privacy'><list name='l'><item type='jid' "
		       "value='alice@localhost' order='1' action='deny'/></list></query></iq>");
	play_send(bob, "<iq type='set' id='2'><query xmlns='jabber:iq:privacy'><default name='l'/></query></iq>");
	say(alice, "bob@localhost", "x");
	say(alice, "nobody@localhost", "x");
	say(alice, "bob@elsewhere.example", "x");
	play_settings()->offline_messages_max = 0;
	say(alice, "carol@localhost", "x");
	cr_assert_eq(count_of("alice@localhost") + count_of("bob@localhost") + count_of("carol@localhost"), 0);
}

Test(archive, once_of_what_one_says_to_oneself)
{
	say(alice, "alice@localhost", "x");
	cr_assert_eq(count_of("alice@localhost"), 1);
}

Test(archive, of_who_is_away)
{
	struct session *carol;

	say(alice, "carol@localhost", "x");
	carol = play_login("carol@localhost/c");
	play_send(carol, "<presence/>");
	play_expect(carol, "<presence from='carol@localhost/c' to='carol@localhost'/>");
	play_expect(
		carol,
		"<message from='alice@localhost/a' to='carol@localhost' type='chat'><body>x</body>" NUMBER(
			"1", "carol@localhost") "<delay xmlns='urn:xmpp:delay' from='localhost' stamp='*'/></message>");
}

Test(archive, numbers_are_not_forged)
{
	play_send(alice, "<message to='bob@localhost' type='headline'>" NUMBER("9", "bob@localhost")
				 NUMBER("8", "Example.org") NUMBER("7", "elsewhere.example") "</message>");
	play_expect(bob, "<message from='alice@localhost/a' to='bob@localhost' type='headline'>" NUMBER(
				 "7", "elsewhere.example") "</message>");
	play_send(alice, "<message to='bob@localhost' type='chat'><body>x</body><stanza-id xmlns='urn:xmpp:sid:&#48;' "
			 "by='bob@localhost' id='9'/></message>");
	play_expect(bob, "<message from='alice@localhost/a' to='bob@localhost' type='chat'><body>x</body>" NUMBER(
				 "1", "bob@localhost") "</message>");
}

Test(archive, copies_have_the_numbers_of_their_account)
{
	struct session *tablet = play_login("alice@localhost/t");

	play_send(tablet, "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>");
	play_forget_all();
	play_send(alice, "<message to='bob@localhost' type='chat'><body>x</body></message>");
	play_expect(
		tablet,
		"<message from='alice@localhost' to='alice@localhost/t' type='chat'><sent xmlns='urn:xmpp:carbons:2'>"
		"<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='alice@localhost/a' "
		"to='bob@localhost' type='chat'><body>x</body>" NUMBER(
			"2", "alice@localhost") "</message>"
						"</forwarded></sent></message>");
}

#define FIN(first, last, count, complete)                                                                              \
	"<fin " MAM complete "><set " RSM "><first>" first "</first><last>" last "</last><count>" count                \
	"</count></set></fin>"
#define COMPLETE       " complete='true'"
#define NOTHING(count) "<fin " MAM COMPLETE "><set " RSM "><count>" count "</count></set></fin>"

/* Of messages 0 to 5, which alice's archive has as 2, 3, 6, 7, 10 and 11 (bob's has the others). */
static const struct {
	const char *query, *bodies, *fin;
} pages[] = {
	{"", "012345", FIN("2", "11", "6", COMPLETE)},
	{SET("<max>2</max>"), "01", FIN("2", "3", "6", "")},
	{SET("<max>2</max><after>3</after>"), "23", FIN("6", "7", "6", "")},
	{SET("<max>2</max><after>7</after>"), "45", FIN("10", "11", "6", COMPLETE)},
	{SET("<after>11</after>"), "", NOTHING("6")},
	{SET("<max>2</max><before/>"), "45", FIN("10", "11", "6", "")},
	{SET("<max>2</max><before>10</before>"), "23", FIN("6", "7", "6", "")},
	{SET("<max>2</max><before>6</before>"), "01", FIN("2", "3", "6", COMPLETE)},
	{SET("<max>2</max><before/>") "<flip-page/>", "54", FIN("10", "11", "6", "")},
	{SET("<max>0</max>"), "", "<fin " MAM "><set " RSM "><count>6</count></set></fin>"},
	{FORM(FIELD("with", "bob@localhost")), "012345", FIN("2", "11", "6", COMPLETE)},
	{FORM(FIELD("with", "Bob@localhost/b")), "012345", FIN("2", "11", "6", COMPLETE)},
	{FORM(FIELD("with", "bob@localhost/other")), "", NOTHING("0")},
	{FORM(FIELD("with", "carol@localhost")), "", NOTHING("0")},
	{FORM(FIELD("with", "bob@localhost")) SET("<max>1</max><before/>"), "5", FIN("11", "11", "6", "")},
	{FORM(FIELD("start", "2020-01-01T00:00:00Z")), "012345", FIN("2", "11", "6", COMPLETE)},
	{FORM(FIELD("end", "2020-01-01T00:00:00.5+01:00")), "", NOTHING("0")},
	{FORM(FIELD("start", "2999-01-01T00:00:00Z")), "", NOTHING("0")},
	{FORM(FIELD("after-id", "3") FIELD("before-id", "10")), "23", FIN("6", "7", "2", COMPLETE)},
	{FORM("<field var='ids'><value>10</value><value>2</value></field>"), "40",
	 "<fin " MAM COMPLETE "><set " RSM "><first>10</first><last>2</last></set></fin>"},
};

Test(archive, pages)
{
	talk(6);
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
		ask(alice, pages[i].query);
		expect_page(pages[i].bodies, pages[i].fin);
	}
}

static const struct {
	const char *query, *answer;
} mistakes[] = {
	{SET("<after>1</after>"), ERROR_OF("cancel", "item-not-found")}, /* it is bob's */
	{SET("<before>99</before>"), ERROR_OF("cancel", "item-not-found")},
	{SET("<after>x</after>"), ERROR_OF("cancel", "item-not-found")},
	{SET("<after>9223372036854775807</after>"), ERROR_OF("cancel", "item-not-found")},
	{SET("<max>-1</max>"), ERROR_OF("modify", "bad-request")},
	{SET("<index>3</index>"), ERROR_OF("cancel", "feature-not-implemented")},
	{FORM(FIELD("with", "@")), ERROR_OF("modify", "jid-malformed")},
	{FORM(FIELD("start", "yesterday")), ERROR_OF("modify", "bad-request")},
	{FORM(FIELD("start", "2020-01-01T00:00:00")), ERROR_OF("modify", "bad-request")},
	{FORM(FIELD("colour", "red")), ERROR_OF("cancel", "feature-not-implemented")},
	{FORM("<field var='ids'><value>2</value><value>1</value></field>"), ERROR_OF("cancel", "item-not-found")},
};

Test(archive, mistakes)
{
	talk(2);
	for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
		ask(alice, mistakes[i].query);
		play_expect_at(alice, mistakes[i].answer, mistakes[i].query, (int)i);
		play_silence(alice);
	}
	play_send(alice, "<iq type='set' id='q' to='bob@localhost'><query " MAM "/></iq>");
	play_expect(alice, "<iq type='error' id='q' from='bob@localhost' to='alice@localhost/a'><error type='auth'>"
			   "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
}

Test(archive, page_size_is_capped)
{
	struct archive_message message = {.contact = "bob@localhost", .resource = "", .xml = "<x/>", .len = 4};
	long long id;
	int count = 0;

	message.stamp_ms = utc_now_ms();
	for (int i = 0; i < 150; i++)
		cr_assert(archive_put(play_server()->store, "alice@localhost", &message, &id));
	ask(alice, SET("<max>4000000000</max>"));
	for (char *xml; (xml = fake_session_take(alice)) != NULL; count++)
		free(xml);
	cr_assert_eq(count, 101);
}

Test(archive, page_ends_early_when_it_is_long)
{
	size_t len = 200 * 1024;
	char *body = malloc(len + 1), *xml = malloc(len + 256);

	memset(body, 'x', len);
	body[len] = '\0';
	sprintf(xml, "<message to='bob@localhost/b' type='chat'><body>%s</body></message>", body);
	for (int i = 0; i < 3; i++)
		play_send(alice, xml);
	free(xml);
	free(body);
	ask(alice, "");
	free(fake_session_take(alice));
	free(fake_session_take(alice));
	expect_page("", FIN("2", "4", "3", ""));
}

Test(archive, forgets_the_oldest)
{
	play_settings()->archive_messages_max = 2;
	talk(4);
	ask(alice, "");
	expect_page("23", FIN("6", "7", "2", COMPLETE));
}

Test(archive, forgets_what_takes_too_much)
{
	size_t len = 200 * 1024;
	char *body = malloc(len + 1), *xml = malloc(len + 256);

	memset(body, 'x', len);
	body[len] = '\0';
	sprintf(xml, "<message to='bob@localhost/b' type='chat'><body>%s</body></message>", body);
	play_settings()->archive_mib_max = 1;
	for (int i = 0; i < 9; i++)
		play_send(alice, xml);
	free(xml);
	free(body);
	cr_assert_eq(count_of("alice@localhost"), 5);
}

/* What is old is not shown, and goes when something comes. */
Test(archive, forgets_what_is_old)
{
	struct archive_message old = {.contact = "bob@localhost", .resource = "", .xml = "<x/>", .len = 4};
	long long id;

	old.stamp_ms = utc_now_ms() - 31LL * 24 * 3600 * 1000;
	for (int i = 0; i < 10; i++)
		cr_assert(archive_put(play_server()->store, "alice@localhost", &old, &id));
	ask(alice, "");
	expect_page("", NOTHING("0"));
	ask(alice, SET("<before>5</before>"));
	play_expect(alice, ERROR_OF("cancel", "item-not-found"));
	say(bob, "carol@localhost", "x");
	cr_assert_leq(count_of("alice@localhost"), 2);
	say(bob, "carol@localhost", "x");
	cr_assert_eq(count_of("alice@localhost"), 0);
}

Test(archive, stamps_never_fall)
{
	struct archive_message message = {.contact = "bob@localhost", .resource = "", .xml = "<x/>", .len = 4};
	struct store *store = play_server()->store;
	long long first, second, found;

	message.stamp_ms = 5000;
	cr_assert(archive_put(store, "alice@localhost", &message, &first));
	message.stamp_ms = 4000;
	cr_assert(archive_put(store, "alice@localhost", &message, &second));
	cr_assert(archive_since(store, "alice@localhost", 4500, &found));
	cr_assert_eq(found, first);
	cr_assert(archive_since(store, "alice@localhost", 4000, &found) && found == first);
	cr_assert(archive_since(store, "alice@localhost", 5000, &found) && found == first);
	cr_assert_gt(second, first);
}

#define PREFERENCES(way, always, never)                                                                                \
	"<prefs " MAM " default='" way "'><always>" always "</always><never>" never "</never></prefs>"

static void prefer(const char *preferences)
{
	char xml[1024];

	snprintf(xml, sizeof xml, "<iq type='set' id='p'>%s</iq>", preferences);
	play_send(alice, xml);
	snprintf(xml, sizeof xml, "<iq type='result' id='p' to='alice@localhost/a'>%s</iq>", preferences);
	play_expect(alice, xml);
	play_send(alice, "<iq type='get' id='p'><prefs " MAM "/></iq>");
	play_expect(alice, xml);
}

static const struct {
	const char *preferences;
	bool bob, carol;
} wishes[] = {
	{PREFERENCES("always", "", ""), true, true},
	{PREFERENCES("never", "", ""), false, false},
	{PREFERENCES("roster", "", ""), true, false},
	{PREFERENCES("roster", "<jid>carol@localhost</jid>", "<jid>bob@localhost</jid>"), false, true},
	{PREFERENCES("always", "", "<jid>bob@localhost/b</jid>"), false, true},
	{PREFERENCES("always", "", "<jid>bob@localhost/c</jid>"), true, true},
	{PREFERENCES("never", "<jid>carol@localhost</jid>", ""), false, true},
};

Test(archive, preferences)
{
	size_t count;

	play_befriend("alice@localhost", "bob@localhost");
	play_send(alice, "<iq type='get' id='p'><prefs " MAM "/></iq>");
	play_expect(alice, "<iq type='result' id='p' to='alice@localhost/a'>" PREFERENCES("always", "", "") "</iq>");
	for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
		prefer(wishes[i].preferences);
		count = count_of("alice@localhost");
		say(alice, "bob@localhost/b", "x");
		cr_assert_eq(count_of("alice@localhost") - count, wishes[i].bob, "%s", wishes[i].preferences);
		say(bob, "alice@localhost", "x");
		cr_assert_eq(count_of("alice@localhost") - count, 2u * wishes[i].bob, "%s", wishes[i].preferences);
		count = count_of("alice@localhost");
		say(alice, "carol@localhost", "x");
		cr_assert_eq(count_of("alice@localhost") - count, wishes[i].carol, "%s", wishes[i].preferences);
		play_settings()->offline_messages_max++;
	}
	play_send(alice, "<iq type='set' id='q'>" PREFERENCES("sometimes", "", "") "</iq>");
	play_expect(alice, ERROR_OF("modify", "bad-request"));
	play_send(alice, "<iq type='set' id='q'>" PREFERENCES("always", "<jid>@</jid>", "") "</iq>");
	play_expect(alice, ERROR_OF("modify", "bad-request"));
}

Test(archive, form_and_metadata)
{
	play_send(alice, "<iq type='get' id='q'><query " MAM "/></iq>");
	play_expect(alice,
		    "<iq type='result' id='q' to='alice@localhost/a'><query " MAM "><x xmlns='jabber:x:data' "
		    "type='form'><field type='hidden' var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
		    "<field type='jid-single' var='with'/><field type='text-single' var='start'/>"
		    "<field type='text-single' var='end'/><field type='text-single' var='before-id'/>"
		    "<field type='text-single' var='after-id'/><field type='list-multi' var='ids'/></x></query></iq>");
	play_send(alice, "<iq type='get' id='q'><metadata " MAM "/></iq>");
	play_expect(alice, "<iq type='result' id='q' to='alice@localhost/a'><metadata " MAM "/></iq>");
	talk(4);
	play_send(alice, "<iq type='get' id='q'><metadata " MAM "/></iq>");
	char *sent = fake_session_take(alice);
	cr_assert(strstr(sent, "<start id='2' timestamp='20") != NULL &&
			  strstr(sent, "<end id='7' timestamp='20") != NULL,
		  "%s", sent);
	free(sent);
}

Test(archive, may_be_off)
{
	play_settings()->archive_days_max = 0;
	play_send(alice, "<message to='bob@localhost' type='chat'><body>x</body></message>");
	play_expect(bob, "<message from='alice@localhost/a' to='bob@localhost' type='chat'><body>x</body></message>");
	ask(alice, "");
	play_expect(alice, ERROR_OF("cancel", "service-unavailable"));
	cr_assert_eq(count_of("bob@localhost"), 0);
}

Test(archive, disco)
{
	play_send(alice, "<iq type='get' id='q'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
	play_expect(alice, "<iq type='result' id='q' to='alice@localhost/a'><query "
			   "xmlns='http://jabber.org/protocol/disco#info'><identity category='account' "
			   "type='registered'/><feature var='http://jabber.org/protocol/disco#info'/><feature "
			   "var='http://jabber.org/protocol/disco#items'/><feature var='urn:xmpp:mam:2'/><feature "
			   "var='urn:xmpp:mam:2#extended'/><feature var='urn:xmpp:sid:0'/><feature var='vcard-temp'/>"
			   "</query></iq>");
}

Test(archive, goes_with_the_account)
{
	talk(2);
	play_account_delete("bob@localhost");
	play_account("bob@localhost");
	cr_assert_eq(count_of("bob@localhost"), 0);
	cr_assert_eq(count_of("alice@localhost"), 2);
}

static void plan_check(sqlite3 *db, const char *sql)
{
	char explain[2048];
	sqlite3_stmt *plan;

	snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
	cr_assert_eq(sqlite3_prepare_v2(db, explain, -1, &plan, NULL), SQLITE_OK);
	while (sqlite3_step(plan) == SQLITE_ROW) {
		const char *step = (const char *)sqlite3_column_text(plan, 3);

		cr_assert(strstr(step, "SCAN archive") == NULL && strstr(step, "TEMP B-TREE") == NULL, "%s: %s", step,
			  sql);
	}
	sqlite3_finalize(plan);
}

/* What ran reads no table from one end to the other and sorts nothing, so that it stays fast however much there is. */
Test(archive, queries_use_indexes)
{
	sqlite3_stmt *any = store_statement(play_server()->store, "SELECT 1");
	sqlite3 *db = sqlite3_db_handle(any);
	int checked = 0;

	talk(4);
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
		ask(alice, pages[i].query);
	for (sqlite3_stmt *s = sqlite3_next_stmt(db, NULL); s != NULL; s = sqlite3_next_stmt(db, s)) {
		const char *sql = sqlite3_sql(s);

		/* The one that looks at the first few rows alone. */
		if (strstr(sql, "archive") == NULL || strstr(sql, "archive ORDER BY id LIMIT ?2") != NULL)
			continue;
		plan_check(db, sql);
		checked++;
	}
	cr_assert_geq(checked, 9, "%d", checked);
}

static const struct {
	const char *text;
	long long ms;
} times[] = {
	{"1970-01-01T00:00:00Z", 0},
	{"2010-08-07T00:00:00Z", 1281139200000},
	{"2010-08-07T02:00:00.25+02:00", 1281139200250},
	{"2010-08-06T22:30:00.1239999-01:30", 1281139200123},
};

static const char *const no_times[] = {"",
				       "2010-08-07",
				       "2010-08-07T00:00:00",
				       "2010-08-07T00:00:00.Z",
				       "2010-08-07T00:00:00Zx",
				       "2010-08-07T00:00:00+2:00",
				       "2010-08-07T00:00:00+02:00x",
				       "2010-13-07T00:00:00Z"};

Test(archive, times_are_read)
{
	char text[UTC_MS_BYTES];
	long long ms;

	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
		cr_assert(utc_parse(times[i].text, &ms) && ms == times[i].ms, "%s: %lld", times[i].text, ms);
	for (size_t i = 0; i < sizeof no_times / sizeof no_times[0]; i++)
		cr_assert_not(utc_parse(no_times[i], &ms), "%s", no_times[i]);
	utc_write(1281139200045, text);
	cr_assert_str_eq(text, "2010-08-07T00:00:00.045Z");
}
