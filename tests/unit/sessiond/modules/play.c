#include "play.h"

#include <criterion/criterion.h>
#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_core.h"
#include "text.h"
#include "xml.h"

enum { XML_BYTES_MAX = 256 * 1024 };

static struct sessiond *server;
static struct xml_work *work;

void play_begin(void)
{
	static const char *const names[] = {"alice@localhost", "bob@localhost", "carol@localhost", "dave@localhost"};

	cr_assert(xml_kernel_choose(NULL) != NULL);
	work = aligned_alloc(64, (xml_work_bytes() + 63) / 64 * 64);
	server = fake_core_new();
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		play_account(names[i]);
}

void play_end(void)
{
	fake_core_free(server);
	free(work);
	xmlCleanupParser();
}

struct sessiond *play_server(void)
{
	return server;
}

struct sessiond_settings *play_settings(void)
{
	return &server->settings;
}

void play_account(const char *bare_jid)
{
	struct store_account account = {.sha1.iterations = 4096, .sha256.iterations = 4096};

	cr_assert(store_account_put(server->store, bare_jid, &account));
}

void play_account_delete(const char *bare_jid)
{
	bool found = false;

	cr_assert(store_account_delete(server->store, bare_jid, &found) && found);
}

void play_break_store(void)
{
	sqlite3_stmt *statement = store_statement(server->store, "PRAGMA query_only = ON");

	cr_assert(statement != NULL);
	sqlite3_step(statement);
	sqlite3_reset(statement);
}

struct session *play_login(const char *full_jid)
{
	return fake_session_new(server, full_jid);
}

struct session *play_online(const char *full_jid)
{
	struct session *session = play_login(full_jid);

	play_send(session, "<iq type='get' id='online'><query xmlns='jabber:iq:roster'/></iq>");
	play_send(session, "<presence/>");
	play_forget_all();
	return session;
}

void play_logout(struct session *session)
{
	fake_session_end(session);
}

/* As the gate does it: the attribute goes right behind the name. */
static size_t stamp(const struct session *session, const char *xml, char *to)
{
	int name = 1 + (int)strcspn(xml + 1, " \t\r\n/>");

	return (size_t)snprintf(to, XML_BYTES_MAX, "%.*s from='%s'%s", name, xml, session->full_jid, xml + name);
}

void play_send(struct session *session, const char *xml)
{
	static const struct xml_limits limits = {.element_bytes_max = XML_BYTES_MAX,
						 .elements_max = 2000,
						 .depth_max = 64,
						 .attributes_max = 64,
						 .name_bytes_max = 256,
						 .namespaces_max = 64};
	char *bytes = malloc(XML_BYTES_MAX);
	size_t len = stamp(session, xml, bytes);
	struct xml_event event;
	struct xml stream;

	xml_enter(&stream);
	xml_next(&stream, work, &limits, (const uint8_t *)bytes, len, &event);
	cr_assert_eq(event.is, XML_ELEMENT, "the play's own XML is bad: %s", xml);
	cr_assert_eq(event.end, len);
	bytes = realloc(bytes, len); /* so that a sanitizer sees whoever reads behind it */
	stanza_handle(session, &event, (const uint8_t *)bytes);
	free(bytes);
}

static void value_fix(xmlNode *node, const char *name, const char *prefix, const char *fixed)
{
	xmlChar *value = xmlGetNoNsProp(node, (const xmlChar *)name);

	if (value != NULL && strncmp((const char *)value, prefix, strlen(prefix)) == 0)
		xmlSetProp(node, (const xmlChar *)name, (const xmlChar *)fixed);
	xmlFree(value);
}

/* Canonical XML refuses relative namespace names, of which XMPP has one: vcard-temp. */
static void namespaces_fix(xmlNode *node)
{
	for (xmlNs *ns = node->nsDef; ns != NULL; ns = ns->next) {
		xmlChar *absolute;

		if (*ns->href == '\0' || xmlStrchr(ns->href, ':') != NULL)
			continue;
		absolute = xmlStrncatNew((const xmlChar *)"absolute:", ns->href, -1);
		xmlFree((void *)ns->href);
		ns->href = absolute;
	}
}

static void node_fix(xmlNode *node)
{
	for (; node != NULL; node = node->next) {
		if (node->type != XML_ELEMENT_NODE)
			continue;
		namespaces_fix(node);
		value_fix(node, "id", "push-", "push");
		value_fix(node, "stamp", "", "*");
		if (xmlStrEqual(node->name, (const xmlChar *)"utc"))
			xmlNodeSetContent(node, (const xmlChar *)"*");
		node_fix(node->children);
	}
}

/* Canonical XML (W3C, exclusive): what means the same reads the same. The caller frees it. */
static char *canonical(const char *xml)
{
	struct text whole = {0};
	xmlDoc *document;
	xmlChar *text = NULL;

	text_put(&whole, "<s xmlns='jabber:client'>%r</s>", xml);
	document = xmlReadMemory(whole.bytes, (int)whole.len, NULL, "UTF-8",
				 XML_PARSE_NONET | XML_PARSE_HUGE | XML_PARSE_NOWARNING);
	text_free(&whole);
	cr_assert(document != NULL, "not well-formed: %s", xml);
	node_fix(xmlDocGetRootElement(document));
	cr_assert(xmlC14NDocDumpMemory(document, NULL, XML_C14N_EXCLUSIVE_1_0, NULL, 0, &text) >= 0);
	xmlFreeDoc(document);
	return (char *)text;
}

void play_expect_at(struct session *session, const char *xml, const char *file, int line)
{
	char *sent = fake_session_take(session), *is, *wanted;

	if (xml == NULL || sent == NULL) {
		cr_assert(xml == NULL && sent == NULL, "%s:%d: %s got %s\nand not %s", file, line, session->full_jid,
			  sent ? sent : "nothing", xml ? xml : "nothing");
		return;
	}
	if (strstr(sent, "urn:xmpp:forward:0") == NULL)
		cr_assert(strstr(sent, "jabber:client") == NULL, "%s:%d: %s", file, line, sent);
	is = canonical(sent);
	wanted = canonical(xml);
	cr_assert_str_eq(is, wanted, "%s:%d: %s got\n%s\nand not\n%s", file, line, session->full_jid, is, wanted);
	xmlFree(is);
	xmlFree(wanted);
	free(sent);
}

void play_forget(struct session *session)
{
	for (char *xml; (xml = fake_session_take(session)) != NULL;)
		free(xml);
}

void play_forget_all(void)
{
	for (struct fake_session *s = server->sessions; s != NULL; s = s->next)
		play_forget(&s->session);
}

static void ask(struct session *session, const char *type, const char *to)
{
	char xml[512];

	snprintf(xml, sizeof xml, "<presence type='%s' to='%s'/>", type, to);
	play_send(session, xml);
}

void play_befriend(const char *one, const char *other)
{
	char jid[2][256];
	struct session *sessions[2];

	snprintf(jid[0], sizeof jid[0], "%s/befriend", one);
	snprintf(jid[1], sizeof jid[1], "%s/befriend", other);
	for (size_t i = 0; i < 2; i++)
		sessions[i] = play_login(jid[i]);
	ask(sessions[0], "subscribe", other);
	ask(sessions[1], "subscribed", one);
	ask(sessions[1], "subscribe", one);
	ask(sessions[0], "subscribed", other);
	for (size_t i = 0; i < 2; i++)
		play_logout(sessions[i]);
	play_forget_all();
}
