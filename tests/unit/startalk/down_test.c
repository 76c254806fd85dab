#include "desk.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define BOB "bob@startalk.tech/phone"

/* The frame of an element, opened. */
static struct st_packet sent(const char *element)
{
	struct st_down down = desk_down(element);

	cr_assert(down.is == ST_DOWN_FRAME || down.is == ST_DOWN_BOUND, "%s: %d", element, (int)down.is);
	return desk_opened(&down.frame);
}

static const char *answer(const char *element)
{
	struct st_down down = desk_down(element);

	return down.answer.len == 0 ? "" : st_arena_text(&desk_arena, down.answer.at, down.answer.len);
}

static void field_is(const struct st_packet *packet, const char *path, const char *value)
{
	const char *found = desk_field(packet, path);

	if (value == NULL)
		cr_assert_null(found, "%s is %s", path, found);
	else
		cr_assert(found != NULL && strcmp(found, value) == 0, "%s is %s", path, found);
}

/* ---- messages of XMPP clients */

Test(startalk_down, a_message_of_an_xmpp_client_has_the_usual_values)
{
	struct st_packet packet;

	desk_clear(false);
	packet = sent("<message from='" BOB "' to='" DESK_BARE "' type='chat' id='x&amp;1'><body>你好 😀 &lt;b&gt;"
		      "<![CDATA[<]]></body><active xmlns='http://jabber.org/protocol/chatstates'/></message>");
	field_is(&packet, "signalType", "6");
	field_is(&packet, "from", BOB);
	field_is(&packet, "to", DESK_BARE);
	field_is(&packet, "realfrom", NULL);
	field_is(&packet, "payload.messageType", "1");
	field_is(&packet, "payload.clientType", "3");
	field_is(&packet, "payload.clientVersion", "0");
	field_is(&packet, "payload.messageId", "x&1");
	field_is(&packet, "payload.receivedTime", "1614599258867");
	field_is(&packet, "payload.body.value", "你好 😀 <b><");
	field_is(&packet, "payload.body.headers[0].key", "errcode");
	field_is(&packet, "payload.body.headers[0].value", "0");
}

Test(startalk_down, a_message_without_id_gets_one)
{
	struct st_packet packet;

	desk_clear(false);
	packet = sent("<message from='" BOB "'><body>x</body></message>");
	field_is(&packet, "payload.messageId", "http_290711614599258867");
	field_is(&packet, "signalType", "6");
	field_is(&packet, "to", DESK_FULL);
}

Test(startalk_down, what_was_kept_says_when_it_was_said)
{
	static const struct {
		const char *delay, *ms;
	} cases[] = {
		{"from='startalk.tech' stamp='2021-03-01T11:47:37.5Z'", "1614599257500"},
		{"from='startalk.tech' stamp='2000-02-29T00:00:00Z'", "951782400000"},
		{"from='startalk.tech' stamp='1970-01-01T00:00:01.0019Z'", "1001"},
		{"from='bob@startalk.tech' stamp='2021-03-01T11:47:37Z'", "1614599258867"},
		{"from='startalk.tech' stamp='2031-03-01T11:47:37Z'", "1614599258867"},
		{"from='startalk.tech' stamp='2021-03-01T11:47:37'", "1614599258867"},
		{"from='startalk.tech' stamp='2021-3-01T11:47:37Z'", "1614599258867"},
		{"from='startalk.tech' stamp='2021-13-01T11:47:37Z'", "1614599258867"},
		{"from='startalk.tech' stamp='1969-03-01T11:47:37Z'", "1614599258867"},
		{"from='startalk.tech' stamp=''", "1614599258867"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char element[256];
		struct st_packet packet;

		desk_clear(false);
		snprintf(element, sizeof element, "<message><body>x</body><delay xmlns='urn:xmpp:delay' %s/></message>",
			 cases[i].delay);
		packet = sent(element);
		field_is(&packet, "payload.receivedTime", cases[i].ms);
	}
}

Test(startalk_down, standards_are_marks)
{
	struct st_packet packet;

	desk_clear(false);
	packet = sent("<message from='" BOB
		      "' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>");
	field_is(&packet, "signalType", "10");
	field_is(&packet, "payload.body.value", "");
	packet = sent("<message from='" BOB "'><received xmlns='urn:xmpp:receipts' id='m1'/></message>");
	field_is(&packet, "signalType", "13");
	field_is(&packet, "payload.body.value", "[{\"id\":\"m1\"}]");
	field_is(&packet, "payload.body.headers[0].definedKey", "5");
	field_is(&packet, "payload.body.headers[0].value", "3");
	packet = sent("<message from='" BOB "'><displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/></message>");
	field_is(&packet, "payload.body.headers[0].value", "4");
	cr_assert_eq((int)desk_down("<message><received xmlns='urn:xmpp:receipts' id='\"},{'/></message>").is,
		     ST_DOWN_NOTHING);
	cr_assert_eq((int)desk_down("<message><paused xmlns='http://jabber.org/protocol/chatstates'/></message>").is,
		     ST_DOWN_NOTHING);
}

#define RETRACT "<retract xmlns='urn:xmpp:message-retract:1' id='m\"1'/>"

Test(startalk_down, what_is_taken_back_is_revoked)
{
	struct st_packet packet;

	desk_clear(false);
	packet = sent("<message from='" BOB "' type='chat' id='r1'>" RETRACT "<body>I take it back</body></message>");
	field_is(&packet, "signalType", "14");
	field_is(&packet, "payload.messageType", "-1");
	field_is(&packet, "payload.messageId", "m\"1");
	field_is(&packet, "payload.body.value",
		 "{\"messageId\":\"m\\\"1\",\"message\":\"\",\"fromId\":\"bob@startalk.tech\"}");
	packet = sent("<message from='" BOB "' type='chat' id='m1'>" RETRACT
		      "<startalk xmlns='urn:stanzagate:startalk:0' signal='14' msgType='-2'>{}</startalk></message>");
	field_is(&packet, "payload.messageType", "-2");
	field_is(&packet, "payload.messageId", "m1");
	field_is(&packet, "payload.body.value", "{}");
	packet =
		sent("<message from='r@c/n' type='groupchat' id='r1'>" RETRACT "<body>I take it back</body></message>");
	field_is(&packet, "signalType", "7");
	packet = sent("<message from='" BOB "' type='error' id='r1'>" RETRACT "</message>");
	field_is(&packet, "signalType", "9");
	packet = sent("<message from='" BOB
		      "' id='r1'><retract xmlns='urn:xmpp:message-retract:1'/><body>x</body></message>");
	field_is(&packet, "signalType", "6");
}

Test(startalk_down, errors_carry_a_code)
{
	struct st_packet packet;

	desk_clear(false);
	packet = sent("<message from='" BOB
		      "' type='error' id='m1'><body>x</body><error type='cancel'><service-unavailable "
		      "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>");
	field_is(&packet, "signalType", "9");
	field_is(&packet, "payload.messageId", "m1");
	field_is(&packet, "payload.body.headers[0].value", "503");
	packet = sent("<iq type='error' id='q'><error type='auth' code='777'/></iq>");
	field_is(&packet, "payload.definedKey", "90");
	field_is(&packet, "payload.value", NULL);
	field_is(&packet, "payload.body.headers[0].value", "777");
	packet = sent("<iq type='error' id='q'><error type='auth'><forbidden "
		      "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
	field_is(&packet, "payload.body.headers[0].value", "403");
}

/* Whoever writes is an XMPP client, and could write anything. */
Test(startalk_down, nobody_is_named_as_the_sender_but_the_sender)
{
	static const char forged[] =
		"<message from='" BOB "' type='chat' realfrom='boss@x' sendjid='boss@x' msec_times='1'><body id='i' "
		"msgType='100'>x</body><startalk xmlns='urn:stanzagate:startalk:0' signal='132' realfrom='boss@x' "
		"msgType='5'/></message>";
	struct st_packet packet;

	desk_clear(false);
	packet = sent(forged);
	field_is(&packet, "signalType", "132");
	field_is(&packet, "realfrom", NULL);
	field_is(&packet, "sendjid", NULL);
	field_is(&packet, "payload.messageType", "5");
	field_is(&packet, "payload.receivedTime", "1614599258867");
	packet = sent("<message from='r@c/nick' type='groupchat'><body>x</body></message>");
	field_is(&packet, "signalType", "7");
	field_is(&packet, "realfrom", "r@c/nick");
	desk_clear(true);
	packet = sent(forged);
	field_is(&packet, "realfrom", "boss@x");
}

Test(startalk_down, servers_signals_cannot_be_asked_for)
{
	static const char *const signals[] = {"16", "51", "100", "4", "1", "-6", "6x", ""};

	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		char element[256];
		struct st_packet packet;

		desk_clear(false);
		snprintf(element, sizeof element,
			 "<message type='chat'><body>x</body><startalk xmlns='urn:stanzagate:startalk:0' "
			 "signal='%s'/></message>",
			 signals[i]);
		packet = sent(element);
		field_is(&packet, "signalType", "6");
	}
}

/* A room's message is not one of two people, and nobody is a room who is none. */
Test(startalk_down, a_signal_goes_with_its_type)
{
	static const struct {
		const char *type, *said, *signal;
	} cases[] = {
		{"chat", "132", "132"},	  {"chat", "7", "6"},	     {"normal", "13", "6"},
		{"groupchat", "7", "7"},  {"groupchat", "6", "7"},   {"groupchat", "14", "7"},
		{"headline", "15", "15"}, {"headline", "136", "17"}, {"error", "6", "9"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char element[256];
		struct st_packet packet;

		desk_clear(false);
		snprintf(element, sizeof element,
			 "<message from='r@c/n' type='%s'><body>x</body><startalk xmlns='urn:stanzagate:startalk:0' "
			 "signal='%s'/></message>",
			 cases[i].type, cases[i].said);
		packet = sent(element);
		field_is(&packet, "signalType", cases[i].signal);
		field_is(&packet, "realfrom", strcmp(cases[i].signal, "7") == 0 ? "r@c/n" : NULL);
	}
	cr_assert_eq(
		(int)desk_down("<message from='r@c/n' type='groupchat'><startalk xmlns='urn:stanzagate:startalk:0' "
			       "signal='14'>{}</startalk></message>")
			.is,
		ST_DOWN_NOTHING);
}

/* ---- presences */

Test(startalk_down, who_is_there_is_told)
{
	static const struct {
		const char *element, *show;
	} cases[] = {
		{"<presence from='" BOB "'/>", "online"},
		{"<presence from='" BOB "'><show>dnd</show></presence>", "busy"},
		{"<presence from='" BOB "'><show>chat</show></presence>", "online"},
		{"<presence from='" BOB "' type='unavailable'/>", "offline"},
		{"<presence from='" BOB "'><show>xa</show><startalk xmlns='urn:stanzagate:startalk:0' "
		 "show='checkout'/></presence>",
		 "checkout"},
		{"<presence from='" BOB "'><show>xa</show><startalk xmlns='urn:stanzagate:startalk:0' "
		 "show='nonsense'/></presence>",
		 "checkout"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct st_packet packet;

		desk_clear(false);
		packet = sent(cases[i].element);
		field_is(&packet, "payload.value", "update_user_status");
		field_is(&packet, "payload.definedKey", "6");
		field_is(&packet, "payload.key", "result");
		field_is(&packet, "payload.body.headers[0].key", "show");
		field_is(&packet, "payload.body.headers[0].value", cases[i].show);
	}
	cr_assert_eq((int)desk_down("<presence from='" DESK_FULL "'><priority>5</priority></presence>").is,
		     ST_DOWN_NOTHING);
	desk_clear(true);
	cr_assert_eq((int)desk_down("<presence from='" BOB "'/>").is, ST_DOWN_NOTHING);
}

#define NOTICE(from)                                                                                                   \
	"<presence from='" from "' category='100' data='bye' type='notify'><notify "                                   \
	"xmlns='jabber:x:presence_notify'/></presence>"

/* Category 100 logs a user out. */
Test(startalk_down, notices_come_from_home_alone)
{
	struct st_packet packet;

	desk_clear(false);
	cr_assert_eq((int)desk_down(NOTICE(BOB)).is, ST_DOWN_NOTHING);
	packet = sent("<presence from='" BOB "' category='100'><notify xmlns='jabber:x:presence_notify'/></presence>");
	field_is(&packet, "payload.categoryType", NULL);
	packet = sent(NOTICE("startalk.tech"));
	field_is(&packet, "payload.categoryType", "100");
	packet = sent(NOTICE(DESK_BARE));
	field_is(&packet, "payload.definedKey", "7");
	desk_clear(true);
	packet = sent(NOTICE(BOB));
	field_is(&packet, "payload.body.value", "bye");
}

Test(startalk_down, a_subscription_is_a_question)
{
	struct st_packet packet;

	desk_clear(false);
	packet = sent("<presence from='bob@startalk.tech' type='subscribe'><status>please</status></presence>");
	field_is(&packet, "payload.value", "confirm_verify_friend");
	field_is(&packet, "payload.key", "manual_authentication_confirm");
	field_is(&packet, "payload.definedKey", NULL);
	field_is(&packet, "payload.body.headers[0].definedKey", "22");
	field_is(&packet, "payload.body.headers[1].value", "please");
	cr_assert_eq((int)desk_down("<presence from='bob@x' type='subscribed'/>").is, ST_DOWN_NOTHING);
}

Test(startalk_down, rooms_presences_are_theirs)
{
	struct st_packet packet;

	desk_clear(false);
	packet = sent("<presence from='r@c/n'><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='owner' "
		      "role='moderator' jid='bob@host/r'/></x></presence>");
	field_is(&packet, "payload.value", "user_join_muc");
	field_is(&packet, "payload.body.headers[0].value", "bob");
	field_is(&packet, "payload.body.headers[2].value", "host");
	packet = sent("<presence from='r@c/n' type='unavailable'><x xmlns='http://jabber.org/protocol/muc#user'><item "
		      "affiliation='none' role='none'/><status code='307'/></x></presence>");
	field_is(&packet, "payload.value", "del_muc_user");
	field_is(&packet, "payload.body.headers[2].value", "307");
	packet = sent(
		"<presence from='eve@x' type='subscribe'><x xmlns='http://jabber.org/protocol/muc#user'/></presence>");
	field_is(&packet, "payload.value", "confirm_verify_friend");
	cr_assert_eq(
		(int)desk_down("<presence from='r@c/n' type='error'><x xmlns='http://jabber.org/protocol/muc#user'/>"
			       "</presence>")
			.is,
		ST_DOWN_NOTHING);
}

/* ---- answers */

Test(startalk_down, answers_have_the_forms_of_the_table)
{
	static const struct {
		const char *inside, *value, *path, *is;
	} cases[] = {
		{"<query xmlns='http://jabber.org/protocol/muc#user_mucs'><muc_rooms name='r' host='h'/><muc_rooms "
		 "name='s' host='h'/></query>",
		 "user_mucs", "payload.bodys[1].headers[0].value", "s"},
		{"<query xmlns='http://jabber.org/protocol/create_muc'><create_muc result='success'/></query>",
		 "create_muc", "payload.body.value", "success"},
		{"<query xmlns='http://jabber.org/protocol/muc#register'><m_user jid='a' affiliation='owner'/></query>",
		 "muc_users", "payload.bodys[0].headers[1].value", "owner"},
		{"<query xmlns='http://jabber.org/protocol/muc#register'><m_user jid='a' affiliation='none'/></query>",
		 "muc_users", "payload.bodys[0].headers[1].value", NULL},
		{"<query xmlns='http://jabber.org/protocol/muc#register'/>", "muc_set_register", "payload.body.value",
		 "set_register"},
		{"<query xmlns='http://jabber.org/protocol/muc#owner'/>", "desctroy_muc",
		 "payload.body.headers[0].value", "success"},
		{"<query xmlns='http://jabber.org/protocol/muc#muc_forbidden_words'/>", "forbidden_words",
		 "payload.body.headers[0].value", "failed"},
		{"<get_user_friends xmlns='jabber:x:get_friend' friends='[]'/>", "user_get_friends",
		 "payload.body.headers[0].value", "[]"},
		{"<query xmlns='jabber:iq:roster'><item jid='bob@h' subscription='both'/><item jid='no@h' "
		 "subscription='none'/><item jid='c&quot;@h' subscription='to'/></query>",
		 "user_get_friends", "payload.body.headers[0].value",
		 "[{\"F\":\"bob\",\"H\":\"h\"},{\"F\":\"c\\\"\",\"H\":\"h\"}]"},
		{"<key xmlns='urn:xmpp:key' value='k'/>", "get_key", "payload.body.headers[0].key", "time_key"},
		{"<query xmlns='http://jabber.org/protocol/muc#muc_user_subscribe_v2'><add_subscribe "
		 "status='5'/></query>",
		 "subscribe", "payload.body.value", "add_subscribe"},
		{"<query xmlns='http://jabber.org/protocol/muc#admin'/>", "muc_admin", "payload.body.value", NULL},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char element[1024];
		struct st_packet packet;

		desk_clear(false);
		snprintf(element, sizeof element, "<iq type='result' id='q' from='%s'>%s</iq>",
			 strstr(cases[i].inside, "/muc") != NULL ? "r@c" : DESK_BARE, cases[i].inside);
		packet = sent(element);
		field_is(&packet, "payload.value", cases[i].value);
		field_is(&packet, "payload.definedKey", "80");
		field_is(&packet, cases[i].path, cases[i].is);
	}
}

/* Anybody may send a result, and ids can be guessed. */
Test(startalk_down, what_the_account_answers_comes_from_home_alone)
{
	static const char *const insides[] = {
		"<query xmlns='jabber:iq:roster'><item jid='eve@x' subscription='both'/></query>",
		"<get_user_friends xmlns='jabber:x:get_friend' friends='[]'/>",
		"<delete_friend xmlns='jabber:x:delete_friend' jid='bob' result='success'/>",
		"<set_verify_friend_mode xmlns='jabber:iq:verify_friend_mode' result='success'/>",
		"<key xmlns='urn:xmpp:key' value='k'/>",
		"<query xmlns='jabber:x:mask_user_v2'/>",
		"<mask_user xmlns='jabber:x:mask_user' result='success'/>",
		"<cancel_mask_user xmlns='jabber:x:mask_user' result='success'/>",
	};
	static const char *const homes[] = {DESK_BARE, DESK_FULL, "startalk.tech"};

	for (size_t i = 0; i < sizeof insides / sizeof insides[0]; i++) {
		char element[512];

		desk_clear(false);
		snprintf(element, sizeof element, "<iq type='result' id='q' from='" BOB "'>%s</iq>", insides[i]);
		cr_assert_eq((int)desk_down(element).is, ST_DOWN_NOTHING, "%s", element);
		snprintf(element, sizeof element, "<iq type='result' id='q' from='%s'>%s</iq>", homes[i % 3],
			 insides[i]);
		cr_assert_eq((int)desk_down(element).is, ST_DOWN_FRAME, "%s", element);
	}
}

Test(startalk_down, who_is_bound_is_not_bound_again)
{
	static const char bound[] = "<iq type='result' id='q'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>a@b/"
				    "c</jid></bind></iq>";

	for (int native = 0; native < 2; native++) {
		desk_clear(native);
		cr_assert_eq((int)desk_down(bound).is, ST_DOWN_BOUND);
		desk_view.session_key = "";
		cr_assert_eq((int)desk_down(bound).is, ST_DOWN_NOTHING);
	}
}

Test(startalk_down, requests_are_answered_for_the_client)
{
	desk_clear(false);
	cr_assert_str_eq(answer("<iq type='get' from='s' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"),
			 "<iq to='s' id='p' type='result'/>");
	cr_assert_str_eq(answer("<iq type='set' id='p'><query xmlns='jabber:iq:roster'><item jid='a@b'/></query></iq>"),
			 "<iq id='p' type='result'/>");
	cr_assert_not_null(strstr(answer("<iq type='set' from='eve@x/y' id='p'><query xmlns='jabber:iq:roster'/></iq>"),
				  "service-unavailable"));
	cr_assert_str_eq(answer("<iq type='get' from='a&apos;b@x' id='&lt;'><query xmlns='jabber:iq:version'/></iq>"),
			 "<iq to='a&apos;b@x' id='&lt;' type='error'><error type='cancel'><service-unavailable "
			 "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
	cr_assert_str_eq(answer("<iq type='result' id='p'/>"), "");
	cr_assert_str_eq(answer("<iq type='error' id='p'/>"), "");
}

/* ---- login */

Test(startalk_down, sasl_is_a_response)
{
	struct st_packet packet;

	desk_clear(false);
	packet = sent("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
	field_is(&packet, "signalType", "4");
	field_is(&packet, "payload.msgId", "PBMSG_290711614599258867");
	packet = sent("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>");
	field_is(&packet, "signalType", "5");
	field_is(&packet, "payload.error", "not-authorized");
	field_is(&packet, "from", "startalk.tech");
	cr_assert_eq((int)desk_down("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>").is, ST_DOWN_NOTHING);
}

Test(startalk_down, prefixes_are_read)
{
	struct st_packet packet;

	desk_clear(false);
	packet = sent(
		"<iq type='result' id='q'><a:query xmlns:a='http://jabber.org/protocol/muc#user_mucs'><b:muc_rooms "
		"xmlns:b='x' name='r'/></a:query></iq>");
	field_is(&packet, "payload.value", "user_mucs");
	field_is(&packet, "payload.bodys[0].headers[0].value", "r");
	cr_assert_eq((int)desk_down("<iq type='result' id='q'><query xmlns='a'><query "
				    "xmlns='http://jabber.org/protocol/muc#admin'/></query></iq>")
			     .is,
		     ST_DOWN_NOTHING);
}

Test(startalk_down, platforms_are_the_second_part_of_a_resource)
{
	size_t len = 0;
	const char *platform = st_platform("V[1]_P[Mac]_ID[x]_PB", &len);

	cr_assert(platform != NULL && len == 6 && strncmp(platform, "P[Mac]", len) == 0);
	cr_assert_null(st_platform("phone", &len));
	cr_assert_null(st_platform("phone_", &len));
}

Test(startalk_down, what_does_not_fit_is_not_sent)
{
	static const char element[] = "<message from='" BOB "' id='i'><body>some words</body></message>";
	struct st_down down;
	size_t need;

	desk_clear(false);
	desk_down(element);
	need = desk_arena.used;
	for (size_t cap = 0; cap < need; cap += 7) {
		desk_clear(false);
		desk_arena.cap = cap;
		st_down(&desk_arena, &desk_view, (const uint8_t *)element, sizeof element - 1, &down);
		cr_assert_eq((int)down.is, ST_DOWN_FULL, "%zu", cap);
	}
}
