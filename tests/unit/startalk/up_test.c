#include "desk.h"
#include "st_order.h"

#include <criterion/criterion.h>
#include <string.h>

static struct parts {
	Startalk__XmppMessage message;
	Startalk__IQMessage iq;
	Startalk__PresenceMessage presence;
	Startalk__MessageBody body;
	Startalk__StringHeader headers[8], *at[8];
} p;

static void begin(bool native)
{
	desk_clear(native);
	startalk__xmpp_message__init(&p.message);
	startalk__iqmessage__init(&p.iq);
	startalk__presence_message__init(&p.presence);
	startalk__message_body__init(&p.body);
	p.message.body = p.iq.body = p.presence.body = &p.body;
	p.body.headers = p.at;
	p.message.messagetype = 1;
	p.message.clienttype = 3;
	p.message.clientversion = 200012;
	p.message.messageid = st_as_field("m1");
	p.iq.messageid = st_as_field("q1");
}

static void header(const char *key, int32_t number, const char *value)
{
	Startalk__StringHeader *new = &p.headers[p.body.n_headers];

	startalk__string_header__init(new);
	new->key = st_as_field(key);
	new->value = st_as_field(value);
	new->has_definedkey = number > 0;
	new->definedkey = number;
	p.at[p.body.n_headers++] = new;
}

static const char *message(int32_t signal, const char *value)
{
	struct st_up up;

	p.body.value = st_as_field(value);
	up = desk_up(signal, DESK_BARE, "bob@startalk.tech", &p.message.base);
	return desk_up_xml(&up);
}

static const char *iq(const char *word)
{
	struct st_up up;

	p.iq.key = st_as_field(word);
	up = desk_up(ST_SIGNAL_IQ, DESK_FULL, "room@conference.startalk.tech", &p.iq.base);
	return desk_up_xml(&up);
}

static const char *presence(const char *key)
{
	struct st_up up;

	p.presence.key = st_as_field(key);
	up = desk_up(ST_SIGNAL_PRESENCE, DESK_FULL, "bob@startalk.tech/r", &p.presence.base);
	return desk_up_xml(&up);
}

/* ---- for XMPP */

Test(startalk_up, a_chat_is_one_that_every_client_knows)
{
	begin(false);
	header(NULL, 3, "{\"x\":\"y\"}");
	cr_assert_str_eq(message(ST_SIGNAL_CHAT, "你好 😀 <&>"),
			 "<message to='bob@startalk.tech' type='chat' id='m1'><body>你好 😀 &lt;&amp;&gt;</body>"
			 "<startalk xmlns='urn:stanzagate:startalk:0' signal='6' client_type='ClientTypePC' "
			 "client_ver='200012' extendInfo='{&quot;x&quot;:&quot;y&quot;}' msgType='1'/></message>");
}

Test(startalk_up, what_others_would_show_as_text_is_no_body)
{
	static const int32_t signals[] = {ST_SIGNAL_TYPING,    ST_SIGNAL_READMARK, ST_SIGNAL_REVOKE,
					  ST_SIGNAL_SUBSCRIBE, ST_SIGNAL_WEBRTC,   ST_SIGNAL_ENCRYPT};

	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		begin(false);
		cr_assert_null(strstr(message(signals[i], "{\"id\":1}"), "<body"), "%d", signals[i]);
		begin(false);
		cr_assert_not_null(strstr(message(signals[i], "{\"id\":1}"), ">{&quot;id&quot;:1}</startalk>"));
	}
}

Test(startalk_up, standards_that_say_the_same_stand_beside)
{
	begin(false);
	cr_assert_not_null(
		strstr(message(ST_SIGNAL_TYPING, ""), "<composing xmlns='http://jabber.org/protocol/chatstates'/>"));
	begin(false);
	header("read_type", 5, "3");
	cr_assert_not_null(strstr(message(ST_SIGNAL_READMARK, "[{\"id\":\"a\"},{\"id\": \"9b'2\"}]"),
				  "<received xmlns='urn:xmpp:receipts' id='9b&apos;2'/>"));
	begin(false);
	header("read_type", 5, "4");
	cr_assert_not_null(strstr(message(ST_SIGNAL_READMARK, "[{\"id\":\"a\"}]"),
				  "<displayed xmlns='urn:xmpp:chat-markers:0' id='a'/>"));
	begin(false);
	header("read_type", 5, "0");
	cr_assert_null(strstr(message(ST_SIGNAL_READMARK, "[{\"id\":\"a\"}]"), " id='a'"));
	begin(false);
	cr_assert_not_null(
		strstr(message(ST_SIGNAL_REVOKE, "{}"), "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>"));
}

Test(startalk_up, friends_are_the_roster)
{
	begin(false);
	cr_assert_str_eq(iq("GET_USER_FRIEND"), "<iq id='q1' type='get'><query xmlns='jabber:iq:roster'/></iq>");
	begin(false);
	header(NULL, 24, "let me in");
	cr_assert_str_eq(presence("verify_friend"),
			 "<presence to='bob@startalk.tech' type='subscribe'><status>let me in</status></presence>");
	begin(false);
	header(NULL, 32, "allow");
	cr_assert_not_null(strstr(presence("manual_authentication_confirm"), "type='subscribed'"));
	begin(false);
	cr_assert_not_null(strstr(presence("manual_authentication_confirm"), "type='unsubscribed'"));
}

Test(startalk_up, status_is_a_show_that_comes_near)
{
	begin(false);
	header("show", 0, "busy");
	header("priority", 0, "5");
	cr_assert_str_eq(presence("status"), "<presence><show>dnd</show><priority>5</priority>"
					     "<startalk xmlns='urn:stanzagate:startalk:0' show='busy'/></presence>");
	begin(false);
	header("show", 0, "<show>");
	cr_assert_str_eq(presence("status"), "");
	begin(true);
	header("show", 0, "busy");
	cr_assert_str_eq(presence("status"), "<presence><show>busy</show></presence>");
}

Test(startalk_up, priorities_are_numbers_of_a_byte)
{
	static const char *const good[] = {"0", "5", "-128", "127"};
	static const char *const bad[] = {"", "-", "128", "-129", "5 ", "</priority>", "99999999999999999999"};
	struct st_up up;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		begin(false);
		p.presence.value = st_as_field(good[i]);
		cr_assert_str_neq(presence("priority"), "", "%s", good[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		begin(false);
		p.presence.value = st_as_field(bad[i]);
		cr_assert_str_eq(presence("priority"), "", "%s", bad[i]);
	}
	begin(false);
	up = desk_up(ST_SIGNAL_PRESENCE, NULL, NULL, &p.presence.base);
	cr_assert_eq((int)up.is, ST_UP_NOTHING);
}

/* ---- names that are no names */

Test(startalk_up, no_word_of_a_client_becomes_a_name)
{
	static const char *const names[] = {"x><iq", "xmlns", "xmlns:a", "a b", "", "onclick", "to", "id"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		begin(true);
		p.body.value = st_as_field("item");
		header(names[i], 0, "v");
		cr_assert_str_eq(iq("SET_MEMBER"), "", "%s", names[i]);
		begin(true);
		p.body.value = st_as_field(names[i]);
		cr_assert_str_eq(iq("SET_MEMBER"), "", "%s", names[i]);
		begin(true);
		p.body.value = st_as_field(names[i]);
		cr_assert_str_eq(iq("DEL_USER_FRIEND"), "", "%s", names[i]);
		begin(true);
		header(names[i], 0, "v");
		cr_assert_str_eq(presence("status"), "", "%s", names[i]);
		begin(true);
		header(names[i], 0, "v");
		cr_assert_str_eq(presence("verify_friend"), "", "%s", names[i]);
	}
}

Test(startalk_up, no_attribute_stands_there_twice)
{
	begin(true);
	p.body.value = st_as_field("item");
	header("nick", 0, "a");
	header(NULL, 12, "b");
	cr_assert_str_eq(iq("SET_MEMBER"), "");
	begin(true);
	header("type", 30, "a");
	cr_assert_str_eq(presence("verify_friend"), "");
	begin(true);
	header(NULL, 4, "first");
	header("backupinfo", 0, "second");
	cr_assert_not_null(strstr(message(ST_SIGNAL_CHAT, "hi"), "backupinfo='first'"));
}

/* ---- every place that a client writes text to */

static const char markup[] = "'/><x y=\"&amp;]]>\r\n\t<!--";

/* With all its addresses too. */
static void is_text(int32_t signal, const ProtobufCMessage *payload, const char *what)
{
	struct st_up up = desk_up_all(signal, markup, payload);

	cr_assert_eq((int)up.is, ST_UP_ELEMENT, "%s", what);
	cr_assert_null(strstr(desk_up_xml(&up), "<x"), "%s", what);
}

Test(startalk_up, markup_in_any_field_of_a_message_is_text)
{
	static const int32_t signals[] = {
#define MESSAGE(signal, type, body, beside) ST_SIGNAL_##signal,
#include "st_message.def"
#undef MESSAGE
	};
	static const char *const names[] = {"channelid", "extendInfo", "backupinfo",
					    "read_type", "auto_reply", "qchatid"};

	for (size_t i = 0; i < 2 * sizeof signals / sizeof signals[0]; i++) {
		begin(i % 2);
		for (size_t j = 0; j < sizeof names / sizeof names[0]; j++)
			header(names[j], 0, markup);
		p.message.messageid = p.body.value = st_as_field(markup);
		is_text(signals[i / 2], &p.message.base, st_signal_type(signals[i / 2]));
	}
}

/* The name that the child must have where a client gives it. */
static const char *child_named(const char *child, const char *ns)
{
	return strstr(ns, "#admin") != NULL ? "item" : child;
}

Test(startalk_up, markup_in_any_field_of_a_request_is_text)
{
	static const struct {
		const char *word, *child, *ns;
	} words[] = {
#define WORD(number, word, type, child, ns, inside) {word, child, ns},
#include "st_word.def"
#undef WORD
	};
	static Startalk__MessageBody invite, *invites[] = {&invite};

	for (size_t i = 0; i < 2 * sizeof words / sizeof words[0]; i++) {
		begin(i % 2);
		header("nick", 0, markup);
		header("jid", 7, markup);
		startalk__message_body__init(&invite);
		invite.value = st_as_field("invite");
		invite.headers = p.at;
		invite.n_headers = p.body.n_headers;
		p.iq.n_bodys = 1;
		p.iq.bodys = invites;
		p.iq.key = st_as_field(words[i / 2].word);
		p.iq.value = p.iq.messageid = st_as_field(markup);
		p.body.value = st_as_field(child_named(words[i / 2].child, words[i / 2].ns));
		is_text(ST_SIGNAL_IQ, &p.iq.base, words[i / 2].word);
	}
}

Test(startalk_up, markup_in_any_field_of_a_presence_is_text)
{
	static const char *const keys[] = {"verify_friend", "manual_authentication_confirm", "status"};

	for (size_t i = 0; i < 2 * sizeof keys / sizeof keys[0]; i++) {
		begin(i % 2);
		header(i / 2 == 2 ? "status" : "body", 0, markup);
		if (i / 2 < 2)
			header("result", 0, markup);
		p.presence.key = st_as_field(keys[i / 2]);
		is_text(ST_SIGNAL_PRESENCE, &p.presence.base, keys[i / 2]);
	}
	begin(true);
	p.presence.key = st_as_field("notify");
	p.body.value = st_as_field(markup);
	is_text(ST_SIGNAL_PRESENCE, &p.presence.base, "notify");
}

Test(startalk_up, markup_in_any_field_of_a_login_is_text)
{
	Startalk__WelcomeMessage welcome = STARTALK__WELCOME_MESSAGE__INIT;
	Startalk__AuthMessage auth = STARTALK__AUTH_MESSAGE__INIT;

	begin(false);
	welcome.domain = welcome.user = st_as_field(markup);
	welcome.version = st_as_field("1.0");
	is_text(ST_SIGNAL_WELCOME, &welcome.base, "Welcome");
	auth.mechanism = auth.authkey = auth.msgid = st_as_field(markup);
	is_text(ST_SIGNAL_AUTH, &auth.base, "Auth");
}

/* ---- requests */

Test(startalk_up, words_are_known_by_number_before_key)
{
	begin(true);
	p.iq.has_definedkey = true;
	p.iq.definedkey = 36;
	cr_assert_not_null(strstr(iq("PING"), "user_mucs"));
	begin(true);
	p.iq.has_definedkey = true;
	p.iq.definedkey = 17;
	cr_assert_str_eq(iq("PING"), "");
	begin(true);
	cr_assert_str_eq(iq("NOTHING_LIKE_IT"), "");
	begin(true);
	p.iq.messageid = NULL;
	cr_assert_str_eq(iq("PING"), "");
}

Test(startalk_up, requests_have_the_children_of_the_table)
{
	static const struct {
		const char *word, *value, *xml;
	} cases[] = {
		{"CREATE_MUC", "r@c",
		 "<iq to='r@c' id='q1' type='set'><query xmlns='http://jabber.org/protocol/create_muc'/></iq>"},
		{"ADD_USER_SUBSCRIBE", NULL,
		 "<iq to='room@conference.startalk.tech' id='q1' type='set'><query "
		 "xmlns='http://jabber.org/protocol/muc#muc_user_subscribe'><subscribe action='add'/></query></iq>"},
		{"GET_USER_OPT", "bob@x",
		 "<iq to='room@conference.startalk.tech' id='q1' type='get'><get_verify_friend_mode "
		 "xmlns='jabber:iq:verify_friend_mode' jid='bob'/></iq>"},
		{"DESTROY_MUC", NULL,
		 "<iq to='room@conference.startalk.tech' id='q1' type='set'><query "
		 "xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query></iq>"},
		{"SET_USER_SUBSCRIBE_V2", "5",
		 "<iq to='room@conference.startalk.tech' id='q1' type='set'><query "
		 "xmlns='http://jabber.org/protocol/muc#muc_user_subscribe_v2'><subscribe action='5'/></query></iq>"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		begin(true);
		p.iq.value = st_as_field(cases[i].value);
		cr_assert_str_eq(iq(cases[i].word), cases[i].xml);
	}
	begin(true);
	p.body.value = st_as_field("item");
	header(NULL, 8, "bob@x");
	cr_assert_not_null(strstr(iq("SET_ADMIN"), "<item xmlns='jabber:x:mask_user' real_jid='bob@x'/>"));
}

/* ---- what is acknowledged, and from whom it is */

Test(startalk_up, messages_with_a_body_are_acknowledged)
{
	struct st_up up;

	begin(false);
	p.body.value = st_as_field("x");
	up = desk_up(ST_SIGNAL_CHAT, DESK_BARE, NULL, &p.message.base);
	cr_assert_str_eq(up.ack_id, "m1");
	cr_assert_str_eq(up.from, DESK_BARE);
	begin(false);
	p.body.value = st_as_field("x");
	cr_assert_null(desk_up(ST_SIGNAL_HEADLINE, DESK_BARE, NULL, &p.message.base).ack_id);
	begin(false);
	p.body.value = st_as_field("");
	cr_assert_null(desk_up(ST_SIGNAL_CHAT, DESK_BARE, NULL, &p.message.base).ack_id);
	begin(false);
	cr_assert_eq((int)desk_up(ST_SIGNAL_CHAT, DESK_BARE, NULL, &p.message.base).is, ST_UP_NOTHING);
}

Test(startalk_up, what_only_servers_say_is_ignored)
{
	static const int32_t signals[] = {ST_SIGNAL_MSTAT,  ST_SIGNAL_ERROR,	  ST_SIGNAL_NOTE,
					  ST_SIGNAL_CARBON, ST_SIGNAL_COLLECTION, ST_SIGNAL_PROCEED};

	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		begin(false);
		p.body.value = st_as_field("x");
		cr_assert_eq((int)desk_up(signals[i], DESK_BARE, NULL, &p.message.base).is, ST_UP_NOTHING);
	}
}

Test(startalk_up, xml_longer_than_the_limit_ends_the_stream)
{
	struct st_up up;

	begin(false);
	desk_view.element_bytes_max = 200;
	p.body.value = st_as_field("''''''''''''''''''''''''''''''''''''''''''''''''''''''''''''");
	up = desk_up(ST_SIGNAL_CHAT, DESK_BARE, NULL, &p.message.base);
	cr_assert_eq((int)up.is, ST_UP_BAD);
}

Test(startalk_up, a_welcome_has_a_domain_and_version_one)
{
	Startalk__WelcomeMessage welcome = STARTALK__WELCOME_MESSAGE__INIT;

	begin(false);
	cr_assert_eq((int)desk_up(ST_SIGNAL_WELCOME, NULL, NULL, &welcome.base).is, ST_UP_BAD);
	welcome.domain = st_as_field("x");
	welcome.version = st_as_field("2.0");
	cr_assert_eq((int)desk_up(ST_SIGNAL_WELCOME, NULL, NULL, &welcome.base).is, ST_UP_BAD);
	welcome.version = st_as_field("1.0");
	cr_assert_eq((int)desk_up(ST_SIGNAL_WELCOME, NULL, NULL, &welcome.base).is, ST_UP_ELEMENT);
}

/* ---- when */

static enum st_order order_of(enum st_phase phase, int32_t signal, const char *word)
{
	Startalk__ProtoMessage outer = STARTALK__PROTO_MESSAGE__INIT;
	struct st_packet packet;
	struct st_bytes frame;

	begin(false);
	p.iq.key = st_as_field(word);
	outer.signaltype = signal;
	cr_assert(st_packet_write(&desk_arena, &outer, signal == ST_SIGNAL_IQ ? &p.iq.base : &p.message.base, &frame));
	if (desk_open(&frame, &packet) != ST_OPENED)
		return st_order_odd(phase, signal);
	return st_order(phase, &packet);
}

Test(startalk_up, each_frame_has_its_time)
{
	static const struct {
		int32_t signal;
		const char *word;
		enum st_order orders[ST_PHASES];
	} cases[] = {
		{ST_SIGNAL_STARTTLS, NULL, {ST_END, ST_TAKE, ST_END, ST_IGNORE, ST_IGNORE}},
		{ST_SIGNAL_IQ, "BIND", {ST_END, ST_END, ST_END, ST_TAKE, ST_TAKE}},
		{ST_SIGNAL_IQ, "PING", {ST_END, ST_END, ST_END, ST_IGNORE, ST_TAKE}},
		{ST_SIGNAL_CHAT, NULL, {ST_END, ST_END, ST_END, ST_IGNORE, ST_TAKE}},
		{ST_SIGNAL_MSTAT, NULL, {ST_END, ST_IGNORE, ST_IGNORE, ST_IGNORE, ST_IGNORE}},
		{77, NULL, {ST_END, ST_IGNORE, ST_IGNORE, ST_IGNORE, ST_IGNORE}},
		{ST_SIGNAL_AUTH, NULL, {ST_END, ST_END, ST_END, ST_END, ST_END}}, /* a payload of something else */
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (int phase = ST_NEW; phase < ST_PHASES; phase++)
			cr_assert_eq((int)order_of((enum st_phase)phase, cases[i].signal, cases[i].word),
				     (int)cases[i].orders[phase], "%d %d", cases[i].signal, phase);
}
