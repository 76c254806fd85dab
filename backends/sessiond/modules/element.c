#include "element.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

static const char client_ns[] = "jabber:client";

static xmlNode *node_of(const struct element *element)
{
	return (xmlNode *)element;
}

static struct element *next_element(xmlNode *node)
{
	while (node != NULL && node->type != XML_ELEMENT_NODE)
		node = node->next;
	return (struct element *)node;
}

/*
 * The wrapper gives the stanza its default namespace. HUGE lifts libxml2's own limits, which lie near those of the
 * tokenizer, whose verdict is the one that counts.
 */
struct element *element_parse(const void *bytes, size_t len)
{
	const int options = XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_NOCDATA | XML_PARSE_NOERROR |
			    XML_PARSE_NOWARNING | XML_PARSE_HUGE | XML_PARSE_NODICT;
	struct text whole = {0};
	xmlDoc *document;
	struct element *found;

	text_put(&whole, "<s xmlns='%r'>%b</s>", client_ns, bytes, len);
	document = xmlReadMemory(whole.bytes, (int)whole.len, NULL, "UTF-8", options);
	text_free(&whole);
	if (document == NULL)
		return NULL;
	found = next_element(xmlDocGetRootElement(document)->children);
	if (found == NULL)
		xmlFreeDoc(document);
	return found;
}

void element_free(struct element *element)
{
	if (element != NULL)
		xmlFreeDoc(node_of(element)->doc);
}

const char *element_name(const struct element *element)
{
	return (const char *)node_of(element)->name;
}

const char *element_ns(const struct element *element)
{
	const xmlNs *ns = node_of(element)->ns;

	return ns != NULL && ns->href != NULL ? (const char *)ns->href : "";
}

bool element_is(const struct element *element, const char *name, const char *ns)
{
	return strcmp(element_name(element), name) == 0 && strcmp(element_ns(element), ns) == 0;
}

static const char *attribute_value(const xmlAttr *attribute)
{
	const xmlNode *value = attribute->children;

	return value != NULL && value->content != NULL ? (const char *)value->content : "";
}

const char *element_attribute(const struct element *element, const char *name)
{
	for (const xmlAttr *a = node_of(element)->properties; a != NULL; a = a->next)
		if (a->ns == NULL && strcmp((const char *)a->name, name) == 0)
			return attribute_value(a);
	return NULL;
}

struct element *element_first(const struct element *element)
{
	return next_element(node_of(element)->children);
}

struct element *element_next(const struct element *element)
{
	return next_element(node_of(element)->next);
}

struct element *element_child(const struct element *element, const char *name, const char *ns)
{
	for (struct element *child = element_first(element); child != NULL; child = element_next(child))
		if (element_is(child, name, ns))
			return child;
	return NULL;
}

size_t element_count(const struct element *element)
{
	size_t count = 0;

	for (struct element *child = element_first(element); child != NULL; child = element_next(child))
		count++;
	return count;
}

void element_remove(struct element *element)
{
	xmlUnlinkNode(node_of(element));
	xmlFreeNode(node_of(element));
}

char *element_text(const struct element *element)
{
	struct text whole = {0};

	text_put(&whole, "");
	for (const xmlNode *n = node_of(element)->children; n != NULL; n = n->next)
		if (n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE)
			text_put(&whole, "%r", (const char *)n->content);
	return whole.bytes;
}

/* A prefix is declared on the element that uses it: the prefix of the original may be bound far outside. */
static void write_attribute(const xmlAttr *attribute, unsigned number, struct text *to)
{
	const xmlNs *ns = attribute->ns;
	const char *name = (const char *)attribute->name;

	if (ns == NULL)
		text_put(to, " %r='%s'", name, attribute_value(attribute));
	else if (xmlStrEqual(ns->href, XML_XML_NAMESPACE))
		text_put(to, " xml:%r='%s'", name, attribute_value(attribute));
	else
		text_put(to, " xmlns:n%u='%s' n%u:%r='%s'", number, (const char *)ns->href, number, name,
			 attribute_value(attribute));
}

void element_write(const struct element *element, const char *ns, struct text *to)
{
	const xmlNode *node = node_of(element);
	const char *own = element_ns(element);
	unsigned number = 0;

	text_put(to, "<%r", element_name(element));
	if (strcmp(own, ns) != 0)
		text_put(to, " xmlns='%s'", own);
	for (const xmlAttr *a = node->properties; a != NULL; a = a->next)
		write_attribute(a, number++, to);
	if (node->children == NULL) {
		text_put(to, "/>");
		return;
	}
	text_put(to, ">");
	for (xmlNode *n = node->children; n != NULL; n = n->next)
		if (n->type == XML_ELEMENT_NODE)
			element_write((struct element *)n, own, to);
		else if (n->content != NULL)
			text_put(to, "%t", (const char *)n->content);
	text_put(to, "</%r>", element_name(element));
}
